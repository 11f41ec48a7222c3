//! The backend of a build without cryptography. It accepts no key.
//!
//! Why: the crate must compile without a backend, so that a library can leave the choice to its users.
//! Constructing an `Issuer` is a compile-time error in such a build, so nothing here runs.

mod sign;
mod verify;

pub(super) use sign::SecretKey;
pub(super) use verify::BackendKey;

use super::hmac_algorithm::HmacAlgorithm;

pub(super) fn sha256(_: &[&[u8]]) -> [u8; 32] {
    [0; 32]
}

pub(super) fn hmac(_: HmacAlgorithm, _: &[u8], _: &[u8]) -> Option<Vec<u8>> {
    None
}

pub(super) fn random() -> Option<[u8; 16]> {
    None
}
