//! The background task that fetches the keys of one issuer, and the state it shares with the handles.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use arc_swap::ArcSwapOption;
use tokio::sync::{Notify, watch};

use super::config::RemoteConfig;
use super::fetcher::{FetchedKeys, KeyFetcher};
use super::status::KeysStatus;
use crate::event::KeyFetch;
use crate::jwks::error::KeysError;
use crate::jwks::key_set::KeySet;
use crate::jwks::refresh::{GracePeriod, Next, Refresh, Validity};
use crate::time::now;

/// The state that the handles and the refresh task share.
pub(super) struct Shared {
    pub(super) config: RemoteConfig,
    /// The cached keys. Written under the lock of `state`, read without a lock.
    pub(super) snapshot: ArcSwapOption<Snapshot>,
    /// The number of the latest completed fetch.
    pub(super) ended: watch::Sender<u64>,
    /// Wakes the task after a request changed `state`.
    pub(super) woken: Notify,
    /// Never locked across an `await`, nor while the lock of the task is held. A runtime that is shutting
    /// down drops the driver as soon as it is spawned, and that drop takes this lock.
    state: Mutex<State>,
}

/// The state that refresh decisions depend on.
pub(super) struct State {
    pub(super) refresh: Refresh,
    /// Why the last fetch failed. `None` if it succeeded.
    pub(super) last_error: Option<Arc<KeysError>>,
}

/// The cached keys and how long they are valid.
pub(super) struct Snapshot {
    pub(super) keys: Arc<KeySet>,
    pub(super) validity: Validity,
}

impl Snapshot {
    pub(super) fn is_usable(&self, now: Instant) -> bool {
        now < self.validity.usable_until
    }
}

impl Shared {
    pub(super) fn new(config: RemoteConfig, refresh: Refresh, seed: Option<KeySet>) -> Self {
        let shared = Self {
            config,
            snapshot: ArcSwapOption::empty(),
            ended: watch::Sender::new(0),
            woken: Notify::new(),
            state: Mutex::new(State { refresh, last_error: None }),
        };
        shared.publish(&shared.lock(), seed.map(Arc::new));
        shared
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether usable keys are cached that are not the set `seen`.
    pub(super) fn has_keys_other_than(&self, seen: Option<&Arc<KeySet>>, now: Instant) -> bool {
        let snapshot = self.snapshot.load();
        let usable = snapshot.as_ref().filter(|snapshot| snapshot.is_usable(now));
        usable.is_some_and(|snapshot| seen.is_none_or(|seen| !Arc::ptr_eq(seen, &snapshot.keys)))
    }

    /// The error of the last fetch, unless usable keys are cached.
    pub(super) fn failure(&self, now: Instant) -> Option<Arc<KeysError>> {
        let state = self.lock();
        state.last_error.clone().filter(|_| !state.refresh.usable(now))
    }

    pub(super) fn status(&self, now: Instant) -> KeysStatus {
        let state = self.lock();
        let snapshot = self.snapshot.load();
        let validity = state.refresh.validity();
        KeysStatus {
            usable: state.refresh.usable(now),
            age: validity
                .and_then(|validity| validity.confirmed_at)
                .map(|at| now.saturating_duration_since(at)),
            next_refresh: state.refresh.next_fetch().map(|due| due.saturating_duration_since(now)),
            last_error: state.last_error.clone(),
            ..snapshot.as_ref().map(|snapshot| KeysStatus::of_static(&snapshot.keys)).unwrap_or_default()
        }
    }

    /// Records the result of a fetch, then wakes the requests that wait for it.
    fn complete(&self, fetched: Result<FetchedKeys, KeysError>) -> Result<(), Arc<KeysError>> {
        let (now, random) = (now(), fastrand::f64());
        let mut state = self.lock();
        let (outcome, keys) = match fetched {
            Ok(FetchedKeys { keys, freshness }) => {
                state.refresh.succeeded(freshness, now, random);
                (Ok(()), keys.map(Arc::new))
            }
            Err(error) => {
                state.refresh.failed(error.grace_period(), now, random);
                (Err(Arc::new(error)), None)
            }
        };
        state.last_error = outcome.as_ref().err().cloned();
        self.publish(&state, keys);
        let ended = state.refresh.latest_fetch();
        drop(state);
        self.ended.send_replace(ended);
        outcome
    }

    /// Replaces the snapshot. `None` keeps the cached keys and updates only their validity.
    fn publish(&self, state: &State, keys: Option<Arc<KeySet>>) {
        let keys = keys.or_else(|| Some(Arc::clone(&self.snapshot.load().as_ref()?.keys)));
        if let (Some(keys), Some(validity)) = (keys, state.refresh.validity()) {
            self.snapshot.store(Some(Arc::new(Snapshot { keys, validity })));
        }
    }

    /// Records that the task ended. A panic counts as a failed fetch, so that the backoff applies.
    fn task_ended(&self) {
        let mut state = self.lock();
        if std::thread::panicking() && state.refresh.in_flight() {
            state.refresh.failed(GracePeriod::Full, now(), fastrand::f64());
            state.last_error = Some(Arc::new(KeysError::refresh_task("the refresh task panicked")));
        } else {
            state.refresh.abandoned();
        }
        let ended = state.refresh.latest_fetch();
        drop(state);
        self.ended.send_replace(ended);
    }

    /// The number of cached keys, and the number of skipped keys in their set.
    fn key_counts(&self) -> (usize, usize) {
        let snapshot = self.snapshot.load();
        let keys = snapshot.as_ref().map(|snapshot| &*snapshot.keys);
        keys.map_or((0, 0), |keys| (keys.len(), keys.skipped().len()))
    }
}

/// The refresh task. However it ends, dropping it wakes every waiting request.
pub(super) struct Driver {
    shared: Arc<Shared>,
}

impl Driver {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Fetches the keys whenever a fetch is due. Never returns.
    pub(super) async fn run(self) {
        let mut fetcher = KeyFetcher::default();
        loop {
            let next = self.shared.lock().refresh.next(now());
            match next {
                Next::Fetch { whole } => self.fetch(&mut fetcher, whole).await,
                Next::At(due) => self.sleep_until(due).await,
            }
        }
    }

    async fn fetch(&self, fetcher: &mut KeyFetcher, whole: bool) {
        let config = &self.shared.config;
        let start = now();
        let fetched = fetcher.fetch(config, whole).await;
        let duration = now().saturating_duration_since(start);
        let changed = fetched.as_ref().is_ok_and(|fetched| fetched.keys.is_some());
        let outcome = self.shared.complete(fetched);
        let event = KeyFetch { issuer: &config.issuer, url: fetcher.url(config), duration };
        let (keys, skipped) = self.shared.key_counts();
        match outcome {
            Ok(()) if changed => event.loaded(keys, skipped),
            Ok(()) => event.not_modified(keys, skipped),
            Err(error) => event.failed(&*error, keys),
        }
    }

    /// Sleeps until `due`, or until a request wakes the task.
    async fn sleep_until(&self, due: Instant) {
        tokio::select! {
            () = tokio::time::sleep_until(due.into()) => {}
            () = self.shared.woken.notified() => {}
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.shared.task_ended();
    }
}
