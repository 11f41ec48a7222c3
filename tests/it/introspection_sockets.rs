//! Introspection over the default HTTP client and a loopback port.
//!
//! Time is real here. No test waits for it: faults that hang are cut short by the limits set.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tower::Layer;
use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
use tower_bearer::transport::{FetchError, FetchErrorKind, ReqwestClient};
use tower_bearer::{BearerAuth, ClientAuth, Introspection, Issuer, Require};

use crate::support::introspected::introspection;
use crate::support::log::{Log, assert_holds_no_piece};
use crate::support::protected::{API, Handler, LOGIN, Protected, get, send};

const UNAVAILABLE: &str = "introspection_unavailable";
const MISCONFIGURED: &str = "introspection_misconfigured";

/// A service that asks `idp` by the default client.
fn over_http(idp: &TestIssuer, configure: impl FnOnce(Introspection) -> Introspection) -> BearerAuth {
    let issuer = idp.issuer().introspect(configure(introspection()));
    BearerAuth::builder(API).issuer(issuer).clock(idp.clock()).build().unwrap()
}

fn why(auth: &BearerAuth) -> Option<FetchErrorKind> {
    auth.status()[0].introspection()?.last_error().map(FetchError::kind)
}

fn opaque(idp: &TestIssuer) -> String {
    idp.token(API).subject("alice").opaque()
}

#[tokio::test]
async fn a_thousand_requests_with_one_token_over_http_are_one_call() {
    let idp = TestIssuer::start().await.unwrap();
    let api = Protected::by(&over_http(&idp, |introspection| introspection));
    let token = opaque(&idp);
    let mut requests = JoinSet::new();
    for _ in 0..1000 {
        let (api, token) = (api.clone(), token.clone());
        requests.spawn(async move { api.kind(token).await });
    }
    assert!(requests.join_all().await.iter().all(|kind| kind == "ok"));
    assert_eq!((idp.requests(Endpoint::Metadata), idp.requests(Endpoint::Introspection)), (1, 1));
    idp.revoke(&token);
    assert_eq!(api.kind_at_once(&token), "ok", "it is remembered");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_on_several_threads_that_ask_anew_are_few_calls() {
    let idp = TestIssuer::start().await.unwrap();
    let auth = over_http(&idp, |introspection| introspection);
    let handler = Handler::default();
    let service = auth.layer(Require::token().still_active().layer(handler.clone()));
    let token = opaque(&idp);
    assert_eq!(send(service.clone(), get(&token)).await.kind(), "ok");
    let before = idp.requests(Endpoint::Introspection);
    idp.set_fault(Endpoint::Introspection, Some(Fault::Delay(Duration::from_millis(100))));
    let mut requests = JoinSet::new();
    for _ in 0..1000 {
        let (service, token) = (service.clone(), token.clone());
        requests.spawn(async move { send(service, get(token)).await.kind() });
    }
    assert!(requests.join_all().await.iter().all(|kind| kind == "ok"));
    let calls = idp.requests(Endpoint::Introspection) - before;
    println!("1000 requests at once that ask anew, over HTTP: {calls} calls");
    assert!(calls <= 20, "{calls}");
    idp.revoke(&token);
    assert_eq!(send(service, get(&token)).await.kind(), "token_inactive");
    assert_eq!(handler.calls(), 1001);
}

#[tokio::test]
async fn a_call_over_http_goes_on_when_all_who_wait_for_it_go_away() {
    let idp = TestIssuer::start().await.unwrap();
    let auth = over_http(&idp, |introspection| introspection);
    let api = Protected::by(&auth);
    idp.set_fault(Endpoint::Introspection, Some(Fault::Delay(Duration::from_millis(50))));
    let token = opaque(&idp);
    let mut requests = JoinSet::new();
    for _ in 0..10 {
        let (api, token) = (api.clone(), token.clone());
        requests.spawn(async move { api.kind(token).await });
    }
    while auth.status()[0].introspection().unwrap().calls_in_flight() == 0 {
        tokio::task::yield_now().await;
    }
    requests.shutdown().await;
    let start = Instant::now();
    while auth.status()[0].introspection().unwrap().active_tokens() == 0 {
        assert!(start.elapsed() < Duration::from_secs(20), "it was not remembered");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!((api.kind_at_once(&token), idp.requests(Endpoint::Introspection)), ("ok".to_owned(), 1));
}

#[tokio::test]
async fn every_fault_over_http_is_answered_in_bounded_time_and_no_secret_is_logged() {
    use FetchErrorKind::{
        ClientRefused, ConnectionLost, Redirected, Status, TimedOut, TooLarge, Transport, Unreadable,
    };
    let elsewhere = TestIssuer::start().await.unwrap();
    let body = |body: &str| Fault::Body(body.to_owned());
    let error = r#"{"error":"invalid_client"}"#.to_owned();
    let (log, _guard) = Log::capture();
    let mut secrets = vec![TestIssuer::CLIENT_SECRET.to_owned(), "dGVzdC1hcGk6dGVzdC1zZWNyZXQ".to_owned()];
    for (fault, kind, expected) in [
        (Fault::Refuse, UNAVAILABLE, ConnectionLost),
        (Fault::Hang, UNAVAILABLE, TimedOut),
        (Fault::SlowBody, UNAVAILABLE, TimedOut),
        (Fault::HalfBody, UNAVAILABLE, Transport),
        (Fault::HugeBody(8 << 20), UNAVAILABLE, TooLarge),
        (Fault::HugeBody((512 << 10) + 1), UNAVAILABLE, TooLarge),
        (Fault::Status(500), UNAVAILABLE, Status(500)),
        (Fault::Status(204), UNAVAILABLE, Status(204)),
        (Fault::Status(404), UNAVAILABLE, Status(404)),
        (Fault::Html, UNAVAILABLE, Unreadable),
        (body(""), UNAVAILABLE, Unreadable),
        (body("[]"), UNAVAILABLE, Unreadable),
        (Fault::Redirect(elsewhere.introspection_url()), UNAVAILABLE, Redirected),
        (Fault::Redirect("/introspect".to_owned()), UNAVAILABLE, Redirected),
        (Fault::RetryAfter(429, Duration::from_secs(60)), UNAVAILABLE, Status(429)),
        (Fault::RetryAfter(503, Duration::from_secs(60)), UNAVAILABLE, Status(503)),
        (Fault::Status(401), MISCONFIGURED, ClientRefused(401)),
        (Fault::Status(403), MISCONFIGURED, ClientRefused(403)),
        (Fault::Json(400, error), MISCONFIGURED, ClientRefused(400)),
    ] {
        let idp = TestIssuer::start().await.unwrap();
        let late = matches!(fault, Fault::Hang | Fault::SlowBody);
        let limit = Duration::from_millis(if late { 300 } else { 3000 });
        let auth = over_http(&idp, |introspection| introspection.timeout(limit));
        let api = Protected::by(&auth);
        let (jwt, token) = (idp.token(API).sign(), opaque(&idp));
        assert_eq!(api.kind(&jwt).await, "ok", "{fault:?}");
        idp.set_fault(Endpoint::Introspection, Some(fault.clone()));
        let start = Instant::now();
        assert_eq!(api.kind(&token).await, kind, "{fault:?}");
        assert!(start.elapsed() < Duration::from_secs(4), "{fault:?}: {:?}", start.elapsed());
        // Whoever waits may give up a moment before the call does.
        while auth.status()[0].introspection().unwrap().calls_in_flight() > 0 {
            tokio::task::yield_now().await;
        }
        let told = match (why(&auth), &fault) {
            // The head of the answer is sent together with its body, or is lost with it.
            (Some(ConnectionLost), Fault::HalfBody) => Some(Transport),
            (told, _) => told,
        };
        assert_eq!(told, Some(expected), "{fault:?}");
        assert_eq!(api.kind_at_once(&jwt), "ok", "{fault:?}");
        idp.set_fault(Endpoint::Introspection, None);
        let pauses = matches!(fault, Fault::RetryAfter(..));
        assert_eq!(api.kind(&token).await == "ok", !pauses, "{fault:?}: healthy again");
        secrets.push(token);
    }
    let asked = elsewhere.requests(Endpoint::Introspection);
    assert_eq!(asked, 0, "no redirect was followed");
    let text = log.text();
    assert!(text.contains("token could not be introspected"));
    for secret in secrets {
        assert_holds_no_piece(&text, &secret, 11, "the log");
    }
}

/// A client of the user's own that follows redirects: what it brings from there counts for nothing.
#[tokio::test]
async fn a_client_that_follows_redirects_is_not_believed() {
    let (idp, elsewhere) = (TestIssuer::start().await.unwrap(), TestIssuer::start().await.unwrap());
    let auth = over_http(&idp, |introspection| {
        introspection.http_client(ReqwestClient::from(reqwest::Client::new()))
    });
    let api = Protected::by(&auth);
    idp.token(API).opaque_as("stolen");
    elsewhere.token(API).claim("iss", idp.identifier()).opaque_as("stolen");
    idp.set_fault(Endpoint::Introspection, Some(Fault::Redirect(elsewhere.introspection_url())));
    assert_eq!(api.kind("stolen").await, UNAVAILABLE);
    assert_eq!(why(&auth), Some(FetchErrorKind::Redirected));
}

#[tokio::test]
async fn every_way_to_authenticate_works_over_http() {
    let idp = TestIssuer::start().await.unwrap();
    let secret = "a b+c%20:&=?\u{fc}\u{1f511}";
    idp.register_client("https://api.example.com/orders", secret);
    idp.register_bearer("token-of-the-api");
    idp.register_mtls_client("by-certificate");
    for auth in [
        ClientAuth::secret_basic("https://api.example.com/orders", secret),
        ClientAuth::secret_post("https://api.example.com/orders", secret),
        ClientAuth::bearer("token-of-the-api"),
        ClientAuth::bearer_from(|| "token-of-the-api".to_owned()),
        ClientAuth::mtls("by-certificate"),
    ] {
        let name = format!("{auth:?}");
        // No TLS here: the test issuer takes the identifier for the certificate.
        let asks = Introspection::with(auth).http_client(ReqwestClient::from(reqwest::Client::new()));
        let builder = BearerAuth::builder(API).issuer(idp.issuer().introspect(asks)).clock(idp.clock());
        let api = Protected::by(&builder.build().unwrap());
        assert_eq!(api.kind(opaque(&idp)).await, "ok", "{name}");
        assert_eq!(api.kind("unknown").await, "token_inactive", "{name}");
    }
}

/// One connection of a server that answers so many requests well, then closes it at the next.
async fn answer(mut stream: TcpStream, requests: usize, answer: &str) -> usize {
    let mut answered = 0;
    let mut read = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let Ok(bytes @ 1..) = stream.read(&mut buffer).await else { return answered };
        read.extend_from_slice(&buffer[..bytes]);
        // Head and form: the form ends with the last member, which every question has.
        if !read.ends_with(b"token_type_hint=access_token") {
            continue;
        }
        read.clear();
        if answered == requests {
            return answered;
        }
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length:";
        let response = format!("{head} {}\r\n\r\n{answer}", answer.len());
        stream.write_all(response.as_bytes()).await.unwrap();
        answered += 1;
    }
}

/// The server closes a connection that was kept open, just when the next question comes on it.
#[tokio::test]
async fn a_kept_connection_that_the_server_has_closed_costs_no_request() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/introspect", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let good = r#"{"active":true,"aud":"https://api.example.com","exp":9999999999}"#;
        let mut answered = 0;
        while answered < 20 {
            let (stream, _) = listener.accept().await.unwrap();
            answered += answer(stream, 2, good).await;
        }
    });
    let idp = TestIssuer::in_memory(LOGIN);
    let asks = introspection().endpoint(url);
    let issuer = Issuer::without_keys(LOGIN).introspect(asks);
    let auth = BearerAuth::builder(API).issuer(issuer).clock(idp.clock()).build().unwrap();
    let api = Protected::by(&auth);
    for n in 0..19 {
        assert_eq!(api.kind(format!("token-{n}")).await, "ok", "{n}");
    }
    server.abort();
}

/// Twice in a row it is an outage, and the server saw two requests.
#[tokio::test]
async fn connections_that_are_closed_before_any_answer_are_tried_twice() {
    let idp = TestIssuer::start().await.unwrap();
    let auth = over_http(&idp, |introspection| introspection);
    let api = Protected::by(&auth);
    assert!(auth.ready().await.is_ok());
    idp.set_fault(Endpoint::Introspection, Some(Fault::Refuse));
    assert_eq!(api.kind(opaque(&idp)).await, UNAVAILABLE);
    assert_eq!(why(&auth), Some(FetchErrorKind::ConnectionLost));
    let asked = idp.requests(Endpoint::Introspection);
    assert!(asked >= 2, "{asked}");
    println!("a connection closed before any answer: {asked} requests");
}

#[tokio::test]
async fn a_server_that_is_killed_is_an_outage_for_tokens_that_are_not_remembered() {
    let idp = TestIssuer::start().await.unwrap();
    let auth = over_http(&idp, |introspection| introspection);
    let api = Protected::by(&auth);
    let (jwt, known, unknown) = (idp.token(API).sign(), opaque(&idp), opaque(&idp));
    assert_eq!((api.kind(&jwt).await, api.kind(&known).await), ("ok".to_owned(), "ok".to_owned()));
    drop(idp);
    for _ in 0..8 {
        assert_eq!(api.kind(&unknown).await, UNAVAILABLE);
    }
    assert_eq!(api.kind_at_once(&known), "ok");
    assert_eq!(api.kind_at_once(&jwt), "ok");
}

#[tokio::test]
async fn a_body_without_end_is_cut_off_at_the_limit() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/introspect", listener.local_addr().unwrap());
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n").await.unwrap();
        // Ends when the client has had enough.
        while stream.write_all(&[b' '; 16 * 1024]).await.is_ok() {}
    });
    let idp = TestIssuer::in_memory(LOGIN);
    let issuer = Issuer::without_keys(LOGIN).introspect(introspection().endpoint(url));
    let auth = BearerAuth::builder(API).issuer(issuer).clock(idp.clock()).build().unwrap();
    assert_eq!(Protected::by(&auth).kind("token").await, UNAVAILABLE);
    assert_eq!(why(&auth), Some(FetchErrorKind::TooLarge));
    server.await.unwrap();
}
