//! A backoff per token: holds a token back for seconds after its introspection failed.
//!
//! A state machine: it takes the time as an argument.
//!
//! Why: some tokens make an authorization server fail, or a firewall in front of it close the connection.
//! The client that repeats such a token gets an error at once, and the server gets no further request.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::IntrospectionError;
use super::priority::Priority;
use crate::time::later;

/// The number of tokens to remember.
const MAX_TOKENS: usize = 1024;

/// How long a token is held back after its first failure. A token that was active before is more likely to
/// be a victim of a short disruption. A client of any other token is told to retry after a second, the least
/// that `Retry-After` can say.
const FIRST_HOLD_TRUSTED: Duration = Duration::from_millis(250);
const FIRST_HOLD_UNTRUSTED: Duration = Duration::from_secs(1);

/// The longest hold.
const MAX_HOLD: Duration = Duration::from_secs(8);

/// How long an entry stays after the hold, to tell a repeated failure from a first one. A call that
/// times out ends long after the hold.
const REMEMBER_FOR: Duration = Duration::from_secs(30);

/// The tokens whose latest introspection failed, by key.
#[derive(Debug, Default)]
pub(super) struct FailedTokens(HashMap<u64, Failed>);

#[derive(Debug)]
struct Failed {
    error: Arc<IntrospectionError>,
    hold: Duration,
    until: Instant,
}

impl FailedTokens {
    /// Why the introspection of this token failed, and for how long it is not repeated.
    pub(super) fn held(&self, token: u64, now: Instant) -> Option<(&Arc<IntrospectionError>, Duration)> {
        let failed = self.0.get(&token)?;
        let rest = failed.until.saturating_duration_since(now);
        (!rest.is_zero()).then_some((&failed.error, rest))
    }

    /// The introspection of this token failed. If it did so before, it is held back for twice as long.
    pub(super) fn failed(
        &mut self,
        token: u64,
        priority: Priority,
        error: &Arc<IntrospectionError>,
        now: Instant,
    ) {
        let first = match priority {
            Priority::Trusted => FIRST_HOLD_TRUSTED,
            Priority::Untrusted => FIRST_HOLD_UNTRUSTED,
        };
        let before = self.0.get(&token).filter(|failed| !failed.is_forgotten(now));
        let hold = before.map_or(first, |failed| failed.hold.saturating_mul(2)).min(MAX_HOLD);
        if before.is_none() {
            self.make_room(now);
        }
        self.0.insert(token, Failed { error: Arc::clone(error), hold, until: later(now, hold) });
    }

    /// The introspection of this token succeeded.
    pub(super) fn succeeded(&mut self, token: u64) {
        self.0.remove(&token);
    }

    fn make_room(&mut self, now: Instant) {
        if self.0.len() < MAX_TOKENS {
            return;
        }
        self.0.retain(|_, failed| !failed.is_forgotten(now));
        if self.0.len() >= MAX_TOKENS {
            let next = self.0.iter().min_by_key(|(_, failed)| failed.until).map(|(token, _)| *token);
            next.map(|token| self.0.remove(&token));
        }
    }
}

impl Failed {
    fn is_forgotten(&self, now: Instant) -> bool {
        now >= later(self.until, REMEMBER_FOR)
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]
mod tests {
    use super::super::error::IntrospectionErrorKind;
    use super::Priority::{Trusted, Untrusted};
    use super::*;

    fn error() -> Arc<IntrospectionError> {
        Arc::new(IntrospectionError::new(IntrospectionErrorKind::ResponseUnreadable))
    }

    fn hold(tokens: &FailedTokens, token: u64, now: Instant) -> Option<u128> {
        tokens.held(token, now).map(|(_, hold)| hold.as_millis())
    }

    #[test]
    fn the_hold_doubles_up_to_eight_seconds() {
        for (priority, expected) in [
            (Trusted, [250, 500, 1000, 2000, 4000, 8000, 8000]),
            (Untrusted, [1000, 2000, 4000, 8000, 8000, 8000, 8000]),
        ] {
            let (mut tokens, mut now) = (FailedTokens::default(), Instant::now());
            for millis in expected {
                assert_eq!(hold(&tokens, 1, now), None);
                tokens.failed(1, priority, &error(), now);
                assert_eq!(hold(&tokens, 1, now), Some(millis));
                assert_eq!(hold(&tokens, 2, now), None, "another token");
                now += Duration::from_millis(u64::try_from(millis).unwrap());
            }
        }
    }

    #[test]
    fn a_success_or_a_long_time_resets_the_hold() {
        let (mut tokens, now) = (FailedTokens::default(), Instant::now());
        tokens.failed(1, Untrusted, &error(), now);
        tokens.succeeded(1);
        assert_eq!(hold(&tokens, 1, now), None);
        tokens.failed(1, Untrusted, &error(), now);
        let then = now + FIRST_HOLD_UNTRUSTED + REMEMBER_FOR;
        tokens.failed(1, Untrusted, &error(), then);
        assert_eq!(hold(&tokens, 1, then), Some(1000));
    }

    #[test]
    fn at_most_1024_tokens_are_remembered_and_the_next_to_end_is_dropped() {
        let (mut tokens, now) = (FailedTokens::default(), Instant::now());
        tokens.failed(0, Trusted, &error(), now);
        (1..5000).for_each(|token| tokens.failed(token, Untrusted, &error(), now));
        assert_eq!(tokens.0.len(), MAX_TOKENS);
        assert_eq!(hold(&tokens, 0, now), None);
        assert_eq!(hold(&tokens, 4999, now), Some(1000));
    }
}
