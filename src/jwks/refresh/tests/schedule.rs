//! When fetches start, and how long keys stay usable.

use super::*;

#[test]
fn first_queries_wait_for_the_first_fetch() {
    let mut harness = Harness::without_keys();
    for query in [KeyQuery::AnyKey, KeyQuery::AnyKey, KeyQuery::Kid("a"), KeyQuery::Mismatch(None)] {
        assert_eq!(harness.decide(query), RefreshDecision::Wait { fetch: 1 });
    }
    harness.expect_fetch();
    assert_eq!(harness.decide(KeyQuery::AnyKey), RefreshDecision::Wait { fetch: 1 });
    assert_eq!(harness.refresh.latest_fetch(), 1);
}

#[test]
fn scheduled_refresh_starts_before_the_keys_are_stale() {
    for (random, expected) in [(0.0, 45 * MIN), (1.0, 54 * MIN)] {
        let mut harness = Harness::without_keys();
        harness.random = random;
        harness.expect_fetch();
        harness.succeed(Some(HOUR));
        assert_eq!(harness.expect_idle().as_secs(), expected);
        harness.advance(expected - 1);
        assert_eq!(harness.expect_idle().as_secs(), 1);
        harness.advance(1);
        harness.expect_fetch();
    }
}

#[test]
fn success_renews_the_freshness() {
    let mut harness = Harness::with_fresh_keys();
    harness.advance(54 * MIN);
    harness.expect_fetch();
    harness.succeed(Some(HOUR));
    let validity = harness.refresh.validity().unwrap();
    assert_eq!(
        (validity.confirmed_at, validity.fresh_until),
        (Some(harness.now), harness.now.later(Duration::from_secs(HOUR)))
    );
}

#[test]
fn retry_backoff_starts_over_after_a_success() {
    let mut harness = Harness::with_fresh_keys();
    harness.advance(58 * MIN);
    let mut waits = Vec::new();
    for _ in 0..9 {
        harness.expect_fetch();
        harness.fail(GracePeriod::Full);
        let wait = harness.expect_idle();
        waits.push(wait.as_millis());
        harness.pass(wait);
    }
    assert_eq!(waits, [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
    harness.expect_fetch();
    harness.succeed(None);
    harness.advance(9 * MIN);
    harness.expect_fetch();
    harness.fail(GracePeriod::Full);
    assert_eq!(harness.expect_idle().as_millis(), 250);
}

#[test]
fn requests_stay_for_the_next_retry_of_a_short_outage_and_are_rejected_in_a_long_one() {
    let mut harness = Harness::without_keys();
    for failed in 1..=10 {
        harness.expect_fetch();
        harness.fail(GracePeriod::Full);
        for query in [KeyQuery::AnyKey, KeyQuery::Kid("a")] {
            let decision = harness.decide(query);
            if failed <= 4 {
                assert_eq!(decision, RefreshDecision::Wait { fetch: failed + 1 }, "{failed}, {query:?}");
            } else {
                let retry_after = Duration::from_secs(4);
                assert_eq!(decision, RefreshDecision::Unavailable { retry_after }, "{failed}, {query:?}");
            }
        }
        let wait = harness.expect_idle();
        assert!(wait <= Duration::from_secs(4), "{failed}: {wait:?}");
        harness.pass(wait);
    }
    harness.expect_fetch();
    harness.succeed(None);
    assert!(harness.usable());
    assert_eq!(harness.decide(KeyQuery::AnyKey), RefreshDecision::RETRY_NOW);
}

#[test]
fn waiting_request_repeats_a_fetch_at_once_that_has_timed_out() {
    let mut harness = Harness::without_keys();
    for _ in 0..8 {
        harness.expect_fetch();
        harness.advance(5);
        harness.fail(GracePeriod::Full);
        assert!(harness.must_wait(KeyQuery::AnyKey));
    }
    harness.expect_fetch();
}

#[test]
fn request_that_can_wait_less_than_the_backoff_is_rejected_but_brings_the_retry_forward() {
    let mut harness = Harness::without_keys();
    for _ in 0..3 {
        harness.expect_fetch();
        harness.fail(GracePeriod::Full);
        harness.advance(1);
    }
    harness.expect_fetch();
    harness.fail(GracePeriod::Full);
    let decision = harness.refresh.decide(KeyQuery::AnyKey, harness.now, Duration::from_millis(500));
    assert_eq!(decision, RefreshDecision::Unavailable { retry_after: Duration::from_secs(2) });
}

#[test]
fn readiness_probe_brings_the_retry_forward_but_not_before_the_retry_after() {
    let mut harness = Harness::without_keys();
    for _ in 0..12 {
        harness.expect_fetch();
        harness.fail(GracePeriod::Full);
        harness.now = harness.refresh.due();
    }
    harness.expect_fetch();
    harness.fail(GracePeriod::Full);
    assert_eq!(harness.expect_idle().as_secs(), 5 * MIN);
    harness.refresh.request_keys(harness.now);
    assert_eq!(harness.expect_idle().as_secs(), 4);
    harness.advance(4);
    harness.expect_fetch();
    let failure = Failure { grace: GracePeriod::Full, retry_after: Some(Duration::from_secs(MIN)) };
    harness.refresh.failed(failure, harness.now, 1.0);
    harness.refresh.request_keys(harness.now);
    assert_eq!(harness.expect_idle().as_secs(), 30);
}

#[test]
fn readiness_probe_during_a_fetch_causes_no_further_fetch() {
    let mut harness = Harness::without_keys();
    harness.refresh.request_keys(harness.now);
    harness.expect_fetch();
    harness.refresh.request_keys(harness.now);
    harness.succeed(Some(HOUR));
    harness.used = false;
    harness.advance(HOUR);
    assert_eq!(harness.next(), Next::Idle);
}

#[test]
fn retry_after_postpones_the_next_fetch_and_for_requests_by_at_most_30_s() {
    for (stated, scheduled, requested) in [(2, 2, 2), (20, 20, 20), (120, 120, 30), (3600, 300, 30)] {
        let mut harness = Harness::with_fresh_keys();
        harness.advance(53 * MIN);
        harness.expect_fetch();
        let retry_after = Some(Duration::from_secs(stated));
        let failure = Failure { grace: GracePeriod::Full, retry_after };
        harness.refresh.failed(failure, harness.now, 1.0);
        assert_eq!(harness.expect_idle().as_secs(), scheduled, "{stated}");
        harness.decide(KeyQuery::Kid("new"));
        assert_eq!(harness.expect_idle().as_secs(), requested, "{stated}");
    }
}

#[test]
fn shortest_grace_period_since_the_last_success_applies() {
    use GracePeriod::{Full, None, Short};
    for (name, failures, usable_for) in [
        ("outage", &[Full][..], 5 * HOUR),
        ("bad response", &[Short][..], 2 * HOUR),
        ("empty key set", &[None][..], HOUR),
        ("outage, then bad response", &[Full, Short], 2 * HOUR),
        ("bad response, then outage", &[Short, Full], 2 * HOUR),
        ("empty key set, then outage", &[None, Full], HOUR),
    ] {
        let mut harness = Harness::without_keys();
        harness.expect_fetch();
        harness.succeed(Some(HOUR));
        let start = harness.now;
        for grace in failures {
            harness.now = harness.refresh.due();
            harness.expect_fetch();
            harness.fail(*grace);
        }
        assert!(harness.now.since(start) < Duration::from_secs(HOUR), "{name}");
        let grace_until = harness.refresh.validity().unwrap().grace_until;
        assert_eq!(grace_until, start.later(Duration::from_secs(usable_for)), "{name}");
    }
}

#[test]
fn success_restores_the_grace_period() {
    let mut harness = Harness::with_fresh_keys();
    harness.advance(53 * MIN);
    harness.expect_fetch();
    harness.fail(GracePeriod::Short);
    harness.advance(1);
    harness.expect_fetch();
    harness.succeed(Some(HOUR));
    let grace_until = harness.refresh.validity().unwrap().grace_until;
    assert_eq!(grace_until, harness.now.later(Duration::from_secs(5 * HOUR)));
}

#[test]
fn configured_keys_are_usable_and_stale_from_the_start() {
    let now = start();
    let mut refresh = Refresh::seeded(RefreshPolicy::default(), RandomState::new(), now);
    assert!(refresh.usable(now));
    assert!(refresh.usable(now.later(Duration::from_secs(4 * HOUR - 1))));
    assert!(!refresh.usable(now.later(Duration::from_secs(4 * HOUR))));
    assert_eq!(refresh.validity().and_then(|validity| validity.confirmed_at), None);
    assert_eq!(refresh.next(now, true), Next::Fetch { bypass_caches: false, is_scheduled: true });
    refresh.failed(Failure { grace: GracePeriod::Full, retry_after: None }, now, 0.5);
    assert!(refresh.usable(now));
}

#[test]
fn abandoned_fetch_is_repeated_without_backoff() {
    for started in [false, true] {
        let mut harness = Harness::without_keys();
        assert_eq!(harness.decide(KeyQuery::Kid("a")), RefreshDecision::Wait { fetch: 1 });
        if started {
            harness.expect_fetch();
        }
        harness.refresh.abandoned();
        assert_eq!(harness.refresh.latest_fetch(), 1);
        assert_eq!(harness.decide(KeyQuery::Kid("a")), RefreshDecision::Wait { fetch: 2 });
        harness.expect_fetch();
        harness.succeed(None);
        assert_eq!(harness.decide(KeyQuery::Kid("a")), RefreshDecision::NotFound);
    }
}

#[test]
fn stopped_clock_causes_no_extra_fetch() {
    let mut harness = Harness::without_keys();
    harness.expect_fetch();
    harness.succeed(None);
    for n in 0..100 {
        if harness.must_wait(KeyQuery::Kid(&n.to_string())) {
            harness.expect_fetch();
            harness.succeed(None);
        }
        harness.expect_idle();
    }
    assert!(harness.usable());
    assert_eq!(harness.fetched_at.len(), 3);
}

#[test]
fn huge_durations_saturate() {
    for huge in [Duration::MAX, Duration::from_secs(u64::MAX), Duration::from_secs(u64::MAX / 3)] {
        let mut policy = RefreshPolicy { stale_for: huge, cooldown: huge, ..RefreshPolicy::default() };
        policy.fix_ttl(huge);
        let mut harness = Harness::with(policy);
        harness.expect_fetch();
        harness.succeed(None);
        harness.advance(10_000 * HOUR);
        assert!(harness.usable(), "{huge:?}");
        assert!(harness.expect_idle() > Duration::from_secs(10_000 * HOUR), "{huge:?}");
    }
}
