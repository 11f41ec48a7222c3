//! Keys that sign: a client's own key, for its assertions (RFC 7523), and those of a test's issuer.
//!
//! The backend is the one that checks signatures: aws-lc-rs where both are on.
//!
//! Checks, of a key that is read: it fits the algorithm, and RSA has 2048 to 8192 bits.

#[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod absent;
#[cfg(feature = "aws-lc-rs")]
mod aws_lc_rs;
#[cfg(any(test, feature = "test-util"))]
mod published;
#[cfg(feature = "rust-crypto")]
#[cfg_attr(feature = "aws-lc-rs", allow(dead_code, reason = "with both backends on, aws-lc-rs is used"))]
mod rust_crypto;
#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod tests;

use std::fmt;

use super::Algorithm;

#[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
use self::absent::SecretKey;
#[cfg(feature = "aws-lc-rs")]
use self::aws_lc_rs::SecretKey;
#[cfg(all(feature = "rust-crypto", not(feature = "aws-lc-rs")))]
use self::rust_crypto::SecretKey;

/// A key pair for one algorithm.
pub(crate) struct SigningKey {
    algorithm: Algorithm,
    secret: SecretKey,
}

impl SigningKey {
    /// Makes a key pair. An RSA one has 2048 bits and takes about as long as a hundred others.
    #[cfg(any(test, feature = "test-util"))]
    pub(crate) fn generate(algorithm: Algorithm) -> Self {
        Self { algorithm, secret: SecretKey::generate(algorithm) }
    }

    /// The key in `der`, unencrypted PKCS#8 (RFC 5958), of version 1 or 2; `None` when it is none, or
    /// none for `algorithm`.
    pub(crate) fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Option<Self> {
        let secret = SecretKey::from_pkcs8(algorithm, der)?;
        Some(Self { algorithm, secret })
    }

    /// What it signs with.
    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The signature over `message`, in the form that JOSE gives it (RFC 7518 section 3); `None` when
    /// the machine has no randomness to give, or no memory.
    pub(crate) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        self.secret.sign(message)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}
