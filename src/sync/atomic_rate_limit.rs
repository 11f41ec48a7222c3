//! A token-bucket rate limiter that is shared without a lock.
//!
//! Why beside [`RateLimit`](super::RateLimit): a flood of requests asks it from all threads at once.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The bucket, kept as the moment at which it is full again (generic cell rate algorithm).
#[derive(Debug)]
pub(crate) struct AtomicRateLimit {
    start: Instant,
    /// The time that refills one permit, in nanoseconds. Zero does not limit.
    interval: u64,
    /// The time that refills an empty bucket, in nanoseconds.
    burst: u64,
    /// In nanoseconds since `start`.
    full_at: AtomicU64,
}

impl AtomicRateLimit {
    /// A full bucket of `burst` permits, refilled by one per `interval`.
    pub(crate) fn full(burst: u32, interval: Duration, start: Instant) -> Self {
        let burst = nanos(interval.saturating_mul(burst));
        Self { start, interval: nanos(interval), burst, full_at: AtomicU64::new(0) }
    }

    /// Takes one permit. `false` if none is left.
    pub(crate) fn take(&self, now: Instant) -> bool {
        self.take_if(now, |_| true)
    }

    /// Takes one permit, if all are there.
    pub(crate) fn take_if_full(&self, now: Instant) -> bool {
        self.take_if(now, |missing| missing == 0)
    }

    /// Takes one permit, if there is one and the time until the bucket is full suits `accepts`.
    fn take_if(&self, now: Instant, accepts: impl Fn(u64) -> bool) -> bool {
        let now = nanos(now.saturating_duration_since(self.start));
        let taken = self.full_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |full_at| {
            let missing = full_at.saturating_sub(now);
            let after = missing.saturating_add(self.interval);
            (accepts(missing) && after <= self.burst).then(|| now.saturating_add(after))
        });
        taken.is_ok()
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_burst_is_refilled_by_one_per_interval() {
        let start = Instant::now();
        let limit = AtomicRateLimit::full(3, SECOND, start);
        let mut taken = Vec::new();
        for millis in (0..=2_500).step_by(100) {
            while limit.take(start + Duration::from_millis(millis)) {
                taken.push(millis);
            }
        }
        assert_eq!(taken, [0, 0, 0, 1_000, 2_000]);
    }

    #[test]
    fn the_bucket_holds_at_most_its_burst() {
        let start = Instant::now();
        let limit = AtomicRateLimit::full(3, SECOND, start);
        let much_later = start + Duration::from_secs(86_400);
        assert_eq!((0..10).filter(|_| limit.take(much_later)).count(), 3);
    }

    #[test]
    fn a_clock_that_stops_or_goes_back_refills_nothing() {
        let start = Instant::now() + SECOND;
        let limit = AtomicRateLimit::full(1, SECOND, start);
        assert!(limit.take(start));
        assert!(!limit.take(start));
        assert!(!limit.take(start - SECOND));
    }

    #[test]
    fn a_permit_of_a_full_bucket_is_taken_only_from_a_full_one() {
        let start = Instant::now();
        let limit = AtomicRateLimit::full(2, SECOND, start);
        assert!(limit.take_if_full(start));
        assert!(!limit.take_if_full(start + Duration::from_millis(999)));
        assert!(limit.take(start));
        assert!(!limit.take_if_full(start + SECOND));
        assert!(limit.take_if_full(start + SECOND * 2));
    }

    #[test]
    fn an_interval_of_zero_does_not_limit() {
        let start = Instant::now();
        let limit = AtomicRateLimit::full(u32::MAX, Duration::ZERO, start);
        assert!((0..1_000).all(|_| limit.take(start)));
    }
}
