//! A proof is for one method and one URL (RFC 9449 section 4.3, items 8 and 9).

use std::convert::Infallible;
use std::future::ready;

use axum::Router;
use axum::body::Body;
use axum::routing::any;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderName, Method, Request, Response};
use http_body_util::Full;
use tower::{Layer, ServiceBuilder, service_fn};
use tower_bearer::RejectionKind::{Missing, ProofMethodMismatch, ProofMissing, ProofUrlMismatch};
use tower_bearer::dpop::{Dpop, Target};

use crate::support::dpop::DpopApi;
use crate::support::protected::{ACCEPTED, API, Outcome, send};

const WRONG_URL: Outcome = Err(ProofUrlMismatch);

/// The request with this request target, and the proof of the client for this `htu`.
fn request(api: &DpopApi, method: &str, uri: &str, htu: &str) -> Request<Full<Bytes>> {
    let token = api.token();
    let proof = api.key.proof(method, API).token(&token).claim("htu", htu).sign();
    let request = Request::builder().method(method).uri(uri).header("dpop", proof);
    request.header(AUTHORIZATION, format!("DPoP {token}")).body(Full::default()).unwrap()
}

/// Asserts the outcomes of GETs: request target, `htu`, outcome.
async fn check(api: &DpopApi, rows: &[(&str, &str, Outcome)]) {
    for (uri, htu, expected) in rows {
        assert_eq!(api.outcome(request(api, "GET", uri, htu)).await, *expected, "{uri} with {htu}");
    }
}

#[tokio::test(start_paused = true)]
async fn htu_is_the_base_url_with_the_path_of_the_request() {
    let rows = [
        ("/orders", "https://api.example.com/orders", ACCEPTED),
        ("/", "https://api.example.com/", ACCEPTED),
        ("/", "https://api.example.com", ACCEPTED),
        ("/orders", "https://api.example.com/order", WRONG_URL),
        ("/orders", "https://api.example.com/orders/", WRONG_URL),
        ("/orders/", "https://api.example.com/orders", WRONG_URL),
        ("/orders", "https://api.example.com/Orders", WRONG_URL),
        ("/orders", "http://api.example.com/orders", WRONG_URL),
        ("/orders", "https://api.example.com:8443/orders", WRONG_URL),
        ("/orders", "https://api.example.com.evil.example/orders", WRONG_URL),
        ("/orders", "https://user@api.example.com/orders", WRONG_URL),
        ("/orders", "//api.example.com/orders", WRONG_URL),
        ("/orders", "/orders", WRONG_URL),
        ("/orders", "", WRONG_URL),
    ];
    check(&DpopApi::new(), &rows).await;
}

#[tokio::test(start_paused = true)]
async fn queries_and_fragments_are_ignored_on_both_sides() {
    let rows = [
        ("/orders?page=2", "https://api.example.com/orders", ACCEPTED),
        ("/orders", "https://api.example.com/orders?page=2", ACCEPTED),
        ("/orders?page=2", "https://api.example.com/orders?page=3#top", ACCEPTED),
        ("/orders?page=2", "https://api.example.com/orders#top", ACCEPTED),
        ("/?a", "https://api.example.com?b", ACCEPTED),
        ("/orders?/x", "https://api.example.com/orders/x", WRONG_URL),
        ("/orders", "https://api.example.com/orders%3Fpage=2", WRONG_URL),
    ];
    check(&DpopApi::new(), &rows).await;
}

/// RFC 3986 sections 6.2.2 and 6.2.3.
#[tokio::test(start_paused = true)]
async fn equivalent_urls_are_equal_whoever_wrote_them() {
    let rows = [
        ("/~a-b_c.d", "https://api.example.com/%7Ea%2db%5Fc%2E%64", ACCEPTED),
        ("/%7Ea%2db%5Fc%2E%64", "https://api.example.com/~a-b_c.d", ACCEPTED),
        ("/%c3%bc", "https://api.example.com/%C3%BC", ACCEPTED),
        ("/a/b", "HTTPS://API.Example.Com:443/a/./c/../b", ACCEPTED),
        // Routers do not normalize the path of the request.
        ("/a/./c/../b", "https://api.example.com/a/b", WRONG_URL),
        ("/a/%2e%2e/b", "https://api.example.com/b", WRONG_URL),
        ("/a/../b", "https://api.example.com/a/../b", ACCEPTED),
        ("/a%2Fb", "https://api.example.com/a/b", WRONG_URL),
        ("/a/b", "https://api.example.com/a%2Fb", WRONG_URL),
        ("/a%2fb", "https://api.example.com/a%2Fb", ACCEPTED),
        ("/a//b", "https://api.example.com/a/b", WRONG_URL),
        ("//a", "https://api.example.com/a", WRONG_URL),
        ("/a+b", "https://api.example.com/a%2Bb", WRONG_URL),
        ("/a%20b", "https://api.example.com/a+b", WRONG_URL),
        ("/a%2561", "https://api.example.com/aa", WRONG_URL),
    ];
    check(&DpopApi::new(), &rows).await;
}

#[tokio::test(start_paused = true)]
async fn no_header_and_no_authority_of_a_request_changes_its_url() {
    let api = DpopApi::new();
    let lies: [(HeaderName, &str); 6] = [
        (HeaderName::from_static("host"), "evil.example"),
        (HeaderName::from_static("forwarded"), "host=evil.example;proto=https"),
        (HeaderName::from_static("x-forwarded-host"), "evil.example"),
        (HeaderName::from_static("x-forwarded-proto"), "http"),
        (HeaderName::from_static("x-forwarded-prefix"), "/evil"),
        (HeaderName::from_static("x-original-url"), "/evil"),
    ];
    for uri in ["/orders", "https://evil.example/orders", "http://evil.example:8080/orders"] {
        for (htu, expected) in [
            ("https://api.example.com/orders", ACCEPTED),
            ("https://evil.example/orders", WRONG_URL),
            ("http://api.example.com/orders", WRONG_URL),
            ("https://api.example.com/evil", WRONG_URL),
            ("https://api.example.com/evil/orders", WRONG_URL),
        ] {
            let mut request = request(&api, "GET", uri, htu);
            request.headers_mut().extend(lies.clone().map(|(name, value)| (name, value.parse().unwrap())));
            assert_eq!(api.outcome(request).await, expected, "{uri} with {htu}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_base_url_is_accepted_and_nothing_beside_them() {
    let dpop = Dpop::at("https://api.example.com/v2").and_at("https://eu.example.com");
    let api = DpopApi::configured(|_, builder| builder.dpop(dpop));
    let rows = [
        ("/orders", "https://api.example.com/v2/orders", ACCEPTED),
        ("/orders", "https://eu.example.com/orders", ACCEPTED),
        ("/orders", "https://api.example.com/orders", WRONG_URL),
        ("/orders", "https://eu.example.com/v2/orders", WRONG_URL),
        ("/v2/orders", "https://api.example.com/v2/orders", WRONG_URL),
        ("/v2/orders", "https://api.example.com/v2/v2/orders", ACCEPTED),
        ("/", "https://api.example.com/v2", ACCEPTED),
        ("/", "https://api.example.com/v2/", ACCEPTED),
        ("/", "https://api.example.com/", WRONG_URL),
        ("/../orders", "https://api.example.com/v2/orders", WRONG_URL),
        ("/orders", "https://api.example.com/v2/../orders", WRONG_URL),
    ];
    check(&api, &rows).await;
}

/// axum strips the prefix of a nested router before the layer sees the request.
#[tokio::test(start_paused = true)]
async fn the_prefix_of_a_nested_router_is_in_the_base_url() {
    let base = Dpop::at("https://api.example.com/shop/v2");
    let api = DpopApi::configured(|_, builder| builder.dpop(base));
    let routes = Router::new()
        .route("/", any(async || "root"))
        .route("/orders/{id}", any(async || "order"))
        .layer(api.auth.clone());
    let app = Router::new().nest("/shop", Router::new().nest("/v2", routes));
    for (uri, htu, status) in [
        ("/shop/v2/orders/7?x=1", "https://api.example.com/shop/v2/orders/7", 200),
        ("/shop/v2/orders/7", "https://api.example.com/orders/7", 401),
        ("/shop/v2/orders/7", "https://api.example.com/v2/orders/7", 401),
        ("/shop/v2/orders/7", "https://api.example.com/shop/v2/shop/v2/orders/7", 401),
        ("/shop/v2", "https://api.example.com/shop/v2", 200),
    ] {
        let request = request(&api, "GET", uri, htu).map(Body::new);
        assert_eq!(send(app.clone(), request).await.status(), status, "{uri} with {htu}");
    }
}

#[tokio::test(start_paused = true)]
async fn htm_is_the_method_byte_for_byte() {
    let api = DpopApi::new();
    let token = api.token();
    for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "QUERY"] {
        let proof = api.key.proof(method, "https://api.example.com/orders").token(&token);
        for htm in ["get", "Get", "GET ", "", "HEAD", "GET", "OPTIONS", "QUERY", "TRACE"] {
            let changed = proof.clone().claim("htm", htm).claim("jti", format!("{method} {htm}"));
            let expected = if htm == method { ACCEPTED } else { Err(ProofMethodMismatch) };
            assert_eq!(api.outcome_of(&changed).await, expected, "{htm:?} for {method}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_preflight_needs_no_proof_and_any_other_options_request_does() {
    let api = DpopApi::configured(|_, builder| builder.dpop(Dpop::at(API)).allow_preflight());
    let preflight = |request: http::request::Builder| {
        let request = request.method("OPTIONS").header("origin", "https://app.example");
        request.header("access-control-request-method", "GET").body(Full::default()).unwrap()
    };
    let anonymous = Request::builder().uri("https://api.example.com/orders");
    assert_eq!(api.outcome(preflight(anonymous)).await, ACCEPTED);
    let token = api.token();
    let with_token = Request::builder().uri("/orders").header(AUTHORIZATION, format!("DPoP {token}"));
    assert_eq!(api.outcome(preflight(with_token)).await, Err(ProofMissing), "no browser sends this");
    let options = Request::options("/orders").body(Full::default()).unwrap();
    assert_eq!(api.outcome(options).await, Err(Missing));
    let with_proof = request(&api, "OPTIONS", "/orders", "https://api.example.com/orders");
    assert_eq!(api.outcome(with_proof).await, ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_path_fits_no_proof() {
    let api = DpopApi::new();
    for (method, uri) in [("OPTIONS", "*"), ("CONNECT", "api.example.com:443")] {
        for htu in ["https://api.example.com", "https://api.example.com/", "*", "https://api.example.com/*"] {
            let request = request(&api, method, uri, htu);
            assert_eq!(api.outcome(request).await, WRONG_URL, "{method} {uri} with {htu}");
        }
    }
}

/// RFC 6455 section 4.1 and RFC 8441 section 5.
#[tokio::test(start_paused = true)]
async fn a_web_socket_url_is_accepted_on_request_and_only_to_open_a_web_socket() {
    let default = DpopApi::new();
    let accepting = DpopApi::with(Dpop::accept_web_socket_urls);
    let upgrade = |mut request: Request<Full<Bytes>>| {
        request.headers_mut().insert("upgrade", "WebSocket".parse().unwrap());
        request
    };
    for (htu, by_default, on_request) in [
        ("https://api.example.com/ws", ACCEPTED, ACCEPTED),
        ("wss://api.example.com/ws", WRONG_URL, ACCEPTED),
        ("WSS://api.example.com:443/ws?x", WRONG_URL, ACCEPTED),
        ("ws://api.example.com/ws", WRONG_URL, WRONG_URL),
        ("wss://other.example.com/ws", WRONG_URL, WRONG_URL),
    ] {
        let opened = upgrade(request(&default, "GET", "/ws", htu));
        assert_eq!(default.outcome(opened).await, by_default, "{htu}");
        let opened = upgrade(request(&accepting, "GET", "/ws", htu));
        assert_eq!(accepting.outcome(opened).await, on_request, "{htu}");
        let plain = request(&accepting, "GET", "/ws", htu);
        assert_eq!(accepting.outcome(plain).await, by_default, "{htu} without Upgrade");
        let extended = request(&accepting, "CONNECT", "https://api.example.com/ws", htu);
        assert_eq!(accepting.outcome(extended).await, on_request, "{htu} with extended CONNECT");
    }
}

/// A proxy that asks this API whether it may forward a request (forward authentication).
#[tokio::test(start_paused = true)]
async fn target_from_computes_the_method_and_the_url() {
    let dpop = Dpop::at("https://api.example.com/shop").target_from(|head| {
        let header = |name| head.headers.get(name)?.to_str().ok();
        let method: Method = header("x-method")?.parse().ok()?;
        Some(Target::new(method, header("x-url")?))
    });
    let api = DpopApi::configured(|_, builder| builder.dpop(dpop));
    for (method, url, htu, expected) in [
        ("POST", "https://api.example.com/shop/orders?x=1", "https://api.example.com/shop/orders", ACCEPTED),
        ("POST", "https://api.example.com/shop", "https://api.example.com/shop#top", ACCEPTED),
        ("GET", "https://api.example.com/shop/x", "https://api.example.com/shop/x", Err(ProofMethodMismatch)),
        ("POST", "https://api.example.com/shop/a", "https://api.example.com/shop/b", WRONG_URL),
        ("POST", "https://api.example.com/shopping", "https://api.example.com/shopping", WRONG_URL),
        ("POST", "https://evil.example/shop/x", "https://evil.example/shop/x", WRONG_URL),
        ("POST", "/shop/orders", "https://api.example.com/shop/orders", WRONG_URL),
    ] {
        let mut request = request(&api, "POST", "/check", htu);
        request.headers_mut().insert("x-method", method.parse().unwrap());
        request.headers_mut().insert("x-url", url.parse().unwrap());
        *request.method_mut() = Method::GET;
        assert_eq!(api.outcome(request).await, expected, "{method} {url} with {htu}");
    }
    let untold = request(&api, "GET", "/check", "https://api.example.com/shop/check");
    assert_eq!(api.outcome(untold).await, WRONG_URL, "no target");
}

/// The layer sees the request before or after a layer that rewrites it.
#[tokio::test(start_paused = true)]
async fn the_url_is_that_of_the_request_when_it_reaches_the_layer() {
    let api = DpopApi::new();
    let rewrite = |mut request: Request<Full<Bytes>>| {
        *request.uri_mut() = "/rewritten".parse().unwrap();
        request
    };
    let handler = service_fn(|_: Request<Full<Bytes>>| {
        ready(Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())))
    });
    let outer = ServiceBuilder::new().map_request(rewrite).service(api.auth.layer(handler));
    for (htu, status) in [("https://api.example.com/rewritten", 200), ("https://api.example.com/orders", 401)]
    {
        let response = send(outer.clone(), request(&api, "GET", "/orders", htu)).await;
        assert_eq!(response.status(), status, "{htu}");
    }
}
