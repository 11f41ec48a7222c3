//! The monotonic clock that freshness is measured with: the runtime's, which tests can pause.

use std::time::{Duration, Instant};

/// The longest time that is counted. It stands for longer ones, such as `Duration::MAX`.
const CENTURY: Duration = Duration::from_secs(100 * 366 * 24 * 60 * 60);

/// The current time.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// `from` plus `by`, at most a century. A time that is too long to count must not become zero: what waits for
/// it would happen over and over.
pub(crate) fn later(from: Instant, by: Duration) -> Instant {
    from.checked_add(by.min(CENTURY)).unwrap_or(from)
}
