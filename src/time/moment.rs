//! A moment on both clocks: the monotonic clock of the runtime, and the wall clock.
//!
//! Why: the monotonic clock stands still while a machine is suspended, and the wall clock can be set back. An
//! age is therefore the greater of the two, so that nothing looks younger than it is.

use std::time::{Duration, Instant};

use super::clock::Clock;
use super::monotonic;
use super::numeric_date::NumericDate;

/// A moment, read from both clocks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Moment {
    monotonic: Instant,
    wall: NumericDate,
}

impl Moment {
    /// The current time. `clock` is the wall clock.
    pub(crate) fn now(clock: &dyn Clock) -> Self {
        Self::at(NumericDate::now(clock))
    }

    /// The current time of the monotonic clock, and `wall`, which the caller has just read.
    pub(crate) fn at(wall: NumericDate) -> Self {
        Self { monotonic: monotonic::now(), wall }
    }

    /// This moment plus `by`, at most a century.
    pub(crate) fn later(self, by: Duration) -> Self {
        Self { monotonic: monotonic::later(self.monotonic, by), wall: self.wall.later(by) }
    }

    /// Whether the moment `end` has come: on either clock, because one of them may have stood still.
    pub(crate) fn has_reached(self, end: Self) -> bool {
        self.monotonic >= end.monotonic || self.wall >= end.wall
    }

    /// The time from `earlier` to this moment, by the clock that has counted more.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        let monotonic = self.monotonic.saturating_duration_since(earlier.monotonic);
        monotonic.max(self.wall.since(earlier.wall))
    }

    /// The time from this moment to `end`, by the clock that reaches it first.
    pub(crate) fn until(self, end: Self) -> Duration {
        let monotonic = end.monotonic.saturating_duration_since(self.monotonic);
        monotonic.min(end.wall.since(self.wall))
    }

    /// The earlier of two moments, on each clock.
    pub(crate) fn min(self, other: Self) -> Self {
        Self { monotonic: self.monotonic.min(other.monotonic), wall: self.wall.min(other.wall) }
    }

    /// The later of two moments, on each clock.
    pub(crate) fn max(self, other: Self) -> Self {
        Self { monotonic: self.monotonic.max(other.monotonic), wall: self.wall.max(other.wall) }
    }

    /// The monotonic part, to sleep until it.
    pub(crate) fn monotonic(self) -> Instant {
        self.monotonic
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(start: Instant, monotonic: u64, wall: u64) -> Moment {
        let wall = NumericDate::from_secs(1_700_000_000_u64.saturating_add(wall)).unwrap();
        Moment { monotonic: start.checked_add(Duration::from_secs(monotonic)).unwrap(), wall }
    }

    #[test]
    fn age_is_the_greater_of_both_clocks() {
        let start = Instant::now();
        let earlier = moment(start, 100, 100);
        for (name, now, expected) in [
            ("both run", moment(start, 110, 110), 10),
            ("the machine was suspended", moment(start, 101, 700), 600),
            ("the wall clock was set back", moment(start, 110, 0), 10),
            ("both stand still", earlier, 0),
        ] {
            assert_eq!(now.since(earlier), Duration::from_secs(expected), "{name}");
            let end = earlier.later(Duration::from_secs(10));
            assert_eq!(now.has_reached(end), expected >= 10, "{name}");
            let left = Duration::from_secs(10_u64.saturating_sub(expected));
            assert_eq!(now.until(end), left, "{name}");
        }
    }
}
