//! What the claims of a token must say to be accepted here (RFC 7519 section 4.1, RFC 9068 section 4): those
//! under a signature, and those in an answer of the issuer's introspection (RFC 7662 section 2.2).
//!
//! Checks, in the order of [`CHECKS`]: the issuer, the kind of token, `aud`, `exp`, `nbf`, `iat`,
//! the types of all claims that are read, the claims that must be there, the age and the lifetime,
//! the client, and that no `cnf` asks for a proof which a plain bearer token does not give
//! (RFC 7800 section 3, RFC 9449 section 7.2, RFC 8705 section 3).
//! Does not check: scopes, which are the business of each route.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::claim_set::{ConfiguredNames, UnverifiedClaims};
use super::typed::Claim;
use crate::access_token::{ClaimText, Grant};
use crate::bearer::ScopeSet;
use crate::time::NumericDate;

/// What one issuer's claims must say.
#[derive(Clone, Debug)]
pub(crate) struct ClaimsPolicy {
    pub(crate) issuer: Arc<str>,
    /// The names that this API answers to; one of them must be in `aud`.
    pub(crate) audiences: Vec<Box<str>>,
    pub(crate) leeway: Duration,
    /// The claims that scopes are read from.
    pub(crate) scope_claims: Vec<Box<str>>,
    /// The claims that must be there, beside `iss`, `aud` and `exp`.
    pub(crate) required: Vec<Arc<str>>,
    /// The greatest time since `iat`.
    pub(crate) max_age: Option<Duration>,
    /// The greatest time from `iat` to `exp`.
    pub(crate) max_lifetime: Option<Duration>,
    /// The clients that may call, where not every client of the issuer may.
    pub(crate) clients: Option<Vec<Box<str>>>,
    /// The claims that are said to be known by another way, and are checked only where they are there.
    pub(crate) optional: OptionalClaims,
    /// The names in `scope_claims` and `required` that this crate does not know by itself.
    pub(crate) names: Arc<ConfiguredNames>,
}

/// Which claims may be absent that a JWT must have.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct OptionalClaims {
    pub(crate) iss: bool,
    pub(crate) aud: bool,
    pub(crate) exp: bool,
}

/// Claims whose author is known to be the issuer.
pub(crate) trait TrustedClaims<'c> {
    /// The claims.
    fn claims(&self) -> &'c UnverifiedClaims<'c>;
}

impl ClaimsPolicy {
    /// The required claims that are not there.
    pub(crate) fn absent<'p>(&'p self, claims: &UnverifiedClaims<'_>) -> impl Iterator<Item = &'p Arc<str>> {
        self.required.iter().filter(|name| !claims.has(name, &self.names))
    }
}

/// Why claims are refused.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum ClaimFault {
    AudienceMismatch,
    ClientNotAllowed,
    Expired,
    IdToken,
    IllTyped(Arc<str>),
    IssuedInFuture,
    IssuerMismatch,
    LifetimeTooLong,
    Missing(Arc<str>),
    NotYetValid,
    OtherKind,
    SenderNotProven,
    TooOld,
}

/// One check: `explain` runs them all, [`check`] until the first that fails.
pub(crate) struct Check {
    /// The claim or the rule.
    pub(crate) name: &'static str,
    /// Judges.
    pub(crate) run: fn(&UnverifiedClaims<'_>, &ClaimsPolicy, NumericDate) -> Result<(), ClaimFault>,
}

/// Every check, the most telling first.
pub(crate) const CHECKS: [Check; 12] = [
    Check { name: "iss", run: check_issuer },
    Check { name: "kind of token", run: check_kind },
    Check { name: "aud", run: check_audience },
    Check { name: "exp", run: check_expiry },
    Check { name: "nbf", run: check_not_before },
    Check { name: "iat", run: check_issued_at },
    Check { name: "claim types", run: check_types },
    Check { name: "required claims", run: check_required },
    Check { name: "max_age", run: check_age },
    Check { name: "max_lifetime", run: check_lifetime },
    Check { name: "client", run: check_client },
    Check { name: "cnf", run: check_unbound },
];

/// Checks claims and takes from them what the token grants.
///
/// # Errors
/// The first [`ClaimFault`] in the order of [`CHECKS`].
pub(crate) fn check<'c>(
    vouched: &impl TrustedClaims<'c>,
    policy: &ClaimsPolicy,
    now: NumericDate,
) -> Result<Grant, ClaimFault> {
    check_all(vouched, policy, now)?;
    grant(vouched.claims(), policy)
}

/// Whether the dates of claims that passed [`check`] once, and were granted this, hold at another time.
pub(crate) fn dates_are_valid(grant: &Grant, policy: &ClaimsPolicy, now: NumericDate) -> bool {
    let begun = |begin: Option<NumericDate>| begin.is_none_or(|begin| has_begun(begin, policy, now));
    let young = || {
        let limits = grant.issued_at.zip(policy.max_age);
        limits.is_none_or(|(issued_at, max_age)| is_young(issued_at, max_age, policy, now))
    };
    is_before_end(grant.expires_at, policy, now)
        && begun(grant.not_before)
        && begun(grant.issued_at)
        && young()
}

/// Checks claims, where what the token grants is known by another way.
///
/// # Errors
/// As [`check`].
pub(crate) fn check_all<'c>(
    vouched: &impl TrustedClaims<'c>,
    policy: &ClaimsPolicy,
    now: NumericDate,
) -> Result<(), ClaimFault> {
    CHECKS.iter().try_for_each(|check| (check.run)(vouched.claims(), policy, now))
}

/// Checks the claims of a signed text that is no token: who made it, for whom, and that it was made a moment ago.
///
/// # Errors
/// The first [`ClaimFault`].
pub(crate) fn check_envelope<'c>(
    vouched: &impl TrustedClaims<'c>,
    policy: &ClaimsPolicy,
    now: NumericDate,
) -> Result<(), ClaimFault> {
    let claims = vouched.claims();
    check_issuer(claims, policy, now)?;
    check_audience(claims, policy, now)?;
    check_expiry(claims, policy, now)?;
    check_issued_at(claims, policy, now)?;
    check_age(claims, policy, now)
}

fn check_issuer(
    claims: &UnverifiedClaims<'_>,
    policy: &ClaimsPolicy,
    _: NumericDate,
) -> Result<(), ClaimFault> {
    let issuer = known_or_required("iss", &claims.iss, policy.optional.iss)?;
    hold(issuer.is_none_or(|issuer| **issuer == *policy.issuer), ClaimFault::IssuerMismatch)
}

/// Refuses what the same issuer signs with the same key but which grants no access here.
fn check_kind(claims: &UnverifiedClaims<'_>, _: &ClaimsPolicy, _: NumericDate) -> Result<(), ClaimFault> {
    hold(!claims.statement.0, ClaimFault::OtherKind)?;
    let says = |claim: &Claim<Cow<'_, str>>, kinds: &[&str]| {
        claim.value().is_some_and(|told| kinds.iter().any(|kind| told == kind))
    };
    hold(!says(&claims.token_use, &["id"]) && !says(&claims.typ, &["ID"]), ClaimFault::IdToken)?;
    let refresh = says(&claims.token_use, &["refresh_token"]) || says(&claims.typ, &["Refresh", "Offline"]);
    hold(!refresh, ClaimFault::OtherKind)?;
    // Older Keycloak access tokens carry a nonce, but never without one of these.
    let access = !(claims.scope.is_absent() && claims.scp.is_absent() && claims.client_id.is_absent());
    hold(!claims.token_hash.0 && (access || !claims.nonce.0), ClaimFault::IdToken)
}

fn check_audience(
    claims: &UnverifiedClaims<'_>,
    policy: &ClaimsPolicy,
    _: NumericDate,
) -> Result<(), ClaimFault> {
    let audiences = known_or_required("aud", &claims.aud, policy.optional.aud)?;
    // An empty list names nobody: where no name is needed, that is as good as none.
    let audiences = audiences.filter(|named| !(policy.optional.aud && named.is_empty()));
    let is_ours = |named: &Cow<'_, str>| policy.audiences.iter().any(|ours| **ours == **named);
    hold(audiences.is_none_or(|named| named.iter().any(is_ours)), ClaimFault::AudienceMismatch)
}

fn check_expiry(
    claims: &UnverifiedClaims<'_>,
    policy: &ClaimsPolicy,
    now: NumericDate,
) -> Result<(), ClaimFault> {
    let expires_at = known_or_required("exp", &claims.exp, policy.optional.exp)?;
    hold(expires_at.is_none_or(|end| is_before_end(*end, policy, now)), ClaimFault::Expired)
}

fn check_not_before(
    claims: &UnverifiedClaims<'_>,
    policy: &ClaimsPolicy,
    now: NumericDate,
) -> Result<(), ClaimFault> {
    let not_before = optional("nbf", &claims.nbf)?;
    hold(not_before.is_none_or(|start| has_begun(*start, policy, now)), ClaimFault::NotYetValid)
}

fn check_issued_at(
    claims: &UnverifiedClaims<'_>,
    policy: &ClaimsPolicy,
    now: NumericDate,
) -> Result<(), ClaimFault> {
    let issued_at = optional("iat", &claims.iat)?;
    hold(issued_at.is_none_or(|issued| has_begun(*issued, policy, now)), ClaimFault::IssuedInFuture)
}

fn check_required(
    claims: &UnverifiedClaims<'_>,
    policy: &ClaimsPolicy,
    _: NumericDate,
) -> Result<(), ClaimFault> {
    let absent = policy.absent(claims).next();
    absent.map_or(Ok(()), |name| Err(ClaimFault::Missing(Arc::clone(name))))
}

fn check_types(
    claims: &UnverifiedClaims<'_>,
    policy: &ClaimsPolicy,
    _: NumericDate,
) -> Result<(), ClaimFault> {
    optional("sub", &claims.sub)?;
    optional("jti", &claims.jti)?;
    optional("acr", &claims.acr)?;
    optional("auth_time", &claims.auth_time)?;
    client(claims)?;
    policy.scope_claims.iter().try_for_each(|name| scope_claim(claims, name, policy).map(drop))
}

fn check_age(
    claims: &UnverifiedClaims<'_>,
    policy: &ClaimsPolicy,
    now: NumericDate,
) -> Result<(), ClaimFault> {
    let Some(max_age) = policy.max_age else { return Ok(()) };
    let issued_at = *required("iat", &claims.iat)?;
    hold(is_young(issued_at, max_age, policy, now), ClaimFault::TooOld)
}

fn check_lifetime(
    claims: &UnverifiedClaims<'_>,
    policy: &ClaimsPolicy,
    _: NumericDate,
) -> Result<(), ClaimFault> {
    let Some(max_lifetime) = policy.max_lifetime else { return Ok(()) };
    let lifetime = required("exp", &claims.exp)?.since(*required("iat", &claims.iat)?);
    hold(lifetime <= max_lifetime, ClaimFault::LifetimeTooLong)
}

fn check_client(
    claims: &UnverifiedClaims<'_>,
    policy: &ClaimsPolicy,
    _: NumericDate,
) -> Result<(), ClaimFault> {
    let Some(clients) = &policy.clients else { return Ok(()) };
    let client = client(claims)?.ok_or_else(|| ClaimFault::Missing("client_id".into()))?;
    hold(clients.iter().any(|allowed| **allowed == **client), ClaimFault::ClientNotAllowed)
}

/// A `cnf` in any form, known or not, is a condition that a bearer token does not meet.
fn check_unbound(claims: &UnverifiedClaims<'_>, _: &ClaimsPolicy, _: NumericDate) -> Result<(), ClaimFault> {
    hold(!claims.cnf.0, ClaimFault::SenderNotProven)
}

fn is_before_end(end: NumericDate, policy: &ClaimsPolicy, now: NumericDate) -> bool {
    now < end.later(policy.leeway)
}

fn has_begun(begin: NumericDate, policy: &ClaimsPolicy, now: NumericDate) -> bool {
    begin <= now.later(policy.leeway)
}

fn is_young(issued_at: NumericDate, max_age: Duration, policy: &ClaimsPolicy, now: NumericDate) -> bool {
    now.since(issued_at) <= max_age.saturating_add(policy.leeway)
}

fn hold(holds: bool, fault: ClaimFault) -> Result<(), ClaimFault> {
    if holds { Ok(()) } else { Err(fault) }
}

/// The claim; nothing where it is absent and need not be there.
fn known_or_required<'c, T>(
    name: &str,
    claim: &'c Claim<T>,
    may_be_absent: bool,
) -> Result<Option<&'c T>, ClaimFault> {
    if may_be_absent { optional(name, claim) } else { required(name, claim).map(Some) }
}

pub(crate) fn required<'c, T>(name: &str, claim: &'c Claim<T>) -> Result<&'c T, ClaimFault> {
    optional(name, claim)?.ok_or_else(|| ClaimFault::Missing(name.into()))
}

pub(crate) fn optional<'c, T>(name: &str, claim: &'c Claim<T>) -> Result<Option<&'c T>, ClaimFault> {
    match claim {
        Claim::IllTyped => Err(ClaimFault::IllTyped(name.into())),
        Claim::Absent | Claim::Present(_) => Ok(claim.value()),
    }
}

/// The client that asked for the token, under the name that its server uses.
pub(crate) fn client<'c, 'a>(
    claims: &'c UnverifiedClaims<'a>,
) -> Result<Option<&'c Cow<'a, str>>, ClaimFault> {
    let names = [
        ("client_id", &claims.client_id),
        ("azp", &claims.azp),
        ("cid", &claims.cid),
        ("appid", &claims.appid),
    ];
    let mut first = None;
    for (name, claim) in names {
        first = first.or(optional(name, claim)?);
    }
    Ok(first)
}

/// What one claim says about scopes.
fn scope_claim<'c>(
    claims: &'c UnverifiedClaims<'_>,
    name: &str,
    policy: &ClaimsPolicy,
) -> Result<Option<Cow<'c, ScopeSet>>, ClaimFault> {
    match name {
        "scope" => Ok(optional(name, &claims.scope)?.map(Cow::Borrowed)),
        "scp" => Ok(optional(name, &claims.scp)?.map(Cow::Borrowed)),
        _ => {
            Ok(optional(name, &claims.configured::<ScopeSet>(name, &policy.names))?.cloned().map(Cow::Owned))
        }
    }
}

/// The scopes of all scope claims together.
fn scopes(claims: &UnverifiedClaims<'_>, policy: &ClaimsPolicy) -> Result<ScopeSet, ClaimFault> {
    let mut all: Option<ScopeSet> = None;
    for name in &policy.scope_claims {
        all = match (all, scope_claim(claims, name, policy)?) {
            (None, found) => found.map(Cow::into_owned),
            (Some(before), None) => Some(before),
            (Some(before), Some(more)) => {
                let both: Vec<&str> = before.iter().chain(more.iter()).collect();
                Some(ScopeSet::from_items(both.into_iter()))
            }
        };
    }
    Ok(all.unwrap_or_default())
}

/// What checked claims grant.
fn grant(claims: &UnverifiedClaims<'_>, policy: &ClaimsPolicy) -> Result<Grant, ClaimFault> {
    let kept = |text: &str| ClaimText::of(text, claims.json);
    let text = |claim: &Claim<Cow<'_, str>>| claim.value().map(|text| kept(text));
    let audiences = optional("aud", &claims.aud)?.into_iter().flatten();
    Ok(Grant {
        issuer: Arc::clone(&policy.issuer),
        scopes: scopes(claims, policy)?,
        client_id: client(claims)?.map(|client| kept(client)),
        audiences: audiences.map(|audience| kept(audience)).collect(),
        expires_at: *required("exp", &claims.exp)?,
        not_before: optional("nbf", &claims.nbf)?.copied(),
        issued_at: optional("iat", &claims.iat)?.copied(),
        auth_time: optional("auth_time", &claims.auth_time)?.copied(),
        subject: text(&claims.sub),
        token_id: text(&claims.jti),
        acr: text(&claims.acr),
        jwt: true,
        username: None,
    })
}

#[cfg(test)]
#[path = "claims_tests.rs"]
mod tests;
