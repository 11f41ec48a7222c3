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
    /// # Errors
    /// The rejection of `token`, if it is revoked.
    pub(super) fn check_revoked(&self, token: &AccessToken) -> Result<(), Rejection> {
        check_revoked(self.revocations.as_ref(), token)
    }
}

/// # Errors
/// The rejection of `token`, if it is in `revocations`.
pub(super) fn check_revoked(revocations: Option<&Revocations>, token: &AccessToken) -> Result<(), Rejection> {
    match revocations {
        Some(revocations) if revocations.hit(token) => {
            Err(Rejection::from(RejectionKind::TokenRevoked).about(token))
        }
        _ => Ok(()),
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
