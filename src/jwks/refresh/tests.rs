//! The machine by itself, on a clock made of numbers.

#![allow(clippy::arithmetic_side_effects, clippy::as_conversions, reason = "a test that overflows fails")]

use super::*;

const MIN: u64 = 60;
const HOUR: u64 = 60 * MIN;

/// A machine, a time that only the test moves, and the fetches that started.
struct Bench {
    refresh: Refresh,
    now: Instant,
    random: f64,
    fetched_at: Vec<Instant>,
}

impl Bench {
    fn cold() -> Self {
        Self::with(RefreshPolicy::default())
    }

    fn with(policy: RefreshPolicy) -> Self {
        let now = Instant::now();
        let refresh = Refresh::new(policy, RandomState::new(), now);
        Self { refresh, now, random: 1.0, fetched_at: Vec::new() }
    }

    /// With keys that are fresh for an hour, and the whole budget.
    fn warm() -> Self {
        let mut bench = Self::cold();
        bench.starts();
        bench.brings(Some(HOUR));
        bench.passes(2 * MIN);
        bench
    }

    fn passes(&mut self, secs: u64) {
        self.passes_millis(secs * 1000);
    }

    fn passes_millis(&mut self, millis: u64) {
        self.now += Duration::from_millis(millis);
    }

    fn next(&mut self) -> Next {
        let next = self.refresh.next(self.now);
        if matches!(next, Next::Fetch { .. }) {
            self.fetched_at.push(self.now);
        }
        next
    }

    #[track_caller]
    fn starts(&mut self) {
        assert!(matches!(self.next(), Next::Fetch { .. }));
    }

    #[track_caller]
    fn rests(&mut self) -> Duration {
        match self.next() {
            Next::At(due) => due - self.now,
            Next::Fetch { .. } => panic!("a fetch has started"),
        }
    }

    fn brings(&mut self, max_age: Option<u64>) {
        self.refresh.succeeded(max_age.map(Duration::from_secs), self.now, self.random);
    }

    fn fails(&mut self, outage: bool) {
        self.refresh.failed(outage, self.now, self.random);
    }

    fn demand(&mut self, want: KeyQuery<'_>) -> RefreshDecision {
        self.refresh.demand(want, self.now)
    }

    fn waits(&mut self, want: KeyQuery<'_>) -> bool {
        matches!(self.demand(want), RefreshDecision::Wait { .. })
    }

    fn usable(&self) -> bool {
        self.refresh.usable(self.now)
    }

    /// The most fetches that started within any 60 s.
    fn busiest_minute(&self) -> usize {
        let starts = &self.fetched_at;
        let within = |from: &Instant| {
            starts.iter().filter(|at| *at >= from && **at - *from <= Duration::from_secs(MIN)).count()
        };
        starts.iter().map(within).max().unwrap_or_default()
    }
}

#[test]
fn the_first_fetch_starts_at_once_and_every_first_demand_joins_it() {
    let mut bench = Bench::cold();
    for want in [KeyQuery::AnyKey, KeyQuery::AnyKey, KeyQuery::Kid("a"), KeyQuery::Mismatch(None)] {
        assert_eq!(bench.demand(want), RefreshDecision::Wait { fetch: 1 });
    }
    bench.starts();
    assert_eq!(bench.demand(KeyQuery::AnyKey), RefreshDecision::Wait { fetch: 1 });
    assert_eq!(bench.refresh.fetches(), 1);
}

#[test]
fn a_refresh_comes_ahead_of_staleness() {
    for (random, expected) in [(0.0, 45 * MIN), (1.0, 54 * MIN)] {
        let mut bench = Bench::cold();
        bench.random = random;
        bench.starts();
        bench.brings(Some(HOUR));
        assert_eq!(bench.rests().as_secs(), expected);
        bench.passes(expected - 1);
        assert_eq!(bench.rests().as_secs(), 1);
        bench.passes(1);
        bench.starts();
    }
}

#[test]
fn a_304_makes_the_keys_fresh_again() {
    let mut bench = Bench::warm();
    bench.passes(54 * MIN);
    bench.starts();
    bench.brings(Some(HOUR));
    let held = bench.refresh.held().unwrap();
    assert_eq!((held.vouched_at, held.fresh_until), (Some(bench.now), bench.now + Duration::from_secs(HOUR)));
}

#[test]
fn retries_back_off_and_start_over_after_a_success() {
    let mut bench = Bench::cold();
    let mut waits = Vec::new();
    for _ in 0..9 {
        bench.starts();
        bench.fails(true);
        let wait = bench.rests();
        waits.push(wait.as_millis());
        bench.now += wait;
    }
    assert_eq!(waits, [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
    bench.starts();
    bench.brings(None);
    bench.passes(9 * MIN);
    bench.starts();
    bench.fails(true);
    assert_eq!(bench.rests().as_millis(), 250);
}

#[test]
fn a_server_that_is_down_at_start_makes_keys_unavailable_until_it_is_up() {
    let mut bench = Bench::cold();
    bench.starts();
    bench.fails(true);
    for want in [KeyQuery::AnyKey, KeyQuery::Kid("a")] {
        let retry_after = Duration::from_secs(1);
        assert_eq!(bench.demand(want), RefreshDecision::Unavailable { retry_after }, "{want:?}");
    }
    for _ in 0..6 {
        let wait = bench.rests();
        bench.now += wait;
        bench.starts();
        bench.fails(true);
    }
    let retry_after = Duration::from_secs(16);
    assert_eq!(bench.demand(KeyQuery::AnyKey), RefreshDecision::Unavailable { retry_after });
    bench.passes(16);
    assert_eq!(bench.demand(KeyQuery::AnyKey), RefreshDecision::Wait { fetch: 8 });
    bench.starts();
    bench.brings(None);
    assert!(bench.usable());
    assert_eq!(bench.demand(KeyQuery::AnyKey), RefreshDecision::LOOK_AGAIN);
}

#[test]
fn how_long_keys_are_used_depends_on_how_the_server_failed() {
    for (name, outages, usable_for) in [
        ("an outage", &[true][..], 5 * HOUR),
        ("no keys there", &[false][..], HOUR),
        ("an outage, then no keys there", &[true, false], HOUR),
        ("no keys there, then an outage", &[false, true], HOUR),
    ] {
        let mut bench = Bench::cold();
        bench.starts();
        bench.brings(Some(HOUR));
        let warm_since = bench.now;
        for outage in outages {
            bench.now = bench.refresh.next_fetch().unwrap();
            bench.starts();
            bench.fails(*outage);
        }
        assert!(bench.now < warm_since + Duration::from_secs(HOUR), "{name}");
        bench.now = warm_since + Duration::from_secs(usable_for) - Duration::from_millis(1);
        assert!(bench.usable(), "{name}");
        bench.passes_millis(1);
        assert!(!bench.usable(), "{name}");
    }
}

#[test]
fn a_success_gives_the_grace_back() {
    let mut bench = Bench::warm();
    bench.passes(53 * MIN);
    bench.starts();
    bench.fails(false);
    bench.passes(1);
    bench.starts();
    bench.brings(Some(HOUR));
    bench.passes(HOUR + 1);
    assert!(bench.usable());
}

#[test]
fn a_seed_may_be_used_at_once_and_is_due_for_refresh() {
    let now = Instant::now();
    let mut refresh = Refresh::seeded(RefreshPolicy::default(), RandomState::new(), now);
    assert!(refresh.usable(now));
    assert!(refresh.usable(now + Duration::from_secs(4 * HOUR - 1)));
    assert!(!refresh.usable(now + Duration::from_secs(4 * HOUR)));
    assert_eq!(refresh.held().and_then(|held| held.vouched_at), None);
    assert_eq!(refresh.next(now), Next::Fetch { whole: false });
    refresh.failed(true, now, 0.5);
    assert!(refresh.usable(now));
}

#[test]
fn a_miss_causes_one_fetch_and_is_refused_once_that_fetch_has_looked() {
    for want in [KeyQuery::Kid("a"), KeyQuery::Mismatch(Some("a")), KeyQuery::Mismatch(None)] {
        let mut bench = Bench::warm();
        assert_eq!(bench.demand(want), RefreshDecision::Wait { fetch: 2 }, "{want:?}");
        bench.starts();
        assert_eq!(bench.demand(want), RefreshDecision::Wait { fetch: 2 }, "{want:?}");
        bench.brings(None);
        assert_eq!(bench.demand(want), RefreshDecision::Refuse, "{want:?}");
        bench.passes(29);
        assert_eq!(bench.demand(want), RefreshDecision::Refuse, "{want:?}");
        bench.passes(1);
        assert_eq!(bench.demand(want), RefreshDecision::Wait { fetch: 3 }, "{want:?}");
    }
}

#[test]
fn a_fetch_that_had_started_before_the_demand_does_not_settle_it() {
    let mut bench = Bench::warm();
    bench.passes(53 * MIN);
    bench.starts();
    assert_eq!(bench.demand(KeyQuery::Kid("new")), RefreshDecision::Wait { fetch: 2 });
    bench.brings(Some(HOUR));
    assert_eq!(bench.demand(KeyQuery::Kid("new")), RefreshDecision::Wait { fetch: 3 });
    bench.starts();
    bench.brings(Some(HOUR));
    assert_eq!(bench.demand(KeyQuery::Kid("new")), RefreshDecision::Refuse);
}

#[test]
fn what_is_remembered_is_refused_even_while_a_fetch_is_in_flight() {
    let mut bench = Bench::warm();
    assert!(bench.waits(KeyQuery::Kid("a")));
    bench.starts();
    bench.brings(None);
    assert!(bench.waits(KeyQuery::Kid("b")));
    bench.starts();
    assert_eq!(bench.demand(KeyQuery::Kid("a")), RefreshDecision::Refuse);
    assert!(bench.waits(KeyQuery::Mismatch(Some("a"))));
    assert!(bench.waits(KeyQuery::AnyKey));
}

#[test]
fn a_miss_in_an_outage_is_unavailable_and_never_refused() {
    let mut bench = Bench::warm();
    assert!(bench.waits(KeyQuery::Kid("a")));
    bench.starts();
    bench.fails(true);
    for kid in ["a", "b"] {
        assert!(matches!(bench.demand(KeyQuery::Kid(kid)), RefreshDecision::Unavailable { .. }), "{kid}");
    }
    // The key is in hand and the signature does not fit it: that much is known.
    assert_eq!(bench.demand(KeyQuery::Mismatch(Some("held"))), RefreshDecision::Refuse);
    bench.passes_millis(250);
    assert!(bench.waits(KeyQuery::Kid("a")));
    bench.starts();
    bench.brings(None);
    assert_eq!(bench.demand(KeyQuery::Kid("a")), RefreshDecision::Refuse);
}

#[test]
fn a_demanded_fetch_needs_budget_and_a_spare_one_is_kept_for_rotations() {
    let mut bench = Bench::warm();
    bench.passes(53 * MIN);
    bench.starts();
    bench.brings(Some(HOUR));
    assert!(bench.waits(KeyQuery::Kid("rotated in right after the refresh")));
    bench.starts();
    bench.brings(Some(HOUR));
    assert_eq!(bench.demand(KeyQuery::Kid("another")), RefreshDecision::Refuse);
    bench.passes(29);
    assert_eq!(bench.demand(KeyQuery::Kid("another")), RefreshDecision::Refuse);
    bench.passes(1);
    assert!(bench.waits(KeyQuery::Kid("another")));
}

#[test]
fn a_wrong_kid_that_comes_all_the_time_leaves_the_spare_fetch_alone() {
    let mut bench = Bench::warm();
    for _ in 0..20 {
        if bench.waits(KeyQuery::Kid("from another environment")) {
            bench.starts();
            bench.brings(Some(HOUR));
        }
        bench.passes(10);
    }
    assert!(bench.waits(KeyQuery::Kid("rotated in")));
}

#[test]
fn a_hundred_thousand_random_kids_in_a_minute_cause_four_fetches() {
    let mut bench = Bench::cold();
    let start = bench.now;
    let mut waited = 0;
    for n in 0..=100_000_u32 {
        bench.now = start + Duration::from_secs(MIN) * n / 100_000;
        let kid = format!("random-{n}");
        if bench.waits(KeyQuery::Kid(&kid)) {
            waited += 1;
            bench.starts();
            bench.brings(None);
        }
        assert_eq!(bench.demand(KeyQuery::Kid(&kid)), RefreshDecision::Refuse);
    }
    assert_eq!((bench.fetched_at.len(), waited), (4, 4));
    assert!(bench.refresh.remembered.len() <= 4);
}

#[test]
fn what_is_remembered_is_bounded() {
    let policy = RefreshPolicy { max_unknown_kids: 8, ..RefreshPolicy::default() };
    let mut bench = Bench::with(policy);
    let long = "k".repeat(10_000);
    for n in 0..1000 {
        assert!(bench.waits(KeyQuery::Kid(&format!("{long}{n}"))));
        assert!(bench.waits(KeyQuery::Kid("the same one each time")));
    }
    assert_eq!(bench.refresh.remembered.len(), 8);
    bench.starts();
    bench.brings(None);
    assert_eq!(bench.demand(KeyQuery::Kid(&format!("{long}999"))), RefreshDecision::Refuse);
    assert!(!bench.refresh.remembered.contains(KeyQuery::Kid(&format!("{long}0")), bench.now));
}

#[test]
fn an_abandoned_fetch_releases_its_waiters_and_costs_no_back_off() {
    for started in [false, true] {
        let mut bench = Bench::cold();
        assert_eq!(bench.demand(KeyQuery::Kid("a")), RefreshDecision::Wait { fetch: 1 });
        if started {
            bench.starts();
        }
        bench.refresh.abandoned();
        assert_eq!(bench.refresh.fetches(), 1);
        assert_eq!(bench.demand(KeyQuery::Kid("a")), RefreshDecision::Wait { fetch: 2 });
        bench.starts();
        bench.brings(None);
        assert_eq!(bench.demand(KeyQuery::Kid("a")), RefreshDecision::Refuse);
    }
}

#[test]
fn a_clock_that_stands_still_breaks_nothing() {
    let mut bench = Bench::cold();
    bench.starts();
    bench.brings(None);
    for n in 0..100 {
        if bench.waits(KeyQuery::Kid(&n.to_string())) {
            bench.starts();
            bench.brings(None);
        }
        bench.rests();
    }
    assert!(bench.usable());
    assert_eq!(bench.fetched_at.len(), 2);
}

/// Every request there is, at every eighth of a second: whatever may start, starts.
fn attack(bench: &mut Bench, mut answers: impl FnMut() -> bool, minutes: u64) {
    for step in 0..minutes * MIN * 8 {
        for (n, start) in
            [KeyQuery::AnyKey, KeyQuery::Mismatch(None), KeyQuery::Mismatch(Some("held"))].iter().enumerate()
        {
            bench.demand(*start);
            bench.demand(KeyQuery::Kid(&format!("{step}.{n}")));
            if matches!(bench.next(), Next::Fetch { .. }) {
                if answers() { bench.brings(None) } else { bench.fails(true) }
            }
        }
        bench.passes_millis(125);
    }
}

/// The least jitter there is, which makes for the most fetches.
fn hurried(policy: RefreshPolicy) -> Bench {
    Bench { random: 0.0, ..Bench::with(policy) }
}

#[test]
fn the_guaranteed_number_of_fetches_holds_whether_the_server_is_up_down_or_flaps() {
    let secs = Duration::from_secs;
    for (name, ttl, cooldown) in [
        ("the default", None, 30),
        ("a short ttl", Some(20), 30),
        ("a shorter one", Some(1), 30),
        ("a short cooldown", None, 1),
        ("a cooldown shorter than the back-off", None, 5),
        ("a long cooldown", None, 300),
        ("both short", Some(2), 2),
    ] {
        let mut policy = RefreshPolicy { cooldown: secs(cooldown), ..RefreshPolicy::default() };
        if let Some(ttl) = ttl {
            policy.fix_ttl(secs(ttl));
        }
        let guaranteed = policy.max_fetches_per_minute() as usize;
        for percent_up in [0, 10, 20, 30, 50, 70, 90, 100] {
            let mut random = fastrand::Rng::with_seed(percent_up);
            let mut bench = hurried(policy.clone());
            attack(&mut bench, || random.u64(0..100) < percent_up, 12);
            let busiest = bench.busiest_minute();
            assert!(busiest <= guaranteed, "{name}, {percent_up} % up: {busiest} > {guaranteed}");
        }
    }
}

#[test]
fn the_guaranteed_number_is_not_larger_than_it_need_be() {
    let mut bench = hurried(RefreshPolicy::default());
    let worst = [true, false, false, false, false, false, false, true];
    let mut answers = std::iter::once(true).chain(worst).chain(std::iter::repeat(false));
    bench.starts();
    bench.brings(answers.next().map(|_| HOUR));
    bench.passes(10 * MIN);
    attack(&mut bench, || answers.next().unwrap(), 2);
    assert_eq!(bench.busiest_minute(), 16);
}

#[test]
fn a_server_that_answers_gets_four_fetches_a_minute_and_one_that_stays_down_ten() {
    for (answers, expected) in [(true, 4), (false, 10)] {
        let mut bench = hurried(RefreshPolicy::default());
        attack(&mut bench, || answers, 10);
        assert_eq!(bench.busiest_minute(), expected);
    }
}

#[test]
fn times_too_long_to_count_are_long_and_not_none() {
    for forever in [Duration::MAX, Duration::from_secs(u64::MAX), Duration::from_secs(u64::MAX / 3)] {
        let mut policy = RefreshPolicy { stale_for: forever, cooldown: forever, ..RefreshPolicy::default() };
        policy.fix_ttl(forever);
        let mut bench = Bench::with(policy);
        bench.starts();
        bench.brings(None);
        bench.passes(10_000 * HOUR);
        assert!(bench.usable(), "{forever:?}");
        assert!(bench.rests() > Duration::from_secs(10_000 * HOUR), "{forever:?}");
    }
}
