//! The contestants, one file each. To add a peer: write its file, and name it in [`all`].

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

use crate::trial::Trial;

pub(crate) type Body = Full<Bytes>;

/// A service, as it is timed: a request with this `Authorization` is made and sent; the status of the
/// answer comes back.
pub(crate) type Sender = Box<dyn FnMut(Option<&HeaderValue>) -> u16>;

/// What a contestant's file gives: a service behind it, with the keys of the trial's issuer in hand
/// or soon to come.
pub(crate) type Built = Result<Sender, Box<dyn Error>>;

/// Who takes part.
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    pub(crate) built: Built,
    /// Whether it gets one token all the time, and not a new one each time.
    pub(crate) seen_before: bool,
}

/// All of them, in the order of the table.
pub(crate) async fn all(trial: &Trial) -> Vec<Contestant> {
    let fresh = |name, built| Contestant { name, built, seen_before: false };
    let again = |name, built| Contestant { name, built, seen_before: true };
    vec![
        again("tower-bearer, token seen before", tower_bearer::build(trial).await),
        fresh("tower-bearer, token not seen before", tower_bearer::build(trial).await),
        fresh("axum-jwt-auth 0.7", axum_jwt_auth::build(trial).await),
        fresh("tower-oauth2-resource-server 0.12", tower_oauth2_resource_server::build(trial).await),
        fresh("jwt-authorizer 0.15", jwt_authorizer::build(trial).await),
        fresh("oauth-resource-server 0.4", oauth_resource_server::build(trial).await),
        fresh("huskarl-resource-server 0.11", huskarl_resource_server::build(trial).await),
    ]
}

/// The service that all of them stand before, alone.
pub(crate) fn without_auth() -> Sender {
    sender(service_fn(handle))
}

/// The handler behind every contestant whose types allow it.
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
        assert!(service.poll_ready(&mut context).is_ready(), "none of these services is ever busy");
        let mut answer = pin!(service.call(request));
        let Ok(response) = match answer.as_mut().poll(&mut context) {
            Poll::Ready(response) => response,
            // It asks the issuer for keys: at first, and some of them now and then after a bad signature.
            Poll::Pending => Handle::current().block_on(answer),
        };
        response.status().as_u16()
    })
}
