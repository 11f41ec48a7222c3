//! The introspection endpoint (RFC 7662 section 2), with signed responses (RFC 9701 section 5).
//!
//! Checks: this issuer has issued the token and not revoked it; `exp` and `nbf`, if they are integers,
//! against the clock of the issuer (RFC 7662 section 4).
//!
//! Does not check: whether the client is an audience of the token.

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderMap, Response, StatusCode};
use serde_json::{Map, Value, json};

use super::form::Form;
use super::oauth_error::OAuthError;
use super::response::{json, no_store, plain};
use crate::testing::server::{Alter, AlterSigned, Alterations, State, compact, header, token_type};

/// The media type of a signed response (RFC 9701 section 10.2).
const SIGNED: &str = "application/token-introspection+jwt";

impl State {
    /// The response about the token in the form. `client` is the audience of a signed response.
    ///
    /// # Errors
    /// [`OAuthError::InvalidRequest`] if the form has no token.
    pub(super) fn introspect(
        &self,
        client: &str,
        headers: &HeaderMap,
        form: &Form,
    ) -> Result<Response<Bytes>, OAuthError> {
        let token = form.text("token").ok_or(OAuthError::InvalidRequest)?;
        let Alterations { alter, alter_signed, signed } = self.lock().alterations.clone();
        let members = match self.active_claims(token) {
            Some(claims) => active(claims, alter.as_ref()),
            None => Map::from_iter([("active".to_owned(), false.into())]),
        };
        if signed.unwrap_or_else(|| accepts_signed(headers)) {
            return Ok(self.signed(client, members, alter_signed.as_ref()));
        }
        Ok(json(StatusCode::OK, &Value::Object(members)))
    }

    fn active_claims(&self, token: &str) -> Option<Map<String, Value>> {
        let claims = self.lock().tokens.claims(token)?;
        let now = i64::try_from(self.now()).unwrap_or(i64::MAX);
        let date = |name| claims.get(name).and_then(Value::as_i64);
        let is_valid = date("exp").is_none_or(|exp| exp > now) && date("nbf").is_none_or(|nbf| nbf <= now);
        is_valid.then_some(claims)
    }

    fn signed(
        &self,
        client: &str,
        members: Map<String, Value>,
        alter: Option<&AlterSigned>,
    ) -> Response<Bytes> {
        let Some((kid, key)) = self.signing_key(None) else {
            return plain(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", "no signing key");
        };
        let mut header = header(&key, &kid, "token-introspection+jwt");
        let mut claims = Map::from_iter([
            ("iss".to_owned(), json!(self.identifier())),
            ("aud".to_owned(), json!(client)),
            ("iat".to_owned(), json!(self.now())),
            ("token_introspection".to_owned(), Value::Object(members)),
        ]);
        alter.into_iter().for_each(|alter| alter(&mut header, &mut claims));
        let [header, claims] = [header, claims].map(|part| Value::Object(part).to_string());
        no_store(plain(StatusCode::OK, SIGNED, compact(&key, header.as_bytes(), claims.as_bytes())))
    }
}

fn active(mut claims: Map<String, Value>, alter: Option<&Alter>) -> Map<String, Value> {
    claims.insert("active".to_owned(), true.into());
    claims.insert("token_type".to_owned(), token_type(&claims).into());
    alter.into_iter().for_each(|alter| alter(&mut claims));
    claims
}

fn accepts_signed(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok()).any(|line| line.contains(SIGNED))
}
