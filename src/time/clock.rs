//! The wall clock, behind a trait so that tests can set it.
//!
//! Dates in tokens (RFC 7519 section 4.1.4 and after) are compared with this clock. The freshness of keys is
//! measured with this clock and with the monotonic clock of the runtime, and the greater age counts. Setting
//! the machine's clock back cannot make a key set look fresh, and neither can suspending the machine.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

/// The clock for the dates in tokens and for the age of cached keys; see
/// [`BearerAuthBuilder::clock`](crate::BearerAuthBuilder::clock).
///
/// The default is [`SystemClock`]. Tests set the time with `testing::ManualClock` (feature `test-util`), or
/// with a clock of their own:
///
/// ```
/// use std::time::{Duration, SystemTime, UNIX_EPOCH};
/// use tower_bearer::time::Clock;
///
/// #[derive(Debug)]
/// struct At(u64);
///
/// impl Clock for At {
///     fn now(&self) -> SystemTime {
///         UNIX_EPOCH + Duration::from_secs(self.0)
///     }
/// }
/// ```
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The current time.
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
