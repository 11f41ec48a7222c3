//! How often something may be done: a bucket of so many, refilled by one per interval.

use std::time::{Duration, Instant};

/// The bucket. One unit is worth `interval` of credit.
#[derive(Debug)]
pub(crate) struct RateLimit {
    interval: Duration,
    credit: Duration,
    max_credit: Duration,
    /// When the credit was last counted.
    at: Instant,
}

impl RateLimit {
    /// So many units at once, and one more per `interval`.
    pub(crate) fn full(units: u32, interval: Duration, now: Instant) -> Self {
        let credit = interval.saturating_mul(units);
        Self { interval, credit, max_credit: credit, at: now }
    }

    /// At most so many units within any 60 s: half of them at once, the rest as time goes by.
    pub(crate) fn per_minute(units: u32, now: Instant) -> Self {
        let at_once = units.div_ceil(2);
        // Of those that come later, the last does so when the minute is over.
        let later = units.saturating_sub(at_once).saturating_add(1);
        let interval = MINUTE.checked_div(later).unwrap_or(MINUTE);
        Self::full(at_once, interval.saturating_add(Duration::from_nanos(1)), now)
    }

    /// Whether there is a unit to draw.
    pub(crate) fn has_one(&mut self, now: Instant) -> bool {
        self.has(1, now)
    }

    /// Whether there are so many units to draw.
    pub(crate) fn has(&mut self, units: u32, now: Instant) -> bool {
        self.refill(now);
        self.credit >= self.interval.saturating_mul(units)
    }

    /// Takes one out, or what is left of it, for what happens all the same.
    pub(crate) fn draw(&mut self, now: Instant) {
        self.refill(now);
        self.credit = self.credit.saturating_sub(self.interval);
    }

    /// How long it is until there are so many units to draw.
    pub(crate) fn wait(&mut self, units: u32, now: Instant) -> Duration {
        self.refill(now);
        self.interval.saturating_mul(units).saturating_sub(self.credit)
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at);
        self.credit = self.credit.saturating_add(passed).min(self.max_credit);
        self.at = now;
    }
}

const MINUTE: Duration = Duration::from_secs(60);

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]
mod tests {
    use super::*;

    const COOLDOWN: Duration = Duration::from_secs(30);

    #[test]
    fn two_are_there_at_once_and_one_more_per_cooldown() {
        let start = Instant::now();
        let mut budget = RateLimit::full(2, COOLDOWN, start);
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
        let mut budget = RateLimit::full(2, COOLDOWN, start);
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
        let mut budget = RateLimit::full(2, COOLDOWN, start);
        budget.draw(start);
        budget.draw(start);
        assert!(!budget.has_one(start));
        assert!(!budget.has_one(start - COOLDOWN));
    }

    #[test]
    fn no_minute_sees_more_than_its_units_and_they_can_be_used_up() {
        for units in [1, 2, 3, 7, 60, 1_000] {
            let start = Instant::now();
            let mut budget = RateLimit::per_minute(units, start);
            let mut drawn = Vec::new();
            for millis in 0..=150_000 {
                let now = start + Duration::from_millis(millis);
                while budget.has_one(now) {
                    budget.draw(now);
                    drawn.push(millis);
                }
            }
            let in_minute_from =
                |from: &u64| drawn.iter().filter(|at| (*from..*from + 60_000).contains(at)).count();
            let most = drawn.iter().map(in_minute_from).max().unwrap();
            assert_eq!(most, units as usize, "{units}");
        }
    }
}
