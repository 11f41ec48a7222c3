//! Decides how a failed fetch is logged: in full if there is something new, else briefly.
//!
//! Why: during an outage fetches fail for one reason, at first several times a second. An operator needs the
//! cause when the outage begins, when it changes, when the cached keys can no longer be used, and from time
//! to time, because logs are read from their end.

use std::time::Duration;

use crate::event::Causes;
use crate::jwks::error::KeysError;
use crate::time::Moment;

/// The interval at which an unchanged failure is logged in full again.
const REMINDER_INTERVAL: Duration = Duration::from_secs(60);

/// The failed fetches since the last successful one.
#[derive(Default)]
pub(super) struct FailureLog {
    failures: u32,
    reported: Option<Reported>,
}

/// The failure that was logged in full last.
struct Reported {
    cause: String,
    usable: bool,
    at: Moment,
}

impl FailureLog {
    /// Counts a failed fetch, after which cached keys are `usable` or not. Returns whether to log it in full.
    pub(super) fn failed(&mut self, error: &KeysError, usable: bool, now: Moment) -> bool {
        self.failures = self.failures.saturating_add(1);
        let cause = Causes::of(error).to_string();
        let is_known = self.reported.as_ref().is_some_and(|last| {
            last.cause == cause && last.usable == usable && now.since(last.at) < REMINDER_INTERVAL
        });
        if !is_known {
            self.reported = Some(Reported { cause, usable, at: now });
        }
        !is_known
    }

    /// Forgets the failures after a successful fetch.
    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// The failed fetches since the last successful one.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::SystemClock;
    use crate::transport::{FetchError, FetchErrorKind};

    #[test]
    fn a_failure_is_logged_in_full_when_it_is_new_and_once_a_minute() {
        let error = |status| KeysError::from(FetchError::from(FetchErrorKind::Status(status)));
        let (start, mut log) = (Moment::now(&SystemClock::default()), FailureLog::default());
        let at = |secs| start.later(Duration::from_secs(secs));
        for (name, status, usable, secs, in_full) in [
            ("the first", 503, true, 0, true),
            ("the same", 503, true, 1, false),
            ("another cause", 404, true, 2, true),
            ("the first cause again", 503, true, 3, true),
            ("the keys are no longer usable", 503, false, 4, true),
            ("the same, just before a minute", 503, false, 63, false),
            ("the same, after a minute", 503, false, 64, true),
            ("the same, soon after the reminder", 503, false, 65, false),
        ] {
            assert_eq!(log.failed(&error(status), usable, at(secs)), in_full, "{name}");
        }
        assert_eq!(log.failures(), 8);
        log.succeeded();
        assert_eq!(log.failures(), 0);
        assert!(log.failed(&error(503), false, at(66)), "a new outage");
    }
}
