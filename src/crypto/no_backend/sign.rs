//! Signing without a backend: no key can be read or generated.

use crate::crypto::algorithm::Algorithm;

#[cfg(any(test, feature = "test-util"))]
use crate::crypto::public_key::PublicKey;

/// A type without values.
pub(in crate::crypto) enum SecretKey {}

impl SecretKey {
    pub(in crate::crypto) fn from_pkcs8(_: Algorithm, _: &[u8]) -> Option<Self> {
        None
    }

    pub(in crate::crypto) fn sign(&self, _: &[u8]) -> Option<Vec<u8>> {
        match *self {}
    }
}

#[cfg(any(test, feature = "test-util"))]
impl SecretKey {
    #[expect(clippy::panic, reason = "for tests only; a test issuer cannot work without a backend")]
    pub(in crate::crypto) fn generate(_: Algorithm) -> Self {
        panic!("enable the feature `aws-lc-rs` or `rust-crypto` of tower-bearer");
    }

    pub(in crate::crypto) fn public_key(&self) -> PublicKey {
        match *self {}
    }
}
