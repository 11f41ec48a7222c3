//! A circuit breaker that opens by failure rate, first briefly and then with exponential backoff.
//!
//! A state machine: it takes the time and randomness as arguments and returns decisions.
//!
//! Why: a failing server responds late or not at all. Without a breaker, every request would wait for a
//! timeout, and the load would keep the server from recovering. It counts distinct tokens, because a single
//! token that the server cannot handle says nothing about the others.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::time::later;

/// The failure rate is that of this many calls, the latest ones.
const WINDOW_CALLS: usize = 50;

/// The failure rate ignores calls that ended longer ago.
const WINDOW: Duration = Duration::from_secs(10);

/// A failure rate of fewer calls means nothing.
const MIN_CALLS: usize = 10;

/// How long the circuit breaker stays open at first. Each failed probe doubles the time.
const FIRST_OPEN: Duration = Duration::from_millis(250);

/// The longest time that the circuit breaker stays open before the next probe.
const MAX_OPEN: Duration = Duration::from_secs(10);

/// The share of the open time that is certain. The rest is jitter, so that a fleet does not probe at once.
const CERTAIN_SHARE: f64 = 0.75;

/// Probes with trusted tokens in flight at the same time. Of untrusted ones, one may be.
const MAX_PROBES: u32 = 3;

/// While a probe is in flight, the next one follows after this time: the first may hang on a server that has
/// recovered since.
const PROBE_INTERVAL: Duration = Duration::from_secs(1);

/// For this long after a trusted token has asked for a probe, none is spent on an untrusted token.
const TRUSTED_FIRST: Duration = Duration::from_secs(1);

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
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CircuitState {
    /// Requests are sent.
    #[default]
    Closed,
    /// No requests are sent: at least half of the last 50 calls within 10 s failed, and at least 10 had
    /// ended; or the server requested a pause. Lasts 250 ms at first and doubles up to 10 s while the server
    /// keeps failing.
    Open,
    /// A few requests, the probes, are in flight or due. They find out whether the server has recovered.
    HalfOpen,
}

/// The purpose of an admitted call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Purpose {
    /// The circuit breaker is closed.
    Regular,
    /// The call also finds out whether the server has recovered.
    Probe {
        /// The number of the opening that it belongs to.
        opening: u32,
        /// Whether its token is trusted.
        trusted: bool,
    },
}

/// The cause of a failed call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Failure {
    /// The server is unavailable, whatever the token.
    Server,
    /// The server failed for the token with this key. Counts once per token.
    Token(u64),
}

/// The circuit breaker of one endpoint.
#[derive(Debug, Default)]
pub(crate) struct Breaker {
    window: VecDeque<Ended>,
    open: Option<Open>,
    /// The length of the latest opening, and when it ended.
    last_open: Option<(Duration, Instant)>,
    /// The number of times that it opened.
    openings: u32,
    /// When a trusted token last asked for a call.
    trusted_asked_at: Option<Instant>,
}

/// A call that ended while the circuit breaker was closed.
#[derive(Debug)]
struct Ended {
    at: Instant,
    failure: Option<Failure>,
}

#[derive(Debug)]
struct Open {
    /// When the next probe is due.
    until: Instant,
    length: Duration,
    /// The probes in flight.
    trusted_probes: u32,
    untrusted_probes: u32,
    last_trusted_probe_at: Option<Instant>,
    /// When the next probe with an untrusted token may start.
    untrusted_from: Option<Instant>,
    /// The delay after the next inconclusive probe with an untrusted token.
    untrusted_delay: Duration,
}

impl Breaker {
    /// Admits a call. Report its end with [`succeeded`](Self::succeeded), [`failed`](Self::failed) or
    /// [`abandoned`](Self::abandoned).
    ///
    /// # Errors
    /// The time until the next call may be admitted.
    pub(crate) fn admit(&mut self, trusted: bool, now: Instant) -> Result<Purpose, Duration> {
        self.check(trusted, now)?;
        let Some(open) = &mut self.open else { return Ok(Purpose::Regular) };
        let probes = open.probes(trusted);
        *probes = probes.saturating_add(1);
        if trusted {
            open.last_trusted_probe_at = Some(now);
        }
        Ok(Purpose::Probe { opening: self.openings, trusted })
    }

    /// Checks whether a call would be admitted, without admitting one.
    ///
    /// # Errors
    /// As [`admit`](Self::admit).
    pub(crate) fn check(&mut self, trusted: bool, now: Instant) -> Result<(), Duration> {
        if trusted {
            self.trusted_asked_at = Some(now);
        }
        let Some(open) = &self.open else { return Ok(()) };
        if now < open.until {
            return Err(open.until.saturating_duration_since(now));
        }
        let is_past = |time: Option<Instant>, wait: Duration| {
            time.is_none_or(|time| now.saturating_duration_since(time) >= wait)
        };
        // An untrusted probe in flight does not delay a trusted one.
        let is_due = match trusted {
            true => {
                let is_next = is_past(open.last_trusted_probe_at, PROBE_INTERVAL);
                open.trusted_probes == 0 || (open.trusted_probes < MAX_PROBES && is_next)
            }
            false => {
                if let Some(rest) = open.untrusted_blocked_for(now) {
                    return Err(rest);
                }
                let is_only = open.trusted_probes == 0 && open.untrusted_probes == 0;
                is_only && is_past(self.trusted_asked_at, TRUSTED_FIRST)
            }
        };
        if is_due { Ok(()) } else { Err(PROBE_INTERVAL) }
    }

    /// The server responded. Returns whether that closes the circuit breaker: only the success of a probe
    /// does, whichever opening the probe belongs to.
    pub(crate) fn succeeded(&mut self, call: Purpose, now: Instant) -> bool {
        let Some(open) = &self.open else {
            self.record(None, now);
            return false;
        };
        if call == Purpose::Regular {
            return false;
        }
        self.last_open = Some((open.length, now));
        self.open = None;
        self.window.clear();
        true
    }

    /// The call failed. Returns whether that opens the circuit breaker. `random` in `0.0..1.0` is the jitter.
    pub(crate) fn failed(&mut self, call: Purpose, failure: Failure, now: Instant, random: f64) -> bool {
        match &self.open {
            None => {
                self.record(Some(failure), now);
                let opens = self.is_failing();
                if opens {
                    self.open_for(self.next_length(now), now, random);
                }
                opens
            }
            Some(open) if matches!(call, Purpose::Probe { opening, .. } if opening == self.openings) => {
                self.open_for(open.length.saturating_mul(2), now, random);
                false
            }
            // The failure of a call from before the opening says nothing new.
            Some(_) => false,
        }
    }

    /// The call ended without a verdict about the server. An abandoned probe lets the next one start.
    pub(crate) fn abandoned(&mut self, call: Purpose) {
        if let (Some(open), Purpose::Probe { opening, trusted }) = (&mut self.open, call)
            && opening == self.openings
        {
            let probes = open.probes(trusted);
            *probes = probes.saturating_sub(1);
        }
    }

    /// The call failed, perhaps because of its untrusted token. If it was a probe, the next one with an
    /// untrusted token is delayed, with exponential backoff. Probes with trusted tokens are not delayed.
    pub(crate) fn inconclusive(&mut self, call: Purpose, now: Instant, random: f64) {
        self.abandoned(call);
        if let (Some(open), Purpose::Probe { opening, trusted: false }) = (&mut self.open, call)
            && opening == self.openings
        {
            open.untrusted_from = Some(later(now, with_jitter(open.untrusted_delay, random)));
            open.untrusted_delay = open.untrusted_delay.saturating_mul(2).min(MAX_OPEN);
        }
    }

    /// The state, for operators.
    pub(crate) fn circuit(&self, now: Instant) -> CircuitState {
        match &self.open {
            None => CircuitState::Closed,
            Some(open) if now < open.until && !open.is_probing() => CircuitState::Open,
            Some(_) => CircuitState::HalfOpen,
        }
    }

    /// The time until the next call may be admitted, if the circuit breaker is open.
    pub(crate) fn open_for_another(&self, now: Instant) -> Option<Duration> {
        let until = self.open.as_ref()?.until;
        Some(until.saturating_duration_since(now)).filter(|rest| !rest.is_zero())
    }

    fn record(&mut self, failure: Option<Failure>, now: Instant) {
        let is_recent = |ended: &Ended| now.saturating_duration_since(ended.at) < WINDOW;
        self.window.retain(is_recent);
        // One entry per token, so that repeating a token does not raise the rate.
        if matches!(failure, Some(Failure::Token(_))) {
            self.window.retain(|ended| ended.failure != failure);
        }
        if self.window.len() >= WINDOW_CALLS {
            self.window.pop_front();
        }
        self.window.push_back(Ended { at: now, failure });
    }

    fn is_failing(&self) -> bool {
        let failures = self.window.iter().filter(|ended| ended.failure.is_some()).count();
        self.window.len() >= MIN_CALLS && failures.saturating_mul(2) >= self.window.len()
    }

    /// A server that fails again soon after it has recovered gets no new start of the backoff.
    fn next_length(&self, now: Instant) -> Duration {
        let relapse = self.last_open.filter(|(_, at)| now.saturating_duration_since(*at) < WINDOW);
        relapse.map_or(FIRST_OPEN, |(length, _)| length.saturating_mul(2))
    }

    fn open_for(&mut self, length: Duration, now: Instant, random: f64) {
        let length = length.min(MAX_OPEN);
        self.openings = self.openings.wrapping_add(1);
        self.open = Some(Open {
            until: later(now, with_jitter(length, random)),
            length,
            trusted_probes: 0,
            untrusted_probes: 0,
            last_trusted_probe_at: None,
            untrusted_from: None,
            untrusted_delay: length,
        });
    }
}

fn with_jitter(length: Duration, random: f64) -> Duration {
    length.mul_f64(CERTAIN_SHARE + (1.0 - CERTAIN_SHARE) * random.clamp(0.0, 1.0))
}

impl Open {
    fn probes(&mut self, trusted: bool) -> &mut u32 {
        if trusted { &mut self.trusted_probes } else { &mut self.untrusted_probes }
    }

    fn untrusted_blocked_for(&self, now: Instant) -> Option<Duration> {
        let rest = self.untrusted_from?.saturating_duration_since(now);
        (!rest.is_zero()).then_some(rest)
    }

    fn is_probing(&self) -> bool {
        self.trusted_probes > 0 || self.untrusted_probes > 0
    }
}

#[cfg(test)]
#[path = "breaker_tests.rs"]
mod tests;
