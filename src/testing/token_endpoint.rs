//! Issues tokens to clients: `client_credentials` and `refresh_token` (RFC 6749 sections 4.4 and 6).
//!
//! Checks: the grant; a scope is well-formed and, of a refresh token, no more than was granted.
//! Does not check: which scopes and targets a client may have; whether a refresh token was issued to
//! the client that uses it.
//!
//! Why: refresh tokens are good for one use, which shows when one was copied (RFC 9700 section 4.14.2).

use bytes::Bytes;
use http::{Response, StatusCode};
use serde_json::{Map, Value, json};

use super::draft::UnsignedToken;
use super::form::Form;
use super::refusal::Refusal;
use super::response::json;
use super::state::State;
use super::tokens::TokenForm;
use crate::bearer::is_scope_token;

impl State {
    /// The answer to `client`.
    ///
    /// # Errors
    /// Each [`Refusal`] but the one about the client.
    pub(super) fn grant(&self, client: &str, form: &Form) -> Result<Response<Bytes>, Refusal> {
        match form.text("grant_type") {
            Some("client_credentials") => self.grant_to_client(client, form),
            Some("refresh_token") => self.refresh(form),
            Some(_) => Err(Refusal::UnsupportedGrantType),
            None => Err(Refusal::InvalidRequest),
        }
    }

    /// A JWT for the client itself, which is `sub` and `client_id` (RFC 9068 section 2.2), and no
    /// refresh token (RFC 6749 section 4.4.3). What it is for must be said (RFC 8707 section 2).
    fn grant_to_client(&self, client: &str, form: &Form) -> Result<Response<Bytes>, Refusal> {
        let mut draft =
            UnsignedToken::new(self.identifier(), audience(form)?, self.now(), self.unused_number());
        draft.set("sub", client);
        draft.set("client_id", client);
        if let Some(scope) = requested_scope(form)? {
            draft.set("scope", scope);
        }
        let token = self.issue(&draft, TokenForm::Jwt, None);
        Ok(self.granted(&draft, &token, None))
    }

    /// A new access token and a new refresh token for an old refresh token.
    fn refresh(&self, form: &Form) -> Result<Response<Bytes>, Refusal> {
        let used = form.text("refresh_token").ok_or(Refusal::InvalidRequest)?;
        let (family, grant) = self.lock().tokens.granted(used).ok_or(Refusal::InvalidGrant)?;
        let mut draft = grant.draft.with_new_jti(self.now(), self.unused_number());
        if let Some(scope) = requested_scope(form)? {
            narrow(&mut draft, scope)?;
        }
        if !self.lock().tokens.use_up(used) {
            return Err(Refusal::InvalidGrant);
        }
        let set = self.issue_set_of(&draft, grant.form, family);
        Ok(self.granted(&draft, set.access_token(), Some(set.refresh_token())))
    }

    /// RFC 6749 section 5.1.
    fn granted(
        &self,
        draft: &UnsignedToken,
        access_token: &str,
        refresh_token: Option<&str>,
    ) -> Response<Bytes> {
        let expires_at = draft.claims.get("exp").and_then(Value::as_u64);
        let members = [
            ("access_token", Some(json!(access_token))),
            ("token_type", Some(json!("Bearer"))),
            ("expires_in", expires_at.map(|at| json!(at.saturating_sub(self.now())))),
            ("scope", draft.claims.get("scope").cloned()),
            ("refresh_token", refresh_token.map(Value::from)),
        ];
        let members = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        json(StatusCode::OK, &Value::Object(Map::from_iter(members)))
    }
}

/// All that `resource` and `audience` name: one string, or several.
fn audience(form: &Form) -> Result<Value, Refusal> {
    let mut named: Vec<&str> = form.all("resource").chain(form.all("audience")).collect();
    match (named.pop(), named.is_empty()) {
        (None, _) => Err(Refusal::InvalidTarget),
        (Some(one), true) => Ok(json!(one)),
        (Some(last), false) => {
            named.push(last);
            Ok(json!(named))
        }
    }
}

fn requested_scope(form: &Form) -> Result<Option<&str>, Refusal> {
    let scope = form.text("scope");
    let well_formed = scope.is_none_or(|scope| scope.split(' ').all(is_scope_token));
    if well_formed { Ok(scope) } else { Err(Refusal::InvalidScope) }
}

/// The access token has less than was granted; the family keeps all of it (RFC 6749 section 6).
fn narrow(draft: &mut UnsignedToken, scope: &str) -> Result<(), Refusal> {
    let granted = draft.claims.get("scope").and_then(Value::as_str).unwrap_or_default();
    if !scope.split(' ').all(|asked| granted.split(' ').any(|granted| granted == asked)) {
        return Err(Refusal::InvalidScope);
    }
    draft.set("scope", scope);
    Ok(())
}
