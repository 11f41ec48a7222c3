//! Makes tokens invalid (RFC 7009 section 2).
//!
//! Does not check: whether the token was issued to the client that revokes it.

use bytes::Bytes;
use http::{Response, StatusCode};

use super::form::Form;
use super::issuer::TestIssuer;
use super::refusal::Refusal;
use super::response::{plain, unstored};
use super::state::State;

impl TestIssuer {
    /// Revokes a token that it issued: introspection calls it inactive from now on. A refresh token
    /// takes the access tokens with it that it has led to, and the set that it came in (RFC 7009
    /// section 2.1). Any other text changes nothing.
    pub fn revoke(&self, token: &str) {
        self.state.lock().tokens.revoke(token);
    }
}

impl State {
    /// The answer, which is the same for a token that is not known (RFC 7009 section 2.2).
    ///
    /// # Errors
    /// [`Refusal::InvalidRequest`] without a token.
    pub(super) fn revoked(&self, form: &Form) -> Result<Response<Bytes>, Refusal> {
        let token = form.text("token").ok_or(Refusal::InvalidRequest)?;
        self.lock().tokens.revoke(token);
        Ok(unstored(plain(StatusCode::OK, "text/plain", "")))
    }
}
