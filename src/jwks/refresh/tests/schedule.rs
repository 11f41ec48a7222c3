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
        (Some(harness.now), harness.now + Duration::from_secs(HOUR))
    );
}

#[test]
fn retry_backoff_starts_over_after_a_success() {
    let mut harness = Harness::without_keys();
    let mut waits = Vec::new();
    for _ in 0..9 {
        harness.expect_fetch();
        harness.fail(GracePeriod::Full);
        let wait = harness.expect_idle();
        waits.push(wait.as_millis());
        harness.now += wait;
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
fn keys_are_unavailable_until_the_first_success() {
    let mut harness = Harness::without_keys();
    harness.expect_fetch();
    harness.fail(GracePeriod::Full);
    for query in [KeyQuery::AnyKey, KeyQuery::Kid("a")] {
        let retry_after = Duration::from_secs(1);
        assert_eq!(harness.decide(query), RefreshDecision::Unavailable { retry_after }, "{query:?}");
    }
    for _ in 0..6 {
        let wait = harness.expect_idle();
        harness.now += wait;
        harness.expect_fetch();
        harness.fail(GracePeriod::Full);
    }
    let retry_after = Duration::from_secs(16);
    assert_eq!(harness.decide(KeyQuery::AnyKey), RefreshDecision::Unavailable { retry_after });
    harness.advance(16);
    assert_eq!(harness.decide(KeyQuery::AnyKey), RefreshDecision::Wait { fetch: 8 });
    harness.expect_fetch();
    harness.succeed(None);
    assert!(harness.usable());
    assert_eq!(harness.decide(KeyQuery::AnyKey), RefreshDecision::RETRY_NOW);
}

#[test]
fn shortest_grace_period_since_the_last_success_applies() {
    use GracePeriod::{Full, None, Short};
    for (name, failures, usable_for) in [
        ("outage", &[Full][..], 5 * HOUR),
        ("refusal", &[Short][..], 2 * HOUR),
        ("empty key set", &[None][..], HOUR),
        ("outage, then refusal", &[Full, Short], 2 * HOUR),
        ("refusal, then outage", &[Short, Full], 2 * HOUR),
        ("empty key set, then outage", &[None, Full], HOUR),
    ] {
        let mut harness = Harness::without_keys();
        harness.expect_fetch();
        harness.succeed(Some(HOUR));
        let start = harness.now;
        for grace in failures {
            harness.now = harness.refresh.next_fetch().unwrap();
            harness.expect_fetch();
            harness.fail(*grace);
        }
        assert!(harness.now < start + Duration::from_secs(HOUR), "{name}");
        harness.now = start + Duration::from_secs(usable_for) - Duration::from_millis(1);
        assert!(harness.usable(), "{name}");
        harness.advance_millis(1);
        assert!(!harness.usable(), "{name}");
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
    harness.advance(HOUR + 1);
    assert!(harness.usable());
}

#[test]
fn configured_keys_are_usable_and_stale_from_the_start() {
    let now = Instant::now();
    let mut refresh = Refresh::seeded(RefreshPolicy::default(), RandomState::new(), now);
    assert!(refresh.usable(now));
    assert!(refresh.usable(now + Duration::from_secs(4 * HOUR - 1)));
    assert!(!refresh.usable(now + Duration::from_secs(4 * HOUR)));
    assert_eq!(refresh.validity().and_then(|validity| validity.confirmed_at), None);
    assert_eq!(refresh.next(now), Next::Fetch { whole: false });
    refresh.failed(GracePeriod::Full, now, 0.5);
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
    assert_eq!(harness.fetched_at.len(), 2);
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
