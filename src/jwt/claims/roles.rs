//! Reads the roles of a token and its audience from the claims that the configuration names.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::policy::{ClaimFault, ClaimsPolicy};
use super::values::optional;
use crate::encoding::json::Name;
use crate::encoding::json_pointer::JsonPointer;
use crate::jwt::claim::Claim;
use crate::jwt::claim_set::UnverifiedClaims;

/// The audiences of a token: those in `aud`, else those in the claim that stands for it.
///
/// # Errors
/// [`ClaimFault::IllTyped`].
pub(crate) fn audiences<'a>(
    claims: &'a UnverifiedClaims<'_>,
    policy: &ClaimsPolicy,
) -> Result<Cow<'a, [Cow<'a, str>]>, ClaimFault> {
    match (optional("aud", &claims.aud)?, &policy.audience_claim) {
        (Some(audiences), _) => Ok(Cow::Borrowed(&**audiences)),
        // A client is no audience, and must not meet the audience that a view requires.
        (None, Some(source)) if !source.is_client => {
            Ok(Cow::Owned(texts(claims, &source.claim)?.unwrap_or_default()))
        }
        (None, _) => Ok(Cow::default()),
    }
}

/// The roles in all role claims of the policy: strings, the strings of arrays, and the member names of
/// objects of objects, which is how ZITADEL writes roles. An empty string is no role.
///
/// Why the members must be objects: any other value may deny the role, as in `{"admin": false}`.
///
/// # Errors
/// [`ClaimFault::IllTyped`] for any other value.
pub(crate) fn roles<'a>(
    claims: &UnverifiedClaims<'a>,
    policy: &ClaimsPolicy,
) -> Result<Vec<Cow<'a, str>>, ClaimFault> {
    let mut roles = Vec::new();
    for pointer in &policy.role_claims {
        let Some(value) = claims.at(pointer) else { continue };
        let found = if value.get().starts_with('{') { member_names(value) } else { strings(value) };
        roles.extend(found.ok_or_else(|| ill_typed(pointer))?.into_iter().filter(|role| !role.is_empty()));
    }
    Ok(roles)
}

/// The string or the strings that `pointer` names. `None` if the token does not have them.
///
/// # Errors
/// [`ClaimFault::IllTyped`] for any other value.
pub(super) fn texts<'a>(
    claims: &UnverifiedClaims<'a>,
    pointer: &JsonPointer,
) -> Result<Option<Vec<Cow<'a, str>>>, ClaimFault> {
    let Some(value) = claims.at(pointer) else { return Ok(None) };
    strings(value).map(Some).ok_or_else(|| ill_typed(pointer))
}

fn ill_typed(pointer: &JsonPointer) -> ClaimFault {
    ClaimFault::IllTyped(pointer.as_str().into())
}

fn strings(value: &RawValue) -> Option<Vec<Cow<'_, str>>> {
    match serde_json::from_str(value.get()) {
        Ok(Claim::Present(texts)) => Some(texts),
        Ok(Claim::Absent | Claim::IllTyped) | Err(_) => None,
    }
}

fn member_names(value: &RawValue) -> Option<Vec<Cow<'_, str>>> {
    serde_json::from_str(value.get()).ok().map(|Members(names)| names)
}

/// The member names of an object whose members are all objects.
struct Members<'a>(Vec<Cow<'a, str>>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor).map(Self)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Vec<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of objects")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut names = Vec::new();
        while let Some((Name(name), value)) = members.next_entry::<Name<'de>, &'de RawValue>()? {
            if !value.get().starts_with('{') {
                return Err(A::Error::custom("a member is not an object"));
            }
            names.push(name);
        }
        Ok(names)
    }
}
