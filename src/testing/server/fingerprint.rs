//! A 128-bit hash that stands for a text which is only compared, never read.
//!
//! Why: benches issue millions of tokens, and a JWT takes half a kilobyte. The hash has no secret, so that a
//! run is reproducible. Nobody attacks a test issuer.

use std::hash::{DefaultHasher, Hash, Hasher};

/// The hash of a text.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(super) struct Fingerprint([u64; 2]);

impl Fingerprint {
    /// The fingerprint of a text, or of several texts as one.
    pub(super) fn of(texts: impl Hash) -> Self {
        Self([0, 1].map(|half| hash(half, &texts)))
    }
}

/// 32 octets derived from `seed`: always the same for one seed, and different for different seeds.
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
