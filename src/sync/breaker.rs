//! A circuit breaker that also honours the pauses that the server asks for.
//!
//! A state machine: it takes the time as an argument and returns decisions.
//!
//! Why: a failing server responds late or not at all. Without a breaker, every request would wait for a
//! timeout, and the load would keep the server from recovering.

use std::time::{Duration, Instant};

use crate::time::later;

/// The number of consecutive failures that opens the circuit breaker.
const MAX_FAILURES: u32 = 5;

/// How long the circuit breaker stays open before it lets a probe through.
const OPEN_FOR: Duration = Duration::from_secs(10);

/// The upper bound of a pause that the server asks for.
const MAX_PAUSE: Duration = Duration::from_secs(300);

/// When to retry while a probe is in flight.
const RETRY_AFTER_PROBE: Duration = Duration::from_secs(1);

/// The state of the circuit breaker in front of an introspection endpoint.
///
/// ```
/// use tower_bearer::diagnostics::CircuitState;
///
/// /// A value for a gauge. `CircuitState` may get more states.
/// fn gauge(circuit: CircuitState) -> u8 {
///     match circuit {
///         CircuitState::Closed => 0,
///         CircuitState::HalfOpen => 1,
///         _ => 2,
///     }
/// }
/// assert_eq!(gauge(CircuitState::default()), 0);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum CircuitState {
    /// Requests are sent.
    #[default]
    Closed,
    /// No requests are sent: five consecutive ones failed, or the server asked for a pause. Lasts 10 s, or as
    /// long as the server asked for (at most 5 min).
    Open,
    /// A single request, the probe, is in flight or due. It finds out whether the server has recovered.
    HalfOpen,
}

/// The purpose of an admitted call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Purpose {
    /// The circuit breaker is closed.
    Regular,
    /// The call also finds out whether the server has recovered.
    Probe,
}

/// The circuit breaker of one endpoint.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    consecutive_failures: u32,
    /// When the next probe is due. `None` while the circuit breaker is closed.
    open_until: Option<Instant>,
    is_probing: bool,
    paused_until: Option<Instant>,
}

impl Breaker {
    /// Admits a call. Report its end with [`succeeded`](Self::succeeded), [`failed`](Self::failed) or
    /// [`abandoned`](Self::abandoned).
    ///
    /// # Errors
    /// The time until the next call may be admitted.
    pub(crate) fn admit(&mut self, now: Instant) -> Result<Purpose, Duration> {
        self.would_admit(now)?;
        self.is_probing = self.open_until.is_some();
        Ok(if self.is_probing { Purpose::Probe } else { Purpose::Regular })
    }

    /// Checks whether a call would be admitted, without admitting one.
    ///
    /// # Errors
    /// As [`admit`](Self::admit).
    pub(crate) fn would_admit(&self, now: Instant) -> Result<(), Duration> {
        let until = self.open_until.max(self.paused_until).filter(|until| now < *until);
        match until {
            Some(until) => Err(until.saturating_duration_since(now)),
            None if self.is_probing => Err(RETRY_AFTER_PROBE),
            None => Ok(()),
        }
    }

    /// The server responded. Returns whether that closes the circuit breaker.
    pub(crate) fn succeeded(&mut self) -> bool {
        self.consecutive_failures = 0;
        self.is_probing = false;
        self.open_until.take().is_some()
    }

    /// The call failed. Returns whether that opens the circuit breaker.
    pub(crate) fn failed(&mut self, call: Purpose, now: Instant) -> bool {
        self.consecutive_failures = self.consecutive_failures.saturating_add(1);
        // The response to an older call may have closed the circuit breaker in the meantime.
        if call == Purpose::Probe && self.open_until.is_some() {
            self.is_probing = false;
            self.open_until = Some(later(now, OPEN_FOR));
            return false;
        }
        let opens = self.consecutive_failures >= MAX_FAILURES && self.open_until.is_none();
        if opens {
            self.open_until = Some(later(now, OPEN_FOR));
        }
        opens
    }

    /// The call ended without a verdict about the server. Only an abandoned probe lets the next one start.
    pub(crate) fn abandoned(&mut self, call: Purpose) {
        if call == Purpose::Probe {
            self.is_probing = false;
        }
    }

    /// The server asks for a pause (RFC 9110 section 10.2.3). It is limited to 5 min.
    pub(crate) fn pause(&mut self, wait: Duration, now: Instant) {
        self.paused_until = self.paused_until.max(Some(later(now, wait.min(MAX_PAUSE))));
    }

    /// The state, for operators.
    pub(crate) fn circuit(&self, now: Instant) -> CircuitState {
        match self.would_admit(now) {
            Err(_) if self.is_probing => CircuitState::HalfOpen,
            Err(_) => CircuitState::Open,
            Ok(()) if self.open_until.is_some() => CircuitState::HalfOpen,
            Ok(()) => CircuitState::Closed,
        }
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]
mod tests {
    use super::*;

    const SEC: Duration = Duration::from_secs(1);

    fn opened(now: Instant) -> Breaker {
        let mut breaker = Breaker::default();
        for failure in 1..=5 {
            assert_eq!(breaker.admit(now), Ok(Purpose::Regular), "{failure}");
            assert_eq!(breaker.failed(Purpose::Regular, now), failure == 5, "{failure}");
        }
        breaker
    }

    #[test]
    fn five_consecutive_failures_open_the_breaker_and_a_success_resets_the_count() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..10 {
            (0..4).for_each(|_| assert!(!breaker.failed(Purpose::Regular, now)));
            assert!(!breaker.succeeded());
        }
        assert_eq!(breaker.circuit(now), CircuitState::Closed);
        let breaker = opened(now);
        assert_eq!(breaker.circuit(now), CircuitState::Open);
        assert_eq!(breaker.would_admit(now + 3 * SEC), Err(7 * SEC));
    }

    #[test]
    fn after_ten_seconds_one_probe_is_admitted_and_other_calls_are_not() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let then = now + OPEN_FOR;
        assert_eq!(breaker.circuit(then), CircuitState::HalfOpen);
        assert_eq!(breaker.admit(then), Ok(Purpose::Probe));
        assert_eq!(breaker.admit(then), Err(SEC));
        assert_eq!(breaker.circuit(then), CircuitState::HalfOpen);
        assert!(!breaker.failed(Purpose::Probe, then + SEC), "the breaker is open already");
        assert_eq!(breaker.admit(then + 2 * SEC), Err(9 * SEC));
        assert_eq!(breaker.admit(then + 11 * SEC), Ok(Purpose::Probe));
        assert!(breaker.succeeded());
        assert_eq!(breaker.circuit(then), CircuitState::Closed);
        (0..4).for_each(|_| assert!(!breaker.failed(Purpose::Regular, then)));
        assert_eq!(breaker.admit(then), Ok(Purpose::Regular));
    }

    #[test]
    fn an_abandoned_probe_is_followed_by_the_next_probe() {
        let now = Instant::now();
        let mut breaker = opened(now);
        assert_eq!(breaker.admit(now + OPEN_FOR), Ok(Purpose::Probe));
        breaker.abandoned(Purpose::Probe);
        assert_eq!(breaker.admit(now + OPEN_FOR), Ok(Purpose::Probe));
    }

    #[test]
    fn calls_admitted_before_the_breaker_opened_do_not_end_the_probe() {
        let now = Instant::now();
        let mut breaker = opened(now);
        assert_eq!(breaker.admit(now + OPEN_FOR), Ok(Purpose::Probe));
        breaker.abandoned(Purpose::Regular);
        assert!(!breaker.failed(Purpose::Regular, now + OPEN_FOR));
        assert_eq!(breaker.admit(now + OPEN_FOR), Err(SEC));
    }

    #[test]
    fn a_probe_that_fails_after_the_breaker_closed_counts_as_one_failure() {
        let now = Instant::now();
        let mut breaker = opened(now);
        assert_eq!(breaker.admit(now + OPEN_FOR), Ok(Purpose::Probe));
        assert!(breaker.succeeded(), "an older call succeeded");
        assert!(!breaker.failed(Purpose::Probe, now + OPEN_FOR));
        assert_eq!(breaker.admit(now + OPEN_FOR), Ok(Purpose::Regular));
    }

    #[test]
    fn failures_of_calls_in_flight_do_not_extend_the_open_state() {
        let now = Instant::now();
        let mut breaker = opened(now);
        (1..=9).for_each(|second| assert!(!breaker.failed(Purpose::Regular, now + second * SEC)));
        assert_eq!(breaker.admit(now + OPEN_FOR), Ok(Purpose::Probe));
    }

    #[test]
    fn a_pause_blocks_calls_and_is_limited_to_five_minutes() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        breaker.pause(7 * SEC, now);
        breaker.pause(SEC, now);
        assert_eq!(breaker.admit(now), Err(7 * SEC));
        assert_eq!(breaker.circuit(now), CircuitState::Open);
        assert!(!breaker.succeeded(), "a pause does not open the breaker");
        assert_eq!(breaker.admit(now + 6 * SEC), Err(SEC));
        assert_eq!(breaker.admit(now + 7 * SEC), Ok(Purpose::Regular));
        breaker.pause(Duration::MAX, now);
        assert_eq!(breaker.admit(now), Err(MAX_PAUSE));
    }
}
