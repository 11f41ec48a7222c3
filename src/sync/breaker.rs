//! Whether the authorization server may be asked now: a circuit breaker, and the pauses that it asks for.
//! A state machine: the time goes in, decisions come out.
//!
//! Why: a server that is out of order answers late or not at all. Asking it for every request would make
//! each of them wait in vain, and would keep the server down when it tries to come back.

use std::time::{Duration, Instant};

use crate::time::later;

/// After so many failures in a row nothing is asked for a while.
const MAX_FAILURES: u32 = 5;

/// For so long.
const OPEN_FOR: Duration = Duration::from_secs(10);

/// The longest pause that the server can ask for.
const MAX_PAUSE: Duration = Duration::from_secs(300);

/// When to try again while one call finds out whether the server is back.
const RETRY_AFTER_PROBE: Duration = Duration::from_secs(1);

/// Whether an introspection endpoint is asked.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum CircuitState {
    /// It is.
    #[default]
    Closed,
    /// It has failed five times in a row, or has asked for a pause: nothing is asked for a while.
    Open,
    /// One call is under way, or due, to find out whether it is back.
    HalfOpen,
}

/// What a call that may be made is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Purpose {
    /// An answer.
    Answer,
    /// To find out whether the server is back as well.
    Probe,
}

/// The state of one endpoint.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    /// In a row.
    failures: u32,
    /// Until then nothing is asked; `None` while the circuit is closed.
    open_until: Option<Instant>,
    probing: bool,
    paused_until: Option<Instant>,
}

impl Breaker {
    /// Whether a call may be made, and what for; how it ends must be reported by one of the other methods.
    ///
    /// # Errors
    /// When it is worth while to ask again.
    pub(crate) fn admit(&mut self, now: Instant) -> Result<Purpose, Duration> {
        self.would_admit(now)?;
        self.probing = self.open_until.is_some();
        Ok(if self.probing { Purpose::Probe } else { Purpose::Answer })
    }

    /// Whether a call might be made, without making one.
    ///
    /// # Errors
    /// As [`admit`](Self::admit).
    pub(crate) fn would_admit(&self, now: Instant) -> Result<(), Duration> {
        let until = self.open_until.max(self.paused_until).filter(|until| now < *until);
        match until {
            Some(until) => Err(until.saturating_duration_since(now)),
            None if self.probing => Err(RETRY_AFTER_PROBE),
            None => Ok(()),
        }
    }

    /// The server answered. True when that closes the circuit.
    pub(crate) fn succeeded(&mut self) -> bool {
        self.failures = 0;
        self.probing = false;
        self.open_until.take().is_some()
    }

    /// It failed. True when that opens the circuit.
    pub(crate) fn failed(&mut self, call: Purpose, now: Instant) -> bool {
        self.failures = self.failures.saturating_add(1);
        // Unless an answer to a call from before has closed the circuit meanwhile.
        if call == Purpose::Probe && self.open_until.is_some() {
            self.probing = false;
            self.open_until = Some(later(now, OPEN_FOR));
            return false;
        }
        let opens = self.failures >= MAX_FAILURES && self.open_until.is_none();
        if opens {
            self.open_until = Some(later(now, OPEN_FOR));
        }
        opens
    }

    /// The call came to nothing, and not by the server's fault. One from before the circuit opened says
    /// nothing about the one that finds out.
    pub(crate) fn abandoned(&mut self, call: Purpose) {
        if call == Purpose::Probe {
            self.probing = false;
        }
    }

    /// The server asks not to be asked for so long (RFC 9110 section 10.2.3).
    pub(crate) fn pause(&mut self, wait: Duration, now: Instant) {
        self.paused_until = self.paused_until.max(Some(later(now, wait.min(MAX_PAUSE))));
    }

    /// The state, for an operator.
    pub(crate) fn circuit(&self, now: Instant) -> CircuitState {
        match self.would_admit(now) {
            Err(_) if self.probing => CircuitState::HalfOpen,
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
            assert_eq!(breaker.admit(now), Ok(Purpose::Answer), "{failure}");
            assert_eq!(breaker.failed(Purpose::Answer, now), failure == 5, "{failure}");
        }
        breaker
    }

    #[test]
    fn five_failures_in_a_row_open_it_and_a_success_between_does_not_let_them_add_up() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..10 {
            (0..4).for_each(|_| assert!(!breaker.failed(Purpose::Answer, now)));
            assert!(!breaker.succeeded());
        }
        assert_eq!(breaker.circuit(now), CircuitState::Closed);
        let breaker = opened(now);
        assert_eq!(breaker.circuit(now), CircuitState::Open);
        assert_eq!(breaker.would_admit(now + 3 * SEC), Err(7 * SEC));
    }

    #[test]
    fn after_ten_seconds_one_call_finds_out_and_the_others_are_told_to_wait() {
        let now = Instant::now();
        let mut breaker = opened(now);
        let then = now + OPEN_FOR;
        assert_eq!(breaker.circuit(then), CircuitState::HalfOpen);
        assert_eq!(breaker.admit(then), Ok(Purpose::Probe));
        assert_eq!(breaker.admit(then), Err(SEC));
        assert_eq!(breaker.circuit(then), CircuitState::HalfOpen);
        assert!(!breaker.failed(Purpose::Probe, then + SEC), "it stays open");
        assert_eq!(breaker.admit(then + 2 * SEC), Err(9 * SEC));
        assert_eq!(breaker.admit(then + 11 * SEC), Ok(Purpose::Probe));
        assert!(breaker.succeeded());
        assert_eq!(breaker.circuit(then), CircuitState::Closed);
        (0..4).for_each(|_| assert!(!breaker.failed(Purpose::Answer, then)));
        assert_eq!(breaker.admit(then), Ok(Purpose::Answer));
    }

    #[test]
    fn a_probe_that_came_to_nothing_lets_the_next_one_try() {
        let now = Instant::now();
        let mut breaker = opened(now);
        assert_eq!(breaker.admit(now + OPEN_FOR), Ok(Purpose::Probe));
        breaker.abandoned(Purpose::Probe);
        assert_eq!(breaker.admit(now + OPEN_FOR), Ok(Purpose::Probe));
    }

    #[test]
    fn calls_from_before_do_not_end_the_probe() {
        let now = Instant::now();
        let mut breaker = opened(now);
        assert_eq!(breaker.admit(now + OPEN_FOR), Ok(Purpose::Probe));
        breaker.abandoned(Purpose::Answer);
        assert!(!breaker.failed(Purpose::Answer, now + OPEN_FOR));
        assert_eq!(breaker.admit(now + OPEN_FOR), Err(SEC));
    }

    #[test]
    fn a_probe_whose_circuit_is_closed_by_now_is_a_call_like_others() {
        let now = Instant::now();
        let mut breaker = opened(now);
        assert_eq!(breaker.admit(now + OPEN_FOR), Ok(Purpose::Probe));
        assert!(breaker.succeeded(), "a call from before was answered");
        assert!(!breaker.failed(Purpose::Probe, now + OPEN_FOR));
        assert_eq!(breaker.admit(now + OPEN_FOR), Ok(Purpose::Answer));
    }

    #[test]
    fn failures_of_calls_that_were_under_way_do_not_lengthen_the_wait() {
        let now = Instant::now();
        let mut breaker = opened(now);
        (1..=9).for_each(|second| assert!(!breaker.failed(Purpose::Answer, now + second * SEC)));
        assert_eq!(breaker.admit(now + OPEN_FOR), Ok(Purpose::Probe));
    }

    #[test]
    fn a_pause_is_kept_and_has_an_end() {
        let now = Instant::now();
        let mut breaker = Breaker::default();
        breaker.pause(7 * SEC, now);
        breaker.pause(SEC, now);
        assert_eq!(breaker.admit(now), Err(7 * SEC));
        assert_eq!(breaker.circuit(now), CircuitState::Open);
        assert!(!breaker.succeeded(), "the pause is the server's");
        assert_eq!(breaker.admit(now + 6 * SEC), Err(SEC));
        assert_eq!(breaker.admit(now + 7 * SEC), Ok(Purpose::Answer));
        breaker.pause(Duration::MAX, now);
        assert_eq!(breaker.admit(now), Err(MAX_PAUSE));
    }
}
