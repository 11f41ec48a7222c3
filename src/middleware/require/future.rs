//! The future of one request on a route with a requirement.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::request::Parts;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::route::Route;
use crate::authenticate::StillActive;
use crate::middleware::body::ResponseBody;
use crate::middleware::coverage::reject;
use crate::rejection::Rejection;

pin_project! {
    /// The future of a [`RequireService`].
    pub struct RequireFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, S::Future, B>,
    }
}

pin_project! {
    #[project = StateProj]
    pub(super) enum State<S, F, B> {
        // Holds a clone of the service that was ready: a request that waits must not occupy a place in it.
        Introspect { introspected: StillActive, route: Arc<Route>, call: Option<(S, Parts, B)> },
        PollReady { call: Option<(S, Request<B>)> },
        Call { #[pin] response: F },
        Reject { rejected: Option<(Rejection, Parts)> },
    }
}

impl<S, B> RequireFuture<S, B>
where
    S: Service<Request<B>>,
{
    pub(super) fn new(state: State<S, S::Future, B>) -> Self {
        Self { state }
    }
}

impl<S, B, R> Future for RequireFuture<S, B>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
{
    type Output = Result<Response<ResponseBody<R>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProj::Introspect { introspected, route, call } => {
                    let introspected = ready!(introspected.as_mut().poll(cx));
                    let Some((service, mut head, body)) = call.take() else { return Poll::Pending };
                    match route.check_again(&mut head, introspected) {
                        Ok(()) => State::PollReady { call: Some((service, Request::from_parts(head, body))) },
                        Err(rejection) => State::Reject { rejected: Some((rejection, head)) },
                    }
                }
                StateProj::PollReady { call } => {
                    let Some((service, _)) = call else { return Poll::Pending };
                    ready!(service.poll_ready(cx))?;
                    let Some((mut service, request)) = call.take() else { return Poll::Pending };
                    State::Call { response: service.call(request) }
                }
                StateProj::Call { response } => {
                    let response = ready!(response.poll(cx))?;
                    return Poll::Ready(Ok(response.map(ResponseBody::inner)));
                }
                StateProj::Reject { rejected } => {
                    // Polled after its end: it stays pending.
                    let Some((rejection, head)) = rejected.take() else { return Poll::Pending };
                    return Poll::Ready(Ok(reject(rejection, &head)));
                }
            };
            state.set(next);
        }
    }
}

impl<S, B> fmt::Debug for RequireFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireFuture").finish_non_exhaustive()
    }
}
