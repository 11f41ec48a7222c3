//! The time of day, behind a trait so that tests own it.
//!
//! Only dates in tokens (RFC 7519 section 4.1.4 and after) are compared with this clock.
//! Freshness of keys and caches is measured on the monotonic clock of the runtime instead, so
//! that setting the machine's clock cannot make a key set look fresh.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

/// Tells the time of day that the dates in a token are compared with.
///
/// The default is [`SystemClock`]. Tests set the time with `testing::ManualClock`
/// (feature `test-util`).
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The time now.
    fn now(&self) -> SystemTime;
}

/// The clock of the operating system.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> SystemTime {
        SystemTime::now()
    }
}

/// A shared clock, `Arc<dyn Clock>` included.
impl<C: Clock + ?Sized> Clock for Arc<C> {
    fn now(&self) -> SystemTime {
        (**self).now()
    }
}
