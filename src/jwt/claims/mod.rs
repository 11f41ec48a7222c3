//! Checks the claims of a token (RFC 7519 section 4.1, RFC 9068 section 4). The claims come from a signed JWT
//! or from an introspection response (RFC 7662 section 2.2).
//!
//! Checks, in the order of [`CHECKS`]: the issuer; the kind of token; `aud`; `exp`, `nbf` and `iat`; the
//! types of the claims that identify the caller or grant something; the required claims and their values; the
//! age and the lifetime; the client; the type of `cnf`; the validators of the user. Does not check: scopes
//! and roles, since each route checks its own. Nor whether the sender of the request is the one that `cnf`
//! names; see `binding`.

mod policy;
mod required_value;
mod roles;
mod validator;
mod values;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::policy::{
    AudienceClaim, ClaimFault, ClaimsPolicy, OptionalClaims, RequiredClaim, TrustedClaims,
};
pub use self::required_value::RequiredValue;
use self::roles::texts;
pub(crate) use self::roles::{audiences, roles};
pub(crate) use self::validator::Validator;
pub(crate) use self::values::{CLIENT_CLAIMS, can_name_client, client, optional, required, scopes};
use self::values::{required_unless, scope_claim};
use super::claim::Claim;
use super::claim_set::UnverifiedClaims;
use crate::access_token::{ClaimText, Grant};
use crate::time::NumericDate;

/// One claim check. `explain` runs all of them, [`check`] stops at the first failure.
#[derive(Clone, Copy)]
pub(crate) enum Check {
    Issuer,
    Kind,
    Audience,
    Expiry,
    NotBefore,
    IssuedAt,
    Types,
    RequiredClaims,
    MaxAge,
    MaxLifetime,
    Client,
    Confirmation,
    Validators,
}

/// All checks. A token that fails several gets the fault of the first, so the most specific come first.
pub(crate) const CHECKS: [Check; 13] = [
    Check::Issuer,
    Check::Kind,
    Check::Audience,
    Check::Expiry,
    Check::NotBefore,
    Check::IssuedAt,
    Check::Types,
    Check::RequiredClaims,
    Check::MaxAge,
    Check::MaxLifetime,
    Check::Client,
    Check::Confirmation,
    // Last, so that the functions of the user see only claims that pass every other check.
    Check::Validators,
];

impl Check {
    /// Runs the check.
    ///
    /// # Errors
    /// The [`ClaimFault`] of this check.
    pub(crate) fn run(
        self,
        claims: &UnverifiedClaims<'_>,
        policy: &ClaimsPolicy,
        now: NumericDate,
    ) -> Result<(), ClaimFault> {
        match self {
            Self::Issuer => check_issuer(claims, policy),
            Self::Kind => check_kind(claims, policy),
            Self::Audience => check_audience(claims, policy),
            Self::Expiry => check_expiry(claims, policy, now),
            Self::NotBefore => check_not_before(claims, policy, now),
            Self::IssuedAt => check_issued_at(claims, policy, now),
            Self::Types => check_types(claims, policy),
            Self::RequiredClaims => check_required(claims, policy),
            Self::MaxAge => check_age(claims, policy, now),
            Self::MaxLifetime => check_lifetime(claims, policy),
            Self::Client => check_client(claims, policy),
            Self::Confirmation => optional("cnf", &claims.cnf).map(drop),
            Self::Validators => check_validators(claims, policy),
        }
    }
}

/// Checks the claims of a token and returns its grant.
///
/// # Errors
/// The first [`ClaimFault`] in the order of [`CHECKS`].
pub(crate) fn check<'c>(
    trusted: &impl TrustedClaims<'c>,
    policy: &ClaimsPolicy,
    now: NumericDate,
) -> Result<Grant, ClaimFault> {
    check_all(trusted, policy, now)?;
    grant(trusted.claims(), policy)
}

/// Whether the dates of an already checked token are valid at `now`. Agrees with [`check`] for every `now`.
pub(crate) fn dates_are_valid(grant: &Grant, policy: &ClaimsPolicy, now: NumericDate) -> bool {
    let started = |start: Option<NumericDate>| start.is_none_or(|start| has_started(start, policy, now));
    let is_within_max_age = || {
        let limits = grant.issued_at.zip(policy.max_age);
        limits.is_none_or(|(issued_at, max_age)| is_recent(issued_at, max_age, policy, now))
    };
    is_before_end(grant.expires_at, policy, now)
        && started(grant.not_before)
        && started(grant.issued_at)
        && is_within_max_age()
}

/// Checks the claims of a token whose grant is already known.
///
/// # Errors
/// The first [`ClaimFault`] in the order of [`CHECKS`].
pub(crate) fn check_all<'c>(
    trusted: &impl TrustedClaims<'c>,
    policy: &ClaimsPolicy,
    now: NumericDate,
) -> Result<(), ClaimFault> {
    CHECKS.iter().try_for_each(|check| check.run(trusted.claims(), policy, now))
}

/// Checks the claims of a signed message that is not a token: issuer, audience, dates and age.
///
/// # Errors
/// The first [`ClaimFault`].
pub(crate) fn check_envelope<'c>(
    trusted: &impl TrustedClaims<'c>,
    policy: &ClaimsPolicy,
    now: NumericDate,
) -> Result<(), ClaimFault> {
    let claims = trusted.claims();
    check_issuer(claims, policy)?;
    check_audience(claims, policy)?;
    check_expiry(claims, policy, now)?;
    check_issued_at(claims, policy, now)?;
    check_age(claims, policy, now)
}

fn check_issuer(claims: &UnverifiedClaims<'_>, policy: &ClaimsPolicy) -> Result<(), ClaimFault> {
    let issuer = required_unless(policy.optional.iss, "iss", &claims.iss)?;
    ensure(issuer.is_none_or(|issuer| **issuer == *policy.issuer), ClaimFault::IssuerMismatch)
}

/// Rejects other JWTs that the issuer signs with the same keys: ID tokens, refresh tokens, security events.
fn check_kind(claims: &UnverifiedClaims<'_>, policy: &ClaimsPolicy) -> Result<(), ClaimFault> {
    ensure(!claims.statement.0, ClaimFault::OtherKind)?;
    let is_any = |claim: &Claim<Cow<'_, str>>, kinds: &[&str]| {
        claim.value().is_some_and(|value| kinds.iter().any(|kind| value == kind))
    };
    ensure(!is_any(&claims.token_use, &["id"]) && !is_any(&claims.typ, &["ID"]), ClaimFault::IdToken)?;
    let refresh =
        is_any(&claims.token_use, &["refresh_token"]) || is_any(&claims.typ, &["Refresh", "Offline"]);
    ensure(!refresh, ClaimFault::OtherKind)?;
    // Access tokens of older Keycloak versions have a nonce, but always with one of these claims.
    let access = !(claims.scope.is_absent() && claims.scp.is_absent() && claims.client_id.is_absent());
    let looks_like_id_token = claims.at_hash.0 || (claims.nonce.0 && !access);
    let is_id_token = claims.code_hash.0 || (looks_like_id_token && !policy.accepts_id_token_claims);
    ensure(!is_id_token, ClaimFault::IdToken)
}

fn check_audience(claims: &UnverifiedClaims<'_>, policy: &ClaimsPolicy) -> Result<(), ClaimFault> {
    if let (true, Some(source)) = (claims.aud.is_absent(), &policy.audience_claim) {
        return check_audience_claim(claims, policy, source);
    }
    let audiences = required_unless(policy.optional.aud, "aud", &claims.aud)?;
    // An empty list contains no audience, so it counts as absent if `aud` is optional.
    let audiences = audiences.filter(|audiences| !(policy.optional.aud && audiences.is_empty()));
    let is_ours = |audience: &Cow<'_, str>| policy.audiences.iter().any(|ours| **ours == **audience);
    ensure(audiences.is_none_or(|audiences| audiences.iter().any(is_ours)), ClaimFault::AudienceMismatch)
}

/// Checks the claim that stands for `aud` in a token without it. A token with `aud` never gets here: another
/// claim must not open this API to a token that names another one.
fn check_audience_claim(
    claims: &UnverifiedClaims<'_>,
    policy: &ClaimsPolicy,
    source: &AudienceClaim,
) -> Result<(), ClaimFault> {
    let Some(named) = texts(claims, &source.claim)? else {
        let fault = || ClaimFault::Missing(source.claim.as_str().into());
        return if policy.optional.aud { Ok(()) } else { Err(fault()) };
    };
    let (accepted, fault) = if source.is_client {
        (policy.clients.as_deref().unwrap_or_default(), ClaimFault::ClientNotAllowed)
    } else {
        (&*policy.audiences, ClaimFault::AudienceMismatch)
    };
    ensure(named.iter().any(|named| accepted.iter().any(|accepted| **accepted == **named)), fault)
}

fn check_expiry(
    claims: &UnverifiedClaims<'_>,
    policy: &ClaimsPolicy,
    now: NumericDate,
) -> Result<(), ClaimFault> {
    let expires_at = required_unless(policy.optional.exp, "exp", &claims.exp)?;
    ensure(expires_at.is_none_or(|end| is_before_end(*end, policy, now)), ClaimFault::Expired)
}

fn check_not_before(
    claims: &UnverifiedClaims<'_>,
    policy: &ClaimsPolicy,
    now: NumericDate,
) -> Result<(), ClaimFault> {
    let not_before = optional("nbf", &claims.nbf)?;
    ensure(not_before.is_none_or(|start| has_started(*start, policy, now)), ClaimFault::NotYetValid)
}

fn check_issued_at(
    claims: &UnverifiedClaims<'_>,
    policy: &ClaimsPolicy,
    now: NumericDate,
) -> Result<(), ClaimFault> {
    let issued_at = optional("iat", &claims.iat)?;
    ensure(issued_at.is_none_or(|issued| has_started(*issued, policy, now)), ClaimFault::IssuedInFuture)
}

fn check_required(claims: &UnverifiedClaims<'_>, policy: &ClaimsPolicy) -> Result<(), ClaimFault> {
    policy.unmet(claims).next().map_or(Ok(()), Err)
}

/// Rejects ill-typed claims that identify the caller or grant something. Without this check, a handler would
/// take a user with an ill-typed `sub` for a client without a user.
///
/// Claims that only inform, such as `jti`, `acr` and `auth_time`, count as absent if they are ill-typed. No
/// check depends on them, and some servers write them in formats of their own.
fn check_types(claims: &UnverifiedClaims<'_>, policy: &ClaimsPolicy) -> Result<(), ClaimFault> {
    optional("sub", &claims.sub)?;
    optional("client_id", &claims.client_id)?;
    policy.scope_claims.iter().try_for_each(|claim| scope_claim(claims, claim).map(drop))?;
    roles(claims, policy).map(drop)
}

fn check_age(
    claims: &UnverifiedClaims<'_>,
    policy: &ClaimsPolicy,
    now: NumericDate,
) -> Result<(), ClaimFault> {
    let Some(max_age) = policy.max_age else { return Ok(()) };
    let issued_at = *required("iat", &claims.iat)?;
    ensure(is_recent(issued_at, max_age, policy, now), ClaimFault::TooOld)
}

fn check_lifetime(claims: &UnverifiedClaims<'_>, policy: &ClaimsPolicy) -> Result<(), ClaimFault> {
    let Some(max_lifetime) = policy.max_lifetime else { return Ok(()) };
    let lifetime = required("exp", &claims.exp)?.since(*required("iat", &claims.iat)?);
    ensure(lifetime <= max_lifetime, ClaimFault::LifetimeTooLong)
}

fn check_client(claims: &UnverifiedClaims<'_>, policy: &ClaimsPolicy) -> Result<(), ClaimFault> {
    let Some(clients) = &policy.clients else { return Ok(()) };
    let client = client(claims, policy)?;
    ensure(clients.iter().any(|allowed| **allowed == *client), ClaimFault::ClientNotAllowed)
}

fn check_validators(claims: &UnverifiedClaims<'_>, policy: &ClaimsPolicy) -> Result<(), ClaimFault> {
    ensure(Validator::all_accept(&policy.validators, claims.json), ClaimFault::Rejected)
}

fn is_before_end(end: NumericDate, policy: &ClaimsPolicy, now: NumericDate) -> bool {
    now < end.later(policy.leeway)
}

fn has_started(start: NumericDate, policy: &ClaimsPolicy, now: NumericDate) -> bool {
    start <= now.later(policy.leeway)
}

fn is_recent(issued_at: NumericDate, max_age: Duration, policy: &ClaimsPolicy, now: NumericDate) -> bool {
    now.since(issued_at) <= max_age.saturating_add(policy.leeway)
}

fn ensure(condition: bool, fault: ClaimFault) -> Result<(), ClaimFault> {
    if condition { Ok(()) } else { Err(fault) }
}

/// Builds the grant from checked claims.
fn grant(claims: &UnverifiedClaims<'_>, policy: &ClaimsPolicy) -> Result<Grant, ClaimFault> {
    let owned = |text: &str| ClaimText::of(text, claims.json);
    let text = |claim: &Claim<Cow<'_, str>>| claim.value().map(|text| owned(text));
    let audiences = audiences(claims, policy)?;
    Ok(Grant {
        issuer: Arc::clone(&policy.issuer),
        scopes: scopes(claims, policy)?.unwrap_or_default(),
        client_id: client(claims, policy).ok().map(|client| owned(&client)),
        audiences: audiences.iter().map(|audience| owned(audience)).collect(),
        roles: roles(claims, policy)?.iter().map(|role| owned(role)).collect(),
        scope_implies: policy.scope_implies.clone(),
        expires_at: *required("exp", &claims.exp)?,
        not_before: optional("nbf", &claims.nbf)?.copied(),
        issued_at: optional("iat", &claims.iat)?.copied(),
        auth_time: claims.auth_time.value().copied(),
        leeway: policy.leeway,
        subject: text(&claims.sub),
        token_id: text(&claims.jti),
        acr: text(&claims.acr).map(Box::new),
        session_id: text(&claims.sid).map(Box::new),
        confirmation: claims.cnf.value().cloned().map(Box::new),
        is_jwt: true,
        algorithm: None,
        key_id: None,
        username: None,
    })
}

#[cfg(test)]
mod tests;
