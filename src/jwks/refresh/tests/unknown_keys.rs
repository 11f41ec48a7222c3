//! Queries for keys that are not cached, and the negative cache.

use super::*;

#[test]
fn missing_key_causes_one_fetch_and_is_then_not_found_for_30_s() {
    for query in [KeyQuery::Kid("a"), KeyQuery::Mismatch(Some("a")), KeyQuery::Mismatch(None)] {
        let mut harness = Harness::with_fresh_keys();
        assert_eq!(harness.decide(query), RefreshDecision::Wait { fetch: 2 }, "{query:?}");
        harness.expect_fetch();
        assert_eq!(harness.decide(query), RefreshDecision::Wait { fetch: 2 }, "{query:?}");
        harness.succeed(None);
        assert_eq!(harness.decide(query), RefreshDecision::NotFound, "{query:?}");
        harness.advance(29);
        assert_eq!(harness.decide(query), RefreshDecision::NotFound, "{query:?}");
        harness.advance(1);
        assert_eq!(harness.decide(query), RefreshDecision::Wait { fetch: 3 }, "{query:?}");
    }
}

#[test]
fn fetch_that_started_before_the_query_does_not_answer_it() {
    let mut harness = Harness::with_fresh_keys();
    harness.advance(53 * MIN);
    harness.expect_fetch();
    assert_eq!(harness.decide(KeyQuery::Kid("new")), RefreshDecision::Wait { fetch: 2 });
    harness.succeed(Some(HOUR));
    assert_eq!(harness.decide(KeyQuery::Kid("new")), RefreshDecision::Wait { fetch: 3 });
    harness.expect_fetch();
    harness.succeed(Some(HOUR));
    assert_eq!(harness.decide(KeyQuery::Kid("new")), RefreshDecision::NotFound);
}

#[test]
fn unknown_key_is_not_found_even_while_a_fetch_is_in_flight() {
    let mut harness = Harness::with_fresh_keys();
    assert!(harness.must_wait(KeyQuery::Kid("a")));
    harness.expect_fetch();
    harness.succeed(None);
    assert!(harness.must_wait(KeyQuery::Kid("b")));
    harness.expect_fetch();
    assert_eq!(harness.decide(KeyQuery::Kid("a")), RefreshDecision::NotFound);
    assert!(harness.must_wait(KeyQuery::Mismatch(Some("a"))));
    assert!(harness.must_wait(KeyQuery::AnyKey));
}

#[test]
fn missing_key_during_an_outage_waits_for_a_retry_or_is_unavailable() {
    let mut harness = Harness::with_fresh_keys();
    assert!(harness.must_wait(KeyQuery::Kid("a")));
    harness.expect_fetch();
    harness.fail(GracePeriod::Full);
    // A key with this `kid` is cached, so the mismatch needs no fetch.
    assert_eq!(harness.decide(KeyQuery::Mismatch(Some("cached"))), RefreshDecision::NotFound);
    for _ in 0..5 {
        let wait = harness.expect_idle();
        harness.pass(wait);
        harness.expect_fetch();
        harness.fail(GracePeriod::Full);
    }
    for kid in ["a", "b"] {
        assert!(matches!(harness.decide(KeyQuery::Kid(kid)), RefreshDecision::Unavailable { .. }), "{kid}");
    }
    harness.advance(4);
    assert!(harness.must_wait(KeyQuery::Kid("a")));
    harness.expect_fetch();
    harness.succeed(None);
    assert_eq!(harness.decide(KeyQuery::Kid("a")), RefreshDecision::NotFound);
}

#[test]
fn scheduled_fetches_do_not_draw_on_the_rate_limit_of_requests() {
    let mut harness = Harness::without_keys();
    harness.expect_fetch();
    harness.succeed(Some(HOUR));
    for kid in ["first", "second"] {
        assert!(harness.must_wait(KeyQuery::Kid(kid)), "{kid}");
        harness.expect_fetch();
        harness.succeed(Some(HOUR));
    }
    let rate_limited = |secs| RefreshDecision::RateLimited { retry_after: Duration::from_secs(secs) };
    assert_eq!(harness.decide(KeyQuery::Kid("third")), rate_limited(30));
    assert_eq!(harness.decide(KeyQuery::Mismatch(None)), rate_limited(30));
    assert_eq!(harness.decide(KeyQuery::Mismatch(Some("cached"))), RefreshDecision::NotFound);
    harness.advance(29);
    assert_eq!(harness.decide(KeyQuery::Kid("third")), rate_limited(1));
    harness.advance(1);
    assert!(harness.must_wait(KeyQuery::Kid("third")));
}

#[test]
fn one_repeated_unknown_kid_does_not_use_up_the_rate_limit() {
    let mut harness = Harness::with_fresh_keys();
    for _ in 0..20 {
        if harness.must_wait(KeyQuery::Kid("from another environment")) {
            harness.expect_fetch();
            harness.succeed(Some(HOUR));
        }
        harness.advance(10);
    }
    assert!(harness.must_wait(KeyQuery::Kid("new key")));
}

#[test]
fn a_hundred_thousand_random_kids_in_a_minute_cause_four_fetches() {
    let mut harness = Harness::without_keys();
    let start = harness.now;
    let mut waited = 0;
    for n in 0..=100_000_u32 {
        harness.now = start.later(Duration::from_secs(MIN) * n / 100_000);
        let kid = format!("random-{n}");
        if harness.must_wait(KeyQuery::Kid(&kid)) {
            waited += 1;
            harness.expect_fetch();
            harness.succeed(None);
            assert_eq!(harness.decide(KeyQuery::Kid(&kid)), RefreshDecision::NotFound);
        } else {
            let decision = harness.decide(KeyQuery::Kid(&kid));
            assert!(matches!(decision, RefreshDecision::RateLimited { .. }), "{n}: {decision:?}");
        }
    }
    // The first fetch of all, a burst of two, and one after 30 s.
    assert_eq!((harness.fetched_at.len(), waited), (4, 4));
    assert!(harness.refresh.unknown_keys.len() <= 4);
}

#[test]
fn negative_cache_is_bounded() {
    let policy = RefreshPolicy { max_unknown_kids: 8, ..RefreshPolicy::default() };
    let mut harness = Harness::with(policy);
    let long = "k".repeat(10_000);
    for n in 0..1000 {
        assert!(harness.must_wait(KeyQuery::Kid(&format!("{long}{n}"))));
        assert!(harness.must_wait(KeyQuery::Kid("same")));
    }
    assert_eq!(harness.refresh.unknown_keys.len(), 8);
    harness.expect_fetch();
    harness.succeed(None);
    assert_eq!(harness.decide(KeyQuery::Kid(&format!("{long}999"))), RefreshDecision::NotFound);
    assert!(!harness.refresh.unknown_keys.contains(KeyQuery::Kid(&format!("{long}0")), harness.now));
}
