//! Counts proofs per client key in bounded memory: a Misra-Gries summary (heavy hitters).
//!
//! Why: exact counts of as many clients as proofs would take as much memory as the proofs. Only the clients
//! with the most proofs matter, and a summary misses few proofs of those.

use std::collections::HashMap;

use foldhash::quality::RandomState;

/// The number of client keys that are counted. Counts of no more than these are exact.
const MAX_COUNTED: usize = 896;

/// The number of proofs of each client.
#[derive(Default)]
pub(super) struct ClientCounts {
    counts: HashMap<u64, usize, RandomState>,
    /// The number of proofs that a count may have missed: at most one in [`MAX_COUNTED`] of all proofs.
    max_missed: usize,
}

impl ClientCounts {
    /// Counts one more proof of `client`.
    pub(super) fn add(&mut self, client: u64) {
        if let Some(count) = self.counts.get_mut(&client) {
            *count = count.saturating_add(1);
        } else if self.counts.len() < MAX_COUNTED {
            self.counts.insert(client, 1);
        } else {
            // This proof is not counted, and one of each counted client is set off against it.
            self.max_missed = self.max_missed.saturating_add(1);
            self.counts.retain(|_, count| {
                *count = count.saturating_sub(1);
                *count > 0
            });
        }
    }

    /// An upper bound of the number of proofs of `client`.
    pub(super) fn max_of(&self, client: u64) -> usize {
        self.counts.get(&client).copied().unwrap_or_default().saturating_add(self.max_missed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_exact_while_there_is_room_for_all_clients() {
        let mut counts = ClientCounts::default();
        for client in 0..896 {
            (0..=client % 5).for_each(|_| counts.add(client));
        }
        for client in 0..896 {
            assert_eq!(counts.max_of(client), client as usize % 5 + 1);
        }
        assert_eq!(counts.max_of(896), 0);
    }

    /// A few busy clients among many that come once, in random order.
    #[test]
    fn no_count_is_too_low_and_none_exceeds_the_truth_by_more_than_one_in_896_proofs() {
        let mut random = fastrand::Rng::with_seed(9449);
        for busy_share in [0, 10, 50, 90] {
            let (mut counts, mut truth) = (ClientCounts::default(), HashMap::<u64, usize>::new());
            for _ in 0..40_000 {
                let client = if random.u8(..100) < busy_share { random.u64(..20) } else { random.u64(20..) };
                counts.add(client);
                *truth.entry(client).or_default() += 1;
                assert!(counts.counts.len() <= 896);
            }
            for (client, true_count) in truth {
                let max = counts.max_of(client);
                assert!((true_count..=true_count + 40_000 / 896).contains(&max), "{true_count} and {max}");
            }
        }
    }
}
