//! Signing in a build without a backend: there is no key to sign with.

use crate::crypto::Algorithm;

#[cfg(any(test, feature = "test-util"))]
use super::published::PublicKey;

/// A key that cannot exist.
pub(super) enum SecretKey {}

impl SecretKey {
    /// No key.
    pub(super) fn from_pkcs8(_: Algorithm, _: &[u8]) -> Option<Self> {
        None
    }

    /// Never called: there is no key to call it on.
    pub(super) fn sign(&self, _: &[u8]) -> Option<Vec<u8>> {
        match *self {}
    }
}

#[cfg(any(test, feature = "test-util"))]
impl SecretKey {
    /// Panics: no key can be made.
    #[expect(clippy::panic, reason = "the test kit is for tests, and this build can do nothing else")]
    pub(super) fn generate(_: Algorithm) -> Self {
        panic!("enable the feature `aws-lc-rs` or `rust-crypto` of tower-bearer");
    }

    pub(super) fn public_key(&self) -> PublicKey {
        match *self {}
    }
}
