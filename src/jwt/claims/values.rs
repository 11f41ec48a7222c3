//! Reads single values from claims and reports ill-typed ones.

use std::borrow::Cow;

use super::policy::{ClaimFault, ClaimsPolicy};
use crate::bearer::ScopeSet;
use crate::encoding::json_pointer::JsonPointer;
use crate::jwt::claim::Claim;
use crate::jwt::claim_set::{UnverifiedClaims, is_built_in};

/// The claims that name a client in tokens of some server, in the order of preference.
pub(crate) const CLIENT_CLAIMS: [&str; 4] = ["client_id", "azp", "cid", "appid"];

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

/// Whether [`client`] finds a client in the claim `name`. The other built-in claims mean something else.
pub(crate) fn can_name_client(name: &str) -> bool {
    matches!(name, "client_id" | "azp" | "sub") || !is_built_in(name)
}

/// The client that the token was issued to, from the first of its client claims that the token has.
///
/// # Errors
/// [`ClaimFault::IllTyped`] if that claim is ill-typed. It never falls back to the next claim, which may name
/// another client. [`ClaimFault::Missing`] if the token has none of the claims.
pub(crate) fn client<'a>(
    claims: &UnverifiedClaims<'a>,
    policy: &ClaimsPolicy,
) -> Result<Cow<'a, str>, ClaimFault> {
    for name in &policy.client_claims {
        let claim = match &**name {
            "client_id" => claims.client_id.clone(),
            "azp" => claims.azp.clone(),
            "sub" => claims.sub.clone(),
            _ => claims.configured(name),
        };
        if let Some(client) = optional(name, &claim)? {
            return Ok(client.clone());
        }
    }
    Err(ClaimFault::Missing(policy.client_claims.first().map_or("client_id", |name| &**name).into()))
}

/// The scopes in the claim that `pointer` names. `None` if it is absent.
pub(super) fn scope_claim<'c>(
    claims: &'c UnverifiedClaims<'_>,
    pointer: &JsonPointer,
) -> Result<Option<Cow<'c, ScopeSet>>, ClaimFault> {
    let name = pointer.as_str();
    match pointer.member() {
        "scope" if pointer.is_member() => Ok(optional(name, &claims.scope)?.map(Cow::Borrowed)),
        "scp" if pointer.is_member() => Ok(optional(name, &claims.scp)?.map(Cow::Borrowed)),
        _ => {
            let Some(value) = claims.at(pointer) else { return Ok(None) };
            let scopes: Claim<ScopeSet> = serde_json::from_str(value.get()).unwrap_or(Claim::IllTyped);
            Ok(optional(name, &scopes)?.cloned().map(Cow::Owned))
        }
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
