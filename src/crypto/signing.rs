//! A key pair that signs: the key of an OAuth client for its assertions (RFC 7523), and the keys of a test
//! issuer.
//!
//! Checks: a key read from PKCS#8 fits its algorithm, and an RSA modulus has 2048 to 8192 bits.

use std::fmt;

use super::algorithm::Algorithm;
use super::backend::SecretKey;

/// A key pair for one algorithm.
pub(crate) struct SigningKey {
    algorithm: Algorithm,
    secret: SecretKey,
}

impl SigningKey {
    /// Generates a key pair. An RSA key has 2048 bits and takes about a hundred times as long as the others.
    #[cfg(any(test, feature = "test-util"))]
    pub(crate) fn generate(algorithm: Algorithm) -> Self {
        Self { algorithm, secret: SecretKey::generate(algorithm) }
    }

    /// Reads unencrypted PKCS#8 in DER (RFC 5958, version 1 or 2). `None` if `der` is not a key for
    /// `algorithm`.
    pub(crate) fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Option<Self> {
        let secret = SecretKey::from_pkcs8(algorithm, der)?;
        Some(Self { algorithm, secret })
    }

    /// The algorithm of this key pair.
    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The signature over `message`, in the form of JOSE (RFC 7518 section 3).
    ///
    /// `None` if the random number generator of the operating system fails or memory runs out.
    pub(crate) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        self.secret.sign(message)
    }

    /// The public key as a JWK with `kid`, `alg` and `use` (RFC 7517 section 4).
    #[cfg(any(test, feature = "test-util"))]
    pub(crate) fn public_jwk(&self, kid: &str) -> serde_json::Value {
        self.secret.public_key().to_jwk(kid, self.algorithm)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}
