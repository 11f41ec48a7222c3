//! The revocation endpoint (RFC 7009 section 2).
//!
//! Does not check: whether the token was issued to the client that revokes it.

use bytes::Bytes;
use http::{Response, StatusCode};

use super::form::Form;
use super::oauth_error::OAuthError;
use super::response::{no_store, plain};
use crate::testing::server::State;

impl State {
    /// Revokes the token in the form. The response to an unknown token is the same (RFC 7009 section 2.2).
    ///
    /// # Errors
    /// [`OAuthError::InvalidRequest`] if the form has no token.
    pub(super) fn revoke(&self, form: &Form) -> Result<Response<Bytes>, OAuthError> {
        let token = form.text("token").ok_or(OAuthError::InvalidRequest)?;
        self.lock().tokens.revoke(token);
        Ok(no_store(plain(StatusCode::OK, "text/plain", "")))
    }
}
