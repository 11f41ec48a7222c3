//! Combines the limits: decides whether a call may start, and updates each limit when it ends.
//!
//! A state machine: it takes the time and randomness as arguments.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::IntrospectionError;
use super::failed_tokens::FailedTokens;
use super::fault::IntrospectionFault;
use super::health::{CallFailure, ServerHealth};
use super::pauses::Pauses;
use super::permits::Permits;
use super::priority::{CallToken, Priority};
use crate::sync::{Breaker, CallEnd, CircuitState, EndedCall, Purpose, RateLimit};

/// A call that holds a permit.
#[derive(Clone, Copy, Debug)]
pub(super) struct StartedCall {
    pub(super) token: CallToken,
    pub(super) purpose: Purpose,
    pub(super) started_at: Instant,
}

/// The effect of the end of a call on later calls.
pub(super) struct Completion {
    /// How long no further call for the same token is permitted.
    pub(super) blocked_for: Option<Duration>,
    /// The new state of the circuit breaker, if it changed.
    pub(super) transition: Option<CircuitState>,
}

/// A snapshot of the limits, for operators.
pub(super) struct LimiterStatus {
    pub(super) circuit: CircuitState,
    /// The time until the end of a pause that the server requested.
    pub(super) paused_for: Option<Duration>,
    pub(super) queued_calls: usize,
    pub(super) last_error: Option<Arc<IntrospectionError>>,
}

/// The state of all limits. `W` is a call that waits for a permit.
pub(super) struct LimiterState<W> {
    pub(super) permits: Permits<W>,
    pub(super) pauses: Pauses,
    pub(super) rate_limit: Option<RateLimit>,
    breaker: Breaker,
    failed_tokens: FailedTokens,
    /// Why the last call failed. `None` if it succeeded.
    last_error: Option<Arc<IntrospectionError>>,
    /// The failure that opened the circuit breaker.
    opened_by: Option<Arc<IntrospectionError>>,
}

impl<W> LimiterState<W> {
    pub(super) fn new(permits: Permits<W>, rate_limit: Option<RateLimit>) -> Self {
        Self {
            permits,
            pauses: Pauses::default(),
            rate_limit,
            breaker: Breaker::default(),
            failed_tokens: FailedTokens::default(),
            last_error: None,
            opened_by: None,
        }
    }

    pub(super) fn status(&self, now: Instant) -> LimiterStatus {
        let paused = |priority| self.pauses.blocking(priority, now).map(|(_, rest)| rest);
        let circuit = match self.breaker.circuit(now) {
            _ if paused(Priority::Trusted).is_some() => CircuitState::Open,
            circuit => circuit,
        };
        let last_error = self.last_error.clone();
        let (paused_for, queued_calls) = (paused(Priority::Untrusted), self.permits.queue.len());
        LimiterStatus { circuit, paused_for, queued_calls, last_error }
    }

    /// Checks everything except the rate limit and the permits. Consumes nothing.
    pub(super) fn check(&mut self, token: CallToken, now: Instant) -> Result<(), IntrospectionFault> {
        match self.failed_tokens.held(token.key, now) {
            Some((error, rest)) => Err(IntrospectionFault::after_failure(error, rest)),
            None => self.check_server(token.priority, now),
        }
    }

    /// Admits a call that has a permit.
    pub(super) fn admit(&mut self, priority: Priority, now: Instant) -> Result<Purpose, IntrospectionFault> {
        self.check_server(priority, now)?;
        self.breaker.admit(priority.is_trusted(), now).map_err(|rest| self.open_fault(rest))
    }

    /// Checks that the server has not requested a pause and that the circuit breaker lets a call through.
    fn check_server(&mut self, priority: Priority, now: Instant) -> Result<(), IntrospectionFault> {
        if let Some((cause, rest)) = self.pauses.blocking(priority, now) {
            return Err(IntrospectionFault::after_failure(cause, rest));
        }
        self.breaker.check(priority.is_trusted(), now).map_err(|rest| self.open_fault(rest))
    }

    /// The fault while the circuit breaker is open.
    fn open_fault(&self, retry_after: Duration) -> IntrospectionFault {
        match &self.opened_by {
            Some(cause) if cause.is_misconfiguration() => {
                IntrospectionFault::Misconfigured(Arc::clone(cause))
            }
            Some(cause) => IntrospectionFault::after_failure(cause, retry_after),
            None => IntrospectionFault::not_sent("the circuit breaker is open", retry_after),
        }
    }

    /// A call ended. `random` in `0.0..1.0` is the jitter of the circuit breaker. The permit is still held.
    pub(super) fn complete(
        &mut self,
        call: StartedCall,
        failure: Option<&CallFailure>,
        now: Instant,
        random: f64,
    ) -> Completion {
        let CallToken { key, priority } = call.token;
        let health = failure.map_or(ServerHealth::Healthy, |failure| failure.health(key, priority));
        let transition = self.record_health(health, call.purpose, failure, now, random);
        self.record_token(call.token, failure, now);
        // A request that was not sent says nothing new about the server.
        if failure.is_none_or(|failure| !failure.is_not_sent()) {
            let end = failure.map_or(CallEnd::Responded, |failure| failure.call_end(priority));
            self.permits.ended(priority, EndedCall { started_at: call.started_at, end }, now);
            self.last_error = failure.map(|failure| Arc::clone(&failure.error));
        }
        let paused_for = self.pauses.blocking(priority, now).map(|(_, rest)| rest);
        let held_for = self.failed_tokens.held(key, now).map(|(_, rest)| rest);
        let blocked_for = paused_for.max(held_for).max(self.breaker.open_for_another(now));
        Completion { blocked_for, transition }
    }

    /// A call was dropped before it ended.
    pub(super) fn abandoned(&mut self, purpose: Purpose) {
        self.breaker.abandoned(purpose);
    }

    fn record_health(
        &mut self,
        health: ServerHealth,
        purpose: Purpose,
        failure: Option<&CallFailure>,
        now: Instant,
        random: f64,
    ) -> Option<CircuitState> {
        let closed = |has_closed: bool| has_closed.then_some(CircuitState::Closed);
        match health {
            ServerHealth::Healthy => {
                self.pauses.responded(now);
                closed(self.breaker.succeeded(purpose, now))
            }
            // A probe only has to find out whether the server responds.
            ServerHealth::Responding if purpose != Purpose::Regular => {
                closed(self.breaker.succeeded(purpose, now))
            }
            ServerHealth::Failing(kind) => {
                let opened = self.breaker.failed(purpose, kind, now, random);
                if opened || purpose != Purpose::Regular {
                    self.opened_by = failure.map(|failure| Arc::clone(&failure.error));
                }
                opened.then_some(CircuitState::Open)
            }
            ServerHealth::Unknown if failure.is_some_and(|failure| !failure.is_not_sent()) => {
                self.breaker.inconclusive(purpose, now, random);
                None
            }
            ServerHealth::Responding | ServerHealth::Unknown => {
                self.breaker.abandoned(purpose);
                None
            }
        }
    }

    fn record_token(&mut self, token: CallToken, failure: Option<&CallFailure>, now: Instant) {
        match failure {
            None => self.failed_tokens.succeeded(token.key),
            Some(failure) if failure.may_be_due_to_token() => {
                self.failed_tokens.failed(token.key, token.priority, &failure.error, now);
            }
            Some(_) => {}
        }
    }
}
