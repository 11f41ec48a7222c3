//! Explains what a route requires of a token: the authentication of the user, scopes, roles, claims and
//! authorization details.
//!
//! Does not check: the functions of `Require::check` and `Require::detail`, which need a request.

use std::sync::Arc;

use serde_json::Value;

use super::explanation::{CheckResult, Explanation};
use super::hints::unmet_hint;
use crate::access_token::{ClaimValue, Confirmation, StepUp};
use crate::bearer::ScopeSet;
use crate::jwt::UnverifiedClaims;
use crate::jwt::claims::{self, ClaimsPolicy};
use crate::rejection::RejectionKind;
use crate::requirement::{AnyRole, DetailFault, RequiredClaim, Requirement, Unmet};
use crate::time::NumericDate;

/// The part of an introspection response that narrows a JWT.
#[derive(Default)]
pub(super) struct FromResponse {
    /// The scopes, which narrow those of the JWT.
    pub(super) scopes: Option<ScopeSet>,
    /// The `cnf` of a JWT that has none itself.
    pub(super) bound_to: Option<Confirmation>,
}

/// Adds a finding for the scopes, and one for everything else that the route requires. `more` is what an
/// introspection response adds to the `claims`.
pub(super) fn explain_route(
    claims: &UnverifiedClaims<'_>,
    policy: &ClaimsPolicy,
    more: &FromResponse,
    now: NumericDate,
    route: Option<&Requirement>,
    explanation: &mut Explanation,
) {
    let json: Value = serde_json::from_str(claims.json).unwrap_or_default();
    if let Some(route) = route {
        explain_sender_bound(claims.cnf.value().or(more.bound_to.as_ref()), route, explanation);
        explain_authentication(claims, policy, now, route, explanation);
        explain_auth_context(&json, route, explanation);
    }
    let own = claims::scopes(claims, policy).ok().flatten().unwrap_or_default();
    let scopes = more.scopes.as_ref().map_or_else(|| own.clone(), |granted| own.intersection(granted));
    explain_scopes(&scopes, policy, route, explanation);
    let Some(route) = route else { return };
    let roles = claims::roles(claims, policy).unwrap_or_default();
    let roles: Vec<&str> = roles.iter().map(|role| &**role).collect();
    let mut unmet: Vec<Unmet> =
        route.roles().iter().filter_map(|any_of| explain_role(any_of, &roles, explanation)).collect();
    unmet.extend(route.claims().filter_map(|claim| explain_claim(claim, &json, explanation)));
    unmet.extend(route.detail_types().filter_map(|kind| explain_detail(kind, &json, explanation)));
    let is_verdict = explanation.rejection_kind() == Some(RejectionKind::RequirementUnmet);
    if let Some(first) = unmet.first().filter(|_| is_verdict) {
        explanation.set_hint(Some(unmet_hint(first, policy)));
    }
}

fn explain_sender_bound(bound_to: Option<&Confirmation>, route: &Requirement, explanation: &mut Explanation) {
    if route.is_sender_bound() {
        let presented = bound_to.map_or_else(|| "none".to_owned(), ToString::to_string);
        let result = failed_unless(bound_to.is_some(), RejectionKind::TokenNotBound);
        explanation.add("binding", "to a key or a certificate", &presented, result);
    }
}

fn explain_authentication(
    claims: &UnverifiedClaims<'_>,
    policy: &ClaimsPolicy,
    now: NumericDate,
    route: &Requirement,
    explanation: &mut Explanation,
) {
    let Some(step_up) = route.step_up() else { return };
    let (acr, auth_time) = (claims.acr.value().map(|acr| &**acr), claims.auth_time.value().copied());
    let is_met = step_up.accepts_acr(acr) && step_up.accepts_auth_time(auth_time, policy.leeway, || now);
    let auth_time = auth_time.map_or_else(|| "none".to_owned(), |time| time.to_string());
    let presented = format!("acr {}, auth_time {auth_time}", acr.unwrap_or("none"));
    let result = failed_unless(is_met, RejectionKind::AuthenticationInsufficient);
    explanation.add("authentication", &expected_authentication(step_up), &presented, result);
}

/// The required authentication, for a log or a terminal.
pub(super) fn expected_authentication(step_up: &StepUp) -> String {
    let acr_values: Vec<&str> = step_up.acr_values().collect();
    let acr_values =
        if acr_values.is_empty() { "of an empty list".to_owned() } else { acr_values.join(" or ") };
    let acr = step_up.requires_acr().then(|| format!("acr {acr_values}"));
    let age = step_up.max_age().map(|age| format!("auth_time at most {} s ago", age.as_secs()));
    acr.into_iter().chain(age).collect::<Vec<_>>().join(", ")
}

fn explain_auth_context(json: &Value, route: &Requirement, explanation: &mut Explanation) {
    let Some(context) = route.auth_context() else { return };
    let contexts = ClaimValue::new(json).get("acrs");
    let result = failed_unless(
        contexts.is_some_and(|contexts| contexts.contains(context)),
        RejectionKind::AuthContextMissing,
    );
    let presented = contexts.map_or_else(|| "none".to_owned(), ClaimValue::to_json);
    explanation.add("acrs", context, &presented, result);
}

fn explain_scopes(
    granted: &ScopeSet,
    policy: &ClaimsPolicy,
    route: Option<&Requirement>,
    explanation: &mut Explanation,
) {
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

/// Returns what the token lacks, if it has no authorization detail of this type.
fn explain_detail(kind: &Arc<str>, json: &Value, explanation: &mut Explanation) -> Option<Unmet> {
    let is_present = ClaimValue::new(json).authorization_details(kind).next().is_some();
    let presented = if is_present { "present" } else { "none" };
    explanation.add("authorization detail", kind, presented, met(is_present));
    (!is_present).then(|| Unmet::Detail(Arc::clone(kind), DetailFault::Absent))
}

fn met(is_met: bool) -> CheckResult {
    failed_unless(is_met, RejectionKind::RequirementUnmet)
}

fn failed_unless(is_met: bool, kind: RejectionKind) -> CheckResult {
    if is_met { CheckResult::Passed } else { CheckResult::Failed(kind) }
}

fn joined<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let texts: Vec<&str> = texts.collect();
    if texts.is_empty() { "none".to_owned() } else { texts.join(" ") }
}
