//! Explains the scopes of a token, and what a route requires.

use super::explanation::{CheckResult, Explanation};
use crate::jwt::UnverifiedClaims;
use crate::jwt::claims::{self, ClaimsPolicy};
use crate::rejection::RejectionKind;
use crate::requirement::Requirement;

/// Adds a finding for the scopes, which a route may require.
pub(super) fn explain_scopes(
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
    let presented: Vec<&str> = granted.iter().collect();
    let presented = if presented.is_empty() { "none".to_owned() } else { presented.join(" ") };
    let (expected, result) = match route {
        None => ("any; a route may require some".to_owned(), CheckResult::Passed),
        Some(route) if route.is_met_by_scopes(&is_granted) => (expected(route), CheckResult::Passed),
        Some(route) => (expected(route), CheckResult::Failed(RejectionKind::ScopeInsufficient)),
    };
    explanation.add("scopes", &expected, &presented, result);
}

fn expected(route: &Requirement) -> String {
    let scopes = route.scopes_needed();
    let scopes = if scopes.is_empty() { "any" } else { &scopes };
    let checks = if route.has_checks() { ", and checks that need a request" } else { "" };
    format!("{scopes}{checks}")
}
