//! One shard of the replay memory: a hash table per time slice.

use std::collections::HashSet;

use foldhash::quality::RandomState;

/// The proofs of one slice.
pub(super) type Table = HashSet<u128, RandomState>;

/// The tables with the ends of their slices. They are few, so a search takes no longer than that of a map.
#[derive(Default)]
pub(super) struct Shard {
    tables: Vec<(u64, Table)>,
}

impl Shard {
    pub(super) fn contains(&self, key: u128, end: u64) -> bool {
        self.tables.iter().any(|(end_of_table, table)| *end_of_table == end && table.contains(&key))
    }

    pub(super) fn insert(&mut self, key: u128, end: u64) {
        if let Some((_, table)) = self.tables.iter_mut().find(|(end_of_table, _)| *end_of_table == end) {
            table.insert(key);
        } else {
            let table = HashSet::from_iter([key]);
            self.tables.push((end, table));
        }
    }

    /// Removes the tables of the slices that end at `ends`, and returns them.
    pub(super) fn take(&mut self, ends: &[u64]) -> Vec<Table> {
        self.tables.extract_if(.., |(end, _)| ends.contains(end)).map(|(_, table)| table).collect()
    }
}
