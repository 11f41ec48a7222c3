//! Selects the backend of this build.
//!
//! Why: each backend has the same items (`BackendKey`, `SecretKey`, `sha256`, `hmac`, `random`), so this is
//! the only file that names one of them. aws-lc-rs wins over `rust-crypto` because it is faster, above all
//! for RSA.

#[cfg(feature = "aws-lc-rs")]
use super::aws_lc_rs as selected;
#[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
use super::no_backend as selected;
#[cfg(all(feature = "rust-crypto", not(feature = "aws-lc-rs")))]
use super::rust_crypto as selected;

use super::hmac_algorithm::HmacAlgorithm;
use crate::encoding::base64url;

pub(super) use selected::{BackendKey, SecretKey};

/// The SHA-256 digest (FIPS 180-4) of the concatenated `parts`.
pub(crate) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    selected::sha256(parts)
}

/// The HMAC (RFC 2104) of `message`. `None` without a backend.
pub(crate) fn hmac(algorithm: HmacAlgorithm, key: &[u8], message: &[u8]) -> Option<Vec<u8>> {
    selected::hmac(algorithm, key, message)
}

/// 128 bits from the random number generator of the operating system. `None` if that generator fails.
fn random() -> Option<[u8; 16]> {
    selected::random()
}

/// This many random octets, as base64url text. `None` if the system provides none.
pub(crate) fn random_text(octets: usize) -> Option<String> {
    let mut random_octets = Vec::new();
    while random_octets.len() < octets {
        random_octets.extend(random()?);
    }
    random_octets.truncate(octets);
    Some(base64url::encode(&random_octets))
}
