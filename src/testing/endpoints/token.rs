//! The token endpoint, for the grants `client_credentials` and `refresh_token` (RFC 6749 sections 4.4 and 6).
//!
//! Checks: the grant; that a scope is well-formed and does not exceed the scope of the refresh token.
//!
//! Binds the access token to the key of a DPoP proof and, by setting, to the certificate of the client
//! (`sender.rs`).
//!
//! Does not check: which scopes and resources a client may request; whether a refresh token was issued to
//! this client.
//!
//! Why: a refresh token can be used once, so that a stolen copy is detected (RFC 9700 section 4.14.2).

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::{Map, Value, json};

use super::form::Form;
use super::oauth_error::OAuthError;
use super::response::json;
use super::sender::Sender;
use crate::bearer::is_scope_token;
use crate::testing::server::{State, TokenForm, UnsignedToken, token_type};

impl State {
    /// Issues the tokens that `client` requests.
    ///
    /// # Errors
    /// Every [`OAuthError`] but [`InvalidClient`](OAuthError::InvalidClient).
    pub(super) fn grant(
        &self,
        client: &str,
        request: &Request<Bytes>,
        form: &Form,
    ) -> Result<Response<Bytes>, OAuthError> {
        match form.text("grant_type") {
            Some("client_credentials") => self.grant_client_credentials(client, self.sender(request)?, form),
            Some("refresh_token") => self.grant_refresh(self.sender(request)?, form),
            Some(_) => Err(OAuthError::UnsupportedGrantType),
            None => Err(OAuthError::InvalidRequest),
        }
    }

    /// Issues a JWT whose `sub` and `client_id` are the client (RFC 9068 section 2.2), without a refresh
    /// token (RFC 6749 section 4.4.3). The request must name a resource or an audience (RFC 8707 section 2).
    fn grant_client_credentials(
        &self,
        client: &str,
        sender: Sender,
        form: &Form,
    ) -> Result<Response<Bytes>, OAuthError> {
        let mut unsigned =
            UnsignedToken::new(self.identifier(), audience(form)?, self.now(), self.next_number());
        unsigned.set("sub", client);
        unsigned.set("client_id", client);
        if let Some(scope) = requested_scope(form)? {
            unsigned.set("scope", scope);
        }
        sender.bind(&mut unsigned);
        let token = self.issue(&unsigned, TokenForm::Jwt, None);
        Ok(self.token_response(&unsigned, &token, None))
    }

    /// Exchanges a refresh token for a new access token and a new refresh token.
    ///
    /// The binding of the first access token stays, but for the key or certificate of this request.
    fn grant_refresh(&self, sender: Sender, form: &Form) -> Result<Response<Bytes>, OAuthError> {
        let used = form.text("refresh_token").ok_or(OAuthError::InvalidRequest)?;
        let (family, grant) = self.lock().tokens.grant_of(used).ok_or(OAuthError::InvalidGrant)?;
        let mut unsigned = grant.token.refreshed(self.now(), self.next_number());
        if let Some(scope) = requested_scope(form)? {
            narrow(&mut unsigned, scope)?;
        }
        sender.bind(&mut unsigned);
        if !self.lock().tokens.consume_refresh(used) {
            return Err(OAuthError::InvalidGrant);
        }
        let set = self.issue_set_of(&unsigned, grant.form, family);
        Ok(self.token_response(&unsigned, set.access_token(), Some(set.refresh_token())))
    }

    /// The success response (RFC 6749 section 5.1, RFC 9449 section 5).
    fn token_response(
        &self,
        unsigned: &UnsignedToken,
        access_token: &str,
        refresh_token: Option<&str>,
    ) -> Response<Bytes> {
        let expires_at = unsigned.claims.get("exp").and_then(Value::as_u64);
        let members = [
            ("access_token", Some(json!(access_token))),
            ("token_type", Some(json!(token_type(&unsigned.claims)))),
            ("expires_in", expires_at.map(|at| json!(at.saturating_sub(self.now())))),
            ("scope", unsigned.claims.get("scope").cloned()),
            ("refresh_token", refresh_token.map(Value::from)),
        ];
        let members = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        json(StatusCode::OK, &Value::Object(Map::from_iter(members)))
    }
}

/// The values of `resource` and `audience`: a string, or an array if there are several.
fn audience(form: &Form) -> Result<Value, OAuthError> {
    let mut targets: Vec<&str> = form.all("resource").chain(form.all("audience")).collect();
    match (targets.pop(), targets.is_empty()) {
        (None, _) => Err(OAuthError::InvalidTarget),
        (Some(one), true) => Ok(json!(one)),
        (Some(last), false) => {
            targets.push(last);
            Ok(json!(targets))
        }
    }
}

fn requested_scope(form: &Form) -> Result<Option<&str>, OAuthError> {
    let scope = form.text("scope");
    let well_formed = scope.is_none_or(|scope| scope.split(' ').all(is_scope_token));
    if well_formed { Ok(scope) } else { Err(OAuthError::InvalidScope) }
}

/// Reduces the scope of the access token. The family keeps the granted scope (RFC 6749 section 6).
fn narrow(unsigned: &mut UnsignedToken, scope: &str) -> Result<(), OAuthError> {
    let granted = unsigned.claims.get("scope").and_then(Value::as_str).unwrap_or_default();
    if !scope.split(' ').all(|requested| granted.split(' ').any(|granted| granted == requested)) {
        return Err(OAuthError::InvalidScope);
    }
    unsigned.set("scope", scope);
    Ok(())
}
