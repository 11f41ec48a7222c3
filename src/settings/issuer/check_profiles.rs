//! Checks the arguments of the profiles: the mistakes that would show only when the first token is rejected.

use super::Issuer;
use crate::fetch_url::redacted;
use crate::settings::config_error::ConfigProblem;

/// An argument of a profile from which no identifier can be made that any token has.
#[derive(Clone)]
pub(super) struct ProfileFault {
    profile: &'static str,
    argument: String,
    reason: &'static str,
    hint: &'static str,
}

/// The fault, as the end of a sentence that starts with the argument, and the remedy.
type Fault = (&'static str, &'static str);

impl ProfileFault {
    pub(super) fn problem(&self) -> ConfigProblem {
        ConfigProblem::ProfileUnusable {
            profile: self.profile,
            argument: redacted(&self.argument),
            reason: self.reason,
            hint: self.hint,
        }
    }
}

impl Issuer {
    /// The same, with the `fault` in the `argument` of its profile, which `build` reports.
    pub(super) fn report_argument(self, profile: &'static str, argument: &str, fault: Option<Fault>) -> Self {
        let fault =
            fault.map(|(reason, hint)| ProfileFault { profile, argument: argument.to_owned(), reason, hint });
        Self { profile_fault: fault.map(Box::new), ..self }
    }
}

/// Why `url` is not that of a Keycloak realm, and the remedy.
pub(super) fn realm_fault(url: &str) -> Option<Fault> {
    // The last one: a realm can have the name `realms`.
    let realm = url.trim_end_matches('/').rsplit_once("/realms/").map(|(_, realm)| realm);
    match realm {
        None => Some((
            "names no realm",
            "write the URL of a realm, such as \"https://login.example.com/realms/acme\"",
        )),
        Some(realm) if realm.contains('/') => {
            Some(("has a path behind the realm", "write the URL up to the name of the realm"))
        }
        Some(_) => slash_fault(url),
    }
}

/// For an authorization server whose `iss` never ends in a slash.
pub(super) fn slash_fault(url: &str) -> Option<Fault> {
    url.ends_with('/').then_some(("ends in a slash, and `iss` does not", "remove the slash at the end"))
}

/// For an argument that is a host name, of which the profile makes a URL.
pub(super) fn host_fault(host: &str) -> Option<Fault> {
    path_fault(host, "name the host only, without scheme and path, such as \"login.example.com\"")
}

/// For the tenant ID of Entra ID.
pub(super) fn tenant_fault(tenant: &str) -> Option<Fault> {
    path_fault(tenant, "name the tenant ID only, without scheme and path")
}

fn path_fault(argument: &str, hint: &'static str) -> Option<Fault> {
    let reason = if argument.contains("://") { "is a URL" } else { "has a slash" };
    argument.contains('/').then_some((reason, hint))
}

/// For a user pool of Cognito, whose ID begins with its region.
pub(super) fn pool_fault(region: &str, pool: &str) -> Option<Fault> {
    let is_of_region = pool.strip_prefix(region).is_some_and(|name| name.starts_with('_'));
    (!is_of_region).then_some((
        "is not the ID of a user pool in that region",
        "write the region, then the pool ID, such as \"eu-central-1_AbCdEfGhI\"",
    ))
}
