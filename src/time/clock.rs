//! The wall clock, behind a trait so that tests can set it.
//!
//! Only dates in tokens (RFC 7519 section 4.1.4 and after) are compared with this clock. The freshness of
//! keys and caches is measured with the monotonic clock of the runtime, so that setting the machine's clock
//! cannot make a key set look fresh.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

/// The clock that the dates in a token are compared with; see
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
