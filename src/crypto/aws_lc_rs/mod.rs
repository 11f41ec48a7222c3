//! The default backend: aws-lc-rs.

#[cfg(any(test, feature = "test-util"))]
mod generate;
mod sign;
mod verify;

use aws_lc_rs::digest::{self, SHA256};
use aws_lc_rs::{hmac, rand};

pub(super) use sign::SecretKey;
pub(super) use verify::BackendKey;

use super::hmac_algorithm::HmacAlgorithm;

/// The SHA-256 digest of the concatenated `parts`.
#[expect(clippy::expect_used, reason = "a SHA-256 digest always has 32 bytes")]
pub(super) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut digest = digest::Context::new(&SHA256);
    parts.iter().for_each(|part| digest.update(part));
    digest.finish().as_ref().try_into().expect("a SHA-256 digest has 32 bytes")
}

/// The HMAC of `message`; never `None`.
pub(super) fn hmac(algorithm: HmacAlgorithm, key: &[u8], message: &[u8]) -> Option<Vec<u8>> {
    let algorithm = match algorithm {
        HmacAlgorithm::HS256 => hmac::HMAC_SHA256,
        HmacAlgorithm::HS384 => hmac::HMAC_SHA384,
        HmacAlgorithm::HS512 => hmac::HMAC_SHA512,
    };
    Some(hmac::sign(&hmac::Key::new(algorithm, key), message).as_ref().to_vec())
}

/// 128 random bits.
pub(super) fn random() -> Option<[u8; 16]> {
    let mut bits = [0; 16];
    rand::fill(&mut bits).ok()?;
    Some(bits)
}
