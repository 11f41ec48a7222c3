//! The time slices that have proofs: how many proofs each client has in them, and which slices were dropped.

use super::client_counts::ClientCounts;
use super::forgotten::Forgotten;

/// The slices of all shards.
#[derive(Default)]
pub(super) struct Timeline {
    /// The slices with their ends. They are few, so a search takes no longer than that of a map.
    slices: Vec<(u64, ClientCounts)>,
    forgotten: Forgotten,
}

impl Timeline {
    /// Whether the slice that ends at `end` was dropped.
    pub(super) fn is_forgotten(&self, end: u64) -> bool {
        self.forgotten.contains(end)
    }

    /// Counts one more proof of `client`, in the slice that ends at `end`.
    pub(super) fn add(&mut self, client: u64, end: u64) {
        if let Some((_, clients)) = self.slices.iter_mut().find(|(end_of_slice, _)| *end_of_slice == end) {
            clients.add(client);
        } else {
            let mut clients = ClientCounts::default();
            clients.add(client);
            self.slices.push((end, clients));
        }
    }

    /// An upper bound of the number of proofs of `client`.
    pub(super) fn max_of(&self, client: u64) -> usize {
        self.slices.iter().map(|(_, clients)| clients.max_of(client)).sum()
    }

    /// The end of the slice that is dropped next.
    pub(super) fn next_end(&self) -> Option<u64> {
        self.slices.iter().map(|(end, _)| *end).min()
    }

    /// The end of the slice that is dropped next among those with proofs of `client`.
    pub(super) fn next_end_of(&self, client: u64) -> Option<u64> {
        let slices = self.slices.iter().filter(|(_, clients)| clients.max_of(client) > 0);
        slices.map(|(end, _)| *end).min()
    }

    /// Drops the slices whose ends have passed, and returns these ends. Slices are forgotten as one range if
    /// they are at most `max_gap` seconds apart.
    pub(super) fn drop_slices(&mut self, has_passed: impl Fn(u64) -> bool, max_gap: u64) -> Vec<u64> {
        let dropped = self.slices.extract_if(.., |(end, _)| has_passed(*end));
        let ends: Vec<u64> = dropped.map(|(end, _)| end).collect();
        ends.iter().for_each(|end| self.forgotten.add(*end, max_gap));
        ends
    }
}
