//! The permits of an adaptive concurrency limit, and the queue for them.
//!
//! Why the reserve for trusted tokens has a limit of its own: anybody can make up tokens over which the
//! server hangs. They decrease the limit of all calls, but must not take the reserve. A server that is
//! overloaded is late for trusted tokens as well, and their calls decrease the reserve.

use std::time::{Duration, Instant};

use super::priority::Priority;
use super::queue::CallQueue;
use crate::sync::{AdaptiveLimit, CallEnd, EndedCall};

/// The typical response time moves towards a new one by this share.
const SMOOTHING: u32 = 8;

/// Counts the calls in flight. `W` is a call that waits for a permit.
#[derive(Debug)]
pub(super) struct Permits<W> {
    limit: AdaptiveLimit,
    /// The calls about trusted tokens that may be in flight beyond `limit`. Only such calls change it.
    reserve: AdaptiveLimit,
    in_flight: usize,
    untrusted_in_flight: usize,
    typical_response_time: Option<Duration>,
    pub(super) queue: CallQueue<W>,
}

impl<W> Permits<W> {
    pub(super) fn new(max_concurrent: usize, max_queued: usize, timeout: Duration) -> Self {
        Self {
            limit: AdaptiveLimit::new(max_concurrent, timeout),
            // At once, so that a flood at start finds it in place.
            reserve: AdaptiveLimit::without_slow_start((max_concurrent / 4).max(1), timeout),
            in_flight: 0,
            untrusted_in_flight: 0,
            typical_response_time: None,
            queue: CallQueue::new(max_queued),
        }
    }

    /// Takes a permit if one is free.
    pub(super) fn try_take(&mut self, priority: Priority) -> bool {
        let is_free = self.has_free(priority);
        if is_free {
            self.in_flight = self.in_flight.saturating_add(1);
            self.untrusted_in_flight =
                self.untrusted_in_flight.saturating_add(usize::from(!priority.is_trusted()));
        }
        is_free
    }

    fn has_free(&self, priority: Priority) -> bool {
        let limit = self.limit.current();
        let is_below_limit = self.in_flight < limit;
        match priority {
            Priority::Untrusted => {
                is_below_limit && self.untrusted_in_flight < priority.max_concurrent(limit)
            }
            // After a decrease, untrusted calls in flight may exceed the limit. They must not use the share
            // that is reserved for trusted ones.
            Priority::Trusted => {
                let has_reserve = self.trusted_in_flight() < self.reserve.current();
                is_below_limit || (has_reserve && self.in_flight < self.limit.max())
            }
        }
    }

    fn trusted_in_flight(&self) -> usize {
        self.in_flight.saturating_sub(self.untrusted_in_flight)
    }

    pub(super) fn put_back(&mut self, priority: Priority) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.untrusted_in_flight =
            self.untrusted_in_flight.saturating_sub(usize::from(!priority.is_trusted()));
    }

    /// Takes a permit for the next call in the queue, and the call out of the queue.
    pub(super) fn next(&mut self) -> Option<W> {
        [Priority::Trusted, Priority::Untrusted].into_iter().find_map(|priority| {
            if !self.queue.has(priority) || !self.try_take(priority) {
                return None;
            }
            self.queue.pop(priority)
        })
    }

    /// A call that still holds its permit ended.
    pub(super) fn ended(&mut self, priority: Priority, call: EndedCall, now: Instant) {
        if call.end == CallEnd::Responded {
            self.record_response_time(now.saturating_duration_since(call.started_at));
        }
        if priority.is_trusted() {
            self.reserve.ended(call, self.trusted_in_flight(), now);
        }
        self.limit.ended(call, self.in_flight, now);
    }

    fn record_response_time(&mut self, time: Duration) {
        let smoothed = self.typical_response_time.map_or(time, |typical| {
            let rest = typical.saturating_sub(typical.checked_div(SMOOTHING).unwrap_or_default());
            rest.saturating_add(time.checked_div(SMOOTHING).unwrap_or_default())
        });
        self.typical_response_time = Some(smoothed);
    }

    /// The time after which a response cannot be expected before `deadline`.
    pub(super) fn latest_start(&self, deadline: Instant) -> Instant {
        deadline.checked_sub(self.typical_response_time.unwrap_or_default()).unwrap_or(deadline)
    }

    pub(super) fn typical_response_time(&self) -> Option<Duration> {
        self.typical_response_time
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]
mod tests {
    use super::Priority::{Trusted, Untrusted};
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(3);

    #[test]
    fn a_quarter_of_the_permits_is_reserved_for_trusted_tokens() {
        let mut permits: Permits<u8> = Permits::new(8, 0, TIMEOUT);
        let untrusted = (0..8).filter(|_| permits.try_take(Untrusted)).count();
        let trusted = (0..8).filter(|_| permits.try_take(Trusted)).count();
        assert_eq!((untrusted, trusted), (6, 2));
        permits.put_back(Untrusted);
        assert!(permits.try_take(Untrusted) && !permits.try_take(Trusted));
    }

    /// The trusted calls that can start after `overdue` calls with this priority, while untrusted ones take
    /// all permits that they get.
    fn trusted_beside_untrusted_after(priority: Priority, overdue: usize) -> usize {
        let (mut permits, mut now): (Permits<u8>, _) = (Permits::new(64, 0, TIMEOUT), Instant::now());
        permits.limit = AdaptiveLimit::without_slow_start(64, TIMEOUT);
        for _ in 0..overdue {
            assert!(permits.try_take(priority));
            let call = EndedCall { started_at: now, end: CallEnd::Overdue };
            now += TIMEOUT;
            permits.ended(priority, call, now);
            permits.put_back(priority);
        }
        assert_eq!(permits.limit.current(), if overdue == 0 { 64 } else { 4 });
        while permits.try_take(Untrusted) {}
        (0..64).filter(|_| permits.try_take(Trusted)).count()
    }

    #[test]
    fn overdue_calls_shrink_the_reserve_only_if_they_are_about_trusted_tokens() {
        assert_eq!(trusted_beside_untrusted_after(Untrusted, 0), 16);
        assert_eq!(trusted_beside_untrusted_after(Untrusted, 500), 16);
        assert_eq!(trusted_beside_untrusted_after(Trusted, 500), 1);
    }

    #[test]
    fn a_free_permit_goes_to_the_newest_trusted_call_first() {
        let mut permits = Permits::new(4, 10, TIMEOUT);
        (0..4).for_each(|_| assert!(permits.try_take(Trusted)));
        for (priority, call) in [(Untrusted, 1), (Trusted, 2), (Trusted, 3), (Untrusted, 4)] {
            permits.queue.push(priority, call);
        }
        assert_eq!(permits.next(), None);
        let order: Vec<u8> = (0..4)
            .filter_map(|_| {
                permits.put_back(Trusted);
                permits.next()
            })
            .collect();
        assert_eq!(order, [3, 2, 4, 1]);
    }

    #[test]
    fn a_call_must_start_in_time_for_a_typical_response() {
        let mut permits: Permits<u8> = Permits::new(4, 0, TIMEOUT);
        let deadline = Instant::now();
        assert_eq!(permits.latest_start(deadline), deadline);
        (0..100).for_each(|_| permits.record_response_time(Duration::from_secs(1)));
        let ahead = deadline.duration_since(permits.latest_start(deadline));
        assert!((Duration::from_millis(990)..=Duration::from_secs(1)).contains(&ahead), "{ahead:?}");
    }
}
