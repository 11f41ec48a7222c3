//! Tokens that were seen before: `cargo bench --bench warm`.

mod support;

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use support::auth::{show, warm, with_static_keys};
use support::raw::raw_check;
use support::request::{NO_AUTH, ORDERS, bare, routed, typical};
use support::table::{Sample, Table, percentile, time};
use support::token::{bearer, headers, issuer, token};
use tower_bearer::{AccessToken, Algorithm};

const TARGET: &str = "<= 2.0, aim 1.7";

/// How long threads run for one figure: long against starting them, short enough to be left alone now and then.
const ROUND: Duration = Duration::from_millis(5);

fn main() {
    let table = Table::new();
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        seen_before(&table, algorithm);
    }
    through_a_router(&table);
    one_by_one(&table);
    in_two_threads(&table);
}

fn seen_before(table: &Table, algorithm: Algorithm) {
    let issuer = issuer(algorithm);
    let jwt = token(&issuer).sign();
    let (header, raw) = ([bearer(&jwt)], raw_check(&issuer, &jwt, algorithm));
    for (keys, trusted) in [("static", with_static_keys(&issuer)), ("fetched", issuer.issuer())] {
        let auth = warm(&issuer, [trusted]);
        show(&auth, &header);
        let row = |form: &str, yardstick: &str| format!("{form}: {algorithm}, {keys} keys / {yardstick}");
        let (measured, yardstick) = (bare(&auth, &header, 200), bare(&NO_AUTH, &header, 200));
        table.compare(&row("bare", "no auth"), TARGET, &measured, yardstick);
        table.compare(&row("bare", "raw check"), "", measured, &raw);
        let (measured, yardstick) = (typical(&auth, &header, 200), typical(&NO_AUTH, &header, 200));
        table.compare(&row("typical", "no auth"), TARGET, measured, yardstick);
    }
}

/// With a handler that reads the token, against one that does not.
fn through_a_router(table: &Table) {
    let issuer = issuer(Algorithm::RS256);
    let header = [bearer(&token(&issuer).sign())];
    let auth = warm(&issuer, [with_static_keys(&issuer)]);
    show(&auth, &header);
    let protected = get(async |token: AccessToken| token.subject().unwrap_or_default().to_owned());
    let protected = routed(&Router::new().route(ORDERS, protected).layer(auth), &header, 200);
    let open = get(async || "f1b7c0e2-5a7d-4d0e-9a55-3c1b7d6a8e21".to_owned());
    let open = routed(&Router::new().route(ORDERS, open), &header, 200);
    table.compare("axum router, `AccessToken` in the handler / no auth", TARGET, protected, open);
}

/// What single requests take, and not many on average. Reading the clock is measured first and taken off.
fn one_by_one(table: &Table) {
    let issuer = issuer(Algorithm::RS256);
    let header = [bearer(&token(&issuer).sign())];
    let auth = warm(&issuer, [with_static_keys(&issuer)]);
    show(&auth, &header);
    let (measured, yardstick) = (typical(&auth, &header, 200), typical(&NO_AUTH, &header, 200));
    let (mut clock, mut with_auth, mut without) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..table.rounds() * 50 {
        clock.push(time(|| ()));
        with_auth.push(time(&measured));
        without.push(time(&yardstick));
    }
    let clock = percentile(clock, 50);
    for rank in [50, 99] {
        let [with_auth, without] = [&with_auth, &without].map(|all| percentile(all.clone(), rank) - clock);
        let (ratio, what) =
            (with_auth / without, format!("typical: RS256, p{rank} of single requests / no auth"));
        let note = format!("{clock:.0} ns of the clock taken off");
        Table::row(
            &what,
            format!("{ratio:.3}"),
            format!("{with_auth:.0} ns"),
            format!("{without:.0} ns"),
            &note,
        );
    }
}

/// Requests a second by two threads against one. The raw check shows what the machine has to give.
fn in_two_threads(table: &Table) {
    let issuer = issuer(Algorithm::EdDSA);
    let auth = warm(&issuer, [with_static_keys(&issuer)]);
    let one = headers(&issuer, 1);
    let sets = [headers(&issuer, 1_000), headers(&issuer, 1_000)];
    show(&auth, &[&one[..], &sets[0], &sets[1]].concat());
    let target = ">= 1.8";
    scale(table, "one token", target, |_| bare(&auth, &one, 200));
    scale(table, "one token, no auth", "", |_| bare(&NO_AUTH, &one, 200));
    scale(table, "1 000 tokens each", target, |thread| bare(&auth, &sets[thread], 200));
    scale(table, "1 000 tokens each, no auth", "", |thread| bare(&NO_AUTH, &sets[thread], 200));
    let jwt = token(&issuer).sign();
    scale(table, "raw check", "", |_| raw_check(&issuer, &jwt, Algorithm::EdDSA));
}

fn scale<C: Fn()>(table: &Table, name: &str, target: &str, make: impl Fn(usize) -> C + Sync) {
    let sample = |_| Sample { measured: calls_a_second(2, &make), yardstick: calls_a_second(1, &make) };
    let samples: Vec<_> = (0..table.rounds()).map(sample).collect();
    Table::samples(&format!("{name}: two threads / one thread"), target, "requests/s", &samples);
}

fn calls_a_second<C: Fn()>(threads: usize, make: &(impl Fn(usize) -> C + Sync)) -> f64 {
    let together = Barrier::new(threads);
    let run = |thread| {
        let call = make(thread);
        together.wait();
        let (start, mut calls) = (Instant::now(), 0_u32);
        while start.elapsed() < ROUND {
            (0..16).for_each(|_| call());
            calls += 16;
        }
        f64::from(calls) / start.elapsed().as_secs_f64()
    };
    thread::scope(|scope| {
        let running: Vec<_> = (0..threads).map(|thread| scope.spawn(move || run(thread))).collect();
        running.into_iter().map(|one| one.join().expect("no panic")).sum()
    })
}
