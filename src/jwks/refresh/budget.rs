//! How often a request may cause a fetch: a bucket of two, refilled by one per cooldown.

use std::time::{Duration, Instant};

/// The bucket. One fetch is worth `cooldown` of credit.
#[derive(Debug)]
pub(super) struct Budget {
    cooldown: Duration,
    credit: Duration,
    /// When the credit was last counted.
    at: Instant,
}

impl Budget {
    /// Two fetches.
    pub(super) fn full(cooldown: Duration, now: Instant) -> Self {
        Self { cooldown, credit: cooldown.saturating_mul(2), at: now }
    }

    /// Whether a demanded fetch may start.
    pub(super) fn has_one(&mut self, now: Instant) -> bool {
        self.refill(now);
        self.credit >= self.cooldown
    }

    /// Takes one out, or what is left of it: a fetch that nobody demanded starts all the same.
    pub(super) fn draw(&mut self, now: Instant) {
        self.refill(now);
        self.credit = self.credit.saturating_sub(self.cooldown);
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at);
        self.credit = self.credit.saturating_add(passed).min(self.cooldown.saturating_mul(2));
        self.at = now;
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]
mod tests {
    use super::*;

    const COOLDOWN: Duration = Duration::from_secs(30);

    #[test]
    fn two_are_there_at_once_and_one_more_per_cooldown() {
        let start = Instant::now();
        let mut budget = Budget::full(COOLDOWN, start);
        let mut drawn = Vec::new();
        for second in 0..=90 {
            let now = start + Duration::from_secs(second);
            while budget.has_one(now) {
                budget.draw(now);
                drawn.push(second);
            }
        }
        assert_eq!(drawn, [0, 0, 30, 60, 90]);
    }

    #[test]
    fn it_never_holds_more_than_two_nor_less_than_none() {
        let start = Instant::now();
        let mut budget = Budget::full(COOLDOWN, start);
        for _ in 0..5 {
            budget.draw(start);
        }
        assert!(!budget.has_one(start + Duration::from_millis(29_999)));
        assert!(budget.has_one(start + COOLDOWN));
        let much_later = start + Duration::from_secs(86_400);
        assert!(budget.has_one(much_later));
        budget.draw(much_later);
        budget.draw(much_later);
        assert!(!budget.has_one(much_later));
    }

    #[test]
    fn a_clock_that_stands_or_turns_back_refills_nothing() {
        let start = Instant::now() + COOLDOWN;
        let mut budget = Budget::full(COOLDOWN, start);
        budget.draw(start);
        budget.draw(start);
        assert!(!budget.has_one(start));
        assert!(!budget.has_one(start - COOLDOWN));
    }
}
