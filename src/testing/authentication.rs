//! Whether a client is the one it says (RFC 6749 section 3.2.1, RFC 7523 section 3).
//!
//! Checks: a secret or a bearer token against those registered. Of an assertion: its signature, by
//! the key registered; `iss` and `sub` are the client; `aud` is this issuer and nothing else; `exp`
//! is not past; `jti` was not used before.
//! Does not check: `typ`, `nbf` and `iat` of an assertion; which of its methods a client uses.
//!
//! Why: `aud` as one string that is the issuer's identifier is what keeps one server from using an
//! assertion at another (draft-ietf-oauth-rfc7523bis).

use http::HeaderMap;
use serde_json::{Map, Value};

use super::credentials::Credentials;
use super::form::Form;
use super::issuer::TestIssuer;
use super::refusal::Refusal;
use super::state::State;
use crate::crypto::VerifyingKey;
use crate::encoding::json;
use crate::jwt::compact::Compact;
use crate::jwt::header::Header;

/// RFC 7523 section 2.2.
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

impl State {
    /// Who asks.
    ///
    /// # Errors
    /// [`Refusal::InvalidClient`]; [`Refusal::InvalidRequest`] for several ways in one request.
    pub(super) fn authenticate(&self, headers: &HeaderMap, form: &Form) -> Result<String, Refusal> {
        let proven = match Credentials::of(headers, form)? {
            Credentials::Secret { id, secret } => self.lock().clients.has_secret(&id, &secret).then_some(id),
            Credentials::Bearer(token) => {
                self.lock().clients.has_bearer(token).then(|| TestIssuer::CLIENT_ID.to_owned())
            }
            Credentials::Certificate(id) => self.lock().clients.has_certificate(id).then(|| id.to_owned()),
            Credentials::Assertion { id, kind, assertion } => {
                let asserted = Some(assertion).filter(|_| kind == JWT_BEARER);
                let asserted = asserted.and_then(|assertion| self.asserted(assertion));
                asserted.filter(|client| id.is_none_or(|id| id == client))
            }
        };
        proven.ok_or(Refusal::InvalidClient)
    }

    /// The client that an assertion is from; it is used up with that.
    fn asserted(&self, assertion: &str) -> Option<String> {
        let compact = Compact::parse(assertion).ok()?;
        let claims: Map<String, Value> = json::parse(compact.claims().ok()?.as_bytes()).ok()?;
        let text = |name| claims.get(name).and_then(Value::as_str);
        let client = text("sub")?;
        let key = self.lock().clients.key(client)?;
        let holds = verify(&compact, &key).is_some()
            && text("iss") == Some(client)
            && text("aud") == Some(self.identifier())
            && claims.get("exp").and_then(Value::as_u64).is_some_and(|exp| exp > self.now());
        let fresh = holds && self.lock().clients.use_up(client, text("jti")?);
        fresh.then(|| client.to_owned())
    }
}

fn verify(assertion: &Compact<'_>, key: &VerifyingKey) -> Option<()> {
    let header = assertion.header().ok()?;
    let algorithm = Header::parse(&header).ok()?.algorithm;
    key.verify(algorithm, assertion.signing_input(), &assertion.signature().ok()?).ok()
}
