//! Explains what a route requires of a token: scopes, roles and claims.
//!
//! Does not check: the functions of `Require::check`, which need a request.

use serde_json::Value;

use super::explanation::{CheckResult, Explanation};
use super::hints::unmet_hint;
use crate::access_token::ClaimValue;
use crate::jwt::UnverifiedClaims;
use crate::jwt::claims::{self, ClaimsPolicy};
use crate::rejection::RejectionKind;
use crate::requirement::{AnyRole, RequiredClaim, Requirement, Unmet};

/// Adds a finding for the scopes, and one for each role and each claim that the route requires.
pub(super) fn explain_route(
    claims: &UnverifiedClaims<'_>,
    policy: &ClaimsPolicy,
    route: Option<&Requirement>,
    explanation: &mut Explanation,
) {
    explain_scopes(claims, policy, route, explanation);
    let Some(route) = route else { return };
    let roles = claims::roles(claims, policy).unwrap_or_default();
    let roles: Vec<&str> = roles.iter().map(|role| &**role).collect();
    let mut unmet: Vec<Unmet> =
        route.roles().iter().filter_map(|any_of| explain_role(any_of, &roles, explanation)).collect();
    let json: Value = serde_json::from_str(claims.json).unwrap_or_default();
    unmet.extend(route.claims().filter_map(|claim| explain_claim(claim, &json, explanation)));
    let is_verdict = explanation.rejection_kind() == Some(RejectionKind::RequirementUnmet);
    if let Some(first) = unmet.first().filter(|_| is_verdict) {
        explanation.set_hint(Some(unmet_hint(first, policy)));
    }
}

fn explain_scopes(
    claims: &UnverifiedClaims<'_>,
    policy: &ClaimsPolicy,
    route: Option<&Requirement>,
    explanation: &mut Explanation,
) {
    let granted = claims::scopes(claims, policy).ok().flatten().unwrap_or_default();
    let is_implied = |scope: &str| {
        let rule = policy.scope_implies.as_ref();
        rule.is_some_and(|rule| granted.iter().any(|granted| rule.implies(granted, scope)))
    };
    let is_granted = |scope: &str| granted.contains(scope) || is_implied(scope);
    let (expected, result) = match route {
        None => ("any; a route may require some".to_owned(), CheckResult::Passed),
        Some(route) if route.is_met_by_scopes(&is_granted) => (expected(route), CheckResult::Passed),
        Some(route) => (expected(route), CheckResult::Failed(RejectionKind::ScopeInsufficient)),
    };
    explanation.add("scopes", &expected, &joined(granted.iter()), result);
}

fn expected(route: &Requirement) -> String {
    let scopes = route.scopes_needed();
    let scopes = if scopes.is_empty() { "any" } else { &scopes };
    let checks = if route.needs_request() { ", and checks that need a request" } else { "" };
    format!("{scopes}{checks}")
}

/// Returns what the token lacks, if it has none of the roles.
fn explain_role(any_of: &AnyRole, roles: &[&str], explanation: &mut Explanation) -> Option<Unmet> {
    let is_met = any_of.iter().any(|role| roles.contains(&&**role));
    explanation.add("role", &any_of.join(" or "), &joined(roles.iter().copied()), met(is_met));
    (!is_met).then(|| Unmet::Role(any_of.clone()))
}

/// Returns what the token lacks, if its claim is not met.
fn explain_claim(claim: &RequiredClaim, json: &Value, explanation: &mut Explanation) -> Option<Unmet> {
    let value = ClaimValue::new(json).get(&claim.pointer);
    let is_met = claim.is_met_by(value);
    let presented = value.map_or_else(|| "none".to_owned(), ClaimValue::to_json);
    let expected = format!("{}, with a value that the route accepts", claim.pointer);
    explanation.add("claim", &expected, &presented, met(is_met));
    (!is_met).then(|| Unmet::Claim(claim.pointer.clone()))
}

fn met(is_met: bool) -> CheckResult {
    if is_met { CheckResult::Passed } else { CheckResult::Failed(RejectionKind::RequirementUnmet) }
}

fn joined<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let texts: Vec<&str> = texts.collect();
    if texts.is_empty() { "none".to_owned() } else { texts.join(" ") }
}
