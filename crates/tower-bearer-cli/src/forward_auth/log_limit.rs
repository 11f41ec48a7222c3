//! Limits how often one kind of line is logged.
//!
//! Why not the limiter of the library: it is private, and it counts the kinds of `Rejection`.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// At most one line per second. The next line has the number of those left out.
#[derive(Debug)]
pub(crate) struct LogLimit {
    second: AtomicU64,
    suppressed: AtomicU64,
}

impl LogLimit {
    pub(crate) const fn new() -> Self {
        Self { second: AtomicU64::new(0), suppressed: AtomicU64::new(0) }
    }

    /// The number of lines left out since the last one. `None` if this one is left out, too.
    pub(crate) fn admit(&self) -> Option<u64> {
        let second = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if self.second.swap(second, Ordering::Relaxed) == second {
            self.suppressed.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(self.suppressed.swap(0, Ordering::Relaxed))
    }
}
