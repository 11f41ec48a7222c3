//! Verification without a backend: no key can be parsed.

use crate::crypto::algorithm::Algorithm;
use crate::crypto::jwk::KeyMaterial;
use crate::crypto::signature_mismatch::SignatureMismatch;

/// A type without values.
pub(in crate::crypto) enum BackendKey {}

impl BackendKey {
    pub(in crate::crypto) fn parse(_: &KeyMaterial, _: Algorithm) -> Option<Self> {
        None
    }

    pub(in crate::crypto) fn verify(&self, _: &[u8], _: &[u8]) -> Result<(), SignatureMismatch> {
        match *self {}
    }
}
