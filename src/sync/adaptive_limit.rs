//! An adaptive concurrency limit: slow start, then additive increase and multiplicative decrease.
//!
//! A state machine: it takes the ends of calls and returns how many may be in flight.
//!
//! Why: nobody knows how many calls a server can handle at a time. Above that number its responses are so
//! late that the callers have given up, and the goodput falls to zero. The limit decreases before that, when
//! responses take more than half of the timeout and clearly more than those of an idle server. It starts low,
//! because a slow server would work for a while on the calls of a high limit that nobody waits for any more.

use std::time::{Duration, Instant};

/// If a quarter of the calls of a window are overdue, the limit is halved. If three quarters are, it is
/// divided by four, because the server still works on calls that nobody waits for. A few slow tokens must not
/// throttle all others.
const OVERDUE_SHARE: usize = 4;

/// The limit never falls below this share of its upper bound.
const MIN_SHARE: usize = 16;

/// A window has at least this many calls.
const MIN_WINDOW: usize = 4;

/// The limit changes by an eighth when it increases or slowly decreases.
const STEP: usize = 8;

/// The limit starts at this share of its upper bound, but not below `MIN_START`.
const START_SHARE: usize = 2;

/// Every server handles this many calls at a time, or queues them for a moment.
const MIN_START: usize = 16;

/// Calls wait for each other in the server if their mean response time is this many times the shortest one.
const QUEUEING_FACTOR: u32 = 2;

/// The fastest response time creeps up by this factor per window.
const CREEP: f64 = 1.01;

/// A response is not late unless it takes this many times the fastest response time.
const LATE_FACTOR: f64 = 1.5;

/// The number of calls that may be in flight, between a sixteenth of its upper bound and the upper bound.
#[derive(Debug)]
pub(crate) struct AdaptiveLimit {
    max: usize,
    limit: usize,
    /// Whether the limit doubles instead of increasing by a step.
    is_slow_start: bool,
    /// Half of the timeout of a call.
    late_after: Duration,
    /// The mean response time of the fastest window. It creeps up, so that a change of the server is noticed.
    fastest: Option<Duration>,
    /// Calls from before the latest decrease say nothing about the new limit.
    decreased_at: Option<Instant>,
    window: Window,
}

/// The calls that ended since the limit was last examined.
#[derive(Debug, Default)]
struct Window {
    ended: usize,
    overdue: usize,
    responded: u32,
    response_time: Duration,
    shortest_response_time: Option<Duration>,
    /// The most calls in flight.
    peak: usize,
}

/// A call that ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EndedCall {
    pub(crate) started_at: Instant,
    pub(crate) end: CallEnd,
}

/// How a call ended, as the limit sees it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CallEnd {
    Responded,
    /// The server could not respond in time, or said that it is overloaded.
    Overdue,
    /// The call failed for another reason.
    Failed,
}

impl AdaptiveLimit {
    /// Starts at half of the upper bound, but at 16 calls or more if the upper bound allows it. Doubles
    /// until calls wait for each other in the server, because a cold start is when most calls are needed.
    pub(crate) fn new(max: usize, timeout: Duration) -> Self {
        let limit = (max / START_SHARE).max(MIN_START).min(max);
        Self { limit, is_slow_start: limit < max, ..Self::without_slow_start(max, timeout) }
    }

    /// Starts at the upper bound.
    pub(crate) fn without_slow_start(max: usize, timeout: Duration) -> Self {
        Self {
            max,
            limit: max,
            is_slow_start: false,
            late_after: timeout.checked_div(2).unwrap_or_default(),
            fastest: None,
            decreased_at: None,
            window: Window::default(),
        }
    }

    /// How many calls may be in flight now.
    pub(crate) fn current(&self) -> usize {
        self.limit
    }

    /// The upper bound.
    pub(crate) fn max(&self) -> usize {
        self.max
    }

    /// A call ended. `in_flight` counts the calls in flight including this one.
    pub(crate) fn ended(&mut self, call: EndedCall, in_flight: usize, now: Instant) {
        if self.decreased_at.is_some_and(|at| call.started_at < at) {
            return;
        }
        self.window.add(call, in_flight, now);
        if self.window.ended < (self.limit / 2).max(MIN_WINDOW) {
            return;
        }
        let window = std::mem::take(&mut self.window);
        let step = (self.limit / STEP).max(1);
        if window.overdue.saturating_mul(OVERDUE_SHARE) >= window.ended {
            let responded = window.ended.saturating_sub(window.overdue);
            let is_mostly_overdue = responded.saturating_mul(OVERDUE_SHARE) <= window.ended;
            let decreased = if is_mostly_overdue { self.limit / 4 } else { self.limit / 2 };
            self.decrease_to(decreased, now);
        } else if self.is_late(window.mean()) {
            self.decrease_to(self.limit.saturating_sub(step), now);
        } else if window.peak.saturating_mul(2) >= self.limit {
            // A limit that nobody reaches needs no increase, and its increase would be untested.
            self.is_slow_start &= !window.shows_queueing();
            let increase = if self.is_slow_start { self.limit } else { step };
            self.limit = self.limit.saturating_add(increase).min(self.max);
        }
    }

    fn decrease_to(&mut self, limit: usize, now: Instant) {
        self.limit = limit.max(self.max / MIN_SHARE).max(1);
        self.decreased_at = Some(now);
        self.is_slow_start = false;
    }

    /// A server that is always slow is not late: fewer calls would not make it faster.
    fn is_late(&mut self, mean: Option<Duration>) -> bool {
        let Some(mean) = mean else { return false };
        let fastest = self.fastest.map_or(mean, |fastest| fastest.mul_f64(CREEP).min(mean));
        self.fastest = Some(fastest);
        mean > self.late_after && mean > fastest.mul_f64(LATE_FACTOR)
    }
}

impl Window {
    fn add(&mut self, call: EndedCall, in_flight: usize, now: Instant) {
        self.ended = self.ended.saturating_add(1);
        self.peak = self.peak.max(in_flight);
        match call.end {
            CallEnd::Responded => {
                self.responded = self.responded.saturating_add(1);
                let time = now.saturating_duration_since(call.started_at);
                self.response_time = self.response_time.saturating_add(time);
                let shortest = self.shortest_response_time.unwrap_or(time);
                self.shortest_response_time = Some(shortest.min(time));
            }
            CallEnd::Overdue => self.overdue = self.overdue.saturating_add(1),
            CallEnd::Failed => {}
        }
    }

    /// Whether calls wait for each other in the server.
    fn shows_queueing(&self) -> bool {
        let times = self.mean().zip(self.shortest_response_time);
        times.is_some_and(|(mean, shortest)| mean > shortest.saturating_mul(QUEUEING_FACTOR))
    }

    fn mean(&self) -> Option<Duration> {
        self.response_time.checked_div(self.responded)
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(3);

    /// Calls that use the whole limit and end one after the other, each after `time`.
    fn end(limit: &mut AdaptiveLimit, now: &mut Instant, calls: usize, time: Duration) {
        let end = if time >= TIMEOUT { CallEnd::Overdue } else { CallEnd::Responded };
        for _ in 0..calls {
            let started_at = *now;
            *now += time;
            limit.ended(EndedCall { started_at, end }, limit.current(), *now);
        }
    }

    #[test]
    fn overdue_calls_decrease_the_limit_to_a_sixteenth_and_good_ones_restore_it() {
        let (mut limit, mut now) = (AdaptiveLimit::without_slow_start(64, TIMEOUT), Instant::now());
        assert_eq!(limit.current(), 64);
        end(&mut limit, &mut now, 32, TIMEOUT);
        assert_eq!(limit.current(), 16);
        end(&mut limit, &mut now, 200, TIMEOUT);
        assert_eq!(limit.current(), 4);
        end(&mut limit, &mut now, 400, TIMEOUT / 100);
        assert_eq!(limit.current(), 64, "the upper bound");
    }

    #[test]
    fn the_limit_starts_at_half_and_doubles_while_calls_do_not_wait_for_each_other() {
        let (mut limit, mut now) = (AdaptiveLimit::new(64, TIMEOUT), Instant::now());
        let mut limits = vec![limit.current()];
        for calls in [16, 32] {
            end(&mut limit, &mut now, calls, TIMEOUT / 2);
            limits.push(limit.current());
        }
        assert_eq!(limits, [32, 64, 64]);
    }

    /// A server that handles one call at a time: each response takes longer than the one before.
    #[test]
    fn the_limit_stops_doubling_once_calls_wait_for_each_other() {
        let (mut limit, start) = (AdaptiveLimit::new(64, TIMEOUT), Instant::now());
        for n in 1..=16 {
            let call = EndedCall { started_at: start, end: CallEnd::Responded };
            limit.ended(call, limit.current(), start + TIMEOUT * n / 100);
        }
        assert_eq!(limit.current(), 36);
    }

    #[test]
    fn calls_from_before_a_decrease_do_not_decrease_the_limit_again() {
        let (mut limit, start) = (AdaptiveLimit::without_slow_start(64, TIMEOUT), Instant::now());
        let overdue = EndedCall { started_at: start, end: CallEnd::Overdue };
        (0..64).for_each(|_| limit.ended(overdue, 64, start + TIMEOUT));
        assert_eq!(limit.current(), 16);
    }

    #[test]
    fn a_few_overdue_calls_among_many_good_ones_change_nothing() {
        let (mut limit, now) = (AdaptiveLimit::without_slow_start(64, TIMEOUT), Instant::now());
        for n in 0..1000 {
            let end = if n % 5 == 0 { CallEnd::Overdue } else { CallEnd::Responded };
            limit.ended(EndedCall { started_at: now, end }, 64, now);
        }
        assert_eq!(limit.current(), 64);
    }

    #[test]
    fn the_limit_is_halved_if_a_quarter_of_the_calls_are_overdue() {
        let (mut limit, now) = (AdaptiveLimit::without_slow_start(64, TIMEOUT), Instant::now());
        for n in 0..32 {
            let end = if n % 4 == 0 { CallEnd::Overdue } else { CallEnd::Responded };
            limit.ended(EndedCall { started_at: now, end }, 64, now);
        }
        assert_eq!(limit.current(), 32);
    }

    #[test]
    fn late_responses_decrease_the_limit_unless_the_server_is_always_slow() {
        let (mut limit, mut now) = (AdaptiveLimit::without_slow_start(64, TIMEOUT), Instant::now());
        end(&mut limit, &mut now, 1000, TIMEOUT * 9 / 10);
        assert_eq!(limit.current(), 64, "always slow");
        end(&mut limit, &mut now, 1000, TIMEOUT / 10);
        assert_eq!(limit.current(), 64, "fast");
        end(&mut limit, &mut now, 64, TIMEOUT * 6 / 10);
        assert_eq!(limit.current(), 56, "slower than before");
    }

    #[test]
    fn a_limit_that_is_not_reached_does_not_increase() {
        let (mut limit, mut now) = (AdaptiveLimit::without_slow_start(64, TIMEOUT), Instant::now());
        end(&mut limit, &mut now, 64, TIMEOUT);
        let decreased = limit.current();
        let good = EndedCall { started_at: now, end: CallEnd::Responded };
        (0..1000).for_each(|_| limit.ended(good, 1, now));
        assert_eq!(limit.current(), decreased);
    }

    #[test]
    fn a_limit_of_one_stays_one() {
        let (mut limit, mut now) = (AdaptiveLimit::without_slow_start(1, TIMEOUT), Instant::now());
        end(&mut limit, &mut now, 50, TIMEOUT);
        assert_eq!(limit.current(), 1);
        end(&mut limit, &mut now, 50, TIMEOUT / 10);
        assert_eq!(limit.current(), 1);
    }
}
