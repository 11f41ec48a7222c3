//! The backend of a build that has none: it takes no key, so that there is never one to verify with.
//!
//! Why: nothing here is ever asked for, since no `Issuer` can be made in such a build.

use super::{Algorithm, KeyMaterial, SignatureMismatch};

/// A key that cannot exist.
pub(super) enum BackendKey {}

impl BackendKey {
    /// No key.
    pub(super) fn parse(_: &KeyMaterial, _: Algorithm) -> Option<Self> {
        None
    }

    /// Never called: there is no key to call it on.
    pub(super) fn verify(&self, _: &[u8], _: &[u8]) -> Result<(), SignatureMismatch> {
        match *self {}
    }
}

/// The same for everything, which nobody asks for: see above.
pub(super) fn sha256(_: &[&[u8]]) -> [u8; 32] {
    [0; 32]
}

/// None.
pub(super) fn random() -> Option<[u8; 16]> {
    None
}
