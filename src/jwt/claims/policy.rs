//! The configuration and the failures of the claim checks.

use std::sync::Arc;
use std::time::Duration;

use super::required_value::{Comparison, RequiredValue};
use super::validator::Validator;
use crate::access_token::ScopeImplies;
use crate::encoding::json_pointer::JsonPointer;
use crate::jwt::claim::Claim;
use crate::jwt::claim_set::UnverifiedClaims;

/// The requirements on the claims of one issuer's tokens.
#[derive(Clone, Debug)]
pub(crate) struct ClaimsPolicy {
    pub(crate) issuer: Arc<str>,
    /// The identifiers of this API. `aud` must contain one of them.
    pub(crate) audiences: Vec<Box<str>>,
    /// The claim that stands for `aud` in tokens without it.
    pub(crate) audience_claim: Option<AudienceClaim>,
    pub(crate) leeway: Duration,
    /// The claims that contain scopes.
    pub(crate) scope_claims: Vec<JsonPointer>,
    /// The claims that contain roles.
    pub(crate) role_claims: Vec<JsonPointer>,
    /// The rule for scopes that include others.
    pub(crate) scope_implies: Option<ScopeImplies>,
    /// The claims that a token must have in addition to `iss`, `aud` and `exp`.
    pub(crate) required: Vec<Arc<str>>,
    /// The claims that must have a value.
    pub(crate) required_values: Vec<RequiredClaim>,
    /// The maximum time since `iat`. `None` means no limit.
    pub(crate) max_age: Option<Duration>,
    /// The maximum time from `iat` to `exp`. `None` means no limit.
    pub(crate) max_lifetime: Option<Duration>,
    /// The claims that can name the client, in the order in which they are looked for. At least one.
    pub(crate) client_claims: Vec<Box<str>>,
    /// The allowed clients. `None` allows every client of the issuer.
    pub(crate) clients: Option<Vec<Box<str>>>,
    /// Whether access tokens may have `at_hash` and `nonce`, as ID tokens do.
    pub(crate) accepts_id_token_claims: bool,
    /// The user's own checks.
    pub(crate) validators: Vec<Validator>,
    /// The claims that are checked only if they are present.
    pub(crate) optional: OptionalClaims,
}

/// A claim that must have this value.
#[derive(Clone, Debug)]
pub(crate) struct RequiredClaim {
    pub(crate) claim: JsonPointer,
    pub(crate) value: RequiredValue,
}

/// A claim that stands for `aud` in tokens without it.
#[derive(Clone, Debug)]
pub(crate) struct AudienceClaim {
    pub(crate) claim: JsonPointer,
    /// Whether it names the client. Then one of the allowed clients must be named, not this API.
    pub(crate) is_client: bool,
}

/// The claims that may be absent, because the caller knows their values from elsewhere. Default: none.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct OptionalClaims {
    pub(crate) iss: bool,
    pub(crate) aud: bool,
    pub(crate) exp: bool,
}

/// Claims that are proven to come from the issuer.
pub(crate) trait TrustedClaims<'c> {
    /// The claims.
    fn claims(&self) -> &'c UnverifiedClaims<'c>;
}

impl ClaimsPolicy {
    /// The faults of the required claims: absent, ill-typed, or with another value than the required one.
    pub(crate) fn unmet(&self, claims: &UnverifiedClaims<'_>) -> impl Iterator<Item = ClaimFault> {
        let unmet = self.required.iter().filter_map(|name| match claims.presence(name) {
            Claim::Absent => Some(ClaimFault::Missing(Arc::clone(name))),
            Claim::IllTyped => Some(ClaimFault::IllTyped(Arc::clone(name))),
            Claim::Present(()) => None,
        });
        unmet.chain(self.required_values.iter().filter_map(|required| required.check(claims).err()))
    }
}

impl RequiredClaim {
    /// Checks the claim of a token.
    ///
    /// # Errors
    /// [`ClaimFault::Missing`], [`ClaimFault::IllTyped`], or [`ClaimFault::OtherValue`].
    fn check(&self, claims: &UnverifiedClaims<'_>) -> Result<(), ClaimFault> {
        let name = || Arc::from(self.claim.as_str());
        let Some(found) = claims.at(&self.claim) else { return Err(ClaimFault::Missing(name())) };
        match self.value.compare(found) {
            Comparison::Equal => Ok(()),
            Comparison::OtherType => Err(ClaimFault::IllTyped(name())),
            Comparison::OtherValue => Err(ClaimFault::OtherValue(name())),
        }
    }
}

/// Why a check rejects the claims.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum ClaimFault {
    AudienceMismatch,
    ClientNotAllowed,
    Expired,
    IdToken,
    /// The claim of this name has the wrong JSON type.
    IllTyped(Arc<str>),
    IssuedInFuture,
    IssuerMismatch,
    LifetimeTooLong,
    /// The claim of this name is required and absent.
    Missing(Arc<str>),
    NotYetValid,
    /// A refresh token or another JWT that is not an access token.
    OtherKind,
    /// The claim of this name has another value than the required one.
    OtherValue(Arc<str>),
    /// A validator rejects the claims.
    Rejected,
    /// The token is sender-constrained.
    SenderNotProven,
    TooOld,
}
