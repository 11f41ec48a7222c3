//! Caches the credentials that a provider returned, and renews them: single-flight, and before they expire.
//!
//! Why a task of its own for each renewal: a provider that is slower than the request that needs it still
//! completes, and the next request finds its result.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::task::{JoinError, JoinSet};

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
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    cached: Option<Cached>,
    failure: Option<Failed>,
    /// The renewal in flight, and when it started.
    renewal: JoinSet<(Instant, Result<Provided, IntrospectionError>)>,
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

/// Allows this many requests to the authorization server, or says why not.
type MayRequest<'a> = &'a (dyn Fn(u32) -> Result<(), IntrospectionError> + Sync);

impl CurrentAuth {
    pub(in crate::introspection) fn new(source: Source) -> Self {
        Self { source, prefers_second: AtomicBool::new(false), state: Mutex::default() }
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
        let mut state = self.state.lock().await;
        if let Some(done) = state.renewal.try_join_next() {
            state.complete(done, cx).ok();
        }
        let now = now();
        if let Some(cached) = state.usable(now) {
            let (candidates, is_due) = (cached.candidates.clone(), now >= cached.renew_at);
            if is_due && state.recent_failure(now).is_none() {
                // If the rate limit allows no renewal, a later request starts it.
                state.start(provider, cx, may_request).ok();
            }
            return Ok(candidates);
        }
        match state.recent_failure(now) {
            Some(error) => Err(error),
            None => state.renew(provider, cx, may_request).await,
        }
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
        let (mut state, now) = (self.state.lock().await, now());
        // Another request may have renewed them in the meantime.
        if let Some(cached) = state.usable(now).filter(|cached| !cached.candidates.is_same(rejected)) {
            return Some(cached.candidates.clone());
        }
        let is_recent = |at: Instant| now.saturating_duration_since(at) < MIN_REJECTION_INTERVAL;
        if state.rejected_at.is_some_and(is_recent) {
            return None;
        }
        state.rejected_at = Some(now);
        state.renew(provider, cx, may_request).await.ok()
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

    /// Starts a renewal, unless one is in flight.
    fn start(
        &mut self,
        provider: &Arc<dyn Provide>,
        cx: &ProvideContext,
        may_request: MayRequest<'_>,
    ) -> Result<(), IntrospectionError> {
        if self.renewal.is_empty() {
            may_request(provider.max_requests())?;
            let (provider, cx, started_at) = (Arc::clone(provider), cx.clone(), now());
            // In the task, because the function of the user may panic before it returns its future.
            self.renewal.spawn(async move { (started_at, provider.provide(cx).await) });
        }
        Ok(())
    }

    /// Waits for a renewal. If this is cancelled, the renewal continues.
    async fn renew(
        &mut self,
        provider: &Arc<dyn Provide>,
        cx: &ProvideContext,
        may_request: MayRequest<'_>,
    ) -> Result<Candidates, Arc<IntrospectionError>> {
        self.start(provider, cx, may_request)?;
        match self.renewal.join_next().await {
            Some(done) => self.complete(done, cx),
            None => Err(unavailable("the provider was not called")),
        }
    }

    fn complete(
        &mut self,
        done: Result<(Instant, Result<Provided, IntrospectionError>), JoinError>,
        cx: &ProvideContext,
    ) -> Result<Candidates, Arc<IntrospectionError>> {
        let result = match done {
            Ok((started_at, provided)) => {
                provided.map(|provided| Cached::new(provided, started_at)).map_err(Arc::new)
            }
            // The runtime that ran the task is gone. That says nothing about the provider.
            Err(error) if error.is_cancelled() => return Err(unavailable("the provider was cancelled")),
            Err(_) => Err(unavailable("the provider panicked")),
        };
        match result {
            Ok(cached) => {
                self.failure = None;
                Ok(self.cached.insert(cached).candidates.clone())
            }
            Err(error) => {
                event::client_credentials_failed(&cx.issuer, &*error);
                self.failure = Some(Failed { error: Arc::clone(&error), at: now() });
                Err(error)
            }
        }
    }
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
