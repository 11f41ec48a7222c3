//! Authenticates a token that does not come in the head of a request: in a WebSocket message or a queue.
//!
//! Checks: all that a request's token is checked for, through the same steps and caches. A sender-constrained
//! token is rejected, because there is no request that could hold a proof.
//! Does not check: where the token was found; there is exactly one.

use std::sync::Arc;

use tracing::Instrument;

use super::Authenticator;
use super::progress::Stop;
use crate::access_token::AccessToken;
use crate::bearer::{Credential, Scheme};
use crate::binding::BindingFault;
use crate::event::span::DecisionSpan;
use crate::observe::Lookup;
use crate::rejection::Rejection;

impl Authenticator {
    /// Authenticates `token`, and waits for what is not cached. Also returns how far the caches helped.
    pub(crate) async fn authenticate(
        self: Arc<Self>,
        token: &str,
    ) -> (Result<AccessToken, Rejection>, Lookup) {
        let credential = match Credential::new(token.as_bytes(), self.max_token_bytes) {
            Ok(credential) => credential,
            Err(fault) => return (Err(fault.into()), Lookup::NONE),
        };
        let (outcome, lookup) = Arc::clone(&self).look_up_or_validate(credential.octets()).await;
        (outcome.and_then(|token| self.unbound(token)), lookup)
    }

    /// Returns `token` unless its sender would have to prove something.
    fn unbound(&self, token: AccessToken) -> Result<AccessToken, Rejection> {
        if self.senders.applies_to(Scheme::Bearer, token.sender()) {
            let is_bound = token.sender().is_some();
            let fault = if is_bound { BindingFault::SenderNotProven } else { BindingFault::TokenNotBound };
            return Err(Rejection::from(fault).about(&token));
        }
        Ok(token)
    }

    /// Validates a token, and waits for what is not cached. Does not check its sender.
    pub(crate) async fn validate_and_wait(self: Arc<Self>, token: &[u8]) -> Result<AccessToken, Rejection> {
        self.look_up_or_validate(token).await.0
    }

    async fn look_up_or_validate(self: Arc<Self>, token: &[u8]) -> (Result<AccessToken, Rejection>, Lookup) {
        let (mut lookup, mut span, result) = match self.cached(token) {
            Some(result) => (Lookup::HIT, DecisionSpan::none(), result),
            None => {
                let span = DecisionSpan::open();
                let result = span.in_scope(|| self.validated(token));
                (Lookup::MISS, span, result)
            }
        };
        let outcome = match result {
            Ok(token) => Ok(token),
            Err(Stop::Rejected(rejection)) => Err(rejection),
            Err(Stop::Pending(pending)) => {
                let resumed = Arc::clone(&self).resume(pending).instrument(span.to_span()).await;
                if resumed.is_introspected {
                    lookup = lookup.introspected();
                }
                resumed.outcome
            }
        };
        let outcome = outcome.and_then(|token| self.check_revoked(&token).map(|()| token));
        let kind = outcome.as_ref().map_or_else(|rejection| rejection.kind().as_str(), |_| "accepted");
        span.end(kind);
        (outcome, lookup)
    }
}
