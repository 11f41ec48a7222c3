//! The keys of one issuer: fetched by a task in the background, at hand for requests without waiting.
//!
//! A request that finds its key reads a snapshot and takes no lock. One that does not makes a demand
//! and may wait for a fetch, which it shares with all others and cannot cancel by going away.
//!
//! Why: the task is spawned at the first need rather than at construction, which so needs no
//! runtime, and anew when the runtime that ran it is gone. It ends with the last handle.

mod driver;
mod source;
mod status;
mod wait;

use std::hash::RandomState;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle as Runtime;
use tokio::task::AbortHandle;

use self::driver::{Driver, Shared};
pub(crate) use self::source::KeySource;
pub use self::status::{KeysStatus, SkippedKey};
pub(crate) use self::wait::{PendingKeys, WaitBudget};
use super::error::KeysError;
use super::key_set::{KeySet, KeySetId};
use super::refresh::{KeyQuery, Refresh, RefreshDecision, RefreshPolicy};
use crate::crypto::AlgorithmSet;
use crate::time::now;
use crate::transport::{FetchLimits, HttpClient};

/// When a request may come again, where nothing better is known.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Whose keys are fetched, from where and how.
pub(crate) struct RemoteConfig {
    /// The identifier of the issuer, to the letter.
    pub(crate) issuer: Arc<str>,
    /// Where its keys are.
    pub(crate) source: KeySource,
    /// What sends the requests.
    pub(crate) client: Arc<dyn HttpClient>,
    /// The algorithms that its keys may be used with. Default all.
    pub(crate) allowed: AlgorithmSet,
    /// When keys are fetched and how long they are used.
    pub(crate) policy: RefreshPolicy,
    /// What one document may cost. Default 5 s and 512 KiB.
    pub(crate) limits: FetchLimits,
    /// The longest that one request waits for keys, in all. Default 3 s.
    pub(crate) max_wait: Duration,
}

impl RemoteConfig {
    /// With the defaults.
    pub(crate) fn new(issuer: &str, source: KeySource, client: Arc<dyn HttpClient>) -> Self {
        Self {
            issuer: issuer.into(),
            source,
            client,
            allowed: AlgorithmSet::ALL,
            policy: RefreshPolicy::default(),
            limits: FetchLimits { timeout: Duration::from_secs(5), max_body_bytes: 512 * 1024 },
            max_wait: Duration::from_secs(3),
        }
    }
}

/// The keys of one issuer. A clone is another handle on the same keys.
#[derive(Clone)]
pub(crate) struct RemoteKeys {
    handle: Arc<Handle>,
}

/// Held by the handles and not by the task, whose end is the end of this.
struct Handle {
    shared: Arc<Shared>,
    task: Mutex<Option<AbortHandle>>,
}

/// What a request is told that found no key.
pub(crate) enum KeyLookup {
    /// Await this, then look again.
    Wait(PendingKeys),
    /// The keys are out of reach.
    Unavailable {
        /// When it is worth while to try again: at least a second from now.
        retry_after: Duration,
        /// Why the last fetch failed, where one did.
        cause: Option<Arc<KeysError>>,
    },
    /// There is no such key.
    Refuse,
}

/// What a refresh policy guarantees.
pub(crate) struct KeysBounds {
    /// The longest that a withdrawn key is used while the server answers.
    pub(crate) retired: Duration,
    /// The same while it does not.
    pub(crate) retired_in_outage: Duration,
    /// How long the server may be out of reach.
    pub(crate) outage: Duration,
    /// The most HTTP requests in 60 s.
    pub(crate) max_calls_per_minute: u32,
}

impl RemoteKeys {
    /// Keys that are fetched at the first need: nothing is sent now, and no runtime is needed.
    ///
    /// `seed` may be used at once and for `stale_for`; a fetch is due at the first need all the same.
    pub(crate) fn new(config: RemoteConfig, seed: Option<KeySet>) -> Self {
        let (policy, hasher) = (config.policy.clone(), RandomState::new());
        let refresh = match seed {
            Some(_) => Refresh::seeded(policy, hasher, now()),
            None => Refresh::new(policy, hasher, now()),
        };
        let shared = Arc::new(Shared::new(config, refresh, seed));
        Self { handle: Arc::new(Handle { shared, task: Mutex::new(None) }) }
    }

    /// The keys in hand that may be used at `now`, which is a [`now()`].
    pub(crate) fn current(&self, now: Instant) -> Option<Arc<KeySet>> {
        self.look(now, Arc::clone)
    }

    /// Whether the keys in hand that may be used at `now` are those of that set.
    pub(crate) fn are(&self, id: KeySetId, now: Instant) -> bool {
        self.look(now, |keys| keys.id() == id).unwrap_or_default()
    }

    fn look<T>(&self, now: Instant, at: impl FnOnce(&Arc<KeySet>) -> T) -> Option<T> {
        let snapshot = self.shared().snapshot.load();
        let snapshot = snapshot.as_ref()?;
        if now >= snapshot.held.fresh_until {
            self.keep_driver();
        }
        snapshot.usable(now).then(|| at(&snapshot.keys))
    }

    /// What a request is told that looked at the keys `seen` and misses `want` among them.
    ///
    /// `wait_budget` is the request's own, one for all its demands.
    pub(crate) fn demand(
        &self,
        want: KeyQuery<'_>,
        seen: Option<&Arc<KeySet>>,
        wait_budget: &mut WaitBudget,
    ) -> KeyLookup {
        let now = now();
        let mut state = self.shared().lock();
        let demand = if self.shared().holds_other_than(seen, now) {
            RefreshDecision::LOOK_AGAIN
        } else {
            state.refresh.demand(want, now)
        };
        let cause = state.last_error.clone();
        drop(state);
        match demand {
            RefreshDecision::Wait { fetch } if Runtime::try_current().is_ok() && self.keep_driver() => {
                self.wait(want, fetch, wait_budget, now)
            }
            RefreshDecision::Wait { .. } => KeyLookup::Unavailable { retry_after: RETRY_AFTER, cause },
            RefreshDecision::Unavailable { retry_after } => KeyLookup::Unavailable { retry_after, cause },
            RefreshDecision::Refuse => KeyLookup::Refuse,
        }
    }

    /// Waits until keys are in hand.
    ///
    /// # Errors
    /// What the first fetch failed with that ended meanwhile; the next is under way or will be.
    pub(crate) async fn ready(&self) -> Result<(), Arc<KeysError>> {
        loop {
            let mut ended = self.shared().ended.subscribe();
            if self.current(now()).is_some() {
                return Ok(());
            }
            if !self.keep_driver() {
                return Err(Arc::new(KeysError::refresh_task("no tokio runtime is available here")));
            }
            // The sender is in `self`, so that this ends with a fetch only.
            let _ = ended.changed().await;
            match self.shared().failure(now()) {
                Some(error) => return Err(error),
                None => continue,
            }
        }
    }

    /// How the keys are, for an operator.
    pub(crate) fn status(&self) -> KeysStatus {
        self.shared().status(now())
    }

    /// What the configuration guarantees.
    pub(crate) fn bounds(&self) -> KeysBounds {
        let RemoteConfig { policy, source, .. } = &self.shared().config;
        let retired = policy.max_freshness();
        KeysBounds {
            retired,
            retired_in_outage: retired.saturating_add(policy.stale_for),
            outage: policy.stale_for,
            max_calls_per_minute: policy
                .max_fetches_per_minute()
                .saturating_mul(source.max_requests_per_fetch()),
        }
    }

    fn wait(&self, want: KeyQuery<'_>, fetch: u64, wait_budget: &mut WaitBudget, now: Instant) -> KeyLookup {
        let shared = self.shared();
        shared.woken.notify_one();
        match wait_budget.wait(now, shared.config.max_wait) {
            Some(until) => KeyLookup::Wait(PendingKeys::new(shared.ended.subscribe(), fetch, until)),
            None if matches!(want, KeyQuery::Mismatch(Some(_))) => KeyLookup::Refuse,
            // Whether there is such a key is still not known.
            None => KeyLookup::Unavailable { retry_after: RETRY_AFTER, cause: None },
        }
    }

    /// Sees to it that the task runs; false where there is no runtime to spawn it on.
    fn keep_driver(&self) -> bool {
        let mut task = lock(&self.handle.task);
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

impl Drop for Handle {
    fn drop(&mut self) {
        if let Some(task) = lock(&self.task).take() {
            task.abort();
        }
    }
}

/// A lock that is held for moments and leaves its value whole, even where its holder panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod tests;
