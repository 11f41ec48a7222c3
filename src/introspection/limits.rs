//! Whether an introspection endpoint may be asked now: so many calls at once and in a minute, none while the server
//! is out of order or wants a pause.
//!
//! Why: anybody can make tokens up, and each costs a call. Of the calls at once and in a minute a quarter is kept
//! for tokens that were good before, and a quarter more of them may wait, so that made-up ones do not keep
//! these from being looked at again.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::StatusCode;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout_at;

use super::fault::{IntrospectionFault, RETRY_AFTER};
use crate::sync::RateLimit;
use crate::sync::{Breaker, CircuitState, Purpose};
use crate::time::now;
use crate::transport::{FetchError, FetchErrorKind};

/// How much may be asked.
#[derive(Clone, Debug)]
pub(crate) struct LimiterPolicy {
    pub(crate) max_concurrent: usize,
    pub(crate) max_queued: usize,
    pub(crate) per_minute: Option<u32>,
}

/// What is known of a token that is to be asked about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Priority {
    /// It was active before, or it is a JWT that passed every check by itself.
    Known,
    /// Nothing: it may be made up.
    Untrusted,
}

impl Priority {
    /// How many calls at once it may be one of.
    fn at_once(self, most: usize) -> usize {
        match self {
            Self::Known => most,
            Self::Untrusted => most.saturating_sub(most / 4),
        }
    }

    /// How many calls may be under way, those that wait included, for it to be one more.
    fn under_way(self, most: usize) -> usize {
        match self {
            Self::Known => most.saturating_add(most / 4),
            Self::Untrusted => most,
        }
    }

    /// How many calls of a minute must be left over.
    fn leaves(self, per_minute: Option<u32>) -> u32 {
        match self {
            Self::Known => 0,
            // Half of them may go at once, and of these a quarter is left.
            Self::Untrusted => per_minute.unwrap_or_default() / 8,
        }
    }
}

/// Lets calls in.
pub(super) struct Limiter {
    policy: LimiterPolicy,
    turns: Semaphore,
    untrusted: Semaphore,
    state: Mutex<State>,
}

struct State {
    breaker: Breaker,
    budget: Option<RateLimit>,
    /// Why the last call failed; `None` if it did not.
    last_error: Option<Arc<FetchError>>,
    /// What opened the circuit last, or asked for the pause.
    blocked_by: Option<Arc<FetchError>>,
}

/// A call that may be made; its end is reported by [`conclude`](Self::conclude), or else it came to nothing.
pub(super) struct Permit<'a> {
    limiter: &'a Limiter,
    priority: Priority,
    purpose: Purpose,
    /// Whether it did not come at once.
    waited: bool,
    concluded: bool,
    _permits: Permits<'a>,
}

/// A place among those for tokens that may be made up, where it is one, and a place among all.
type Permits<'a> = (Option<SemaphorePermit<'a>>, SemaphorePermit<'a>);

impl Limiter {
    pub(super) fn new(policy: LimiterPolicy) -> Self {
        let turns = |priority: Priority| {
            Semaphore::new(priority.at_once(policy.max_concurrent).min(Semaphore::MAX_PERMITS))
        };
        let budget = policy.per_minute.map(|calls| RateLimit::per_minute(calls, now()));
        Self {
            turns: turns(Priority::Known),
            untrusted: turns(Priority::Untrusted),
            state: Mutex::new(State {
                breaker: Breaker::default(),
                budget,
                last_error: None,
                blocked_by: None,
            }),
            policy,
        }
    }

    pub(super) fn per_minute(&self) -> Option<u32> {
        self.policy.per_minute
    }

    pub(super) fn status(&self) -> (CircuitState, Option<Arc<FetchError>>) {
        let state = self.lock();
        (state.breaker.circuit(now()), state.last_error.clone())
    }

    /// Whether one more call may start while so many are `under_way`.
    ///
    /// # Errors
    /// Why not. It costs nothing to be told so.
    pub(super) fn may_start(&self, priority: Priority, under_way: usize) -> Result<(), IntrospectionFault> {
        let most = self.policy.max_concurrent.saturating_add(self.policy.max_queued);
        if under_way >= priority.under_way(most) {
            return Err(IntrospectionFault::withheld("too many calls wait", RETRY_AFTER));
        }
        let mut state = self.lock();
        let now = now();
        if let Err(retry_after) = state.breaker.would_admit(now) {
            return Err(state.withheld(retry_after));
        }
        let units = priority.leaves(self.policy.per_minute).saturating_add(1);
        match state.budget.as_mut().map(|budget| budget.wait(units, now)) {
            None | Some(Duration::ZERO) => Ok(()),
            Some(wait) => Err(IntrospectionFault::withheld(LIMIT_REACHED, wait)),
        }
    }

    /// Waits for a call to be let in, until that time at the most.
    ///
    /// # Errors
    /// Why it is not.
    pub(super) async fn turn(
        &self,
        priority: Priority,
        until: Instant,
    ) -> Result<Permit<'_>, IntrospectionFault> {
        let at_once = self.try_permits(priority);
        let waited = at_once.is_none();
        let permits = match at_once {
            Some(permits) => Some(permits),
            None => timeout_at(until.into(), self.permits(priority)).await.ok().flatten(),
        };
        let Some(permits) = permits else {
            return Err(IntrospectionFault::withheld("too many calls are under way", RETRY_AFTER));
        };
        let mut state = self.lock();
        match state.breaker.admit(now()) {
            Ok(purpose) => {
                Ok(Permit { limiter: self, priority, purpose, waited, concluded: false, _permits: permits })
            }
            Err(retry_after) => Err(state.withheld(retry_after)),
        }
    }

    /// Takes requests out of the budget: all of them, or none. What is too little for now is left to add up.
    ///
    /// # Errors
    /// [`FetchErrorKind::Withheld`].
    pub(super) fn draw(&self, priority: Priority, requests: u32) -> Result<(), FetchError> {
        let mut state = self.lock();
        let Some(budget) = &mut state.budget else { return Ok(()) };
        let now = now();
        if !budget.has(requests.saturating_add(priority.leaves(self.policy.per_minute)), now) {
            return Err(FetchError::because(FetchErrorKind::Withheld, LIMIT_REACHED));
        }
        (0..requests).for_each(|_| budget.draw(now));
        Ok(())
    }

    /// Lets nothing in for so long, since the server asks for that by an answer of this status.
    pub(super) fn pause(&self, wait: Duration, status: StatusCode) {
        let mut state = self.lock();
        state.breaker.pause(wait, now());
        state.blocked_by = Some(Arc::new(FetchErrorKind::Status(status.as_u16()).into()));
    }

    fn try_permits(&self, priority: Priority) -> Option<Permits<'_>> {
        let untrusted = match priority {
            Priority::Known => None,
            Priority::Untrusted => Some(self.untrusted.try_acquire().ok()?),
        };
        Some((untrusted, self.turns.try_acquire().ok()?))
    }

    /// `None` is never returned: nobody closes a semaphore.
    async fn permits(&self, priority: Priority) -> Option<Permits<'_>> {
        let untrusted = match priority {
            Priority::Known => None,
            Priority::Untrusted => Some(self.untrusted.acquire().await.ok()?),
        };
        Some((untrusted, self.turns.acquire().await.ok()?))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Nothing is asked since the server failed, or refused this client, a moment ago.
    fn withheld(&self, retry_after: Duration) -> IntrospectionFault {
        match &self.blocked_by {
            Some(cause) if matches!(cause.kind(), FetchErrorKind::ClientRefused(_)) => {
                IntrospectionFault::Misconfigured(Arc::clone(cause))
            }
            Some(cause) => IntrospectionFault::after_failure(cause, retry_after),
            None => IntrospectionFault::withheld("the server asked for a pause", retry_after),
        }
    }
}

impl Permit<'_> {
    pub(super) fn priority(&self) -> Priority {
        self.priority
    }

    /// Whether it did not come at once, so that less than the usual time is left for an answer.
    pub(super) fn waited(&self) -> bool {
        self.waited
    }

    /// Reports how the call ended, and returns what comes of that.
    pub(super) fn conclude(mut self, failure: Option<&CallFailure>) -> Consequences {
        self.concluded = true;
        let mut state = self.limiter.lock();
        let now = now();
        let health = failure.map_or(Health::Well, CallFailure::health);
        let changed = match health {
            Health::Well => state.breaker.succeeded().then_some(CircuitState::Closed),
            // Enough for the one that finds out, and no more than nothing for a call from before.
            Health::Responder if self.purpose == Purpose::Probe => {
                state.breaker.succeeded().then_some(CircuitState::Closed)
            }
            Health::Fails => {
                let opened = state.breaker.failed(self.purpose, now);
                if opened || self.purpose == Purpose::Probe {
                    state.blocked_by = failure.map(|failure| Arc::clone(&failure.error));
                }
                opened.then_some(CircuitState::Open)
            }
            Health::Responder | Health::Unknown => {
                state.breaker.abandoned(self.purpose);
                None
            }
        };
        // What was not sent says nothing new.
        if failure.is_none_or(|failure| failure.error.kind() != FetchErrorKind::Withheld) {
            state.last_error = failure.map(|failure| Arc::clone(&failure.error));
        }
        Consequences { wait: state.breaker.would_admit(now).err(), changed }
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if !self.concluded {
            self.limiter.lock().breaker.abandoned(self.purpose);
        }
    }
}

/// What comes of the end of a call.
pub(super) struct Consequences {
    /// How long nothing will be asked after it.
    pub(super) wait: Option<Duration>,
    /// What the circuit has become by it, if that is something else.
    pub(super) changed: Option<CircuitState>,
}

/// How a call failed.
#[derive(Clone, Debug)]
pub(super) struct CallFailure {
    pub(super) error: Arc<FetchError>,
    /// Already when the endpoint was looked for, which no token has to do with.
    pub(super) looking: bool,
}

impl CallFailure {
    fn health(&self) -> Health {
        match health(self.error.kind()) {
            Health::Responder if self.looking => Health::Fails,
            health => health,
        }
    }
}

/// What the end of a call says about the server.
#[derive(Clone, Copy)]
enum Health {
    /// It gave the answer.
    Well,
    /// It gave an answer that may be due to the token.
    Responder,
    /// It is out of reach or out of order.
    Fails,
    /// Nothing.
    Unknown,
}

/// What may be due to one token only is no failure of the server: whoever holds such a token could keep
/// everybody else's from being looked at. Some servers do fail over a token (5xx); that cannot be told apart.
fn health(kind: FetchErrorKind) -> Health {
    use FetchErrorKind as Kind;
    match kind {
        Kind::Transport | Kind::ConnectionLost | Kind::TimedOut | Kind::ClientRefused(401) => Health::Fails,
        Kind::Status(404 | 405 | 408 | 410 | 429 | 500..) => Health::Fails,
        Kind::Withheld | Kind::CredentialsUnusable => Health::Unknown,
        _ => Health::Responder,
    }
}

const LIMIT_REACHED: &str = "the limit of calls per minute is reached";
