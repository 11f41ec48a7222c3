//! Checks the settings that name claims: a name that no token can match is a mistake.
//!
//! Checks: empty lists and names; JSON Pointers; names with dots that look like a path; that the audience of
//! tokens without `aud` is restricted.
//! Does not check: whether the tokens of the issuer have the claims.

use super::Issuer;
use crate::encoding::json_pointer::JsonPointer;
use crate::jwt::claims::{CLIENT_CLAIMS, RequiredValue, can_name_client};
use crate::settings::config_error::ConfigProblem;

/// Adds a problem for each empty audience, and for each that begins or ends with white space: `aud` is
/// compared byte for byte, and such a name comes from a file or a variable.
pub(crate) fn check_audiences<'a>(
    audiences: impl Iterator<Item = &'a String>,
    problems: &mut Vec<ConfigProblem>,
) {
    for audience in audiences {
        if audience.is_empty() {
            problems.push(ConfigProblem::AudienceEmpty);
        } else if audience.trim() != audience {
            problems.push(ConfigProblem::AudienceUnusable { audience: audience.clone() });
        }
    }
}

impl Issuer {
    pub(super) fn check_claim_settings(&self, problems: &mut Vec<ConfigProblem>) {
        self.check_claim_names(problems);
        let mut unusable = |setting, name: &str, (reason, hint)| {
            let (issuer, name) = (self.identifier.clone(), name.to_owned());
            problems.push(ConfigProblem::ClaimUnusable { issuer, setting, name, reason, hint });
        };
        for name in self.scope_claims.iter().filter(|name| !name.is_empty()) {
            if let Some(fault) = source_fault(name) {
                unusable("scope_claims", name, fault);
            }
        }
        for pointer in self.role_claims.iter().filter(|pointer| !pointer.is_empty()) {
            if let Some(fault) = pointer_fault(pointer) {
                unusable("role_claims", pointer, fault);
            }
        }
        for name in self.client_claims.iter().filter(|name| !name.is_empty()) {
            if let Some(fault) = name_fault(name).or_else(|| client_claim_fault(name)) {
                unusable("client_claims", name, fault);
            }
        }
        for name in self.required_claims.iter().filter(|name| name.starts_with('/')) {
            unusable("require_claim", name, REQUIRED_POINTER);
        }
        for (index, (name, value)) in self.required_values.iter().enumerate() {
            let earlier = self.required_values.iter().take(index);
            if let Some(fault) = required_value_fault(name, value, earlier) {
                unusable("require_claim_value", name, fault);
            }
        }
        if let Some(name) = self.audience_claim.as_deref().filter(|name| !name.is_empty())
            && let Some(fault) = source_fault(name).or_else(|| self.audience_claim_fault(name))
        {
            unusable("audience_claim", name, fault);
        }
    }

    fn check_claim_names(&self, problems: &mut Vec<ConfigProblem>) {
        let audience_claim: Vec<String> = self.audience_claim.iter().cloned().collect();
        let with_values: Vec<String> = self.required_values.iter().map(|(name, _)| name.clone()).collect();
        let lists: [(&str, &[String], bool); 6] = [
            ("scope_claims", &self.scope_claims, true),
            ("client_claims", &self.client_claims, true),
            ("role_claims", &self.role_claims, false),
            ("require_claim", &self.required_claims, false),
            ("require_claim_value", &with_values, false),
            ("audience_claim", &audience_claim, false),
        ];
        for (setting, names, needs_one) in lists {
            if names.iter().any(String::is_empty) || (needs_one && names.is_empty()) {
                problems.push(ConfigProblem::ClaimNameEmpty { issuer: self.identifier.clone(), setting });
            }
        }
    }

    /// Whether the setting `audience_claim` names the client rather than the API.
    pub(super) fn audience_is_client(&self, name: &str) -> bool {
        let member = JsonPointer::parse(name).filter(JsonPointer::is_member);
        let is_member = |name: &str| member.as_ref().is_some_and(|pointer| pointer.member() == name);
        CLIENT_CLAIMS.into_iter().chain(self.client_claims.iter().map(String::as_str)).any(is_member)
    }

    fn audience_claim_fault(&self, name: &str) -> Option<Fault> {
        if matches!(name, "aud" | "/aud") {
            return Some(("has no effect, because `aud` is the default", "remove the setting"));
        }
        if self.strict_rfc9068 {
            let reason = "has no effect beside strict_rfc9068, which requires `aud`";
            return Some((reason, "remove one of the two settings"));
        }
        if self.audience_is_client(name) && self.allowed_clients.is_none() {
            let reason = "names a client, and without allowed_clients every client would be accepted";
            return Some((reason, "list the clients of this API in .allowed_clients([...])"));
        }
        None
    }
}

/// The rest of a sentence that starts with the name, and the remedy.
type Fault = (&'static str, &'static str);

const MALFORMED: Fault =
    ("is not a JSON Pointer (RFC 6901)", "escape `~` as `~0`, and `/` inside a name as `~1`");

const REQUIRED_POINTER: Fault = (
    "matches no token: require_claim takes the name of a claim",
    "check a value inside a claim with .require_claim_value(...), or with Require::claim on a route",
);

const NO_VALUE: Fault = ("has an empty list of values", "write the values of which the claim must have one");

const EMPTY_VALUE: Fault = ("has an empty value", "write the value that the claim must have");

const TWO_VALUES: Fault = (
    "matches no token: two calls require different values",
    "remove one of them, or accept several values with one list",
);

/// The fault of a name or of a JSON Pointer.
fn source_fault(text: &str) -> Option<Fault> {
    if text.starts_with('/') { pointer_fault(text) } else { dotted_fault(text) }
}

fn pointer_fault(text: &str) -> Option<Fault> {
    if !text.starts_with('/') {
        let hint =
            "write a JSON Pointer: \"/groups\" for a claim, \"/realm_access/roles\" for a member of it";
        return Some(("does not begin with `/`", hint));
    }
    JsonPointer::parse(text).is_none().then_some(MALFORMED)
}

fn name_fault(text: &str) -> Option<Fault> {
    if text.starts_with('/') {
        return Some(("is not the name of a claim", "write the name of a claim without `/`"));
    }
    dotted_fault(text)
}

/// The fault of a required value, after those of `earlier` calls.
fn required_value_fault<'v>(
    name: &str,
    value: &RequiredValue,
    mut earlier: impl Iterator<Item = &'v (String, RequiredValue)>,
) -> Option<Fault> {
    if value.is_empty_list() {
        return Some(NO_VALUE);
    }
    if value.has_empty_text() {
        return Some(EMPTY_VALUE);
    }
    let is_same_claim = |other: &str| {
        let (claim, other) = (JsonPointer::parse(name), JsonPointer::parse(other));
        claim.zip(other).is_some_and(|(claim, other)| claim.is_same_value(&other))
    };
    if earlier.any(|(other, required)| is_same_claim(other) && !required.overlaps(value)) {
        return Some(TWO_VALUES);
    }
    source_fault(name)
}

fn client_claim_fault(name: &str) -> Option<Fault> {
    (!can_name_client(name))
        .then_some(("never names a client", "name the claim that does, such as `client_id`, `azp` or `sub`"))
}

/// A path such as `realm_access.roles` is no claim. The dots of a URL or a URN are no path.
fn dotted_fault(text: &str) -> Option<Fault> {
    let looks_like_path = text.contains('.') && !text.contains(['/', ':']);
    looks_like_path.then_some((
        "matches no token: a dot does not reach into an object",
        "write a JSON Pointer, such as \"/realm_access/roles\", or \"/a.b\" for a claim with the name `a.b`",
    ))
}
