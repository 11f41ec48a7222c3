//! Reads single values from claims and reports ill-typed ones.

use std::borrow::Cow;

use super::policy::{ClaimFault, ClaimsPolicy};
use crate::bearer::ScopeSet;
use crate::jwt::claim::Claim;
use crate::jwt::claim_set::UnverifiedClaims;

/// The value of a claim that must be present, or that may be absent if `may_be_absent`.
///
/// # Errors
/// [`ClaimFault::IllTyped`] and [`ClaimFault::Missing`].
pub(super) fn required_unless<'c, T>(
    may_be_absent: bool,
    name: &str,
    claim: &'c Claim<T>,
) -> Result<Option<&'c T>, ClaimFault> {
    if may_be_absent { optional(name, claim) } else { required(name, claim).map(Some) }
}

/// The value of a claim that must be present.
///
/// # Errors
/// [`ClaimFault::IllTyped`] and [`ClaimFault::Missing`].
pub(crate) fn required<'c, T>(name: &str, claim: &'c Claim<T>) -> Result<&'c T, ClaimFault> {
    optional(name, claim)?.ok_or_else(|| ClaimFault::Missing(name.into()))
}

/// The value of a claim. `None` if it is absent.
///
/// # Errors
/// [`ClaimFault::IllTyped`].
pub(crate) fn optional<'c, T>(name: &str, claim: &'c Claim<T>) -> Result<Option<&'c T>, ClaimFault> {
    match claim {
        Claim::IllTyped => Err(ClaimFault::IllTyped(name.into())),
        Claim::Absent | Claim::Present(_) => Ok(claim.value()),
    }
}

/// The client that the token was issued to, from the first claim that names it. `None` if no claim does.
///
/// # Errors
/// [`ClaimFault::IllTyped`] if any of the client claims is ill-typed.
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

/// The scopes in the claim `name`. `None` if it is absent.
pub(super) fn scope_claim<'c>(
    claims: &'c UnverifiedClaims<'_>,
    name: &str,
) -> Result<Option<Cow<'c, ScopeSet>>, ClaimFault> {
    match name {
        "scope" => Ok(optional(name, &claims.scope)?.map(Cow::Borrowed)),
        "scp" => Ok(optional(name, &claims.scp)?.map(Cow::Borrowed)),
        _ => Ok(optional(name, &claims.configured::<ScopeSet>(name))?.cloned().map(Cow::Owned)),
    }
}

/// The union of the scopes in all configured scope claims. `None` if all of them are absent.
pub(crate) fn scopes(
    claims: &UnverifiedClaims<'_>,
    policy: &ClaimsPolicy,
) -> Result<Option<ScopeSet>, ClaimFault> {
    let mut all: Option<ScopeSet> = None;
    for name in &policy.scope_claims {
        all = match (all, scope_claim(claims, name)?) {
            (None, found) => found.map(Cow::into_owned),
            (Some(previous), None) => Some(previous),
            (Some(previous), Some(found)) => {
                let union: Vec<&str> = previous.iter().chain(found.iter()).collect();
                Some(ScopeSet::from_items(union.into_iter()))
            }
        };
    }
    Ok(all)
}
