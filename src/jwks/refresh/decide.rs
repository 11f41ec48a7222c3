//! Decides how to handle a request whose key is not cached.
//!
//! Why: a request may cause a fetch, within the rate limit. While fetches fail, it may bring the next retry
//! forward instead, so that the service is back soon after the server.

use std::time::Duration;

use super::Refresh;
use super::decision::RefreshDecision;
use super::query::KeyQuery;
use crate::time::Moment;

/// The minimum `Retry-After` for clients.
const MIN_RETRY_AFTER: Duration = Duration::from_secs(1);

/// Requests wait for the next retry while at most this many fetches have failed in a row. In a longer outage,
/// waiting would only tie up clients.
const MAX_FAILURES_TO_WAIT: u32 = 4;

impl Refresh {
    /// Decides how to handle a request whose key is not cached and that can wait for `wait_left`. May make a
    /// fetch due.
    pub(in crate::jwks) fn decide(
        &mut self,
        query: KeyQuery<'_>,
        now: Moment,
        wait_left: Duration,
    ) -> RefreshDecision {
        if self.is_unknown(query, now) {
            return RefreshDecision::NotFound;
        }
        if query == KeyQuery::AnyKey && self.usable(now) {
            return RefreshDecision::RETRY_NOW;
        }
        if self.in_flight.is_some() {
            return RefreshDecision::Wait { fetch: self.latest_fetch };
        }
        let denial = match now.has_reached(self.due) {
            true => None,
            false if self.failures > 0 => self.hasten_retry(query, now, wait_left),
            false => self.start_early(query, now),
        };
        if let Some(denial) = denial {
            return denial;
        }
        self.request(query);
        let fetch = self.latest_fetch.saturating_add(1);
        self.unknown_keys.insert(query, fetch, now);
        RefreshDecision::Wait { fetch }
    }

    fn request(&mut self, query: KeyQuery<'_>) {
        self.requested = true;
        self.key_missing |= query != KeyQuery::AnyKey;
    }

    /// Makes a fetch due before its time, within the rate limit. Returns the decision if that is impossible.
    fn start_early(&mut self, query: KeyQuery<'_>, now: Moment) -> Option<RefreshDecision> {
        if query != KeyQuery::AnyKey {
            if !self.rate_limit.has_one(now.monotonic()) {
                let retry_after = self.rate_limit.wait(1, now.monotonic()).max(MIN_RETRY_AFTER);
                return Some(match query {
                    // A key with this `kid` is cached, so the mismatch stands.
                    KeyQuery::Mismatch(Some(_)) => RefreshDecision::NotFound,
                    _ => RefreshDecision::RateLimited { retry_after },
                });
            }
            self.rate_limit.draw(now.monotonic());
        }
        self.due = now;
        None
    }

    /// Brings the next retry forward for a request. Returns the decision if the request cannot wait for it.
    fn hasten_retry(
        &mut self,
        query: KeyQuery<'_>,
        now: Moment,
        wait_left: Duration,
    ) -> Option<RefreshDecision> {
        // A key with this `kid` is cached, so the mismatch stands as long as fetches fail.
        if matches!(query, KeyQuery::Mismatch(Some(_))) {
            return Some(RefreshDecision::NotFound);
        }
        self.request(query);
        // Stale keys are used as soon as one fetch past their freshness has failed.
        let has_grace = self.validity.is_some_and(|validity| !now.has_reached(validity.grace_until));
        if query == KeyQuery::AnyKey && has_grace {
            self.due = now;
            return None;
        }
        self.due = self.due.min(self.retry_from.max(now));
        let wait = now.until(self.due);
        let is_soon = wait.is_zero() || (self.failures <= MAX_FAILURES_TO_WAIT && wait <= wait_left);
        (!is_soon).then(|| RefreshDecision::Unavailable { retry_after: wait.max(MIN_RETRY_AFTER) })
    }
}
