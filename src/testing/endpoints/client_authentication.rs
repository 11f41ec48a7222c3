//! Authenticates clients (RFC 6749 section 3.2.1, RFC 7523 section 3).
//!
//! Checks: a secret or bearer token is registered. Over TLS, the connection has presented a certificate of
//! the client. An assertion is signed with the registered key or secret, its `iss` and `sub` are the client,
//! its `aud` is exactly the issuer or the endpoint, its `exp` is in the future and its `jti` is new.
//!
//! Does not check: `typ`, `nbf` and `iat` of an assertion; which of its methods a client uses.
//!
//! Why: `aud` must be a single string, by default the identifier of the issuer. Otherwise an authorization
//! server could use the assertion at another one (draft-ietf-oauth-rfc7523bis). Some servers accept only the
//! URL of the endpoint, so a test can choose that.

use bytes::Bytes;
use http::Request;
use serde_json::{Map, Value};

use super::credentials::Credentials;
use super::form::Form;
use super::oauth_error::OAuthError;
use crate::crypto::{self, HmacAlgorithm};
use crate::encoding::json;
use crate::jwt::compact::Compact;
use crate::jwt::header::Header;
use crate::testing::fault::Endpoint;
use crate::testing::server::{DEFAULT_CLIENT, PresentedCertificate, State};

/// The `client_assertion_type` of a JWT (RFC 7523 section 2.2).
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

impl State {
    /// The `client_id` of the client that has sent the request to `endpoint`.
    ///
    /// # Errors
    /// [`OAuthError::InvalidClient`] for wrong or missing credentials, [`OAuthError::InvalidRequest`] for
    /// several.
    pub(super) fn authenticate_client(
        &self,
        endpoint: Endpoint,
        request: &Request<Bytes>,
        form: &Form,
    ) -> Result<String, OAuthError> {
        let client = match Credentials::parse(request.headers(), form)? {
            Credentials::Secret { id, secret } => self.lock().clients.has_secret(&id, &secret).then_some(id),
            Credentials::Bearer(token) => {
                self.lock().clients.has_bearer(token).then(|| DEFAULT_CLIENT.0.to_owned())
            }
            Credentials::Certificate(id) => {
                let is_registered = self.lock().clients.has_certificate(id);
                (is_registered && presents_certificate_of(id, request)).then(|| id.to_owned())
            }
            Credentials::Assertion { id, kind, assertion } => {
                let assertion = Some(assertion).filter(|_| kind == JWT_BEARER);
                let client = assertion.and_then(|assertion| self.verify_assertion(endpoint, assertion));
                client.filter(|client| id.is_none_or(|id| id == client))
            }
        };
        client.ok_or(OAuthError::InvalidClient)
    }

    /// The client that has signed an assertion for `endpoint`. Records the assertion as used.
    fn verify_assertion(&self, endpoint: Endpoint, assertion: &str) -> Option<String> {
        let compact = Compact::parse(assertion).ok()?;
        let claims: Map<String, Value> = json::parse(compact.claims().ok()?.as_bytes()).ok()?;
        let text = |name| claims.get(name).and_then(Value::as_str);
        let client = text("sub")?;
        self.verify_signature(client, &compact)?;
        let is_valid = text("iss") == Some(client)
            && text("aud") == Some(&self.assertion_audience(endpoint))
            && claims.get("exp").and_then(Value::as_u64).is_some_and(|exp| exp > self.now());
        let is_new = is_valid && self.lock().clients.record_assertion(client, text("jti")?);
        is_new.then(|| client.to_owned())
    }

    fn assertion_audience(&self, endpoint: Endpoint) -> String {
        let is_endpoint = self.lock().clients.endpoint_audience;
        if is_endpoint { self.address().url(endpoint) } else { self.identifier().to_owned() }
    }

    /// Verifies the signature of an assertion with the key of this client, or its MAC with the secret.
    fn verify_signature(&self, client: &str, assertion: &Compact<'_>) -> Option<()> {
        let (header, signature) = (assertion.header().ok()?, assertion.signature().ok()?);
        let input = assertion.signing_input();
        let Some(algorithm) = mac_algorithm(&header) else {
            let key = self.lock().clients.key(client)?;
            return key.verify(Header::parse(&header).ok()?.algorithm, input, &signature).ok();
        };
        let secret = self.lock().clients.secret(client)?.to_owned();
        let is_long_enough = secret.len() >= algorithm.min_secret_bytes();
        let mac = crypto::hmac(algorithm, secret.as_bytes(), input).filter(|_| is_long_enough);
        (mac? == signature).then_some(())
    }
}

/// The `alg` of a header, if it is a MAC.
fn mac_algorithm(header: &[u8]) -> Option<HmacAlgorithm> {
    let header: Map<String, Value> = json::parse(header).ok()?;
    HmacAlgorithm::parse(header.get("alg")?.as_str()?)
}

/// Whether the connection of the request has presented a certificate of this client. Without TLS, it counts
/// as presented.
fn presents_certificate_of(client: &str, request: &Request<Bytes>) -> bool {
    let presented = request.extensions().get::<PresentedCertificate>();
    presented.is_none_or(|presented| presented.is_of(client))
}
