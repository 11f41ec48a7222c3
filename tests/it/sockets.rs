//! The default HTTP client against a server on a loopback port.
//!
//! Only here time is real. No test waits for it: faults that hang are cut short by the limits set.

use std::time::{Duration, Instant};

use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tower_bearer::diagnostics::{KeysError, KeysErrorKind};
use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
use tower_bearer::transport::{FetchErrorKind, ReqwestClient};
use tower_bearer::{BearerAuth, BearerAuthBuilder, Issuer};

use crate::support::protected::{API, LOGIN, Protected};

/// A configuration with the default client.
fn over_http(idp: &TestIssuer) -> BearerAuthBuilder {
    BearerAuth::builder(API).issuer(idp.issuer()).clock(idp.clock())
}

/// The same with a short limit, for a server that answers too late however long one waits.
fn over_http_to(idp: &TestIssuer, fault: &Fault) -> BearerAuth {
    let builder = over_http(idp);
    let late = matches!(fault, Fault::Hang | Fault::SlowBody);
    let builder = if late { builder.fetch_timeout(Duration::from_millis(500)) } else { builder };
    builder.build().unwrap()
}

fn why(auth: &BearerAuth) -> Option<KeysErrorKind> {
    auth.status()[0].keys().unwrap().last_error().map(KeysError::kind)
}

#[tokio::test]
async fn keys_are_found_and_rotations_followed_over_http() {
    let idp = TestIssuer::start().await.unwrap();
    let auth = over_http(&idp).build().unwrap();
    let api = Protected::by(&auth);
    let old = idp.token(API).sign();
    assert_eq!(api.kind(&old).await, "ok");
    assert_eq!((idp.requests(Endpoint::Metadata), idp.requests(Endpoint::Jwks)), (1, 1));
    idp.rotate_key();
    assert_eq!(api.kind(idp.token(API).sign()).await, "ok");
    assert_eq!(api.kind_at_once(&old), "ok");
    assert_eq!(api.kind(idp.token(API).expired().sign()).await, "token_expired");
    assert_eq!(idp.requests(Endpoint::Jwks), 2);
}

#[tokio::test]
async fn a_thousand_first_requests_over_http_are_one_fetch() {
    let idp = TestIssuer::start().await.unwrap();
    let api = Protected::by(&over_http(&idp).build().unwrap());
    let token = idp.token(API).sign();
    let mut requests = tokio::task::JoinSet::new();
    for _ in 0..1000 {
        let (api, token) = (api.clone(), token.clone());
        requests.spawn(async move { api.kind(token).await });
    }
    assert!(requests.join_all().await.iter().all(|kind| kind == "ok"));
    assert_eq!((idp.requests(Endpoint::Metadata), idp.requests(Endpoint::Jwks)), (1, 1));
}

#[tokio::test]
async fn every_fault_over_http_is_an_outage_in_bounded_time() {
    let elsewhere = TestIssuer::start().await.unwrap();
    let cases = [
        (Fault::Refuse, KeysErrorKind::Fetch(FetchErrorKind::ConnectionLost)),
        (Fault::Hang, KeysErrorKind::Fetch(FetchErrorKind::TimedOut)),
        (Fault::SlowBody, KeysErrorKind::Fetch(FetchErrorKind::TimedOut)),
        (Fault::HalfBody, KeysErrorKind::Fetch(FetchErrorKind::Transport)),
        (Fault::HugeBody(8 * 1024 * 1024), KeysErrorKind::Fetch(FetchErrorKind::TooLarge)),
        (Fault::HugeBody(512 * 1024 + 1), KeysErrorKind::Fetch(FetchErrorKind::TooLarge)),
        (Fault::Status(500), KeysErrorKind::Fetch(FetchErrorKind::Status(500))),
        (Fault::Status(404), KeysErrorKind::Fetch(FetchErrorKind::Status(404))),
        (Fault::Body("<html>".to_owned()), KeysErrorKind::KeySetUnreadable),
        (Fault::Body("{\"keys\":[]}".to_owned()), KeysErrorKind::NoUsableKey),
        (Fault::Redirect(elsewhere.jwks_url()), KeysErrorKind::Fetch(FetchErrorKind::Redirected)),
        (Fault::Redirect("/jwks".to_owned()), KeysErrorKind::Fetch(FetchErrorKind::Redirected)),
    ];
    for (fault, expected) in cases {
        let idp = TestIssuer::start().await.unwrap();
        let auth = over_http_to(&idp, &fault);
        let api = Protected::by(&auth);
        idp.set_fault(Endpoint::Jwks, Some(fault.clone()));
        let (token, start) = (idp.token(API).sign(), Instant::now());
        assert_eq!(api.kind(&token).await, "keys_unavailable", "{fault:?}");
        assert!(start.elapsed() < Duration::from_secs(4), "{fault:?}: {:?}", start.elapsed());
        let told = match (why(&auth), &fault) {
            // The head of the answer is sent together with its body, or is lost with it.
            (Some(KeysErrorKind::Fetch(FetchErrorKind::ConnectionLost)), Fault::HalfBody) => {
                Some(KeysErrorKind::Fetch(FetchErrorKind::Transport))
            }
            (told, _) => told,
        };
        assert_eq!(told, Some(expected), "{fault:?}");

        // With keys in hand it costs nothing but the new key.
        idp.set_fault(Endpoint::Jwks, None);
        let auth = over_http_to(&idp, &fault);
        let api = Protected::by(&auth);
        assert_eq!(api.kind(&token).await, "ok");
        idp.set_fault(Endpoint::Jwks, Some(fault.clone()));
        idp.rotate_key();
        assert_eq!(api.kind(idp.token(API).sign()).await, "keys_unavailable", "{fault:?}");
        assert_eq!(api.kind_at_once(&token), "ok", "{fault:?}");
    }
    let asked = elsewhere.requests(Endpoint::Jwks) + elsewhere.requests(Endpoint::Metadata);
    assert_eq!(asked, 0, "no redirect was followed");
}

#[tokio::test]
async fn a_redirect_of_the_metadata_is_not_followed_over_http() {
    let (idp, elsewhere) = (TestIssuer::start().await.unwrap(), TestIssuer::start().await.unwrap());
    let target = format!("{}/.well-known/openid-configuration", elsewhere.identifier());
    idp.set_fault(Endpoint::Metadata, Some(Fault::Redirect(target)));
    let auth = over_http(&idp).build().unwrap();
    assert_eq!(Protected::by(&auth).kind(idp.token(API).sign()).await, "keys_unavailable");
    assert_eq!((elsewhere.requests(Endpoint::Metadata), elsewhere.requests(Endpoint::Jwks)), (0, 0));
    assert_eq!(idp.requests(Endpoint::Jwks), 0);
}

/// A client of the user's own that does follow redirects gets nothing by it either.
#[tokio::test]
async fn a_client_that_follows_redirects_is_refused_what_it_found() {
    let (idp, elsewhere) = (TestIssuer::start().await.unwrap(), TestIssuer::start().await.unwrap());
    elsewhere.set_jwks(Some(idp.jwks()));
    idp.set_fault(Endpoint::Jwks, Some(Fault::Redirect(elsewhere.jwks_url())));
    let auth = over_http(&idp).http_client(ReqwestClient::from(reqwest::Client::new())).build().unwrap();
    assert_eq!(Protected::by(&auth).kind(idp.token(API).sign()).await, "keys_unavailable");
    assert_eq!(why(&auth), Some(KeysErrorKind::Fetch(FetchErrorKind::Redirected)));
}

#[tokio::test]
async fn a_server_that_is_killed_costs_no_request() {
    let idp = TestIssuer::start().await.unwrap();
    let (identifier, clock) = (idp.identifier().to_owned(), idp.clock());
    let auth = over_http(&idp).build().unwrap();
    let api = Protected::by(&auth);
    let token = idp.token(API).sign();
    let unknown = idp.token(API).header("kid", "unknown").sign();
    let issuer = idp.issuer();
    assert_eq!(api.kind(&token).await, "ok");
    drop(idp);
    assert_eq!(api.kind(&unknown).await, "keys_unavailable");
    assert_eq!(why(&auth), Some(KeysErrorKind::Fetch(FetchErrorKind::ConnectionLost)));
    assert_eq!(api.kind_at_once(&token), "ok");

    // Who starts while nobody is there says whom it misses.
    let late = BearerAuth::builder(API).issuer(issuer).clock(clock).build().unwrap();
    let error = late.ready().await.unwrap_err();
    assert_eq!(error.issuers().map(|(issuer, _)| issuer).collect::<Vec<_>>(), [identifier]);
    assert_eq!(Protected::by(&late).kind(&token).await, "keys_unavailable");
}

#[tokio::test]
async fn a_server_that_comes_back_is_found_again_over_http() {
    let idp = TestIssuer::start().await.unwrap();
    idp.set_outage(Some(Fault::Refuse));
    let api = Protected::by(&over_http(&idp).build().unwrap());
    let token = idp.token(API).sign();
    let down = api.get(&token).await;
    assert_eq!(down.kind(), "keys_unavailable");
    let asked = idp.requests(Endpoint::Metadata);
    idp.set_outage(None);
    // The next attempt is not ours to hurry; it begins within half a second or so.
    let start = Instant::now();
    while api.kind(&token).await != "ok" {
        assert!(start.elapsed() < Duration::from_secs(20), "it never comes back");
        tokio::task::yield_now().await;
    }
    assert!(idp.requests(Endpoint::Metadata) > asked);
}

#[tokio::test]
async fn a_body_without_end_is_cut_off_at_the_limit() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/jwks", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n").await.unwrap();
        // Ends when the client has had enough.
        while stream.write_all(&[b' '; 16 * 1024]).await.is_ok() {}
    });
    let idp = TestIssuer::in_memory(LOGIN);
    let issuer = Issuer::with_jwks_url(LOGIN, url);
    let auth = BearerAuth::builder(API).issuer(issuer).clock(idp.clock()).build().unwrap();
    assert_eq!(Protected::by(&auth).kind(idp.token(API).sign()).await, "keys_unavailable");
    assert_eq!(why(&auth), Some(KeysErrorKind::Fetch(FetchErrorKind::TooLarge)));
    server.await.unwrap();
}
