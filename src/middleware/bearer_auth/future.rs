//! The future of one request: verify its token, wait for what is not cached, then call the inner service or
//! reject.
//!
//! Why: a signature is verified when the future is polled, not when the service is called. So it happens on
//! the task of the request, also behind a buffer and where one task calls all requests of an HTTP/2
//! connection. With the key cached, the first poll reaches the inner service and nothing is boxed; only
//! waiting is.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::request::Parts;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::accepted::Accepted;
use crate::authenticate::{Pending, Progress, Resumed};
use crate::bearer::Located;
use crate::middleware::body::ResponseBody;
use crate::middleware::shared::SharedRef;
use crate::rejection::Rejection;

type BoxedResumed = Pin<Box<dyn Future<Output = Resumed> + Send>>;

pin_project! {
    /// The future of a [`BearerAuthService`](crate::middleware::BearerAuthService).
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, S::Future, B>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, F, B> {
        Verify { call: Option<(S, Parts, B, SharedRef, Located)> },
        // Holds a clone of the service that was ready: a request that waits must not occupy a place in it.
        Wait { resumed: BoxedResumed, call: Option<(S, Parts, B, SharedRef)> },
        // Such a clone must become ready first.
        PollReady { call: Option<(S, Request<B>, Accepted)> },
        Call { #[pin] response: F, accepted: Accepted },
        Reject { rejection: Option<Rejection>, head: Parts, shared: SharedRef },
    }
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    /// The inner service is being called.
    pub(super) fn calling(response: S::Future, accepted: Accepted) -> Self {
        Self { state: State::Call { response, accepted } }
    }
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<B>> + Clone,
{
    /// Goes on from `progress`, with a service that is `ready`.
    pub(super) fn new(progress: Progress, ready: S, head: Parts, body: B, shared: SharedRef) -> Self {
        Self { state: State::after(progress, ready, head, body, shared) }
    }
}

impl<S, B> State<S, S::Future, B>
where
    S: Service<Request<B>> + Clone,
{
    fn after(progress: Progress, mut ready: S, mut head: Parts, body: B, shared: SharedRef) -> Self {
        match progress {
            Progress::Done(Ok(token)) => {
                let accepted = Accepted::new(&mut head, token, Duration::ZERO, &shared);
                Self::Call { response: ready.call(Request::from_parts(head, body)), accepted }
            }
            Progress::Done(Err(rejection)) => Self::Reject { rejection: Some(rejection), head, shared },
            Progress::Uncached(located) => Self::Verify { call: Some((ready, head, body, shared, located)) },
            Progress::Pending(pending) => Self::wait(pending, ready.clone(), head, body, shared),
        }
    }

    fn wait(pending: Pending, service: S, head: Parts, body: B, shared: SharedRef) -> Self {
        let resumed = Box::pin(Arc::clone(&shared.authenticator).resume(pending));
        Self::Wait { resumed, call: Some((service, head, body, shared)) }
    }
}

impl<S, B, R> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
{
    type Output = Result<Response<ResponseBody<R>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            // A future that is polled after its end finds no call and stays pending.
            let next = match state.as_mut().project() {
                StateProj::Verify { call } => {
                    let Some((service, head, body, shared, located)) = call.take() else {
                        return Poll::Pending;
                    };
                    let progress = shared.authenticator.validate(located.octets(&head));
                    State::after(progress, service, head, body, shared)
                }
                StateProj::Wait { resumed, call } => {
                    let Resumed { outcome, introspection_time } = ready!(resumed.as_mut().poll(cx));
                    let Some((service, mut head, body, shared)) = call.take() else { return Poll::Pending };
                    match outcome {
                        Ok(token) => {
                            let accepted = Accepted::new(&mut head, token, introspection_time, &shared);
                            let request = Request::from_parts(head, body);
                            State::PollReady { call: Some((service, request, accepted)) }
                        }
                        Err(rejection) => State::Reject { rejection: Some(rejection), head, shared },
                    }
                }
                StateProj::PollReady { call } => {
                    let Some((service, ..)) = call else { return Poll::Pending };
                    ready!(service.poll_ready(cx))?;
                    let Some((mut service, request, accepted)) = call.take() else { return Poll::Pending };
                    State::Call { response: service.call(request), accepted }
                }
                StateProj::Call { response, accepted } => {
                    let response = ready!(response.poll(cx))?;
                    return Poll::Ready(Ok(accepted.finish(response)));
                }
                StateProj::Reject { rejection, head, shared } => {
                    let Some(rejection) = rejection.take() else { return Poll::Pending };
                    return Poll::Ready(Ok(shared.reject_request(rejection, head)));
                }
            };
            state.set(next);
        }
    }
}

impl<S, B> fmt::Debug for ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
