//! The fetched keys of one issuer: a background task refreshes them, requests read them without waiting.
//!
//! If the key of a request is cached, the request reads a snapshot and takes no lock. If not, the request may
//! wait for a fetch. All waiting requests share that fetch (single-flight), and dropping a request does not
//! cancel it.
//!
//! Why: the refresh task is spawned lazily, so construction needs no runtime. If the runtime of the task is
//! gone, the next request spawns it again on its own runtime. Dropping the last handle stops the task.

mod config;
mod driver;
mod fetcher;
mod status;
mod wait;

use std::hash::RandomState;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle as Runtime;
use tokio::task::AbortHandle;

pub(crate) use self::config::{KeySource, RemoteConfig};
use self::driver::{Driver, Shared};
pub use self::status::{KeysStatus, SkippedKey};
pub(crate) use self::wait::{PendingKeys, WaitBudget};
use super::error::KeysError;
use super::key_set::{KeySet, KeySetId};
use super::refresh::{GracePeriod, KeyQuery, Refresh, RefreshDecision};
use crate::time::now;

/// The `Retry-After` if the time of the next attempt is not known.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// The fetched keys of one issuer. Clones share the keys and the refresh task.
#[derive(Clone)]
pub(crate) struct RemoteKeys {
    handle: Arc<Handle>,
}

/// Owned by the clones of [`RemoteKeys`] and not by the task, so that dropping the last clone stops the task.
struct Handle {
    shared: Arc<Shared>,
    task: Mutex<Option<AbortHandle>>,
}

/// The result of looking up a key that is not cached.
pub(crate) enum KeyLookup {
    /// Await this, then look up the key again.
    Pending(PendingKeys),
    /// The keys are unavailable.
    Unavailable {
        /// When to try again, at least 1 s from now.
        retry_after: Duration,
        /// Why the last fetch failed, if it did.
        cause: Option<Arc<KeysError>>,
    },
    /// The issuer has no such key, as far as is known.
    NotFound,
}

/// The upper bounds that a refresh policy guarantees.
pub(crate) struct KeysBounds {
    /// The maximum time that a retired key stays in use while fetches succeed.
    pub(crate) retired_key: Duration,
    /// The maximum time that a retired key stays in use during an outage.
    pub(crate) retired_key_in_outage: Duration,
    /// The maximum length of an outage during which keys stay usable, counted from the end of their
    /// freshness.
    pub(crate) outage: Duration,
    /// The same, if the server responds during the outage, but without a key set.
    pub(crate) outage_with_refusals: Duration,
    /// The maximum number of HTTP requests within any 60 s.
    pub(crate) max_calls_per_minute: u32,
}

impl RemoteKeys {
    /// Keys that the first request fetches. Sends nothing yet, and needs no runtime.
    ///
    /// The keys in `seed` are usable at once and for `stale_for`. The first request still causes a fetch.
    pub(crate) fn new(config: RemoteConfig, seed: Option<KeySet>) -> Self {
        let (policy, hasher) = (config.policy.clone(), RandomState::new());
        let refresh = match seed {
            Some(_) => Refresh::seeded(policy, hasher, now()),
            None => Refresh::new(policy, hasher, now()),
        };
        let shared = Arc::new(Shared::new(config, refresh, seed));
        Self { handle: Arc::new(Handle { shared, task: Mutex::new(None) }) }
    }

    /// The cached keys, if they are usable at `now`.
    pub(crate) fn current(&self, now: Instant) -> Option<Arc<KeySet>> {
        self.read(now, Arc::clone)
    }

    /// Whether the cached keys are usable at `now` and are this version of the key set.
    pub(crate) fn is_current_set(&self, id: KeySetId, now: Instant) -> bool {
        self.read(now, |keys| keys.id() == id).unwrap_or_default()
    }

    fn read<T>(&self, now: Instant, read: impl FnOnce(&Arc<KeySet>) -> T) -> Option<T> {
        let snapshot = self.shared().snapshot.load();
        let snapshot = snapshot.as_ref()?;
        if now >= snapshot.validity.fresh_until {
            self.ensure_driver();
        }
        snapshot.is_usable(now).then(|| read(&snapshot.keys))
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
        let now = now();
        let mut state = self.shared().lock();
        let decision = if self.shared().has_keys_other_than(seen, now) {
            RefreshDecision::RETRY_NOW
        } else {
            state.refresh.decide(query, now)
        };
        let cause = state.last_error.clone();
        drop(state);
        match decision {
            RefreshDecision::Wait { fetch } if Runtime::try_current().is_ok() && self.ensure_driver() => {
                self.wait(query, fetch, wait_budget, now)
            }
            RefreshDecision::Wait { .. } => KeyLookup::Unavailable { retry_after: RETRY_AFTER, cause },
            RefreshDecision::Unavailable { retry_after } => KeyLookup::Unavailable { retry_after, cause },
            RefreshDecision::NotFound => KeyLookup::NotFound,
        }
    }

    /// Waits until keys are usable or a fetch has failed.
    ///
    /// # Errors
    /// Why the first fetch that ended during the wait failed. The task keeps trying.
    pub(crate) async fn ready(&self) -> Result<(), Arc<KeysError>> {
        loop {
            let mut ended = self.shared().ended.subscribe();
            if self.current(now()).is_some() {
                return Ok(());
            }
            if !self.ensure_driver() {
                return Err(Arc::new(KeysError::refresh_task("no tokio runtime is available here")));
            }
            // `self` owns the sender, so this cannot fail and ends only with a fetch.
            let _ = ended.changed().await;
            match self.shared().failure(now()) {
                Some(error) => return Err(error),
                None => continue,
            }
        }
    }

    /// The status for operators.
    pub(crate) fn status(&self) -> KeysStatus {
        self.shared().status(now())
    }

    /// The guaranteed bounds.
    pub(crate) fn bounds(&self) -> KeysBounds {
        let RemoteConfig { policy, source, .. } = &self.shared().config;
        let retired_key = policy.max_freshness();
        KeysBounds {
            retired_key,
            retired_key_in_outage: retired_key.saturating_add(policy.stale_for),
            outage: policy.grace(GracePeriod::Full),
            outage_with_refusals: policy.grace(GracePeriod::Short),
            max_calls_per_minute: policy
                .max_fetches_per_minute()
                .saturating_mul(source.max_requests_per_fetch()),
        }
    }

    fn wait(&self, query: KeyQuery<'_>, fetch: u64, wait_budget: &mut WaitBudget, now: Instant) -> KeyLookup {
        let shared = self.shared();
        shared.woken.notify_one();
        match wait_budget.take(now, shared.config.max_wait) {
            Some(deadline) => KeyLookup::Pending(PendingKeys::new(shared.ended.subscribe(), fetch, deadline)),
            None if matches!(query, KeyQuery::Mismatch(Some(_))) => KeyLookup::NotFound,
            // Whether the key exists is still unknown.
            None => KeyLookup::Unavailable { retry_after: RETRY_AFTER, cause: None },
        }
    }

    /// Spawns the task unless it is running. False if there is no runtime to spawn it on.
    fn ensure_driver(&self) -> bool {
        let mut task = self.handle.lock_task();
        if task.as_ref().is_some_and(|task| !task.is_finished()) {
            return true;
        }
        let Ok(runtime) = Runtime::try_current() else { return false };
        let driver = Driver::new(Arc::clone(self.shared()));
        *task = Some(runtime.spawn(driver.run()).abort_handle());
        true
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
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
