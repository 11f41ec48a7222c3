//! How the keys of an issuer are kept: through outages, rotations and attacks (RFC 7517 section 5).

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, advance, sleep, sleep_until};
use tower_bearer::diagnostics::{KeysError, KeysErrorKind};
use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
use tower_bearer::time::Clock;
use tower_bearer::transport::FetchErrorKind;
use tower_bearer::{Algorithm, BearerAuth, Issuer};

use crate::support::keys::unknown_kid;
use crate::support::net::{Net, Reply};
use crate::support::protected::{API, LOGIN, Protected, anonymous};

const JWKS: &str = "https://login.example.com/jwks";
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// A configuration that finds the keys of `idp` on `net`.
fn on(net: &Net, idp: &TestIssuer) -> BearerAuth {
    let builder = BearerAuth::builder(API).issuer(idp.issuer()).http_client(net.clone());
    builder.clock(idp.clock()).build().unwrap()
}

/// Lets what was started by the last request come to its end.
async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

/// Answers without keys; whether each is an outage, which keys in hand outlive by hours, or the word
/// of a server that has none, which they outlive by their freshness.
fn bad_answers() -> Vec<(&'static str, Reply, bool)> {
    let text = |text: &str| Reply::body(text.to_owned());
    vec![
        ("no keys", text("{}"), true),
        ("keys an object", text(r#"{"keys":{}}"#), true),
        ("keys null", text(r#"{"keys":null}"#), true),
        ("keys twice", text(r#"{"keys":[],"keys":[]}"#), true),
        ("a list", text("[]"), true),
        ("garbage", Reply::body(&b"\xff\x00{"[..]), true),
        ("nothing", text(""), true),
        ("HTML", text("<html>").header("content-type", "text/html"), true),
        ("half of it", text(r#"{"keys":[{"kty":"EC","#), true),
        ("10 MB", Reply::body(vec![b' '; 10_000_000]), true),
        ("500", Reply::status(500), true),
        ("503", Reply::status(503), true),
        ("429", Reply::status(429), true),
        ("no connection", Reply::Refused, true),
        ("no end", Reply::Hang, true),
        ("an empty set", text(r#"{"keys":[]}"#), false),
        ("broken keys alone", text(r#"{"keys":[null,{"kty":"EC"},{"kty":"oct","k":"AA"}]}"#), false),
        ("204", Reply::With(204, Vec::new(), Bytes::new()), false),
        ("302 to https", Reply::redirect(302, "https://login.example.com/other"), false),
        ("302 to http", Reply::redirect(302, "http://login.example.com/other"), false),
        ("404", Reply::status(404), false),
        ("403", Reply::status(403), false),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_bad_answer_leaves_the_old_keys_in_force() {
    for (name, reply, _) in bad_answers() {
        let idp = TestIssuer::in_memory(LOGIN);
        let net = Net::of(&idp);
        for target in ["https://login.example.com/other", "http://login.example.com/other"] {
            net.set(target, Reply::body(idp.jwks()));
        }
        let auth = on(&net, &idp);
        let api = Protected::by(&auth);
        let old = idp.token(API).sign();
        assert_eq!(api.kind(&old).await, "ok");
        net.set(JWKS, reply);
        for step in 0..119 {
            assert_eq!(api.kind_at_once(&old), "ok", "{name} after {step} times 5 s");
            sleep(5 * SECOND).await;
        }
        let tried = net.count(JWKS);
        assert!((2..40).contains(&tried), "{name}: asked {tried} times");
        assert!(auth.status()[0].keys().unwrap().last_error().is_some(), "{name}");

        // A good answer is taken at the next attempt.
        let kid = idp.rotate_key();
        net.set(JWKS, Reply::body(idp.jwks()));
        sleep(Duration::from_secs(36)).await;
        assert!(auth.status()[0].keys().unwrap().key_ids().contains(&kid), "{name}");
        assert_eq!(api.kind_at_once(idp.token(API).sign()), "ok", "{name}");
        assert!(!net.urls().iter().any(|url| url.ends_with("/other")), "{name}: a redirect was followed");
    }
    for content_type in [Some("application/jwk-set+json"), Some("application/json"), Some("text/plain"), None]
    {
        let idp = TestIssuer::in_memory(LOGIN);
        let net = Net::of(&idp);
        let reply = Reply::body(idp.jwks());
        net.set(
            JWKS,
            match content_type {
                Some(name) => reply.header("content-type", name),
                None => reply,
            },
        );
        let api = Protected::by(&on(&net, &idp));
        assert_eq!(api.kind(idp.token(API).sign()).await, "ok", "{content_type:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn keys_in_hand_outlive_an_outage_for_four_hours() {
    for (name, reply, outage) in bad_answers() {
        let idp = TestIssuer::in_memory(LOGIN);
        let net = Net::of(&idp);
        let api = Protected::by(&on(&net, &idp));
        let token = idp.token(API).sign();
        let start = Instant::now();
        assert_eq!(api.kind(&token).await, "ok");
        net.set(JWKS, reply);
        // Fresh for ten minutes, since the server did not say; then the grace.
        let last = start + 10 * MINUTE + if outage { 4 * HOUR } else { Duration::ZERO };
        sleep_until(last - SECOND).await;
        assert_eq!(api.kind_at_once(&token), "ok", "{name}");
        sleep_until(last + SECOND).await;
        assert_eq!(api.kind(&token).await, "keys_unavailable", "{name}");
        net.set(JWKS, Reply::body(idp.jwks()));
        sleep(36 * SECOND).await;
        assert_eq!(api.kind_at_once(&token), "ok", "{name}: recovered by itself");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cold_start_without_keys_is_an_outage() {
    for (name, reply, _) in bad_answers() {
        let idp = TestIssuer::in_memory(LOGIN);
        let net = Net::of(&idp);
        net.set(JWKS, reply);
        let api = Protected::by(&on(&net, &idp));
        let token = idp.token(API).sign();
        for turn in 0..3 {
            let start = Instant::now();
            assert_eq!(api.kind(&token).await, "keys_unavailable", "{name}, {turn}");
            assert!(start.elapsed() <= 3 * SECOND, "{name}, {turn}: {:?}", start.elapsed());
        }
        // What needs no keys is told apart at once.
        let start = Instant::now();
        assert_eq!(api.send(anonymous("GET")).await.kind(), "missing", "{name}");
        assert_eq!(api.kind("a b").await, "malformed_request", "{name}");
        assert_eq!(api.kind("opaque").await, "token_opaque", "{name}");
        let other = idp.token(API).claim("iss", "https://evil.example").sign();
        assert_eq!(api.kind(other).await, "issuer_unknown", "{name}");
        assert_eq!(start.elapsed(), Duration::ZERO, "{name}");

        net.set(JWKS, Reply::body(idp.jwks()));
        sleep(36 * SECOND).await;
        assert_eq!(api.kind_at_once(&token), "ok", "{name}: recovered without a restart");
    }
    let idp = TestIssuer::in_memory(LOGIN);
    let seeded = Issuer::discover(LOGIN).seed_jwks(idp.jwks());
    let net = Net::default();
    let auth = BearerAuth::builder(API).issuer(seeded).http_client(net.clone()).clock(idp.clock());
    let api = Protected::by(&auth.build().unwrap());
    assert_eq!(api.kind_at_once(idp.token(API).sign()), "ok", "seeded");
    settle().await;
    assert!(net.total() > 0, "the seed is replaced as soon as the server is there");
}

#[tokio::test(start_paused = true)]
async fn every_fault_of_every_endpoint_is_answered_within_three_seconds() {
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
            assert_eq!(api.kind(idp.token(API).sign()).await, "keys_unavailable", "{endpoint:?} {fault:?}");
            assert!(start.elapsed() <= 3 * SECOND, "{endpoint:?} {fault:?}: {:?}", start.elapsed());
            idp.set_fault(endpoint, None);
            sleep(36 * SECOND).await;
            assert_eq!(api.kind(idp.token(API).sign()).await, "ok", "{endpoint:?} {fault:?}");
            // A rotation that falls into the fault waits no longer, and costs no old key.
            let old = idp.token(API).sign();
            idp.set_fault(endpoint, Some(fault.clone()));
            sleep(MINUTE).await;
            idp.rotate_key();
            let start = Instant::now();
            let kind = api.kind(idp.token(API).sign()).await;
            let expected = if endpoint == Endpoint::Jwks { "keys_unavailable" } else { "ok" };
            assert_eq!(kind, expected, "{endpoint:?} {fault:?}");
            assert!(start.elapsed() <= 3 * SECOND, "{endpoint:?} {fault:?}: {:?}", start.elapsed());
            assert_eq!(api.kind_at_once(old), "ok", "{endpoint:?} {fault:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_kids_cost_a_fixed_number_of_fetches() {
    let idp = TestIssuer::new();
    let api = Protected::by(&idp.bearer_auth(API).build().unwrap());
    let good = idp.token(API).sign();
    assert_eq!(api.kind(&good).await, "ok");
    let fetched = || idp.requests(Endpoint::Jwks);
    for (round, most) in [(0, 1 + 2), (1, 1 + 2 + 2)] {
        for n in 0..10_000 {
            assert_eq!(api.kind(unknown_kid(idp.identifier(), &format!("{round}-{n}"))).await, "key_unknown");
            if n % 100 == 0 {
                advance(300 * Duration::from_millis(1)).await;
                assert_eq!(api.kind_at_once(&good), "ok");
            }
        }
        assert!(fetched() <= most, "round {round}: {}", fetched());
    }

    // One kid again and again is looked for once.
    let before = fetched();
    sleep(MINUTE).await;
    for _ in 0..1000 {
        assert_eq!(api.kind(unknown_kid(idp.identifier(), "again")).await, "key_unknown");
    }
    assert_eq!(fetched() - before, 1);

    // Bad signatures under a good kid draw on the same budget.
    sleep(MINUTE).await;
    let before = fetched();
    let parts: Vec<&str> = good.split('.').collect();
    for n in 0..10_000_u32 {
        let signature = crate::support::keys::encode([[0x55; 60].as_slice(), &n.to_be_bytes()].concat());
        let forged = format!("{}.{}.{signature}", parts[0], parts[1]);
        assert_eq!(api.kind(forged).await, "signature_mismatch");
        if n % 100 == 0 {
            advance(300 * Duration::from_millis(1)).await;
        }
    }
    assert!(fetched() - before <= 3, "{}", fetched() - before);
    assert_eq!(api.kind_at_once(&good), "ok");
}

#[tokio::test(start_paused = true)]
async fn unknown_kids_cost_no_key_while_fetches_fail() {
    let (idp, other) = (TestIssuer::in_memory(LOGIN), TestIssuer::in_memory("https://other.example"));
    let clients = idp.http_client().and(other.http_client());
    let auth = idp.bearer_auth(API).issuer(other.issuer()).http_client(clients).build().unwrap();
    let api = Protected::by(&auth);
    let (good, of_other) = (idp.token(API).sign(), other.token(API).sign());
    assert_eq!(api.kind(&good).await, "ok");
    assert_eq!(api.kind(&of_other).await, "ok");
    idp.set_outage(Some(Fault::Status(500)));
    let before = idp.requests(Endpoint::Jwks) + idp.requests(Endpoint::Metadata);
    for n in 0..10_000 {
        // Whether there is such a key cannot be said: that is no invalid token.
        assert_eq!(api.kind(unknown_kid(LOGIN, &n.to_string())).await, "keys_unavailable");
        if n % 100 == 0 {
            advance(300 * Duration::from_millis(1)).await;
            assert_eq!(api.kind_at_once(&good), "ok");
            assert_eq!(api.kind_at_once(&of_other), "ok");
        }
    }
    let asked = idp.requests(Endpoint::Jwks) + idp.requests(Endpoint::Metadata) - before;
    assert!(asked <= auth.bounds().max_calls_per_minute().unwrap() as usize, "{asked}");
    assert_eq!(other.requests(Endpoint::Jwks), 1);

    // The other issuer's budget is untouched: its rotation is followed at once.
    other.rotate_key();
    assert_eq!(api.kind(other.token(API).sign()).await, "ok");
}

/// Ids of 2 KB: if each were kept, there would be 200 MB of them. The memory is that of this thread,
/// on which the background task runs as well.
#[test]
fn a_hundred_thousand_random_kids_cost_four_fetches_and_no_memory() {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    let runtime = builder.enable_all().start_paused(true).build().unwrap();
    let held = allocation_counter::measure(|| runtime.block_on(a_hundred_thousand_random_kids()));
    assert!(held.bytes_max < 8 * 1024 * 1024, "{} bytes at once", held.bytes_max);
}

async fn a_hundred_thousand_random_kids() {
    let idp = TestIssuer::new();
    let api = Protected::by(&idp.bearer_auth(API).build().unwrap());
    let good = idp.token(API).sign();
    let tail = "x".repeat(2000);
    let (start, mut served) = (Instant::now(), 0);
    for n in 0..100_000_u32 {
        let random = n.wrapping_mul(2_654_435_769);
        let kind = api.kind(unknown_kid(idp.identifier(), &format!("{random:x}{tail}"))).await;
        assert_eq!(kind, "key_unknown");
        if n % 100 == 0 {
            assert_eq!(api.kind_at_once(&good), "ok");
            served += 1;
            advance(Duration::from_millis(60)).await;
        }
    }
    assert!(start.elapsed() >= 59 * SECOND && start.elapsed() <= MINUTE + SECOND, "{:?}", start.elapsed());
    assert_eq!(served, 1000);
    assert!(idp.requests(Endpoint::Jwks) <= 4, "{}", idp.requests(Endpoint::Jwks));
    assert_eq!(idp.requests(Endpoint::Metadata), 1);
}

#[tokio::test(start_paused = true)]
async fn waiters_share_one_fetch() {
    let idp = TestIssuer::new();
    let api = Protected::by(&idp.bearer_auth(API).build().unwrap());
    idp.set_outage(Some(Fault::Delay(SECOND)));
    let token = idp.token(API).sign();
    let mut requests = JoinSet::new();
    for _ in 0..1000 {
        let (api, token) = (api.clone(), token.clone());
        requests.spawn(async move { api.kind(token).await });
    }
    let kinds = requests.join_all().await;
    assert!(kinds.iter().all(|kind| kind == "ok"));
    assert_eq!((idp.requests(Endpoint::Metadata), idp.requests(Endpoint::Jwks)), (1, 1));
    assert_eq!(api.handler.calls(), 1000);

    // 999 of them go away while they wait, the first among them.
    let idp = TestIssuer::new();
    let api = Protected::by(&idp.bearer_auth(API).build().unwrap());
    idp.set_outage(Some(Fault::Delay(SECOND)));
    let mut requests: Vec<_> = (0..1000)
        .map(|_| {
            let (api, token) = (api.clone(), idp.token(API).sign());
            tokio::spawn(async move { api.kind(token).await })
        })
        .collect();
    sleep(SECOND / 2).await;
    let last = requests.pop().unwrap();
    requests.iter().for_each(tokio::task::JoinHandle::abort);
    assert_eq!(last.await.unwrap(), "ok");
    assert_eq!((idp.requests(Endpoint::Metadata), idp.requests(Endpoint::Jwks)), (1, 1));
    assert_eq!(api.handler.calls(), 1);

    // Nobody is left to wait: what was begun is finished all the same.
    let idp = TestIssuer::new();
    let api = Protected::by(&idp.bearer_auth(API).build().unwrap());
    idp.set_outage(Some(Fault::Delay(SECOND)));
    let token = idp.token(API).sign();
    let request = tokio::time::timeout(SECOND / 2, api.kind(&token)).await;
    assert!(request.is_err());
    sleep(2 * SECOND).await;
    assert_eq!(api.kind_at_once(&token), "ok");

    // A good token does not wait for the fetch that a bad one has caused.
    idp.set_outage(Some(Fault::Hang));
    let stuck = {
        let (api, token) = (api.clone(), unknown_kid(idp.identifier(), "unknown"));
        tokio::spawn(async move { api.kind(token).await })
    };
    settle().await;
    assert_eq!(idp.requests(Endpoint::Jwks), 2);
    assert_eq!(api.kind_at_once(&token), "ok");
    assert_eq!(stuck.await.unwrap(), "keys_unavailable");
}

#[tokio::test(start_paused = true)]
async fn a_rotation_is_followed_on_first_use() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).build().unwrap();
    let api = Protected::by(&auth);
    let old = idp.token(API).sign();
    assert_eq!(api.kind(&old).await, "ok");
    idp.rotate_key();
    assert_eq!(api.kind(idp.token(API).sign()).await, "ok", "a new kid");
    assert_eq!(idp.requests(Endpoint::Jwks), 2);
    assert_eq!(api.kind_at_once(&old), "ok", "still published");

    // Just after a scheduled refresh: one attempt is to spare for this.
    let due = auth.status()[0].keys().unwrap().next_refresh().unwrap();
    sleep(due + Duration::from_millis(10)).await;
    assert_eq!(idp.requests(Endpoint::Jwks), 3);
    idp.rotate_key();
    assert_eq!(api.kind(idp.token(API).sign()).await, "ok", "right after a refresh");
    assert_eq!(idp.requests(Endpoint::Jwks), 4);

    sleep(MINUTE).await;
    let before = idp.token(API).sign();
    idp.replace_key();
    assert_eq!(api.kind(idp.token(API).sign()).await, "ok", "a new key under the same kid");
    assert_eq!(idp.requests(Endpoint::Jwks), 5);
    assert_eq!(api.kind_at_once(before), "signature_mismatch", "the key that was replaced");

    sleep(MINUTE).await;
    idp.rotate_key_to(Algorithm::EdDSA);
    assert_eq!(api.kind(idp.token(API).sign()).await, "ok", "another algorithm");
    sleep(MINUTE).await;
    idp.rotate_key();
    assert_eq!(api.kind(idp.token(API).header("kid", Value::Null).sign()).await, "ok", "and no kid");

    // A thousand requests under the new key: one fetch, and none is refused.
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
            api.kind(token).await
        });
    }
    assert!(requests.join_all().await.iter().all(|kind| kind == "ok"));
    assert_eq!(idp.requests(Endpoint::Jwks) - before, 1);
}

#[tokio::test(start_paused = true)]
async fn a_withdrawn_key_is_refused_from_the_refresh_on() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).build().unwrap();
    let api = Protected::by(&auth);
    let (kid, old) = (idp.key_id(), idp.token(API).sign());
    idp.rotate_key();
    let new = idp.token(API).sign();
    for token in [&old, &new, &old] {
        assert_eq!(api.kind(token).await, "ok");
    }
    idp.withdraw_key(&kid);
    assert_eq!(api.kind_at_once(&old), "ok", "not known yet");
    let due = auth.status()[0].keys().unwrap().next_refresh().unwrap();
    sleep(due + Duration::from_millis(10)).await;
    assert_eq!(api.kind(&old).await, "key_unknown");
    assert_eq!(api.kind(&old).await, "key_unknown");
    assert_eq!(api.kind_at_once(&new), "ok");
    assert!(!auth.status()[0].keys().unwrap().key_ids().contains(&kid));
}

/// The times from each fetch of the key set to the next, with one good request per `step`.
async fn gaps(cache_control: Option<&str>, step: Duration, span: Duration) -> Vec<Duration> {
    let idp = TestIssuer::in_memory(LOGIN);
    let net = Net::of(&idp);
    let reply = Reply::body(idp.jwks());
    net.set(
        JWKS,
        match cache_control {
            Some(value) => reply.header("cache-control", value),
            None => reply,
        },
    );
    let api = Protected::by(&on(&net, &idp));
    let token = idp.token(API).sign();
    assert_eq!(api.kind(&token).await, "ok");
    let end = Instant::now() + span;
    while Instant::now() < end {
        sleep(step).await;
        assert_eq!(api.kind_at_once(&token), "ok", "{cache_control:?}");
    }
    let fetches: Vec<Instant> =
        net.asked().iter().filter(|asked| asked.url == JWKS).map(|asked| asked.at).collect();
    fetches.windows(2).map(|pair| pair[1] - pair[0]).collect()
}

#[tokio::test(start_paused = true)]
async fn freshness_is_clamped() {
    let half_hour = 30 * MINUTE;
    for (cache_control, step, span, least, most) in [
        (Some("max-age=0"), 5 * SECOND, half_hour, 45 * SECOND, MINUTE),
        (Some("no-store"), 5 * SECOND, half_hour, 45 * SECOND, MINUTE),
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

    // A 304 to the ETag counts as fresh: the keys are good for hours beyond their first lifetime.
    let idp = TestIssuer::in_memory(LOGIN);
    let net = Net::of(&idp);
    net.set(JWKS, Reply::body(idp.jwks()).header("etag", "\"1\"").header("cache-control", "max-age=60"));
    let auth = on(&net, &idp);
    let api = Protected::by(&auth);
    let token = idp.token(API).sign();
    assert_eq!(api.kind(&token).await, "ok");
    let unchanged = vec![("cache-control", "max-age=60".to_owned())];
    net.set(JWKS, Reply::With(304, unchanged, Bytes::new()));
    for _ in 0..600 {
        sleep(MINUTE).await;
        assert_eq!(api.kind_at_once(&token), "ok");
        assert!(auth.status()[0].keys().unwrap().age().unwrap() <= MINUTE);
    }
    let asked = net.asked();
    assert!(
        asked
            .iter()
            .filter(|asked| asked.url == JWKS)
            .skip(1)
            .all(|asked| asked.headers["if-none-match"] == "\"1\"")
    );
}

#[tokio::test(start_paused = true)]
async fn an_unknown_issuer_causes_no_traffic() {
    let idp = TestIssuer::new();
    let api = Protected::by(&idp.bearer_auth(API).build().unwrap());
    for issuer in ["https://evil.example", "https://issuer.test/", "https://ISSUER.test", "", "issuer.test"] {
        for token in [idp.token(API).claim("iss", issuer).sign(), unknown_kid(issuer, "k")] {
            assert_eq!(api.kind_at_once(&token), "issuer_unknown", "{issuer}");
        }
    }
    settle().await;
    assert_eq!((idp.requests(Endpoint::Metadata), idp.requests(Endpoint::Jwks)), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn ready_says_which_issuer_is_not() {
    let (x, y) = (TestIssuer::in_memory("https://x.example"), TestIssuer::in_memory("https://y.example"));
    let clients = x.http_client().and(y.http_client());
    let auth = x.bearer_auth(API).issuer(y.issuer()).http_client(clients).build().unwrap();
    y.set_fault(Endpoint::Jwks, Some(Fault::Status(503)));
    let start = Instant::now();
    let error = auth.ready().await.unwrap_err();
    assert!(start.elapsed() <= 5 * SECOND);
    let kind =
        |error: &(dyn Error + Send + Sync + 'static)| error.downcast_ref::<KeysError>().unwrap().kind();
    let missing: Vec<_> = error.issuers().map(|(issuer, error)| (issuer, kind(error))).collect();
    assert_eq!(missing, [("https://y.example", KeysErrorKind::Fetch(FetchErrorKind::Status(503)))]);
    assert_eq!(
        error.to_string(),
        "no keys or no introspection endpoint from https://y.example (the response status is 503)"
    );

    // Both at once, and no longer than a fetch may take.
    x.set_outage(Some(Fault::Hang));
    y.set_outage(Some(Fault::Hang));
    let clients = x.http_client().and(y.http_client());
    let both = x.bearer_auth(API).issuer(y.issuer()).http_client(clients).build().unwrap();
    let start = Instant::now();
    let error = both.ready().await.unwrap_err();
    assert_eq!(error.issuers().count(), 2);
    assert!(start.elapsed() <= 11 * SECOND, "{:?}", start.elapsed());

    for idp in [&x, &y] {
        idp.set_outage(None);
    }
    sleep(36 * SECOND).await;
    assert!(auth.ready().await.is_ok() && both.ready().await.is_ok());
    let asked = x.requests(Endpoint::Jwks);
    assert!(auth.ready().await.is_ok());
    assert_eq!(x.requests(Endpoint::Jwks), asked, "there is nothing to fetch");
}

#[tokio::test(start_paused = true)]
async fn the_status_shows_what_an_operator_needs() {
    let idp = TestIssuer::new();
    let second = idp.add_key(Algorithm::EdDSA);
    let auth = idp.bearer_auth(API).build().unwrap();
    let keys = || auth.status().remove(0).keys().unwrap().clone();
    assert_eq!(auth.status()[0].issuer(), idp.identifier());
    assert!(!keys().is_usable() && keys().key_ids().is_empty() && keys().age().is_none());
    assert_eq!(idp.requests(Endpoint::Metadata), 0, "looking sends nothing");

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
async fn dropping_the_last_handle_ends_the_tasks() {
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let (x, y) = (TestIssuer::in_memory("https://x.example"), TestIssuer::in_memory("https://y.example"));
    let clients = x.http_client().and(y.http_client());
    let auth = x.bearer_auth(API).issuer(y.issuer()).http_client(clients).build().unwrap();
    assert_eq!(tasks(), 0, "none before the first need");
    auth.ready().await.unwrap();
    assert_eq!(tasks(), 2);
    let service = Protected::by(&auth);
    let clone = auth.clone();
    drop(auth);
    settle().await;
    assert_eq!(tasks(), 2, "a clone is left");
    drop(clone);
    settle().await;
    assert_eq!(tasks(), 2, "a service is left");
    assert_eq!(service.kind_at_once(x.token(API).sign()), "ok");
    // In the middle of a fetch, too.
    x.set_outage(Some(Fault::Hang));
    let stuck = tokio::spawn({
        let (service, token) = (service.clone(), unknown_kid("https://x.example", "unknown"));
        async move { service.kind(token).await }
    });
    settle().await;
    stuck.abort();
    settle().await;
    drop(service);
    settle().await;
    assert_eq!(tasks(), 0);
    let asked = y.requests(Endpoint::Jwks);
    sleep(HOUR).await;
    assert_eq!(y.requests(Endpoint::Jwks), asked);
}

/// How long a good token of a key that was withdrawn right after its fetch is still accepted.
async fn withdrawn_for(auth: &BearerAuth, idp: &TestIssuer, outage: bool, step: Duration) -> Duration {
    let api = Protected::by(auth);
    let (kid, token) = (idp.key_id(), idp.token(API).sign());
    assert_eq!(api.kind(&token).await, "ok");
    let start = Instant::now();
    idp.rotate_key();
    idp.withdraw_key(&kid);
    if outage {
        idp.set_outage(Some(Fault::Refuse));
    }
    while api.kind(&token).await == "ok" {
        sleep(step).await;
    }
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn the_stated_bounds_hold() {
    let idp = TestIssuer::new();
    idp.set_cache_control(Some("max-age=315360000"));
    let auth = idp.bearer_auth(API).build().unwrap();
    let bounds = auth.bounds();
    assert_eq!(bounds.revoked_token(), None);
    assert_eq!(bounds.retired_key(), Some(24 * HOUR));
    assert_eq!(bounds.retired_key_in_outage(), Some(28 * HOUR));
    assert_eq!(bounds.outage(), Some(4 * HOUR));
    let text = bounds.to_string();
    assert_eq!(text.lines().count(), 5, "{text}");
    for figure in ["its own lifetime", "86400 s", "100800 s", "14400 s", "48"] {
        assert!(text.contains(figure), "{figure}: {text}");
    }
    // The least that is stated is of use: the bounds are not far off.
    let held = withdrawn_for(&auth, &idp, false, MINUTE).await;
    assert!(held <= 24 * HOUR && held >= 18 * HOUR, "{held:?}");
    let auth = idp.bearer_auth(API).build().unwrap();
    let held = withdrawn_for(&auth, &idp, true, MINUTE).await;
    assert!(held <= 28 * HOUR + MINUTE && held >= 28 * HOUR, "{held:?}");

    for ttl in [300, 20] {
        let idp = TestIssuer::new();
        let configured = || {
            let builder = idp.bearer_auth(API).jwks_ttl(ttl * SECOND).jwks_stale_for(HOUR);
            builder.build().unwrap()
        };
        let bounds = configured().bounds();
        assert_eq!(bounds.retired_key(), Some(ttl * SECOND));
        assert_eq!(bounds.retired_key_in_outage(), Some(ttl * SECOND + HOUR));
        assert_eq!(bounds.outage(), Some(HOUR));
        let held = withdrawn_for(&configured(), &idp, false, SECOND).await;
        assert!(held <= ttl * SECOND, "{held:?}");
        let held = withdrawn_for(&configured(), &idp, true, SECOND).await;
        assert!(held >= HOUR && held <= ttl * SECOND + HOUR + SECOND, "{held:?}");
    }

    let fixed = Issuer::with_static_jwks(idp.identifier(), idp.jwks());
    let bounds = BearerAuth::builder(API).issuer(fixed).build().unwrap().bounds();
    assert_eq!((bounds.retired_key(), bounds.outage(), bounds.max_calls_per_minute()), (None, None, Some(0)));
}

#[tokio::test(start_paused = true)]
async fn a_revoked_token_ends_with_its_stated_lifetime() {
    let idp = TestIssuer::new();
    let issuer = idp.issuer().max_lifetime(Duration::from_secs(600));
    let builder = BearerAuth::builder(API).issuer(issuer).http_client(idp.http_client());
    let auth = builder.clock(idp.clock()).build().unwrap();
    // Twice the leeway: `iat` may lie ahead by it, and the end behind by it.
    assert_eq!(auth.bounds().revoked_token(), Some(Duration::from_secs(660)));
    let api = Protected::by(&auth);
    let start = idp.clock().now();
    let token = idp.token(API).lifetime(Duration::from_secs(600)).sign();
    assert_eq!(api.kind(&token).await, "ok");
    idp.clock().set(start + Duration::from_secs(629));
    assert_eq!(api.kind(&token).await, "ok");
    idp.clock().set(start + Duration::from_secs(630));
    assert_eq!(api.kind(&token).await, "token_expired");
    assert_eq!(api.kind(idp.token(API).lifetime(Duration::from_secs(601)).sign()).await, "lifetime_too_long");
}

/// The most requests that came within any minute.
fn busiest_minute(net: &Net) -> usize {
    let times: Vec<Instant> = net.asked().iter().map(|asked| asked.at).collect();
    times
        .iter()
        .map(|start| times.iter().filter(|at| (*start..*start + MINUTE).contains(at)).count())
        .max()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn no_attack_on_a_failing_server_exceeds_the_stated_calls() {
    for (name, up) in [("up", [true, true]), ("down", [false, false]), ("flapping", [true, false])] {
        for ttl in [None, Some(20 * SECOND)] {
            let idp = TestIssuer::in_memory(LOGIN);
            let net = Net::of(&idp);
            let builder = BearerAuth::builder(API).issuer(idp.issuer()).http_client(net.clone());
            let builder = builder.clock(idp.clock());
            let auth = ttl.into_iter().fold(builder, |builder, ttl| builder.jwks_ttl(ttl)).build().unwrap();
            let api = Protected::by(&auth);
            let forged = {
                let good = idp.token(API).sign();
                let (input, _) = good.rsplit_once('.').unwrap();
                format!("{input}.{}", crate::support::keys::encode([3; 64]))
            };
            assert_ne!(api.kind(&forged).await, "ok");
            for step in 0..1800_u32 {
                // Every few hundred milliseconds it is as it was not.
                let is_up = up[(step / 3 % 2) as usize];
                for url in ["https://login.example.com/.well-known/oauth-authorization-server", JWKS] {
                    let well = if url == JWKS {
                        idp.jwks()
                    } else {
                        json!({"issuer": LOGIN, "jwks_uri": JWKS}).to_string()
                    };
                    net.set(url, if is_up { Reply::body(well) } else { Reply::status(500) });
                }
                let mut attack = JoinSet::new();
                for token in [unknown_kid(LOGIN, &step.to_string()), forged.clone()] {
                    let api = api.clone();
                    attack.spawn(async move { api.kind(token).await });
                }
                advance(Duration::from_millis(100)).await;
                let kinds = attack.join_all().await;
                assert!(kinds.iter().all(|kind| kind != "ok"), "{name}");
            }
            let most = busiest_minute(&net);
            let stated = auth.bounds().max_calls_per_minute().unwrap() as usize;
            assert!(most <= stated, "{name}, {ttl:?}: {most} calls, {stated} stated");
        }
    }
}
