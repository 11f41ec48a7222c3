//! Resolves the issuer of a token that is not configured, if there is a resolver.

use std::mem;

use super::Authenticator;
use super::progress::{Pending, Stop};
use super::resolver::Resolution;
use crate::bearer::BearerToken;
use crate::jwks::WaitBudget;
use crate::jwt::UnverifiedClaims;
use crate::jwt::claims::ClaimFault;
use crate::rejection::Rejection;

impl Authenticator {
    /// Resolves the issuer of `token`, or rejects the token with `fault` if no resolver is responsible.
    pub(super) fn unlisted(
        &self,
        fault: ClaimFault,
        claims: &UnverifiedClaims<'_>,
        token: BearerToken<'_>,
        budget: &mut WaitBudget,
    ) -> Stop {
        let (Some(resolver), Some(issuer)) = (&self.resolver, claims.iss.value()) else {
            return fault.into();
        };
        match resolver.lookup(issuer, budget) {
            Resolution::Unknown => fault.into(),
            Resolution::Unavailable { retry_after, cause } => {
                Rejection::keys_unavailable(retry_after, cause).into()
            }
            Resolution::Pending(keys) => {
                Stop::Pending(Pending::Keys { keys, token: token.into(), budget: mem::take(budget) })
            }
        }
    }
}
