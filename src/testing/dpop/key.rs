//! The key pair of a DPoP client.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use serde_json::Value;

use crate::crypto::{Algorithm, SigningKey};
use crate::testing::thumbprint;
use crate::time::{Clock, SystemClock};

/// The key pair of a DPoP client (RFC 9449 section 4).
///
/// [`TestIssuer::dpop_key`](super::super::TestIssuer::dpop_key) generates one with the clock of the test
/// issuer. Bind tokens to it with
/// [`TokenBuilder::bound_to_key`](super::super::TokenBuilder::bound_to_key), and make the proofs for requests
/// with [`proof`](Self::proof). Clones are the same key. `Debug` shows the thumbprint, never the private key.
///
/// ```
/// use tower_bearer::testing::TestIssuer;
///
/// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
/// let idp = TestIssuer::new();
/// let key = idp.dpop_key();
/// let token = idp.token("https://api.example.com").bound_to_key(&key).sign();
/// let request = key.proof("GET", "https://api.example.com/me").token(&token).request().body(()).unwrap();
/// assert_eq!(request.headers()["authorization"], format!("DPoP {token}"));
/// assert!(request.headers().contains_key("dpop"));
/// # }
/// ```
#[derive(Clone)]
#[must_use]
pub struct DpopKey {
    key: Arc<SigningKey>,
    clock: Arc<dyn Clock>,
    /// The number of proofs of this key so far. The next `jti` is derived from it.
    proofs: Arc<AtomicU64>,
}

impl DpopKey {
    /// Generates an ES256 key. Its proofs have the time of the system clock.
    pub fn new() -> Self {
        Self::with_algorithm(Algorithm::ES256)
    }

    /// Generates a key for this algorithm. Its proofs have the time of the system clock.
    ///
    /// ```
    /// use tower_bearer::{Algorithm, testing::{DpopKey, TestIssuer}};
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// let key = DpopKey::with_algorithm(Algorithm::Ed25519).clock(idp.clock());
    /// assert_eq!(key.jwk()["crv"], "Ed25519");
    /// # }
    /// ```
    pub fn with_algorithm(algorithm: Algorithm) -> Self {
        let key = Arc::new(SigningKey::generate(algorithm));
        Self { key, clock: Arc::new(SystemClock), proofs: Arc::default() }
    }

    /// Sets the clock of the `iat` of proofs. Default: the system clock.
    ///
    /// Use the clock of the API under test, or that of a client whose clock is wrong.
    ///
    /// ```
    /// use std::time::{Duration, UNIX_EPOCH};
    /// use tower_bearer::testing::{DpopKey, ManualClock};
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// // A client whose clock was never set.
    /// let key = DpopKey::new().clock(ManualClock::at(UNIX_EPOCH + Duration::from_secs(60)));
    /// # drop(key);
    /// # }
    /// ```
    pub fn clock(self, clock: impl Clock) -> Self {
        Self { clock: Arc::new(clock), ..self }
    }

    /// The public key as a JWK, with the required members only (RFC 7638 section 3.2).
    ///
    /// ```
    /// use tower_bearer::testing::DpopKey;
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let key = DpopKey::new();
    /// let mut jwk = key.jwk();
    /// jwk["d"] = "AA".into(); // a proof must not have a private key
    /// let proof = key.proof("GET", "https://api.example.com/me").header("jwk", jwk).sign();
    /// # drop(proof);
    /// # }
    /// ```
    #[must_use]
    pub fn jwk(&self) -> Value {
        let mut jwk = self.key.public_jwk("");
        if let Value::Object(members) = &mut jwk {
            members.retain(|name, _| !matches!(name.as_str(), "alg" | "kid" | "use"));
        }
        jwk
    }

    /// The SHA-256 thumbprint of the public key, in base64url (RFC 7638): the `cnf.jkt` of its tokens.
    ///
    /// ```
    /// use tower_bearer::testing::DpopKey;
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
    /// assert_eq!(DpopKey::new().thumbprint().len(), 43);
    /// ```
    #[must_use]
    pub fn thumbprint(&self) -> String {
        thumbprint::of_jwk(&self.jwk())
    }

    /// The key pair.
    pub(super) fn signing_key(&self) -> &SigningKey {
        &self.key
    }

    /// Seconds since the Unix epoch.
    pub(super) fn now(&self) -> u64 {
        self.clock.now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }

    /// A number that no proof of this key has yet.
    pub(super) fn next_number(&self) -> u64 {
        self.proofs.fetch_add(1, Ordering::Relaxed)
    }
}

impl Default for DpopKey {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for DpopKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DpopKey")
            .field("algorithm", &self.key.algorithm())
            .field("thumbprint", &self.thumbprint())
            .finish_non_exhaustive()
    }
}
