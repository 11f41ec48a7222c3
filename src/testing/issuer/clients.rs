//! The clients of the test issuer, as a test handles them.

use super::TestIssuer;
use crate::testing::clients::{ClientKeyUnusable, FIRST_CLIENT};

impl TestIssuer {
    /// The `client_id` of the client that is registered from the start.
    pub const CLIENT_ID: &'static str = FIRST_CLIENT.0;

    /// Its secret.
    pub const CLIENT_SECRET: &'static str = FIRST_CLIENT.1;

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
        self.state.lock().clients.set_key(id, jwk)
    }

    /// Registers a client that is known by its certificate (`tls_client_auth`, RFC 8705 section 2). No
    /// TLS here: its `client_id` in the form, and no other authentication, stands for the certificate.
    pub fn register_mtls_client(&self, id: &str) {
        self.state.lock().clients.set_certificate(id);
    }

    /// Lets whoever shows this bearer token ask, as some servers do at the introspection endpoint
    /// (RFC 7662 section 2.1). It counts as the client [`CLIENT_ID`](Self::CLIENT_ID).
    pub fn register_bearer(&self, token: &str) {
        self.state.lock().clients.add_bearer(token);
    }
}
