//! The fetched keys of one source: a background task refreshes them, requests read them without waiting.
//!
//! If the key of a request is cached, the request reads a snapshot and takes no lock. If not, the request may
//! wait for a fetch. All waiting requests share that fetch (single-flight), and dropping a request does not
//! cancel it.
//!
//! Why: the refresh task is spawned lazily, so construction needs no runtime. If the runtime of the task is
//! gone, the next request spawns it again on its own runtime. Dropping the last handle stops the task.

mod config;
mod driver;
mod failure_log;
mod fetcher;
mod metadata_reader;
mod results;
mod shared;
mod status;
mod wait;

use std::hash::RandomState;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::runtime::Handle as Runtime;
use tokio::task::AbortHandle;
use tokio::time::timeout;

pub(crate) use self::config::{KeySource, RemoteConfig};
use self::driver::Driver;
pub(crate) use self::results::{KeyLookup, KeysBounds};
use self::shared::{Shared, Snapshot};
pub use self::status::{KeysStatus, SkippedKey};
pub(crate) use self::wait::{PendingKeys, WaitBudget};
use super::error::KeysError;
use super::key_set::{KeySet, KeySetId};
use super::refresh::{GracePeriod, KeyQuery, Refresh, RefreshDecision, STALL};
use crate::time::{Moment, NumericDate};

/// The `Retry-After` if the time of the next attempt is not known.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The fetched keys of one source, for one issuer or more. Clones share the keys and the refresh task.
#[derive(Clone)]
pub(crate) struct RemoteKeys {
    handle: Arc<Handle>,
}

/// A reference to [`RemoteKeys`] that does not keep them alive.
pub(in crate::jwks) struct WeakKeys(Weak<Handle>);

/// Owned by the clones of [`RemoteKeys`] and not by the task, so that dropping the last clone stops the task.
struct Handle {
    shared: Arc<Shared>,
    task: Mutex<Option<AbortHandle>>,
}

impl RemoteKeys {
    /// Keys that the first request fetches. Sends nothing yet, and needs no runtime.
    ///
    /// The keys in `seed` are usable at once and for `stale_for`. The first request still causes a fetch.
    pub(crate) fn new(mut config: RemoteConfig, seed: Option<KeySet>) -> Self {
        config.policy.max_fetch_time = config.max_fetch_time();
        let (policy, hasher, now) = (config.policy.clone(), RandomState::new(), config.now());
        let refresh = match seed {
            Some(_) => Refresh::seeded(policy, hasher, now),
            None => Refresh::new(policy, hasher, now),
        };
        let shared = Arc::new(Shared::new(config, refresh, seed));
        Self { handle: Arc::new(Handle { shared, task: Mutex::new(None) }) }
    }

    /// The cached keys, if they are usable now.
    pub(crate) fn current(&self) -> Option<Arc<KeySet>> {
        let snapshot = self.shared().snapshot.load();
        let usable = snapshot.as_ref().filter(|snapshot| snapshot.is_usable(self.now()));
        usable.map(|snapshot| Arc::clone(&snapshot.keys))
    }

    /// Whether the cached keys are usable now and are this version of the key set. Counts as a use of the
    /// keys. `wall` is the time of the wall clock, which the caller has read anyway.
    pub(crate) fn is_current_set(&self, id: KeySetId, wall: NumericDate) -> bool {
        let snapshot = self.shared().snapshot.load();
        let Some(snapshot) = snapshot.as_ref().filter(|snapshot| snapshot.keys.id() == id) else {
            return false;
        };
        let now = Moment::at(wall);
        let is_usable = snapshot.is_usable(now);
        if is_usable && !self.shared().used.load(Ordering::Relaxed) {
            self.record_use(snapshot);
        }
        is_usable
    }

    /// Records that the cached keys verified a token, so that they stay refreshed.
    pub(crate) fn mark_used(&self) {
        if let Some(snapshot) = self.shared().snapshot.load().as_ref() {
            self.record_use(snapshot);
        }
    }

    #[cold]
    fn record_use(&self, snapshot: &Snapshot) {
        let was_used = self.shared().used.swap(true, Ordering::AcqRel);
        // Read the time after the swap. If the driver has just ended without seeing this use, the refresh is
        // due now, even if it was not when the request began.
        if !was_used && self.now().has_reached(snapshot.refresh_from) {
            // The task has ended, because nobody used the keys. This use also counts for the next refresh.
            self.shared().lock().refresh.resume();
            self.wake_driver();
        }
    }

    /// Looks up a key that is not in the cached keys `seen`. May cause a fetch.
    ///
    /// `wait_budget` belongs to the request, which passes it to all its lookups.
    pub(crate) fn lookup(
        &self,
        query: KeyQuery<'_>,
        seen: Option<&Arc<KeySet>>,
        wait_budget: &mut WaitBudget,
    ) -> KeyLookup {
        let shared = self.shared();
        let now = self.now();
        let left = wait_budget.left(now.monotonic(), shared.config.max_wait);
        let mut state = shared.lock();
        let decision = if shared.has_keys_other_than(seen, now) {
            RefreshDecision::RETRY_NOW
        } else if !left.is_zero() {
            state.refresh.decide(query, now, left)
        } else if matches!(query, KeyQuery::Mismatch(Some(_))) || state.refresh.is_unknown(query, now) {
            RefreshDecision::NotFound
        } else if query == KeyQuery::AnyKey && shared.wait_timed_out(&mut state, now) {
            RefreshDecision::RETRY_NOW
        } else {
            // Whether the key exists is still unknown.
            RefreshDecision::Unavailable { retry_after: RETRY_AFTER }
        };
        let cause = state.last_error.clone();
        drop(state);
        match decision {
            RefreshDecision::Wait { fetch } => match self.wait(fetch, wait_budget) {
                Some(pending) => KeyLookup::Pending(pending),
                None => KeyLookup::Unavailable { retry_after: RETRY_AFTER, cause },
            },
            RefreshDecision::Unavailable { retry_after } => {
                self.wake_driver();
                KeyLookup::Unavailable { retry_after, cause }
            }
            RefreshDecision::RateLimited { retry_after } => KeyLookup::RateLimited { retry_after },
            RefreshDecision::NotFound => KeyLookup::NotFound,
        }
    }

    /// Waits until keys are usable or a fetch has failed.
    ///
    /// # Errors
    /// Why the first fetch that ended during the wait failed. The task keeps trying for a while.
    pub(crate) async fn ready(&self) -> Result<(), Arc<KeysError>> {
        loop {
            let mut ended = self.shared().ended.subscribe();
            if self.current().is_some() {
                return Ok(());
            }
            if self.shared().is_closed() {
                return Err(Arc::new(KeysError::refresh_task("the issuer was removed")));
            }
            self.shared().lock().refresh.request_keys(self.now());
            // Outside of a runtime, the timer below would panic although the task may run on another one.
            if !self.wake_driver() || Runtime::try_current().is_err() {
                return Err(Arc::new(KeysError::refresh_task("no tokio runtime is available here")));
            }
            // `self` owns the sender, so a change is the end of a fetch. After a timeout, the loop checks
            // that the task makes progress.
            let has_ended = timeout(STALL, ended.changed()).await.is_ok();
            if let Some(error) = self.shared().failure(self.now()).filter(|_| has_ended) {
                return Err(error);
            }
        }
    }

    /// The maximum time that [`ready`](Self::ready) waits for one fetch: of the metadata, of the keys, and of
    /// the keys once more if they have moved.
    pub(crate) fn max_ready_time(&self) -> Duration {
        let RemoteConfig { source, limits, .. } = &self.shared().config;
        let discovery = match source {
            KeySource::Url(_) => Duration::ZERO,
            KeySource::Discovered(_) => limits.timeout,
        };
        self.shared().config.max_fetch_time().saturating_add(discovery)
    }

    /// Records that one more issuer uses these keys. False if they are closed, since the last issuer that
    /// used them was removed.
    pub(crate) fn attach(&self) -> bool {
        self.shared().attach()
    }

    /// Records that an issuer does not use these keys any more. With the last one, the refresh task ends for
    /// good. Every wait for keys, also one that starts later, completes at once.
    pub(crate) fn detach(&self) {
        // In this order: a task that is being spawned is either aborted here or never spawned.
        let mut task = self.handle.lock_task();
        if self.shared().detach()
            && let Some(task) = task.take()
        {
            task.abort();
        }
    }

    /// A reference that keeps no task alive.
    pub(in crate::jwks) fn downgrade(&self) -> WeakKeys {
        WeakKeys(Arc::downgrade(&self.handle))
    }

    /// The status for operators, of the keys of `issuer`.
    pub(crate) fn status(&self, issuer: &Arc<str>) -> KeysStatus {
        self.shared().status(issuer, self.now())
    }

    /// The guaranteed bounds.
    pub(crate) fn bounds(&self) -> KeysBounds {
        let config = &self.shared().config;
        let policy = &config.policy;
        let retired_key = policy.max_freshness();
        KeysBounds {
            // Keys that become stale during a fetch are used until it ends.
            retired_key: retired_key.saturating_add(policy.max_fetch_time.min(policy.stale_for)),
            retired_key_in_outage: retired_key.saturating_add(policy.stale_for),
            outage: policy.grace(GracePeriod::Full),
            outage_with_bad_responses: policy.grace(GracePeriod::Short),
            // The first request of a run is sent again if its connection is lost.
            max_calls_per_minute: policy
                .max_fetches_per_minute()
                .saturating_mul(config.max_requests_per_fetch())
                .saturating_add(policy.max_runs_per_minute()),
        }
    }

    /// A future that completes with this fetch. `None` if the request cannot wait.
    fn wait(&self, fetch: u64, wait_budget: &mut WaitBudget) -> Option<PendingKeys> {
        if Runtime::try_current().is_err() || !self.wake_driver() {
            return None;
        }
        let keys = self.clone();
        let check = move || {
            keys.wake_driver();
        };
        let deadline = wait_budget.take()?;
        Some(PendingKeys::new(self.shared().ended.subscribe(), fetch, deadline, check))
    }

    /// Makes the task look at the state now. False if there is no task and no runtime to spawn it on.
    fn wake_driver(&self) -> bool {
        let is_running = self.ensure_driver();
        self.shared().woken.notify_one();
        is_running
    }

    /// Spawns the task unless it is running. False if there is no runtime to spawn it on.
    ///
    /// A task that stands still is replaced, because nothing drives its runtime.
    fn ensure_driver(&self) -> bool {
        let mut task = self.handle.lock_task();
        let (configured, current) = (self.shared().config.runtime.clone(), Runtime::try_current().ok());
        if configured.is_none() && current.is_none() {
            return task.as_ref().is_some_and(|task| !task.is_finished());
        }
        let Some(new) = self.shared().lock().new_driver(self.now()) else { return true };
        let preferred = if new.is_replacement { [current, configured] } else { [configured, current] };
        let Some(runtime) = preferred.into_iter().flatten().next() else { return false };
        let driver = Driver::new(Arc::clone(self.shared()), new.number);
        let previous = task.replace(runtime.spawn(driver.run()).abort_handle());
        if let Some(previous) = previous {
            previous.abort();
        }
        true
    }

    fn now(&self) -> Moment {
        self.shared().config.now()
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }
}

impl WeakKeys {
    /// The keys, while an issuer may still use them.
    pub(in crate::jwks) fn upgrade(&self) -> Option<RemoteKeys> {
        let handle = self.0.upgrade()?;
        (!handle.shared.is_closed()).then_some(RemoteKeys { handle })
    }
}

impl Handle {
    fn lock_task(&self) -> MutexGuard<'_, Option<AbortHandle>> {
        self.task.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if let Some(task) = self.lock_task().take() {
            task.abort();
        }
    }
}

#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod tests;
