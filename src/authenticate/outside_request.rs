//! Authenticates a token that does not come in the head of a request: in a WebSocket message or a queue.
//!
//! Checks: all that a request's token is checked for, through the same steps and caches.
//! Does not check: where the token was found; there is exactly one.

use std::sync::Arc;

use super::Authenticator;
use super::progress::Stop;
use crate::access_token::AccessToken;
use crate::bearer::Credential;
use crate::rejection::{Rejection, RejectionKind};

impl Authenticator {
    /// Authenticates `token`, and waits for what is not cached.
    pub(crate) async fn authenticate(self: Arc<Self>, token: &str) -> Result<AccessToken, Rejection> {
        let credential = Credential::new(token.as_bytes(), self.max_token_bytes)?;
        let cached = self.cached(credential.octets());
        match cached.unwrap_or_else(|| self.validated(credential.octets())) {
            Ok(token) => Ok(token),
            Err(Stop::Rejected(rejection)) => Err(rejection),
            Err(Stop::Pending(pending)) => {
                let token = self.resume(pending).await.outcome?;
                token.ok_or_else(|| RejectionKind::Missing.into())
            }
        }
    }
}
