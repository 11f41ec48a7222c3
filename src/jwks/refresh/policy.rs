//! The figures that refreshing goes by, and what they guarantee.

use std::time::Duration;

/// No set is fetched more often than this for its age alone.
const FRESHNESS_FLOOR: Duration = Duration::from_secs(1);

/// A fetch ahead of time starts after this share of the freshness at the earliest ...
const REFRESH_EARLIEST: f64 = 0.75;
/// ... and so much later at the latest.
const REFRESH_SPREAD: f64 = 0.15;

/// A retry comes after this share of its back-off at the earliest.
const RETRY_EARLIEST: f64 = 0.5;

/// The span that [`RefreshPolicy::max_fetches_per_minute`] speaks of.
const MINUTE: Duration = Duration::from_secs(60);

/// When keys are fetched and how long they are used.
#[derive(Clone, Debug)]
pub(crate) struct RefreshPolicy {
    /// How long a set is fresh when its server does not say. Default 10 min.
    pub(crate) ttl: Duration,
    /// Whether the user chose `ttl`: it is then the longest that a server may say, too.
    pub(crate) ttl_is_fixed: bool,
    /// The shortest that a server may say. Default 1 min.
    pub(crate) min_ttl: Duration,
    /// The longest that a server may say. Default 24 h.
    pub(crate) max_ttl: Duration,
    /// The time in which requests may cause one fetch; one more is to spare. Default 30 s, never zero.
    pub(crate) cooldown: Duration,
    /// How long stale keys are used in an outage. Default 4 h.
    pub(crate) stale_for: Duration,
    /// How many keys that do not exist are remembered, each for `cooldown`. Default 1024.
    pub(crate) max_unknown_kids: usize,
    /// The wait before the first retry, doubled with each. Default 250 ms.
    pub(crate) min_backoff: Duration,
    /// The longest wait before a retry. Default 30 s.
    pub(crate) max_backoff: Duration,
}

impl Default for RefreshPolicy {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(10 * 60),
            ttl_is_fixed: false,
            min_ttl: Duration::from_secs(60),
            max_ttl: Duration::from_secs(24 * 60 * 60),
            cooldown: Duration::from_secs(30),
            stale_for: Duration::from_secs(4 * 60 * 60),
            max_unknown_kids: 1024,
            min_backoff: Duration::from_millis(250),
            max_backoff: Duration::from_secs(30),
        }
    }
}

impl RefreshPolicy {
    /// Sets `ttl` as the user's choice.
    pub(crate) fn fix_ttl(&mut self, ttl: Duration) {
        self.ttl = ttl;
        self.ttl_is_fixed = true;
    }

    /// How long a set is fresh whose server says `served`.
    pub(super) fn freshness(&self, served: Option<Duration>) -> Duration {
        served.unwrap_or(self.ttl).min(self.max_freshness()).max(self.min_freshness())
    }

    /// The longest that a set can be fresh: a withdrawn key is used that long at most, and
    /// `stale_for` longer if the server is out of reach all that time.
    pub(crate) fn max_freshness(&self) -> Duration {
        if self.ttl_is_fixed { self.ttl } else { self.max_ttl }.max(FRESHNESS_FLOOR)
    }

    fn min_freshness(&self) -> Duration {
        if self.ttl_is_fixed { self.min_ttl.min(self.ttl) } else { self.min_ttl }.max(FRESHNESS_FLOOR)
    }

    /// When a set that is fresh for `freshness` is fetched again; `random` is in 0..1.
    pub(super) fn refresh_after(freshness: Duration, random: f64) -> Duration {
        share(freshness, REFRESH_EARLIEST + REFRESH_SPREAD * random)
    }

    /// The wait before the next attempt, after `failures` retries failed; `random` is in 0..1.
    pub(super) fn backoff(&self, failures: u32, random: f64) -> Duration {
        share(self.full_backoff(failures), RETRY_EARLIEST + (1.0 - RETRY_EARLIEST) * random)
    }

    fn full_backoff(&self, failures: u32) -> Duration {
        let doubled = 2_u32.saturating_pow(failures.min(31));
        self.min_backoff.saturating_mul(doubled).min(self.max_backoff)
    }

    /// The most fetches that start within any 60 s, whatever requests come and whether the server
    /// answers, fails, or does one after the other.
    ///
    /// A run of attempts ends with the first that succeeds. One run has a retry after 125 ms, 250 ms,
    /// 500 ms and so on at the earliest; the next can start when a fetch is due or demanded, which
    /// is a cooldown or 75 % of a freshness later, since two fetches leave nothing in the budget.
    /// One fetch more is the spare.
    pub(crate) fn max_fetches_per_minute(&self) -> u32 {
        let pause =
            self.cooldown.min(share(self.min_freshness(), REFRESH_EARLIEST)).max(Duration::from_millis(1));
        let mut most: u32 = 0;
        let mut time = Some(MINUTE);
        let mut runs: u32 = 1;
        while let Some(left) = time {
            most = most.max(runs.saturating_add(self.max_retries(runs, left)));
            runs = runs.saturating_add(1);
            time = left.checked_sub(pause);
        }
        most.saturating_add(1)
    }

    /// The most retries of so many runs whose waits take `time` in all: the shortest waits first.
    fn max_retries(&self, runs: u32, time: Duration) -> u32 {
        let (mut retries, mut left) = (0_u32, time);
        for failures in 0.. {
            let wait = self.backoff(failures, 0.0).max(Duration::from_millis(1));
            let fitting = left.as_nanos().checked_div(wait.as_nanos()).unwrap_or_default();
            let fitting = u32::try_from(fitting).unwrap_or(u32::MAX).min(runs);
            retries = retries.saturating_add(fitting);
            left = left.saturating_sub(wait.saturating_mul(fitting));
            if fitting < runs {
                break;
            }
        }
        retries
    }
}

/// A part of `whole`; the whole of it, should the fraction be none.
fn share(whole: Duration, fraction: f64) -> Duration {
    Duration::try_from_secs_f64(whole.as_secs_f64() * fraction).unwrap_or(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIN: u64 = 60;
    const HOUR: u64 = 60 * MIN;

    fn fixed(ttl: u64) -> RefreshPolicy {
        let mut policy = RefreshPolicy::default();
        policy.fix_ttl(Duration::from_secs(ttl));
        policy
    }

    #[test]
    fn what_the_server_says_counts_within_bounds() {
        for (name, policy, served, expected) in [
            ("nothing said", RefreshPolicy::default(), None, 10 * MIN),
            ("zero", RefreshPolicy::default(), Some(0), MIN),
            ("an hour", RefreshPolicy::default(), Some(HOUR), HOUR),
            ("ten years", RefreshPolicy::default(), Some(87_600 * HOUR), 24 * HOUR),
            ("beyond counting", RefreshPolicy::default(), Some(u64::MAX), 24 * HOUR),
            ("fixed, nothing said", fixed(5 * MIN), None, 5 * MIN),
            ("fixed, more said", fixed(5 * MIN), Some(HOUR), 5 * MIN),
            ("fixed, less said", fixed(5 * MIN), Some(2 * MIN), 2 * MIN),
            ("fixed, zero said", fixed(5 * MIN), Some(0), MIN),
            ("fixed to seconds", fixed(5), Some(0), 5),
            ("fixed to days", fixed(48 * HOUR), Some(36 * HOUR), 36 * HOUR),
            ("fixed to nothing", fixed(0), None, 1),
        ] {
            let served = served.map(Duration::from_secs);
            assert_eq!(policy.freshness(served), Duration::from_secs(expected), "{name}");
        }
    }

    #[test]
    fn a_refresh_comes_after_75_to_90_percent_of_the_freshness() {
        for (random, expected) in [(0.0, 75), (0.5, 82), (1.0, 90), (f64::NAN, 100), (-9.0, 100)] {
            let after = RefreshPolicy::refresh_after(Duration::from_secs(100), random);
            assert_eq!(after.as_secs(), expected, "{random}");
        }
    }

    #[test]
    fn the_back_off_doubles_from_250_ms_to_30_s() {
        let policy = RefreshPolicy::default();
        let longest: Vec<u128> = (0..9).map(|failures| policy.backoff(failures, 1.0).as_millis()).collect();
        assert_eq!(longest, [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
        for failures in [0, 3, 8, 31, 32, u32::MAX] {
            let (least, most) = (policy.backoff(failures, 0.0), policy.backoff(failures, 1.0));
            assert_eq!(least, most / 2, "{failures}");
            assert!(most <= policy.max_backoff, "{failures}");
        }
    }

    #[test]
    fn the_guaranteed_figure_follows_the_policy() {
        for (name, policy, expected) in
            [("the default", RefreshPolicy::default(), 16), ("a short ttl", fixed(20), 24)]
        {
            assert_eq!(policy.max_fetches_per_minute(), expected, "{name}");
        }
    }
}
