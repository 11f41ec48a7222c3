//! Counts the proofs of each client key, in bounded memory: a Misra-Gries summary (heavy hitters) per time
//! slice.
//!
//! Why: a memory full of proofs of as many clients would need as much memory again for exact counts. Only
//! the clients with the most proofs matter, and of those a summary loses few. Counts are exact as long as a
//! slice has proofs of at most [`MAX_COUNTED`] client keys.

use std::collections::HashMap;

use foldhash::quality::RandomState;

/// The number of client keys that are counted per slice. No count is too low by more than this part of the
/// proofs in the slice.
const MAX_COUNTED: usize = 896;

#[derive(Default)]
pub(super) struct ClientCounts {
    slices: Vec<Slice>,
}

struct Slice {
    end: u64,
    summary: Summary,
}

/// A Misra-Gries summary.
#[derive(Default)]
struct Summary {
    counts: HashMap<u64, usize, RandomState>,
    /// How much lower than the truth a count may be.
    max_error: usize,
}

impl ClientCounts {
    /// Counts one more proof of `client`, in the slice that ends at `end`.
    pub(super) fn add(&mut self, client: u64, end: u64) {
        if let Some(slice) = self.slices.iter_mut().find(|slice| slice.end == end) {
            slice.summary.add(client);
        } else {
            let mut summary = Summary::default();
            summary.add(client);
            self.slices.push(Slice { end, summary });
        }
    }

    /// An upper bound of the number of proofs of `client`.
    pub(super) fn max_of(&self, client: u64) -> usize {
        self.slices.iter().map(|slice| slice.summary.max_of(client)).sum()
    }

    /// The next end of a slice after `now`.
    pub(super) fn next_end(&self, now: u64) -> u64 {
        next_end(self.slices.iter(), now)
    }

    /// The next end of a slice with proofs of `client` after `now`.
    pub(super) fn next_end_of(&self, client: u64, now: u64) -> u64 {
        next_end(self.slices.iter().filter(|slice| slice.summary.max_of(client) > 0), now)
    }

    /// Drops the slices that end at `now` or before, or after `latest`.
    pub(super) fn sweep(&mut self, now: u64, latest: u64) {
        self.slices.retain(|slice| slice.end > now && slice.end <= latest);
    }
}

fn next_end<'s>(slices: impl Iterator<Item = &'s Slice>, now: u64) -> u64 {
    slices.map(|slice| slice.end).filter(|end| *end > now).min().unwrap_or(now)
}

impl Summary {
    fn add(&mut self, client: u64) {
        if let Some(count) = self.counts.get_mut(&client) {
            *count = count.saturating_add(1);
        } else if self.counts.len() < MAX_COUNTED {
            self.counts.insert(client, 1);
        } else {
            // One proof of each counted client is set off against the proof that is not counted.
            self.max_error = self.max_error.saturating_add(1);
            self.counts.retain(|_, count| {
                *count = count.saturating_sub(1);
                *count > 0
            });
        }
    }

    fn max_of(&self, client: u64) -> usize {
        self.counts.get(&client).copied().unwrap_or_default().saturating_add(self.max_error)
    }
}
