//! When the circuit breaker opens, how long it stays open, and who gets a probe.

#![allow(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]

use super::*;

const SEC: Duration = Duration::from_secs(1);
const MILLI: Duration = Duration::from_millis(1);

/// The longest jitter.
const LONGEST: f64 = 1.0;

fn opened(now: Instant) -> Breaker {
    let mut breaker = Breaker::default();
    for token in 1..=10 {
        assert_eq!(breaker.admit(true, now), Ok(Purpose::Regular), "{token}");
        let opens = breaker.failed(Purpose::Regular, Failure::Token(token), now, LONGEST);
        assert_eq!(opens, token == 10, "{token}");
    }
    breaker
}

fn probe(breaker: &mut Breaker, now: Instant) -> Purpose {
    let purpose = breaker.admit(true, now).unwrap();
    assert!(matches!(purpose, Purpose::Probe { trusted: true, .. }));
    purpose
}

#[test]
fn half_of_at_least_ten_calls_must_fail() {
    let now = Instant::now();
    let mut breaker = opened(now);
    assert_eq!(breaker.circuit(now), CircuitState::Open);
    assert_eq!(breaker.check(true, now + 100 * MILLI), Err(150 * MILLI));

    let mut breaker = Breaker::default();
    for token in 0..200 {
        assert!(!breaker.failed(Purpose::Regular, Failure::Token(token), now, LONGEST));
        (0..2).for_each(|_| assert!(!breaker.succeeded(Purpose::Regular, now)));
    }
    assert_eq!(breaker.circuit(now), CircuitState::Closed, "a third fails");
}

#[test]
fn five_simultaneous_failures_of_a_healthy_server_do_not_open_the_breaker() {
    let now = Instant::now();
    for earlier_successes in [0, 3, 10, 1000] {
        let mut breaker = Breaker::default();
        (0..earlier_successes).for_each(|_| assert!(!breaker.succeeded(Purpose::Regular, now)));
        for token in 0..5 {
            assert!(!breaker.failed(Purpose::Regular, Failure::Token(token), now, LONGEST));
        }
    }
}

#[test]
fn a_token_counts_once_and_a_connection_event_counts_each_time() {
    let now = Instant::now();
    let mut breaker = Breaker::default();
    for _ in 0..1000 {
        assert!(!breaker.failed(Purpose::Regular, Failure::Token(7), now, LONGEST));
    }
    let mut breaker = Breaker::default();
    let opens = (1..=10).map(|_| breaker.failed(Purpose::Regular, Failure::Server, now, LONGEST));
    assert_eq!(opens.filter(|opens| *opens).count(), 1);
}

#[test]
fn failures_older_than_the_window_do_not_count() {
    let now = Instant::now();
    let mut breaker = Breaker::default();
    for token in 0..1000_u32 {
        let at = now + 1200 * MILLI * token;
        assert!(!breaker.failed(Purpose::Regular, Failure::Token(token.into()), at, LONGEST), "{token}");
    }
}

#[test]
fn a_dead_server_is_noticed_after_fifty_calls_however_many_succeeded_before() {
    let now = Instant::now();
    let mut breaker = Breaker::default();
    (0..100_000).for_each(|_| assert!(!breaker.succeeded(Purpose::Regular, now)));
    let failures = (1..)
        .take_while(|token| !breaker.failed(Purpose::Regular, Failure::Token(*token), now + SEC, LONGEST));
    assert!(failures.count() < 50);
}

#[test]
fn the_open_time_doubles_from_250_ms_to_10_s_with_jitter() {
    for (random, share) in [(0.0, 0.75), (0.5, 0.875), (1.0, 1.0)] {
        let mut now = Instant::now();
        let mut breaker = Breaker::default();
        for _ in 0..10 {
            breaker.failed(Purpose::Regular, Failure::Server, now, random);
        }
        for millis in [250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000] {
            let open_for = Duration::from_millis(millis).mul_f64(share);
            assert_eq!(breaker.check(true, now), Err(open_for), "{random}");
            now += open_for;
            assert_eq!(breaker.circuit(now), CircuitState::HalfOpen);
            let probe = probe(&mut breaker, now);
            assert!(!breaker.failed(probe, Failure::Server, now, random), "the breaker is open already");
        }
    }
}

#[test]
fn a_relapse_continues_the_backoff_and_ten_good_seconds_reset_it() {
    for (good_for, expected) in [(9 * SEC, 500 * MILLI), (10 * SEC, 250 * MILLI)] {
        let mut now = Instant::now();
        let mut breaker = opened(now);
        now += 250 * MILLI;
        let probe = probe(&mut breaker, now);
        assert!(breaker.succeeded(probe, now));
        now += good_for;
        for _ in 0..10 {
            breaker.failed(Purpose::Regular, Failure::Server, now, LONGEST);
        }
        assert_eq!(breaker.check(true, now), Err(expected), "{good_for:?}");
    }
}

#[test]
fn probes_follow_each_other_after_a_second_and_at_most_three_are_in_flight() {
    let now = Instant::now();
    let mut breaker = opened(now);
    let then = now + SEC;
    let first = probe(&mut breaker, then);
    assert_eq!(breaker.admit(true, then), Err(SEC));
    assert_eq!(breaker.admit(true, then + 999 * MILLI), Err(SEC));
    let second = probe(&mut breaker, then + SEC);
    probe(&mut breaker, then + 2 * SEC);
    assert_eq!(breaker.admit(true, then + 3 * SEC), Err(SEC), "three are in flight");
    breaker.abandoned(first);
    assert_eq!(breaker.circuit(then + 3 * SEC), CircuitState::HalfOpen);
    let fourth = probe(&mut breaker, then + 3 * SEC);
    // The first verdict opens the breaker again, and a success of any probe closes it.
    assert!(!breaker.failed(fourth, Failure::Server, then + 3 * SEC, LONGEST));
    assert_eq!(breaker.circuit(then + 3 * SEC), CircuitState::Open);
    assert!(breaker.succeeded(second, then + 3 * SEC));
    assert_eq!(breaker.admit(true, then + 3 * SEC), Ok(Purpose::Regular));
}

#[test]
fn an_untrusted_token_gets_a_probe_only_if_no_trusted_one_has_asked_for_a_second() {
    let now = Instant::now();
    let mut breaker = opened(now);
    let due = now + 250 * MILLI;
    assert_eq!(breaker.admit(false, due), Err(SEC), "a trusted token asked 250 ms ago");
    assert!(breaker.check(true, due).is_ok());
    assert_eq!(breaker.admit(false, due + 999 * MILLI), Err(SEC));
    assert!(matches!(breaker.admit(false, due + SEC), Ok(Purpose::Probe { trusted: false, .. })));
    assert_eq!(breaker.admit(false, due + 20 * SEC), Err(SEC), "one at a time");
    probe(&mut breaker, due + SEC);
}

#[test]
fn the_success_of_an_untrusted_probe_closes_the_breaker_if_no_trusted_token_is_used() {
    let now = Instant::now();
    let mut breaker = opened(now);
    let untrusted = breaker.admit(false, now + 2 * SEC).unwrap();
    breaker.abandoned(untrusted);
    let untrusted = breaker.admit(false, now + 2 * SEC).unwrap();
    assert!(breaker.succeeded(untrusted, now + 2 * SEC));
}

#[test]
fn an_inconclusive_untrusted_probe_delays_the_next_untrusted_one_with_backoff() {
    let now = Instant::now();
    let mut breaker = opened(now);
    let mut then = now + 2 * SEC;
    for millis in [250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000] {
        let untrusted = breaker.admit(false, then).unwrap();
        breaker.inconclusive(untrusted, then, LONGEST);
        assert_eq!(breaker.admit(false, then), Err(Duration::from_millis(millis)));
        then += Duration::from_millis(millis);
    }
    let untrusted = breaker.admit(false, then).unwrap();
    breaker.inconclusive(untrusted, then, LONGEST);
    let trusted = probe(&mut breaker, then);
    breaker.failed(trusted, Failure::Server, then, LONGEST);
    assert_eq!(breaker.check(false, then), Err(500 * MILLI), "a new opening has its own backoff");
}

#[test]
fn calls_from_before_the_opening_neither_end_the_probe_nor_close_the_breaker() {
    let now = Instant::now();
    let mut breaker = opened(now);
    let then = now + 250 * MILLI;
    probe(&mut breaker, then);
    breaker.abandoned(Purpose::Regular);
    assert!(!breaker.failed(Purpose::Regular, Failure::Server, then, LONGEST));
    assert!(!breaker.succeeded(Purpose::Regular, then));
    assert_eq!(breaker.admit(true, then), Err(SEC));
    assert_eq!(breaker.circuit(then), CircuitState::HalfOpen);
}

#[test]
fn a_probe_that_fails_after_the_breaker_closed_counts_as_one_failure() {
    let now = Instant::now();
    let mut breaker = opened(now);
    let first = probe(&mut breaker, now + SEC);
    let second = probe(&mut breaker, now + 2 * SEC);
    assert!(breaker.succeeded(first, now + 3 * SEC));
    assert!(!breaker.failed(second, Failure::Server, now + 3 * SEC, LONGEST));
    assert_eq!(breaker.admit(true, now + 3 * SEC), Ok(Purpose::Regular));
}
