//! The pauses that the authorization server requests with `Retry-After` (RFC 9110 section 10.2.3).
//!
//! A state machine: it takes the time as an argument and returns decisions.
//!
//! Why: one response with a long `Retry-After` can come from one sick replica, or from a firewall that
//! objects to one token. So a pause is limited to 30 s until a response about another token confirms it. A
//! response about a token that was never active holds back only such tokens.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::error::IntrospectionError;
use super::priority::{CallToken, Priority};
use crate::time::later;

/// The longest pause that is not confirmed.
const MAX_FIRST: Duration = Duration::from_secs(30);

/// The longest pause that follows another one: a response about another token confirmed the first.
const MAX_CONFIRMED: Duration = Duration::from_secs(300);

/// A response that requests a pause.
#[derive(Clone, Debug)]
pub(super) struct PauseRequest {
    /// The pause that a response requests.
    pub(super) wait: Duration,
    /// Whether the status is 429 (RFC 6585 section 4): the server is healthy and limits its clients.
    pub(super) is_rate_limit: bool,
    /// The token that the response is about.
    pub(super) token: CallToken,
    /// When the request was sent.
    pub(super) sent_at: Instant,
    pub(super) cause: Arc<IntrospectionError>,
}

/// A pause that has just begun.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct NewPause {
    pub(super) length: Duration,
    /// Whether only untrusted tokens are held back.
    pub(super) untrusted_only: bool,
}

/// The pauses for all tokens and for untrusted tokens.
#[derive(Debug, Default)]
pub(super) struct Pauses {
    all: Option<Pause>,
    untrusted: Option<Pause>,
}

#[derive(Debug)]
struct Pause {
    began_at: Instant,
    until: Instant,
    /// The key of the token that caused it.
    token: u64,
    cause: Arc<IntrospectionError>,
}

impl Pauses {
    /// The server requests a pause. Returns it if it begins now or becomes longer.
    pub(super) fn request(&mut self, request: PauseRequest, now: Instant) -> Option<NewPause> {
        let untrusted_only = self.affects_untrusted_only(&request);
        let pause = if untrusted_only { &mut self.untrusted } else { &mut self.all };
        let is_confirmed = pause.as_ref().is_some_and(|pause| pause.is_confirmed_by(&request));
        let length = request.wait.min(if is_confirmed { MAX_CONFIRMED } else { MAX_FIRST });
        let until = later(now, length);
        if length.is_zero() || pause.as_ref().is_some_and(|pause| pause.until >= until) {
            return None;
        }
        *pause = Some(Pause { began_at: now, until, token: request.token.key, cause: request.cause });
        Some(NewPause { length, untrusted_only })
    }

    /// A rate limit is relieved by untrusted tokens first. If trusted ones reach it although the untrusted
    /// ones are held back, all have to wait.
    fn affects_untrusted_only(&self, request: &PauseRequest) -> bool {
        let was_held = self.untrusted.as_ref().is_some_and(|pause| request.sent_at >= pause.began_at);
        !request.token.priority.is_trusted() || (request.is_rate_limit && !was_held)
    }

    /// The server responded, so a later pause is not a confirmation of an earlier one.
    pub(super) fn responded(&mut self, now: Instant) {
        let is_running = |pause: &mut Pause| now < pause.until;
        self.all.take_if(|pause| !is_running(pause));
        self.untrusted.take_if(|pause| !is_running(pause));
    }

    /// Why calls with this priority are held back, and for how long.
    pub(super) fn blocking(
        &self,
        priority: Priority,
        now: Instant,
    ) -> Option<(&Arc<IntrospectionError>, Duration)> {
        let untrusted = self.untrusted.as_ref().filter(|_| !priority.is_trusted());
        let longest = self.all.iter().chain(untrusted).max_by_key(|pause| pause.until)?;
        let rest = longest.until.saturating_duration_since(now);
        (!rest.is_zero()).then_some((&longest.cause, rest))
    }
}

impl Pause {
    /// A pause that one token causes again and again may be due to that token.
    fn is_confirmed_by(&self, request: &PauseRequest) -> bool {
        request.sent_at >= self.until && request.token.key != self.token
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]
mod tests {
    use super::super::error::IntrospectionErrorKind;
    use super::Priority::{Trusted, Untrusted};
    use super::*;

    const SEC: Duration = Duration::from_secs(1);

    fn asked(secs: u64, is_rate_limit: bool, priority: Priority, sent_at: Instant) -> PauseRequest {
        let token = CallToken { key: 0, priority };
        let cause = Arc::new(IntrospectionError::new(IntrospectionErrorKind::NotSent));
        PauseRequest { wait: Duration::from_secs(secs), is_rate_limit, token, sent_at, cause }
    }

    fn secs(pauses: &Pauses, priority: Priority, now: Instant) -> u64 {
        pauses.blocking(priority, now).map_or(0, |(_, rest)| rest.as_secs())
    }

    #[test]
    fn a_first_pause_lasts_at_most_30_s_and_a_confirmed_one_300_s() {
        let mut now = Instant::now();
        let mut pauses = Pauses::default();
        for (key, expected) in [(1, 30), (2, 300), (3, 300)] {
            let token = CallToken { key, priority: Trusted };
            let request = PauseRequest { token, ..asked(u64::MAX, false, Trusted, now) };
            let pause = pauses.request(request, now).unwrap();
            assert_eq!(pause, NewPause { length: expected * SEC, untrusted_only: false });
            assert_eq!(secs(&pauses, Trusted, now), u64::from(expected));
            // Calls that were sent before the pause confirm nothing.
            assert_eq!(pauses.request(asked(300, false, Trusted, now), now), None);
            now += expected * SEC;
            assert_eq!(secs(&pauses, Untrusted, now), 0);
        }
        pauses.responded(now);
        pauses.request(asked(300, false, Trusted, now), now);
        assert_eq!(secs(&pauses, Trusted, now), 30, "a response resets the confirmation");
    }

    #[test]
    fn a_token_does_not_confirm_a_pause_that_it_caused_itself() {
        let mut now = Instant::now();
        let mut pauses = Pauses::default();
        for _ in 0..5 {
            let pause = pauses.request(asked(300, false, Trusted, now), now).unwrap();
            assert_eq!(pause.length, 30 * SEC);
            now += pause.length;
        }
    }

    #[test]
    fn a_response_about_an_untrusted_token_holds_back_untrusted_tokens_only() {
        let now = Instant::now();
        for is_rate_limit in [true, false] {
            let mut pauses = Pauses::default();
            let pause = pauses.request(asked(7, is_rate_limit, Untrusted, now), now).unwrap();
            assert!(pause.untrusted_only);
            assert_eq!((secs(&pauses, Untrusted, now), secs(&pauses, Trusted, now)), (7, 0));
        }
    }

    #[test]
    fn a_rate_limit_holds_back_trusted_tokens_only_if_holding_back_others_did_not_help() {
        let now = Instant::now();
        let mut pauses = Pauses::default();
        let earlier = now - SEC;
        assert!(pauses.request(asked(20, true, Trusted, earlier), now).unwrap().untrusted_only);
        assert!(pauses.request(asked(25, true, Trusted, earlier), now).unwrap().untrusted_only, "in flight");
        assert_eq!((secs(&pauses, Untrusted, now), secs(&pauses, Trusted, now)), (25, 0));
        let then = now + SEC;
        assert!(!pauses.request(asked(20, true, Trusted, then), then).unwrap().untrusted_only);
        assert_eq!(secs(&pauses, Trusted, then), 20);
    }
}
