//! The service that checks a route's requirement before it calls the inner service.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

use super::future::{RequireFuture, State};
use super::route::Route;
use crate::middleware::body::ResponseBody;

/// The service of the layer [`Require`](crate::Require), around an inner service `S`.
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
        let state = match self.route.check(&head) {
            Err(rejection) => State::Reject { rejected: Some((rejection, head)) },
            Ok(token) => match self.route.introspection(token, &head) {
                None => State::Call { response: self.inner.call(Request::from_parts(head, body)) },
                Some(introspected) => {
                    let call = Some((self.inner.clone(), head, body));
                    // Gives back the place that the service holds for this call: a request that waits needs
                    // none yet, and the clone will ask for one.
                    self.inner = self.inner.clone();
                    State::Introspect { introspected, route: Arc::clone(&self.route), call }
                }
            },
        };
        RequireFuture::new(state)
    }
}
