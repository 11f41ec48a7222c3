//! The pure Rust backend: the RustCrypto crates and ed25519-dalek.

#[cfg(any(test, feature = "test-util"))]
mod generate;
mod sign;
mod verify;

use hmac::digest::KeyInit;
use hmac::{Hmac, Mac};
use rsa::rand_core::{OsRng, RngCore};
use sha2::{Digest, Sha256, Sha384, Sha512};

pub(super) use sign::SecretKey;
pub(super) use verify::BackendKey;

use super::hmac_algorithm::HmacAlgorithm;

/// The SHA-256 digest of the concatenated `parts`.
pub(super) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let digest = parts.iter().fold(Sha256::new(), |digest, part| digest.chain_update(part));
    digest.finalize().into()
}

/// The HMAC of `message`. Never `None`, because a key of any length is valid.
pub(super) fn hmac(algorithm: HmacAlgorithm, key: &[u8], message: &[u8]) -> Option<Vec<u8>> {
    match algorithm {
        HmacAlgorithm::HS256 => mac::<Hmac<Sha256>>(key, message),
        HmacAlgorithm::HS384 => mac::<Hmac<Sha384>>(key, message),
        HmacAlgorithm::HS512 => mac::<Hmac<Sha512>>(key, message),
    }
}

fn mac<M: Mac + KeyInit>(key: &[u8], message: &[u8]) -> Option<Vec<u8>> {
    let mac = <M as KeyInit>::new_from_slice(key).ok()?.chain_update(message);
    Some(mac.finalize().into_bytes().to_vec())
}

/// 128 random bits.
pub(super) fn random() -> Option<[u8; 16]> {
    let mut bits = [0; 16];
    OsRng.try_fill_bytes(&mut bits).ok()?;
    Some(bits)
}
