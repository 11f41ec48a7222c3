//! The dates in a token: `NumericDate` of RFC 7519 section 2.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::clock::Clock;

/// A date in a token: the time since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct NumericDate(Duration);

impl NumericDate {
    /// The end of the year 9999. A later date is a mistake, usually milliseconds.
    const LATEST_SECS: u64 = 253_402_300_799;

    /// The current time of `clock`. A time before 1970 counts as 1970: then every token with an `iat` lies in
    /// the future and is rejected.
    pub(crate) fn now(clock: &dyn Clock) -> Self {
        Self(clock.now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    /// A whole number of seconds. `None` after the year 9999.
    pub(crate) fn from_secs(secs: u64) -> Option<Self> {
        (secs <= Self::LATEST_SECS).then_some(Self(Duration::from_secs(secs)))
    }

    /// A number of seconds with a fraction. `None` if it is negative, not finite or after the year 9999.
    pub(crate) fn from_secs_f64(secs: f64) -> Option<Self> {
        let date = Duration::try_from_secs_f64(secs).ok()?;
        (date.as_secs() <= Self::LATEST_SECS).then_some(Self(date))
    }

    /// This date plus `by`, without overflow.
    pub(crate) fn later(self, by: Duration) -> Self {
        Self(self.0.saturating_add(by))
    }

    /// The time from `earlier` to this date. Zero if `earlier` is later.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }

    /// Whole seconds since 1970.
    pub(crate) fn as_secs(self) -> u64 {
        self.0.as_secs()
    }

    /// This date as a [`SystemTime`].
    pub(crate) fn to_system_time(self) -> SystemTime {
        UNIX_EPOCH.checked_add(self.0).unwrap_or(UNIX_EPOCH)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_before_1970_or_after_9999_are_rejected() {
        for secs in [-1.0, -0.5, f64::NAN, f64::INFINITY, 1e19, 253_402_300_800.0] {
            assert_eq!(NumericDate::from_secs_f64(secs), None, "{secs}");
        }
        assert_eq!(NumericDate::from_secs(u64::MAX), None);
        assert!(NumericDate::from_secs(10_000_000_000).is_some());
        assert!(NumericDate::from_secs_f64(1_700_000_000.5).is_some());
    }

    #[test]
    fn a_clock_before_1970_counts_as_1970() {
        #[derive(Debug)]
        struct Before;
        impl Clock for Before {
            fn now(&self) -> SystemTime {
                UNIX_EPOCH - Duration::from_secs(5)
            }
        }
        assert_eq!(NumericDate::now(&Before), NumericDate(Duration::ZERO));
    }
}
