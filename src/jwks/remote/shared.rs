//! The state that the handles and the refresh task of one issuer share.

use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
use tokio::sync::{Notify, watch};

use super::config::RemoteConfig;
use super::fetcher::{FetchFailure, FetchedKeys, KeyFetcher};
use super::status::KeysStatus;
use crate::jwks::error::KeysError;
use crate::jwks::key_set::KeySet;
use crate::jwks::refresh::{Failure, GracePeriod, Next, Refresh, Validity};
use crate::time::Moment;

/// The shared state.
pub(super) struct Shared {
    pub(super) config: RemoteConfig,
    /// The cached keys. Written under the lock of `state`, read without a lock.
    pub(super) snapshot: ArcSwapOption<Snapshot>,
    /// Whether the keys verified a token since the last scheduled fetch.
    pub(super) used: AtomicBool,
    /// The number of the latest completed fetch.
    pub(super) ended: watch::Sender<u64>,
    /// The metadata and the ETag that the last task has learned, for the next one.
    fetcher: Mutex<KeyFetcher>,
    /// Wakes the task after a request changed `state`.
    pub(super) woken: Notify,
    /// Never locked across an `await`. A runtime that is shutting down drops the driver as soon as it is
    /// spawned, and that drop takes this lock.
    state: Mutex<State>,
}

/// The state that refresh decisions depend on.
pub(super) struct State {
    pub(super) refresh: Refresh,
    /// Why the last fetch failed. `None` if it succeeded.
    pub(super) last_error: Option<Arc<KeysError>>,
    /// Why the metadata could not be read last. `None` if it could.
    metadata_error: Option<Arc<KeysError>>,
    /// The number of the latest driver.
    latest_driver: u64,
    /// The driver that carries out the decisions. An earlier one whose runtime stood still is ignored.
    driver: Option<u64>,
    /// The issuers that use the keys. At zero, no driver is spawned any more.
    users: usize,
    is_closed: bool,
}

/// The cached keys and how long they are valid.
pub(super) struct Snapshot {
    pub(super) keys: Arc<KeySet>,
    pub(super) validity: Validity,
    /// When a use of the keys causes a fetch.
    pub(super) refresh_from: Moment,
}

impl Snapshot {
    pub(super) fn is_usable(&self, now: Moment) -> bool {
        self.validity.is_usable(now)
    }
}

/// A driver to spawn.
pub(super) struct NewDriver {
    pub(super) number: u64,
    /// It replaces one that stands still.
    pub(super) is_replacement: bool,
}

impl State {
    /// The driver to spawn. `None` if one is alive, or none is needed any more.
    pub(super) fn new_driver(&mut self, now: Moment) -> Option<NewDriver> {
        let is_replacement = self.driver.is_some();
        if self.is_closed || (is_replacement && !self.refresh.take_over(now)) {
            return None;
        }
        self.latest_driver = self.latest_driver.saturating_add(1);
        self.driver = Some(self.latest_driver);
        Some(NewDriver { number: self.latest_driver, is_replacement })
    }
}

impl Shared {
    pub(super) fn new(config: RemoteConfig, refresh: Refresh, seed: Option<KeySet>) -> Self {
        let shared = Self {
            config,
            snapshot: ArcSwapOption::empty(),
            used: AtomicBool::new(false),
            ended: watch::Sender::new(0),
            fetcher: Mutex::default(),
            woken: Notify::new(),
            state: Mutex::new(State {
                refresh,
                last_error: None,
                metadata_error: None,
                latest_driver: 0,
                driver: None,
                users: 0,
                is_closed: false,
            }),
        };
        shared.publish(&shared.lock(), seed.map(Arc::new));
        shared
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that one more issuer uses the keys. False if the last one was removed: the
    /// keys are closed permanently.
    pub(super) fn attach(&self) -> bool {
        let mut state = self.lock();
        if !state.is_closed {
            state.users = state.users.saturating_add(1);
        }
        !state.is_closed
    }

    /// Records that an issuer does not use the keys any more. With the last one, dismisses the driver for
    /// good, completes every wait and returns true.
    pub(super) fn detach(&self) -> bool {
        let mut state = self.lock();
        state.users = state.users.saturating_sub(1);
        if state.users > 0 {
            return false;
        }
        state.driver = None;
        state.is_closed = true;
        drop(state);
        self.ended.send_replace(u64::MAX);
        true
    }

    pub(super) fn is_closed(&self) -> bool {
        self.lock().is_closed
    }

    /// Takes what the last task has learned. A default value if that task still has it.
    pub(super) fn take_fetcher(&self) -> KeyFetcher {
        let fetcher = mem::take(&mut *self.fetcher.lock().unwrap_or_else(PoisonError::into_inner));
        fetcher.with_cached(self.snapshot.load().as_ref().map(|snapshot| snapshot.keys.id()))
    }

    /// Keeps what a task has learned, without the read of the metadata in flight.
    pub(super) fn keep_fetcher(&self, fetcher: KeyFetcher) {
        *self.fetcher.lock().unwrap_or_else(PoisonError::into_inner) = fetcher.without_read();
    }

    /// Whether usable keys are cached that are not the set `seen`.
    pub(super) fn has_keys_other_than(&self, seen: Option<&Arc<KeySet>>, now: Moment) -> bool {
        let snapshot = self.snapshot.load();
        let usable = snapshot.as_ref().filter(|snapshot| snapshot.is_usable(now));
        usable.is_some_and(|snapshot| seen.is_none_or(|seen| !Arc::ptr_eq(seen, &snapshot.keys)))
    }

    /// Whether usable keys are cached.
    pub(super) fn is_usable(&self, now: Moment) -> bool {
        self.has_keys_other_than(None, now)
    }

    /// Records that a request waited for keys and got none. Returns whether stale ones are usable now.
    pub(super) fn wait_timed_out(&self, state: &mut State, now: Moment) -> bool {
        let is_usable = state.refresh.wait_timed_out(now, self.config.max_wait);
        self.publish(state, None);
        is_usable
    }

    /// The error of the last fetch, unless usable keys are cached.
    pub(super) fn failure(&self, now: Moment) -> Option<Arc<KeysError>> {
        let state = self.lock();
        state.last_error.clone().filter(|_| !state.refresh.usable(now))
    }

    pub(super) fn status(&self, issuer: &Arc<str>, now: Moment) -> KeysStatus {
        let state = self.lock();
        let keys = self.snapshot.load().as_ref().map(|snapshot| snapshot.keys.of(issuer));
        let validity = state.refresh.validity();
        KeysStatus {
            usable: validity.is_some_and(|validity| !now.has_reached(validity.grace_until)),
            age: validity.and_then(|validity| validity.confirmed_at).map(|at| now.since(at)),
            next_refresh: (!state.refresh.in_flight()).then(|| now.until(state.refresh.due())),
            last_error: state.last_error.clone(),
            metadata_error: state.metadata_error.clone(),
            ..keys.map(|keys| KeysStatus::of_static(&keys)).unwrap_or_default()
        }
    }

    /// The next action of this driver. `None` if another one has taken over.
    pub(super) fn next(&self, driver: u64) -> Option<Next> {
        let mut state = self.lock();
        if state.driver != Some(driver) {
            return None;
        }
        let now = self.config.now();
        // A use after this swap reads the time after it, sees that the refresh is due and wakes the driver.
        let used = state.refresh.is_due(now) && self.used.swap(false, Ordering::AcqRel);
        let next = state.refresh.next(now, used);
        match next {
            Next::Fetch { is_scheduled, .. } => {
                if used && !is_scheduled {
                    self.used.store(true, Ordering::Release);
                }
                self.publish(&state, None);
            }
            Next::Idle => state.driver = None,
            Next::At(_) => {}
        }
        Some(next)
    }

    /// Records a heartbeat of this driver. False if another one has taken over.
    pub(super) fn heartbeat(&self, driver: u64) -> bool {
        let mut state = self.lock();
        let is_current = state.driver == Some(driver);
        if is_current {
            state.refresh.heartbeat(self.config.now());
        }
        is_current
    }

    /// Records a read of the metadata between two fetches.
    pub(super) fn metadata_read(&self, error: Option<&Arc<KeysError>>, has_moved: bool) {
        let mut state = self.lock();
        state.metadata_error = error.cloned();
        if has_moved {
            state.refresh.moved(self.config.now());
        }
    }

    /// Records the result of a fetch, then wakes the requests that wait for it. `None` if another driver has
    /// taken over.
    pub(super) fn complete(
        &self,
        driver: u64,
        fetched: Result<FetchedKeys, FetchFailure>,
        metadata_error: Option<&Arc<KeysError>>,
    ) -> Option<Result<(), Arc<KeysError>>> {
        let (now, random) = (self.config.now(), fastrand::f64());
        let mut state = self.lock();
        if state.driver != Some(driver) {
            return None;
        }
        let (outcome, keys) = match fetched {
            Ok(FetchedKeys { keys, freshness }) => {
                state.refresh.succeeded(freshness, now, random);
                (Ok(()), keys.map(Arc::new))
            }
            Err(FetchFailure { error, retry_after }) => {
                let grace = error.grace_period();
                state.refresh.failed(Failure { grace, retry_after }, now, random);
                (Err(error), None)
            }
        };
        state.last_error = outcome.as_ref().err().cloned();
        state.metadata_error = metadata_error.cloned();
        self.publish(&state, keys);
        self.announce(state);
        Some(outcome)
    }

    /// Records that the task of this driver ended. A panic counts as a failed fetch, so that the backoff
    /// applies.
    pub(super) fn driver_ended(&self, driver: u64) {
        let mut state = self.lock();
        if state.driver != Some(driver) {
            return;
        }
        state.driver = None;
        if std::thread::panicking() && state.refresh.in_flight() {
            let failure = Failure { grace: GracePeriod::Full, retry_after: None };
            state.refresh.failed(failure, self.config.now(), fastrand::f64());
            state.last_error = Some(Arc::new(KeysError::refresh_task("the refresh task panicked")));
        } else {
            state.refresh.abandoned();
        }
        // The next use of the keys spawns the task again, however far away the next refresh is: a use that
        // sees this snapshot wakes no task later. In this order, so that no use sees the earlier one.
        self.publish_from(&state, None, self.config.now());
        self.used.store(false, Ordering::Release);
        self.announce(state);
    }

    /// Wakes the requests that wait for the latest fetch.
    fn announce(&self, state: MutexGuard<'_, State>) {
        let ended = state.refresh.latest_fetch();
        drop(state);
        self.ended.send_replace(ended);
    }

    /// Replaces the snapshot. `None` keeps the cached keys and updates only their validity.
    fn publish(&self, state: &State, keys: Option<Arc<KeySet>>) {
        self.publish_from(state, keys, state.refresh.due());
    }

    fn publish_from(&self, state: &State, keys: Option<Arc<KeySet>>, refresh_from: Moment) {
        let keys = keys.or_else(|| Some(Arc::clone(&self.snapshot.load().as_ref()?.keys)));
        if let (Some(keys), Some(validity)) = (keys, state.refresh.validity()) {
            self.snapshot.store(Some(Arc::new(Snapshot { keys, validity, refresh_from })));
        }
    }

    /// The number of cached keys, and the number of skipped keys in their set.
    pub(super) fn key_counts(&self) -> (usize, usize) {
        let snapshot = self.snapshot.load();
        let keys = snapshot.as_ref().map(|snapshot| &*snapshot.keys);
        keys.map_or((0, 0), |keys| (keys.len(), keys.skipped()))
    }
}
