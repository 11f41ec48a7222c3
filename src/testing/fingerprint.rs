//! 128 bits in place of a text that only has to be recognized again.
//!
//! Why: benches issue very many tokens, and a JWT is half a kilobyte. The hash has no secret, so
//! that a run can be repeated; nobody attacks a test issuer.

use std::hash::{DefaultHasher, Hash, Hasher};

/// Stands for a text.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Fingerprint([u64; 2]);

impl Fingerprint {
    /// Of a text, or of several together.
    pub(super) fn of(texts: impl Hash) -> Self {
        Self([0, 1].map(|half| hash(half, &texts)))
    }
}

/// 32 octets that belong to `seed`: the same each time, and others for any other seed.
pub(super) fn octets(seed: impl Hash) -> [u8; 32] {
    let mut octets = [0; 32];
    for (part, place) in (0_u64..).zip(octets.chunks_exact_mut(8)) {
        place.copy_from_slice(&hash(part, &seed).to_be_bytes());
    }
    octets
}

fn hash(part: u64, seed: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    part.hash(&mut hasher);
    seed.hash(&mut hasher);
    hasher.finish()
}
