//! Registers clients with the test issuer.

use super::test_issuer::TestIssuer;
use crate::testing::server::{ClientKeyUnusable, DEFAULT_CLIENT};

impl TestIssuer {
    /// The `client_id` of the client that is registered from the start: `test-api`.
    pub const CLIENT_ID: &'static str = DEFAULT_CLIENT.0;

    /// The secret of the client that is registered from the start: `test-secret`.
    pub const CLIENT_SECRET: &'static str = DEFAULT_CLIENT.1;

    /// Registers a client with a secret, for `client_secret_basic` and `client_secret_post` (RFC 6749 section
    /// 2.3.1), and for `client_secret_jwt` (OpenID Connect Core section 9) if the secret is long enough for
    /// its algorithm: at least 32 bytes for `HS256` (RFC 7518 section 3.2).
    ///
    /// The secret replaces an earlier secret of this client, which becomes invalid.
    ///
    /// ```
    /// use tower_bearer::{ClientAuth, Introspection, testing::TestIssuer};
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// idp.register_client("orders-api", "s3cret");
    /// let client = ClientAuth::secret_post("orders-api", "s3cret");
    /// let issuer = idp.issuer().introspect(Introspection::with(client));
    /// # drop(issuer);
    /// # }
    /// ```
    pub fn register_client(&self, id: &str, secret: &str) {
        self.state.lock().clients.set_secret(id, secret);
    }

    /// Registers a client with a public key, for `private_key_jwt` (RFC 7523 section 2.2).
    ///
    /// `jwk` is the public key as JSON (RFC 7517 section 4). It replaces an earlier key of this client.
    ///
    /// ```
    /// use tower_bearer::testing::TestIssuer;
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// // The public key of RFC 7517 appendix A.1.
    /// let jwk = r#"{
    ///     "kty": "EC", "crv": "P-256",
    ///     "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
    ///     "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"
    /// }"#;
    /// idp.register_client_key("orders-api", jwk).unwrap();
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`ClientKeyUnusable`] if `jwk` is not a public key for a signature algorithm that this crate supports.
    pub fn register_client_key(&self, id: &str, jwk: &str) -> Result<(), ClientKeyUnusable> {
        self.state.lock().clients.set_key(id, jwk)
    }

    /// Accepts only assertions whose `aud` is the URL of the endpoint that they are sent to (`true`), as Okta
    /// does, or the identifier of this issuer (`false`, the default).
    ///
    /// It applies to `private_key_jwt` and `client_secret_jwt`, at all endpoints.
    ///
    /// ```
    /// use tower_bearer::crypto::HmacAlgorithm;
    /// use tower_bearer::{ClientAuth, Introspection, testing::TestIssuer};
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// let secret = "a secret of at least 32 characters";
    /// idp.register_client("orders-api", secret);
    /// idp.set_endpoint_audience(true);
    /// let client = ClientAuth::secret_jwt("orders-api", secret, HmacAlgorithm::HS256);
    /// let introspection = Introspection::with(client.endpoint_as_audience());
    /// # drop(introspection);
    /// # }
    /// ```
    pub fn set_endpoint_audience(&self, is_endpoint: bool) {
        self.state.lock().clients.endpoint_audience = is_endpoint;
    }

    /// Registers a client that authenticates with a certificate (`tls_client_auth`, RFC 8705 section 2).
    ///
    /// Over TLS, the connection must present a certificate that `TestCa::client_pem` (feature `test-tls`)
    /// issued for this `client_id`. In memory and over plain HTTP, a `client_id` without any other
    /// credentials counts as a request with the certificate.
    ///
    /// ```
    /// use tower_bearer::{ClientAuth, Introspection, testing::TestIssuer};
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// idp.register_mtls_client("orders-api");
    /// let introspection = Introspection::with(ClientAuth::mtls("orders-api"));
    /// # drop(introspection);
    /// # }
    /// ```
    pub fn register_mtls_client(&self, id: &str) {
        self.state.lock().clients.set_certificate(id);
    }

    /// Accepts this bearer token as client credentials (RFC 7662 section 2.1).
    ///
    /// Requests with it count as requests of [`CLIENT_ID`](Self::CLIENT_ID).
    ///
    /// ```
    /// use tower_bearer::{ClientAuth, Introspection, testing::TestIssuer};
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// idp.register_bearer("2YotnFZFEjr1zCsicMWpAA");
    /// let introspection = Introspection::with(ClientAuth::bearer("2YotnFZFEjr1zCsicMWpAA"));
    /// # drop(introspection);
    /// # }
    /// ```
    pub fn register_bearer(&self, token: &str) {
        self.state.lock().clients.add_bearer(token);
    }
}
