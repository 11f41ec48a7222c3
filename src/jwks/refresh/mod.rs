//! Decides when to fetch an issuer's keys and how long to use them. A pure state machine: the time and a
//! random number go in, decisions come out.
//!
//! Checks: freshness, the grace period during outages, the rate limit, the backoff, and the negative cache of
//! unknown keys.
//! Does not check: the keys themselves.
//!
//! Why: anyone can send tokens that name keys which do not exist. A token-bucket rate limit bounds the
//! fetches that such requests cause. Scheduled fetches do not draw on it: an attacker who sends one such
//! token right after the start would otherwise block a key rotation. Nobody waits for a scheduled fetch, so
//! it takes place only if the keys were used since the last one.

mod decide;
mod decision;
mod fetch_limit;
mod freshness;
mod policy;
mod query;
mod unknown_keys;
mod validity;

use std::hash::RandomState;
use std::mem;
use std::time::Duration;

pub(super) use decision::{Failure, Next, RefreshDecision};
pub(super) use freshness::{max_age, remaining};
use policy::share;
pub(crate) use policy::{GracePeriod, RefreshPolicy};
pub(crate) use query::KeyQuery;
use unknown_keys::UnknownKeys;
pub(super) use validity::Validity;

use crate::sync::RateLimit;
use crate::time::Moment;

/// A task without a heartbeat for this long stands still, because nothing drives its runtime.
pub(super) const STALL: Duration = Duration::from_secs(1);

/// A heartbeat of this age is late: two of them are missing.
const LATE_HEARTBEAT: Duration = Duration::from_millis(500);

/// Retries end this long after the keys were last used.
const IDLE_AFTER: Duration = Duration::from_secs(10 * 60);

/// The refresh state of one issuer's keys, without the keys.
#[derive(Debug)]
pub(super) struct Refresh {
    policy: RefreshPolicy,
    rate_limit: RateLimit,
    unknown_keys: UnknownKeys,
    validity: Option<Validity>,
    /// The number of the latest fetch. The first fetch has the number 1.
    latest_fetch: u64,
    in_flight: Option<InFlight>,
    /// Failed fetches since the last success.
    failures: u32,
    /// When the next fetch starts.
    due: Moment,
    /// When the next fetch starts at the earliest if a request waits for it after a failed one.
    retry_from: Moment,
    /// A request needs the next fetch.
    requested: bool,
    /// It does because the cached keys lack its key.
    key_missing: bool,
    /// An old heartbeat that a waiting request saw, and when it was seen first.
    suspicion: Option<(Moment, Moment)>,
    /// The latest sign that the keys were used since the last successful fetch.
    used_at: Option<Moment>,
}

/// The fetch in flight.
#[derive(Clone, Copy, Debug)]
struct InFlight {
    started_at: Moment,
    /// The latest heartbeat of its task.
    heartbeat_at: Moment,
}

impl Refresh {
    /// Starts without cached keys. The first fetch is due at once.
    pub(super) fn new(policy: RefreshPolicy, hasher: RandomState, now: Moment) -> Self {
        Self {
            rate_limit: RateLimit::full(2, policy.cooldown, now.monotonic()),
            unknown_keys: UnknownKeys::new(hasher, policy.max_unknown_kids),
            validity: None,
            latest_fetch: 0,
            in_flight: None,
            failures: 0,
            due: now,
            retry_from: now,
            requested: false,
            key_missing: false,
            suspicion: None,
            used_at: None,
            policy,
        }
    }

    /// Starts with configured keys, which are stale. The first fetch is due at once.
    pub(super) fn seeded(policy: RefreshPolicy, hasher: RandomState, now: Moment) -> Self {
        let validity = Validity::configured(now, policy.stale_for);
        Self { validity: Some(validity), ..Self::new(policy, hasher, now) }
    }

    /// The next action of the driver. Counts a fetch as started.
    ///
    /// `used` says whether the keys were used since the last fetch that took place because of a use.
    pub(super) fn next(&mut self, now: Moment, used: bool) -> Next {
        if !self.is_due(now) {
            return Next::At(self.due);
        }
        if used {
            self.used_at = Some(now);
        }
        if !self.is_wanted(now) {
            return Next::Idle;
        }
        let is_scheduled = !self.requested;
        self.latest_fetch = self.latest_fetch.saturating_add(1);
        self.in_flight = Some(InFlight { started_at: now, heartbeat_at: now });
        if let Some(validity) = self.validity.as_mut().filter(|validity| validity.is_usable(now)) {
            validity.allow_stale_until(now.later(self.policy.max_fetch_time));
        }
        self.requested = false;
        Next::Fetch { bypass_caches: mem::take(&mut self.key_missing), is_scheduled }
    }

    fn is_wanted(&self, now: Moment) -> bool {
        let is_recent = |at: Moment| self.failures == 0 || now.since(at) < IDLE_AFTER;
        self.requested || self.used_at.is_some_and(is_recent)
    }

    /// Records that a readiness probe needs keys, any of them. Brings the next retry forward, as a request
    /// does.
    pub(super) fn request_keys(&mut self, now: Moment) {
        self.used_at = Some(now);
        if self.in_flight.is_none() {
            self.requested = true;
            self.due = self.due.min(self.retry_from.max(now));
        }
    }

    /// Makes a use of the keys cause the fetch that is due. The task has ended because nobody used them.
    pub(super) fn resume(&mut self) {
        self.requested |= self.in_flight.is_none();
    }

    /// Records a heartbeat of the task whose fetch is in flight.
    pub(super) fn heartbeat(&mut self, now: Moment) {
        if let Some(fetch) = &mut self.in_flight {
            fetch.heartbeat_at = now;
        }
    }

    /// Records that the fetch returned keys, or confirmed the cached keys with a 304.
    ///
    /// `stated` is the freshness lifetime that the response states, if any. `random` is in 0..1.
    pub(super) fn succeeded(&mut self, stated: Option<Duration>, now: Moment, random: f64) {
        let freshness = self.policy.freshness(stated);
        self.validity = Some(Validity::confirmed(now, freshness, self.policy.stale_for));
        self.unknown_keys.fetch_succeeded(self.latest_fetch, now.later(self.policy.cooldown));
        self.in_flight = None;
        self.failures = 0;
        self.used_at = None;
        self.due = now.later(RefreshPolicy::refresh_after(freshness, random));
    }

    /// Records that the fetch failed. `random` is in 0..1.
    ///
    /// The shortest grace period of all failures since the last success applies to the cached keys.
    pub(super) fn failed(&mut self, failure: Failure, now: Moment, random: f64) {
        let started_at = self.in_flight.take().map_or(now, |fetch| fetch.started_at);
        let backoff = self.policy.backoff(self.failures, self.validity.is_some(), random);
        let pause = failure.retry_after.unwrap_or_default();
        self.unknown_keys.fetch_failed(self.latest_fetch);
        self.failures = self.failures.saturating_add(1);
        self.due = now.later(backoff.max(pause.min(RefreshPolicy::MAX_PAUSE)));
        self.retry_from = started_at
            .later(backoff.min(RefreshPolicy::MAX_REQUESTED_BACKOFF))
            .max(now.later(pause.min(RefreshPolicy::MAX_REQUESTED_PAUSE)));
        if let Some(validity) = &mut self.validity {
            validity.limit_grace(self.policy.grace(failure.grace));
            let is_in_use = now.has_reached(validity.fresh_until) && validity.is_usable(now);
            if is_in_use || started_at.has_reached(validity.fresh_until) {
                validity.allow_stale_until(self.due.later(STALL));
            } else {
                validity.forbid_stale();
            }
        }
    }

    /// Records that a request waited for keys for all of `max_wait` and got none. Returns whether they are
    /// usable now.
    ///
    /// If its task has driven the fetch in flight for half of that time, the server hangs: stale keys are
    /// used while this fetch is in flight.
    pub(super) fn wait_timed_out(&mut self, now: Moment, max_wait: Duration) -> bool {
        if let (Some(fetch), Some(validity)) = (self.in_flight, &mut self.validity)
            && fetch.heartbeat_at.since(fetch.started_at) >= share(max_wait, 0.5)
        {
            validity.allow_stale_until(fetch.started_at.later(self.policy.max_fetch_time));
        }
        self.usable(now)
    }

    /// Records that the keys have moved to another URL: makes a fetch due, and forgets which keys the old URL
    /// did not have.
    pub(super) fn moved(&mut self, now: Moment) {
        self.unknown_keys.clear();
        self.due = self.due.min(now);
        self.used_at = Some(now);
    }

    /// Records that the driver was dropped, and with it the fetch in flight or about to start.
    ///
    /// A request or a new driver can start another fetch without backoff, because the server did not fail.
    pub(super) fn abandoned(&mut self) {
        if self.in_flight.take().is_none() {
            self.latest_fetch = self.latest_fetch.saturating_add(1);
        }
        self.unknown_keys.fetch_failed(self.latest_fetch);
        if let Some(validity) = &mut self.validity {
            validity.forbid_stale();
        }
    }

    /// Abandons the fetch in flight or overdue if its task stands still. A new driver must then start one.
    ///
    /// Requests that wait for it go on waiting: the next fetch has a higher number. A task stands still if
    /// two calls, a second apart, find the same old heartbeat. One call is not enough: where a handler has
    /// blocked the runtime, a request may run before the task sends its next heartbeat.
    pub(super) fn take_over(&mut self, now: Moment) -> bool {
        let heartbeat = self.in_flight.map_or(self.due, |fetch| fetch.heartbeat_at);
        if !now.has_reached(heartbeat.later(LATE_HEARTBEAT)) {
            return false;
        }
        let suspicion = self.suspicion.filter(|(seen, _)| *seen == heartbeat);
        let (_, since) = *self.suspicion.insert(suspicion.unwrap_or((heartbeat, now)));
        if !now.has_reached(since.later(STALL)) {
            return false;
        }
        self.suspicion = None;
        if self.in_flight.take().is_some() {
            self.unknown_keys.fetch_failed(self.latest_fetch);
            self.requested = true;
        }
        true
    }

    /// Whether a recent fetch did not find the key of `query`.
    pub(super) fn is_unknown(&self, query: KeyQuery<'_>, now: Moment) -> bool {
        self.unknown_keys.contains(query, now)
    }

    /// Whether cached keys can be used now, without waiting for a fetch.
    pub(super) fn usable(&self, now: Moment) -> bool {
        self.validity.is_some_and(|validity| validity.is_usable(now))
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
        self.in_flight.is_some()
    }

    /// Whether the next fetch is due.
    pub(super) fn is_due(&self, now: Moment) -> bool {
        now.has_reached(self.due)
    }

    /// When the next scheduled fetch starts, if the keys are used.
    pub(super) fn due(&self) -> Moment {
        self.due
    }
}

#[cfg(test)]
mod tests;
