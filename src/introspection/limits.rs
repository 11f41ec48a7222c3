//! Limits calls to an introspection endpoint: concurrency, queue, rate limit, circuit breaker and pauses.
//!
//! Why: anybody can make up tokens, and each one costs a call. A quarter of the permits and of the rate limit
//! is reserved for trusted tokens, and they are first in a queue that is a quarter longer for them. So a
//! flood of forged tokens cannot stop the introspection of good ones.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::timeout_at;

use super::error::{IntrospectionError, IntrospectionErrorKind};
use super::fault::{DEFAULT_RETRY_AFTER, IntrospectionFault};
use super::health::CallFailure;
use super::limiter_state::{Completion, LimiterState, LimiterStatus, StartedCall};
use super::pauses::{NewPause, PauseRequest};
use super::permits::Permits;
use super::priority::{CallToken, Priority};
use super::queue::Place;
use crate::sync::{Purpose, RateLimit};
use crate::time::{later, now};

/// The configured limits.
#[derive(Clone, Debug)]
pub(crate) struct LimiterPolicy {
    /// Calls in flight at the same time.
    pub(crate) max_concurrent: usize,
    /// Calls that wait for a permit.
    pub(crate) max_queued: usize,
    /// How long a call waits for a permit.
    pub(crate) queue_timeout: Duration,
    /// HTTP requests within any 60 s. `None` means no limit.
    pub(crate) per_minute: Option<u32>,
}

/// Grants permits for calls.
pub(super) struct Limiter {
    policy: LimiterPolicy,
    state: Mutex<State>,
}

/// The sender tells a waiting call that it has a permit.
type State = LimiterState<oneshot::Sender<()>>;

/// Permission for one call. Report its end with [`complete`](Self::complete); dropping the permit counts the
/// call as abandoned.
pub(super) struct Permit<'a> {
    limiter: &'a Limiter,
    call: StartedCall,
    is_complete: bool,
}

impl Limiter {
    /// `timeout` is the time limit of a call.
    pub(super) fn new(policy: LimiterPolicy, timeout: Duration) -> Self {
        let permits = Permits::new(policy.max_concurrent, policy.max_queued, timeout);
        let rate_limit = policy.per_minute.map(|calls| RateLimit::per_minute(calls, now()));
        Self { policy, state: Mutex::new(State::new(permits, rate_limit)) }
    }

    pub(super) fn per_minute(&self) -> Option<u32> {
        self.policy.per_minute
    }

    pub(super) fn queue_timeout(&self) -> Duration {
        self.policy.queue_timeout
    }

    pub(super) fn status(&self) -> LimiterStatus {
        self.lock().status(now())
    }

    /// Checks whether a call for this token may start or be queued. Consumes nothing.
    ///
    /// # Errors
    /// [`IntrospectionFault`], with the limit that is reached.
    pub(super) fn check(&self, token: CallToken) -> Result<(), IntrospectionFault> {
        let (mut state, now) = (self.lock(), now());
        state.check(token, now)?;
        let requests = token.priority.reserved_requests(self.policy.per_minute).saturating_add(1);
        match state.rate_limit.as_mut().map(|rate_limit| rate_limit.wait(requests, now)) {
            None | Some(Duration::ZERO) => Ok(()),
            Some(wait) => Err(IntrospectionFault::not_sent(RATE_LIMITED, wait)),
        }
    }

    /// Waits for a permit: for as long as the queue allows, and not beyond the time when a response would
    /// come too late for `deadline`.
    ///
    /// # Errors
    /// [`IntrospectionFault`], if no permit became free in time or the circuit breaker is open.
    pub(super) async fn acquire(
        &self,
        token: CallToken,
        deadline: Instant,
    ) -> Result<Permit<'_>, IntrospectionFault> {
        if let Some(waiting) = self.enter(token.priority, deadline)? {
            waiting.granted().await?;
        }
        let call = StartedCall { token, purpose: Purpose::Regular, started_at: now() };
        let mut permit = Permit { limiter: self, call, is_complete: false };
        let admitted = self.lock().admit(token.priority, call.started_at);
        permit.call.purpose = admitted?;
        Ok(permit)
    }

    /// Takes a permit, or a place in the queue.
    fn enter(
        &self,
        priority: Priority,
        deadline: Instant,
    ) -> Result<Option<Waiting<'_>>, IntrospectionFault> {
        let (mut state, now) = (self.lock(), now());
        let latest_start = state.permits.latest_start(deadline);
        if latest_start < now {
            return Err(IntrospectionFault::not_sent(TOO_LATE, DEFAULT_RETRY_AFTER));
        }
        if state.permits.try_take(priority) {
            return Ok(None);
        }
        let (sender, granted) = oneshot::channel();
        let Some(place) = state.permits.queue.push(priority, sender) else {
            return Err(IntrospectionFault::not_sent(QUEUE_FULL, DEFAULT_RETRY_AFTER));
        };
        let until = later(now, self.policy.queue_timeout).min(latest_start);
        Ok(Some(Waiting { limiter: self, priority, place, granted, until, is_granted: false }))
    }

    /// The response time to expect; `None` before the first response.
    pub(super) fn typical_response_time(&self) -> Option<Duration> {
        self.lock().permits.typical_response_time()
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

    /// A response requests a pause. Returns the pause that begins.
    pub(super) fn pause(&self, request: PauseRequest) -> Option<NewPause> {
        self.lock().pauses.request(request, now())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A call in the queue. Dropping it gives up its place, or a permit that it was granted too late.
struct Waiting<'a> {
    limiter: &'a Limiter,
    priority: Priority,
    place: Place,
    granted: oneshot::Receiver<()>,
    until: Instant,
    is_granted: bool,
}

impl Waiting<'_> {
    async fn granted(mut self) -> Result<(), IntrospectionFault> {
        let reason = match timeout_at(self.until.into(), &mut self.granted).await {
            Ok(Ok(())) => {
                self.is_granted = true;
                return Ok(());
            }
            Ok(Err(_)) => QUEUE_FULL,
            Err(_) => "too many calls are in flight",
        };
        Err(IntrospectionFault::not_sent(reason, DEFAULT_RETRY_AFTER))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if self.is_granted {
            return;
        }
        let mut state = self.limiter.lock();
        let was_granted = state.permits.queue.remove(self.place).is_none() && self.granted.try_recv().is_ok();
        if was_granted {
            release(&mut state, self.priority);
        }
    }
}

impl Permit<'_> {
    pub(super) fn token(&self) -> CallToken {
        self.call.token
    }

    pub(super) fn priority(&self) -> Priority {
        self.call.token.priority
    }

    pub(super) fn started_at(&self) -> Instant {
        self.call.started_at
    }

    /// Whether the call finds out whether the server has recovered.
    pub(super) fn is_probe(&self) -> bool {
        self.call.purpose != Purpose::Regular
    }

    /// Reports how the call ended.
    pub(super) fn complete(mut self, failure: Option<&CallFailure>) -> Completion {
        self.is_complete = true;
        let mut state = self.limiter.lock();
        let completion = state.complete(self.call, failure, now(), fastrand::f64());
        release(&mut state, self.priority());
        completion
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if !self.is_complete {
            let mut state = self.limiter.lock();
            state.abandoned(self.call.purpose);
            release(&mut state, self.priority());
        }
    }
}

/// Returns a permit and passes it on. Every call in the queue still waits: it leaves the queue first.
fn release(state: &mut State, priority: Priority) {
    state.permits.put_back(priority);
    while let Some(waiter) = state.permits.next() {
        waiter.send(()).ok();
    }
}

const RATE_LIMITED: &str = "the rate limit is reached";
const QUEUE_FULL: &str = "too many calls are queued";
const TOO_LATE: &str = "no time is left for a response";
