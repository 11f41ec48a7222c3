//! When stale keys are used: not because nobody has looked, but because a fetch has failed or hangs.

use super::*;

/// Keys that are fresh for an hour, at the end of that hour.
fn with_stale_keys() -> Harness {
    let mut harness = Harness::with_fresh_keys();
    harness.advance(58 * MIN);
    harness
}

#[test]
fn stale_keys_wait_for_a_fetch_although_the_grace_period_has_not_ended() {
    let mut harness = with_stale_keys();
    assert!(!harness.usable());
    assert_eq!(harness.decide(KeyQuery::AnyKey), RefreshDecision::Wait { fetch: 2 });
    harness.expect_fetch();
    harness.succeed(Some(HOUR));
    assert!(harness.usable());
}

#[test]
fn keys_that_become_stale_during_a_fetch_are_used_for_at_most_its_time_limit() {
    let mut harness = Harness::with_fresh_keys();
    harness.advance(57 * MIN + 59);
    harness.expect_fetch();
    harness.advance(9);
    assert!(harness.usable());
    harness.advance(1);
    assert!(!harness.usable());
}

#[test]
fn stale_keys_are_not_used_while_the_first_fetch_after_a_pause_is_in_flight() {
    let mut harness = with_stale_keys();
    harness.advance(3 * HOUR);
    assert!(harness.must_wait(KeyQuery::AnyKey));
    harness.expect_fetch();
    for _ in 0..10 {
        assert!(!harness.usable());
        harness.advance(1);
    }
}

#[test]
fn stale_keys_are_used_while_a_fetch_hangs_and_a_request_has_timed_out() {
    let mut harness = with_stale_keys();
    harness.expect_fetch();
    harness.advance(1);
    harness.refresh.heartbeat(harness.now);
    harness.advance(2);
    assert!(!harness.refresh.wait_timed_out(harness.now, MAX_WAIT), "its task may stand still");
    harness.refresh.heartbeat(harness.now);
    assert!(!harness.usable(), "no request has timed out since");
    assert!(harness.refresh.wait_timed_out(harness.now, MAX_WAIT));
    harness.advance(6);
    assert!(harness.usable());
    harness.advance(1);
    assert!(!harness.usable());
}

#[test]
fn keys_that_became_stale_during_a_fetch_stay_in_use_when_it_fails() {
    let mut harness = Harness::with_fresh_keys();
    harness.advance(57 * MIN + 59);
    harness.expect_fetch();
    harness.advance(5);
    harness.fail(GracePeriod::Full);
    assert!(harness.usable());
    let mut stalled = Harness::with_fresh_keys();
    stalled.advance(57 * MIN + 59);
    stalled.expect_fetch();
    stalled.advance(HOUR);
    stalled.fail(GracePeriod::Full);
    assert!(!stalled.usable(), "nothing drove the fetch");
}

#[test]
fn stale_keys_are_used_after_a_fetch_past_their_freshness_has_failed_until_the_next_is_overdue() {
    let mut harness = with_stale_keys();
    let mut used_for = Duration::ZERO;
    while used_for < Duration::from_secs(4 * HOUR - MIN) {
        harness.expect_fetch();
        harness.fail(GracePeriod::Full);
        assert!(harness.usable(), "after {used_for:?}");
        let wait = harness.expect_idle();
        harness.pass(wait);
        used_for += wait;
        assert!(harness.usable(), "after {used_for:?}");
    }
    // From here on, nothing drives the task.
    harness.advance(1);
    assert!(!harness.usable());
}

#[test]
fn fetch_that_failed_before_the_keys_were_stale_does_not_keep_them_in_use() {
    let mut harness = Harness::with_fresh_keys();
    harness.advance(57 * MIN + 59);
    harness.expect_fetch();
    harness.fail(GracePeriod::Full);
    assert!(harness.usable());
    harness.advance(1);
    assert!(!harness.usable());
}

#[test]
fn abandoned_fetch_does_not_keep_stale_keys_in_use() {
    let mut harness = with_stale_keys();
    harness.expect_fetch();
    harness.refresh.abandoned();
    assert!(!harness.usable());
}

#[test]
fn keys_are_as_old_as_the_clock_says_that_counted_more() {
    let mut harness = Harness::with_fresh_keys();
    // The machine is suspended: only the wall clock goes on.
    let wall = NumericDate::from_secs(1_700_000_000 + 2 * MIN + HOUR).unwrap();
    assert!(harness.usable());
    assert!(!harness.refresh.usable(Moment::at(wall)));
    // The wall clock is set back: only the monotonic clock goes on.
    harness.advance(58 * MIN);
    assert!(!harness.usable());
}

#[test]
fn task_without_a_heartbeat_for_a_second_is_replaced() {
    let mut harness = Harness::without_keys();
    assert_eq!(harness.decide(KeyQuery::AnyKey), RefreshDecision::Wait { fetch: 1 });
    harness.expect_fetch();
    for _ in 0..20 {
        harness.advance_millis(250);
        harness.refresh.heartbeat(harness.now);
        assert!(!harness.refresh.take_over(harness.now));
    }
    harness.advance(10);
    assert!(!harness.refresh.take_over(harness.now), "the runtime may have been blocked");
    harness.refresh.heartbeat(harness.now);
    harness.advance(10);
    for _ in 0..4 {
        assert!(!harness.refresh.take_over(harness.now), "a second has not passed");
        harness.advance_millis(250);
    }
    assert!(harness.refresh.take_over(harness.now));
    // The request that waits for fetch 1 goes on waiting for fetch 2.
    harness.used = false;
    harness.expect_fetch();
    assert_eq!(harness.refresh.latest_fetch(), 2);
}
