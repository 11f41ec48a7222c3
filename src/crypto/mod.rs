//! Signatures: the algorithms of JOSE, the public keys of a JWK, keys that sign, and the backends of both.
//!
//! The backend is chosen at build time: feature `aws-lc-rs` wins over `rust-crypto`. With neither,
//! the crate compiles and every key is refused; [`AVAILABLE`] says so, for a constructor to assert.

#[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod absent;
mod algorithm;
#[cfg(feature = "aws-lc-rs")]
mod aws_lc_rs;
mod jwk;
mod key;
mod private_key;
#[cfg(feature = "rust-crypto")]
#[cfg_attr(feature = "aws-lc-rs", allow(dead_code, reason = "with both backends on, aws-lc-rs is used"))]
mod rust_crypto;
mod signing;
#[cfg(test)]
pub(crate) mod tests;

#[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
use self::absent as backend;
#[cfg(feature = "aws-lc-rs")]
use self::aws_lc_rs as backend;
#[cfg(all(feature = "rust-crypto", not(feature = "aws-lc-rs")))]
use self::rust_crypto as backend;

pub use algorithm::Algorithm;
pub(crate) use algorithm::AlgorithmSet;
pub(crate) use jwk::{Jwk, JwkFault, KeyMaterial};
pub(crate) use key::{SignatureMismatch, VerifyingKey};
pub use private_key::{PrivateKey, PrivateKeyError};
pub(crate) use signing::SigningKey;

/// The SHA-256 digest of these octets, one piece behind the other.
pub(crate) fn sha256(pieces: &[&[u8]]) -> [u8; 32] {
    backend::sha256(pieces)
}

/// 128 bits that nobody can guess; `None` when the machine has none to give.
pub(crate) fn random() -> Option<[u8; 16]> {
    backend::random()
}

/// Whether the crate was built with a backend that can check a signature.
pub(crate) const AVAILABLE: bool = cfg!(any(feature = "aws-lc-rs", feature = "rust-crypto"));
