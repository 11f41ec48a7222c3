//! What was looked for and not found a moment ago, so that it is not looked for again.
//!
//! Why: a keyed hash stands for what was looked for, so that an entry has one size whatever was
//! sent, and nobody can choose ids that meet in one entry.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::time::Instant;

use super::KeyQuery;

/// The keys that do not exist, as far as is known.
#[derive(Debug)]
pub(super) struct UnknownKeys {
    hasher: RandomState,
    max: usize,
    /// The oldest first.
    looked_for: VecDeque<UnknownKey>,
}

#[derive(Debug)]
struct UnknownKey {
    want: u64,
    /// The fetch that looks for it.
    fetch: u64,
    /// Set when that fetch has ended: till then it need not be looked for again.
    absent_until: Option<Instant>,
}

impl UnknownKeys {
    /// For at most `max` entries.
    pub(super) fn new(hasher: RandomState, max: usize) -> Self {
        Self { hasher, max, looked_for: VecDeque::new() }
    }

    /// Takes down that `fetch`, which has yet to start, looks for `want`.
    pub(super) fn note(&mut self, want: KeyQuery<'_>, fetch: u64, now: Instant) {
        let Some(want) = self.hash(want) else { return };
        self.looked_for
            .retain(|entry| entry.want != want && entry.absent_until.is_none_or(|until| now < until));
        self.looked_for.push_back(UnknownKey { want, fetch, absent_until: None });
        if self.looked_for.len() > self.max {
            self.looked_for.pop_front();
        }
    }

    /// `fetch` has brought the keys there are: whoever still misses one may be refused.
    pub(super) fn found_absent(&mut self, fetch: u64, until: Instant) {
        for entry in self.looked_for.iter_mut().filter(|entry| entry.fetch == fetch) {
            entry.absent_until = Some(until);
        }
    }

    /// `fetch` has brought nothing: nothing is known of what it looked for.
    pub(super) fn forget(&mut self, fetch: u64) {
        self.looked_for.retain(|entry| entry.fetch != fetch);
    }

    /// Whether `want` was looked for and may be refused.
    pub(super) fn contains(&self, want: KeyQuery<'_>, now: Instant) -> bool {
        let Some(want) = self.hash(want) else { return false };
        let known = self.looked_for.iter().find(|entry| entry.want == want);
        known.and_then(|entry| entry.absent_until).is_some_and(|until| now < until)
    }

    /// `None` for what is never refused.
    fn hash(&self, want: KeyQuery<'_>) -> Option<u64> {
        (want != KeyQuery::AnyKey).then(|| self.hasher.hash_one(want))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.looked_for.len()
    }
}
