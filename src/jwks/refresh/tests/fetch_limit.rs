//! The upper bound of fetches per minute.

use super::*;

/// Sends every kind of query every 125 ms, so that every fetch that may start does.
fn attack(harness: &mut Harness, max_age: Option<u64>, mut succeeds: impl FnMut() -> bool, minutes: u64) {
    for step in 0..minutes * MIN * 8 {
        for (n, query) in [KeyQuery::AnyKey, KeyQuery::Mismatch(None), KeyQuery::Mismatch(Some("cached"))]
            .iter()
            .enumerate()
        {
            harness.decide(*query);
            harness.decide(KeyQuery::Kid(&format!("{step}.{n}")));
            if matches!(harness.next(), Next::Fetch { .. }) {
                if succeeds() { harness.succeed(max_age) } else { harness.fail(GracePeriod::Full) }
            }
        }
        harness.advance_millis(125);
    }
}

/// With the shortest waits that jitter can choose, which cause the most fetches.
fn with_shortest_waits(policy: RefreshPolicy) -> Harness {
    Harness { random: 0.0, ..Harness::with(policy) }
}

#[test]
fn fetches_stay_within_the_upper_bound_for_any_server_behavior() {
    let secs = Duration::from_secs;
    for (name, ttl, cooldown) in [
        ("default", None, 30),
        ("short ttl", Some(20), 30),
        ("minimal ttl", Some(1), 30),
        ("short cooldown", None, 1),
        ("cooldown shorter than the backoff", None, 5),
        ("long cooldown", None, 300),
        ("both short", Some(2), 2),
    ] {
        let mut policy = RefreshPolicy { cooldown: secs(cooldown), ..RefreshPolicy::default() };
        if let Some(ttl) = ttl {
            policy.fix_ttl(secs(ttl));
        }
        let bound = policy.max_fetches_per_minute() as usize;
        for percent_up in [0, 10, 20, 30, 50, 70, 90, 100] {
            let mut random = fastrand::Rng::with_seed(percent_up);
            let mut harness = with_shortest_waits(policy.clone());
            attack(&mut harness, None, || random.u64(0..100) < percent_up, 12);
            let busiest = harness.max_fetches_in_a_minute();
            assert!(busiest <= bound, "{name}, {percent_up} % up: {busiest} > {bound}");
        }
    }
}

#[test]
fn upper_bound_is_less_than_twice_the_worst_case() {
    let policy = RefreshPolicy::default();
    let busiest = |failures_per_run: u32| {
        let mut harness = with_shortest_waits(policy.clone());
        let mut outcomes = (0..=failures_per_run).map(|failed| failed == failures_per_run).cycle();
        attack(&mut harness, Some(0), || outcomes.next().unwrap(), 4);
        harness.max_fetches_in_a_minute()
    };
    let worst = (0..10).map(busiest).max().unwrap();
    let bound = policy.max_fetches_per_minute() as usize;
    assert!(worst <= bound && bound < 2 * worst, "{worst} of {bound}");
}

#[test]
fn server_gets_five_fetches_a_minute_when_up_and_twenty_when_down() {
    for (succeeds, expected) in [(true, 5), (false, 20)] {
        let mut harness = with_shortest_waits(RefreshPolicy::default());
        attack(&mut harness, None, || succeeds, 10);
        assert_eq!(harness.max_fetches_in_a_minute(), expected);
    }
}
