//! The registered clients of the test issuer and their credentials.

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use super::fingerprint::Fingerprint;
use crate::crypto::{AlgorithmSet, Jwk, JwkFault, VerifyingKey};

/// The `client_id` and the secret of the client that is registered from the start.
pub(crate) const DEFAULT_CLIENT: (&str, &str) = ("test-api", "test-secret");

/// The clients of one server.
#[derive(Default)]
pub(crate) struct Clients {
    by_id: HashMap<String, Client>,
    bearers: HashSet<String>,
    used_assertions: HashSet<Fingerprint>,
    used_proofs: HashSet<Fingerprint>,
    /// Whether the `aud` of an assertion is the endpoint that it is sent to, not the issuer.
    pub(crate) endpoint_audience: bool,
}

/// The credentials of a client. It may authenticate with any of them.
#[derive(Default)]
struct Client {
    secret: Option<String>,
    key: Option<Arc<VerifyingKey>>,
    certificate: bool,
}

/// A JWK that cannot verify the assertions of a client.
///
/// [`TestIssuer::register_client_key`](super::super::TestIssuer::register_client_key) returns it. `Display`
/// says what is wrong with the JWK.
///
/// ```
/// use tower_bearer::testing::TestIssuer;
///
/// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
/// let idp = TestIssuer::new();
/// let error = idp.register_client_key("orders-api", r#"{"kty":"oct","k":"AAAA"}"#).unwrap_err();
/// assert_eq!(error.to_string(), "the key of the client is unusable: the key is symmetric");
/// # }
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ClientKeyUnusable(JwkFault);

impl Clients {
    /// Registers the public key in this JWK. It replaces an earlier one.
    pub(crate) fn set_key(&mut self, id: &str, jwk: &str) -> Result<(), ClientKeyUnusable> {
        let jwk = Jwk::parse(jwk.as_bytes()).map_err(ClientKeyUnusable)?;
        let key = VerifyingKey::new(&jwk, AlgorithmSet::ALL).map_err(ClientKeyUnusable)?;
        self.client(id).key = Some(Arc::new(key));
        Ok(())
    }

    /// Permits the client to authenticate with a certificate.
    pub(crate) fn set_certificate(&mut self, id: &str) {
        self.client(id).certificate = true;
    }

    /// Permits requests with this bearer token.
    pub(crate) fn add_bearer(&mut self, token: &str) {
        self.bearers.insert(token.to_owned());
    }

    pub(crate) fn set_secret(&mut self, id: &str, secret: &str) {
        self.client(id).secret = Some(secret.to_owned());
    }

    pub(crate) fn has_secret(&self, id: &str, secret: &str) -> bool {
        self.secret(id) == Some(secret)
    }

    pub(crate) fn secret(&self, id: &str) -> Option<&str> {
        self.by_id.get(id)?.secret.as_deref()
    }

    pub(crate) fn has_certificate(&self, id: &str) -> bool {
        self.by_id.get(id).is_some_and(|client| client.certificate)
    }

    pub(crate) fn has_bearer(&self, token: &str) -> bool {
        self.bearers.contains(token)
    }

    pub(crate) fn key(&self, id: &str) -> Option<Arc<VerifyingKey>> {
        self.by_id.get(id)?.key.clone()
    }

    /// Records the use of an assertion. Returns `false` if it is a replay (RFC 7523 section 3, `jti`).
    pub(crate) fn record_assertion(&mut self, id: &str, jti: &str) -> bool {
        self.used_assertions.insert(Fingerprint::of((id, jti)))
    }

    /// Records the use of a DPoP proof. Returns `false` if it is a replay (RFC 9449 section 11.1).
    pub(crate) fn record_proof(&mut self, key_thumbprint: &str, jti: &str) -> bool {
        self.used_proofs.insert(Fingerprint::of((key_thumbprint, jti)))
    }

    fn client(&mut self, id: &str) -> &mut Client {
        self.by_id.entry(id.to_owned()).or_default()
    }
}

impl fmt::Display for ClientKeyUnusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the key of the client is unusable: {}", self.0)
    }
}

impl Error for ClientKeyUnusable {}
