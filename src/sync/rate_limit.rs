//! A token-bucket rate limiter: a burst of permits, refilled by one per interval.

use std::time::{Duration, Instant};

/// The bucket. One permit is worth `interval` of credit.
#[derive(Debug)]
pub(crate) struct RateLimit {
    interval: Duration,
    credit: Duration,
    max_credit: Duration,
    refilled_at: Instant,
}

impl RateLimit {
    /// A full bucket of `burst` permits, refilled by one per `interval`.
    pub(crate) fn full(burst: u32, interval: Duration, now: Instant) -> Self {
        let credit = interval.saturating_mul(burst);
        Self { interval, credit, max_credit: credit, refilled_at: now }
    }

    /// At most `permits` within any 60 s: half of them as a burst, the rest over time.
    pub(crate) fn per_minute(permits: u32, now: Instant) -> Self {
        let burst = permits.div_ceil(2);
        // The last permit after the burst comes when the minute is over.
        let later = permits.saturating_sub(burst).saturating_add(1);
        let interval = MINUTE.checked_div(later).unwrap_or(MINUTE);
        Self::full(burst, interval.saturating_add(Duration::from_nanos(1)), now)
    }

    /// Whether one permit is available.
    pub(crate) fn has_one(&mut self, now: Instant) -> bool {
        self.has(1, now)
    }

    /// Whether this many permits are available.
    pub(crate) fn has(&mut self, permits: u32, now: Instant) -> bool {
        self.refill(now);
        self.credit >= self.interval.saturating_mul(permits)
    }

    /// Takes one permit, or what is left of it: for a call that is made in any case.
    pub(crate) fn draw(&mut self, now: Instant) {
        self.refill(now);
        self.credit = self.credit.saturating_sub(self.interval);
    }

    /// The time until this many permits are available.
    pub(crate) fn wait(&mut self, permits: u32, now: Instant) -> Duration {
        self.refill(now);
        self.interval.saturating_mul(permits).saturating_sub(self.credit)
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.refilled_at);
        self.credit = self.credit.saturating_add(passed).min(self.max_credit);
        self.refilled_at = now;
    }
}

const MINUTE: Duration = Duration::from_secs(60);

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]
mod tests {
    use super::*;

    const COOLDOWN: Duration = Duration::from_secs(30);

    #[test]
    fn a_burst_of_two_is_refilled_by_one_per_cooldown() {
        let start = Instant::now();
        let mut limit = RateLimit::full(2, COOLDOWN, start);
        let mut taken = Vec::new();
        for second in 0..=90 {
            let now = start + Duration::from_secs(second);
            while limit.has_one(now) {
                limit.draw(now);
                taken.push(second);
            }
        }
        assert_eq!(taken, [0, 0, 30, 60, 90]);
    }

    #[test]
    fn the_bucket_holds_at_most_its_burst_and_at_least_nothing() {
        let start = Instant::now();
        let mut limit = RateLimit::full(2, COOLDOWN, start);
        for _ in 0..5 {
            limit.draw(start);
        }
        assert!(!limit.has_one(start + Duration::from_millis(29_999)));
        assert!(limit.has_one(start + COOLDOWN));
        let much_later = start + Duration::from_secs(86_400);
        assert!(limit.has_one(much_later));
        limit.draw(much_later);
        limit.draw(much_later);
        assert!(!limit.has_one(much_later));
    }

    #[test]
    fn a_clock_that_stops_or_goes_back_refills_nothing() {
        let start = Instant::now() + COOLDOWN;
        let mut limit = RateLimit::full(2, COOLDOWN, start);
        limit.draw(start);
        limit.draw(start);
        assert!(!limit.has_one(start));
        assert!(!limit.has_one(start - COOLDOWN));
    }

    #[test]
    fn no_minute_exceeds_its_permits_and_all_of_them_can_be_used() {
        for permits in [1, 2, 3, 7, 60, 1_000] {
            let start = Instant::now();
            let mut limit = RateLimit::per_minute(permits, start);
            let mut taken = Vec::new();
            for millis in 0..=150_000 {
                let now = start + Duration::from_millis(millis);
                while limit.has_one(now) {
                    limit.draw(now);
                    taken.push(millis);
                }
            }
            let in_minute_from =
                |from: &u64| taken.iter().filter(|at| (*from..*from + 60_000).contains(at)).count();
            let most = taken.iter().map(in_minute_from).max().unwrap();
            assert_eq!(most, permits as usize, "{permits}");
        }
    }
}
