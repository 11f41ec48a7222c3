//! Whether a fetch that is due takes place: only if somebody uses the keys.

use super::*;

#[test]
fn scheduled_refresh_takes_place_only_if_the_keys_were_used_since_the_last_one() {
    let mut harness = Harness::with_fresh_keys();
    harness.advance(53 * MIN);
    harness.expect_fetch();
    harness.succeed(Some(HOUR));
    harness.used = false;
    harness.advance(54 * MIN);
    assert_eq!(harness.next(), Next::Idle);
    harness.used = true;
    harness.expect_fetch();
}

#[test]
fn request_causes_a_fetch_of_keys_that_nobody_used() {
    let mut harness = Harness::with_fresh_keys();
    harness.used = false;
    harness.advance(60 * MIN);
    assert_eq!(harness.next(), Next::Idle);
    assert!(harness.must_wait(KeyQuery::AnyKey));
    harness.expect_fetch();
}

#[test]
fn token_that_nobody_verified_causes_no_retry_after_its_request() {
    let mut harness = Harness::without_keys();
    harness.used = false;
    assert!(harness.must_wait(KeyQuery::AnyKey));
    harness.expect_fetch();
    harness.fail(GracePeriod::Full);
    harness.advance(1);
    assert_eq!(harness.next(), Next::Idle);
}

#[test]
fn retries_end_ten_minutes_after_the_last_use() {
    let mut harness = Harness::with_fresh_keys();
    harness.advance(53 * MIN);
    harness.expect_fetch();
    harness.fail(GracePeriod::Full);
    harness.used = false;
    let start = harness.now;
    loop {
        match harness.next() {
            Next::At(due) => harness.now = due,
            Next::Fetch { .. } => harness.fail(GracePeriod::Full),
            Next::Idle => break,
        }
    }
    let retried_for = harness.now.since(start).as_secs();
    assert!((10 * MIN..11 * MIN).contains(&retried_for), "{retried_for} s");
}
