//! A negative cache for key queries.
//!
//! Why: an entry stores a keyed hash of the query. Every entry therefore has the same size, and an attacker
//! cannot choose `kid`s that collide.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};

use super::query::KeyQuery;
use crate::time::Moment;

/// The queries that wait for a fetch, and those for which a recent fetch found no key.
#[derive(Debug)]
pub(super) struct UnknownKeys {
    hasher: RandomState,
    capacity: usize,
    /// The oldest entry first.
    entries: VecDeque<UnknownKey>,
}

#[derive(Debug)]
struct UnknownKey {
    query: u64,
    /// The number of the fetch that the query waits for.
    fetch: u64,
    /// The end of the TTL. Set when that fetch succeeds.
    absent_until: Option<Moment>,
}

impl UnknownKeys {
    /// An empty cache. When it is full, an insert evicts the oldest entry.
    pub(super) fn new(hasher: RandomState, capacity: usize) -> Self {
        Self { hasher, capacity, entries: VecDeque::new() }
    }

    /// Records that `query` waits for the fetch with the number `fetch`, which has not started yet.
    pub(super) fn insert(&mut self, query: KeyQuery<'_>, fetch: u64, now: Moment) {
        let Some(query) = self.hash(query) else { return };
        self.entries.retain(|entry| {
            entry.query != query && entry.absent_until.is_none_or(|until| !now.has_reached(until))
        });
        self.entries.push_back(UnknownKey { query, fetch, absent_until: None });
        if self.entries.len() > self.capacity {
            self.entries.pop_front();
        }
    }

    /// Records that `fetch` succeeded. The keys that its queries do not find now are unknown until `until`.
    pub(super) fn fetch_succeeded(&mut self, fetch: u64, until: Moment) {
        for entry in self.entries.iter_mut().filter(|entry| entry.fetch == fetch) {
            entry.absent_until = Some(until);
        }
    }

    /// Records that `fetch` failed. Nothing is known about the keys of its queries.
    pub(super) fn fetch_failed(&mut self, fetch: u64) {
        self.entries.retain(|entry| entry.fetch != fetch);
    }

    /// Forgets every query, because the keys are fetched from another URL now.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
    }

    /// Whether a recent fetch did not find the key of `query`.
    pub(super) fn contains(&self, query: KeyQuery<'_>, now: Moment) -> bool {
        let Some(query) = self.hash(query) else { return false };
        let entry = self.entries.iter().find(|entry| entry.query == query);
        entry.and_then(|entry| entry.absent_until).is_some_and(|until| !now.has_reached(until))
    }

    /// `None` for `AnyKey`, which is never cached.
    fn hash(&self, query: KeyQuery<'_>) -> Option<u64> {
        (query != KeyQuery::AnyKey).then(|| self.hasher.hash_one(query))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}
