//! The default HTTP client against a server on a loopback port.
//!
//! These tests run in real time. None waits long: short time limits end the requests that hang, and requests
//! that get no keys do not wait for retries.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};
use tower_bearer::RejectionKind::{KeysUnavailable, TokenExpired};
use tower_bearer::diagnostics::KeysErrorKind;
use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
use tower_bearer::transport::{FetchErrorKind, ReqwestClient};
use tower_bearer::{BearerAuth, BearerAuthBuilder, Issuer};

use crate::support::protected::{ACCEPTED, API, ISSUER, Protected};

/// How long a test waits for an event before it fails.
const LONG: Duration = Duration::from_secs(20);

/// A configuration that uses the default client.
fn over_http(idp: &TestIssuer) -> BearerAuthBuilder {
    BearerAuth::builder(API).issuer(idp.issuer()).clock(idp.clock()).max_key_wait(LONG)
}

/// For requests that get no keys: they do not wait for retries. On a slow machine they are rejected before
/// the first fetch ends, so [`last_failure`] waits for its error.
fn with_short_wait(builder: BearerAuthBuilder) -> BearerAuth {
    builder.max_key_wait(Duration::from_millis(50)).build().unwrap()
}

/// The same, with a short time limit of the fetch for faults that would exceed any limit. It ends while the
/// request waits.
fn with_short_limits(idp: &TestIssuer, fault: &Fault) -> BearerAuth {
    match fault {
        Fault::Hang | Fault::SlowBody => {
            let [fetch, wait] = [500, 600].map(Duration::from_millis);
            over_http(idp).fetch_timeout(fetch).max_key_wait(wait).build().unwrap()
        }
        _ => with_short_wait(over_http(idp)),
    }
}

/// The error of the last fetch. Waits until one has failed.
async fn last_failure(auth: &BearerAuth) -> KeysErrorKind {
    let failure = async {
        loop {
            if let Some(error) = auth.status()[0].keys().unwrap().last_error() {
                return error.kind();
            }
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(LONG, failure).await.expect("a fetch fails")
}

#[tokio::test]
async fn keys_are_discovered_and_rotations_followed_over_http() {
    let idp = TestIssuer::start().await.unwrap();
    let auth = over_http(&idp).build().unwrap();
    let api = Protected::by(&auth);
    let old = idp.token(API).sign();
    assert_eq!(api.outcome(&old).await, ACCEPTED);
    assert_eq!((idp.requests(Endpoint::Metadata), idp.requests(Endpoint::Jwks)), (1, 1));
    idp.rotate_key();
    assert_eq!(api.outcome(idp.token(API).sign()).await, ACCEPTED);
    assert_eq!(api.outcome_at_once(&old), ACCEPTED);
    assert_eq!(api.outcome(idp.token(API).expired().sign()).await, Err(TokenExpired));
    assert_eq!(idp.requests(Endpoint::Jwks), 2);
}

#[tokio::test]
async fn a_thousand_concurrent_requests_over_http_share_one_fetch() {
    let idp = TestIssuer::start().await.unwrap();
    let api = Protected::by(&over_http(&idp).build().unwrap());
    let token = idp.token(API).sign();
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..1000 {
        let (api, token) = (api.clone(), token.clone());
        requests.spawn(async move { api.outcome(token).await });
    }
    assert!(requests.join_all().await.iter().all(|outcome| *outcome == ACCEPTED));
    assert_eq!((idp.requests(Endpoint::Metadata), idp.requests(Endpoint::Jwks)), (1, 1));
}

#[tokio::test]
async fn every_fault_over_http_gives_503_within_the_time_limit() {
    let elsewhere = TestIssuer::start().await.unwrap();
    let cases = [
        (Fault::Refuse, KeysErrorKind::Fetch(FetchErrorKind::ConnectionLost)),
        (Fault::Hang, KeysErrorKind::Fetch(FetchErrorKind::TimedOut)),
        (Fault::SlowBody, KeysErrorKind::Fetch(FetchErrorKind::TimedOut)),
        (Fault::HalfBody, KeysErrorKind::Fetch(FetchErrorKind::ConnectionLost)),
        (Fault::HugeBody(8 * 1024 * 1024), KeysErrorKind::Fetch(FetchErrorKind::TooLarge)),
        (Fault::HugeBody(512 * 1024 + 1), KeysErrorKind::Fetch(FetchErrorKind::TooLarge)),
        (Fault::Status(500), KeysErrorKind::Fetch(FetchErrorKind::Status(500))),
        (Fault::Status(404), KeysErrorKind::Fetch(FetchErrorKind::Status(404))),
        (Fault::Body("<html>".to_owned()), KeysErrorKind::KeySetUnreadable),
        (Fault::Body("{\"keys\":[]}".to_owned()), KeysErrorKind::NoUsableKey),
        (Fault::Redirect(elsewhere.jwks_url()), KeysErrorKind::Fetch(FetchErrorKind::Redirected)),
        (Fault::Redirect("/jwks".to_owned()), KeysErrorKind::Fetch(FetchErrorKind::Redirected)),
    ];
    // Concurrently, because all of them wait for retries.
    let mut checks = tokio::task::JoinSet::new();
    for (fault, expected) in cases {
        let idp = TestIssuer::start().await.unwrap();
        // Built before a time limit runs, because TLS takes long to set up in an unoptimized build.
        let auths = [with_short_limits(&idp, &fault), with_short_limits(&idp, &fault)];
        checks.spawn(check_fault(idp, auths, fault, expected));
    }
    checks.join_all().await;
    let followed = elsewhere.requests(Endpoint::Jwks) + elsewhere.requests(Endpoint::Metadata);
    assert_eq!(followed, 0, "redirects followed");
}

/// Without cached keys, `fault` gives 503 within the time limit. With cached keys, only tokens with a new key
/// are rejected.
async fn check_fault(
    idp: TestIssuer,
    [without_keys, with_keys]: [BearerAuth; 2],
    fault: Fault,
    expected: KeysErrorKind,
) {
    let api = Protected::by(&without_keys);
    idp.set_fault(Endpoint::Jwks, Some(fault.clone()));
    let (token, start) = (idp.token(API).sign(), Instant::now());
    assert_eq!(api.outcome(&token).await, Err(KeysUnavailable), "{fault:?}");
    assert!(start.elapsed() < Duration::from_secs(4), "{fault:?}: {:?}", start.elapsed());
    assert_eq!(last_failure(&without_keys).await, expected, "{fault:?}");

    idp.set_fault(Endpoint::Jwks, None);
    assert!(with_keys.ready().await.is_ok(), "{fault:?}");
    let api = Protected::by(&with_keys);
    assert_eq!(api.outcome_at_once(&token), ACCEPTED);
    idp.set_fault(Endpoint::Jwks, Some(fault.clone()));
    idp.rotate_key();
    assert_eq!(api.outcome(idp.token(API).sign()).await, Err(KeysUnavailable), "{fault:?}");
    assert_eq!(last_failure(&with_keys).await, expected, "{fault:?}");
    assert_eq!(api.outcome_at_once(&token), ACCEPTED, "{fault:?}");
}

#[tokio::test]
async fn a_redirect_of_the_metadata_is_not_followed_over_http() {
    let (idp, elsewhere) = (TestIssuer::start().await.unwrap(), TestIssuer::start().await.unwrap());
    let target = format!("{}/.well-known/openid-configuration", elsewhere.identifier());
    idp.set_fault(Endpoint::Metadata, Some(Fault::Redirect(target)));
    let auth = with_short_wait(over_http(&idp));
    assert_eq!(Protected::by(&auth).outcome(idp.token(API).sign()).await, Err(KeysUnavailable));
    assert_eq!(last_failure(&auth).await, KeysErrorKind::Fetch(FetchErrorKind::Redirected));
    assert_eq!((elsewhere.requests(Endpoint::Metadata), elsewhere.requests(Endpoint::Jwks)), (0, 0));
    assert_eq!(idp.requests(Endpoint::Jwks), 0);
}

/// The user may set another redirect policy.
#[tokio::test]
async fn a_key_set_behind_a_redirect_is_not_used() {
    let (idp, elsewhere) = (TestIssuer::start().await.unwrap(), TestIssuer::start().await.unwrap());
    elsewhere.set_jwks(Some(idp.jwks()));
    idp.set_fault(Endpoint::Jwks, Some(Fault::Redirect(elsewhere.jwks_url())));
    let following = reqwest::redirect::Policy::default;
    for client in [
        ReqwestClient::build(move |client| client.redirect(following())).unwrap(),
        ReqwestClient::from(reqwest::Client::builder().redirect(following()).build().unwrap()),
    ] {
        let auth = with_short_wait(over_http(&idp).http_client(client));
        assert_eq!(Protected::by(&auth).outcome(idp.token(API).sign()).await, Err(KeysUnavailable));
        assert_eq!(last_failure(&auth).await, KeysErrorKind::Fetch(FetchErrorKind::Redirected));
    }
    let followed = elsewhere.requests(Endpoint::Jwks) + elsewhere.requests(Endpoint::Metadata);
    assert_eq!(followed, 0, "redirects followed");
}

#[tokio::test]
async fn cached_keys_stay_in_use_when_the_server_is_killed() {
    let idp = TestIssuer::start().await.unwrap();
    let identifier = idp.identifier().to_owned();
    let auth = with_short_wait(over_http(&idp));
    let api = Protected::by(&auth);
    let token = idp.token(API).sign();
    let unknown = idp.token(API).header("kid", "unknown").sign();
    let late = with_short_wait(over_http(&idp));
    assert!(auth.ready().await.is_ok());
    assert_eq!(api.outcome_at_once(&token), ACCEPTED);
    drop(idp);
    assert_eq!(api.outcome(&unknown).await, Err(KeysUnavailable));
    // The lost connection was replaced, and the new one was refused.
    assert_eq!(last_failure(&auth).await, KeysErrorKind::Fetch(FetchErrorKind::Transport));
    assert_eq!(api.outcome_at_once(&token), ACCEPTED);

    // `ready` names the server that is unavailable at start-up.
    let error = late.ready().await.unwrap_err();
    assert_eq!(error.issuers().map(|(issuer, _)| issuer).collect::<Vec<_>>(), [identifier]);
    assert_eq!(Protected::by(&late).outcome(&token).await, Err(KeysUnavailable));
    assert_eq!(last_failure(&late).await, KeysErrorKind::Fetch(FetchErrorKind::Transport));
}

#[tokio::test]
async fn keys_are_fetched_once_the_server_is_back_over_http() {
    let idp = TestIssuer::start().await.unwrap();
    idp.set_outage(Some(Fault::Refuse));
    let auth = with_short_wait(over_http(&idp));
    let api = Protected::by(&auth);
    let token = idp.token(API).sign();
    let down = api.get(&token).await;
    assert_eq!(down.outcome(), Err(KeysUnavailable));
    assert_eq!(last_failure(&auth).await, KeysErrorKind::Fetch(FetchErrorKind::ConnectionLost));
    let before = idp.requests(Endpoint::Metadata);
    idp.set_outage(None);
    // The backoff decides when the next attempt starts, usually within half a second.
    let start = Instant::now();
    while api.outcome(&token).await != ACCEPTED {
        assert!(start.elapsed() < LONG, "the server was not tried again");
        sleep(Duration::from_millis(10)).await;
    }
    assert!(idp.requests(Endpoint::Metadata) > before);
}

#[tokio::test]
async fn an_endless_body_is_cut_off_at_the_size_limit() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/jwks", listener.local_addr().unwrap());
    let closed = Arc::new(Notify::new());
    let server = tokio::spawn({
        let closed = Arc::clone(&closed);
        async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n").await.unwrap();
                // Ends when the client closes the connection.
                while stream.write_all(&[b' '; 16 * 1024]).await.is_ok() {}
                closed.notify_one();
            }
        }
    });
    let idp = TestIssuer::in_memory(ISSUER);
    let issuer = Issuer::with_jwks_url(ISSUER, url);
    let auth = with_short_wait(BearerAuth::builder(API).issuer(issuer).clock(idp.clock()));
    assert_eq!(Protected::by(&auth).outcome(idp.token(API).sign()).await, Err(KeysUnavailable));
    assert_eq!(last_failure(&auth).await, KeysErrorKind::Fetch(FetchErrorKind::TooLarge));
    timeout(LONG, closed.notified()).await.expect("the client closes the connection");
    server.abort();
}
