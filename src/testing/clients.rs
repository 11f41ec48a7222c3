//! The clients that the test issuer knows, and how they may prove who they are.

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use super::fingerprint::Fingerprint;
use crate::crypto::{AlgorithmSet, Jwk, JwkFault, VerifyingKey};

/// The `client_id` of the client that is known from the start, and its secret.
pub(super) const FIRST_CLIENT: (&str, &str) = ("test-api", "test-secret");

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

impl Clients {
    /// The client may prove itself with the key in this JWK from now on.
    pub(super) fn set_key(&mut self, id: &str, jwk: &str) -> Result<(), ClientKeyUnusable> {
        let jwk = Jwk::parse(jwk.as_bytes()).map_err(ClientKeyUnusable)?;
        let key = VerifyingKey::new(&jwk, AlgorithmSet::ALL).map_err(ClientKeyUnusable)?;
        self.client(id).key = Some(Arc::new(key));
        Ok(())
    }

    /// The client may prove itself with a certificate from now on.
    pub(super) fn set_certificate(&mut self, id: &str) {
        self.client(id).certificate = true;
    }

    /// Whoever has this token may ask.
    pub(super) fn add_bearer(&mut self, token: &str) {
        self.bearers.insert(token.to_owned());
    }

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
