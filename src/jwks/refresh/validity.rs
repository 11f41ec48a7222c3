//! How long cached keys are valid: fresh, then stale, then unusable.
//!
//! Why: stale keys are used only after a fetch past their freshness has failed or hangs, or while a fetch is
//! in flight that began when they were usable. Otherwise nobody knows whether the server still publishes
//! them: the refresh task may not have run since they became stale. That happens if nobody used the keys, if
//! its runtime was not driven, or if the machine was suspended.

use std::time::Duration;

use crate::time::Moment;

/// How long the cached keys are valid.
#[derive(Clone, Copy, Debug)]
pub(in crate::jwks) struct Validity {
    /// When the authorization server last confirmed the keys. `None` for configured keys.
    pub(in crate::jwks) confirmed_at: Option<Moment>,
    /// When the keys become stale.
    pub(in crate::jwks) fresh_until: Moment,
    /// When the grace period ends.
    pub(in crate::jwks) grace_until: Moment,
    /// Until when the keys are used without waiting for a fetch.
    pub(in crate::jwks) usable_until: Moment,
}

impl Validity {
    /// Keys that the server confirmed at `now`.
    pub(super) fn confirmed(now: Moment, freshness: Duration, grace: Duration) -> Self {
        let fresh_until = now.later(freshness);
        let grace_until = fresh_until.later(grace);
        Self { confirmed_at: Some(now), fresh_until, grace_until, usable_until: fresh_until }
    }

    /// Configured keys. They are stale from the start, and usable until the grace period ends.
    pub(super) fn configured(now: Moment, grace: Duration) -> Self {
        let grace_until = now.later(grace);
        Self { confirmed_at: None, fresh_until: now, grace_until, usable_until: grace_until }
    }

    /// Whether the keys are used now without waiting for a fetch.
    pub(in crate::jwks) fn is_usable(&self, now: Moment) -> bool {
        !now.has_reached(self.usable_until)
    }

    /// Lets stale keys be used until `end`, or the end of the grace period.
    pub(super) fn allow_stale_until(&mut self, end: Moment) {
        self.usable_until = match self.confirmed_at {
            Some(_) => end.min(self.grace_until).max(self.fresh_until),
            None => self.grace_until,
        };
    }

    /// Lets no stale keys be used, until a fetch fails or hangs.
    pub(super) fn forbid_stale(&mut self) {
        self.allow_stale_until(self.fresh_until);
    }

    /// Shortens the grace period to `grace`, unless it is shorter already.
    pub(super) fn limit_grace(&mut self, grace: Duration) {
        self.grace_until = self.grace_until.min(self.fresh_until.later(grace));
        self.usable_until = self.usable_until.min(self.grace_until);
    }
}
