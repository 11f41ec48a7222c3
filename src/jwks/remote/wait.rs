//! Waiting for a fetch of keys, within the limits of one request.
//!
//! Why: a waiting request checks that the fetch makes progress. The fetch may run on another runtime, which
//! nothing drives.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::time::timeout_at;

use crate::jwks::refresh::STALL;
use crate::time::{later, now};

/// The maximum number of fetches that one request waits for. The deadline ends the wait much earlier.
const MAX_WAITS: u8 = 16;

/// How often a waiting request checks that the fetch makes progress.
const CHECK_INTERVAL: Duration = STALL;

/// The remaining waits of one request, and their common deadline.
#[derive(Debug, Default)]
pub(crate) struct WaitBudget {
    waits: u8,
    deadline: Option<Instant>,
}

impl WaitBudget {
    /// The time that is left to wait. The first call sets the deadline to `max_wait` from `now`.
    pub(crate) fn left(&mut self, now: Instant, max_wait: Duration) -> Duration {
        let deadline = *self.deadline.get_or_insert_with(|| later(now, max_wait));
        deadline.saturating_duration_since(now)
    }

    /// Takes one wait and returns its deadline. `None` if no wait is left.
    pub(crate) fn take(&mut self) -> Option<Instant> {
        let deadline = self.deadline.filter(|_| self.waits < MAX_WAITS)?;
        self.waits = self.waits.saturating_add(1);
        Some(deadline)
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
    /// Completes when `ended` reaches the number `fetch`, or at `deadline`. Calls `check` once per second.
    pub(crate) fn new(
        mut ended: watch::Receiver<u64>,
        fetch: u64,
        deadline: Instant,
        check: impl Fn() + Send + 'static,
    ) -> Self {
        Self(Box::pin(async move {
            let mut fetched = pin!(ended.wait_for(|ended| *ended >= fetch));
            loop {
                let next_check = later(now(), CHECK_INTERVAL).min(deadline);
                match timeout_at(next_check.into(), fetched.as_mut()).await {
                    Ok(_) => return WaitOutcome::FetchEnded,
                    Err(_) if now() >= deadline => return WaitOutcome::TimedOut,
                    Err(_) => check(),
                }
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
