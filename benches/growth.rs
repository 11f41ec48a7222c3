//! Whether a request costs the same, and memory stays bounded, whatever grows: `cargo bench --bench growth`.
//!
//! `TOKENS` in the environment sets how many different tokens are sent (100 000; a million takes about 90 s).

mod support;

use http::HeaderValue;
use support::auth::{among, cold, show, warm, with_more_keys, with_static_keys};
use support::raw::raw_check;
use support::request::{NO_AUTH, bare};
use support::table::{Sample, Table, number_from_environment, time};
use support::token::{bearer, headers, issuer, token};
use tower_bearer::testing::TestIssuer;
use tower_bearer::{Algorithm, BearerAuth, Issuer};

/// How many different tokens come between two requests with the same good one.
const BETWEEN: usize = 100;

/// Of how many remembered tokens the memory is counted: fewer than are remembered by default.
const REMEMBERED: usize = 2_000;

type Trusting = fn(&TestIssuer, Vec<Issuer>) -> BearerAuth;

fn main() {
    let table = Table::new();
    let makers: [(_, Trusting); 2] = [("not seen before", cold), ("seen before", warm)];
    for (name, trusting) in makers {
        configured(&table, name, trusting);
    }
    flooded();
    remembered();
}

/// Many issuers and many keys against few.
fn configured(table: &Table, name: &str, trusting: Trusting) {
    let issuer = issuer(Algorithm::RS256);
    let jwt = token(&issuer).sign();
    let header = [bearer(&jwt)];
    let case = |trusted: Vec<Issuer>| {
        let auth = trusting(&issuer, trusted);
        show(&auth, &header);
        bare(&auth, &header, 200)
    };
    let row = |what: &str| format!("{name}: {what}");
    let few = case(vec![with_static_keys(&issuer)]);
    table.compare(&row("1 issuer / raw check"), "", &few, raw_check(&issuer, &jwt, Algorithm::RS256));
    table.compare(&row("1 issuer / no auth"), "", &few, bare(&NO_AUTH, &header, 200));
    for count in [100, 10_000] {
        let many = case(among(&issuer, count).collect());
        table.compare(&row(&format!("{count} issuers / 1 issuer")), "0.9 to 1.1", many, &few);
    }
    let many = case(vec![with_more_keys(&issuer, 1_000)]);
    table.compare(&row("1 000 keys / as published"), "0.9 to 1.1", many, &few);
}

/// Tokens that come once each, and a good one now and then.
fn flooded() {
    let count = number_from_environment("TOKENS").unwrap_or(100_000);
    let issuer = issuer(Algorithm::EdDSA);
    let auth = warm(&issuer, [with_static_keys(&issuer)]);
    let jwt = token(&issuer).sign();
    let (good, raw) = ([bearer(&jwt)], raw_check(&issuer, &jwt, Algorithm::EdDSA));
    show(&auth, &good);
    let allocations_of_check = allocations(bare(&cold(&issuer, [with_static_keys(&issuer)]), &good, 200));
    let (good, no_auth) = (bare(&auth, &good, 200), bare(&NO_AUTH, &good, 200));
    let (mut each, mut again, mut hits, mut held) = (Vec::new(), Vec::new(), 0, 0);
    for _ in 0..count.div_ceil(BETWEEN) {
        let (nanoseconds, bytes) = send_each(&auth, &headers(&issuer, BETWEEN));
        held += bytes;
        let mut measured = 0.0;
        let allocations = allocations(|| measured = time(&good));
        hits += usize::from(allocations < allocations_of_check / 2);
        again.push(Sample { measured, yardstick: time(&no_auth) });
        each.push(Sample { measured: nanoseconds, yardstick: time(&raw) });
    }
    let of = format!("{count} tokens that come once");
    Table::samples(&format!("EdDSA, {of} / raw check"), "", "ns", &each);
    Table::samples(&format!("a good token every {BETWEEN} of {of} / no auth"), "", "ns", &again);
    let total = again.len();
    Table::row("the same, how often it was remembered", "", hits, total, "all");
    Table::row(&format!("bytes held after {of}"), "", held, "", "bounded");
}

/// What is held for one token.
fn remembered() {
    let issuer = issuer(Algorithm::RS256);
    let auth = warm(&issuer, [with_static_keys(&issuer)]);
    let headers = headers(&issuer, REMEMBERED);
    // The table is made at the first one: 32 bytes for each of 10 000 tokens.
    show(&auth, &headers[..1]);
    let (_, held) = send_each(&auth, &headers[1..]);
    let held = held as f64 / (headers.len() - 1) as f64 + 32.0;
    let length = (headers[0].len() - "Bearer ".len()) as f64;
    let (of_length, held) = (format!("{:.3}", held / length), format!("{held:.0} bytes"));
    Table::row(
        "held for a remembered token / its length",
        of_length,
        held,
        format!("{length} bytes"),
        "<= 2.0",
    );
}

/// A token that is remembered takes few of them, one that is checked many.
fn allocations(call: impl FnOnce()) -> u64 {
    allocation_counter::measure(call).count_total
}

/// The time of one request, and how many bytes are held after all of them.
fn send_each(auth: &BearerAuth, headers: &[HeaderValue]) -> (f64, i64) {
    let mut nanoseconds = 0.0;
    let counted = allocation_counter::measure(|| {
        let send = bare(auth, headers, 200);
        nanoseconds = time(|| headers.iter().for_each(|_| send())) / headers.len() as f64;
    });
    (nanoseconds, counted.bytes_current)
}
