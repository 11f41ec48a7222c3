//! Step 8: a valid token is rejected if it is revoked.
//!
//! Checks: the `Revocations` of the configuration, for every valid token, cached or not.
//! Does not check: introspection, which asks the authorization server.

use super::Authenticator;
use super::issuers::IssuerRegistry;
use crate::access_token::AccessToken;
use crate::rejection::{Rejection, RejectionKind};
use crate::revocation::{Revocations, TokenLifetime, TokenLifetimes};

impl Authenticator {
    /// Returns `token` unless it is revoked.
    pub(super) fn unrevoked(&self, token: AccessToken) -> Result<AccessToken, Rejection> {
        unrevoked(self.revocations.as_ref(), token)
    }
}

/// Returns `token` unless it is in `revocations`.
pub(super) fn unrevoked(
    revocations: Option<&Revocations>,
    token: AccessToken,
) -> Result<AccessToken, Rejection> {
    match revocations {
        Some(revocations) if revocations.hit(&token) => {
            Err(Rejection::from(RejectionKind::TokenRevoked).about(&token))
        }
        _ => Ok(token),
    }
}

impl TokenLifetimes for IssuerRegistry {
    fn lifetime(&self, issuer: &str) -> TokenLifetime {
        match self.load().get(issuer).map(|issuer| issuer.claims.max_lifetime) {
            None => TokenLifetime::NoTokens,
            Some(None) => TokenLifetime::Unlimited,
            Some(Some(lifetime)) => TokenLifetime::AtMost(lifetime),
        }
    }
}
