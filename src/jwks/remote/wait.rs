//! How long one request waits for keys.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::time::later;

/// How many fetches one request waits for: one that was under way, and one of its own.
const MAX_WAITS: u8 = 2;

/// What a request has waited so far; each has its own.
#[derive(Debug, Default)]
pub(crate) struct WaitBudget {
    waits: u8,
    until: Option<Instant>,
}

impl WaitBudget {
    /// Until when it may wait once more; `None` when it has waited often enough.
    pub(super) fn wait(&mut self, now: Instant, max_wait: Duration) -> Option<Instant> {
        if self.waits >= MAX_WAITS {
            return None;
        }
        self.waits = self.waits.saturating_add(1);
        Some(*self.until.get_or_insert_with(|| later(now, max_wait)))
    }
}

/// Waits for the end of a fetch. Dropping it cancels nothing but the waiting.
pub(crate) struct PendingKeys(Pin<Box<dyn Future<Output = Awaited> + Send>>);

/// How waiting for keys ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Awaited {
    /// The fetch has ended, well or badly: look again.
    Ended,
    /// The request has waited as long as it may.
    TimedOut,
}

impl PendingKeys {
    /// Ready when `ended` has come to `fetch`, or at `until`.
    pub(super) fn new(mut ended: watch::Receiver<u64>, fetch: u64, until: Instant) -> Self {
        Self(Box::pin(async move {
            let fetched = ended.wait_for(|ended| *ended >= fetch);
            match tokio::time::timeout_at(until.into(), fetched).await {
                Ok(_) => Awaited::Ended,
                Err(_) => Awaited::TimedOut,
            }
        }))
    }
}

impl Future for PendingKeys {
    type Output = Awaited;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Awaited> {
        self.0.as_mut().poll(cx)
    }
}
