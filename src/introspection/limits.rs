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
use crate::sync::Budget;
use crate::sync::{Breaker, IntrospectionCircuit, Purpose};
use crate::time::now;
use crate::transport::{FetchError, FetchErrorKind};

/// How much may be asked.
#[derive(Clone, Debug)]
pub(crate) struct AdmissionPolicy {
    pub(crate) at_once_max: usize,
    pub(crate) waiting_max: usize,
    pub(crate) per_minute: Option<u32>,
}

/// What is known of a token that is to be asked about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Standing {
    /// It was active before, or it is a JWT that passed every check by itself.
    Known,
    /// Nothing: it may be made up.
    Stranger,
}

impl Standing {
    /// How many calls at once it may be one of.
    fn at_once(self, most: usize) -> usize {
        match self {
            Self::Known => most,
            Self::Stranger => most.saturating_sub(most / 4),
        }
    }

    /// How many calls may be under way, those that wait included, for it to be one more.
    fn under_way(self, most: usize) -> usize {
        match self {
            Self::Known => most.saturating_add(most / 4),
            Self::Stranger => most,
        }
    }

    /// How many calls of a minute must be left over.
    fn leaves(self, per_minute: Option<u32>) -> u32 {
        match self {
            Self::Known => 0,
            // Half of them may go at once, and of these a quarter is left.
            Self::Stranger => per_minute.unwrap_or_default() / 8,
        }
    }
}

/// Lets calls in.
pub(super) struct Admission {
    policy: AdmissionPolicy,
    turns: Semaphore,
    strangers: Semaphore,
    state: Mutex<State>,
}

struct State {
    breaker: Breaker,
    budget: Option<Budget>,
    /// Why the last call failed; `None` if it did not.
    last_error: Option<Arc<FetchError>>,
    /// What opened the circuit last, or asked for the pause.
    blocked_by: Option<Arc<FetchError>>,
}

/// A call that may be made; its end is reported by [`conclude`](Self::conclude), or else it came to nothing.
pub(super) struct Turn<'a> {
    admission: &'a Admission,
    standing: Standing,
    purpose: Purpose,
    /// Whether it did not come at once.
    waited: bool,
    concluded: bool,
    _permits: Permits<'a>,
}

/// A place among those for tokens that may be made up, where it is one, and a place among all.
type Permits<'a> = (Option<SemaphorePermit<'a>>, SemaphorePermit<'a>);

impl Admission {
    pub(super) fn new(policy: AdmissionPolicy) -> Self {
        let turns = |standing: Standing| {
            Semaphore::new(standing.at_once(policy.at_once_max).min(Semaphore::MAX_PERMITS))
        };
        let budget = policy.per_minute.map(|calls| Budget::per_minute(calls, now()));
        Self {
            turns: turns(Standing::Known),
            strangers: turns(Standing::Stranger),
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

    pub(super) fn status(&self) -> (IntrospectionCircuit, Option<Arc<FetchError>>) {
        let state = self.lock();
        (state.breaker.circuit(now()), state.last_error.clone())
    }

    /// Whether one more call may start while so many are `under_way`.
    ///
    /// # Errors
    /// Why not. It costs nothing to be told so.
    pub(super) fn may_start(&self, standing: Standing, under_way: usize) -> Result<(), IntrospectionFault> {
        let most = self.policy.at_once_max.saturating_add(self.policy.waiting_max);
        if under_way >= standing.under_way(most) {
            return Err(IntrospectionFault::withheld("too many calls wait", RETRY_AFTER));
        }
        let mut state = self.lock();
        let now = now();
        if let Err(retry_after) = state.breaker.would_admit(now) {
            return Err(state.withheld(retry_after));
        }
        let units = standing.leaves(self.policy.per_minute).saturating_add(1);
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
        standing: Standing,
        until: Instant,
    ) -> Result<Turn<'_>, IntrospectionFault> {
        let at_once = self.try_permits(standing);
        let waited = at_once.is_none();
        let permits = match at_once {
            Some(permits) => Some(permits),
            None => timeout_at(until.into(), self.permits(standing)).await.ok().flatten(),
        };
        let Some(permits) = permits else {
            return Err(IntrospectionFault::withheld("too many calls are under way", RETRY_AFTER));
        };
        let mut state = self.lock();
        match state.breaker.admit(now()) {
            Ok(purpose) => {
                Ok(Turn { admission: self, standing, purpose, waited, concluded: false, _permits: permits })
            }
            Err(retry_after) => Err(state.withheld(retry_after)),
        }
    }

    /// Takes requests out of the budget: all of them, or none. What is too little for now is left to add up.
    ///
    /// # Errors
    /// [`FetchErrorKind::Withheld`].
    pub(super) fn draw(&self, standing: Standing, requests: u32) -> Result<(), FetchError> {
        let mut state = self.lock();
        let Some(budget) = &mut state.budget else { return Ok(()) };
        let now = now();
        if !budget.has(requests.saturating_add(standing.leaves(self.policy.per_minute)), now) {
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

    fn try_permits(&self, standing: Standing) -> Option<Permits<'_>> {
        let stranger = match standing {
            Standing::Known => None,
            Standing::Stranger => Some(self.strangers.try_acquire().ok()?),
        };
        Some((stranger, self.turns.try_acquire().ok()?))
    }

    /// `None` is never returned: nobody closes a semaphore.
    async fn permits(&self, standing: Standing) -> Option<Permits<'_>> {
        let stranger = match standing {
            Standing::Known => None,
            Standing::Stranger => Some(self.strangers.acquire().await.ok()?),
        };
        Some((stranger, self.turns.acquire().await.ok()?))
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

impl Turn<'_> {
    pub(super) fn standing(&self) -> Standing {
        self.standing
    }

    /// Whether it did not come at once, so that less than the usual time is left for an answer.
    pub(super) fn waited(&self) -> bool {
        self.waited
    }

    /// Reports how the call ended, and returns what comes of that.
    pub(super) fn conclude(mut self, failure: Option<&CallFailure>) -> Consequences {
        self.concluded = true;
        let mut state = self.admission.lock();
        let now = now();
        let health = failure.map_or(Health::Well, CallFailure::health);
        let changed = match health {
            Health::Well => state.breaker.succeeded().then_some(IntrospectionCircuit::Closed),
            // Enough for the one that finds out, and no more than nothing for a call from before.
            Health::Answers if self.purpose == Purpose::Probe => {
                state.breaker.succeeded().then_some(IntrospectionCircuit::Closed)
            }
            Health::Fails => {
                let opened = state.breaker.failed(self.purpose, now);
                if opened || self.purpose == Purpose::Probe {
                    state.blocked_by = failure.map(|failure| Arc::clone(&failure.error));
                }
                opened.then_some(IntrospectionCircuit::Open)
            }
            Health::Answers | Health::Unknown => {
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

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if !self.concluded {
            self.admission.lock().breaker.abandoned(self.purpose);
        }
    }
}

/// What comes of the end of a call.
pub(super) struct Consequences {
    /// How long nothing will be asked after it.
    pub(super) wait: Option<Duration>,
    /// What the circuit has become by it, if that is something else.
    pub(super) changed: Option<IntrospectionCircuit>,
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
            Health::Answers if self.looking => Health::Fails,
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
    Answers,
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
        _ => Health::Answers,
    }
}

const LIMIT_REACHED: &str = "the limit of calls per minute is reached";
