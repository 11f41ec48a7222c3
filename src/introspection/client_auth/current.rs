//! Caches the credentials that a provider returned, and renews them: single-flight, and before they expire.
//!
//! Why a task of its own for each renewal: a provider that is slower than the request that needs it still
//! completes, and the next request finds its result. No lock is held meanwhile, so requests continue with
//! the cached credentials.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout_at;

use super::provider::{Candidates, Provide, ProvideContext, Provided, Source};
use crate::event;
use crate::introspection::error::{IntrospectionError, IntrospectionErrorKind};
use crate::time::{later, now};

/// After this time, credentials are renewed in the background if their provider names no lifetime.
const DEFAULT_TTL: Duration = Duration::from_secs(60);

/// The part of their lifetime after which credentials are renewed in the background.
const RENEW_AFTER: f64 = 0.75;

/// How long before their expiry credentials are not sent any more: this, or a tenth of their lifetime if that
/// is shorter. A request takes time, and clocks run at different speeds.
const EXPIRY_MARGIN: Duration = Duration::from_secs(30);

/// The time limit of one call of a provider: this, or [`TIMEOUTS_PER_CALL`] times the introspection timeout
/// if that is longer. Without it, a provider that never returns would never be called again.
const MIN_TIME_LIMIT: Duration = Duration::from_secs(30);

const TIMEOUTS_PER_CALL: u32 = 10;

/// How long a failed provider is not called again, unless usable credentials are cached.
const FAILURE_TTL: Duration = Duration::from_secs(1);

/// The minimum interval between two renewals because the authorization server rejected the credentials. A
/// token may be the reason for that, and must not cause a renewal each time.
const MIN_REJECTION_INTERVAL: Duration = Duration::from_secs(5);

/// The credentials of one introspection client.
pub(in crate::introspection) struct CurrentAuth {
    source: Source,
    /// Whether the second of two credentials was accepted last.
    prefers_second: AtomicBool,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    cached: Option<Cached>,
    failure: Option<Failed>,
    /// The renewal in flight.
    renewal: Option<Renewal>,
    /// The number of the latest renewal.
    latest: u64,
    rejected_at: Option<Instant>,
}

struct Cached {
    candidates: Candidates,
    renew_at: Instant,
    /// `None` if the lifetime is unknown.
    usable_until: Option<Instant>,
}

struct Failed {
    error: Arc<IntrospectionError>,
    at: Instant,
}

/// The result of a renewal.
type Outcome = Result<Candidates, Arc<IntrospectionError>>;

/// A renewal in flight. All clones receive its result.
#[derive(Clone)]
struct Renewal {
    number: u64,
    outcome: watch::Receiver<Option<Outcome>>,
    /// Its time limit. Nothing may drive the runtime that it runs on, so it may not end itself.
    ends_by: Instant,
}

/// The other end of a [`Renewal`], which caches its result and sends it.
struct Sender {
    number: u64,
    outcome: watch::Sender<Option<Outcome>>,
    state: Weak<Mutex<State>>,
}

/// Allows this many requests to the authorization server, or says why not.
type MayRequest<'a> = &'a (dyn Fn(u32) -> Result<(), IntrospectionError> + Sync);

impl CurrentAuth {
    pub(in crate::introspection) fn new(source: Source) -> Self {
        Self { source, prefers_second: AtomicBool::new(false), state: Arc::default() }
    }

    /// The current credentials. Waits for the provider if none are cached.
    ///
    /// # Errors
    /// The error of the provider or of `may_request`.
    pub(in crate::introspection) async fn get(
        &self,
        cx: &ProvideContext,
        may_request: MayRequest<'_>,
    ) -> Result<Candidates, Arc<IntrospectionError>> {
        let provider = match &self.source {
            Source::Fixed(candidates) => return Ok(candidates.clone()),
            Source::Provided(provider) => provider,
        };
        let renewal = {
            let (mut state, now) = (lock(&self.state), now());
            let failure = state.recent_failure(now);
            if let Some(cached) = state.usable(now) {
                let (candidates, is_due) = (cached.candidates.clone(), now >= cached.renew_at);
                if is_due && failure.is_none() {
                    // If the rate limit allows no renewal, a later request starts it.
                    self.start(&mut state, provider, cx, may_request).ok();
                }
                return Ok(candidates);
            }
            match failure {
                Some(error) => return Err(error),
                None => self.start(&mut state, provider, cx, may_request)?,
            }
        };
        renewal.outcome().await
    }

    /// Renews the credentials, because the authorization server rejected `rejected`. `None` if there are no
    /// other credentials.
    pub(in crate::introspection) async fn renewed(
        &self,
        rejected: &Candidates,
        cx: &ProvideContext,
        may_request: MayRequest<'_>,
    ) -> Option<Candidates> {
        let Source::Provided(provider) = &self.source else { return None };
        let renewal = {
            let (mut state, now) = (lock(&self.state), now());
            // Another request may have renewed them in the meantime.
            if let Some(cached) = state.usable(now).filter(|cached| !cached.candidates.is_same(rejected)) {
                return Some(cached.candidates.clone());
            }
            let is_recent = |at: Instant| now.saturating_duration_since(at) < MIN_REJECTION_INTERVAL;
            // A renewal in flight is shared, even within this interval.
            if !state.is_renewing(now) && state.rejected_at.is_some_and(is_recent) {
                return None;
            }
            state.rejected_at = Some(now);
            self.start(&mut state, provider, cx, may_request).ok()?
        };
        renewal.outcome().await.ok()
    }

    /// Starts a renewal, unless one is in flight. If nobody waits for it, it continues.
    fn start(
        &self,
        state: &mut State,
        provider: &Arc<dyn Provide>,
        cx: &ProvideContext,
        may_request: MayRequest<'_>,
    ) -> Result<Renewal, IntrospectionError> {
        let now = now();
        if let Some(renewal) = state.renewal.as_ref().filter(|renewal| renewal.is_running(now)) {
            return Ok(renewal.clone());
        }
        may_request(provider.max_requests())?;
        let (sender, receiver) = watch::channel(None);
        state.latest = state.latest.saturating_add(1);
        let number = state.latest;
        let renewal = Renewal { number, outcome: receiver, ends_by: later(now, time_limit(cx)) };
        let sender = Sender { number, outcome: sender, state: Arc::downgrade(&self.state) };
        tokio::spawn(renew(Arc::clone(provider), cx.clone(), sender));
        Ok(state.renewal.insert(renewal).clone())
    }

    /// Whether the second of two credentials is used first.
    pub(in crate::introspection) fn prefers_second(&self) -> bool {
        self.prefers_second.load(Ordering::Relaxed)
    }

    /// Sets whether the second of two credentials is used first. Returns whether that changes.
    pub(in crate::introspection) fn prefer_second(&self, prefers_second: bool) -> bool {
        self.prefers_second.swap(prefers_second, Ordering::Relaxed) != prefers_second
    }
}

impl State {
    fn usable(&self, now: Instant) -> Option<&Cached> {
        self.cached.as_ref().filter(|cached| cached.usable_until.is_none_or(|until| now < until))
    }

    fn recent_failure(&self, now: Instant) -> Option<Arc<IntrospectionError>> {
        let failure = self.failure.as_ref()?;
        let is_recent = now.saturating_duration_since(failure.at) < FAILURE_TTL;
        is_recent.then(|| Arc::clone(&failure.error))
    }

    fn is_renewing(&self, now: Instant) -> bool {
        self.renewal.as_ref().is_some_and(|renewal| renewal.is_running(now))
    }

    /// Caches the result of the renewal `number`, unless another one has replaced it because its runtime
    /// stood still. Returns the outcome, and whether it was cached.
    fn complete(&mut self, number: u64, result: Result<Cached, Arc<IntrospectionError>>) -> (Outcome, bool) {
        let counts = self.renewal.as_ref().is_some_and(|renewal| renewal.number == number);
        if !counts {
            return (result.map(|cached| cached.candidates), counts);
        }
        self.renewal = None;
        let outcome = match result {
            Ok(cached) => {
                self.failure = None;
                Ok(self.cached.insert(cached).candidates.clone())
            }
            Err(error) => {
                self.failure = Some(Failed { error: Arc::clone(&error), at: now() });
                Err(error)
            }
        };
        (outcome, counts)
    }
}

impl Renewal {
    /// Whether it still runs. The runtime that ran it may be gone or stand still.
    fn is_running(&self, now: Instant) -> bool {
        now <= self.ends_by && self.outcome.has_changed().is_ok()
    }

    /// Waits for the result.
    async fn outcome(mut self) -> Outcome {
        let outcome = self.outcome.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone());
        outcome.unwrap_or_else(|| Err(unavailable("the provider was cancelled")))
    }
}

/// Calls the provider within its time limit, caches the result and sends it. Cancels the call once the
/// client of the endpoint is dropped.
async fn renew(provider: Arc<dyn Provide>, cx: ProvideContext, sender: Sender) {
    let (started_at, issuer) = (now(), Arc::clone(&cx.issuer));
    let time_limit = time_limit(&cx);
    // In a task of its own, because the function of the user may panic or block before it returns its future.
    let mut call = JoinSet::new();
    call.spawn(async move { provider.provide(cx).await });
    let done = tokio::select! {
        done = timeout_at(later(started_at, time_limit).into(), call.join_next()) => done,
        () = sender.outcome.closed() => return,
    };
    let result = match done {
        Ok(Some(Ok(provided))) => {
            provided.map(|provided| Cached::new(provided, started_at)).map_err(Arc::new)
        }
        Ok(Some(Err(error))) if error.is_panic() => Err(unavailable("the provider panicked")),
        // The runtime shuts down. That says nothing about the provider.
        Ok(_) => return,
        Err(_) => Err(unavailable("the provider did not return within its time limit")),
    };
    if let Some(state) = sender.state.upgrade() {
        let (outcome, counts) = lock(&state).complete(sender.number, result);
        if let Err(error) = &outcome
            && counts
        {
            event::client_credentials_failed(&issuer, &**error);
        }
        sender.outcome.send(Some(outcome)).ok();
    }
}

/// The time limit of one call of the provider.
fn time_limit(cx: &ProvideContext) -> Duration {
    cx.limits.timeout.saturating_mul(TIMEOUTS_PER_CALL).max(MIN_TIME_LIMIT)
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Cached {
    fn new(provided: Provided, started_at: Instant) -> Self {
        let Provided { candidates, expires_in } = provided;
        let ttl = expires_in.map_or(DEFAULT_TTL, |lifetime| lifetime.mul_f64(RENEW_AFTER));
        let usable_until = expires_in.map(|lifetime| {
            let margin = lifetime.checked_div(10).unwrap_or_default().min(EXPIRY_MARGIN);
            later(started_at, lifetime.saturating_sub(margin))
        });
        Self { candidates, renew_at: later(started_at, ttl), usable_until }
    }
}

fn unavailable(reason: &'static str) -> Arc<IntrospectionError> {
    Arc::new(IntrospectionError::with_source(IntrospectionErrorKind::CredentialsUnavailable, reason))
}
