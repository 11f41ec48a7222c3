//! Measures time and memory with many issuers, many keys and one-off tokens: `cargo bench --bench growth`.
//!
//! The environment variable `TOKENS` sets the number of one-off tokens. Default: 100 000. A million takes
//! about 90 s.

mod support;

use http::HeaderValue;
use support::auth::{cold, warm, warm_up, with_more_keys, with_other_issuers, with_static_keys};
use support::request::{NO_LAYER, bare};
use support::signature::signature_check;
use support::table::{Sample, Table, number_from_env, time};
use support::token::{bearer, headers, issuer, token};
use tower_bearer::testing::TestIssuer;
use tower_bearer::{Algorithm, BearerAuth, Issuer};

/// The number of one-off tokens between two requests with the cached token.
const BETWEEN: usize = 100;

/// The number of tokens whose memory is measured. Less than the default capacity of the token cache.
const CACHED: usize = 2_000;

type MakeAuth = fn(&TestIssuer, Vec<Issuer>) -> BearerAuth;

fn main() {
    let table = Table::new();
    let paths: [(_, MakeAuth); 2] = [("uncached", cold), ("cached", warm)];
    for (name, make_auth) in paths {
        many_issuers_and_keys(&table, name, make_auth);
    }
    changes_of_issuers(&table);
    one_off_tokens();
    memory_per_token();
}

/// Compares many issuers or keys with one issuer and its published keys.
fn many_issuers_and_keys(table: &Table, name: &str, make_auth: MakeAuth) {
    let issuer = issuer(Algorithm::RS256);
    let jwt = token(&issuer).sign();
    let header = [bearer(&jwt)];
    let send = |issuers: Vec<Issuer>| {
        let auth = make_auth(&issuer, issuers);
        warm_up(&auth, &header);
        bare(&auth, &header, 200)
    };
    let row = |comparison: &str| format!("{name}: {comparison}");
    let few = send(vec![with_static_keys(&issuer)]);
    table.compare(
        &row("1 issuer / signature check"),
        "",
        &few,
        signature_check(&issuer, &jwt, Algorithm::RS256),
    );
    table.compare(&row("1 issuer / no layer"), "", &few, bare(&NO_LAYER, &header, 200));
    for count in [100, 10_000] {
        let many = send(with_other_issuers(&issuer, count).collect());
        table.compare(&row(&format!("{count} issuers / 1 issuer")), "0.9 to 1.1", many, &few);
    }
    let many = send(vec![with_more_keys(&issuer, 1_000)]);
    table.compare(&row("1 000 keys / as published"), "0.9 to 1.1", many, &few);
}

/// Compares the time to add and remove an issuer among many with the time among few.
fn changes_of_issuers(table: &Table) {
    let issuer = issuer(Algorithm::EdDSA);
    let added = Issuer::with_static_jwks("https://changing.example", issuer.jwks());
    let change = |count: usize| {
        let issuers = warm(&issuer, with_other_issuers(&issuer, count)).issuers();
        let added = added.clone();
        move || {
            issuers.add(added.clone()).expect("the issuer is valid");
            assert!(issuers.remove("https://changing.example"));
        }
    };
    let few = change(1);
    for count in [100, 10_000] {
        let name = format!("add and remove an issuer: {count} issuers / 1 issuer");
        table.compare(&name, "0.8 to 2.0", change(count), &few);
    }
}

/// Measures one-off tokens, and whether they evict a cached token that is in use.
fn one_off_tokens() {
    let count = number_from_env("TOKENS").unwrap_or(100_000);
    let issuer = issuer(Algorithm::EdDSA);
    let auth = warm(&issuer, [with_static_keys(&issuer)]);
    let jwt = token(&issuer).sign();
    let (cached, check) = ([bearer(&jwt)], signature_check(&issuer, &jwt, Algorithm::EdDSA));
    warm_up(&auth, &cached);
    let uncached_allocations = allocations(bare(&cold(&issuer, [with_static_keys(&issuer)]), &cached, 200));
    let (cached, no_layer) = (bare(&auth, &cached, 200), bare(&NO_LAYER, &cached, 200));
    let (mut one_off, mut repeated, mut hits, mut memory) = (Vec::new(), Vec::new(), 0, 0);
    for _ in 0..count.div_ceil(BETWEEN) {
        let (nanoseconds, bytes) = send_each(&auth, &headers(&issuer, BETWEEN));
        memory += bytes;
        let mut measured = 0.0;
        let allocations = allocations(|| measured = time(&cached));
        hits += usize::from(allocations < uncached_allocations / 2);
        repeated.push(Sample { measured, baseline: time(&no_layer) });
        one_off.push(Sample { measured: nanoseconds, baseline: time(&check) });
    }
    let tokens = format!("{count} one-off tokens");
    Table::samples(&format!("EdDSA, {tokens} / signature check"), "", "ns", &one_off);
    let name = format!("a cached token after every {BETWEEN} of {tokens} / no layer");
    Table::samples(&name, "", "ns", &repeated);
    Table::row("the same, cache hits / requests", "", hits, repeated.len(), "all");
    Table::row(&format!("bytes in use after {tokens}"), "", memory, "", "bounded");
}

/// Measures the memory of one cached token.
fn memory_per_token() {
    let issuer = issuer(Algorithm::RS256);
    let auth = warm(&issuer, [with_static_keys(&issuer)]);
    let headers = headers(&issuer, CACHED);
    // The first token allocates the table of the cache: 32 bytes for each of 10 000 tokens.
    warm_up(&auth, &headers[..1]);
    let (_, bytes) = send_each(&auth, &headers[1..]);
    let bytes = bytes as f64 / (headers.len() - 1) as f64 + 32.0;
    let length = (headers[0].len() - "Bearer ".len()) as f64;
    let (ratio, bytes) = (format!("{:.3}", bytes / length), format!("{bytes:.0} bytes"));
    let length = format!("{length} bytes");
    Table::row("memory of a cached token / its length", ratio, bytes, length, "<= 2.0");
}

/// The number of allocations of `call`: few for a cache hit, many for an uncached token.
fn allocations(call: impl FnOnce()) -> u64 {
    allocation_counter::measure(call).count_total
}

/// Sends each token once. Returns the nanoseconds per request and the bytes still in use afterwards.
fn send_each(auth: &BearerAuth, headers: &[HeaderValue]) -> (f64, i64) {
    let mut nanoseconds = 0.0;
    let counted = allocation_counter::measure(|| {
        let send = bare(auth, headers, 200);
        nanoseconds = time(|| headers.iter().for_each(|_| send())) / headers.len() as f64;
    });
    (nanoseconds, counted.bytes_current)
}
