//! The crates that are compared, one file each. To add one: write its file and add it to [`all`].

mod axum_jwt_auth;
mod huskarl_resource_server;
mod jwt_authorizer;
mod oauth_resource_server;
mod tower_bearer;
mod tower_oauth2_resource_server;

use std::convert::Infallible;
use std::error::Error;
use std::future::{Ready, ready};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use tokio::runtime::Handle;
use tower::{Service, service_fn};

use crate::fixture::Fixture;

pub(crate) type Body = Full<Bytes>;

/// A service under measurement: sends a request with this `Authorization` header and returns the status.
pub(crate) type Sender = Box<dyn FnMut(Option<&HeaderValue>) -> u16>;

/// The result of each `build` function: a service whose keys are cached or being fetched.
pub(crate) type Built = Result<Sender, Box<dyn Error>>;

/// A crate in one configuration: a row of the table.
pub(crate) struct Candidate {
    pub(crate) name: &'static str,
    pub(crate) built: Built,
    /// Whether it gets the same token in every request.
    pub(crate) repeats_token: bool,
}

/// All candidates, in the order of the table.
pub(crate) async fn all(fixture: &Fixture) -> Vec<Candidate> {
    let fresh = |name, built| Candidate { name, built, repeats_token: false };
    let repeated = |name, built| Candidate { name, built, repeats_token: true };
    vec![
        repeated("tower-bearer, cached token", tower_bearer::build(fixture).await),
        fresh("tower-bearer, uncached token", tower_bearer::build(fixture).await),
        fresh("axum-jwt-auth 0.7", axum_jwt_auth::build(fixture).await),
        fresh("tower-oauth2-resource-server 0.12", tower_oauth2_resource_server::build(fixture).await),
        fresh("jwt-authorizer 0.15", jwt_authorizer::build(fixture).await),
        fresh("oauth-resource-server 0.4", oauth_resource_server::build(fixture).await),
        fresh("huskarl-resource-server 0.11", huskarl_resource_server::build(fixture).await),
    ]
}

/// The inner service alone: the baseline.
pub(crate) fn without_layer() -> Sender {
    sender(service_fn(handle))
}

/// The inner service of every candidate whose types allow it.
fn handle(_: Request<Body>) -> Ready<Result<Response<Body>, Infallible>> {
    ready(Ok(Response::new(Body::default())))
}

fn sender<S, B>(mut service: S) -> Sender
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + 'static,
{
    Box::new(move |authorization| {
        let mut request = Request::new(Body::default());
        if let Some(authorization) = authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        let mut context = Context::from_waker(Waker::noop());
        assert!(service.poll_ready(&mut context).is_ready(), "the services are always ready");
        let mut future = pin!(service.call(request));
        let Ok(response) = match future.as_mut().poll(&mut context) {
            Poll::Ready(response) => response,
            // A key fetch: the first one, and for some crates another one after an invalid signature.
            Poll::Pending => Handle::current().block_on(future),
        };
        response.status().as_u16()
    })
}
