//! Measures cached tokens: `cargo bench --bench warm`.

mod support;

use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::get;
use support::auth::{warm, warm_up, with_static_keys};
use support::request::{NO_LAYER, ORDERS, bare, routed, typical};
use support::signature::signature_check;
use support::table::{Sample, Table, percentile, time};
use support::token::{bearer, headers, issuer, token};
use tower_bearer::{AccessToken, Algorithm};

const TARGET: &str = "<= 2.0, aim 1.7";

/// How long the threads of one sample run. Long compared with starting them, and short enough that other
/// processes leave some rounds undisturbed.
const ROUND: Duration = Duration::from_millis(5);

fn main() {
    let table = Table::new();
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        static_and_fetched_keys(&table, algorithm);
    }
    through_a_router(&table);
    single_requests(&table);
    two_threads(&table);
}

fn static_and_fetched_keys(table: &Table, algorithm: Algorithm) {
    let issuer = issuer(algorithm);
    let jwt = token(&issuer).sign();
    let (header, check) = ([bearer(&jwt)], signature_check(&issuer, &jwt, algorithm));
    for (keys, trusted) in [("static", with_static_keys(&issuer)), ("fetched", issuer.issuer())] {
        let auth = warm(&issuer, [trusted]);
        warm_up(&auth, &header);
        let row = |form: &str, baseline: &str| format!("{form}: {algorithm}, {keys} keys / {baseline}");
        let (measured, baseline) = (bare(&auth, &header, 200), bare(&NO_LAYER, &header, 200));
        table.compare(&row("bare", "no layer"), TARGET, &measured, baseline);
        table.compare(&row("bare", "signature check"), "", measured, &check);
        let (measured, baseline) = (typical(&auth, &header, 200), typical(&NO_LAYER, &header, 200));
        table.compare(&row("typical", "no layer"), TARGET, measured, baseline);
    }
}

/// Compares a handler that extracts the token with one that does not.
fn through_a_router(table: &Table) {
    let issuer = issuer(Algorithm::RS256);
    let header = [bearer(&token(&issuer).sign())];
    let auth = warm(&issuer, [with_static_keys(&issuer)]);
    warm_up(&auth, &header);
    let protected = get(async |token: AccessToken| token.subject().unwrap_or_default().to_owned());
    let protected = routed(&Router::new().route(ORDERS, protected).layer(auth), &header, 200);
    let open = get(async || "f1b7c0e2-5a7d-4d0e-9a55-3c1b7d6a8e21".to_owned());
    let open = routed(&Router::new().route(ORDERS, open), &header, 200);
    table.compare("axum router, `AccessToken` in the handler / no layer", TARGET, protected, open);
}

/// Measures percentiles of single requests instead of averages. Subtracts the time of reading the clock.
fn single_requests(table: &Table) {
    let issuer = issuer(Algorithm::RS256);
    let header = [bearer(&token(&issuer).sign())];
    let auth = warm(&issuer, [with_static_keys(&issuer)]);
    warm_up(&auth, &header);
    let (measured, baseline) = (typical(&auth, &header, 200), typical(&NO_LAYER, &header, 200));
    let (mut clock, mut with_auth, mut without) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..table.rounds() * 50 {
        clock.push(time(|| ()));
        with_auth.push(time(&measured));
        without.push(time(&baseline));
    }
    let clock = percentile(clock, 50);
    for rank in [50, 99] {
        let [with_auth, without] = [&with_auth, &without].map(|all| percentile(all.clone(), rank) - clock);
        let (ratio, name) =
            (with_auth / without, format!("typical: RS256, p{rank} of single requests / no layer"));
        let note = format!("{clock:.0} ns for the clock subtracted");
        Table::row(
            &name,
            format!("{ratio:.3}"),
            format!("{with_auth:.0} ns"),
            format!("{without:.0} ns"),
            &note,
        );
    }
}

/// Compares requests per second of two threads and of one. The signature check shows how the machine scales.
fn two_threads(table: &Table) {
    let issuer = issuer(Algorithm::EdDSA);
    let auth = warm(&issuer, [with_static_keys(&issuer)]);
    let one = headers(&issuer, 1);
    let sets = [headers(&issuer, 1_000), headers(&issuer, 1_000)];
    warm_up(&auth, &[&one[..], &sets[0], &sets[1]].concat());
    let target = ">= 1.8";
    scale(table, "one token", target, |_| bare(&auth, &one, 200));
    scale(table, "one token, no layer", "", |_| bare(&NO_LAYER, &one, 200));
    scale(table, "1 000 tokens each", target, |thread| bare(&auth, &sets[thread], 200));
    scale(table, "1 000 tokens each, no layer", "", |thread| bare(&NO_LAYER, &sets[thread], 200));
    let jwt = token(&issuer).sign();
    scale(table, "signature check", "", |_| signature_check(&issuer, &jwt, Algorithm::EdDSA));
}

fn scale<C: Fn()>(table: &Table, name: &str, target: &str, make_call: impl Fn(usize) -> C + Sync) {
    let sample =
        |_| Sample { measured: calls_per_second(2, &make_call), baseline: calls_per_second(1, &make_call) };
    let samples: Vec<_> = (0..table.rounds()).map(sample).collect();
    Table::samples(&format!("{name}: two threads / one thread"), target, "requests/s", &samples);
}

fn calls_per_second<C: Fn()>(threads: usize, make_call: &(impl Fn(usize) -> C + Sync)) -> f64 {
    let start_line = Barrier::new(threads);
    let run = |thread| {
        let call = make_call(thread);
        start_line.wait();
        let (start, mut calls) = (Instant::now(), 0_u32);
        while start.elapsed() < ROUND {
            (0..16).for_each(|_| call());
            calls += 16;
        }
        f64::from(calls) / start.elapsed().as_secs_f64()
    };
    thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|thread| scope.spawn(move || run(thread))).collect();
        handles.into_iter().map(|handle| handle.join().expect("no panic")).sum()
    })
}
