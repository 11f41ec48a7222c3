//! Tests of the refresh state machine, with a simulated clock.

#![allow(clippy::arithmetic_side_effects, clippy::as_conversions, reason = "a test that overflows fails")]

mod fetch_limit;
mod idle;
mod schedule;
mod stale;
mod unknown_keys;

use std::time::Instant;

use super::*;
use crate::time::NumericDate;

const MIN: u64 = 60;
const HOUR: u64 = 60 * MIN;

/// How long requests wait.
const MAX_WAIT: Duration = Duration::from_secs(3);

fn start() -> Moment {
    Moment::at(NumericDate::from_secs(1_700_000_000).unwrap())
}

/// A state machine with a clock that the test advances, and the start times of its fetches.
struct Harness {
    refresh: Refresh,
    now: Moment,
    random: f64,
    fetched_at: Vec<Instant>,
    /// Whether the keys are in use.
    used: bool,
}

impl Harness {
    fn without_keys() -> Self {
        Self::with(RefreshPolicy::default())
    }

    fn with(policy: RefreshPolicy) -> Self {
        let now = start();
        let refresh = Refresh::new(policy, RandomState::new(), now);
        Self { refresh, now, random: 1.0, fetched_at: Vec::new(), used: true }
    }

    /// With keys that are fresh for an hour, and a full token bucket.
    fn with_fresh_keys() -> Self {
        let mut harness = Self::without_keys();
        harness.expect_fetch();
        harness.succeed(Some(HOUR));
        harness.advance(2 * MIN);
        harness
    }

    fn advance(&mut self, secs: u64) {
        self.advance_millis(secs * 1000);
    }

    fn advance_millis(&mut self, millis: u64) {
        self.pass(Duration::from_millis(millis));
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now.later(time);
    }

    fn next(&mut self) -> Next {
        let next = self.refresh.next(self.now, self.used);
        if matches!(next, Next::Fetch { .. }) {
            self.fetched_at.push(self.now.monotonic());
        }
        next
    }

    #[track_caller]
    fn expect_fetch(&mut self) {
        assert!(matches!(self.next(), Next::Fetch { .. }), "no fetch is due");
    }

    #[track_caller]
    fn expect_idle(&mut self) -> Duration {
        match self.next() {
            Next::At(due) => self.now.until(due),
            Next::Fetch { .. } => panic!("a fetch started early"),
            Next::Idle => panic!("the task ended"),
        }
    }

    fn succeed(&mut self, max_age: Option<u64>) {
        self.refresh.succeeded(max_age.map(Duration::from_secs), self.now, self.random);
    }

    fn fail(&mut self, grace: GracePeriod) {
        self.refresh.failed(Failure { grace, retry_after: None }, self.now, self.random);
    }

    fn decide(&mut self, query: KeyQuery<'_>) -> RefreshDecision {
        self.refresh.decide(query, self.now, MAX_WAIT)
    }

    fn must_wait(&mut self, query: KeyQuery<'_>) -> bool {
        matches!(self.decide(query), RefreshDecision::Wait { .. })
    }

    fn usable(&self) -> bool {
        self.refresh.usable(self.now)
    }

    /// The maximum number of fetches that started within any 60 s.
    fn max_fetches_in_a_minute(&self) -> usize {
        let starts = &self.fetched_at;
        let within = |from: &Instant| {
            starts.iter().filter(|at| *at >= from && **at - *from <= Duration::from_secs(MIN)).count()
        };
        starts.iter().map(within).max().unwrap_or_default()
    }
}
