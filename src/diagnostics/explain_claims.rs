//! Explains the claims: runs every claim check and says what it expects and what the token presents.

use std::borrow::Cow;
use std::time::Duration;

use super::explanation::{CheckResult, Explanation};
use crate::access_token::Confirmation;
use crate::jwt::claims::{self, CHECKS, Check, ClaimFault, ClaimsPolicy};
use crate::jwt::{Claim, UnverifiedClaims};
use crate::time::NumericDate;

/// Adds a finding for every claim check.
pub(super) fn explain_claims(
    claims: &UnverifiedClaims<'_>,
    policy: &ClaimsPolicy,
    now: NumericDate,
    explanation: &mut Explanation,
) {
    for check in CHECKS {
        let result = CheckResult::of(check.run(claims, policy, now));
        let (name, configured, presented) = shown(check, claims, policy, now);
        explanation.add(name, &configured, &presented, result);
    }
}

/// The name of a claim check, what it expects, and what the token presents.
fn shown(
    check: Check,
    claims: &UnverifiedClaims<'_>,
    policy: &ClaimsPolicy,
    now: NumericDate,
) -> (&'static str, String, String) {
    let leeway = policy.leeway.as_secs();
    let has_started = || format!("at most now, {now}, plus {leeway} s; or none");
    let (exp, iat) = (show_date(&claims.exp), show_date(&claims.iat));
    match check {
        Check::Issuer => ("iss", policy.issuer.to_string(), show_text(&claims.iss)),
        Check::Kind => ("kind of token", "an access token".to_owned(), String::new()),
        Check::Audience => shown_audience(claims, policy),
        Check::Expiry => ("exp", format!("later than now, {now}, less {leeway} s"), exp),
        Check::NotBefore => ("nbf", has_started(), show_date(&claims.nbf)),
        Check::IssuedAt => ("iat", has_started(), iat),
        Check::Types => {
            ("claim types", "sub, client_id, scopes and roles well-typed".to_owned(), String::new())
        }
        Check::RequiredClaims => ("required claims", required_claims(policy), unmet_claims(claims, policy)),
        Check::MaxAge => ("max_age", show_limit(policy.max_age), format!("issued {iat}")),
        Check::MaxLifetime => ("max_lifetime", show_limit(policy.max_lifetime), format!("{iat} to {exp}")),
        Check::Client => {
            let allowed = policy.clients.as_ref().map(|clients| clients.join(", "));
            let client = claims::client(claims, policy).ok().map(String::from);
            let or_else = |text: Option<String>, other: &str| text.unwrap_or_else(|| other.to_owned());
            ("client", or_else(allowed, "any"), or_else(client, "none"))
        }
        Check::Confirmation => (
            "cnf",
            "an object with a member, thumbprints well-typed; or none".to_owned(),
            show_cnf(&claims.cnf),
        ),
        Check::Validators => {
            ("validators", format!("{} of the issuer accept", policy.validators.len()), String::new())
        }
    }
}

fn shown_audience(claims: &UnverifiedClaims<'_>, policy: &ClaimsPolicy) -> (&'static str, String, String) {
    let presented = claims.aud.value().map(|named| named.join(", "));
    let other = policy.audience_claim.as_ref().map(|source| {
        let expected = if source.is_client { "an allowed client" } else { "one of them" };
        format!(", or without `aud` {expected} in {}", source.claim.as_str())
    });
    let expected = format!("{}{}", policy.audiences.join(", "), other.unwrap_or_default());
    ("aud", expected, presented.unwrap_or_else(|| "none or ill-typed".to_owned()))
}

fn show_date(claim: &Claim<NumericDate>) -> String {
    match claim {
        Claim::Absent => "none".to_owned(),
        Claim::IllTyped => "not a date".to_owned(),
        Claim::Present(date) => date.to_string(),
    }
}

fn show_cnf(claim: &Claim<Confirmation>) -> String {
    match claim {
        Claim::Absent => "none".to_owned(),
        Claim::IllTyped => "ill-typed or empty".to_owned(),
        Claim::Present(confirmation) => confirmation.to_string(),
    }
}

fn show_text(claim: &Claim<Cow<'_, str>>) -> String {
    match claim {
        Claim::Absent => "none".to_owned(),
        Claim::IllTyped => "not a string".to_owned(),
        Claim::Present(text) => text.to_string(),
    }
}

fn show_limit(limit: Option<Duration>) -> String {
    limit.map_or_else(|| "no limit".to_owned(), |limit| format!("at most {} s", limit.as_secs()))
}

fn required_claims(policy: &ClaimsPolicy) -> String {
    let optional = policy.optional;
    let always = [("iss", optional.iss), ("aud", optional.aud), ("exp", optional.exp)];
    let always = always.into_iter().filter(|(_, optional)| !optional).map(|(name, _)| name);
    let configured = policy.required.iter().map(|name| name.to_string());
    let values = policy.required_values.iter();
    let values = values.map(|required| format!("{} = {}", required.claim.as_str(), required.value.shown()));
    always.map(str::to_owned).chain(configured).chain(values).collect::<Vec<String>>().join(", ")
}

fn unmet_claims(claims: &UnverifiedClaims<'_>, policy: &ClaimsPolicy) -> String {
    let unmet = policy.unmet(claims).filter_map(|fault| match fault {
        ClaimFault::Missing(name) => Some(format!("not {name}")),
        ClaimFault::IllTyped(name) => Some(format!("{name} is ill-typed")),
        ClaimFault::OtherValue(name) => Some(format!("another {name}")),
        _ => None,
    });
    let unmet: Vec<String> = unmet.collect();
    if unmet.is_empty() { "all".to_owned() } else { unmet.join(", ") }
}
