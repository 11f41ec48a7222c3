//! The time slices that were dropped. Their proofs may have been used, but nobody knows which.
//!
//! Why: the wall clock can come to a dropped slice a second time.

/// How many ranges are kept apart.
const MAX_RANGES: usize = 16;

/// Ranges of dropped slices, from the first to the last end of a slice, in order of time.
#[derive(Default)]
pub(super) struct Forgotten {
    ranges: Vec<(u64, u64)>,
}

impl Forgotten {
    pub(super) fn contains(&self, end: u64) -> bool {
        self.ranges.iter().any(|(first, last)| (*first..=*last).contains(&end))
    }

    /// Adds the slice that ends at `end`. It extends a range that is at most `max_gap` seconds away.
    pub(super) fn add(&mut self, end: u64, max_gap: u64) {
        let index = self.ranges.partition_point(|(first, _)| *first <= end);
        self.ranges.insert(index, (end, end));
        self.ranges.dedup_by(|next, range| {
            let is_near = next.0 <= range.1.saturating_add(max_gap);
            if is_near {
                range.1 = range.1.max(next.1);
            }
            is_near
        });
        // The oldest ranges are those that the clock is least likely to come to again.
        if self.ranges.len() > MAX_RANGES {
            let (first, _) = self.ranges.remove(0);
            if let Some(oldest) = self.ranges.first_mut() {
                oldest.0 = first;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_slices_are_one_range_and_far_ones_are_not() {
        let mut forgotten = Forgotten::default();
        for end in [100, 110, 90, 500, 520, 105] {
            forgotten.add(end, 20);
        }
        assert_eq!(forgotten.ranges, [(90, 110), (500, 520)]);
        for (end, expected) in [(89, false), (90, true), (99, true), (110, true), (111, false), (499, false)]
        {
            assert_eq!(forgotten.contains(end), expected, "{end}");
        }
        forgotten.add(130, 20);
        forgotten.add(481, 20);
        assert_eq!(forgotten.ranges, [(90, 130), (481, 520)]);
    }

    #[test]
    fn of_too_many_ranges_the_oldest_become_one() {
        let mut forgotten = Forgotten::default();
        for hour in (1..=100).rev() {
            forgotten.add(hour * 3600, 60);
            assert!(forgotten.ranges.len() <= 16);
        }
        assert!((1..=100).all(|hour| forgotten.contains(hour * 3600)));
        assert!(!forgotten.contains(100 * 3600 - 60), "the newest is apart");
    }
}
