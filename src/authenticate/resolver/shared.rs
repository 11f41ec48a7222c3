//! The calls of a resolver in flight, and the issuers that it has resolved.

use std::collections::VecDeque;
use std::mem;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::panicking;
use std::time::{Duration, Instant};

use tokio::runtime::Handle as Runtime;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{sleep, timeout};

use super::calls::{Calls, HEARTBEAT_INTERVAL};
use super::pattern::IssuerPattern;
use super::refused::{Refused, ResolveError};
use super::resolution::{Resolution, Resolve, Resolved, ResolverPolicy};
use crate::authenticate::issuers::{InsertError, IssuerRegistry, TrustedIssuer};
use crate::event;
use crate::sync::{BoundedCache, CacheLimits};
use crate::time::{later, now};

/// How long a failure is not tried again.
const FAILURE_TTL: Duration = Duration::from_secs(1);

/// The limits of the negative cache.
const REFUSED: CacheLimits = CacheLimits { entries: 10_000, bytes: 2 * 1024 * 1024 };

/// The state that lookups and calls share.
pub(super) struct Shared {
    pub(super) pattern: IssuerPattern,
    pub(super) policy: ResolverPolicy,
    resolve: Resolve,
    registry: Arc<IssuerRegistry>,
    refused: BoundedCache<Refused>,
    state: Mutex<State>,
}

struct State {
    calls: Calls,
    /// The resolved issuers, in the order in which the clock hand visits them.
    resolved: VecDeque<ResolvedIssuer>,
    /// Evicts idle issuers. None is needed while `resolved` is empty.
    sweeper: Option<Sweeper>,
}

/// An issuer that was resolved.
struct ResolvedIssuer {
    trusted: Arc<TrustedIssuer>,
    /// The eviction of idle issuers has not seen it yet. It stays then, since it may be younger than the idle
    /// timeout. The limit evicts it like any other unused one, since forged tokens can add it.
    is_new: bool,
}

/// The task that evicts idle issuers.
struct Sweeper {
    task: AbortHandle,
    /// When it last ran or was started.
    ran_at: Instant,
}

/// Why a resolved issuer is not added.
enum NotAdded {
    /// The registry has changed since the call started.
    Outdated,
    /// The identifier of another issuer that claims the same opaque tokens.
    Rival(Arc<str>),
}

/// The task of a call. However it ends, dropping it wakes the requests that wait for it. If it is dropped
/// before its end, as by a panic, it counts as failed.
struct Call {
    shared: Arc<Shared>,
    issuer: Arc<str>,
    number: u64,
    started_at: Instant,
    /// [`IssuerRegistry::removals`] at its start.
    removals: u64,
    is_complete: bool,
}

impl Shared {
    pub(super) fn new(
        pattern: IssuerPattern,
        resolve: Resolve,
        policy: ResolverPolicy,
        registry: Arc<IssuerRegistry>,
    ) -> Self {
        let state = State { calls: Calls::new(now()), resolved: VecDeque::new(), sweeper: None };
        let (refused, state) = (BoundedCache::new(REFUSED), Mutex::new(state));
        Self { pattern, policy, resolve, registry, refused, state }
    }

    /// The result of an earlier call without an issuer, while it counts.
    pub(super) fn refused(&self, issuer: &str, now: Instant) -> Option<Resolution> {
        let refused = self.refused.get(issuer, |refused| {
            (now < refused.until).then(|| match &refused.failure {
                None => Resolution::Unknown,
                Some(cause) => {
                    let retry_after = refused.until.saturating_duration_since(now).max(FAILURE_TTL);
                    Resolution::Unavailable { retry_after, cause: Some(Arc::clone(cause)) }
                }
            })
        });
        refused.flatten()
    }

    /// The end of the call for `issuer`, which is started unless it is in flight. `None` if a limit or the
    /// lack of a runtime prevents it.
    pub(super) fn ended(
        self: &Arc<Self>,
        issuer: &str,
        tenant: &str,
        now: Instant,
    ) -> Option<watch::Receiver<u64>> {
        let current = Runtime::try_current().ok()?;
        let mut state = self.lock();
        if let Some(ended) = state.calls.ended(issuer) {
            return Some(ended);
        }
        if self.registry.load().get(issuer).is_some() {
            // The call has ended since the request looked.
            return Some(watch::channel(1).1);
        }
        let issuer: Arc<str> = issuer.into();
        let (number, ended) = state.calls.begin(&issuer, now)?;
        drop(state);
        self.spawn(&self.policy.runtime.clone().unwrap_or(current), number, issuer, tenant);
        Some(ended)
    }

    /// A check for a request that waits: it starts another call for `issuer` if the first one stands still.
    /// The first check takes place now.
    pub(super) fn restart_if_stalled(self: &Arc<Self>, issuer: &str, tenant: &str) -> impl Fn() + use<> {
        let (shared, issuer, tenant) = (Arc::clone(self), Arc::from(issuer), Box::from(tenant));
        let check = move || shared.check(&issuer, &tenant);
        check();
        check
    }

    fn check(self: &Arc<Self>, issuer: &Arc<str>, tenant: &str) {
        // Not the configured one, which may be the one that stands still.
        let Ok(current) = Runtime::try_current() else { return };
        let restarted = self.lock().calls.restart_if_stalled(issuer, now());
        let Some(number) = restarted else { return };
        self.spawn(&current, number, Arc::clone(issuer), tenant);
    }

    /// Not under the lock of the state: a runtime that is shutting down drops the call at once, which takes
    /// this lock.
    fn spawn(self: &Arc<Self>, runtime: &Runtime, number: u64, issuer: Arc<str>, tenant: &str) {
        let (shared, removals) = (Arc::clone(self), self.registry.removals());
        let call = Call { shared, issuer, number, started_at: now(), removals, is_complete: false };
        runtime.spawn(call.run(tenant.into()));
    }

    fn complete(self: &Arc<Self>, issuer: &Arc<str>, resolved: Resolved, removals: u64) {
        let refused = match resolved {
            Ok(Some(trusted)) => match self.add(trusted, removals) {
                Ok(()) => return event::issuer_changed(issuer, "issuer resolved"),
                // The requests that wait look it up again, which starts another call.
                Err(NotAdded::Outdated) => return,
                Err(NotAdded::Rival(rival)) => {
                    let rival = format!("it introspects the same opaque tokens as {rival}");
                    (FAILURE_TTL, Some(ResolveError(rival.into())))
                }
            },
            Ok(None) => (self.policy.negative_ttl, None),
            Err(error) => (FAILURE_TTL, Some(error)),
        };
        let (ttl, failure) = refused;
        self.refuse(issuer, ttl, failure);
    }

    /// Records a result without an issuer.
    fn refuse(&self, issuer: &Arc<str>, ttl: Duration, failure: Option<ResolveError>) {
        if let Some(error) = &failure {
            event::issuer_unresolved(&self.pattern, error);
        }
        let failure = failure.map(Arc::new);
        self.refused.insert(Refused { issuer: Arc::clone(issuer), until: later(now(), ttl), failure });
    }

    /// Adds the result of a call that started at this number of `removals`. Evicts other issuers if there are
    /// too many, unused ones first.
    fn add(self: &Arc<Self>, trusted: TrustedIssuer, removals: u64) -> Result<(), NotAdded> {
        let mut state = self.lock();
        let change = self.registry.change();
        if self.registry.removals() != removals {
            // The function may have decided before the operator removed this issuer.
            return Err(NotAdded::Outdated);
        }
        if change.contains(trusted.identifier()) {
            // It was added at run time meanwhile.
            return Ok(());
        }
        // Until a valid token proves that it is in use.
        trusted.state.mark_unused();
        trusted.state.mark_resolved();
        let trusted = change.insert(trusted).map_err(|error| match error {
            InsertError::Rival(rival) => NotAdded::Rival(rival),
            // The last issuer with the same keys was removed while the function ran.
            InsertError::KeysClosed => NotAdded::Outdated,
        })?;
        while state.resolved.len() >= self.policy.max_issuers {
            let Some(oldest) = state.resolved.pop_front() else { break };
            if oldest.trusted.state.mark_unused() {
                change.remove_same(&oldest.trusted);
            } else {
                state.resolved.push_back(oldest);
            }
        }
        state.resolved.push_back(ResolvedIssuer { trusted, is_new: true });
        drop(change);
        self.keep_sweeper(&mut state.sweeper);
        Ok(())
    }

    /// Starts the task that evicts idle issuers, unless it runs.
    fn keep_sweeper(self: &Arc<Self>, sweeper: &mut Option<Sweeper>) {
        let (now, interval) = (now(), self.policy.idle_timeout);
        if sweeper.as_ref().is_some_and(|sweeper| sweeper.is_running(now, interval)) {
            return;
        }
        let task = tokio::spawn(sweep(Arc::downgrade(self), interval)).abort_handle();
        if let Some(replaced) = sweeper.replace(Sweeper { task, ran_at: now }) {
            replaced.task.abort();
        }
    }

    /// Evicts the issuers that were there the last time and were not used since. False if none is left.
    fn evict_idle(&self) -> bool {
        let mut state = self.lock();
        let change = self.registry.change();
        state.resolved.retain_mut(|issuer| {
            let was_new = mem::take(&mut issuer.is_new);
            let is_idle = issuer.trusted.state.mark_unused() && !was_new;
            if is_idle {
                change.remove_same(&issuer.trusted);
            }
            !is_idle
        });
        if state.resolved.is_empty() {
            // The task that calls this ends now.
            state.sweeper = None;
        }
        state.sweeper.as_mut().map(|sweeper| sweeper.ran_at = now()).is_some()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(sweeper) = state.sweeper.take() {
            sweeper.task.abort();
        }
    }
}

impl Sweeper {
    /// False if its runtime has shut down or stands still.
    fn is_running(&self, now: Instant, interval: Duration) -> bool {
        !self.task.is_finished() && now < later(self.ran_at, interval.saturating_mul(2))
    }
}

/// Evicts idle issuers, until none is left.
async fn sweep(shared: Weak<Shared>, interval: Duration) {
    loop {
        sleep(interval).await;
        if !shared.upgrade().is_some_and(|shared| shared.evict_idle()) {
            return;
        }
    }
}

impl Call {
    async fn run(mut self, tenant: Box<str>) {
        let resolved = (self.shared.resolve)(Arc::clone(&self.issuer), &tenant);
        let mut resolved = pin!(timeout(self.shared.policy.timeout, resolved));
        let resolved = loop {
            tokio::select! {
                resolved = resolved.as_mut() => break resolved,
                () = sleep(HEARTBEAT_INTERVAL) => if !self.heartbeat() && !self.is_still_awaited() { return },
            }
        };
        // The failure of a replaced call says nothing about the call that has replaced it.
        let has_issuer = matches!(resolved, Ok(Ok(Some(_))));
        let counts = self.is_current() || (has_issuer && self.is_still_awaited());
        if !counts {
            return;
        }
        let resolved = resolved.unwrap_or_else(|_| Err(ResolveError("it took too long".into())));
        self.shared.complete(&self.issuer, resolved, self.removals);
        self.is_complete = true;
    }

    /// Records a heartbeat. False if another call has replaced this one.
    fn heartbeat(&self) -> bool {
        self.shared.lock().calls.heartbeat(&self.issuer, self.number, now())
    }

    fn is_current(&self) -> bool {
        self.shared.lock().calls.is_current(&self.issuer, self.number)
    }

    /// Whether the requests that wait can use the result of this call although another one has replaced it.
    /// A function that blocks its thread misses heartbeats, and so would its next call. A result from long
    /// ago is out of date.
    fn is_still_awaited(&self) -> bool {
        let is_recent = now() < later(self.started_at, self.shared.policy.timeout);
        is_recent && self.shared.lock().calls.is_in_flight(&self.issuer)
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if self.is_complete {
            return self.shared.lock().calls.end_any(&self.issuer);
        }
        if self.is_current() {
            let reason = if panicking() { "it panicked" } else { "its runtime has shut down" };
            self.shared.refuse(&self.issuer, FAILURE_TTL, Some(ResolveError(reason.into())));
        }
        self.shared.lock().calls.end(&self.issuer, self.number);
    }
}
