//! When the keys of an issuer are fetched, how long they may be used, and what a request that
//! misses a key is told. A state machine: the time and a random number go in, decisions come out.
//!
//! Checks: freshness, the grace of an outage, the fetch budget, the back-off, and which keys were
//! looked for in vain a moment ago. Does not check: the keys themselves.
//!
//! Why: whoever can send a request can name a key that does not exist. The budget bounds what that
//! costs the authorization server, and only demanded fetches need it, so that neither a scheduled
//! refresh nor the first fetch ever waits for it. It holds one fetch to spare: a scheduled refresh
//! just before a rotation does not keep the new key away.

mod freshness;
mod policy;
mod unknown_keys;

use std::hash::RandomState;
use std::mem;
use std::time::{Duration, Instant};

pub(super) use freshness::freshness;
pub(crate) use policy::RefreshPolicy;
use unknown_keys::UnknownKeys;

use crate::sync::RateLimit;
use crate::time::later;

/// The least that a client is asked to wait before it tries again.
const MIN_RETRY_AFTER: Duration = Duration::from_secs(1);

/// The state of one issuer's keys, without the keys.
#[derive(Debug)]
pub(super) struct Refresh {
    policy: RefreshPolicy,
    budget: RateLimit,
    remembered: UnknownKeys,
    held: Option<Validity>,
    /// How many fetches have started; the number of the latest.
    fetches: u64,
    in_flight: bool,
    /// Failed attempts since the last success.
    failures: u32,
    /// When the next fetch starts.
    due: Instant,
    /// A request waits for the next fetch, since a key was missing.
    demanded: bool,
}

/// The keys in hand, as far as time is concerned.
#[derive(Clone, Copy, Debug)]
pub(super) struct Validity {
    /// When the server last vouched for them; `None` for keys from elsewhere.
    pub(super) vouched_at: Option<Instant>,
    /// From then on they are stale.
    pub(super) fresh_until: Instant,
    /// From then on they are not used.
    pub(super) usable_until: Instant,
}

/// What a request misses.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum KeyQuery<'a> {
    /// Any key: none is in hand that may be used.
    AnyKey,
    /// A key of this id, for the algorithm of the token.
    Kid(&'a str),
    /// A key that the signature fits: the one in hand by this id, or all of them, did not.
    Mismatch(Option<&'a str>),
}

/// What a request that misses a key is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum RefreshDecision {
    /// Look again when the fetch of this number has ended (which it may have by now).
    Wait {
        /// Its number.
        fetch: u64,
    },
    /// The keys are out of reach.
    Unavailable {
        /// When it is worth while to try again: at least a second from now.
        retry_after: Duration,
    },
    /// There is no such key: it was looked for, or may not be looked for now.
    Refuse,
}

impl RefreshDecision {
    /// The keys are there by now. No fetch has the number 0: this wait is over at once.
    pub(super) const LOOK_AGAIN: Self = Self::Wait { fetch: 0 };
}

/// What the driver does next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Next {
    /// Fetch now; report [`Refresh::succeeded`] or [`Refresh::failed`] before asking again.
    Fetch {
        /// A key was missing: ask for the whole set, since the server may say that nothing changed
        /// because its entity tag never does.
        whole: bool,
    },
    /// Ask again at this time, or when a request has made a demand.
    At(Instant),
}

impl Refresh {
    /// No keys in hand; the first fetch is due at once.
    pub(super) fn new(policy: RefreshPolicy, hasher: RandomState, now: Instant) -> Self {
        Self {
            budget: RateLimit::full(2, policy.cooldown, now),
            remembered: UnknownKeys::new(hasher, policy.max_unknown_kids),
            held: None,
            fetches: 0,
            in_flight: false,
            failures: 0,
            due: now,
            demanded: false,
            policy,
        }
    }

    /// With keys from elsewhere in hand: stale from the start, so a fetch is due at once.
    pub(super) fn seeded(policy: RefreshPolicy, hasher: RandomState, now: Instant) -> Self {
        let held =
            Validity { vouched_at: None, fresh_until: now, usable_until: later(now, policy.stale_for) };
        Self { held: Some(held), ..Self::new(policy, hasher, now) }
    }

    /// What the driver does now.
    pub(super) fn next(&mut self, now: Instant) -> Next {
        if now < self.due {
            return Next::At(self.due);
        }
        self.budget.draw(now);
        self.fetches = self.fetches.saturating_add(1);
        self.in_flight = true;
        Next::Fetch { whole: mem::take(&mut self.demanded) }
    }

    /// The fetch brought keys, or word that the keys in hand are the latest (304).
    ///
    /// `served` is how long the answer says it may be kept, if it does.
    pub(super) fn succeeded(&mut self, served: Option<Duration>, now: Instant, random: f64) {
        let freshness = self.policy.freshness(served);
        let fresh_until = later(now, freshness);
        let usable_until = later(fresh_until, self.policy.stale_for);
        self.held = Some(Validity { vouched_at: Some(now), fresh_until, usable_until });
        self.remembered.found_absent(self.fetches, later(now, self.policy.cooldown));
        self.in_flight = false;
        self.failures = 0;
        self.due = later(now, RefreshPolicy::refresh_after(freshness, random));
    }

    /// The fetch failed. Unless it was an outage, the keys in hand lose their grace, until the next
    /// success: the server is there and does not vouch for them.
    pub(super) fn failed(&mut self, outage: bool, now: Instant, random: f64) {
        self.remembered.forget(self.fetches);
        self.in_flight = false;
        self.due = later(now, self.policy.backoff(self.failures, random));
        self.failures = self.failures.saturating_add(1);
        if let Some(held) = self.held.as_mut().filter(|_| !outage) {
            held.usable_until = held.fresh_until;
        }
    }

    /// The driver is gone, and with it the fetch in flight or about to start. A demand or a new
    /// driver starts another, without a back-off: the server is not to blame.
    pub(super) fn abandoned(&mut self) {
        if !self.in_flight {
            self.fetches = self.fetches.saturating_add(1);
        }
        self.in_flight = false;
        self.remembered.forget(self.fetches);
    }

    /// What a request is told that misses `want`.
    pub(super) fn demand(&mut self, want: KeyQuery<'_>, now: Instant) -> RefreshDecision {
        if self.remembered.contains(want, now) {
            return RefreshDecision::Refuse;
        }
        if self.in_flight {
            return RefreshDecision::Wait { fetch: self.fetches };
        }
        if want == KeyQuery::AnyKey && self.usable(now) {
            return RefreshDecision::LOOK_AGAIN;
        }
        if now < self.due {
            if let Some(refusal) = self.refusal(want, now) {
                return refusal;
            }
            self.due = now;
        }
        self.demanded = true;
        let fetch = self.fetches.saturating_add(1);
        self.remembered.note(want, fetch, now);
        RefreshDecision::Wait { fetch }
    }

    /// Why no fetch may start before its time for `want`; `None` where one may.
    fn refusal(&mut self, want: KeyQuery<'_>, now: Instant) -> Option<RefreshDecision> {
        match want {
            // With a key in hand under this very id, there is nothing to wait for.
            KeyQuery::Mismatch(Some(_)) if self.failures > 0 => Some(RefreshDecision::Refuse),
            _ if self.failures > 0 => {
                Some(RefreshDecision::Unavailable { retry_after: self.retry_after(now) })
            }
            KeyQuery::AnyKey => None,
            KeyQuery::Kid(_) | KeyQuery::Mismatch(_) => {
                (!self.budget.has_one(now)).then_some(RefreshDecision::Refuse)
            }
        }
    }

    /// The time to the next attempt, as it is told to a client.
    pub(super) fn retry_after(&self, now: Instant) -> Duration {
        self.due.saturating_duration_since(now).max(MIN_RETRY_AFTER)
    }

    /// Whether there are keys in hand that may be used.
    pub(super) fn usable(&self, now: Instant) -> bool {
        self.held.is_some_and(|held| now < held.usable_until)
    }

    /// The times of the keys in hand.
    pub(super) fn held(&self) -> Option<Validity> {
        self.held
    }

    /// The number of the latest fetch.
    pub(super) fn fetches(&self) -> u64 {
        self.fetches
    }

    /// Whether a fetch has started and not ended.
    pub(super) fn in_flight(&self) -> bool {
        self.in_flight
    }

    /// When the next fetch starts, if nobody demands one earlier; `None` while one is in flight.
    pub(super) fn next_fetch(&self) -> Option<Instant> {
        (!self.in_flight).then_some(self.due)
    }
}

#[cfg(test)]
mod tests;
