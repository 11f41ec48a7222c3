//! Waiting for a fetch of keys, within the limits of one request.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::time::later;

/// The maximum number of fetches that one request waits for: one that was in flight, and one that it caused.
const MAX_WAITS: u8 = 2;

/// The remaining waits of one request, and their common deadline.
#[derive(Debug, Default)]
pub(crate) struct WaitBudget {
    waits: u8,
    deadline: Option<Instant>,
}

impl WaitBudget {
    /// Takes one wait and returns the deadline. `None` if no wait is left.
    ///
    /// The first wait sets the deadline to `max_wait` from `now`.
    pub(super) fn take(&mut self, now: Instant, max_wait: Duration) -> Option<Instant> {
        if self.waits >= MAX_WAITS {
            return None;
        }
        self.waits = self.waits.saturating_add(1);
        Some(*self.deadline.get_or_insert_with(|| later(now, max_wait)))
    }
}

/// A future that completes with a fetch of keys. Dropping it does not cancel the fetch.
pub(crate) struct PendingKeys(Pin<Box<dyn Future<Output = WaitOutcome> + Send>>);

/// How waiting for keys ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum WaitOutcome {
    /// The fetch completed or failed. Look up the key again.
    FetchEnded,
    /// The deadline passed.
    TimedOut,
}

impl PendingKeys {
    /// Completes when `ended` reaches the number `fetch`, or at `deadline`.
    pub(super) fn new(mut ended: watch::Receiver<u64>, fetch: u64, deadline: Instant) -> Self {
        Self(Box::pin(async move {
            let fetched = ended.wait_for(|ended| *ended >= fetch);
            match tokio::time::timeout_at(deadline.into(), fetched).await {
                Ok(_) => WaitOutcome::FetchEnded,
                Err(_) => WaitOutcome::TimedOut,
            }
        }))
    }
}

impl Future for PendingKeys {
    type Output = WaitOutcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<WaitOutcome> {
        self.0.as_mut().poll(cx)
    }
}
