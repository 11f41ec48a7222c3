//! Says whether a token is active, and what it is about (RFC 7662 section 2, RFC 9701 section 5).
//!
//! Checks: the token was issued here and not revoked; `exp` and `nbf`, where they are whole numbers,
//! by this server's clock (RFC 7662 section 4).
//! Does not check: whether the client that asks is one that the token is for.

use std::sync::Arc;

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderMap, Response, StatusCode};
use serde_json::{Map, Value, json};

use super::draft::{compact, header};
use super::form::Form;
use super::issuer::TestIssuer;
use super::refusal::Refusal;
use super::response::{json, plain, unstored};
use super::state::State;

/// The media type of a signed answer (RFC 9701 section 10.2).
const SIGNED: &str = "application/token-introspection+jwt";

type Alter = Arc<dyn Fn(&mut Map<String, Value>) + Send + Sync>;
type AlterSigned = Arc<dyn Fn(&mut Map<String, Value>, &mut Map<String, Value>) + Send + Sync>;

/// How a test wants the answers.
#[derive(Clone, Default)]
pub(super) struct Introspection {
    alter: Option<Alter>,
    alter_signed: Option<AlterSigned>,
    /// `None`: as the client asks.
    signed: Option<bool>,
}

impl TestIssuer {
    /// Changes every answer about an active token before it is sent: `active`, `token_type` and the
    /// claims (RFC 7662 section 2.2). In place of an earlier alteration.
    ///
    /// ```
    /// use tower_bearer::testing::TestIssuer;
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// idp.alter_introspection(|answer| {
    ///     answer.insert("active".to_owned(), "true".into());
    ///     answer.remove("iss");
    /// });
    /// idp.clear_alterations();
    /// # }
    /// ```
    pub fn alter_introspection(&self, alter: impl Fn(&mut Map<String, Value>) + Send + Sync + 'static) {
        self.state.lock().introspection.alter = Some(Arc::new(alter));
    }

    /// Changes the header and the claims of every signed answer before it is signed, also of one about
    /// a token that is not active (RFC 9701 section 5). In place of an earlier alteration.
    ///
    /// The key stays the one that signs now: another `kid` in the header makes a signature that does
    /// not hold.
    pub fn alter_signed_introspection(
        &self,
        alter: impl Fn(&mut Map<String, Value>, &mut Map<String, Value>) + Send + Sync + 'static,
    ) {
        self.state.lock().introspection.alter_signed = Some(Arc::new(alter));
    }

    /// Ends both alterations.
    pub fn clear_alterations(&self) {
        let mut settings = self.state.lock();
        settings.introspection.alter = None;
        settings.introspection.alter_signed = None;
    }

    /// Signs every answer of introspection (`true`) or none (`false`), whatever the client asks for.
    /// Default, and with `None` again: signs when `Accept` names `application/token-introspection+jwt`
    /// (RFC 9701 section 4).
    pub fn set_signed_introspection(&self, signed: impl Into<Option<bool>>) {
        self.state.lock().introspection.signed = signed.into();
    }
}

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
        let wishes = self.lock().introspection.clone();
        let members = match self.active_claims(token) {
            Some(claims) => active(claims, wishes.alter.as_ref()),
            None => Map::from_iter([("active".to_owned(), false.into())]),
        };
        if wishes.signed.unwrap_or_else(|| asks_for_signed(headers)) {
            return Ok(self.signed(client, members, wishes.alter_signed.as_ref()));
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
