//! Limits calls to an introspection endpoint: concurrency, queue, rate limit, circuit breaker and pauses.
//!
//! Why: anybody can make up tokens, and each one costs a call. A quarter of the permits and of the rate limit
//! is reserved for trusted tokens, and the queue is a quarter longer for them. So a flood of forged tokens
//! cannot stop the introspection of good ones.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::StatusCode;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout_at;

use super::error::{IntrospectionError, IntrospectionErrorKind};
use super::fault::{DEFAULT_RETRY_AFTER, IntrospectionFault};
use super::health::{CallFailure, ServerHealth};
use crate::sync::{Breaker, CircuitState, Purpose, RateLimit};
use crate::time::now;
use crate::transport::FetchErrorKind;

/// The configured limits.
#[derive(Clone, Debug)]
pub(crate) struct LimiterPolicy {
    /// Calls in flight at the same time.
    pub(crate) max_concurrent: usize,
    /// Calls that wait for a permit.
    pub(crate) max_queued: usize,
    /// HTTP requests within any 60 s. `None` means no limit.
    pub(crate) per_minute: Option<u32>,
}

/// How much of the limits a call may use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Priority {
    /// The token was active before, or it is a JWT that passed every local check.
    Trusted,
    /// Nothing is known about the token. It may be forged.
    Untrusted,
}

impl Priority {
    fn max_concurrent(self, limit: usize) -> usize {
        match self {
            Self::Trusted => limit,
            Self::Untrusted => limit.saturating_sub(limit / 4),
        }
    }

    /// The limit on calls in flight, including queued ones.
    fn max_in_flight(self, limit: usize) -> usize {
        match self {
            Self::Trusted => limit.saturating_add(limit / 4),
            Self::Untrusted => limit,
        }
    }

    /// How many requests of the rate limit must be left for others.
    fn reserved_requests(self, per_minute: Option<u32>) -> u32 {
        match self {
            Self::Trusted => 0,
            // The token bucket holds half of `per_minute`. A quarter of that is reserved.
            Self::Untrusted => per_minute.unwrap_or_default() / 8,
        }
    }
}

/// Grants permits for calls.
pub(super) struct Limiter {
    policy: LimiterPolicy,
    permits: Semaphore,
    untrusted_permits: Semaphore,
    state: Mutex<State>,
}

struct State {
    breaker: Breaker,
    rate_limit: Option<RateLimit>,
    /// Why the last call failed. `None` if it succeeded.
    last_error: Option<Arc<IntrospectionError>>,
    /// The failure that opened the circuit breaker, or the response that asked for a pause.
    blocked_by: Option<Arc<IntrospectionError>>,
}

/// Permission for one call. Report its end with [`complete`](Self::complete); dropping the permit counts the
/// call as abandoned.
pub(super) struct Permit<'a> {
    limiter: &'a Limiter,
    priority: Priority,
    purpose: Purpose,
    was_queued: bool,
    is_complete: bool,
    _permits: SemaphorePermits<'a>,
}

/// A permit of `Limiter::untrusted_permits` for an untrusted token, and one of `Limiter::permits`.
type SemaphorePermits<'a> = (Option<SemaphorePermit<'a>>, SemaphorePermit<'a>);

/// The effect of the end of a call on later calls.
pub(super) struct Completion {
    /// How long no further call is permitted.
    pub(super) blocked_for: Option<Duration>,
    /// The new state of the circuit breaker, if it changed.
    pub(super) transition: Option<CircuitState>,
}

impl Limiter {
    pub(super) fn new(policy: LimiterPolicy) -> Self {
        let semaphore = |priority: Priority| {
            Semaphore::new(priority.max_concurrent(policy.max_concurrent).min(Semaphore::MAX_PERMITS))
        };
        let rate_limit = policy.per_minute.map(|calls| RateLimit::per_minute(calls, now()));
        Self {
            permits: semaphore(Priority::Trusted),
            untrusted_permits: semaphore(Priority::Untrusted),
            state: Mutex::new(State {
                breaker: Breaker::default(),
                rate_limit,
                last_error: None,
                blocked_by: None,
            }),
            policy,
        }
    }

    pub(super) fn per_minute(&self) -> Option<u32> {
        self.policy.per_minute
    }

    pub(super) fn status(&self) -> (CircuitState, Option<Arc<IntrospectionError>>) {
        let state = self.lock();
        (state.breaker.circuit(now()), state.last_error.clone())
    }

    /// Checks whether another call may start while `in_flight` calls are in flight. Consumes nothing.
    ///
    /// # Errors
    /// [`IntrospectionFault`], with the limit that is reached.
    pub(super) fn check_capacity(
        &self,
        priority: Priority,
        in_flight: usize,
    ) -> Result<(), IntrospectionFault> {
        let limit = self.policy.max_concurrent.saturating_add(self.policy.max_queued);
        if in_flight >= priority.max_in_flight(limit) {
            return Err(IntrospectionFault::not_sent("too many calls are queued", DEFAULT_RETRY_AFTER));
        }
        let mut state = self.lock();
        let now = now();
        if let Err(retry_after) = state.breaker.would_admit(now) {
            return Err(state.blocked(retry_after));
        }
        let requests = priority.reserved_requests(self.policy.per_minute).saturating_add(1);
        match state.rate_limit.as_mut().map(|rate_limit| rate_limit.wait(requests, now)) {
            None | Some(Duration::ZERO) => Ok(()),
            Some(wait) => Err(IntrospectionFault::not_sent(RATE_LIMITED, wait)),
        }
    }

    /// Waits for a permit until `deadline`.
    ///
    /// # Errors
    /// [`IntrospectionFault`], if no permit became free in time or the circuit breaker is open.
    pub(super) async fn acquire(
        &self,
        priority: Priority,
        deadline: Instant,
    ) -> Result<Permit<'_>, IntrospectionFault> {
        let immediate = self.try_semaphores(priority);
        let was_queued = immediate.is_none();
        let permits = match immediate {
            Some(permits) => Some(permits),
            None => timeout_at(deadline.into(), self.wait_for_semaphores(priority)).await.ok().flatten(),
        };
        let Some(permits) = permits else {
            return Err(IntrospectionFault::not_sent("too many calls are in flight", DEFAULT_RETRY_AFTER));
        };
        let mut state = self.lock();
        match state.breaker.admit(now()) {
            Ok(purpose) => {
                let limiter = self;
                Ok(Permit { limiter, priority, purpose, was_queued, is_complete: false, _permits: permits })
            }
            Err(retry_after) => Err(state.blocked(retry_after)),
        }
    }

    /// Takes `requests` requests out of the rate limit: all of them, or none.
    ///
    /// # Errors
    /// [`IntrospectionErrorKind::NotSent`], if the token bucket holds less.
    pub(super) fn take_requests(&self, priority: Priority, requests: u32) -> Result<(), IntrospectionError> {
        let mut state = self.lock();
        let Some(rate_limit) = &mut state.rate_limit else { return Ok(()) };
        let now = now();
        let reserved = priority.reserved_requests(self.policy.per_minute);
        if !rate_limit.has(requests.saturating_add(reserved), now) {
            return Err(IntrospectionError::with_source(IntrospectionErrorKind::NotSent, RATE_LIMITED));
        }
        (0..requests).for_each(|_| rate_limit.draw(now));
        Ok(())
    }

    /// Permits no call for `wait`, because a response with this status asked for a pause.
    pub(super) fn pause(&self, wait: Duration, status: StatusCode) {
        let mut state = self.lock();
        state.breaker.pause(wait, now());
        let kind = IntrospectionErrorKind::Fetch(FetchErrorKind::Status(status.as_u16()));
        state.blocked_by = Some(Arc::new(IntrospectionError::new(kind)));
    }

    fn try_semaphores(&self, priority: Priority) -> Option<SemaphorePermits<'_>> {
        let untrusted = match priority {
            Priority::Trusted => None,
            Priority::Untrusted => Some(self.untrusted_permits.try_acquire().ok()?),
        };
        Some((untrusted, self.permits.try_acquire().ok()?))
    }

    /// Never returns `None`, because the semaphores are never closed.
    async fn wait_for_semaphores(&self, priority: Priority) -> Option<SemaphorePermits<'_>> {
        let untrusted = match priority {
            Priority::Trusted => None,
            Priority::Untrusted => Some(self.untrusted_permits.acquire().await.ok()?),
        };
        Some((untrusted, self.permits.acquire().await.ok()?))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// The fault while the circuit breaker is open or the server has asked for a pause.
    fn blocked(&self, retry_after: Duration) -> IntrospectionFault {
        match &self.blocked_by {
            Some(cause) if cause.is_misconfiguration() => {
                IntrospectionFault::Misconfigured(Arc::clone(cause))
            }
            Some(cause) => IntrospectionFault::after_failure(cause, retry_after),
            None => IntrospectionFault::not_sent("the server asked for a pause", retry_after),
        }
    }
}

impl Permit<'_> {
    pub(super) fn priority(&self) -> Priority {
        self.priority
    }

    /// Whether the call waited for the permit, so that less than the usual time is left for a response.
    pub(super) fn was_queued(&self) -> bool {
        self.was_queued
    }

    /// Reports how the call ended.
    pub(super) fn complete(mut self, failure: Option<&CallFailure>) -> Completion {
        self.is_complete = true;
        let mut state = self.limiter.lock();
        let now = now();
        let health = failure.map_or(ServerHealth::Healthy, CallFailure::health);
        let transition = match health {
            ServerHealth::Healthy => state.breaker.succeeded().then_some(CircuitState::Closed),
            // A probe only has to find out whether the server responds.
            ServerHealth::Responding if self.purpose == Purpose::Probe => {
                state.breaker.succeeded().then_some(CircuitState::Closed)
            }
            ServerHealth::Failing => {
                let opened = state.breaker.failed(self.purpose, now);
                if opened || self.purpose == Purpose::Probe {
                    state.blocked_by = failure.map(|failure| Arc::clone(&failure.error));
                }
                opened.then_some(CircuitState::Open)
            }
            ServerHealth::Responding | ServerHealth::Unknown => {
                state.breaker.abandoned(self.purpose);
                None
            }
        };
        // A request that was not sent says nothing new about the server.
        if failure.is_none_or(|failure| failure.error.kind() != IntrospectionErrorKind::NotSent) {
            state.last_error = failure.map(|failure| Arc::clone(&failure.error));
        }
        Completion { blocked_for: state.breaker.would_admit(now).err(), transition }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if !self.is_complete {
            self.limiter.lock().breaker.abandoned(self.purpose);
        }
    }
}

const RATE_LIMITED: &str = "the rate limit is reached";
