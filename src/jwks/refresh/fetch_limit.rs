//! The upper bound of the fetches per minute that follows from the refresh settings.

use std::time::Duration;

use super::policy::{REFRESH_EARLIEST, RefreshPolicy, share};

/// The period of the bounds.
const MINUTE: Duration = Duration::from_secs(60);

/// The requests that may cause a fetch at once.
const BURST: u32 = 2;

impl RefreshPolicy {
    /// The upper bound of the fetches that start within any 60 s. It holds for all requests and all server
    /// behavior: responses, failures, and any mix of them.
    pub(crate) fn max_fetches_per_minute(&self) -> u32 {
        let runs = self.max_runs_per_minute();
        // A request that finds stale keys does not wait for the backoff.
        let stale = times_within_a_minute(self.min_freshness());
        // One more, because a minute may begin and end with a fetch.
        runs.saturating_add(self.max_retries(runs)).saturating_add(stale).saturating_add(1)
    }

    /// The upper bound of the runs that start within any 60 s. A *run* is one fetch and its retries, up to
    /// the first success.
    ///
    /// Requests cause one run per cooldown, with a burst of two. Scheduled runs are at least 75 % of the
    /// freshness apart. One more run follows the keys to another URL.
    pub(crate) fn max_runs_per_minute(&self) -> u32 {
        let requested = BURST.saturating_add(times_within_a_minute(self.cooldown));
        let scheduled = times_within_a_minute(share(self.min_freshness(), REFRESH_EARLIEST));
        requested.saturating_add(scheduled).saturating_add(2)
    }

    /// The maximum number of retries in `runs` runs within 60 s. Between the starts of two attempts are at
    /// least 125 ms, then 250 ms, 500 ms and so on; the shortest waits are counted first.
    fn max_retries(&self, runs: u32) -> u32 {
        let (mut retries, mut left) = (0_u32, MINUTE);
        for failures in 0.. {
            let wait = self.backoff(failures, true, 0.0).min(Self::MAX_REQUESTED_BACKOFF);
            let fitting = times(left, wait).min(runs);
            retries = retries.saturating_add(fitting);
            left = left.saturating_sub(wait.saturating_mul(fitting));
            if fitting < runs {
                break;
            }
        }
        retries
    }
}

fn times_within_a_minute(interval: Duration) -> u32 {
    times(MINUTE, interval)
}

/// How often `interval` fits into `time`.
fn times(time: Duration, interval: Duration) -> u32 {
    let fitting = time.as_nanos().checked_div(interval.max(Duration::from_millis(1)).as_nanos());
    u32::try_from(fitting.unwrap_or_default()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn max_fetches_per_minute_depends_on_the_ttl() {
        let mut short = RefreshPolicy::default();
        short.fix_ttl(Duration::from_secs(20));
        for (name, policy, expected) in [("default", RefreshPolicy::default(), 52), ("short ttl", short, 69)]
        {
            assert_eq!(policy.max_fetches_per_minute(), expected, "{name}");
        }
    }
}
