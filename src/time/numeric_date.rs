//! The dates in a token: `NumericDate` of RFC 7519 section 2.

use std::fmt;
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

    /// The time since 1970 of a moment that no token names.
    pub(crate) fn from_epoch(time: Duration) -> Self {
        Self(time)
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

    /// Parses the text of a JSON number. `None` if it is no date.
    ///
    /// Why text: the feature `arbitrary_precision` of `serde_json` changes how numbers deserialize, and any
    /// crate in the build can enable it.
    pub(crate) fn parse(number: &str) -> Option<Self> {
        match number.parse() {
            Ok(secs) => Self::from_secs(secs),
            Err(_) => number.parse().ok().and_then(Self::from_secs_f64),
        }
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

/// The start of the year 9999, which the formatter of HTTP dates does not know.
const YEAR_9999_SECS: u64 = 253_370_764_800;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The seconds, and the date as in RFC 3339: `1700000000 (2023-11-14T22:13:20Z)`.
impl fmt::Display for NumericDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.as_secs();
        write!(f, "{secs}")?;
        if secs >= YEAR_9999_SECS {
            return Ok(());
        }
        // "Tue, 14 Nov 2023 22:13:20 GMT"
        let date = httpdate::fmt_http_date(self.to_system_time());
        let mut parts = date.split(' ').skip(1);
        let (Some(day), Some(month), Some(year), Some(time)) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Ok(());
        };
        let month = (1_u8..).zip(MONTHS).find(|(_, name)| *name == month).map_or(0, |(number, _)| number);
        write!(f, " ({year}-{month:02}-{day}T{time}Z)")
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
    fn a_date_is_shown_as_seconds_and_as_in_rfc_3339() {
        for (secs, text) in [
            (0, "0 (1970-01-01T00:00:00Z)"),
            (951_782_400, "951782400 (2000-02-29T00:00:00Z)"),
            (1_700_000_000, "1700000000 (2023-11-14T22:13:20Z)"),
            (1_735_689_599, "1735689599 (2024-12-31T23:59:59Z)"),
            (253_370_764_799, "253370764799 (9998-12-31T23:59:59Z)"),
            (253_370_764_800, "253370764800"),
            (NumericDate::LATEST_SECS, "253402300799"),
        ] {
            assert_eq!(NumericDate::from_secs(secs).unwrap().to_string(), text);
        }
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
