//! Adds, rotates and withdraws the keys of the test issuer, and replaces its key set and metadata.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::test_issuer::TestIssuer;
use crate::crypto::{Algorithm, PrivateKey, SigningKey};
use crate::testing::thumbprint;

impl TestIssuer {
    /// Generates and publishes a key, and returns its `kid`.
    ///
    /// The issuer keeps signing with the current key. [`TokenBuilder::key_id`](super::TokenBuilder::key_id)
    /// selects the new one.
    ///
    /// ```
    /// use tower_bearer::{Algorithm, testing::TestIssuer};
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// let kid = idp.add_key(Algorithm::EdDSA);
    /// assert!(idp.token("https://api.example.com").key_id(&kid).access_token().is_ok());
    /// # }
    /// ```
    pub fn add_key(&self, algorithm: Algorithm) -> String {
        let key = Arc::new(SigningKey::generate(algorithm));
        self.state.lock().add_key(key)
    }

    /// Rotates the key: publishes a new key of the same algorithm, signs with it from now on, and returns its
    /// `kid`.
    ///
    /// The old key stays published until [`retire_key`](Self::retire_key) removes it.
    ///
    /// ```
    /// use tower_bearer::testing::TestIssuer;
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// let old = idp.key_id();
    /// let new = idp.rotate_key();
    /// assert_eq!(idp.key_id(), new);
    ///
    /// // Tokens that were signed with the old key are still valid.
    /// assert!(idp.token("https://api.example.com").key_id(&old).access_token().is_ok());
    /// # }
    /// ```
    pub fn rotate_key(&self) -> String {
        self.rotate_key_to(self.current_algorithm())
    }

    /// Rotates the key like [`rotate_key`](Self::rotate_key), to a key of this algorithm.
    ///
    /// ```
    /// use tower_bearer::{Algorithm, testing::TestIssuer};
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// idp.rotate_key_to(Algorithm::Ed25519);
    /// assert!(idp.token("https://api.example.com").access_token().is_ok());
    /// # }
    /// ```
    pub fn rotate_key_to(&self, algorithm: Algorithm) -> String {
        let kid = self.add_key(algorithm);
        self.state.lock().signing.clone_from(&kid);
        kid
    }

    /// Publishes a key of yours, signs with it from now on, and returns its `kid`: that of
    /// [`PrivateKey::key_id`], else its SHA-256 thumbprint (RFC 7638).
    ///
    /// With it, tokens stay valid across restarts. It replaces a key with the same `kid`. Other keys stay
    /// published until [`retire_key`](Self::retire_key) removes them.
    ///
    /// ```
    /// use tower_bearer::Algorithm;
    /// use tower_bearer::crypto::PrivateKey;
    /// use tower_bearer::testing::TestIssuer;
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// // The example key of RFC 8410 section 10.3.
    /// let pem = "-----BEGIN PRIVATE KEY-----\n\
    ///     MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
    ///     -----END PRIVATE KEY-----\n";
    /// let key = PrivateKey::from_pkcs8_pem(Algorithm::EdDSA, pem)?;
    ///
    /// let (before, after) = (TestIssuer::new(), TestIssuer::new());
    /// assert_eq!(before.sign_with(&key), after.sign_with(&key));
    /// let token = before.token("https://api.example.com").sign();
    /// let auth = after.bearer_auth("https://api.example.com").build().unwrap();
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// assert!(auth.explain(&token).await.is_accepted());
    /// # });
    /// # }
    /// # Ok::<(), tower_bearer::crypto::PrivateKeyError>(())
    /// ```
    pub fn sign_with(&self, key: &PrivateKey) -> String {
        let signing = key.shared_signing_key();
        let kid = key.kid().map(str::to_owned);
        let kid = kid.unwrap_or_else(|| thumbprint::of_jwk(&signing.public_jwk("")));
        self.state.lock().sign_with(signing, &kid);
        kid
    }

    /// Replaces the key that signs by a new key with the same `kid`.
    ///
    /// Correct authorization servers never do this. It tests that a reused `kid` does not keep the old key
    /// alive.
    ///
    /// ```
    /// use tower_bearer::testing::TestIssuer;
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// let (kid, jwks) = (idp.key_id(), idp.jwks());
    /// idp.replace_key();
    /// assert_eq!(idp.key_id(), kid);
    /// assert_ne!(idp.jwks(), jwks);
    /// # }
    /// ```
    pub fn replace_key(&self) {
        let key = Arc::new(SigningKey::generate(self.current_algorithm()));
        self.state.lock().replace_key(&key);
    }

    /// Removes a key from the key set. Tokens can still be signed with it. Ignores an unknown `kid`.
    ///
    /// ```
    /// use tower_bearer::{RejectionKind, testing::TestIssuer};
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// let old = idp.key_id();
    /// idp.rotate_key();
    /// idp.retire_key(&old);
    /// let rejection = idp.token("https://api.example.com").key_id(&old).access_token().unwrap_err();
    /// assert_eq!(rejection.kind(), RejectionKind::KeyUnknown);
    /// # }
    /// ```
    pub fn retire_key(&self, kid: &str) {
        let keys = &mut self.state.lock().keys;
        keys.iter_mut().filter(|key| key.kid == kid).for_each(|key| key.is_published = false);
    }

    /// Changes the published JWK of a key (RFC 7517 section 4). Ignores an unknown `kid`.
    ///
    /// Tokens are still signed with the key. Changes add up; [`replace_key`](Self::replace_key) undoes them.
    ///
    /// ```
    /// use tower_bearer::testing::TestIssuer;
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// idp.alter_key(&idp.key_id(), |jwk| {
    ///     jwk.remove("alg"); // many servers leave it out
    /// });
    /// assert!(idp.token("https://api.example.com").access_token().is_ok());
    ///
    /// idp.alter_key(&idp.key_id(), |jwk| {
    ///     jwk.insert("use".to_owned(), "enc".into());
    /// });
    /// assert!(idp.token("https://api.example.com").access_token().is_err());
    /// # }
    /// ```
    pub fn alter_key(&self, kid: &str, alter: impl FnOnce(&mut Map<String, Value>)) {
        let mut settings = self.state.lock();
        let key = settings.keys.iter_mut().find(|key| key.kid == kid);
        if let Some(Value::Object(jwk)) = key.map(|key| &mut key.jwk) {
            alter(jwk);
        }
    }

    /// The `kid` of the key that signs. The first one is `key-1`.
    #[must_use]
    pub fn key_id(&self) -> String {
        self.state.lock().signing.clone()
    }

    /// Publishes this document instead of the key set. `None` restores the key set.
    ///
    /// [`jwks`](Self::jwks) returns the document, too.
    ///
    /// ```
    /// use tower_bearer::{RejectionKind, testing::TestIssuer};
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// idp.set_jwks(Some(r#"{"keys":[]}"#.to_owned()));
    /// let rejection = idp.token("https://api.example.com").access_token().unwrap_err();
    /// assert_eq!(rejection.kind(), RejectionKind::KeyUnknown);
    ///
    /// idp.set_jwks(None);
    /// assert!(idp.token("https://api.example.com").access_token().is_ok());
    /// # }
    /// ```
    pub fn set_jwks(&self, document: Option<String>) {
        self.state.lock().jwks = document;
    }

    /// Publishes the key set at this URL, too, for issuers whose keys are on another host.
    ///
    /// [`http_client`](Self::http_client) reaches it. Faults of
    /// [`Endpoint::Jwks`](crate::testing::Endpoint::Jwks) apply to it.
    ///
    /// ```
    /// use tower_bearer::testing::TestIssuer;
    /// use tower_bearer::{BearerAuth, Issuer};
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let cluster = TestIssuer::in_memory("https://kubernetes.default.svc.cluster.local");
    /// cluster.publish_jwks_at("https://kubernetes.default.svc/openid/v1/jwks");
    ///
    /// let auth = BearerAuth::builder("orders-api")
    ///     .issuer(Issuer::kubernetes(cluster.identifier())) // as in production
    ///     .http_client(cluster.http_client())
    ///     .build()
    ///     .unwrap();
    /// auth.ready().await.unwrap();
    /// # }
    /// # #[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
    /// # fn main() {}
    /// ```
    pub fn publish_jwks_at(&self, url: impl Into<String>) {
        self.state.lock().jwks_urls.push(url.into());
    }

    /// Publishes this document instead of the metadata (RFC 8414 section 3.2). `None` restores the metadata.
    ///
    /// ```
    /// use tower_bearer::testing::TestIssuer;
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let idp = TestIssuer::new();
    /// let auth = idp.bearer_auth("https://api.example.com").build().unwrap();
    /// idp.set_metadata(Some(r#"{"issuer":"https://other.test"}"#.to_owned()));
    /// assert!(auth.ready().await.is_err());
    /// # }
    /// # #[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
    /// # fn main() {}
    /// ```
    pub fn set_metadata(&self, document: Option<String>) {
        self.state.lock().metadata = document;
    }

    /// Sets the `Cache-Control` header of the key set (RFC 9111 section 5.2.2). Default: no header.
    ///
    /// ```
    /// use tower_bearer::testing::TestIssuer;
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// idp.set_cache_control(Some("max-age=60"));
    /// # }
    /// ```
    pub fn set_cache_control(&self, value: Option<&str>) {
        self.state.lock().cache_control = value.map(str::to_owned);
    }

    fn current_algorithm(&self) -> Algorithm {
        self.state.signing_key(None).map_or(Algorithm::ES256, |(_, key)| key.algorithm())
    }
}
