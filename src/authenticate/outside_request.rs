//! Authenticates a token that does not come in the head of a request: in a WebSocket message or a queue.
//!
//! Checks: all that a request's token is checked for, through the same steps and caches. A sender-constrained
//! token is rejected, because there is no request that could hold a proof.
//! Does not check: where the token was found; there is exactly one.

use std::sync::Arc;

use super::Authenticator;
use super::progress::Stop;
use crate::access_token::AccessToken;
use crate::bearer::{Credential, Scheme};
use crate::binding::BindingFault;
use crate::rejection::Rejection;

impl Authenticator {
    /// Authenticates `token`, and waits for what is not cached.
    pub(crate) async fn authenticate(self: Arc<Self>, token: &str) -> Result<AccessToken, Rejection> {
        let credential = Credential::new(token.as_bytes(), self.max_token_bytes)?;
        let cached = self.cached(credential.octets());
        let token = match cached.unwrap_or_else(|| self.validated(credential.octets())) {
            Ok(token) => token,
            Err(Stop::Rejected(rejection)) => return Err(rejection),
            Err(Stop::Pending(pending)) => Arc::clone(&self).resume(pending).await.outcome?,
        };
        if self.senders.applies_to(Scheme::Bearer, token.sender()) {
            let is_bound = token.sender().is_some();
            let fault = if is_bound { BindingFault::SenderNotProven } else { BindingFault::TokenNotBound };
            return Err(Rejection::from(fault).about(&token));
        }
        Ok(token)
    }
}
