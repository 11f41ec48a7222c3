//! How requests pass: the tower contract, what the inner service sees, and where tokens come from.

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
use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
use tower_bearer::{AccessToken, BearerAuth, FormBodyToken, Require, TokenSource};
use tower_http::cors::CorsLayer;

use crate::support::keys::encode;
use crate::support::protected::{API, Answer, Handler, Protected, Seen, anonymous, at_once, get, send};

fn warm(idp: &TestIssuer) -> BearerAuth {
    idp.bearer_auth(API).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_handler_gets_issuer_subject_and_claims() {
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
        let token = idp
            .token(API)
            .subject("alice")
            .scope("a b")
            .claim("roles", json!(["secret-role"]))
            .claim("groups", json!(["g"]))
            .claim("entitlements", json!(["e"]))
            .sign();
        let mut claims = Vec::new();
        for _ in 0..2 {
            let answer = api.get(&token).await;
            assert_eq!(answer.kind(), "ok");
            let seen = answer.token().unwrap();
            assert_eq!(seen.client_id(), Some("client"));
            assert!(seen.scopes().contains("a") && seen.scopes().contains("b"));
            assert!(seen.expires_at() > seen.issued_at().unwrap());
            claims.push(seen.claims::<Roles>().unwrap());
            assert!(Arc::ptr_eq(&claims[claims.len() - 1], &seen.claims::<Roles>().unwrap()), "read once");
            assert!(seen.claims::<Vec<String>>().is_err());
            let debug = format!("{seen:?}");
            assert!(!debug.contains("secret-role") && !debug.contains("alice"), "{debug}");
            assert!(!debug.contains(token.rsplit_once('.').unwrap().1), "{debug}");
            callers.push((seen.issuer().to_owned(), seen.subject().unwrap_or_default().to_owned()));
        }
        assert_eq!(claims[0], claims[1]);
        assert_eq!(claims[0].roles, ["secret-role"]);
    }
    let caller = |idp: &TestIssuer| (idp.identifier().to_owned(), "alice".to_owned());
    assert_eq!(callers, [caller(&x), caller(&x), caller(&y), caller(&y)]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_request_never_reaches_the_handler() {
    let idp = TestIssuer::new();
    let api = Protected::by(&warm(&idp));
    let token = || idp.token(API);
    let good = token().sign();
    let unsigned = format!("{}.", good.rsplit_once('.').unwrap().0);
    let bad = [
        "a b".to_owned(),
        "opaque".to_owned(),
        "x".repeat(20_000),
        unsigned,
        format!("{}.{}", good.rsplit_once('.').unwrap().0, encode([1; 64])),
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
    let mut refused = 0;
    for method in ["GET", "HEAD", "POST", "OPTIONS", "DELETE"] {
        for token in &bad {
            let mut request = get(token);
            *request.method_mut() = method.parse().unwrap();
            let upgrade = [("connection", "upgrade"), ("upgrade", "websocket"), ("x-access-token", "forged")];
            for (name, value) in upgrade {
                request.headers_mut().insert(name, HeaderValue::from_static(value));
            }
            // An identity of another layer's making helps nobody.
            request.extensions_mut().insert(idp.token(API).access_token().unwrap());
            assert_ne!(api.send(request).await.kind(), "ok");
            refused += 1;
        }
        assert_eq!(api.send(anonymous(method)).await.kind(), "missing");
    }
    assert_eq!((refused, api.handler.calls()), (bad.len() * 5, 0));
    assert_eq!(api.kind(&good).await, "ok");
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
    let answer = Protected::by(&warm(&idp)).send(request()).await;
    let seen = &answer.seen().headers;
    assert_eq!(seen[AUTHORIZATION].to_str().unwrap().len(), sent.len());
    assert!(seen[AUTHORIZATION].is_sensitive());
    assert!(!format!("{seen:?}").contains("Bearer"), "{seen:?}");

    let strip = idp.bearer_auth(API).strip_credentials().build().unwrap();
    let answer = Protected::by(&strip).send(request()).await;
    let seen = &answer.seen().headers;
    assert!(!seen.contains_key(AUTHORIZATION));
    assert_eq!(
        (&seen["x-request-id"], &seen["cookie"], seen.len()),
        (&HeaderValue::from_static("7"), &HeaderValue::from_static("a=b"), 2)
    );
    // The head is otherwise the one that came.
    assert_eq!((&answer.seen().method, answer.seen().uri.path()), (&Method::GET, "/orders"));

    // What another scheme brought under `optional` is not ours to remove, but is secret all the same.
    let strip = idp.bearer_auth(API).strip_credentials().optional().build().unwrap();
    let mut basic = anonymous("GET");
    basic.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static("Basic dXNlcjpwYXNz"));
    let answer = Protected::by(&strip).send(basic).await;
    assert!(answer.seen().headers[AUTHORIZATION].is_sensitive());
}

#[tokio::test(start_paused = true)]
async fn a_preflight_passes_only_where_allowed() {
    let idp = TestIssuer::new();
    let preflight = |method: &str, origin: bool, asks: bool| {
        let mut request = anonymous(method);
        if origin {
            request.headers_mut().insert("origin", HeaderValue::from_static("https://app.example"));
        }
        if asks {
            request.headers_mut().insert("access-control-request-method", HeaderValue::from_static("PUT"));
        }
        request
    };
    // A CORS layer outside answers preflights, and its headers stand on refusals, too.
    let cors = CorsLayer::new()
        .allow_origin(["https://app.example".parse().unwrap()])
        .allow_methods([Method::PUT])
        .expose_headers([http::header::WWW_AUTHENTICATE]);
    let handler = Handler::default();
    let service = cors.layer(warm(&idp).layer(handler.clone()));
    let answer = send(service.clone(), preflight("OPTIONS", true, true)).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example"));
    assert!(answer.rejection().is_none());
    assert_eq!(handler.calls(), 0);
    let answer = send(service, preflight("PUT", true, false)).await;
    assert_eq!(answer.kind(), "missing");
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(answer.header("access-control-expose-headers"), Some("www-authenticate"));

    let api = Protected::by(&warm(&idp));
    assert_eq!(api.send(preflight("OPTIONS", true, true)).await.kind(), "missing", "no CORS layer");

    let api = Protected::by(&idp.bearer_auth(API).allow_preflight().build().unwrap());
    let answer = api.send(preflight("OPTIONS", true, true)).await;
    assert_eq!(answer.kind(), "ok");
    assert!(answer.token().is_none());
    for (name, request) in [
        ("no origin", preflight("OPTIONS", false, true)),
        ("no method", preflight("OPTIONS", true, false)),
        ("neither", preflight("OPTIONS", false, false)),
        ("GET", preflight("GET", true, true)),
        ("POST", preflight("POST", true, true)),
    ] {
        assert_eq!(api.send(request).await.kind(), "missing", "{name}");
    }
    let mut with_token = preflight("OPTIONS", true, true);
    with_token.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static("Bearer garbage"));
    assert_eq!(api.send(with_token).await.kind(), "token_opaque", "credentials are judged");
    // Further in it is not taken for a token.
    let auth = idp.bearer_auth(API).allow_preflight().build().unwrap();
    let route = auth.layer(Require::token().layer(Handler::default()));
    assert_eq!(send(route, preflight("OPTIONS", true, true)).await.kind(), "missing");
}

#[tokio::test(start_paused = true)]
async fn optional_lets_requests_without_credentials_pass_and_no_others() {
    let idp = TestIssuer::new();
    let api = Protected::by(&idp.bearer_auth(API).optional().build().unwrap());
    let with = |value: &'static str| {
        let mut request = anonymous("GET");
        request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static(value));
        request
    };
    for (name, request) in [("nothing", anonymous("GET")), ("another scheme", with("Basic dXNlcjpwYXNz"))] {
        let answer = at_once(api.send(request));
        assert_eq!(answer.kind(), "ok", "{name}");
        assert!(answer.token().is_none(), "{name}");
    }
    for (name, request, expected) in [
        ("malformed", with("Bearer a b"), "malformed_request"),
        ("no token", with("Bearer"), "malformed_request"),
        ("opaque", with("Bearer abc"), "token_opaque"),
        ("expired", get(idp.token(API).expired().sign()), "token_expired"),
    ] {
        assert_eq!(api.send(request).await.kind(), expected, "{name}");
    }
    let answer = api.get(idp.token(API).subject("alice").sign()).await;
    assert_eq!(answer.token().unwrap().subject(), Some("alice"));
    idp.set_outage(Some(Fault::Refuse));
    let down = Protected::by(&idp.bearer_auth(API).optional().build().unwrap());
    assert_eq!(down.kind(idp.token(API).sign()).await, "keys_unavailable", "an outage lets nobody in");
    assert_eq!(down.send(anonymous("GET")).await.kind(), "ok");
}

#[tokio::test(start_paused = true)]
async fn an_identity_from_outside_is_replaced() {
    let idp = TestIssuer::new();
    let foreign = TestIssuer::in_memory("https://elsewhere.example");
    let planted = foreign.token(API).subject("root").access_token().unwrap();
    let plant = |mut request: Request<Full<Bytes>>| {
        request.extensions_mut().insert(planted.clone());
        request
    };
    let api = Protected::by(&idp.bearer_auth(API).optional().allow_preflight().build().unwrap());
    let answer = api.send(plant(get(idp.token(API).subject("alice").sign()))).await;
    assert_eq!(answer.token().unwrap().subject(), Some("alice"));
    let answer = api.send(plant(anonymous("GET"))).await;
    assert_eq!(answer.kind(), "ok");
    assert!(answer.token().is_none(), "nobody is nobody");
}

#[tokio::test(start_paused = true)]
async fn the_ready_service_is_the_one_called() {
    let idp = TestIssuer::new();
    let auth = warm(&idp);
    // The first request waits for keys, the second does not.
    for turn in ["cold", "warm"] {
        let (mock, mut handle) = tower_test::mock::pair::<Request<Full<Bytes>>, Response<Full<Bytes>>>();
        let mut service = auth.layer(mock);
        handle.allow(0);
        let waker = Waker::noop();
        assert!(
            service.poll_ready(&mut Context::from_waker(waker)).is_pending(),
            "{turn}: readiness is passed on"
        );
        handle.allow(1);
        poll_fn(|cx| service.poll_ready(cx)).await.unwrap();
        let answer = service.call(get(idp.token(API).subject("alice").sign()));
        let inner = async {
            let (request, reply) = handle.next_request().await.unwrap();
            assert_eq!(request.extensions().get::<AccessToken>().unwrap().subject(), Some("alice"));
            reply.send_response(Response::new(Full::new(Bytes::from_static(b"done"))));
        };
        let (answer, ()) = tokio::join!(answer, inner);
        assert_eq!(answer.unwrap().into_body().collect().await.unwrap().to_bytes(), "done", "{turn}");
        assert!(service.poll_ready(&mut Context::from_waker(waker)).is_pending(), "{turn}: none is left");
    }
    let (mock, mut handle) = tower_test::mock::pair::<Request<Full<Bytes>>, Response<Full<Bytes>>>();
    let mut service = auth.layer(mock);
    handle.send_error("the inner service is broken");
    let error = poll_fn(|cx| service.poll_ready(cx)).await.unwrap_err();
    assert_eq!(error.to_string(), "the inner service is broken");
}

#[tokio::test(start_paused = true)]
async fn it_works_over_a_limit_and_over_a_buffer() {
    let slow = service_fn(|request: Request<Full<Bytes>>| async move {
        sleep(Duration::from_millis(10)).await;
        let mut response = Response::new(Full::new(Bytes::new()));
        response.extensions_mut().insert(Seen(request.into_parts().0));
        Ok::<_, Infallible>(response)
    });
    for turn in 0..2 {
        let idp = TestIssuer::new();
        idp.set_fault(Endpoint::Jwks, Some(Fault::Delay(Duration::from_millis(50))));
        let token = |n: usize| {
            if n.is_multiple_of(3) { idp.token(API).expired().sign() } else { idp.token(API).sign() }
        };
        let mut answers = tokio::task::JoinSet::new();
        if turn == 0 {
            let limited = ConcurrencyLimitLayer::new(2).layer(slow);
            let service = warm(&idp).layer(limited);
            for n in 0..30 {
                answers.spawn(send(service.clone(), get(token(n))));
            }
        } else {
            let service = warm(&idp).layer(BufferLayer::new(2).layer(slow));
            for n in 0..30 {
                answers.spawn(send(service.clone(), get(token(n))));
            }
        }
        let kinds: Vec<String> = answers.join_all().await.iter().map(Answer::kind).collect();
        assert_eq!(kinds.iter().filter(|kind| *kind == "ok").count(), 20);
        assert_eq!(kinds.iter().filter(|kind| *kind == "token_expired").count(), 10);
        assert_eq!(idp.requests(Endpoint::Jwks), 1);
    }
}

/// The services of connections that stay open share the places; whoever is refused must not use one up.
#[tokio::test(start_paused = true)]
async fn a_request_that_is_answered_gives_back_the_place_that_was_kept_for_it() {
    let idp = TestIssuer::new();
    let limited = ConcurrencyLimitLayer::new(1).layer(Handler::default());
    let good = idp.token(API).sign();
    let mut one = warm(&idp).layer(limited);
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
        (get(&good), 200),
        (get(&good), 200),
    ] {
        assert!(ready(&mut one).await);
        assert_eq!(one.call(request).await.unwrap().status(), status);
        assert!(ready(&mut other).await, "after {status}");
        other = one.clone();
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_goes_away_leaves_nothing_behind() {
    let idp = TestIssuer::new();
    idp.set_fault(Endpoint::Jwks, Some(Fault::Hang));
    let never = service_fn(|_: Request<Full<Bytes>>| pending::<Result<Response<Full<Bytes>>, Infallible>>());
    let limited = ConcurrencyLimitLayer::new(1).layer(never);
    let mut service = warm(&idp).layer(limited);
    let ready = async |service: &mut _| {
        let polled = poll_fn(|cx| Service::<Request<Full<Bytes>>>::poll_ready(service, cx));
        tokio::time::timeout(Duration::from_millis(1), polled).await.is_ok()
    };

    // Dropped while it waits for keys.
    assert!(ready(&mut service).await);
    let token = idp.token(API).sign();
    let request = tokio::time::timeout(Duration::from_millis(100), service.call(get(&token))).await;
    assert!(request.is_err());
    assert!(ready(&mut service).await, "its place is free again");

    // Dropped while it waits for the inner service.
    idp.set_fault(Endpoint::Jwks, None);
    sleep(Duration::from_secs(36)).await;
    let request = tokio::time::timeout(Duration::from_secs(100), service.call(get(&token))).await;
    assert!(request.is_err());
    assert!(ready(&mut service).await, "its place is free again");

    // Dropped before it was polled; and refused.
    drop(service.call(get(&token)));
    assert!(ready(&mut service).await, "its place is free again");
    let refused = service.call(get("garbage")).await.unwrap();
    assert_eq!(refused.status(), 401);
    assert!(ready(&mut service).await, "its place is free again");
    assert_eq!(idp.requests(Endpoint::Jwks), 2, "one that failed, and one that brought the keys");
}

/// A future that counts how often it is polled.
struct Counted<F>(Pin<Box<F>>, Arc<AtomicUsize>);

impl<F: Future> Future for Counted<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.as_mut().poll(cx)
    }
}

#[tokio::test(start_paused = true)]
async fn with_the_key_held_one_poll_finishes_a_request() {
    let idp = TestIssuer::new();
    let auth = warm(&idp);
    auth.ready().await.unwrap();
    let polls = Arc::new(AtomicUsize::new(0));
    let mut service = auth.layer(Handler::default());
    for (token, status) in [(idp.token(API).sign(), 200), (idp.token(API).expired().sign(), 401)] {
        polls.store(0, Ordering::Relaxed);
        let response = Counted(Box::pin(service.call(get(token))), Arc::clone(&polls)).await.unwrap();
        assert_eq!((response.status().as_u16(), polls.load(Ordering::Relaxed)), (status, 1));
    }
    // So it is while a refresh is under way, and it hangs.
    idp.set_outage(Some(Fault::Hang));
    sleep(Duration::from_secs(599)).await;
    assert_eq!(at_once(service.call(get(idp.token(API).sign()))).unwrap().status(), 200);
    assert!(idp.requests(Endpoint::Jwks) > 1, "there is such a refresh");

    // An inner service that takes its time is polled on, and no step before it again.
    let slow = service_fn(|_: Request<Full<Bytes>>| async {
        sleep(Duration::from_secs(1)).await;
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::new())))
    });
    polls.store(0, Ordering::Relaxed);
    let mut service = auth.layer(slow);
    let response = Counted(Box::pin(service.call(get(idp.token(API).sign()))), Arc::clone(&polls)).await;
    assert_eq!((response.unwrap().status().as_u16(), polls.load(Ordering::Relaxed)), (200, 2));
}

/// A body whose data and error are nobody else's.
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
async fn any_body_and_any_error_will_do() {
    #[derive(Debug, PartialEq)]
    struct OwnError;
    let idp = TestIssuer::new();
    let auth = warm(&idp);
    // The request's body need not even be a body.
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
    let refused = service.oneshot(request(None, vec![404])).await.unwrap();
    assert_eq!(refused.status(), 401);
    assert!(refused.into_body().collect().await.unwrap().to_bytes().starts_with(b"{\"error\""));

    // Nor is the response's, as long as nobody reads it as one.
    let plain = service_fn(|_: Request<()>| async { Ok::<_, Infallible>(Response::new(7_u8)) });
    assert_eq!(auth.layer(plain).oneshot(Request::new(())).await.unwrap().status(), 401);
    // And a layer that makes empty responses of its own may stand outside.
    let _ = tower_bearer::middleware::ResponseBody::<Full<Bytes>>::default();
}

#[tokio::test(start_paused = true)]
async fn tokens_are_taken_from_the_places_that_were_enabled() {
    let idp = TestIssuer::new();
    let token = idp.token(API).sign();
    type Place = Box<dyn Fn(&str) -> Request<Full<Bytes>>>;
    let places: Vec<(&str, TokenSource, Place)> = vec![
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
    for (name, source, request) in places {
        let off = Protected::by(&warm(&idp));
        assert_eq!(off.send(request(&token)).await.kind(), "missing", "{name}, not enabled");
        let api = Protected::by(&idp.bearer_auth(API).add_token_source(source).build().unwrap());
        let answer = api.send(request(&token)).await;
        assert_eq!(answer.kind(), "ok", "{name}");
        assert_eq!(answer.token().unwrap().subject(), Some("user"), "{name}");
        let cache = (name == "query").then_some("private");
        assert_eq!(answer.header(CACHE_CONTROL), cache, "{name}");
        assert_eq!(api.kind(&token).await, "ok", "{name}: the header still counts");
        assert_eq!(
            api.send(request(&idp.token(API).expired().sign())).await.kind(),
            "token_expired",
            "{name}"
        );
        assert_eq!(api.send(request("a+b=c")).await.kind(), "malformed_request", "{name}");
        let mut both = request(&token);
        both.headers_mut().insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
        assert_eq!(api.send(both).await.kind(), "malformed_request", "{name}: two credentials");
        assert_eq!(api.send(anonymous("GET")).await.kind(), "missing", "{name}");
    }
    // Where the handler says so itself, nothing is added.
    let auth = idp.bearer_auth(API).add_token_source(TokenSource::query()).build().unwrap();
    for (own, expected) in
        [("no-store", "no-store"), ("max-age=60, private", "max-age=60, private"), ("max-age=60", "private")]
    {
        let inner = service_fn(move |_: Request<Full<Bytes>>| async move {
            let response = Response::builder().header(CACHE_CONTROL, own);
            Ok::<_, Infallible>(response.body(Full::<Bytes>::default()).unwrap())
        });
        let answer = send(auth.layer(inner), in_query(&token)).await;
        assert_eq!(answer.header(CACHE_CONTROL), Some(expected), "{own}");
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

/// A body of one byte a frame and a trailer, which counts the frames that were read.
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
async fn a_token_in_a_form_body_is_taken_and_the_body_handed_on() {
    let idp = TestIssuer::new();
    let token = idp.token(API).sign();
    let handed_on = service_fn(|request: Request<tower_bearer::middleware::ReplayedBody<_>>| async move {
        let (head, body) = request.into_parts();
        let body = BodyExt::collect(body).await.unwrap();
        let trailers = body.trailers().cloned();
        let mut response = Response::new(Full::new(body.to_bytes()));
        response.headers_mut().extend(trailers.unwrap_or_default());
        response.extensions_mut().insert(Seen(head));
        Ok::<_, Infallible>(response)
    });
    let auth = warm(&idp);
    auth.ready().await.unwrap();
    let ask = async |limit: usize, text: String, change: &dyn Fn(&mut HeaderMap)| {
        let read = Arc::new(AtomicUsize::new(0));
        let mut request = Request::post("/orders").body(Frames::of(&text, &read)).unwrap();
        request
            .headers_mut()
            .insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        change(request.headers_mut());
        let service = FormBodyToken::up_to(limit).layer(auth.layer(handed_on));
        (send(service, request).await, read.load(Ordering::Relaxed))
    };
    let form = format!("a=%zz&=&&b=1+2&access_token={token}&c=%C3%A9&");
    let (answer, _) = ask(form.len(), form.clone(), &|_| ()).await;
    assert_eq!(answer.kind(), "ok", "exactly the limit");
    assert_eq!(answer.body, form, "byte for byte");
    assert_eq!(answer.header("x-sum"), Some("1"), "with its trailers");
    assert_eq!(answer.token().unwrap().subject(), Some("user"));

    let (answer, read) = ask(form.len() - 1, form.clone(), &|_| ()).await;
    assert_eq!((answer.kind().as_str(), read), ("body_too_large", form.len()), "one byte over");
    let declared = |headers: &mut HeaderMap| {
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("100000000"));
    };
    let (answer, read) = ask(form.len(), form.clone(), &declared).await;
    assert_eq!((answer.kind().as_str(), read), ("body_too_large", 0), "known before it is read");

    let bearer = |headers: &mut HeaderMap| {
        headers.insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    };
    for (name, text, expected) in [
        ("header and form", form.clone(), "malformed_request"),
        ("header, form with an empty token", "access_token=".to_owned(), "malformed_request"),
        ("header, form without a token", "a=b".to_owned(), "ok"),
    ] {
        assert_eq!(ask(1 << 20, text, &bearer).await.0.kind(), expected, "{name}");
    }
    let twice = format!("access_token={token}&access_token={token}");
    assert_eq!(ask(1 << 20, twice, &|_| ()).await.0.kind(), "malformed_request");
    let no_form = |headers: &mut HeaderMap| {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    };
    let (answer, read) = ask(1, form, &no_form).await;
    assert_eq!((answer.kind().as_str(), read), ("missing", 0), "what is no form is not read");

    // Without the layer a form is not looked at.
    let mut request = anonymous("POST");
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    *request.body_mut() = Full::new(Bytes::from(format!("access_token={token}")));
    assert_eq!(Protected::by(&auth).send(request).await.kind(), "missing");
}

#[cfg(feature = "axum")]
#[tokio::test(start_paused = true)]
async fn claims_that_do_not_fit_are_refused() {
    use tower_bearer::Claims;

    #[derive(Debug, Deserialize)]
    struct Tenant {
        tenant: String,
    }
    let idp = TestIssuer::new();
    let log = crate::support::events::Log::start();
    let app = axum::Router::new()
        .route("/orders", axum::routing::get(async |Claims(claims): Claims<Tenant>| claims.tenant.clone()))
        .layer(warm(&idp));
    let ask = async |token: String| send(app.clone(), get(token).map(axum::body::Body::new)).await;
    assert_eq!(ask(idp.token(API).claim("tenant", "acme").sign()).await.body, "acme");
    for token in [idp.token(API).sign(), idp.token(API).claim("tenant", json!(["secret-tenant"])).sign()] {
        let answer = ask(token).await;
        assert_eq!(answer.kind(), "claims_mismatch");
        assert_eq!(answer.challenge().unwrap().param("error"), Some("invalid_token"));
        let told =
            format!("{:?} {:?} {:?} {}", answer.headers(), answer.body, answer.rejection(), log.text());
        assert!(!told.contains("secret-tenant"), "{told}");
    }
}

/// Takes the token out of requests, as one that hides who is calling.
#[derive(Clone)]
struct TakeOut<S>(S);

impl<S: Service<Request<Full<Bytes>>>> Service<Request<Full<Bytes>>> for TakeOut<S> {
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
async fn a_request_is_covered_by_the_layer_that_let_it_through_and_not_by_the_token_in_it() {
    let idp = TestIssuer::new();
    let service = Require::token().layer(Handler::default());
    let token = Protected::by(&warm(&idp)).get(idp.token(API).sign()).await.token().unwrap().clone();
    let mut planted = anonymous("GET");
    planted.extensions_mut().insert(token);
    assert_eq!(send(service.clone(), planted).await.kind(), "not_covered");

    let taken_out = warm(&idp).layer(TakeOut(service.clone()));
    assert_eq!(send(taken_out, get(idp.token(API).sign())).await.kind(), "missing");
    // The innermost answers, by its own name or by none.
    let outer = idp.bearer_auth(API).realm("outer").optional().build().unwrap();
    let inner = idp.bearer_auth(API).realm("inner").build().unwrap();
    let scoped = Require::scope("more").layer(Handler::default());
    let answer = send(outer.layer(inner.layer(scoped)), get(idp.token(API).sign())).await;
    assert_eq!(answer.challenge().unwrap().param("realm"), Some("inner"));
    let answer = send(outer.layer(inner.layer(TakeOut(service))), get(idp.token(API).sign())).await;
    assert_ne!(answer.challenge().unwrap().param("realm"), Some("outer"));
}

/// As `Router::oneshot` in the tests of applications.
#[tokio::test(start_paused = true)]
async fn a_service_that_is_used_up_by_its_request_answers_as_it_is_configured() {
    let idp = TestIssuer::new();
    for known in [false, true] {
        let auth = idp.bearer_auth(API).realm("mine").build().unwrap();
        let token = idp.token(API).sign();
        if known {
            assert_eq!(Protected::by(&auth).kind(&token).await, "ok");
        }
        // What is inside looks at the request when its future is polled.
        let required = Require::scope("more").layer(Handler::default());
        let later = service_fn(move |request| required.clone().oneshot(request));
        let service = auth.layer(later);
        drop(auth);
        let answer = send(service, get(&token)).await;
        assert_eq!(answer.kind(), "scope_insufficient");
        assert_eq!(answer.challenge().unwrap().param("realm"), Some("mine"), "known: {known}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_future_polled_after_its_end_does_no_harm() {
    let idp = TestIssuer::new();
    let handler = Handler::default();
    let mut service = warm(&idp).layer(handler.clone());
    // Refused at once; after the keys were fetched; with them in hand.
    let expired = idp.token(API).expired().sign();
    for request in [anonymous("GET"), get(&expired), get(&expired)] {
        let mut future = pin!(service.call(request));
        assert_eq!(future.as_mut().await.unwrap().status(), 401);
        assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    assert_eq!(handler.calls(), 0);
}
