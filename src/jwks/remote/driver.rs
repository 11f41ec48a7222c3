//! The task that fetches, and what it shares with the handles.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use arc_swap::ArcSwapOption;
use tokio::sync::{Notify, watch};

use super::source::{Answer, KeyFetcher};
use super::{KeysStatus, RemoteConfig, lock};
use crate::event::KeyFetch;
use crate::jwks::key_set::KeySet;
use crate::jwks::refresh::{Next, Refresh, Validity};
use crate::time::now;
use crate::transport::FetchError;

/// What the handles and the task have in common.
pub(super) struct Shared {
    pub(super) config: RemoteConfig,
    /// The keys in hand; written under the lock of `state`, read without.
    pub(super) snapshot: ArcSwapOption<Snapshot>,
    /// The number of the latest fetch that has ended.
    pub(super) ended: watch::Sender<u64>,
    /// Told when a demand wants the task to look at `state` again.
    pub(super) woken: Notify,
    /// Never locked over an `await`, nor when the lock of the task is taken: spawning on a runtime
    /// that shuts down drops the driver at once, which takes this one.
    state: Mutex<State>,
}

/// What is decided by.
pub(super) struct State {
    pub(super) refresh: Refresh,
    /// Why the last fetch failed; `None` if it did not.
    pub(super) last_error: Option<Arc<FetchError>>,
}

/// The keys in hand and their times.
pub(super) struct Snapshot {
    pub(super) keys: Arc<KeySet>,
    pub(super) held: Validity,
}

impl Snapshot {
    pub(super) fn usable(&self, now: Instant) -> bool {
        now < self.held.usable_until
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
        lock(&self.state)
    }

    /// Whether there are keys to use that are not those `seen`.
    pub(super) fn holds_other_than(&self, seen: Option<&Arc<KeySet>>, now: Instant) -> bool {
        let snapshot = self.snapshot.load();
        let usable = snapshot.as_ref().filter(|snapshot| snapshot.usable(now));
        usable.is_some_and(|snapshot| seen.is_none_or(|seen| !Arc::ptr_eq(seen, &snapshot.keys)))
    }

    /// Why there are no keys to use, if a fetch has failed.
    pub(super) fn failure(&self, now: Instant) -> Option<Arc<FetchError>> {
        let state = self.lock();
        state.last_error.clone().filter(|_| !state.refresh.usable(now))
    }

    pub(super) fn status(&self, now: Instant) -> KeysStatus {
        let state = self.lock();
        let snapshot = self.snapshot.load();
        let held = state.refresh.held();
        KeysStatus {
            usable: state.refresh.usable(now),
            age: held.and_then(|held| held.vouched_at).map(|at| now.saturating_duration_since(at)),
            next_refresh: state.refresh.next_fetch().map(|due| due.saturating_duration_since(now)),
            last_error: state.last_error.clone(),
            ..snapshot.as_ref().map(|snapshot| KeysStatus::of_static(&snapshot.keys)).unwrap_or_default()
        }
    }

    /// Takes in what a fetch brought, then tells those who wait for it.
    fn conclude(&self, answer: Result<Answer, FetchError>) -> Result<(), Arc<FetchError>> {
        let (now, random) = (now(), fastrand::f64());
        let mut state = self.lock();
        let (concluded, keys) = match answer {
            Ok(Answer { keys, served }) => {
                state.refresh.succeeded(served, now, random);
                (Ok(()), keys.map(Arc::new))
            }
            Err(error) => {
                state.refresh.failed(error.is_outage(), now, random);
                (Err(Arc::new(error)), None)
            }
        };
        state.last_error = concluded.as_ref().err().cloned();
        self.publish(&state, keys);
        let ended = state.refresh.fetches();
        drop(state);
        self.ended.send_replace(ended);
        concluded
    }

    /// Shows `keys`, or the keys in hand, with the times that now go for them.
    fn publish(&self, state: &State, keys: Option<Arc<KeySet>>) {
        let keys = keys.or_else(|| Some(Arc::clone(&self.snapshot.load().as_ref()?.keys)));
        if let (Some(keys), Some(held)) = (keys, state.refresh.held()) {
            self.snapshot.store(Some(Arc::new(Snapshot { keys, held })));
        }
    }

    /// The task is gone. If it panicked, the fetch counts as failed, lest it be repeated at once.
    fn abandon(&self) {
        let mut state = self.lock();
        if std::thread::panicking() && state.refresh.in_flight() {
            state.refresh.failed(true, now(), fastrand::f64());
            state.last_error = Some(Arc::new(FetchError::transport("the fetch panicked")));
        } else {
            state.refresh.abandoned();
        }
        let ended = state.refresh.fetches();
        drop(state);
        self.ended.send_replace(ended);
    }

    /// How many keys are in hand, and how many of their set cannot be used.
    fn count(&self) -> (usize, usize) {
        let snapshot = self.snapshot.load();
        let keys = snapshot.as_ref().map(|snapshot| &*snapshot.keys);
        keys.map_or((0, 0), |keys| (keys.len(), keys.skipped().len()))
    }
}

/// The task. However it ends, nobody goes on waiting for it.
pub(super) struct Driver {
    shared: Arc<Shared>,
}

impl Driver {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Fetches whenever it is time; never returns.
    pub(super) async fn run(self) {
        let mut fetcher = KeyFetcher::default();
        loop {
            let next = self.shared.lock().refresh.next(now());
            match next {
                Next::Fetch { whole } => self.fetch(&mut fetcher, whole).await,
                Next::At(due) => self.rest(due).await,
            }
        }
    }

    async fn fetch(&self, fetcher: &mut KeyFetcher, whole: bool) {
        let config = &self.shared.config;
        let start = now();
        let answer = fetcher.fetch(config, whole).await;
        let duration = now().saturating_duration_since(start);
        let changed = answer.as_ref().is_ok_and(|answer| answer.keys.is_some());
        let concluded = self.shared.conclude(answer);
        let event = KeyFetch { issuer: &config.issuer, url: fetcher.url(config), duration };
        let (keys, skipped) = self.shared.count();
        match concluded {
            Ok(()) if changed => event.loaded(keys, skipped),
            Ok(()) => event.not_modified(keys, skipped),
            Err(error) => event.failed(&*error, keys),
        }
    }

    async fn rest(&self, due: Instant) {
        tokio::select! {
            () = tokio::time::sleep_until(due.into()) => {}
            () = self.shared.woken.notified() => {}
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.shared.abandon();
    }
}
