//! The JWTs that were accepted once before their first introspection completed.
//!
//! A state machine: it takes the time as an argument.
//!
//! Why: a revoked JWT must not be accepted again each time its cached response expires. The first use
//! of each JWT is recorded until the JWT has expired, and if the table is full, no further JWT is accepted
//! this way. The key of a JWT leaves its signature out, because some signatures have two valid forms.

use std::collections::HashMap;
use std::time::Duration;

use crate::time::NumericDate;

/// The capacity of the table: at most 4 MB.
const MAX_JWTS: usize = 65_536;

/// A JWT may be accepted for the leeway after its `exp`. This is the longest that can be configured.
const MAX_LEEWAY: Duration = Duration::from_secs(300);

/// The JWTs by key, and when each can be forgotten.
#[derive(Debug, Default)]
pub(super) struct FirstUses {
    forget_at: HashMap<u64, NumericDate>,
    purged_at: Option<NumericDate>,
}

impl FirstUses {
    /// Whether this is the first use of a JWT that expires at `exp`. Returns `false` if the
    /// table is full.
    pub(super) fn take(&mut self, jwt: u64, exp: NumericDate, now: NumericDate) -> bool {
        if self.forget_at.contains_key(&jwt) {
            return false;
        }
        if self.forget_at.len() >= MAX_JWTS {
            self.purge(now);
        }
        let has_room = self.forget_at.len() < MAX_JWTS;
        if has_room {
            self.forget_at.insert(jwt, exp.later(MAX_LEEWAY));
        }
        has_room
    }

    /// At most once per second, because it examines every JWT.
    fn purge(&mut self, now: NumericDate) {
        let is_recent = |at: NumericDate| now.since(at) < Duration::from_secs(1) && at.since(now).is_zero();
        if !self.purged_at.is_some_and(is_recent) {
            self.purged_at = Some(now);
            self.forget_at.retain(|_, forget_at| now < *forget_at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date(secs: u64) -> NumericDate {
        NumericDate::from_secs(secs).unwrap()
    }

    #[test]
    fn a_jwt_has_one_first_use() {
        let mut uses = FirstUses::default();
        assert!(uses.take(1, date(100), date(0)));
        assert!(!uses.take(1, date(100), date(50)));
        assert!(uses.take(2, date(100), date(50)));
    }

    #[test]
    fn when_too_many_are_remembered_only_expired_ones_make_room() {
        let mut uses = FirstUses::default();
        let max = u64::try_from(MAX_JWTS).unwrap();
        assert!((0..max).all(|jwt| uses.take(jwt, date(1000), date(0))));
        assert!(!uses.take(max, date(1000), date(0)));
        assert!(!uses.take(max, date(1000), date(1299)), "the longest leeway has not passed");
        assert!(!uses.take(0, date(1000), date(1299)));
        assert!(uses.take(max, date(2000), date(1300)));
    }
}
