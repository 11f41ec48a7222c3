//! The pure Rust backend: the RustCrypto crates and ed25519-dalek.

#[cfg(any(test, feature = "test-util"))]
mod generate;
mod sign;
mod verify;

use rsa::rand_core::{OsRng, RngCore};
use sha2::{Digest, Sha256};

pub(super) use sign::SecretKey;
pub(super) use verify::BackendKey;

/// The SHA-256 digest of the concatenated `parts`.
pub(super) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let digest = parts.iter().fold(Sha256::new(), |digest, part| digest.chain_update(part));
    digest.finalize().into()
}

/// 128 random bits.
pub(super) fn random() -> Option<[u8; 16]> {
    let mut bits = [0; 16];
    OsRng.try_fill_bytes(&mut bits).ok()?;
    Some(bits)
}
