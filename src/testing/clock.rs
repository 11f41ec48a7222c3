//! A clock that a test sets.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use crate::time::Clock;

/// A clock for tests: it stands still, or runs with an offset, and moves when it is told.
///
/// A clone is the same clock.
#[derive(Clone, Debug)]
pub struct ManualClock(Arc<Mutex<Reading>>);

#[derive(Clone, Copy, Debug)]
enum Reading {
    At(SystemTime),
    Ahead(Duration),
}

impl ManualClock {
    /// A clock that stands at `time` until it is moved.
    #[must_use]
    pub fn at(time: SystemTime) -> Self {
        Self(Arc::new(Mutex::new(Reading::At(time))))
    }

    /// A clock that runs with the machine's, and can be set ahead of it.
    #[must_use]
    pub fn running() -> Self {
        Self(Arc::new(Mutex::new(Reading::Ahead(Duration::ZERO))))
    }

    /// Moves the clock ahead by `by`.
    pub fn advance(&self, by: Duration) {
        let mut reading = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *reading = match *reading {
            Reading::At(time) => Reading::At(time.checked_add(by).unwrap_or(time)),
            Reading::Ahead(ahead) => Reading::Ahead(ahead.saturating_add(by)),
        };
    }

    /// Sets the clock; it stands there until it is moved.
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
