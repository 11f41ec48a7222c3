//! Says whether a token is active, and what it is about (RFC 7662 section 2, RFC 9701 section 5).
//!
//! Checks: the token was issued here and not revoked; `exp` and `nbf`, where they are whole numbers,
//! by this server's clock (RFC 7662 section 4).
//! Does not check: whether the client that asks is one that the token is for.

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderMap, Response, StatusCode};
use serde_json::{Map, Value, json};

use super::alterations::{Alter, AlterSigned, Alterations};
use super::draft::{compact, header};
use super::form::Form;
use super::refusal::Refusal;
use super::response::{json, plain, unstored};
use super::state::State;

/// The media type of a signed answer (RFC 9701 section 10.2).
const SIGNED: &str = "application/token-introspection+jwt";

impl State {
    /// The answer to `client`.
    ///
    /// # Errors
    /// [`Refusal::InvalidRequest`] without a token.
    pub(super) fn introspect(
        &self,
        client: &str,
        headers: &HeaderMap,
        form: &Form,
    ) -> Result<Response<Bytes>, Refusal> {
        let token = form.text("token").ok_or(Refusal::InvalidRequest)?;
        let Alterations { alter, alter_signed, signed } = self.lock().alterations.clone();
        let members = match self.active_claims(token) {
            Some(claims) => active(claims, alter.as_ref()),
            None => Map::from_iter([("active".to_owned(), false.into())]),
        };
        if signed.unwrap_or_else(|| asks_for_signed(headers)) {
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
            return plain(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", "no key");
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
        unstored(plain(StatusCode::OK, SIGNED, compact(&key, header.as_bytes(), claims.as_bytes())))
    }
}

fn active(mut claims: Map<String, Value>, alter: Option<&Alter>) -> Map<String, Value> {
    claims.insert("active".to_owned(), true.into());
    claims.insert("token_type".to_owned(), "Bearer".into());
    alter.into_iter().for_each(|alter| alter(&mut claims));
    claims
}

fn asks_for_signed(headers: &HeaderMap) -> bool {
    headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok()).any(|line| line.contains(SIGNED))
}
