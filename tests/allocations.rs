//! What a request costs in allocations: counted, since time cannot be asserted.
//!
//! The only test in its binary, so that no other thread allocates meanwhile.
#![cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]

use std::convert::Infallible;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use tower::{Layer, Service, service_fn};
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
