//! The key cache through outages, rotations and attacks (RFC 7517 section 5).

mod freshness;
mod idle;
mod recovery;
mod rotation;

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, advance, sleep, sleep_until};
use tower_bearer::RejectionKind::{
    IssuerUnknown, KeyUnconfirmed, KeyUnknown, KeysUnavailable, LifetimeTooLong, MalformedRequest, Missing,
    SignatureMismatch, TokenExpired, TokenOpaque,
};
use tower_bearer::diagnostics::{Bound, KeysError, KeysErrorKind};
use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
use tower_bearer::time::Clock;
use tower_bearer::transport::FetchErrorKind;
use tower_bearer::{Algorithm, BearerAuth, Issuer};

use crate::support::figure::figure;
use crate::support::keys::{encode, unknown_kid};
use crate::support::net::{Act, Net, Reply};
use crate::support::protected::{ACCEPTED, API, ISSUER, Protected, anonymous, verdict};

const JWKS: &str = "https://login.example.com/jwks";
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// A `BearerAuth` that discovers the keys of `idp` on `net`.
fn discovering(idp: &TestIssuer, net: &Net) -> BearerAuth {
    let builder = BearerAuth::builder(API).issuer(idp.issuer()).http_client(net.clone());
    builder.clock(idp.clock()).build().unwrap()
}

/// Lets background tasks run until they wait.
async fn run_pending_tasks() {
    sleep(Duration::from_millis(1)).await;
}

/// Responses without usable keys, and the grace period that cached keys have after each.
///
/// It is 4 h if the server fails, and 1 h if it responds with something else than a key set. A key set
/// without usable keys retires the cached ones.
fn bad_responses() -> Vec<(&'static str, Reply, Duration)> {
    let text = |text: &str| Reply::body(text.to_owned());
    let (full, short, none) = (4 * HOUR, HOUR, Duration::ZERO);
    vec![
        ("no keys", text("{}"), short),
        ("keys is an object", text(r#"{"keys":{}}"#), short),
        ("keys is null", text(r#"{"keys":null}"#), short),
        ("two keys members", text(r#"{"keys":[],"keys":[]}"#), short),
        ("a list", text("[]"), short),
        ("garbage", Reply::body(&b"\xff\x00{"[..]), short),
        ("an empty body", text(""), short),
        ("HTML", text("<html>").header("content-type", "text/html"), short),
        ("a truncated document", text(r#"{"keys":[{"kty":"EC","#), short),
        ("10 MB", Reply::body(vec![b' '; 10_000_000]), short),
        ("500", Reply::status(500), full),
        ("503", Reply::status(503), full),
        ("429", Reply::status(429), full),
        ("connection refused", Reply::Refused, full),
        ("no response", Reply::Hang, full),
        ("an empty set", text(r#"{"keys":[]}"#), none),
        ("unusable keys only", text(r#"{"keys":[null,{"kty":"EC"},{"kty":"oct","k":"AA"}]}"#), none),
        ("204", Reply::With(204, Vec::new(), Bytes::new()), short),
        ("302 to https", Reply::redirect(302, "https://login.example.com/other"), short),
        ("302 to http", Reply::redirect(302, "http://login.example.com/other"), short),
        ("404", Reply::status(404), short),
        ("403", Reply::status(403), short),
        ("401", Reply::status(401), short),
        ("405", Reply::status(405), short),
        ("410", Reply::status(410), short),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_bad_response_leaves_the_cached_keys_in_use() {
    for (name, reply, _) in bad_responses() {
        let idp = TestIssuer::in_memory(ISSUER);
        let net = Net::of(&idp);
        for target in ["https://login.example.com/other", "http://login.example.com/other"] {
            net.set(target, Reply::body(idp.jwks()));
        }
        let auth = discovering(&idp, &net);
        let api = Protected::by(&auth);
        let old = idp.token(API).sign();
        assert_eq!(api.outcome(&old).await, ACCEPTED);
        net.set(JWKS, reply);
        for step in 0..119 {
            assert_eq!(api.outcome_at_once(&old), ACCEPTED, "{name}, after {step} steps of 5 s");
            sleep(5 * SECOND).await;
        }
        let attempts = net.count(JWKS);
        assert!((2..40).contains(&attempts), "{name}: {attempts} attempts");
        assert!(auth.status()[0].keys().unwrap().last_error().is_some(), "{name}");

        // The next attempt that succeeds replaces the keys.
        let kid = idp.rotate_key();
        net.set(JWKS, Reply::body(idp.jwks()));
        sleep(Duration::from_secs(36)).await;
        assert!(auth.status()[0].keys().unwrap().key_ids().contains(&kid), "{name}");
        assert_eq!(api.outcome_at_once(idp.token(API).sign()), ACCEPTED, "{name}");
        assert!(!net.urls().iter().any(|url| url.ends_with("/other")), "{name}: a redirect was followed");
    }
    for content_type in [Some("application/jwk-set+json"), Some("application/json"), Some("text/plain"), None]
    {
        let idp = TestIssuer::in_memory(ISSUER);
        let net = Net::of(&idp);
        let reply = Reply::body(idp.jwks());
        net.set(
            JWKS,
            match content_type {
                Some(name) => reply.header("content-type", name),
                None => reply,
            },
        );
        let api = Protected::by(&discovering(&idp, &net));
        assert_eq!(api.outcome(idp.token(API).sign()).await, ACCEPTED, "{content_type:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn cached_keys_outlive_an_outage_for_the_grace_period_of_its_kind() {
    let mut shortest: Vec<(Duration, Duration)> = Vec::new();
    for (name, reply, grace) in bad_responses() {
        let idp = TestIssuer::in_memory(ISSUER);
        let net = Net::of(&idp);
        let api = Protected::by(&discovering(&idp, &net));
        let token = idp.token(API).sign();
        let start = Instant::now();
        assert_eq!(api.outcome(&token).await, ACCEPTED);
        net.set(JWKS, reply);
        // Fresh for 10 min, as the server sent no `max-age`. Then the grace period.
        let last = start + 10 * MINUTE + grace;
        while Instant::now() + 2 * MINUTE < last {
            assert_eq!(api.outcome(&token).await, ACCEPTED, "{name}, after {:?}", start.elapsed());
            sleep(2 * MINUTE).await;
        }
        sleep_until(last - SECOND).await;
        assert_eq!(api.outcome(&token).await, ACCEPTED, "{name}");
        shortest.push((grace, start.elapsed()));
        sleep_until(last + SECOND).await;
        assert_eq!(api.outcome(&token).await, Err(KeysUnavailable), "{name}");
        net.set(JWKS, Reply::body(idp.jwks()));
        sleep(5 * SECOND).await;
        assert_eq!(api.outcome(&token).await, ACCEPTED, "{name}: recovered");
    }
    let auth = discovering(&TestIssuer::in_memory(ISSUER), &Net::default());
    let (failing, responding) = (auth.bounds().outage(), auth.bounds().outage_with_bad_responses());
    for (name, bound) in [("outage", failing), ("outage_with_bad_responses", responding)] {
        let bound = bound.value().unwrap();
        let of_kind = shortest.iter().filter(|(grace, _)| *grace == bound);
        let least = of_kind.map(|(_, accepted_for)| *accepted_for).min().unwrap();
        let quantity = format!("{name}: time for which requests are accepted");
        figure("bounds", quantity, format_args!("{least:?}"), format_args!("at least {bound:?}"));
        assert!(least >= bound, "{name}: {least:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cold_start_without_keys_gives_503() {
    for (name, reply, _) in bad_responses() {
        let idp = TestIssuer::in_memory(ISSUER);
        let net = Net::of(&idp);
        net.set(JWKS, reply);
        let api = Protected::by(&discovering(&idp, &net));
        let token = idp.token(API).sign();
        for attempt in 0..3 {
            let start = Instant::now();
            assert_eq!(api.outcome(&token).await, Err(KeysUnavailable), "{name}, {attempt}");
            assert!(start.elapsed() <= 3 * SECOND, "{name}, {attempt}: {:?}", start.elapsed());
        }
        // Rejections that need no keys do not wait.
        let start = Instant::now();
        assert_eq!(api.send(anonymous("GET")).await.outcome(), Err(Missing), "{name}");
        assert_eq!(api.outcome("a b").await, Err(MalformedRequest), "{name}");
        assert_eq!(api.outcome("opaque").await, Err(TokenOpaque), "{name}");
        let other = idp.token(API).claim("iss", "https://evil.example").sign();
        assert_eq!(api.outcome(other).await, Err(IssuerUnknown), "{name}");
        assert_eq!(start.elapsed(), Duration::ZERO, "{name}");

        net.set(JWKS, Reply::body(idp.jwks()));
        sleep(5 * SECOND).await;
        assert_eq!(api.outcome(&token).await, ACCEPTED, "{name}: recovered without a restart");
    }
    let idp = TestIssuer::in_memory(ISSUER);
    let seeded = Issuer::discover(ISSUER).seed_jwks(idp.jwks());
    let net = Net::default();
    let auth = BearerAuth::builder(API).issuer(seeded).http_client(net.clone()).clock(idp.clock());
    let api = Protected::by(&auth.build().unwrap());
    assert_eq!(api.outcome_at_once(idp.token(API).sign()), ACCEPTED, "seeded");
    run_pending_tasks().await;
    assert!(net.total() > 0, "the seed is replaced as soon as the server is available");
}

#[tokio::test(start_paused = true)]
async fn every_endpoint_fault_gives_503_within_three_seconds() {
    let faults = [
        Fault::Refuse,
        Fault::Hang,
        Fault::SlowBody,
        Fault::HalfBody,
        Fault::HugeBody(600 * 1024),
        Fault::Status(500),
        Fault::Status(404),
        Fault::Body("<html>".to_owned()),
        Fault::Body("{\"keys\":[]}".to_owned()),
        Fault::Redirect("https://issuer.test/jwks".to_owned()),
        Fault::Delay(4 * SECOND),
    ];
    for fault in faults {
        for endpoint in [Endpoint::Metadata, Endpoint::Jwks] {
            let idp = TestIssuer::new();
            let api = Protected::by(&idp.bearer_auth(API).build().unwrap());
            idp.set_fault(endpoint, Some(fault.clone()));
            let start = Instant::now();
            assert_eq!(
                api.outcome(idp.token(API).sign()).await,
                Err(KeysUnavailable),
                "{endpoint:?} {fault:?}"
            );
            assert!(start.elapsed() <= 3 * SECOND, "{endpoint:?} {fault:?}: {:?}", start.elapsed());
            idp.set_fault(endpoint, None);
            sleep(36 * SECOND).await;
            assert_eq!(api.outcome(idp.token(API).sign()).await, ACCEPTED, "{endpoint:?} {fault:?}");
            // A rotation during the fault waits no longer either, and the old key stays usable.
            let old = idp.token(API).sign();
            idp.set_fault(endpoint, Some(fault.clone()));
            sleep(MINUTE).await;
            idp.rotate_key();
            let start = Instant::now();
            let outcome = api.outcome(idp.token(API).sign()).await;
            let expected = if endpoint == Endpoint::Jwks { Err(KeysUnavailable) } else { ACCEPTED };
            assert_eq!(outcome, expected, "{endpoint:?} {fault:?}");
            assert!(start.elapsed() <= 3 * SECOND, "{endpoint:?} {fault:?}: {:?}", start.elapsed());
            assert_eq!(api.outcome_at_once(old), ACCEPTED, "{endpoint:?} {fault:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_kids_cause_a_bounded_number_of_fetches() {
    let idp = TestIssuer::new();
    let api = Protected::by(&idp.bearer_auth(API).build().unwrap());
    let valid = idp.token(API).sign();
    assert_eq!(api.outcome(&valid).await, ACCEPTED);
    let fetched = || idp.requests(Endpoint::Jwks);
    // The first fetch, a burst of two, and one after each 30 s.
    for (round, most) in [(0, 1 + 2 + 1), (1, 1 + 2 + 2)] {
        for n in 0..1000 {
            let outcome = api.outcome(unknown_kid(idp.identifier(), &format!("{round}-{n}"))).await;
            assert!([Err(KeyUnknown), Err(KeyUnconfirmed)].contains(&outcome), "{outcome:?}");
            if n % 10 == 0 {
                advance(300 * Duration::from_millis(1)).await;
                assert_eq!(api.outcome_at_once(&valid), ACCEPTED);
            }
        }
        assert!(fetched() <= most, "round {round}: {}", fetched());
    }

    // The same unknown `kid` causes one fetch.
    let before = fetched();
    sleep(MINUTE).await;
    for _ in 0..1000 {
        assert_eq!(api.outcome(unknown_kid(idp.identifier(), "again")).await, Err(KeyUnknown));
    }
    assert_eq!(fetched() - before, 1);

    // Bad signatures under a known `kid` share the same rate limit.
    sleep(MINUTE).await;
    let before = fetched();
    let parts: Vec<&str> = valid.split('.').collect();
    for n in 0..1000_u32 {
        let signature = encode([[0x55; 60].as_slice(), &n.to_be_bytes()].concat());
        let forged = format!("{}.{}.{signature}", parts[0], parts[1]);
        assert_eq!(api.outcome(forged).await, Err(SignatureMismatch));
        if n % 10 == 0 {
            advance(300 * Duration::from_millis(1)).await;
        }
    }
    assert!(fetched() - before <= 3, "{}", fetched() - before);
    assert_eq!(api.outcome_at_once(&valid), ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn unknown_kids_during_an_outage_are_keys_unavailable_and_evict_no_key() {
    let (idp, other) = (TestIssuer::in_memory(ISSUER), TestIssuer::in_memory("https://other.example"));
    let clients = idp.http_client().and(other.http_client());
    let auth = idp.bearer_auth(API).add_issuer(other.issuer()).http_client(clients).build().unwrap();
    let api = Protected::by(&auth);
    let (valid, of_other) = (idp.token(API).sign(), other.token(API).sign());
    assert_eq!(api.outcome(&valid).await, ACCEPTED);
    assert_eq!(api.outcome(&of_other).await, ACCEPTED);
    idp.set_outage(Some(Fault::Status(500)));
    let before = idp.requests(Endpoint::Jwks) + idp.requests(Endpoint::Metadata);
    for n in 0..1000 {
        // The key may exist, so the token is not known to be invalid.
        assert_eq!(api.outcome(unknown_kid(ISSUER, &n.to_string())).await, Err(KeysUnavailable));
        advance(300 * Duration::from_millis(1)).await;
        assert_eq!(api.outcome_at_once(&valid), ACCEPTED);
        assert_eq!(api.outcome_at_once(&of_other), ACCEPTED);
    }
    let calls = idp.requests(Endpoint::Jwks) + idp.requests(Endpoint::Metadata) - before;
    assert!(calls <= auth.bounds().max_calls_per_minute().value().unwrap() as usize, "{calls}");
    assert_eq!(other.requests(Endpoint::Jwks), 1);

    // The rate limit of the other issuer is untouched: its rotation is followed immediately.
    other.rotate_key();
    assert_eq!(api.outcome(other.token(API).sign()).await, ACCEPTED);
}

/// The IDs have 4 KB each, so storing all of them would take 4 MB. The test counts the allocations of its
/// thread, which runs the refresh task too.
#[test]
fn a_thousand_random_kids_cause_four_fetches_and_bounded_memory() {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true).build().unwrap();
    let held = allocation_counter::measure(|| runtime.block_on(a_thousand_random_kids()));
    assert!(held.bytes_max < 2 * 1024 * 1024, "{} bytes at once", held.bytes_max);
}

async fn a_thousand_random_kids() {
    let idp = TestIssuer::new();
    let api = Protected::by(&idp.bearer_auth(API).build().unwrap());
    let valid = idp.token(API).sign();
    let tail = "x".repeat(4000);
    let start = Instant::now();
    for n in 0..1_000_u32 {
        let random = n.wrapping_mul(2_654_435_769);
        let outcome = api.outcome(unknown_kid(idp.identifier(), &format!("{random:x}{tail}"))).await;
        assert!([Err(KeyUnknown), Err(KeyUnconfirmed)].contains(&outcome), "{outcome:?}");
        assert_eq!(api.outcome_at_once(&valid), ACCEPTED);
        advance(Duration::from_millis(60)).await;
    }
    assert!(start.elapsed() >= 59 * SECOND && start.elapsed() <= MINUTE + SECOND, "{:?}", start.elapsed());
    assert!(idp.requests(Endpoint::Jwks) <= 4, "{}", idp.requests(Endpoint::Jwks));
    assert_eq!(idp.requests(Endpoint::Metadata), 1);
}

#[tokio::test(start_paused = true)]
async fn concurrent_requests_share_one_fetch() {
    let idp = TestIssuer::new();
    let api = Protected::by(&idp.bearer_auth(API).build().unwrap());
    idp.set_outage(Some(Fault::Delay(SECOND)));
    let token = idp.token(API).sign();
    let mut requests = JoinSet::new();
    for _ in 0..1000 {
        let (api, token) = (api.clone(), token.clone());
        requests.spawn(async move { api.outcome(token).await });
    }
    let outcomes = requests.join_all().await;
    assert!(outcomes.iter().all(|outcome| *outcome == ACCEPTED));
    // Two requests for metadata, because the first well-known URL takes long.
    assert_eq!((idp.requests(Endpoint::Metadata), idp.requests(Endpoint::Jwks)), (2, 1));
    assert_eq!(api.handler.calls(), 1000);

    // 999 requests are cancelled while they wait, among them the one that started the fetch.
    let idp = TestIssuer::new();
    let api = Protected::by(&idp.bearer_auth(API).build().unwrap());
    idp.set_outage(Some(Fault::Delay(SECOND)));
    let mut requests: Vec<_> = (0..1000)
        .map(|_| {
            let (api, token) = (api.clone(), idp.token(API).sign());
            tokio::spawn(async move { api.outcome(token).await })
        })
        .collect();
    sleep(SECOND / 2).await;
    let last = requests.pop().unwrap();
    requests.iter().for_each(tokio::task::JoinHandle::abort);
    assert_eq!(last.await.unwrap(), ACCEPTED);
    assert_eq!((idp.requests(Endpoint::Metadata), idp.requests(Endpoint::Jwks)), (2, 1));
    assert_eq!(api.handler.calls(), 1);

    // The only request is cancelled. The fetch still completes.
    let idp = TestIssuer::new();
    let api = Protected::by(&idp.bearer_auth(API).build().unwrap());
    idp.set_outage(Some(Fault::Delay(SECOND)));
    let token = idp.token(API).sign();
    let request = tokio::time::timeout(SECOND / 2, api.outcome(&token)).await;
    assert!(request.is_err());
    sleep(2 * SECOND).await;
    assert_eq!(api.outcome_at_once(&token), ACCEPTED);

    // A valid token does not wait for the fetch that an unknown `kid` has caused.
    idp.set_outage(Some(Fault::Hang));
    let stuck = {
        let (api, token) = (api.clone(), unknown_kid(idp.identifier(), "unknown"));
        tokio::spawn(async move { api.outcome(token).await })
    };
    run_pending_tasks().await;
    assert_eq!(idp.requests(Endpoint::Jwks), 2);
    assert_eq!(api.outcome_at_once(&token), ACCEPTED);
    assert_eq!(stuck.await.unwrap(), Err(KeysUnavailable));
}

#[tokio::test(start_paused = true)]
async fn a_rotation_is_followed_on_first_use() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).build().unwrap();
    let api = Protected::by(&auth);
    let old = idp.token(API).sign();
    assert_eq!(api.outcome(&old).await, ACCEPTED);
    idp.rotate_key();
    assert_eq!(api.outcome(idp.token(API).sign()).await, ACCEPTED, "a new kid");
    assert_eq!(idp.requests(Endpoint::Jwks), 2);
    assert_eq!(api.outcome_at_once(&old), ACCEPTED, "the old key is still published");

    // Right after a scheduled refresh, the rate limit still allows one fetch.
    let due = auth.status()[0].keys().unwrap().next_refresh().unwrap();
    sleep(due + Duration::from_millis(10)).await;
    assert_eq!(idp.requests(Endpoint::Jwks), 3);
    idp.rotate_key();
    assert_eq!(api.outcome(idp.token(API).sign()).await, ACCEPTED, "right after a refresh");
    assert_eq!(idp.requests(Endpoint::Jwks), 4);

    sleep(MINUTE).await;
    let before = idp.token(API).sign();
    idp.replace_key();
    assert_eq!(api.outcome(idp.token(API).sign()).await, ACCEPTED, "a new key with the same kid");
    assert_eq!(idp.requests(Endpoint::Jwks), 5);
    assert_eq!(api.outcome_at_once(before), Err(SignatureMismatch), "the replaced key");

    sleep(MINUTE).await;
    idp.rotate_key_to(Algorithm::EdDSA);
    assert_eq!(api.outcome(idp.token(API).sign()).await, ACCEPTED, "another algorithm");
    sleep(MINUTE).await;
    idp.rotate_key();
    assert_eq!(api.outcome(idp.token(API).header("kid", Value::Null).sign()).await, ACCEPTED, "no kid");

    // A thousand requests with the new key cause one fetch, and all are accepted.
    sleep(MINUTE).await;
    let before = idp.requests(Endpoint::Jwks);
    idp.set_fault(Endpoint::Jwks, Some(Fault::Delay(SECOND)));
    idp.rotate_key();
    let token = idp.token(API).sign();
    let mut requests = JoinSet::new();
    for n in 0..1000 {
        let (api, token) = (api.clone(), token.clone());
        requests.spawn(async move {
            sleep(Duration::from_millis(n)).await;
            api.outcome(token).await
        });
    }
    assert!(requests.join_all().await.iter().all(|outcome| *outcome == ACCEPTED));
    assert_eq!(idp.requests(Endpoint::Jwks) - before, 1);
}

#[tokio::test(start_paused = true)]
async fn a_retired_key_is_rejected_after_the_next_refresh() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).build().unwrap();
    let api = Protected::by(&auth);
    let (kid, old) = (idp.key_id(), idp.token(API).sign());
    idp.rotate_key();
    let new = idp.token(API).sign();
    for token in [&old, &new, &old] {
        assert_eq!(api.outcome(token).await, ACCEPTED);
    }
    idp.retire_key(&kid);
    assert_eq!(api.outcome_at_once(&old), ACCEPTED, "before the refresh");
    let due = auth.status()[0].keys().unwrap().next_refresh().unwrap();
    sleep(due + Duration::from_millis(10)).await;
    assert_eq!(api.outcome(&old).await, Err(KeyUnknown));
    assert_eq!(api.outcome(&old).await, Err(KeyUnknown));
    assert_eq!(api.outcome_at_once(&new), ACCEPTED);
    assert!(!auth.status()[0].keys().unwrap().key_ids().contains(&kid));
}

/// The time between consecutive fetches of the key set, with one valid token sent per `step`.
async fn gaps(cache_control: Option<&str>, step: Duration, span: Duration) -> Vec<Duration> {
    let idp = TestIssuer::in_memory(ISSUER);
    let net = Net::of(&idp);
    let reply = Reply::body(idp.jwks());
    net.set(
        JWKS,
        match cache_control {
            Some(value) => reply.header("cache-control", value),
            None => reply,
        },
    );
    let api = Protected::by(&discovering(&idp, &net));
    let token = idp.token(API).sign();
    assert_eq!(api.outcome(&token).await, ACCEPTED);
    let end = Instant::now() + span;
    while Instant::now() < end {
        sleep(step).await;
        assert_eq!(api.outcome_at_once(&token), ACCEPTED, "{cache_control:?}");
    }
    let fetches: Vec<Instant> =
        net.sent().iter().filter(|sent| sent.url == JWKS).map(|sent| sent.at).collect();
    fetches.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[tokio::test(start_paused = true)]
async fn max_age_is_clamped_to_one_minute_and_one_day() {
    let half_hour = 30 * MINUTE;
    for (cache_control, step, span, least, most) in [
        (Some("max-age=0"), 5 * SECOND, half_hour, 45 * SECOND, MINUTE),
        (Some("no-store"), 5 * SECOND, half_hour, 450 * SECOND, 600 * SECOND),
        (Some("no-cache"), 5 * SECOND, half_hour, 450 * SECOND, 600 * SECOND),
        (Some("max-age=300"), 5 * SECOND, half_hour, 225 * SECOND, 300 * SECOND),
        (None, 5 * SECOND, half_hour, 450 * SECOND, 600 * SECOND),
        (Some("public"), 5 * SECOND, half_hour, 450 * SECOND, 600 * SECOND),
        (Some("max-age=soon"), 5 * SECOND, half_hour, 45 * SECOND, MINUTE),
        (Some("max-age=315360000"), MINUTE, 49 * HOUR, 18 * HOUR, 24 * HOUR),
        (Some("max-age=99999999999999999999"), MINUTE, 49 * HOUR, 18 * HOUR, 24 * HOUR),
    ] {
        let gaps = gaps(cache_control, step, span).await;
        assert!(gaps.len() >= 2, "{cache_control:?}: {gaps:?}");
        for gap in gaps {
            assert!(least <= gap && gap <= most, "{cache_control:?}: {gap:?}");
        }
    }

    // A 304 to the ETag renews the freshness, so the keys stay usable without a new body.
    let idp = TestIssuer::in_memory(ISSUER);
    let net = Net::of(&idp);
    net.set(JWKS, Reply::body(idp.jwks()).header("etag", "\"1\"").header("cache-control", "max-age=60"));
    let auth = discovering(&idp, &net);
    let api = Protected::by(&auth);
    let token = idp.token(API).sign();
    assert_eq!(api.outcome(&token).await, ACCEPTED);
    let unchanged = vec![("cache-control", "max-age=60".to_owned())];
    net.set(JWKS, Reply::With(304, unchanged, Bytes::new()));
    for _ in 0..600 {
        sleep(MINUTE).await;
        assert_eq!(api.outcome_at_once(&token), ACCEPTED);
        assert!(auth.status()[0].keys().unwrap().age().unwrap() <= MINUTE);
    }
    let sent = net.sent();
    let mut refetches = sent.iter().filter(|sent| sent.url == JWKS).skip(1);
    assert!(refetches.all(|sent| sent.headers["if-none-match"] == "\"1\""));
}

#[tokio::test(start_paused = true)]
async fn an_unknown_issuer_causes_no_fetch() {
    let idp = TestIssuer::new();
    let api = Protected::by(&idp.bearer_auth(API).build().unwrap());
    for issuer in ["https://evil.example", "https://issuer.test/", "https://ISSUER.test", "", "issuer.test"] {
        for token in [idp.token(API).claim("iss", issuer).sign(), unknown_kid(issuer, "k")] {
            assert_eq!(api.outcome_at_once(&token), Err(IssuerUnknown), "{issuer}");
        }
    }
    run_pending_tasks().await;
    assert_eq!((idp.requests(Endpoint::Metadata), idp.requests(Endpoint::Jwks)), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn ready_names_the_issuers_that_are_unavailable() {
    let (x, y) = (TestIssuer::in_memory("https://x.example"), TestIssuer::in_memory("https://y.example"));
    let clients = x.http_client().and(y.http_client());
    let auth = x.bearer_auth(API).add_issuer(y.issuer()).http_client(clients).build().unwrap();
    y.set_fault(Endpoint::Jwks, Some(Fault::Status(503)));
    let start = Instant::now();
    let error = auth.ready_all().await.unwrap_err();
    assert!(start.elapsed() <= 5 * SECOND);
    let kind =
        |error: &(dyn Error + Send + Sync + 'static)| error.downcast_ref::<KeysError>().unwrap().kind();
    let missing: Vec<_> = error.issuers().map(|(issuer, error)| (issuer, kind(error))).collect();
    assert_eq!(missing, [("https://y.example", KeysErrorKind::Fetch(FetchErrorKind::Status(503)))]);
    assert_eq!(
        error.to_string(),
        "not ready (time limit per issuer: 15 s): https://y.example: keys: the response status is 503 \
         (https://y.example/jwks)"
    );

    // Both are fetched concurrently, within the time limit of a fetch.
    x.set_outage(Some(Fault::Hang));
    y.set_outage(Some(Fault::Hang));
    let clients = x.http_client().and(y.http_client());
    let both = x.bearer_auth(API).add_issuer(y.issuer()).http_client(clients).build().unwrap();
    let start = Instant::now();
    let error = both.ready().await.unwrap_err();
    assert_eq!(error.issuers().count(), 2);
    assert!(start.elapsed() <= 11 * SECOND, "{:?}", start.elapsed());

    for idp in [&x, &y] {
        idp.set_outage(None);
    }
    sleep(36 * SECOND).await;
    assert!(auth.ready().await.is_ok() && both.ready().await.is_ok());
    let fetches = x.requests(Endpoint::Jwks);
    assert!(auth.ready().await.is_ok());
    assert_eq!(x.requests(Endpoint::Jwks), fetches, "no fetch while the keys are fresh");
}

#[tokio::test(start_paused = true)]
async fn status_shows_keys_age_next_refresh_and_last_error() {
    let idp = TestIssuer::new();
    let second = idp.add_key(Algorithm::EdDSA);
    let auth = idp.bearer_auth(API).build().unwrap();
    let keys = || auth.status().remove(0).keys().unwrap().clone();
    assert_eq!(auth.status()[0].issuer(), idp.identifier());
    assert!(!keys().is_usable() && keys().key_ids().is_empty() && keys().age().is_none());
    assert_eq!(idp.requests(Endpoint::Metadata), 0, "reading the status causes no fetch");

    auth.ready().await.unwrap();
    assert!(keys().is_usable() && keys().last_error().is_none());
    assert_eq!(keys().key_ids(), [idp.key_id(), second]);
    assert_eq!(keys().age(), Some(Duration::ZERO));
    let next = keys().next_refresh().unwrap();
    assert!(next >= 450 * SECOND && next <= 540 * SECOND, "{next:?}");
    sleep(100 * SECOND).await;
    assert_eq!(keys().age(), Some(100 * SECOND));
    assert_eq!(keys().next_refresh(), Some(next - 100 * SECOND));

    idp.set_fault(Endpoint::Jwks, Some(Fault::Status(502)));
    let api = Protected::by(&auth);
    assert_eq!(api.outcome(idp.token(API).sign()).await, ACCEPTED);
    sleep(next).await;
    let status = keys();
    let error = status.last_error().unwrap();
    assert_eq!((error.kind(), error.is_outage()), (KeysErrorKind::Fetch(FetchErrorKind::Status(502)), true));
    assert!(keys().is_usable());
    idp.set_fault(Endpoint::Jwks, None);
    sleep(36 * SECOND).await;
    assert!(keys().last_error().is_none() && keys().age().unwrap() <= 36 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_handle_ends_the_refresh_tasks() {
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let (x, y) = (TestIssuer::in_memory("https://x.example"), TestIssuer::in_memory("https://y.example"));
    let clients = x.http_client().and(y.http_client());
    let auth = x.bearer_auth(API).add_issuer(y.issuer()).http_client(clients).build().unwrap();
    assert_eq!(tasks(), 0, "no task before the first fetch");
    auth.ready().await.unwrap();
    assert_eq!(tasks(), 2);
    let service = Protected::by(&auth);
    let clone = auth.clone();
    drop(auth);
    run_pending_tasks().await;
    assert_eq!(tasks(), 2, "a clone is alive");
    drop(clone);
    run_pending_tasks().await;
    assert_eq!(tasks(), 2, "a service is alive");
    assert_eq!(service.outcome_at_once(x.token(API).sign()), ACCEPTED);
    // The task ends during a fetch, too.
    x.set_outage(Some(Fault::Hang));
    let stuck = tokio::spawn({
        let (service, token) = (service.clone(), unknown_kid("https://x.example", "unknown"));
        async move { service.outcome(token).await }
    });
    run_pending_tasks().await;
    stuck.abort();
    run_pending_tasks().await;
    drop(service);
    run_pending_tasks().await;
    assert_eq!(tasks(), 0);
    let fetches = y.requests(Endpoint::Jwks);
    sleep(HOUR).await;
    assert_eq!(y.requests(Endpoint::Jwks), fetches);
}

/// The time for which a token is accepted after its key was retired. The key is retired right after its
/// fetch.
async fn accepted_after_retirement(
    auth: &BearerAuth,
    idp: &TestIssuer,
    outage: bool,
    step: Duration,
) -> Duration {
    let api = Protected::by(auth);
    let (kid, token) = (idp.key_id(), idp.token(API).sign());
    assert_eq!(api.outcome(&token).await, ACCEPTED);
    let start = Instant::now();
    idp.rotate_key();
    idp.retire_key(&kid);
    if outage {
        idp.set_outage(Some(Fault::Refuse));
    }
    while api.outcome(&token).await == ACCEPTED {
        sleep(step).await;
    }
    start.elapsed()
}

/// The time for which a retired key was accepted, beside its bound.
fn figure_of_retired_key(quantity: &str, accepted_for: Duration, bound: Bound) {
    let bound = bound.value().unwrap();
    figure("bounds", quantity, format_args!("{accepted_for:?}"), format_args!("at most {bound:?}"));
}

#[tokio::test(start_paused = true)]
async fn bounds_on_retired_keys_and_outages_hold() {
    let idp = TestIssuer::new();
    idp.set_cache_control(Some("max-age=315360000"));
    let auth = idp.bearer_auth(API).build().unwrap();
    let bounds = auth.bounds();
    assert_eq!(bounds.revoked_token(), Bound::Unlimited);
    assert_eq!(bounds.retired_key(), Bound::Value(24 * HOUR + 10 * SECOND));
    assert_eq!(bounds.retired_key_in_outage(), Bound::Value(28 * HOUR));
    assert_eq!(bounds.outage(), Bound::Value(4 * HOUR));
    let text = bounds.to_string();
    assert_eq!(bounds.outage_with_bad_responses(), Bound::Value(HOUR));
    assert_eq!(text.lines().count(), 6, "{text}");
    for figure in ["its own lifetime", "86410 s", "100800 s", "14400 s", "3600 s", "163"] {
        assert!(text.contains(figure), "{figure}: {text}");
    }
    // The bounds are tight: the measured times are not far below them.
    let accepted = accepted_after_retirement(&auth, &idp, false, MINUTE).await;
    figure_of_retired_key("retired_key: max-age of ten years", accepted, bounds.retired_key());
    assert!(accepted <= 24 * HOUR && accepted >= 18 * HOUR, "{accepted:?}");
    let auth = idp.bearer_auth(API).build().unwrap();
    let accepted = accepted_after_retirement(&auth, &idp, true, MINUTE).await;
    let quantity = "retired_key_in_outage: max-age of ten years, measured once a minute";
    figure_of_retired_key(quantity, accepted, bounds.retired_key_in_outage());
    assert!(accepted <= 28 * HOUR + MINUTE && accepted >= 28 * HOUR, "{accepted:?}");

    for ttl in [300, 20] {
        let idp = TestIssuer::new();
        let configured = || {
            let builder = idp.bearer_auth(API).jwks_ttl(ttl * SECOND).jwks_stale_for(HOUR);
            builder.build().unwrap()
        };
        let bounds = configured().bounds();
        assert_eq!(bounds.retired_key(), Bound::Value((ttl + 10) * SECOND));
        assert_eq!(bounds.retired_key_in_outage(), Bound::Value(ttl * SECOND + HOUR));
        assert_eq!(bounds.outage(), Bound::Value(HOUR));
        let accepted = accepted_after_retirement(&configured(), &idp, false, SECOND).await;
        figure_of_retired_key(&format!("retired_key: jwks_ttl of {ttl} s"), accepted, bounds.retired_key());
        assert!(accepted <= ttl * SECOND, "{accepted:?}");
        let accepted = accepted_after_retirement(&configured(), &idp, true, SECOND).await;
        let quantity = format!("retired_key_in_outage: jwks_ttl of {ttl} s, measured once a second");
        figure_of_retired_key(&quantity, accepted, bounds.retired_key_in_outage());
        assert!(accepted >= HOUR && accepted <= ttl * SECOND + HOUR + SECOND, "{accepted:?}");
    }

    let fixed = Issuer::with_static_jwks(idp.identifier(), idp.jwks());
    let bounds = BearerAuth::builder(API).issuer(fixed).build().unwrap().bounds();
    assert_eq!((bounds.retired_key(), bounds.outage()), (Bound::Unlimited, Bound::Unlimited));
    assert_eq!(bounds.max_calls_per_minute(), Bound::Value(0));
}

#[tokio::test(start_paused = true)]
async fn max_lifetime_bounds_the_life_of_a_revoked_token() {
    let idp = TestIssuer::new();
    let issuer = idp.issuer().max_lifetime(Duration::from_secs(600));
    let builder = BearerAuth::builder(API).issuer(issuer).http_client(idp.http_client());
    let auth = builder.clock(idp.clock()).build().unwrap();
    // Twice the leeway is added: `iat` may be that far in the future, and `exp` that far in the past.
    assert_eq!(auth.bounds().revoked_token(), Bound::Value(Duration::from_secs(660)));
    let api = Protected::by(&auth);
    let start = idp.clock().now();
    let token = idp.token(API).lifetime(Duration::from_secs(600)).sign();
    assert_eq!(api.outcome(&token).await, ACCEPTED);
    idp.clock().set(start + Duration::from_secs(629));
    assert_eq!(api.outcome(&token).await, ACCEPTED);
    let last = idp.clock().now().duration_since(start).unwrap();
    figure("bounds", "revoked_token: max_lifetime of 600 s", format_args!("{last:?}"), "at most 660 s");
    idp.clock().set(start + Duration::from_secs(630));
    assert_eq!(api.outcome(&token).await, Err(TokenExpired));
    assert_eq!(
        api.outcome(idp.token(API).lifetime(Duration::from_secs(601)).sign()).await,
        Err(LifetimeTooLong)
    );
}

/// The largest number of requests within a minute.
fn busiest_minute(net: &Net) -> usize {
    let times: Vec<Instant> = net.sent().iter().map(|sent| sent.at).collect();
    times
        .iter()
        .map(|start| times.iter().filter(|at| (*start..*start + MINUTE).contains(at)).count())
        .max()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn no_attack_on_a_failing_server_exceeds_max_calls_per_minute() {
    const METADATA: &str = "https://login.example.com/.well-known/oauth-authorization-server";
    for (name, up) in [("up", [true, true]), ("down", [false, false]), ("flapping", [true, false])] {
        for ttl in [None, Some(20 * SECOND)] {
            let idp = TestIssuer::in_memory(ISSUER);
            let net = Net::of(&idp);
            let builder = BearerAuth::builder(API).issuer(idp.issuer()).http_client(net.clone());
            let builder = builder.clock(idp.clock());
            let auth = ttl.into_iter().fold(builder, |builder, ttl| builder.jwks_ttl(ttl)).build().unwrap();
            let api = Protected::by(&auth);
            let forged = {
                let valid = idp.token(API).sign();
                let (input, _) = valid.rsplit_once('.').unwrap();
                format!("{input}.{}", encode([3; 64]))
            };
            assert_ne!(api.outcome(&forged).await, ACCEPTED);
            let metadata = json!({"issuer": ISSUER, "jwks_uri": JWKS}).to_string();
            let documents = [(METADATA, Reply::body(metadata)), (JWKS, Reply::body(idp.jwks()))];
            for step in 0..400_u32 {
                // A flapping server changes its state every 300 ms.
                let is_up = up[(step % 2) as usize];
                for (url, document) in &documents {
                    net.set(url, if is_up { document.clone() } else { Reply::status(500) });
                }
                let mut attack = JoinSet::new();
                for token in [unknown_kid(ISSUER, &step.to_string()), forged.clone()] {
                    let api = api.clone();
                    attack.spawn(async move { api.outcome(token).await });
                }
                advance(Duration::from_millis(300)).await;
                let outcomes = attack.join_all().await;
                assert!(outcomes.iter().all(|outcome| *outcome != ACCEPTED), "{name}");
            }
            let most = busiest_minute(&net);
            let bound = auth.bounds().max_calls_per_minute().value().unwrap() as usize;
            let ttl_name = ttl.map_or("default jwks_ttl", |_| "jwks_ttl of 20 s");
            let quantity = format!("max_calls_per_minute, keys: forged tokens, server {name}, {ttl_name}");
            figure("bounds", quantity, most, format_args!("at most {bound}"));
            assert!(most <= bound, "{name}, {ttl:?}: {most} calls, the bound is {bound}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn max_lifetime_bounds_a_revoked_token_that_was_issued_in_the_future() {
    let idp = TestIssuer::new();
    let issuer = idp.issuer().max_lifetime(Duration::from_secs(300));
    let builder = BearerAuth::builder(API).issuer(issuer).http_client(idp.http_client());
    let auth = builder.clock(idp.clock()).build().unwrap();
    let api = Protected::by(&auth);
    let now = idp.clock().now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let token = idp.token(API).claim("iat", now + 30).claim("exp", now + 330).sign();
    // The token is revoked right after it was accepted.
    assert_eq!(api.outcome(&token).await, ACCEPTED);
    idp.clock().advance(auth.bounds().revoked_token().value().unwrap() + SECOND);
    assert_ne!(api.outcome(&token).await, ACCEPTED);
}

#[tokio::test]
async fn max_age_bounds_a_revoked_token() {
    let idp = TestIssuer::new();
    let issuer = idp.issuer().max_age(Duration::from_secs(300));
    let builder = BearerAuth::builder(API).issuer(issuer).http_client(idp.http_client());
    let auth = builder.clock(idp.clock()).build().unwrap();
    assert!(auth.bounds().revoked_token().value().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_ttl_of_duration_max_does_not_cause_continuous_fetches() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).jwks_ttl(Duration::MAX).build().unwrap();
    assert_eq!(Protected::by(&auth).outcome(idp.token(API).sign()).await, ACCEPTED);
    for _ in 0..2000 {
        tokio::task::yield_now().await;
    }
    let (fetches, bound) =
        (idp.requests(Endpoint::Jwks), auth.bounds().max_calls_per_minute().value().unwrap());
    assert!(fetches <= 2, "{fetches} fetches in no time, the bound is {bound} per minute");
}

#[tokio::test(start_paused = true)]
async fn a_max_key_wait_of_duration_max_waits_for_the_keys() {
    let idp = TestIssuer::new();
    idp.set_fault(Endpoint::Jwks, Some(Fault::Delay(Duration::from_millis(100))));
    let auth = idp.bearer_auth(API).max_key_wait(Duration::MAX).build().unwrap();
    assert_eq!(Protected::by(&auth).outcome(idp.token(API).sign()).await, ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn a_grace_period_of_duration_max_keeps_the_cached_keys() {
    let idp = TestIssuer::new();
    let api = Protected::by(&idp.bearer_auth(API).jwks_stale_for(Duration::MAX).build().unwrap());
    assert_eq!(api.outcome(idp.token(API).sign()).await, ACCEPTED);
    idp.set_outage(Some(Fault::Refuse));
    sleep(HOUR).await;
    assert_eq!(api.outcome(idp.token(API).sign()).await, ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn a_rotation_without_kids_during_an_outage_is_keys_unavailable() {
    let idp = TestIssuer::new();
    let mut jwks: Value = serde_json::from_str(&idp.jwks()).unwrap();
    for key in jwks["keys"].as_array_mut().unwrap() {
        key.as_object_mut().unwrap().remove("kid");
    }
    idp.set_jwks(Some(jwks.to_string()));
    let api = Protected::by(&idp.bearer_auth(API).build().unwrap());
    let token = || idp.token(API).header("kid", Value::Null).sign();
    assert_eq!(api.outcome(token()).await, ACCEPTED);
    idp.set_outage(Some(Fault::Hang));
    idp.replace_key();
    assert_eq!(api.outcome(token()).await, Err(KeysUnavailable), "the server hangs");
    idp.set_outage(Some(Fault::Refuse));
    sleep(MINUTE).await;
    assert_eq!(api.outcome(token()).await, Err(KeysUnavailable), "the server is down");
}

/// Rotates the key. The metadata names a new URL, and only that URL serves the new key.
fn rotate_to_a_new_url(idp: &TestIssuer, net: &Net) {
    idp.rotate_key();
    let moved = format!("{ISSUER}/new");
    let metadata = json!({"issuer": ISSUER, "jwks_uri": moved}).to_string();
    net.set(&format!("{ISSUER}/.well-known/oauth-authorization-server"), Reply::body(metadata));
    net.set(&moved, Reply::body(idp.jwks()));
}

/// The key set has this `Cache-Control` and an ETag that never changes. A conditional request gets 304
/// without `Cache-Control`.
fn respond_with_a_constant_etag(idp: &TestIssuer, net: &Net, cache_control: &'static str) {
    let server = idp.clone();
    net.script(move |sent| match sent.url.as_str() {
        JWKS if sent.headers.contains_key("if-none-match") => {
            Act::Instead(Reply::With(304, Vec::new(), Bytes::new()))
        }
        JWKS => {
            let reply = Reply::body(server.jwks()).header("etag", "\"1\"");
            Act::Instead(reply.header("cache-control", cache_control))
        }
        _ => Act::Pass,
    });
}

/// Asserts that a token signed with a new key is accepted within a day, with one request per 30 min.
async fn assert_rotation_is_followed_within_a_day(api: &Protected, idp: &TestIssuer) {
    for _ in 0..48 {
        sleep(30 * MINUTE).await;
        if api.outcome(idp.token(API).sign()).await == ACCEPTED {
            return;
        }
    }
    panic!("after a day: {:?}", api.outcome(idp.token(API).sign()).await);
}

#[tokio::test(start_paused = true)]
async fn a_constant_etag_hides_a_rotation_for_at_most_a_day() {
    let idp = TestIssuer::in_memory(ISSUER);
    let net = Net::of(&idp);
    respond_with_a_constant_etag(&idp, &net, "no-store");
    let api = Protected::by(&discovering(&idp, &net));
    assert_eq!(api.outcome(idp.token(API).sign()).await, ACCEPTED);
    idp.rotate_key();
    assert_rotation_is_followed_within_a_day(&api, &idp).await;
}

#[tokio::test(start_paused = true)]
async fn a_changed_jwks_uri_is_followed_within_a_day() {
    let idp = TestIssuer::in_memory(ISSUER);
    let net = Net::of(&idp);
    let api = Protected::by(&discovering(&idp, &net));
    assert_eq!(api.outcome(idp.token(API).sign()).await, ACCEPTED);
    // The old URL still serves the old keys.
    rotate_to_a_new_url(&idp, &net);
    assert_rotation_is_followed_within_a_day(&api, &idp).await;
}
