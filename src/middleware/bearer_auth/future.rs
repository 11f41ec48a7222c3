//! The future of one request: judge it, wait for what is not known yet (keys, or the issuer's word), then call
//! the inner service or refuse.
//!
//! Why: a signature is checked when the future is polled and not when the service is called, so that this
//! happens on the task of the request, also behind a buffer, and where all requests of an HTTP/2 connection are
//! called by one task. With the key held, the first poll gets to the inner service and nothing is boxed; only waiting
//! is.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::request::Parts;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::accepted::Accepted;
use crate::authenticate::{Outcome, Progress};
use crate::middleware::body::ResponseBody;
use crate::middleware::shared::SharedRef;
use crate::rejection::Rejection;

type Resumed = Pin<Box<dyn Future<Output = (Parts, Outcome)> + Send>>;

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
        Judge { call: Option<(S, Parts, B, SharedRef)> },
        // A clone of the service that was ready: who waits holds no place in it.
        Await { resumed: Resumed, call: Option<(S, B, SharedRef)> },
        // By such a clone, once it is ready.
        Admitted { call: Option<(S, Request<B>, Accepted)> },
        Pass { #[pin] response: F, passage: Accepted },
        Refuse { refusal: Option<(Rejection, Parts, SharedRef)> },
    }
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    pub(super) fn judging(ready: S, head: Parts, body: B, protection: SharedRef) -> Self {
        Self { state: State::Judge { call: Some((ready, head, body, protection)) } }
    }

    pub(super) fn passing(response: S::Future, passage: Accepted) -> Self {
        Self { state: State::Pass { response, passage } }
    }

    pub(super) fn refusing(rejection: Rejection, head: Parts, protection: SharedRef) -> Self {
        Self { state: State::Refuse { refusal: Some((rejection, head, protection)) } }
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
            let next = match state.as_mut().project() {
                StateProj::Judge { call } => {
                    // Polled again after its end: nothing will ever come.
                    let Some((mut service, mut head, body, protection)) = call.take() else {
                        return Poll::Pending;
                    };
                    match protection.authenticator.authenticate(&head) {
                        Progress::Done(Ok(token)) => {
                            let passage = Accepted::of(&mut head, token, &protection);
                            let response = service.call(Request::from_parts(head, body));
                            State::Pass { response, passage }
                        }
                        Progress::Done(Err(rejection)) => {
                            State::Refuse { refusal: Some((rejection, head, protection)) }
                        }
                        Progress::Await(waiting) => {
                            let resumed = Arc::clone(&protection.authenticator).resume(head, waiting);
                            let call = Some((service.clone(), body, protection));
                            State::Await { resumed: Box::pin(resumed), call }
                        }
                    }
                }
                StateProj::Await { resumed, call } => {
                    let (mut head, outcome) = ready!(resumed.as_mut().poll(cx));
                    let Some((service, body, protection)) = call.take() else { return Poll::Pending };
                    match outcome {
                        Ok(token) => {
                            let passage = Accepted::of(&mut head, token, &protection);
                            State::Admitted {
                                call: Some((service, Request::from_parts(head, body), passage)),
                            }
                        }
                        Err(rejection) => State::Refuse { refusal: Some((rejection, head, protection)) },
                    }
                }
                StateProj::Admitted { call } => {
                    let Some((service, ..)) = call else { return Poll::Pending };
                    ready!(service.poll_ready(cx))?;
                    let Some((mut service, request, passage)) = call.take() else { return Poll::Pending };
                    State::Pass { response: service.call(request), passage }
                }
                StateProj::Pass { response, passage } => {
                    let response = ready!(response.poll(cx))?;
                    return Poll::Ready(Ok(passage.passed(response)));
                }
                StateProj::Refuse { refusal } => {
                    let Some((rejection, head, protection)) = refusal.take() else { return Poll::Pending };
                    return Poll::Ready(Ok(protection.refuse(rejection, &head)));
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
