//! The sampled hash of the token cache: SipHash-1-3 with a random key over two samples of a token.

use std::hash::{BuildHasher, DefaultHasher, Hasher, RandomState};

/// Bytes of one sample.
const SAMPLE_BYTES: usize = 16;

/// Hashes the first 16 bytes of the last quarter and the last 16 bytes, as `src/authenticate` does.
pub(super) fn write_samples(token: &[u8], hasher: &mut impl Hasher) {
    let three_quarters = token.len() - token.len() / 4;
    let last_quarter = &token[three_quarters..];
    hasher.write(last_quarter.first_chunk::<SAMPLE_BYTES>().map_or(last_quarter, |sample| sample));
    hasher.write(token.last_chunk::<SAMPLE_BYTES>().map_or(token, |sample| sample));
}

/// The sampled hash for caches whose keys are strings.
#[derive(Clone, Debug)]
pub(super) struct SampledState(RandomState);

/// Samples long inputs and passes on short ones.
pub(super) struct SampledHasher(DefaultHasher);

impl SampledState {
    pub(super) fn new() -> Self {
        Self(RandomState::new())
    }
}

impl BuildHasher for SampledState {
    type Hasher = SampledHasher;

    fn build_hasher(&self) -> SampledHasher {
        SampledHasher(self.0.build_hasher())
    }
}

impl Hasher for SampledHasher {
    fn write(&mut self, input: &[u8]) {
        if input.len() > 4 * SAMPLE_BYTES {
            write_samples(input, &mut self.0);
        } else {
            self.0.write(input);
        }
    }

    fn finish(&self) -> u64 {
        self.0.finish()
    }
}
