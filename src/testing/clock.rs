//! A clock that a test controls.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::time::Clock;

/// A [`Clock`](crate::time::Clock) that stands still, or runs ahead of the system clock, and that a test can
/// move.
///
/// Clones are the same clock. The dates in tokens are compared with it. The age of cached keys is measured
/// with it and with the clock of the tokio runtime, and the greater age counts. After
/// [`advance`](Self::advance) by a day, the keys are stale, and the next request fetches them.
///
/// Everything else uses the clock of the tokio runtime alone: timeouts, retries, rate limits, the age of
/// introspection responses, and the background task that refreshes keys. `tokio::time::advance` moves that
/// clock while it is paused.
///
/// ```
/// use std::time::Duration;
/// use tower_bearer::{RejectionKind, testing::TestIssuer};
///
/// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
/// let idp = TestIssuer::new();
/// let token = idp.token("https://api.example.com").claim("exp", 2_000_000_000);
/// assert!(token.access_token().is_ok());
///
/// idp.clock().set(std::time::UNIX_EPOCH + Duration::from_secs(2_000_000_000));
/// idp.clock().advance(Duration::from_secs(60)); // more than the leeway
/// assert_eq!(token.access_token().unwrap_err().kind(), RejectionKind::TokenExpired);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Mutex<Reading>>);

#[derive(Clone, Copy, Debug)]
enum Reading {
    At(SystemTime),
    Ahead(Duration),
}

impl ManualClock {
    /// A clock that stands still at `time`.
    ///
    /// ```
    /// use std::time::{Duration, UNIX_EPOCH};
    /// use tower_bearer::{testing::ManualClock, time::Clock};
    ///
    /// let clock = ManualClock::at(UNIX_EPOCH);
    /// clock.advance(Duration::from_secs(60));
    /// assert_eq!(clock.now(), UNIX_EPOCH + Duration::from_secs(60));
    /// ```
    #[must_use]
    pub fn at(time: SystemTime) -> Self {
        Self(Arc::new(Mutex::new(Reading::At(time))))
    }

    /// A clock that runs with the system clock. [`advance`](Self::advance) moves it ahead, [`set`](Self::set)
    /// stops it.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use tower_bearer::{testing::ManualClock, time::Clock};
    ///
    /// let clock = ManualClock::running();
    /// clock.advance(Duration::from_secs(3600));
    /// assert!(clock.now() >= SystemTime::now() + Duration::from_secs(3590));
    /// ```
    #[must_use]
    pub fn running() -> Self {
        Self(Arc::new(Mutex::new(Reading::Ahead(Duration::ZERO))))
    }

    /// Moves the clock forward by `by`.
    pub fn advance(&self, by: Duration) {
        let mut reading = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *reading = match *reading {
            Reading::At(time) => Reading::At(time.checked_add(by).unwrap_or(time)),
            Reading::Ahead(ahead) => Reading::Ahead(ahead.saturating_add(by)),
        };
    }

    /// Sets the clock to the system time, and lets it run with the system clock.
    ///
    /// For a [`TestIssuer`](super::TestIssuer) in memory that serves a program instead of a test.
    ///
    /// ```
    /// use std::time::{SystemTime, UNIX_EPOCH};
    /// use tower_bearer::{testing::ManualClock, time::Clock};
    ///
    /// let clock = ManualClock::at(UNIX_EPOCH);
    /// clock.run();
    /// let before = SystemTime::now();
    /// assert!(clock.now() >= before);
    /// ```
    pub fn run(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Reading::Ahead(Duration::ZERO);
    }

    /// Stops the clock at `time`.
    pub fn set(&self, time: SystemTime) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Reading::At(time);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> SystemTime {
        match *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Reading::At(time) => time,
            Reading::Ahead(ahead) => {
                let now = SystemTime::now();
                now.checked_add(ahead).unwrap_or(now)
            }
        }
    }
}
