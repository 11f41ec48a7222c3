//! One shard of the replay memory: a hash table per time slice.

use std::collections::HashSet;

use foldhash::quality::RandomState;

/// The proofs of one slice.
pub(super) type Table = HashSet<u128, RandomState>;

#[derive(Default)]
pub(super) struct Shard {
    /// Few, so a search takes no longer than that of a map.
    slices: Vec<Slice>,
    /// The newest end of a dropped slice. Proofs of slices that end no later may have been used.
    forgotten_until: u64,
}

struct Slice {
    /// All its proofs have expired at this time: seconds since 1970.
    end: u64,
    /// `None` if the proofs were dropped before they expired.
    proofs: Option<Table>,
}

impl Shard {
    /// The proofs of the slice that ends at `end`. `None` if some of them may have been forgotten.
    pub(super) fn slice(&mut self, end: u64) -> Option<&mut Table> {
        if end <= self.forgotten_until {
            return None;
        }
        let index = self.slices.iter().position(|slice| slice.end == end).unwrap_or_else(|| {
            self.slices.push(Slice { end, proofs: Some(Table::default()) });
            self.slices.len().saturating_sub(1)
        });
        self.slices.get_mut(index)?.proofs.as_mut()
    }

    /// Drops the slices that end at `now` or before, and the proofs of slices that end after `latest`.
    /// Returns the tables.
    pub(super) fn sweep(&mut self, now: u64, latest: u64) -> Vec<Table> {
        let mut dropped = Vec::new();
        for slice in self.slices.iter_mut().filter(|slice| slice.end <= now || slice.end > latest) {
            dropped.extend(slice.proofs.take());
            if slice.end <= now {
                self.forgotten_until = self.forgotten_until.max(slice.end);
            }
        }
        self.slices.retain(|slice| slice.end > now);
        dropped
    }
}
