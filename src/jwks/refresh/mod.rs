//! Decides when to fetch an issuer's keys and how long to use them. A pure state machine: the time and a
//! random number go in, decisions come out.
//!
//! Checks: freshness, the grace period during outages, the rate limit, the backoff, and the negative cache of
//! unknown keys.
//! Does not check: the keys themselves.
//!
//! Why: anyone can send tokens that name keys which do not exist. A token-bucket rate limit bounds the
//! fetches that such requests cause. It never delays the first fetch or a scheduled refresh, although both
//! count. The burst is two: after a scheduled refresh just before a key rotation, a request can still fetch
//! the new key.

mod freshness;
mod policy;
mod query;
mod unknown_keys;

use std::hash::RandomState;
use std::mem;
use std::time::{Duration, Instant};

pub(super) use freshness::freshness;
pub(crate) use policy::{GracePeriod, RefreshPolicy};
pub(crate) use query::KeyQuery;
use unknown_keys::UnknownKeys;

use crate::sync::RateLimit;
use crate::time::later;

/// The minimum `Retry-After` for clients.
const MIN_RETRY_AFTER: Duration = Duration::from_secs(1);

/// The refresh state of one issuer's keys, without the keys.
#[derive(Debug)]
pub(super) struct Refresh {
    policy: RefreshPolicy,
    rate_limit: RateLimit,
    unknown_keys: UnknownKeys,
    validity: Option<Validity>,
    /// The number of the latest fetch. The first fetch has the number 1.
    latest_fetch: u64,
    in_flight: bool,
    /// Failed fetches since the last success.
    failures: u32,
    /// When the next fetch starts.
    due: Instant,
    /// A request waits for the next fetch, because a key was missing.
    requested: bool,
}

/// How long the cached keys are valid.
#[derive(Clone, Copy, Debug)]
pub(super) struct Validity {
    /// When the authorization server last confirmed the keys. `None` for configured keys.
    pub(super) confirmed_at: Option<Instant>,
    /// When the keys become stale.
    pub(super) fresh_until: Instant,
    /// When the grace period ends and the keys become unusable.
    pub(super) usable_until: Instant,
}

/// How to handle a request whose key is not cached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum RefreshDecision {
    /// Wait for this fetch, then look up the key again. The fetch may have completed already.
    Wait {
        /// The number of the fetch.
        fetch: u64,
    },
    /// The keys are unavailable.
    Unavailable {
        /// The time to the next attempt, at least 1 s.
        retry_after: Duration,
    },
    /// Report the key as unknown: a recent fetch did not find it, or the rate limit allows no fetch now.
    NotFound,
}

impl RefreshDecision {
    /// Look up the key again at once, because newer keys are cached. No fetch has the number 0, so the wait
    /// is already over.
    pub(super) const RETRY_NOW: Self = Self::Wait { fetch: 0 };
}

/// The next action of the driver.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Next {
    /// Fetch now, then call [`Refresh::succeeded`] or [`Refresh::failed`], then [`Refresh::next`].
    Fetch {
        /// Make the request unconditional. A key was missing, and a server whose ETag never changes would
        /// answer a conditional request with 304.
        whole: bool,
    },
    /// Call [`Refresh::next`] at this time, or earlier if a request causes a fetch.
    At(Instant),
}

impl Refresh {
    /// Starts without cached keys. The first fetch is due at once.
    pub(super) fn new(policy: RefreshPolicy, hasher: RandomState, now: Instant) -> Self {
        Self {
            rate_limit: RateLimit::full(2, policy.cooldown, now),
            unknown_keys: UnknownKeys::new(hasher, policy.max_unknown_kids),
            validity: None,
            latest_fetch: 0,
            in_flight: false,
            failures: 0,
            due: now,
            requested: false,
            policy,
        }
    }

    /// Starts with configured keys, which are stale. The first fetch is due at once.
    pub(super) fn seeded(policy: RefreshPolicy, hasher: RandomState, now: Instant) -> Self {
        let usable_until = later(now, policy.stale_for);
        let validity = Validity { confirmed_at: None, fresh_until: now, usable_until };
        Self { validity: Some(validity), ..Self::new(policy, hasher, now) }
    }

    /// The next action of the driver. Counts a fetch as started.
    pub(super) fn next(&mut self, now: Instant) -> Next {
        if now < self.due {
            return Next::At(self.due);
        }
        self.rate_limit.draw(now);
        self.latest_fetch = self.latest_fetch.saturating_add(1);
        self.in_flight = true;
        Next::Fetch { whole: mem::take(&mut self.requested) }
    }

    /// Records that the fetch returned keys, or confirmed the cached keys with a 304.
    ///
    /// `stated` is the freshness lifetime that the response states, if any. `random` is in 0..1.
    pub(super) fn succeeded(&mut self, stated: Option<Duration>, now: Instant, random: f64) {
        let freshness = self.policy.freshness(stated);
        let fresh_until = later(now, freshness);
        let usable_until = later(fresh_until, self.policy.stale_for);
        self.validity = Some(Validity { confirmed_at: Some(now), fresh_until, usable_until });
        self.unknown_keys.fetch_succeeded(self.latest_fetch, later(now, self.policy.cooldown));
        self.in_flight = false;
        self.failures = 0;
        self.due = later(now, RefreshPolicy::refresh_after(freshness, random));
    }

    /// Records that the fetch failed. `random` is in 0..1.
    ///
    /// The shortest `grace` period of all failures since the last success applies to the cached keys.
    pub(super) fn failed(&mut self, grace: GracePeriod, now: Instant, random: f64) {
        self.unknown_keys.fetch_failed(self.latest_fetch);
        self.in_flight = false;
        self.due = later(now, self.policy.backoff(self.failures, random));
        self.failures = self.failures.saturating_add(1);
        if let Some(validity) = &mut self.validity {
            let grace_ends = later(validity.fresh_until, self.policy.grace(grace));
            validity.usable_until = validity.usable_until.min(grace_ends);
        }
    }

    /// Records that the driver was dropped, and with it the fetch in flight or about to start.
    ///
    /// A request or a new driver can start another fetch without backoff, because the server did not fail.
    pub(super) fn abandoned(&mut self) {
        if !self.in_flight {
            self.latest_fetch = self.latest_fetch.saturating_add(1);
        }
        self.in_flight = false;
        self.unknown_keys.fetch_failed(self.latest_fetch);
    }

    /// Decides how to handle a request whose key is not cached. May make a fetch due.
    pub(super) fn decide(&mut self, query: KeyQuery<'_>, now: Instant) -> RefreshDecision {
        if self.unknown_keys.contains(query, now) {
            return RefreshDecision::NotFound;
        }
        if self.in_flight {
            return RefreshDecision::Wait { fetch: self.latest_fetch };
        }
        if query == KeyQuery::AnyKey && self.usable(now) {
            return RefreshDecision::RETRY_NOW;
        }
        if now < self.due {
            if let Some(denial) = self.deny_early_fetch(query, now) {
                return denial;
            }
            self.due = now;
        }
        self.requested = true;
        let fetch = self.latest_fetch.saturating_add(1);
        self.unknown_keys.insert(query, fetch, now);
        RefreshDecision::Wait { fetch }
    }

    /// The decision if no fetch may start before it is due. `None` if one may.
    fn deny_early_fetch(&mut self, query: KeyQuery<'_>, now: Instant) -> Option<RefreshDecision> {
        match query {
            // A key with this `kid` is cached, so the mismatch stands as long as fetches fail.
            KeyQuery::Mismatch(Some(_)) if self.failures > 0 => Some(RefreshDecision::NotFound),
            _ if self.failures > 0 => {
                Some(RefreshDecision::Unavailable { retry_after: self.retry_after(now) })
            }
            KeyQuery::AnyKey => None,
            KeyQuery::Kid(_) | KeyQuery::Mismatch(_) => {
                (!self.rate_limit.has_one(now)).then_some(RefreshDecision::NotFound)
            }
        }
    }

    /// The time to the next scheduled fetch, at least 1 s.
    fn retry_after(&self, now: Instant) -> Duration {
        self.due.saturating_duration_since(now).max(MIN_RETRY_AFTER)
    }

    /// Whether usable keys are cached.
    pub(super) fn usable(&self, now: Instant) -> bool {
        self.validity.is_some_and(|validity| now < validity.usable_until)
    }

    /// How long the cached keys are valid. `None` if no keys are cached.
    pub(super) fn validity(&self) -> Option<Validity> {
        self.validity
    }

    /// The number of the latest fetch.
    pub(super) fn latest_fetch(&self) -> u64 {
        self.latest_fetch
    }

    /// Whether a fetch is in flight.
    pub(super) fn in_flight(&self) -> bool {
        self.in_flight
    }

    /// When the next scheduled fetch starts. `None` while a fetch is in flight.
    pub(super) fn next_fetch(&self) -> Option<Instant> {
        (!self.in_flight).then_some(self.due)
    }
}

#[cfg(test)]
mod tests;
