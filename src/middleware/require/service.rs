//! The service that checks a route's requirement before it calls the inner service.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use super::future::{RequireFuture, State};
use super::layer::Route;
use crate::middleware::body::ResponseBody;
use crate::middleware::shared::still_active;

/// The service that [`Require`] makes of an inner service `S`.
#[derive(Clone, Debug)]
pub struct RequireService<S> {
    inner: S,
    route: Arc<Route>,
}

impl<S> RequireService<S> {
    pub(super) fn new(inner: S, route: Arc<Route>) -> Self {
        Self { inner, route }
    }
}

impl<S, B, R> Service<Request<B>> for RequireService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = RequireFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (head, body) = request.into_parts();
        let asked = self
            .route
            .check(&head)
            .map(|token| self.route.active_within.map(|within| still_active(token, &head, within)));
        let state = match asked {
            Ok(None) => State::Pass { response: self.inner.call(Request::from_parts(head, body)) },
            Ok(Some(asked)) => {
                let call = Some((self.inner.clone(), head, body));
                // Gives the place back that the service had kept for this call: who waits needs none yet, and
                // the clone will want one.
                self.inner = self.inner.clone();
                State::Ask { asked, route: Arc::clone(&self.route), call }
            }
            Err(rejection) => State::Refuse { refusal: Some((rejection, head)) },
        };
        RequireFuture::new(state)
    }
}
