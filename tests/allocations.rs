//! What a request costs in allocations: counted, since time cannot be asserted.
//!
//! Only the thread of the test is counted.
#![cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]

use std::convert::Infallible;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_bearer::testing::TestIssuer;
use tower_bearer::{BearerAuth, Issuer};

type Body = Full<Bytes>;

const API: &str = "https://api.example.com";

#[test]
fn an_accepted_request_costs_at_most_24_allocations_more_and_a_refused_one_16() {
    let issuer = TestIssuer::new();
    let trusted = Issuer::with_static_jwks(issuer.identifier(), issuer.jwks());
    let auth = BearerAuth::builder(API).clock(issuer.clock()).issuer(trusted).build().unwrap();
    let token =
        issuer.token(API).scope("orders:read orders:write").claim("azp", "frontend").claim("acr", "1");
    let expired = token.clone().expired().sign();
    let bare = allocations(|| status(&mut service_fn(handle), ""));
    let mut service = auth.layer(service_fn(handle));
    let mut count = |token: &str, expected: u16| {
        let header = format!("Bearer {token}");
        assert_eq!(status(&mut service, &header), expected);
        allocations(|| status(&mut service, &header)).saturating_sub(bare)
    };
    let (accepted, refused, missing) = (count(&token.sign(), 200), count(&expired, 401), count("", 400));
    println!(
        "allocations: {bare} without auth; {accepted} more accepted, {refused} expired, {missing} malformed"
    );
    assert!(accepted <= 24, "{accepted}");
    assert!(refused <= 16, "{refused}");
    assert!(missing <= 8, "{missing}");
}

#[tokio::test]
async fn an_opaque_token_whose_answer_is_remembered_costs_at_most_9_allocations_more() {
    let issuer = TestIssuer::new();
    let trusted = Issuer::without_keys(issuer.identifier()).introspect(issuer.introspection());
    let builder = BearerAuth::builder(API).clock(issuer.clock()).http_client(issuer.http_client());
    let auth = builder.issuer(trusted).build().unwrap();
    let header = format!("Bearer {}", issuer.token(API).scope("orders:read orders:write").opaque());
    let request = Request::builder().header(AUTHORIZATION, &header).body(Body::default()).unwrap();
    assert_eq!(auth.layer(service_fn(handle)).oneshot(request).await.unwrap().status(), 200);
    let bare = allocations(|| status(&mut service_fn(handle), ""));
    let mut service = auth.layer(service_fn(handle));
    let more = allocations(|| status(&mut service, &header)).saturating_sub(bare);
    println!("allocations: {bare} without auth; {more} more for an opaque token that is remembered");
    assert!(more <= 9, "{more}");
}

/// What is read twice is decoded or copied twice: 4 KB more of claims may cost 4 KB more of memory, once.
#[test]
fn the_claims_are_read_once() {
    let issuer = TestIssuer::new();
    let trusted = Issuer::with_static_jwks(issuer.identifier(), issuer.jwks());
    let auth = BearerAuth::builder(API).clock(issuer.clock()).issuer(trusted).build().unwrap();
    let mut service = auth.layer(service_fn(handle));
    let mut measure = |bytes: usize| {
        let token = issuer.token(API).claim("ext", "x".repeat(bytes)).sign();
        let header = format!("Bearer {token}");
        assert_eq!(status(&mut service, &header), 200);
        // The header value is a copy of the token; it is made by the test.
        let copies = u64::try_from(header.len()).unwrap();
        let info = allocation_counter::measure(|| {
            status(&mut service, &header);
        });
        (info.count_total, info.bytes_total - copies, u64::try_from(token.len()).unwrap() * 3 / 4)
    };
    let (small, large) = (measure(1024), measure(5 * 1024));
    println!("1 KB: {small:?}, 5 KB: {large:?} (allocations, bytes, bytes of the token)");
    let more = |figure: fn((u64, u64, u64)) -> u64| figure(large) - figure(small);
    assert!(more(|(_, bytes, _)| bytes) <= more(|(_, _, token)| token) * 3 / 2, "{small:?} {large:?}");
}

fn allocations(call: impl FnOnce() -> u16) -> u64 {
    allocation_counter::measure(|| {
        call();
    })
    .count_total
}

fn status<S, B>(service: &mut S, authorization: &str) -> u16
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    let mut request = Request::new(Body::default());
    if !authorization.is_empty() {
        request.headers_mut().insert(AUTHORIZATION, HeaderValue::try_from(authorization).unwrap());
    }
    match pin!(service.call(request)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(response)) => response.status().as_u16(),
        Poll::Pending => panic!("with the key held, one poll finishes the request"),
    }
}

async fn handle(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    Ok(Response::new(Body::default()))
}
