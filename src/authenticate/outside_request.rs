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
        let token = Arc::clone(&self).validate_and_wait(credential.octets()).await?;
        if self.senders.applies_to(Scheme::Bearer, token.sender()) {
            let is_bound = token.sender().is_some();
            let fault = if is_bound { BindingFault::SenderNotProven } else { BindingFault::TokenNotBound };
            return Err(Rejection::from(fault).about(&token));
        }
        Ok(token)
    }

    /// Validates a token, and waits for what is not cached. Does not check its sender.
    pub(crate) async fn validate_and_wait(self: Arc<Self>, token: &[u8]) -> Result<AccessToken, Rejection> {
        match self.cached(token).unwrap_or_else(|| self.validated(token)) {
            Ok(token) => Ok(token),
            Err(Stop::Rejected(rejection)) => Err(rejection),
            Err(Stop::Pending(pending)) => self.resume(pending).await.outcome,
        }
    }
}
