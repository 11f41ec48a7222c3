//! The refresh settings, and the upper bounds that follow from them.

use std::time::Duration;

/// The minimum freshness of a key set, whatever the settings.
const FRESHNESS_FLOOR: Duration = Duration::from_secs(1);

/// The scheduled refresh starts after this share of the freshness at the earliest ...
pub(super) const REFRESH_EARLIEST: f64 = 0.75;
/// ... and at most this share later.
const REFRESH_SPREAD: f64 = 0.15;

/// A retry starts after this share of its backoff at the earliest. The rest is jitter.
const RETRY_EARLIEST: f64 = 0.5;

/// How long stale keys are used after a failed fetch, by what the server did.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum GracePeriod {
    /// Not at all: the server published a key set, and it has no usable key.
    None,
    /// For `stale_for_bad_responses`: the server, or a proxy in front of it, responded with something else
    /// than a key set. A maintenance page, a firewall and an ingress without a backend all do.
    Short,
    /// For `stale_for`: the server was unreachable, or failed.
    Full,
}

/// When to fetch keys and how long to use them.
#[derive(Clone, Debug)]
pub(crate) struct RefreshPolicy {
    /// The freshness of a key set whose response states none. Default: 10 min.
    pub(crate) ttl: Duration,
    /// Whether the user set `ttl`. It then replaces the stated freshness.
    pub(crate) ttl_is_fixed: bool,
    /// The lower limit for the stated freshness. Default: 1 min.
    pub(crate) min_ttl: Duration,
    /// The upper limit for the stated freshness. Default: 24 h.
    pub(crate) max_ttl: Duration,
    /// Requests can cause one fetch per cooldown, with a burst of two. Default: 30 s. Never zero.
    pub(crate) cooldown: Duration,
    /// The full grace period: how long stale keys are used during an outage. Default: 4 h.
    pub(crate) stale_for: Duration,
    /// The short grace period, if the server responds without a key set. At most `stale_for`. Default: 1 h.
    pub(crate) stale_for_bad_responses: Duration,
    /// The capacity of the negative cache of unknown keys, whose TTL is `cooldown`. Default: 1024.
    pub(crate) max_unknown_kids: usize,
    /// The backoff before the first retry. Doubles with each retry. Default: 250 ms.
    pub(crate) min_backoff: Duration,
    /// The maximum backoff. Default: 30 s.
    pub(crate) max_backoff: Duration,
    /// The maximum backoff for a server that never returned keys. Default: 5 min.
    pub(crate) max_first_backoff: Duration,
    /// The maximum duration of one fetch. Default: 10 s.
    pub(crate) max_fetch_time: Duration,
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
            stale_for_bad_responses: Duration::from_secs(60 * 60),
            max_unknown_kids: 1024,
            min_backoff: Duration::from_millis(250),
            max_backoff: Duration::from_secs(30),
            max_first_backoff: Duration::from_secs(5 * 60),
            max_fetch_time: Duration::from_secs(10),
        }
    }
}

impl RefreshPolicy {
    /// The backoff that applies at most while requests wait. So the service is back within 5 s of the server.
    pub(super) const MAX_REQUESTED_BACKOFF: Duration = Duration::from_secs(4);

    /// The longest `Retry-After` that applies to scheduled fetches.
    pub(super) const MAX_PAUSE: Duration = Duration::from_secs(5 * 60);

    /// The longest `Retry-After` that applies while requests wait.
    pub(super) const MAX_REQUESTED_PAUSE: Duration = Duration::from_secs(30);

    /// Sets `ttl`, which then replaces the stated freshness.
    pub(crate) fn fix_ttl(&mut self, ttl: Duration) {
        self.ttl = ttl;
        self.ttl_is_fixed = true;
    }

    /// The freshness of a key set whose response states `stated`.
    pub(super) fn freshness(&self, stated: Option<Duration>) -> Duration {
        stated.unwrap_or(self.ttl).min(self.max_freshness()).max(self.min_freshness())
    }

    /// The maximum freshness of a key set. A retired key is used at most this long, and at most `stale_for`
    /// longer during an outage.
    pub(crate) fn max_freshness(&self) -> Duration {
        if self.ttl_is_fixed { self.ttl } else { self.max_ttl }.max(FRESHNESS_FLOOR)
    }

    pub(super) fn min_freshness(&self) -> Duration {
        if self.ttl_is_fixed { self.ttl } else { self.min_ttl }.max(FRESHNESS_FLOOR)
    }

    /// The length of this grace period.
    pub(crate) fn grace(&self, grace: GracePeriod) -> Duration {
        match grace {
            GracePeriod::Full => self.stale_for,
            GracePeriod::Short => self.stale_for_bad_responses.min(self.stale_for),
            GracePeriod::None => Duration::ZERO,
        }
    }

    /// The time from a fetch to the scheduled refresh of a set with this freshness. `random` is in 0..1.
    pub(super) fn refresh_after(freshness: Duration, random: f64) -> Duration {
        share(freshness, REFRESH_EARLIEST + REFRESH_SPREAD * random)
    }

    /// The wait before the next attempt, after `failures` retries failed. `random` is in 0..1.
    ///
    /// `has_answered` says whether the server ever returned keys.
    pub(super) fn backoff(&self, failures: u32, has_answered: bool, random: f64) -> Duration {
        let doubled = self.min_backoff.saturating_mul(2_u32.saturating_pow(failures.min(31)));
        let max = if has_answered { self.max_backoff } else { self.max_first_backoff };
        share(doubled.min(max), RETRY_EARLIEST + (1.0 - RETRY_EARLIEST) * random)
    }
}

/// The share `fraction` of `whole`. All of `whole` if `fraction` is negative or not a number.
pub(super) fn share(whole: Duration, fraction: f64) -> Duration {
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
    fn stated_freshness_is_clamped() {
        for (name, policy, stated, expected) in [
            ("none stated", RefreshPolicy::default(), None, 10 * MIN),
            ("zero", RefreshPolicy::default(), Some(0), MIN),
            ("an hour", RefreshPolicy::default(), Some(HOUR), HOUR),
            ("ten years", RefreshPolicy::default(), Some(87_600 * HOUR), 24 * HOUR),
            ("overflow", RefreshPolicy::default(), Some(u64::MAX), 24 * HOUR),
            ("fixed, none stated", fixed(5 * MIN), None, 5 * MIN),
            ("fixed lowers", fixed(5 * MIN), Some(HOUR), 5 * MIN),
            ("fixed raises", fixed(5 * MIN), Some(2 * MIN), 5 * MIN),
            ("fixed, zero stated", fixed(5 * MIN), Some(0), 5 * MIN),
            ("fixed to seconds", fixed(5), Some(0), 5),
            ("fixed to days", fixed(48 * HOUR), Some(36 * HOUR), 48 * HOUR),
            ("fixed to zero", fixed(0), None, 1),
        ] {
            let stated = stated.map(Duration::from_secs);
            assert_eq!(policy.freshness(stated), Duration::from_secs(expected), "{name}");
        }
    }

    #[test]
    fn scheduled_refresh_starts_after_75_to_90_percent_of_the_freshness() {
        for (random, expected) in [(0.0, 75), (0.5, 82), (1.0, 90), (f64::NAN, 100), (-9.0, 100)] {
            let after = RefreshPolicy::refresh_after(Duration::from_secs(100), random);
            assert_eq!(after.as_secs(), expected, "{random}");
        }
    }

    #[test]
    fn backoff_doubles_from_250_ms_to_30_s() {
        let policy = RefreshPolicy::default();
        let longest = |failures| policy.backoff(failures, true, 1.0).as_millis();
        let waits: Vec<u128> = (0..9).map(longest).collect();
        assert_eq!(waits, [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
        for failures in [0, 3, 8, 31, 32, u32::MAX] {
            let (shortest, longest) =
                (policy.backoff(failures, true, 0.0), policy.backoff(failures, true, 1.0));
            assert_eq!(shortest, longest / 2, "{failures}");
            assert!(longest <= policy.max_backoff, "{failures}");
        }
    }

    #[test]
    fn backoff_grows_to_five_minutes_for_a_server_that_never_answered() {
        assert_eq!(RefreshPolicy::default().backoff(20, false, 1.0), Duration::from_secs(5 * MIN));
    }
}
