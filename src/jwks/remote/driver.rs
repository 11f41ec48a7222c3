//! The background task that fetches the keys of one issuer.
//!
//! Why: while a fetch is in flight, the task sends a heartbeat four times a second. A runtime that nothing
//! drives sends none, and the next request that needs the keys starts another task on its own runtime.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, sleep_until};

use super::fetcher::KeyFetcher;
use super::shared::Shared;
use crate::event::KeyFetch;
use crate::jwks::refresh::Next;
use crate::observe::{self, KeyFetchOutcome};
use crate::time::{Moment, now};

/// The interval between two heartbeats.
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(250);

/// The refresh task. However it ends, dropping it wakes every waiting request.
pub(super) struct Driver {
    shared: Arc<Shared>,
    number: u64,
}

impl Driver {
    pub(super) fn new(shared: Arc<Shared>, number: u64) -> Self {
        Self { shared, number }
    }

    /// Fetches the keys whenever a fetch is due. Returns when nobody needs them, or when another driver has
    /// taken over.
    pub(super) async fn run(self) {
        let mut fetcher = self.shared.take_fetcher();
        loop {
            match self.shared.next(self.number) {
                Some(Next::Fetch { bypass_caches, .. }) => self.fetch(&mut fetcher, bypass_caches).await,
                Some(Next::At(due)) => self.wait_until(due, &mut fetcher).await,
                Some(Next::Idle) => return self.shared.keep_fetcher(fetcher),
                None => return,
            }
        }
    }

    async fn fetch(&self, fetcher: &mut KeyFetcher, bypass_caches: bool) {
        let config = &self.shared.config;
        let start = now();
        let fetched = {
            let mut fetch = pin!(fetcher.fetch(config, bypass_caches));
            loop {
                tokio::select! {
                    fetched = fetch.as_mut() => break fetched,
                    () = sleep(HEARTBEAT_INTERVAL) => if !self.shared.heartbeat(self.number) { return },
                }
            }
        };
        let duration = now().saturating_duration_since(start);
        let changed = fetched.as_ref().is_ok_and(|fetched| fetched.keys.is_some());
        let metadata_error = fetcher.metadata_error();
        let Some(outcome) = self.shared.complete(self.number, fetched, metadata_error) else { return };
        let url = outcome.as_ref().err().and_then(|error| error.url().cloned());
        let url = url.unwrap_or_else(|| fetcher.url(config));
        let log = &mut fetcher.failure_log;
        let in_full = outcome.as_ref().err().is_some_and(|error| {
            let now = config.now();
            log.failed(error, self.shared.is_usable(now), now)
        });
        let (failures, (keys, skipped)) = (log.failures(), self.shared.key_counts());
        let event = KeyFetch { issuer: &config.issuer, url: &url, duration, failures };
        config.observers.keys_fetched(observe::KeyFetch {
            issuer: &config.issuer,
            resolver_pattern: None,
            outcome: match outcome {
                Ok(()) if changed => KeyFetchOutcome::Loaded,
                Ok(()) => KeyFetchOutcome::NotModified,
                Err(_) => KeyFetchOutcome::Failed,
            },
            duration,
            keys,
            failures,
        });
        match outcome {
            Ok(()) => {
                log.succeeded();
                if changed { event.loaded(keys, skipped) } else { event.not_modified(keys, skipped) }
            }
            Err(error) if in_full => event.failed(&*error, error.hint(), keys),
            Err(_) => event.failed_again(keys),
        }
    }

    /// Waits until `due`, or until a request wakes the task, or until the metadata was read.
    async fn wait_until(&self, due: Moment, fetcher: &mut KeyFetcher) {
        tokio::select! {
            () = sleep_until(due.monotonic().into()) => {}
            () = self.shared.woken.notified() => {}
            has_moved = fetcher.metadata_read(&self.shared.config) => {
                self.shared.metadata_read(fetcher.metadata_error(), has_moved);
            }
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.shared.driver_ended(self.number);
    }
}
