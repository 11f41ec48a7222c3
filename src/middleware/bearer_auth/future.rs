//! The future of one request: verify its token, wait for what is not cached, check the proof of its sender,
//! then call the inner service or reject.
//!
//! Why: a signature is verified when the future is polled, not when the service is called. So it happens on
//! the task of the request, also behind a buffer and where one task calls all requests of an HTTP/2
//! connection. With the key cached, the first poll reaches the inner service and nothing is boxed; only
//! waiting is.
//!
//! Why the call is no part of the state: so it is not copied from state to state.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::accepted::Accepted;
use crate::access_token::AccessToken;
use crate::authenticate::{PendingProof, Progress, ProofProgress, Resumed, Stop, Unproven};
use crate::bearer::{Located, Scheme};
use crate::event::span::DecisionSpan;
use crate::middleware::body::ResponseBody;
use crate::middleware::shared::SharedRef;
use crate::observe::Undecided;
use crate::rejection::Rejection;

type BoxedResumed = Pin<Box<dyn Future<Output = Resumed> + Send>>;

pin_project! {
    /// The future of a [`BearerAuthService`](crate::middleware::BearerAuthService).
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S::Future>,
        // `None` for a request that is decided, unless it waits for the inner service to be ready.
        call: Option<Call<S, B>>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Verify { located: Located },
        Wait { resumed: BoxedResumed, scheme: Scheme },
        Prove { unproven: Option<Unproven> },
        WaitForProof { proof: PendingProof },
        PollReady { accepted: Option<Accepted> },
        Call { #[pin] response: F, accepted: Accepted },
        Reject { response: Option<Response<Bytes>> },
    }
}

/// A request whose token is not cached.
struct Call<S, B> {
    /// It was polled ready, or is a clone of that service after the request had to wait.
    service: S,
    head: Parts,
    body: B,
    shared: SharedRef,
    span: DecisionSpan,
    /// How long the request has waited for introspection.
    introspection_time: Duration,
    undecided: Undecided,
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    /// The inner service is being called.
    pub(super) fn calling(response: S::Future, accepted: Accepted) -> Self {
        Self { state: State::Call { response, accepted }, call: None }
    }

    /// The request is rejected with this response.
    pub(super) fn rejected(response: Response<Bytes>) -> Self {
        Self { state: State::Reject { response: Some(response) }, call: None }
    }
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<B>> + Clone,
{
    /// Goes on from `progress`, with a service that is `ready`.
    pub(super) fn new(
        progress: Progress,
        undecided: Undecided,
        ready: S,
        head: Parts,
        body: B,
        shared: SharedRef,
    ) -> Self {
        let span = DecisionSpan::open();
        let introspection_time = Duration::ZERO;
        let mut call = Call { service: ready, head, body, shared, span, introspection_time, undecided };
        Self { state: call.after(progress), call: Some(call) }
    }
}

impl<S, B> Call<S, B>
where
    S: Service<Request<B>> + Clone,
{
    fn after(&mut self, progress: Progress) -> State<S::Future> {
        match progress {
            Progress::Done(Ok(token)) => self.accept(token, None),
            Progress::Done(Err(rejection)) => self.reject(rejection),
            Progress::Uncached(located) => State::Verify { located },
            Progress::Unproven(unproven) => State::Prove { unproven: Some(unproven) },
            Progress::Pending(pending, scheme) => {
                self.give_back_place();
                State::Wait {
                    resumed: Box::pin(Arc::clone(&self.shared.authenticator).resume(pending)),
                    scheme,
                }
            }
        }
    }

    fn after_proof(&mut self, proof: ProofProgress) -> State<S::Future> {
        match proof {
            ProofProgress::Done(Ok(proven)) => self.accept(Some(proven.token), proven.fresh_nonce),
            ProofProgress::Done(Err(rejection)) => self.reject(rejection),
            ProofProgress::Pending(proof) => {
                self.give_back_place();
                State::WaitForProof { proof }
            }
        }
    }

    /// Gives back the place in the service that is ready: a request that waits must not occupy one.
    fn give_back_place(&mut self) {
        self.service = self.service.clone();
    }

    fn accept(&mut self, token: Option<AccessToken>, fresh_nonce: Option<HeaderValue>) -> State<S::Future> {
        self.span.end("accepted");
        let (introspection_time, undecided) = (self.introspection_time, self.undecided);
        let accepted = Accepted::new(&mut self.head, token, introspection_time, undecided, &self.shared);
        State::PollReady { accepted: Some(accepted.with_fresh_nonce(fresh_nonce)) }
    }

    fn reject(&mut self, rejection: Rejection) -> State<S::Future> {
        self.span.end(rejection.kind().as_str());
        let response = self.shared.reject_request(rejection, &mut self.head, self.undecided);
        State::Reject { response: Some(response) }
    }
}

impl<S, B, R> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
{
    type Output = Result<Response<ResponseBody<R>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            // A future that is polled after its end finds no call or no response, and stays pending.
            let next = match (this.state.as_mut().project(), &mut *this.call) {
                (StateProj::Call { response, accepted }, _) => {
                    let response = ready!(response.poll(cx))?;
                    return Poll::Ready(Ok(accepted.finish(response)));
                }
                (StateProj::Reject { response }, call) => {
                    *call = None;
                    let Some(response) = response.take() else { return Poll::Pending };
                    return Poll::Ready(Ok(response.map(ResponseBody::rejection)));
                }
                (_, None) => return Poll::Pending,
                (StateProj::Verify { located }, Some(call)) => {
                    let validate = || call.shared.authenticator.validate(located, &call.head);
                    let progress = call.span.in_scope(validate);
                    call.after(progress)
                }
                (StateProj::Wait { resumed, scheme }, Some(call)) => {
                    let Resumed { outcome, introspection_time, is_introspected } =
                        ready!(call.span.in_scope(|| resumed.as_mut().poll(cx)));
                    let progress = call.shared.authenticator.progress(outcome.map_err(Stop::from), *scheme);
                    call.introspection_time = introspection_time;
                    if is_introspected {
                        call.undecided.lookup = call.undecided.lookup.introspected();
                    }
                    call.after(progress)
                }
                (StateProj::Prove { unproven }, Some(call)) => {
                    let Some(unproven) = unproven.take() else { return Poll::Pending };
                    let prove = || call.shared.authenticator.prove(&call.head, unproven);
                    let proof = call.span.in_scope(prove);
                    call.after_proof(proof)
                }
                (StateProj::WaitForProof { proof }, Some(call)) => {
                    let proof = ready!(call.span.in_scope(|| proof.as_mut().poll(cx)));
                    call.after_proof(ProofProgress::Done(proof))
                }
                // A clone of the service must become ready first. One that is ready stays so.
                (StateProj::PollReady { accepted }, Some(call)) => {
                    ready!(call.service.poll_ready(cx))?;
                    let Some((call, accepted)) = this.call.take().zip(accepted.take()) else {
                        return Poll::Pending;
                    };
                    let Call { mut service, head, body, .. } = call;
                    State::Call { response: service.call(Request::from_parts(head, body)), accepted }
                }
            };
            this.state.set(next);
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
