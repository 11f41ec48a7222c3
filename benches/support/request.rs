//! The measured requests: bare, typical, and through a router.
//!
//! Why two forms: a *bare* request has only the token and uses one service, as a connection does, so the cost
//! of the layer dominates. A *typical* request is a lower bound for a real one: it has a URI and headers, and
//! clones the service, as routers do. The baseline without the layer is otherwise the same.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use axum::Router;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, USER_AGENT};
use http::{HeaderValue, Method, Request, Response};
use http_body_util::Full;
use tower::layer::util::Identity;
use tower::{Layer, Service, ServiceExt};

pub(crate) type Body = Full<Bytes>;

/// No layer at all.
pub(crate) const NO_LAYER: Identity = Identity::new();

/// The path of typical requests.
pub(crate) const ORDERS: &str = "/orders";

/// The service of bare requests: an empty response.
#[derive(Clone)]
pub(crate) struct Empty;

/// The service of typical requests: a small response.
#[derive(Clone)]
pub(crate) struct Orders;

macro_rules! service {
    ($service:ty, $response:expr) => {
        impl Service<Request<Body>> for $service {
            type Response = Response<Body>;
            type Error = Infallible;
            type Future = Ready<Result<Response<Body>, Infallible>>;

            fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
                Poll::Ready(Ok(()))
            }

            fn call(&mut self, _: Request<Body>) -> Self::Future {
                ready(Ok($response))
            }
        }
    };
}

service!(Empty, Response::new(Body::default()));
service!(Orders, {
    let json = HeaderValue::from_static("application/json");
    let body = Body::from(r#"{"orders":[]}"#);
    Response::builder().header(CONTENT_TYPE, json).body(body).expect("a response")
});

/// Sends bare requests with each of these `Authorization` headers in turn, or without one if there are none.
pub(crate) fn bare<L, S, R>(layer: &L, headers: &[HeaderValue], expected: u16) -> impl Fn() + use<L, S, R>
where
    L: Layer<Empty, Service = S>,
    S: Service<Request<Body>, Response = Response<R>, Error = Infallible>,
{
    let (service, cycle) = (RefCell::new(layer.layer(Empty)), Cycle::new(headers));
    move || finish(service.borrow_mut().call(opaque(bare_request(cycle.next()))), expected)
}

/// Like [`bare`], with typical requests.
pub(crate) fn typical<L, S, R>(layer: &L, headers: &[HeaderValue], expected: u16) -> impl Fn() + use<L, S, R>
where
    L: Layer<Orders, Service = S>,
    S: Service<Request<Body>, Response = Response<R>, Error = Infallible> + Clone,
{
    let (service, cycle) = (layer.layer(Orders), Cycle::new(headers));
    move || finish(service.clone().oneshot(opaque(typical_request::<Body>(cycle.next()))), expected)
}

/// Like [`bare`], with typical requests to a router.
pub(crate) fn routed(router: &Router, headers: &[HeaderValue], expected: u16) -> impl Fn() + use<> {
    let (router, cycle) = (router.clone(), Cycle::new(headers));
    move || {
        finish(router.clone().oneshot(opaque(typical_request::<axum::body::Body>(cycle.next()))), expected)
    }
}

pub(crate) fn bare_request(authorization: Option<HeaderValue>) -> Request<Body> {
    let mut request = Request::new(Body::default());
    if let Some(authorization) = authorization {
        request.headers_mut().insert(AUTHORIZATION, authorization);
    }
    request
}

/// Its header values are cheap to clone, like those of a server, which share the read buffer.
pub(crate) fn typical_request<B: Default>(authorization: Option<HeaderValue>) -> Request<B> {
    let mut request = Request::builder()
        .method(Method::GET)
        .uri("/orders?limit=10")
        .header(HOST, HeaderValue::from_static("api.example.com"))
        .header(USER_AGENT, HeaderValue::from_static("orders-frontend/2.3"))
        .header(ACCEPT, HeaderValue::from_static("application/json"));
    if let Some(authorization) = authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    request.body(B::default()).expect("a request")
}

/// An endless iterator over header values.
struct Cycle {
    headers: Vec<HeaderValue>,
    next: Cell<usize>,
}

impl Cycle {
    /// Copies the headers, so that two threads share no reference counts.
    fn new(headers: &[HeaderValue]) -> Self {
        let copy = |header: &HeaderValue| HeaderValue::from_bytes(header.as_bytes()).expect("a header value");
        Self { headers: headers.iter().map(copy).collect(), next: Cell::new(0) }
    }

    fn next(&self) -> Option<HeaderValue> {
        let header = self.headers.get(self.next.get())?;
        let next = self.next.get() + 1;
        self.next.set(if next == self.headers.len() { 0 } else { next });
        Some(header.clone())
    }
}

/// Keeps the compiler from removing parts that are never read.
pub(crate) fn opaque<B>(mut request: Request<B>) -> Request<B> {
    black_box(&mut request);
    request
}

/// Polls once and checks the status of the response.
pub(crate) fn finish<R>(future: impl Future<Output = Result<Response<R>, Infallible>>, expected: u16) {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(response)) => assert_eq!(black_box(response).status(), expected),
        Poll::Pending => panic!("a request that needs no fetch completes at the first poll"),
    }
}
