//! The clients that the test issuer knows, and how they may prove who they are.

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use super::fingerprint::Fingerprint;
use super::issuer::TestIssuer;
use crate::crypto::{AlgorithmSet, Jwk, JwkFault, VerifyingKey};

/// The clients of one server.
#[derive(Default)]
pub(super) struct Clients {
    by_id: HashMap<String, Client>,
    bearers: HashSet<String>,
    used_assertions: HashSet<Fingerprint>,
}

/// What a client may prove itself with: any of what is there.
#[derive(Default)]
struct Client {
    secret: Option<String>,
    key: Option<Arc<VerifyingKey>>,
    certificate: bool,
}

/// A JWK that cannot check the signature of a client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ClientKeyUnusable(JwkFault);

impl TestIssuer {
    /// The `client_id` of the client that is registered from the start.
    pub const CLIENT_ID: &'static str = "test-api";

    /// Its secret.
    pub const CLIENT_SECRET: &'static str = "test-secret";

    /// Registers a client with a secret, or gives a client this secret: for `client_secret_basic` and
    /// `client_secret_post` (RFC 6749 section 2.3.1). A secret that it had before is not good any more.
    pub fn register_client(&self, id: &str, secret: &str) {
        self.state.lock().clients.set_secret(id, secret);
    }

    /// Registers a client with a key, or gives a client this key: for `private_key_jwt` (RFC 7523
    /// section 2.2, OpenID Connect Core section 9). `jwk` is the public key as JSON.
    ///
    /// # Errors
    /// [`ClientKeyUnusable`] when it is no public key for signatures that this crate can check.
    pub fn register_client_key(&self, id: &str, jwk: &str) -> Result<(), ClientKeyUnusable> {
        let jwk = Jwk::parse(jwk.as_bytes()).map_err(ClientKeyUnusable)?;
        let key = VerifyingKey::new(&jwk, AlgorithmSet::ALL).map_err(ClientKeyUnusable)?;
        self.state.lock().clients.client(id).key = Some(Arc::new(key));
        Ok(())
    }

    /// Registers a client that is known by its certificate (`tls_client_auth`, RFC 8705 section 2). No
    /// TLS here: its `client_id` in the form, and no other authentication, stands for the certificate.
    pub fn register_mtls_client(&self, id: &str) {
        self.state.lock().clients.client(id).certificate = true;
    }

    /// Lets whoever shows this bearer token ask, as some servers do at the introspection endpoint
    /// (RFC 7662 section 2.1). It counts as the client [`CLIENT_ID`](Self::CLIENT_ID).
    pub fn register_bearer(&self, token: &str) {
        self.state.lock().clients.bearers.insert(token.to_owned());
    }
}

impl Clients {
    pub(super) fn set_secret(&mut self, id: &str, secret: &str) {
        self.client(id).secret = Some(secret.to_owned());
    }

    pub(super) fn has_secret(&self, id: &str, secret: &str) -> bool {
        self.by_id.get(id).is_some_and(|client| client.secret.as_deref() == Some(secret))
    }

    pub(super) fn has_certificate(&self, id: &str) -> bool {
        self.by_id.get(id).is_some_and(|client| client.certificate)
    }

    pub(super) fn has_bearer(&self, token: &str) -> bool {
        self.bearers.contains(token)
    }

    pub(super) fn key(&self, id: &str) -> Option<Arc<VerifyingKey>> {
        self.by_id.get(id)?.key.clone()
    }

    /// Uses an assertion up. `false` when it was used before (RFC 7523 section 3, `jti`).
    pub(super) fn use_up(&mut self, id: &str, jti: &str) -> bool {
        self.used_assertions.insert(Fingerprint::of((id, jti)))
    }

    fn client(&mut self, id: &str) -> &mut Client {
        self.by_id.entry(id.to_owned()).or_default()
    }
}

impl fmt::Display for ClientKeyUnusable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the key of the client is of no use: {}", self.0)
    }
}

impl Error for ClientKeyUnusable {}
