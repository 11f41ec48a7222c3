//! Signing in a build without a backend: there is no key to sign with.

use super::PublicKey;
use crate::crypto::Algorithm;

/// A key that cannot exist.
pub(super) enum SecretKey {}

impl SecretKey {
    /// Panics: no key can be made.
    #[expect(clippy::panic, reason = "the test kit is for tests, and this build can do nothing else")]
    pub(super) fn generate(_: Algorithm) -> Self {
        panic!("enable the feature `aws-lc-rs` or `rust-crypto` of tower-bearer");
    }

    pub(super) fn sign(&self, _: &[u8]) -> Vec<u8> {
        match *self {}
    }

    pub(super) fn public_key(&self) -> PublicKey {
        match *self {}
    }
}
