//! Decides how a failed fetch is logged: in full if there is something new, else briefly.
//!
//! Why: during an outage fetches fail for one reason, at first several times a second. An operator needs the
//! cause when the outage begins, when its kind or URL changes, when the cached keys can no longer be used,
//! and from time to time, because logs are read from their end.
//!
//! Why the kind and the URL tell failures apart, not the text: the text of an expired certificate names the
//! current time, and a document can name another issuer in each response. Both would be new at every fetch.

use std::time::Duration;

use crate::fetch_url::FetchUrl;
use crate::jwks::error::{KeysError, KeysErrorKind};
use crate::time::Moment;

/// The interval at which an unchanged failure is logged in full again.
const REMINDER_INTERVAL: Duration = Duration::from_secs(60);

/// The most failures that are logged in full per [`REMINDER_INTERVAL`], however much they differ.
const MAX_REPORTED: usize = 4;

/// The failed fetches since the last successful one.
#[derive(Default)]
pub(super) struct FailureLog {
    failures: u32,
    /// The failures that were logged in full within the last [`REMINDER_INTERVAL`].
    reported: Vec<Reported>,
    /// Whether cached keys were usable after the last failure.
    was_usable: bool,
}

struct Reported {
    kind: KeysErrorKind,
    url: Option<FetchUrl>,
    at: Moment,
}

impl FailureLog {
    /// Counts a failed fetch, after which cached keys are `usable` or not. Returns whether to log it in full.
    pub(super) fn failed(&mut self, error: &KeysError, usable: bool, now: Moment) -> bool {
        self.failures = self.failures.saturating_add(1);
        self.reported.retain(|reported| now.since(reported.at) < REMINDER_INTERVAL);
        let (kind, url) = (error.kind(), error.url());
        let is_same = |reported: &Reported| reported.kind == kind && reported.url.as_ref() == url;
        let is_new = self.reported.len() < MAX_REPORTED && !self.reported.iter().any(is_same);
        let is_worse = self.was_usable && !usable;
        self.was_usable = usable;
        let in_full = is_new || is_worse;
        if in_full {
            self.reported.retain(|reported| !is_same(reported));
            self.reported.push(Reported { kind, url: url.cloned(), at: now });
        }
        in_full
    }

    /// Forgets the failures after a successful fetch.
    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// The failed fetches since the last successful one.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fetch_url::PlainHttp;
    use crate::time::SystemClock;
    use crate::transport::{FetchError, FetchErrorKind};

    fn status(status: u16) -> KeysError {
        FetchError::from(FetchErrorKind::Status(status)).into()
    }

    /// `at(5)` is 5 s after the start.
    fn at() -> impl Fn(u64) -> Moment {
        let start = Moment::now(&SystemClock::default());
        move |secs| start.later(Duration::from_secs(secs))
    }

    #[test]
    fn a_failure_is_logged_in_full_when_it_is_new_and_once_a_minute() {
        let (at, mut log) = (at(), FailureLog::default());
        for (name, code, usable, secs, in_full) in [
            ("the first", 503, true, 0, true),
            ("the same", 503, true, 1, false),
            ("another kind", 404, true, 2, true),
            ("the first kind again", 503, true, 3, false),
            ("the keys are no longer usable", 503, false, 4, true),
            ("the other kind, without keys", 404, false, 5, false),
            ("the same, just before a minute", 503, false, 63, false),
            ("the same, after a minute", 503, false, 64, true),
            ("the same, soon after the reminder", 503, false, 65, false),
        ] {
            assert_eq!(log.failed(&status(code), usable, at(secs)), in_full, "{name}");
        }
        assert_eq!(log.failures(), 9);
        log.succeeded();
        assert_eq!(log.failures(), 0);
        assert!(log.failed(&status(503), false, at(66)), "a new outage");
    }

    #[test]
    fn a_cause_whose_text_differs_each_time_is_logged_in_full_once_a_minute() {
        let (at, mut log) = (at(), FailureLog::default());
        let expired = |secs| FetchError::transport(format!("the certificate expired {secs} seconds ago"));
        let in_full = |secs: &u64| log.failed(&expired(*secs).into(), true, at(*secs));
        assert_eq!((0..150).filter(in_full).collect::<Vec<u64>>(), [0, 60, 120]);
    }

    #[test]
    fn failures_at_two_urls_are_logged_in_full_each() {
        let (at, mut log) = (at(), FailureLog::default());
        for (url, secs, in_full) in [("one", 0, true), ("two", 1, true), ("one", 2, false), ("two", 3, false)]
        {
            let parsed = FetchUrl::parse(&format!("https://h.example/{url}"), PlainHttp::Loopback).unwrap();
            assert_eq!(log.failed(&status(503).at(&parsed), true, at(secs)), in_full, "{url} at {secs} s");
        }
    }

    #[test]
    fn kinds_that_alternate_are_logged_in_full_at_most_four_times_a_minute() {
        let (at, mut log) = (at(), FailureLog::default());
        let kinds = [500, 501, 502, 503, 504, 505];
        let codes = kinds.into_iter().cycle().zip(0..180);
        let in_full = codes.filter(|(code, secs)| log.failed(&status(*code), true, at(*secs)));
        assert_eq!(in_full.count(), 3 * MAX_REPORTED);
        assert!(log.failed(&status(505), false, at(179)), "the keys are no longer usable");
    }
}
