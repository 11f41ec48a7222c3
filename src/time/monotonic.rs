//! The clock that freshness is measured on: the runtime's, which nobody sets and which tests can pause.

use std::time::{Duration, Instant};

/// What stands for any longer time, such as `Duration::MAX`.
const CENTURY: Duration = Duration::from_secs(100 * 366 * 24 * 60 * 60);

/// The time now.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// `by` later, at most a century. A time that is too long to count must not become none at all: what
/// waits for it would happen over and over.
pub(crate) fn later(from: Instant, by: Duration) -> Instant {
    from.checked_add(by.min(CENTURY)).unwrap_or(from)
}
