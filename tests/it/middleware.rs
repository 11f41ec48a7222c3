//! `BearerAuth` and `FormBodyToken` as tower layers: the `Service` contract, what the inner service receives,
//! and the token sources.

use std::convert::Infallible;
use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use serde::Deserialize;
use serde_json::json;
use tokio::time::sleep;
use tower::buffer::BufferLayer;
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_bearer::RejectionKind::{
    BodyTooLarge, KeysUnavailable, MalformedRequest, Missing, NotCovered, ScopeInsufficient, TokenExpired,
    TokenOpaque,
};
use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
use tower_bearer::{AccessToken, BearerAuth, FormBodyToken, Require, TokenSource};
use tower_http::cors::CorsLayer;

use crate::support::keys::encode;
use crate::support::protected::{
    ACCEPTED, API, ApiResponse, Handler, Outcome, Protected, Received, anonymous, at_once, get, send,
};

fn trusting(idp: &TestIssuer) -> BearerAuth {
    idp.bearer_auth(API).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_handler_receives_issuer_subject_and_claims() {
    #[derive(Debug, Deserialize, PartialEq)]
    struct Roles {
        roles: Vec<String>,
        groups: Vec<String>,
        entitlements: Vec<String>,
    }
    let (x, y) = (TestIssuer::in_memory("https://x.example"), TestIssuer::in_memory("https://y.example"));
    let clients = x.http_client().and(y.http_client());
    let auth = x.bearer_auth(API).add_issuer(y.issuer()).http_client(clients).build().unwrap();
    let api = Protected::by(&auth);
    let mut callers = Vec::new();
    for idp in [&x, &y] {
        let signed = idp
            .token(API)
            .subject("alice")
            .scope("a b")
            .claim("roles", json!(["secret-role"]))
            .claim("groups", json!(["g"]))
            .claim("entitlements", json!(["e"]))
            .sign();
        let mut claims = Vec::new();
        for _ in 0..2 {
            let response = api.get(&signed).await;
            assert_eq!(response.outcome(), ACCEPTED);
            let token = response.token().unwrap();
            assert_eq!(token.client_id(), Some("client"));
            assert!(token.scopes().contains("a") && token.scopes().contains("b"));
            assert!(token.expires_at() > token.issued_at().unwrap());
            claims.push(token.claims::<Roles>().unwrap());
            assert!(
                Arc::ptr_eq(&claims[claims.len() - 1], &token.claims::<Roles>().unwrap()),
                "deserialized once"
            );
            assert!(token.claims::<Vec<String>>().is_err());
            let debug = format!("{token:?}");
            assert!(!debug.contains("secret-role") && !debug.contains("alice"), "{debug}");
            assert!(!debug.contains(signed.rsplit_once('.').unwrap().1), "{debug}");
            callers.push((token.issuer().to_owned(), token.subject().unwrap_or_default().to_owned()));
        }
        assert_eq!(claims[0], claims[1]);
        assert_eq!(claims[0].roles, ["secret-role"]);
    }
    let caller = |idp: &TestIssuer| (idp.identifier().to_owned(), "alice".to_owned());
    assert_eq!(callers, [caller(&x), caller(&x), caller(&y), caller(&y)]);
}

#[tokio::test(start_paused = true)]
async fn a_rejected_request_never_reaches_the_handler() {
    let idp = TestIssuer::new();
    let api = Protected::by(&trusting(&idp));
    let token = || idp.token(API);
    let valid = token().sign();
    let unsigned = format!("{}.", valid.rsplit_once('.').unwrap().0);
    let bad = [
        "a b".to_owned(),
        "opaque".to_owned(),
        "x".repeat(20_000),
        unsigned,
        format!("{}.{}", valid.rsplit_once('.').unwrap().0, encode([1; 64])),
        token().header("alg", "none").sign(),
        token().header("crit", json!(["x"])).sign(),
        token().header("kid", "other").sign(),
        token().header("typ", "dpop+jwt").sign(),
        token().claim("iss", "https://evil.example").sign(),
        token().claim("aud", "other").sign(),
        token().expired().sign(),
        token().claim("nbf", 9_999_999_999_u64).sign(),
        token().claim("iat", 9_999_999_999_u64).sign(),
        token().without("exp").sign(),
        token().claim("sub", 1).sign(),
        token().claim("cnf", json!({})).sign(),
        token().claim("at_hash", "x").sign(),
        token().sign_claims("{}{}"),
    ];
    let mut rejected = 0;
    for method in ["GET", "HEAD", "POST", "OPTIONS", "DELETE"] {
        for token in &bad {
            let mut request = get(token);
            *request.method_mut() = method.parse().unwrap();
            let upgrade = [("connection", "upgrade"), ("upgrade", "websocket"), ("x-access-token", "forged")];
            for (name, value) in upgrade {
                request.headers_mut().insert(name, HeaderValue::from_static(value));
            }
            // A token that another layer has inserted does not help.
            request.extensions_mut().insert(idp.token(API).access_token().unwrap());
            assert_ne!(api.send(request).await.outcome(), ACCEPTED);
            rejected += 1;
        }
        assert_eq!(api.send(anonymous(method)).await.outcome(), Err(Missing));
    }
    assert_eq!((rejected, api.handler.calls()), (bad.len() * 5, 0));
    assert_eq!(api.outcome(&valid).await, ACCEPTED);
    assert_eq!(api.handler.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_authorization_header_is_forwarded_unless_stripped() {
    let idp = TestIssuer::new();
    let request = || {
        let mut request = get(idp.token(API).sign());
        request.headers_mut().insert("x-request-id", HeaderValue::from_static("7"));
        request.headers_mut().insert("cookie", HeaderValue::from_static("a=b"));
        request
    };
    let sent = request().headers()[AUTHORIZATION].clone();
    let response = Protected::by(&trusting(&idp)).send(request()).await;
    let received = &response.received().head.headers;
    assert_eq!(received[AUTHORIZATION].to_str().unwrap().len(), sent.len());
    assert!(received[AUTHORIZATION].is_sensitive());
    assert!(!format!("{received:?}").contains("Bearer"), "{received:?}");

    let strip = idp.bearer_auth(API).strip_credentials().build().unwrap();
    let response = Protected::by(&strip).send(request()).await;
    let received = &response.received().head.headers;
    assert!(!received.contains_key(AUTHORIZATION));
    assert_eq!(
        (&received["x-request-id"], &received["cookie"], received.len()),
        (&HeaderValue::from_static("7"), &HeaderValue::from_static("a=b"), 2)
    );
    // The rest of the head is unchanged.
    let head = &response.received().head;
    assert_eq!((&head.method, head.uri.path()), (&Method::GET, "/orders"));

    // Under `optional`, credentials of another scheme are not removed, but marked as sensitive.
    let strip = idp.bearer_auth(API).strip_credentials().optional().build().unwrap();
    let mut basic = anonymous("GET");
    basic.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static("Basic dXNlcjpwYXNz"));
    let response = Protected::by(&strip).send(basic).await;
    assert!(response.received().head.headers[AUTHORIZATION].is_sensitive());
}

#[tokio::test(start_paused = true)]
async fn a_preflight_passes_only_under_allow_preflight() {
    let idp = TestIssuer::new();
    let preflight = |method: &str, has_origin: bool, has_method: bool| {
        let mut request = anonymous(method);
        if has_origin {
            request.headers_mut().insert("origin", HeaderValue::from_static("https://app.example"));
        }
        if has_method {
            request.headers_mut().insert("access-control-request-method", HeaderValue::from_static("PUT"));
        }
        request
    };
    // An outer CORS layer responds to preflights and adds its headers to rejections.
    let cors = CorsLayer::new()
        .allow_origin(["https://app.example".parse().unwrap()])
        .allow_methods([Method::PUT])
        .expose_headers([http::header::WWW_AUTHENTICATE]);
    let handler = Handler::default();
    let service = cors.layer(trusting(&idp).layer(handler.clone()));
    let response = send(service.clone(), preflight("OPTIONS", true, true)).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.header("access-control-allow-origin"), Some("https://app.example"));
    assert!(response.rejection().is_none());
    assert_eq!(handler.calls(), 0);
    let response = send(service, preflight("PUT", true, false)).await;
    assert_eq!(response.outcome(), Err(Missing));
    assert_eq!(response.header("access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(response.header("access-control-expose-headers"), Some("www-authenticate"));

    let api = Protected::by(&trusting(&idp));
    assert_eq!(api.send(preflight("OPTIONS", true, true)).await.outcome(), Err(Missing), "no CORS layer");

    let api = Protected::by(&idp.bearer_auth(API).allow_preflight().build().unwrap());
    let response = api.send(preflight("OPTIONS", true, true)).await;
    assert_eq!(response.outcome(), ACCEPTED);
    assert!(response.token().is_none());
    for (name, request) in [
        ("no origin", preflight("OPTIONS", false, true)),
        ("no method", preflight("OPTIONS", true, false)),
        ("neither", preflight("OPTIONS", false, false)),
        ("GET", preflight("GET", true, true)),
        ("POST", preflight("POST", true, true)),
    ] {
        assert_eq!(api.send(request).await.outcome(), Err(Missing), "{name}");
    }
    let mut with_token = preflight("OPTIONS", true, true);
    with_token.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static("Bearer garbage"));
    assert_eq!(api.send(with_token).await.outcome(), Err(TokenOpaque), "credentials are validated");
    // An inner `Require` still rejects the preflight.
    let auth = idp.bearer_auth(API).allow_preflight().build().unwrap();
    let route = auth.layer(Require::token().layer(Handler::default()));
    assert_eq!(send(route, preflight("OPTIONS", true, true)).await.outcome(), Err(Missing));
}

#[tokio::test(start_paused = true)]
async fn optional_accepts_missing_credentials_and_rejects_invalid_ones() {
    let idp = TestIssuer::new();
    let api = Protected::by(&idp.bearer_auth(API).optional().build().unwrap());
    let with = |value: &'static str| {
        let mut request = anonymous("GET");
        request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static(value));
        request
    };
    for (name, request) in
        [("no credentials", anonymous("GET")), ("another scheme", with("Basic dXNlcjpwYXNz"))]
    {
        let response = at_once(api.send(request));
        assert_eq!(response.outcome(), ACCEPTED, "{name}");
        assert!(response.token().is_none(), "{name}");
    }
    for (name, request, expected) in [
        ("malformed", with("Bearer a b"), Err(MalformedRequest)),
        ("no token", with("Bearer"), Err(MalformedRequest)),
        ("opaque", with("Bearer abc"), Err(TokenOpaque)),
        ("expired", get(idp.token(API).expired().sign()), Err(TokenExpired)),
    ] {
        assert_eq!(api.send(request).await.outcome(), expected, "{name}");
    }
    let response = api.get(idp.token(API).subject("alice").sign()).await;
    assert_eq!(response.token().unwrap().subject(), Some("alice"));
    idp.set_outage(Some(Fault::Refuse));
    let down = Protected::by(&idp.bearer_auth(API).optional().build().unwrap());
    assert_eq!(
        down.outcome(idp.token(API).sign()).await,
        Err(KeysUnavailable),
        "an outage rejects the token"
    );
    assert_eq!(down.send(anonymous("GET")).await.outcome(), ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn a_token_from_an_outer_layer_is_replaced_or_removed() {
    let idp = TestIssuer::new();
    let foreign = TestIssuer::in_memory("https://elsewhere.example");
    let planted = foreign.token(API).subject("root").access_token().unwrap();
    let plant = |mut request: Request<Full<Bytes>>| {
        request.extensions_mut().insert(planted.clone());
        request
    };
    let api = Protected::by(&idp.bearer_auth(API).optional().allow_preflight().build().unwrap());
    let response = api.send(plant(get(idp.token(API).subject("alice").sign()))).await;
    assert_eq!(response.token().unwrap().subject(), Some("alice"));
    let response = api.send(plant(anonymous("GET"))).await;
    assert_eq!(response.outcome(), ACCEPTED);
    assert!(response.token().is_none(), "an anonymous request has no token");
}

#[tokio::test(start_paused = true)]
async fn the_ready_service_is_the_one_called() {
    let idp = TestIssuer::new();
    let auth = trusting(&idp);
    // The first request waits for keys, the second does not.
    for cache in ["cold", "warm"] {
        let (mock, mut handle) = tower_test::mock::pair::<Request<Full<Bytes>>, Response<Full<Bytes>>>();
        let mut service = auth.layer(mock);
        handle.allow(0);
        let waker = Waker::noop();
        assert!(
            service.poll_ready(&mut Context::from_waker(waker)).is_pending(),
            "{cache}: the inner service is not ready"
        );
        handle.allow(1);
        poll_fn(|cx| service.poll_ready(cx)).await.unwrap();
        let response = service.call(get(idp.token(API).subject("alice").sign()));
        let inner = async {
            let (request, reply) = handle.next_request().await.unwrap();
            assert_eq!(request.extensions().get::<AccessToken>().unwrap().subject(), Some("alice"));
            reply.send_response(Response::new(Full::new(Bytes::from_static(b"done"))));
        };
        let (response, ()) = tokio::join!(response, inner);
        assert_eq!(response.unwrap().into_body().collect().await.unwrap().to_bytes(), "done", "{cache}");
        assert!(
            service.poll_ready(&mut Context::from_waker(waker)).is_pending(),
            "{cache}: readiness is used up"
        );
    }
    let (mock, mut handle) = tower_test::mock::pair::<Request<Full<Bytes>>, Response<Full<Bytes>>>();
    let mut service = auth.layer(mock);
    handle.send_error("the inner service is broken");
    let error = poll_fn(|cx| service.poll_ready(cx)).await.unwrap_err();
    assert_eq!(error.to_string(), "the inner service is broken");
}

#[tokio::test(start_paused = true)]
async fn it_works_over_concurrency_limit_and_buffer() {
    let slow = service_fn(|request: Request<Full<Bytes>>| async move {
        sleep(Duration::from_millis(10)).await;
        let mut response = Response::new(Full::new(Bytes::new()));
        response.extensions_mut().insert(Received::read(request).await);
        Ok::<_, Infallible>(response)
    });
    for is_limited in [true, false] {
        let idp = TestIssuer::new();
        idp.set_fault(Endpoint::Jwks, Some(Fault::Delay(Duration::from_millis(50))));
        let token = |n: usize| {
            if n.is_multiple_of(3) { idp.token(API).expired().sign() } else { idp.token(API).sign() }
        };
        let mut responses = tokio::task::JoinSet::new();
        if is_limited {
            let limited = ConcurrencyLimitLayer::new(2).layer(slow);
            let service = trusting(&idp).layer(limited);
            for n in 0..30 {
                responses.spawn(send(service.clone(), get(token(n))));
            }
        } else {
            let service = trusting(&idp).layer(BufferLayer::new(2).layer(slow));
            for n in 0..30 {
                responses.spawn(send(service.clone(), get(token(n))));
            }
        }
        let outcomes: Vec<Outcome> = responses.join_all().await.iter().map(ApiResponse::outcome).collect();
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == ACCEPTED).count(), 20);
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Err(TokenExpired)).count(), 10);
        assert_eq!(idp.requests(Endpoint::Jwks), 1);
    }
}

/// Idle connections keep their service. A permit that it held after a rejection would be lost to the others.
#[tokio::test(start_paused = true)]
async fn a_completed_request_releases_the_permit_of_the_inner_service() {
    let idp = TestIssuer::new();
    let limited = ConcurrencyLimitLayer::new(1).layer(Handler::default());
    let valid = idp.token(API).sign();
    let mut one = trusting(&idp).layer(limited);
    let mut other = one.clone();
    let ready = async |service: &mut _| {
        let polled = poll_fn(|cx| Service::<Request<Full<Bytes>>>::poll_ready(service, cx));
        tokio::time::timeout(Duration::from_millis(1), polled).await.is_ok()
    };
    let expired = idp.token(API).expired().sign();
    for (request, status) in [
        (anonymous("GET"), 401),
        (get("a,b"), 400),
        (get("opaque"), 401),
        (get(&expired), 401),
        (get(&valid), 200),
        (get(&valid), 200),
    ] {
        assert!(ready(&mut one).await);
        assert_eq!(one.call(request).await.unwrap().status(), status);
        assert!(ready(&mut other).await, "after {status}");
        other = one.clone();
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_request_releases_the_permit_of_the_inner_service() {
    let idp = TestIssuer::new();
    idp.set_fault(Endpoint::Jwks, Some(Fault::Hang));
    let never = service_fn(|_: Request<Full<Bytes>>| pending::<Result<Response<Full<Bytes>>, Infallible>>());
    let limited = ConcurrencyLimitLayer::new(1).layer(never);
    let mut service = trusting(&idp).layer(limited);
    let ready = async |service: &mut _| {
        let polled = poll_fn(|cx| Service::<Request<Full<Bytes>>>::poll_ready(service, cx));
        tokio::time::timeout(Duration::from_millis(1), polled).await.is_ok()
    };

    // Cancelled while it waits for keys.
    assert!(ready(&mut service).await);
    let token = idp.token(API).sign();
    let request = tokio::time::timeout(Duration::from_millis(100), service.call(get(&token))).await;
    assert!(request.is_err());
    assert!(ready(&mut service).await, "the permit is released");

    // Cancelled while it waits for the inner service.
    idp.set_fault(Endpoint::Jwks, None);
    sleep(Duration::from_secs(36)).await;
    let request = tokio::time::timeout(Duration::from_secs(100), service.call(get(&token))).await;
    assert!(request.is_err());
    assert!(ready(&mut service).await, "the permit is released");

    // Cancelled before it is polled, and rejected.
    drop(service.call(get(&token)));
    assert!(ready(&mut service).await, "the permit is released");
    let rejected = service.call(get("garbage")).await.unwrap();
    assert_eq!(rejected.status(), 401);
    assert!(ready(&mut service).await, "the permit is released");
    assert_eq!(idp.requests(Endpoint::Jwks), 2, "one fetch that hung, and one that succeeded");
}

/// A future that counts its polls.
struct Counted<F>(Pin<Box<F>>, Arc<AtomicUsize>);

impl<F: Future> Future for Counted<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.as_mut().poll(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn with_cached_keys_a_request_completes_in_one_poll() {
    let idp = TestIssuer::new();
    let auth = trusting(&idp);
    auth.ready().await.unwrap();
    let polls = Arc::new(AtomicUsize::new(0));
    let mut service = auth.layer(Handler::default());
    for (token, status) in [(idp.token(API).sign(), 200), (idp.token(API).expired().sign(), 401)] {
        polls.store(0, Ordering::Relaxed);
        let response = Counted(Box::pin(service.call(get(token))), Arc::clone(&polls)).await.unwrap();
        assert_eq!((response.status().as_u16(), polls.load(Ordering::Relaxed)), (status, 1));
    }
    // The same holds while a refresh hangs.
    idp.set_outage(Some(Fault::Hang));
    sleep(Duration::from_secs(599)).await;
    assert_eq!(at_once(service.call(get(idp.token(API).sign()))).unwrap().status(), 200);
    assert!(idp.requests(Endpoint::Jwks) > 1, "a refresh was started");

    // A slow inner service is polled again, the steps before it are not.
    let slow = service_fn(|_: Request<Full<Bytes>>| async {
        sleep(Duration::from_secs(1)).await;
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
    });
    polls.store(0, Ordering::Relaxed);
    let mut service = auth.layer(slow);
    let response = Counted(Box::pin(service.call(get(idp.token(API).sign()))), Arc::clone(&polls)).await;
    assert_eq!((response.unwrap().status().as_u16(), polls.load(Ordering::Relaxed)), (200, 2));
}

/// A body with a data type of its own.
#[derive(Default)]
struct OwnBody(Option<OwnData>);

struct OwnData(Bytes);

impl From<Bytes> for OwnData {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl bytes::Buf for OwnData {
    fn remaining(&self) -> usize {
        self.0.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.0
    }

    fn advance(&mut self, count: usize) {
        bytes::Buf::advance(&mut self.0, count);
    }
}

impl Body for OwnBody {
    type Data = OwnData;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<OwnData>, std::io::Error>>> {
        Poll::Ready(self.0.take().map(|data| Ok(Frame::data(data))))
    }
}

#[tokio::test(start_paused = true)]
async fn any_body_and_any_error_type_is_accepted() {
    #[derive(Debug, PartialEq)]
    struct OwnError;
    let idp = TestIssuer::new();
    let auth = trusting(&idp);
    // The body of the request does not need to implement `Body`.
    let inner = service_fn(|request: Request<Vec<u16>>| async move {
        if request.body() == &[404] {
            Err(OwnError)
        } else {
            Ok(Response::new(OwnBody(Some(OwnData("own".into())))))
        }
    });
    let request = |token: Option<String>, body: Vec<u16>| {
        let request = Request::builder();
        let request = token
            .iter()
            .fold(request, |request, token| request.header("authorization", format!("Bearer {token}")));
        request.body(body).unwrap()
    };
    let token = idp.token(API).sign();
    let service = auth.layer(inner);
    let passed = service.clone().oneshot(request(Some(token.clone()), vec![1])).await.unwrap();
    assert_eq!(passed.into_body().collect().await.unwrap().to_bytes(), "own");
    assert_eq!(service.clone().oneshot(request(Some(token), vec![404])).await.err(), Some(OwnError));
    let rejected = service.oneshot(request(None, vec![404])).await.unwrap();
    assert_eq!(rejected.status(), 401);
    assert!(rejected.into_body().collect().await.unwrap().to_bytes().starts_with(b"{\"error\""));

    // Neither does the body of the response, unless someone reads it.
    let plain = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(7_u8)) });
    assert_eq!(auth.layer(plain).oneshot(Request::new(())).await.unwrap().status(), 401);
    // An outer layer can create empty responses.
    let _ = tower_bearer::middleware::ResponseBody::<Full<Bytes>>::default();
}

#[tokio::test(start_paused = true)]
async fn tokens_are_taken_from_enabled_sources_only() {
    let idp = TestIssuer::new();
    let token = idp.token(API).sign();
    type WithToken = Box<dyn Fn(&str) -> Request<Full<Bytes>>>;
    let sources: Vec<(&str, TokenSource, WithToken)> = vec![
        (
            "cookie",
            TokenSource::cookie("__Host-token"),
            Box::new(|token| field(COOKIE, &format!("a=b; __Host-token={token}; c=d"))),
        ),
        (
            "header",
            TokenSource::header(HeaderName::from_static("x-access-token")),
            Box::new(|token| field(HeaderName::from_static("x-access-token"), token)),
        ),
        ("query", TokenSource::query(), Box::new(in_query)),
        (
            "WebSocket protocol",
            TokenSource::web_socket_protocol("access_token."),
            Box::new(|token| {
                let name = HeaderName::from_static("sec-websocket-protocol");
                let mut request = field(name, &format!("chat, access_token.{token}"));
                request.headers_mut().insert("upgrade", HeaderValue::from_static("websocket"));
                request
            }),
        ),
    ];
    for (name, source, request) in sources {
        let disabled = Protected::by(&trusting(&idp));
        assert_eq!(disabled.send(request(&token)).await.outcome(), Err(Missing), "{name}, not enabled");
        let api = Protected::by(&idp.bearer_auth(API).add_token_source(source).build().unwrap());
        let response = api.send(request(&token)).await;
        assert_eq!(response.outcome(), ACCEPTED, "{name}");
        assert_eq!(response.token().unwrap().subject(), Some("user"), "{name}");
        let cache = (name == "query").then_some("private");
        assert_eq!(response.header(CACHE_CONTROL), cache, "{name}");
        assert_eq!(api.outcome(&token).await, ACCEPTED, "{name}: the header stays enabled");
        assert_eq!(
            api.send(request(&idp.token(API).expired().sign())).await.outcome(),
            Err(TokenExpired),
            "{name}"
        );
        assert_eq!(api.send(request("a+b=c")).await.outcome(), Err(MalformedRequest), "{name}");
        let mut both = request(&token);
        both.headers_mut().insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        assert_eq!(api.send(both).await.outcome(), Err(MalformedRequest), "{name}: two credentials");
        assert_eq!(api.send(anonymous("GET")).await.outcome(), Err(Missing), "{name}");
    }
    // A response that is private already keeps its `Cache-Control`.
    let auth = idp.bearer_auth(API).add_token_source(TokenSource::query()).build().unwrap();
    for (own, expected) in
        [("no-store", "no-store"), ("max-age=60, private", "max-age=60, private"), ("max-age=60", "private")]
    {
        let inner = service_fn(move |_: Request<Full<Bytes>>| async move {
            let response = Response::builder().header(CACHE_CONTROL, own);
            Ok::<_, Infallible>(response.body(Full::<Bytes>::default()).unwrap())
        });
        let response = send(auth.layer(inner), in_query(&token)).await;
        assert_eq!(response.header(CACHE_CONTROL), Some(expected), "{own}");
    }
}

fn field(name: HeaderName, value: &str) -> Request<Full<Bytes>> {
    let mut request = anonymous("GET");
    request.headers_mut().insert(name, value.parse().unwrap());
    request
}

fn in_query(token: &str) -> Request<Full<Bytes>> {
    let mut request = anonymous("GET");
    *request.uri_mut() = format!("https://api.example.com/orders?x=1&access_token={token}").parse().unwrap();
    request
}

/// A body with one byte per frame and a trailer. It counts the frames that were read.
struct Frames {
    left: Bytes,
    trailers: Option<HeaderMap>,
    read: Arc<AtomicUsize>,
}

impl Frames {
    fn of(text: &str, read: &Arc<AtomicUsize>) -> Self {
        let trailer = (HeaderName::from_static("x-sum"), HeaderValue::from_static("1"));
        let left = Bytes::copy_from_slice(text.as_bytes());
        Self { left, trailers: Some(HeaderMap::from_iter([trailer])), read: Arc::clone(read) }
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.left.is_empty() {
            return Poll::Ready(self.trailers.take().map(Frame::trailers).map(Ok));
        }
        self.read.fetch_add(1, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(self.left.split_to(1)))))
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_in_a_form_body_is_accepted_and_the_body_passed_on() {
    let idp = TestIssuer::new();
    let token = idp.token(API).sign();
    let auth = trusting(&idp);
    auth.ready().await.unwrap();
    let post = async |limit: usize, text: String, change: &dyn Fn(&mut HeaderMap)| {
        let read = Arc::new(AtomicUsize::new(0));
        let mut request = Request::post("/orders").body(Frames::of(&text, &read)).unwrap();
        request
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        change(request.headers_mut());
        let service = FormBodyToken::up_to(limit).layer(auth.layer(Handler::default()));
        (send(service, request).await, read.load(Ordering::Relaxed))
    };
    let form = format!("a=%zz&=&&b=1+2&access_token={token}&c=%C3%A9&");
    let (response, _) = post(form.len(), form.clone(), &|_| ()).await;
    assert_eq!(response.outcome(), ACCEPTED, "exactly the limit");
    let received = response.received();
    assert_eq!(received.body.as_deref(), Some(form.as_bytes()), "byte for byte");
    assert_eq!(received.trailers.as_ref().unwrap()["x-sum"], "1", "with its trailers");
    assert_eq!(response.token().unwrap().subject(), Some("user"));

    let (response, read) = post(form.len() - 1, form.clone(), &|_| ()).await;
    assert_eq!((response.outcome(), read), (Err(BodyTooLarge), form.len()), "one byte over");
    let declared = |headers: &mut HeaderMap| {
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("100000000"));
    };
    let (response, read) = post(form.len(), form.clone(), &declared).await;
    assert_eq!((response.outcome(), read), (Err(BodyTooLarge), 0), "rejected before the body is read");

    let bearer = |headers: &mut HeaderMap| {
        headers.insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    };
    for (name, text, expected) in [
        ("header and form", form.clone(), Err(MalformedRequest)),
        ("header, form with an empty token", "access_token=".to_owned(), Err(MalformedRequest)),
        ("header, form without a token", "a=b".to_owned(), ACCEPTED),
    ] {
        assert_eq!(post(1 << 20, text, &bearer).await.0.outcome(), expected, "{name}");
    }
    let twice = format!("access_token={token}&access_token={token}");
    assert_eq!(post(1 << 20, twice, &|_| ()).await.0.outcome(), Err(MalformedRequest));
    let json = |headers: &mut HeaderMap| {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    };
    let (response, read) = post(1, form, &json).await;
    assert_eq!((response.outcome(), read), (Err(Missing), 0), "a body of another type is not read");

    // Without the layer a form is not read.
    let mut request = anonymous("POST");
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    *request.body_mut() = Full::new(Bytes::from(format!("access_token={token}")));
    assert_eq!(Protected::by(&auth).send(request).await.outcome(), Err(Missing));
}

#[cfg(feature = "axum")]
#[tokio::test(start_paused = true)]
async fn claims_of_the_wrong_type_are_rejected() {
    use tower_bearer::Claims;
    use tower_bearer::RejectionKind::ClaimsMismatch;

    #[derive(Debug, Deserialize)]
    struct Tenant {
        tenant: String,
    }
    let idp = TestIssuer::new();
    let log = crate::support::log::Log::start();
    let app = axum::Router::new()
        .route("/orders", axum::routing::get(async |Claims(claims): Claims<Tenant>| claims.tenant.clone()))
        .layer(trusting(&idp));
    let request = async |token: String| send(app.clone(), get(token).map(axum::body::Body::new)).await;
    assert_eq!(request(idp.token(API).claim("tenant", "acme").sign()).await.body, "acme");
    for token in [idp.token(API).sign(), idp.token(API).claim("tenant", json!(["secret-tenant"])).sign()] {
        let response = request(token).await;
        assert_eq!(response.outcome(), Err(ClaimsMismatch));
        assert_eq!(response.challenge().unwrap().param("error"), Some("invalid_token"));
        let shown =
            format!("{:?} {:?} {:?} {}", response.headers(), response.body, response.rejection(), log.text());
        assert!(!shown.contains("secret-tenant"), "{shown}");
    }
}

/// Removes the token from requests, like a layer that anonymizes them.
#[derive(Clone)]
struct RemoveToken<S>(S);

impl<S: Service<Request<Full<Bytes>>>> Service<Request<Full<Bytes>>> for RemoveToken<S> {
    type Response = S::Response;
    type Error = S::Error;
    type Future = S::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Full<Bytes>>) -> Self::Future {
        request.extensions_mut().remove::<AccessToken>();
        self.0.call(request)
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_is_covered_by_the_layer_that_accepted_it_not_by_its_token() {
    let idp = TestIssuer::new();
    let service = Require::token().layer(Handler::default());
    let token = Protected::by(&trusting(&idp)).get(idp.token(API).sign()).await.token().unwrap().clone();
    let mut planted = anonymous("GET");
    planted.extensions_mut().insert(token);
    assert_eq!(send(service.clone(), planted).await.outcome(), Err(NotCovered));

    let without_token = trusting(&idp).layer(RemoveToken(service.clone()));
    assert_eq!(send(without_token, get(idp.token(API).sign())).await.outcome(), Err(Missing));
    // The innermost layer rejects the request, with its own realm or the default.
    let outer = idp.bearer_auth(API).realm("outer").optional().build().unwrap();
    let inner = idp.bearer_auth(API).realm("inner").build().unwrap();
    let scoped = Require::scope("more").layer(Handler::default());
    let response = send(outer.layer(inner.layer(scoped)), get(idp.token(API).sign())).await;
    assert_eq!(response.challenge().unwrap().param("realm"), Some("inner"));
    let response = send(outer.layer(inner.layer(RemoveToken(service))), get(idp.token(API).sign())).await;
    assert_ne!(response.challenge().unwrap().param("realm"), Some("outer"));
}

/// As with `Router::oneshot` in the tests of applications.
#[tokio::test(start_paused = true)]
async fn a_service_consumed_by_oneshot_rejects_as_it_is_configured() {
    let idp = TestIssuer::new();
    for is_cached in [false, true] {
        let auth = idp.bearer_auth(API).realm("mine").build().unwrap();
        let token = idp.token(API).sign();
        if is_cached {
            assert_eq!(Protected::by(&auth).outcome(&token).await, ACCEPTED);
        }
        // The inner service handles the request after the outer service was dropped.
        let required = Require::scope("more").layer(Handler::default());
        let later = service_fn(move |request| required.clone().oneshot(request));
        let service = auth.layer(later);
        drop(auth);
        let response = send(service, get(&token)).await;
        assert_eq!(response.outcome(), Err(ScopeInsufficient));
        assert_eq!(response.challenge().unwrap().param("realm"), Some("mine"), "cached: {is_cached}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_future_polled_after_completion_stays_pending() {
    let idp = TestIssuer::new();
    let handler = Handler::default();
    let mut service = trusting(&idp).layer(handler.clone());
    // Rejected without keys, after the keys were fetched, and with cached keys.
    let expired = idp.token(API).expired().sign();
    for request in [anonymous("GET"), get(&expired), get(&expired)] {
        let mut future = pin!(service.call(request));
        assert_eq!(future.as_mut().await.unwrap().status(), 401);
        assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    assert_eq!(handler.calls(), 0);
}

#[test]
fn a_request_polled_outside_of_a_runtime_does_not_panic() {
    let idp = TestIssuer::new();
    let auth = trusting(&idp);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(auth.ready()).unwrap();
    idp.rotate_key();
    let mut request = pin!(auth.layer(Handler::default()).oneshot(get(idp.token(API).sign())));
    let _ = request.as_mut().poll(&mut Context::from_waker(Waker::noop()));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waits_for_keys_holds_no_permit_of_the_inner_service() {
    let idp = TestIssuer::new();
    let auth = trusting(&idp);
    assert_eq!(Protected::by(&auth).outcome(idp.token(API).sign()).await, ACCEPTED);
    idp.set_fault(Endpoint::Jwks, Some(Fault::Hang));
    let service = auth.layer(ConcurrencyLimitLayer::new(1).layer(Handler::default()));
    let forged = idp.token(API).header("kid", "nope").sign();
    let mut waiting = pin!(service.clone().oneshot(get(&forged)));
    assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let valid = service.oneshot(get(idp.token(API).sign()));
    let response = tokio::time::timeout(Duration::from_secs(1), valid).await;
    assert!(response.is_ok(), "a valid token waits for a forged one");
}

#[tokio::test]
async fn a_configured_token_header_is_marked_as_sensitive_or_stripped() {
    let idp = TestIssuer::new();
    let name = HeaderName::from_static("x-token");
    for strip in [false, true] {
        let builder = idp.bearer_auth(API).add_token_source(TokenSource::header(name.clone()));
        let builder = if strip { builder.strip_credentials() } else { builder };
        let api = Protected::by(&builder.build().unwrap());
        let response = api.send(field(name.clone(), &idp.token(API).sign())).await;
        assert_eq!(response.outcome(), ACCEPTED);
        let received = &response.received().head.headers;
        assert!(!format!("{received:?}").contains("eyJ"), "{received:?}");
        assert_eq!(received.contains_key(&name), !strip);
    }
}
