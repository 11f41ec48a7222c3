//! Introspection over the default HTTP client and a loopback port.
//!
//! These tests run in real time. Timeouts are short, so that no test waits long for a fault.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tower::Layer;
use tower_bearer::diagnostics::{CircuitState, IntrospectionError, IntrospectionErrorKind};
use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
use tower_bearer::transport::{FetchErrorKind, ReqwestClient};
use tower_bearer::{BearerAuth, ClientAuth, Introspection, Issuer, Require};

use super::{INACTIVE, MISCONFIGURED, UNAVAILABLE};
use crate::support::figure::figure;
use crate::support::introspected::introspection;
use crate::support::log::{Log, assert_holds_no_piece};
use crate::support::protected::{ACCEPTED, API, Handler, ISSUER, Protected, get, send};

/// An API that introspects tokens at `idp` with the default client.
fn over_http(idp: &TestIssuer, configure: impl FnOnce(Introspection) -> Introspection) -> BearerAuth {
    let issuer = idp.issuer().introspect(configure(introspection()));
    BearerAuth::builder(API).issuer(issuer).clock(idp.clock()).build().unwrap()
}

fn last_error(auth: &BearerAuth) -> Option<IntrospectionErrorKind> {
    auth.status()[0].introspection()?.last_error().map(IntrospectionError::kind)
}

fn opaque(idp: &TestIssuer) -> String {
    idp.token(API).subject("alice").opaque()
}

#[tokio::test]
async fn a_thousand_requests_with_one_token_share_one_call_over_http() {
    let idp = TestIssuer::start().await.unwrap();
    let api = Protected::by(&over_http(&idp, |introspection| introspection));
    let token = opaque(&idp);
    let mut requests = JoinSet::new();
    for _ in 0..1000 {
        let (api, token) = (api.clone(), token.clone());
        requests.spawn(async move { api.outcome(token).await });
    }
    assert!(requests.join_all().await.iter().all(Result::is_ok));
    assert_eq!((idp.requests(Endpoint::Metadata), idp.requests(Endpoint::Introspection)), (1, 1));
    idp.revoke(&token);
    assert_eq!(api.outcome_at_once(&token), ACCEPTED, "the response is cached");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_still_active_requests_on_two_threads_share_few_calls() {
    let idp = TestIssuer::start().await.unwrap();
    let auth = over_http(&idp, |introspection| introspection);
    let handler = Handler::default();
    let service = auth.layer(Require::token().still_active().layer(handler.clone()));
    let token = opaque(&idp);
    assert_eq!(send(service.clone(), get(&token)).await.outcome(), ACCEPTED);
    let before = idp.requests(Endpoint::Introspection);
    idp.set_fault(Endpoint::Introspection, Some(Fault::Delay(Duration::from_millis(100))));
    let mut requests = JoinSet::new();
    for _ in 0..1000 {
        let (service, token) = (service.clone(), token.clone());
        requests.spawn(async move { send(service, get(token)).await.outcome() });
    }
    assert!(requests.join_all().await.iter().all(Result::is_ok));
    let calls = idp.requests(Endpoint::Introspection) - before;
    let quantity = "introspection requests of 1000 concurrent still_active requests over HTTP";
    figure("single-flight", quantity, calls, "at most 20");
    assert!(calls <= 20, "{calls}");
    idp.revoke(&token);
    assert_eq!(send(service, get(&token)).await.outcome(), INACTIVE);
    assert_eq!(handler.calls(), 1001);
}

#[tokio::test]
async fn a_call_over_http_continues_when_all_waiters_are_cancelled() {
    let idp = TestIssuer::start().await.unwrap();
    let auth = over_http(&idp, |introspection| introspection);
    let api = Protected::by(&auth);
    idp.set_fault(Endpoint::Introspection, Some(Fault::Delay(Duration::from_millis(50))));
    let token = opaque(&idp);
    let mut requests = JoinSet::new();
    for _ in 0..10 {
        let (api, token) = (api.clone(), token.clone());
        requests.spawn(async move { api.outcome(token).await });
    }
    while auth.status()[0].introspection().unwrap().calls_in_flight() == 0 {
        tokio::task::yield_now().await;
    }
    requests.shutdown().await;
    let start = Instant::now();
    while auth.status()[0].introspection().unwrap().active_tokens() == 0 {
        assert!(start.elapsed() < Duration::from_secs(20), "the response was not cached");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!((api.outcome_at_once(&token), idp.requests(Endpoint::Introspection)), (ACCEPTED, 1));
}

#[tokio::test]
async fn every_fault_over_http_gives_its_rejection_within_the_time_limit_and_logs_no_secret() {
    use FetchErrorKind::{ConnectionLost, Redirected, Status, TimedOut, TooLarge};
    use IntrospectionErrorKind::{ClientRejected, Fetch, ResponseUnreadable};
    let elsewhere = TestIssuer::start().await.unwrap();
    let body = |body: &str| Fault::Body(body.to_owned());
    let error = r#"{"error":"invalid_client"}"#.to_owned();
    let log = Log::start();
    let mut secrets = vec![TestIssuer::CLIENT_SECRET.to_owned(), "dGVzdC1hcGk6dGVzdC1zZWNyZXQ".to_owned()];
    for (fault, outcome, expected) in [
        (Fault::Refuse, UNAVAILABLE, Fetch(ConnectionLost)),
        (Fault::Hang, UNAVAILABLE, Fetch(TimedOut)),
        (Fault::SlowBody, UNAVAILABLE, Fetch(TimedOut)),
        (Fault::HalfBody, UNAVAILABLE, Fetch(ConnectionLost)),
        (Fault::HugeBody(8 << 20), UNAVAILABLE, Fetch(TooLarge)),
        (Fault::HugeBody((512 << 10) + 1), UNAVAILABLE, Fetch(TooLarge)),
        (Fault::Status(500), UNAVAILABLE, Fetch(Status(500))),
        (Fault::Status(204), UNAVAILABLE, Fetch(Status(204))),
        (Fault::Status(404), UNAVAILABLE, Fetch(Status(404))),
        (Fault::Html, UNAVAILABLE, ResponseUnreadable),
        (body(""), UNAVAILABLE, ResponseUnreadable),
        (body("[]"), UNAVAILABLE, ResponseUnreadable),
        (Fault::Redirect(elsewhere.introspection_url()), UNAVAILABLE, Fetch(Redirected)),
        (Fault::Redirect("/introspect".to_owned()), UNAVAILABLE, Fetch(Redirected)),
        (Fault::RetryAfter(429, Duration::from_secs(60)), UNAVAILABLE, Fetch(Status(429))),
        (Fault::RetryAfter(503, Duration::from_secs(60)), UNAVAILABLE, Fetch(Status(503))),
        (Fault::Status(401), MISCONFIGURED, ClientRejected(401)),
        (Fault::Status(403), MISCONFIGURED, ClientRejected(403)),
        (Fault::Json(400, error), MISCONFIGURED, ClientRejected(400)),
    ] {
        let idp = TestIssuer::start().await.unwrap();
        let late = matches!(fault, Fault::Hang | Fault::SlowBody);
        let limit = Duration::from_millis(if late { 300 } else { 3000 });
        let auth = over_http(&idp, |introspection| introspection.timeout(limit));
        let api = Protected::by(&auth);
        let (jwt, token) = (idp.token(API).sign(), opaque(&idp));
        assert_eq!(api.outcome(&jwt).await, ACCEPTED, "{fault:?}");
        idp.set_fault(Endpoint::Introspection, Some(fault.clone()));
        let start = Instant::now();
        assert_eq!(api.outcome(&token).await, outcome, "{fault:?}");
        assert!(start.elapsed() < Duration::from_secs(4), "{fault:?}: {:?}", start.elapsed());
        // The waiting request may time out just before the call.
        while auth.status()[0].introspection().unwrap().calls_in_flight() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(last_error(&auth), Some(expected), "{fault:?}");
        assert_eq!(api.outcome_at_once(&jwt), ACCEPTED, "{fault:?}");
        idp.set_fault(Endpoint::Introspection, None);
        let paused = matches!(fault, Fault::RetryAfter(..));
        // The failure of the first token is cached for a second.
        let next = opaque(&idp);
        assert_eq!(api.outcome(&next).await == ACCEPTED, !paused, "{fault:?}: recovered");
        secrets.extend([token, next]);
    }
    let calls = elsewhere.requests(Endpoint::Introspection);
    assert_eq!(calls, 0, "no redirect was followed");
    let text = log.text();
    assert!(text.contains("token introspection failed"));
    for secret in secrets {
        assert_holds_no_piece(&text, &secret, 11, "the log");
    }
}

/// Reads a request, sends the head of the response and a part of the body, and closes the connection.
async fn serve_half(mut stream: TcpStream) {
    let (mut read, mut buffer) = (Vec::new(), [0; 4096]);
    // Every form ends with this parameter.
    while !read.ends_with(b"token_type_hint=access_token") {
        let Ok(bytes @ 1..) = stream.read(&mut buffer).await else { return };
        read.extend_from_slice(&buffer[..bytes]);
    }
    let half = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"active\"";
    stream.write_all(half).await.unwrap();
    stream.shutdown().await.unwrap();
    // Ends when the client has read everything and closes its side.
    while let Ok(1..) = stream.read(&mut buffer).await {}
}

/// Anybody can make up a token over which the server, or a proxy before it, closes the connection.
#[tokio::test]
async fn connections_that_break_within_the_body_do_not_open_the_circuit_for_untrusted_tokens() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/introspect", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        loop {
            tokio::spawn(serve_half(listener.accept().await.unwrap().0));
        }
    });
    let idp = TestIssuer::in_memory(ISSUER);
    let issuer = Issuer::without_keys(ISSUER).introspect(introspection().endpoint(url));
    let auth = BearerAuth::builder(API).issuer(issuer).clock(idp.clock()).build().unwrap();
    let api = Protected::by(&auth);
    for n in 0..12 {
        assert_eq!(api.outcome(format!("made-up-{n}")).await, UNAVAILABLE);
    }
    assert_eq!(last_error(&auth), Some(IntrospectionErrorKind::Fetch(FetchErrorKind::ConnectionLost)));
    assert_eq!(auth.status()[0].introspection().unwrap().circuit(), CircuitState::Closed);
    server.abort();
}

/// The HTTP client of the user follows redirects.
#[tokio::test]
async fn a_response_behind_a_redirect_is_not_used() {
    let (idp, elsewhere) = (TestIssuer::start().await.unwrap(), TestIssuer::start().await.unwrap());
    let auth = over_http(&idp, |introspection| {
        introspection.http_client(ReqwestClient::from(reqwest::Client::new()))
    });
    let api = Protected::by(&auth);
    idp.token(API).opaque_as("stolen");
    elsewhere.token(API).claim("iss", idp.identifier()).opaque_as("stolen");
    idp.set_fault(Endpoint::Introspection, Some(Fault::Redirect(elsewhere.introspection_url())));
    assert_eq!(api.outcome("stolen").await, UNAVAILABLE);
    assert_eq!(last_error(&auth), Some(IntrospectionErrorKind::Fetch(FetchErrorKind::Redirected)));
}

#[tokio::test]
async fn every_client_authentication_method_works_over_http() {
    let idp = TestIssuer::start().await.unwrap();
    let secret = "a b+c%20:&=?\u{fc}\u{1f511}";
    idp.register_client("https://api.example.com/orders", secret);
    idp.register_bearer("token-of-the-api");
    idp.register_mtls_client("by-certificate");
    for auth in [
        ClientAuth::secret_basic("https://api.example.com/orders", secret),
        ClientAuth::secret_post("https://api.example.com/orders", secret),
        ClientAuth::bearer("token-of-the-api"),
        ClientAuth::bearer_from_fn(|| "token-of-the-api".to_owned()),
        ClientAuth::mtls("by-certificate"),
    ] {
        let name = format!("{auth:?}");
        // Without TLS the test issuer accepts the client identifier instead of a certificate.
        let settings = Introspection::with(auth).http_client(ReqwestClient::from(reqwest::Client::new()));
        let builder = BearerAuth::builder(API).issuer(idp.issuer().introspect(settings)).clock(idp.clock());
        let api = Protected::by(&builder.build().unwrap());
        assert_eq!(api.outcome(opaque(&idp)).await, ACCEPTED, "{name}");
        assert_eq!(api.outcome("unknown").await, INACTIVE, "{name}");
    }
}

/// Serves one connection: responds to `requests` requests, then closes the connection at the next one.
async fn serve(mut stream: TcpStream, requests: usize, response: &str) -> usize {
    let mut served = 0;
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let Ok(bytes @ 1..) = stream.read(&mut buffer).await else { return served };
        read.extend_from_slice(&buffer[..bytes]);
        // Every form ends with this parameter.
        if !read.ends_with(b"token_type_hint=access_token") {
            continue;
        }
        read.clear();
        if served == requests {
            return served;
        }
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length:";
        let message = format!("{head} {}\r\n\r\n{response}", response.len());
        stream.write_all(message.as_bytes()).await.unwrap();
        served += 1;
    }
}

/// The server closes a pooled connection when the next request arrives on it.
#[tokio::test]
async fn a_pooled_connection_closed_by_the_server_fails_no_request() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/introspect", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let good = r#"{"active":true,"aud":"https://api.example.com","exp":9999999999}"#;
        let mut served = 0;
        while served < 20 {
            let (stream, _) = listener.accept().await.unwrap();
            served += serve(stream, 2, good).await;
        }
    });
    let idp = TestIssuer::in_memory(ISSUER);
    let issuer = Issuer::without_keys(ISSUER).introspect(introspection().endpoint(url));
    let auth = BearerAuth::builder(API).issuer(issuer).clock(idp.clock()).build().unwrap();
    let api = Protected::by(&auth);
    for n in 0..19 {
        assert_eq!(api.outcome(format!("token-{n}")).await, ACCEPTED, "{n}");
    }
    server.abort();
}

/// A second lost connection is an outage.
#[tokio::test]
async fn a_connection_closed_before_the_response_is_retried_once() {
    let idp = TestIssuer::start().await.unwrap();
    let auth = over_http(&idp, |introspection| introspection);
    let api = Protected::by(&auth);
    assert!(auth.ready().await.is_ok());
    idp.set_fault(Endpoint::Introspection, Some(Fault::Refuse));
    assert_eq!(api.outcome(opaque(&idp)).await, UNAVAILABLE);
    assert_eq!(last_error(&auth), Some(IntrospectionErrorKind::Fetch(FetchErrorKind::ConnectionLost)));
    let calls = idp.requests(Endpoint::Introspection);
    let quantity = "introspection requests if the connection is closed before a response";
    figure("retries", quantity, calls, "at least 2");
    assert!(calls >= 2, "{calls}");
}

#[tokio::test]
async fn a_killed_server_gives_503_for_uncached_tokens_only() {
    let idp = TestIssuer::start().await.unwrap();
    let auth = over_http(&idp, |introspection| introspection);
    let api = Protected::by(&auth);
    let (jwt, cached, uncached) = (idp.token(API).sign(), opaque(&idp), opaque(&idp));
    assert_eq!((api.outcome(&jwt).await, api.outcome(&cached).await), (ACCEPTED, ACCEPTED));
    drop(idp);
    for _ in 0..8 {
        assert_eq!(api.outcome(&uncached).await, UNAVAILABLE);
    }
    assert_eq!(api.outcome_at_once(&cached), ACCEPTED);
    assert_eq!(api.outcome_at_once(&jwt), ACCEPTED);
}

#[tokio::test]
async fn an_endless_body_is_cut_off_at_the_size_limit() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/introspect", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n").await.unwrap();
        // Ends when the client closes the connection.
        while stream.write_all(&[b' '; 16 * 1024]).await.is_ok() {}
    });
    let idp = TestIssuer::in_memory(ISSUER);
    let issuer = Issuer::without_keys(ISSUER).introspect(introspection().endpoint(url));
    let auth = BearerAuth::builder(API).issuer(issuer).clock(idp.clock()).build().unwrap();
    assert_eq!(Protected::by(&auth).outcome("token").await, UNAVAILABLE);
    assert_eq!(last_error(&auth), Some(IntrospectionErrorKind::Fetch(FetchErrorKind::TooLarge)));
    server.await.unwrap();
}
