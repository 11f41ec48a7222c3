//! The future of one request: verify its token, wait for what is not cached, check the proof of its sender,
//! then call the inner service or reject.
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
        state: State<S, S::Future, B>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, F, B> {
        Verify { located: Located, call: Option<Call<S, B>> },
        Wait { resumed: BoxedResumed, scheme: Scheme, call: Option<Call<S, B>> },
        Prove { unproven: Option<Unproven>, call: Option<Call<S, B>> },
        WaitForProof { proof: PendingProof, call: Option<Call<S, B>> },
        PollReady { accepted: Option<(S, Request<B>, Accepted)> },
        Call { #[pin] response: F, accepted: Accepted },
        Reject { rejection: Option<Rejection>, undecided: Undecided, head: Parts, shared: SharedRef },
    }
}

/// A request that is not accepted yet.
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
        Self { state: State::Call { response, accepted } }
    }

    /// The request is rejected without a look at the token's signature.
    pub(super) fn rejecting(
        rejection: Rejection,
        undecided: Undecided,
        head: Parts,
        shared: SharedRef,
    ) -> Self {
        Self { state: State::Reject { rejection: Some(rejection), undecided, head, shared } }
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
        let call = Call { service: ready, head, body, shared, span, introspection_time, undecided };
        Self { state: call.after(progress) }
    }
}

impl<S, B> Call<S, B>
where
    S: Service<Request<B>> + Clone,
{
    fn after(self, progress: Progress) -> State<S, S::Future, B> {
        match progress {
            Progress::Done(Ok(token)) => self.accept(token, None),
            Progress::Done(Err(rejection)) => self.reject(rejection),
            Progress::Uncached(located) => State::Verify { located, call: Some(self) },
            Progress::Unproven(unproven) => State::Prove { unproven: Some(unproven), call: Some(self) },
            Progress::Pending(pending, scheme) => {
                let resumed = Box::pin(Arc::clone(&self.shared.authenticator).resume(pending));
                State::Wait { resumed, scheme, call: Some(self.waiting()) }
            }
        }
    }

    fn after_proof(self, proof: ProofProgress) -> State<S, S::Future, B> {
        match proof {
            ProofProgress::Done(Ok(proven)) => self.accept(Some(proven.token), proven.fresh_nonce),
            ProofProgress::Done(Err(rejection)) => self.reject(rejection),
            ProofProgress::Pending(proof) => State::WaitForProof { proof, call: Some(self.waiting()) },
        }
    }

    /// Gives back the place in the service that is ready: a request that waits must not occupy one.
    fn waiting(self) -> Self {
        Self { service: self.service.clone(), ..self }
    }

    fn accept(
        mut self,
        token: Option<AccessToken>,
        fresh_nonce: Option<HeaderValue>,
    ) -> State<S, S::Future, B> {
        self.span.record("accepted");
        let (introspection_time, undecided) = (self.introspection_time, self.undecided);
        let accepted = Accepted::new(&mut self.head, token, introspection_time, undecided, &self.shared);
        let accepted = accepted.with_fresh_nonce(fresh_nonce);
        let request = Request::from_parts(self.head, self.body);
        State::PollReady { accepted: Some((self.service, request, accepted)) }
    }

    fn reject(self, rejection: Rejection) -> State<S, S::Future, B> {
        self.span.record(rejection.kind().as_str());
        let Self { undecided, head, shared, .. } = self;
        State::Reject { rejection: Some(rejection), undecided, head, shared }
    }
}

/// Runs `poll` within the span of the decision.
fn in_span<S, B, T>(call: Option<&Call<S, B>>, poll: impl FnOnce() -> T) -> T {
    match call {
        Some(call) => call.span.in_scope(poll),
        None => poll(),
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
                StateProj::Verify { located, call } => {
                    let Some(call) = call.take() else { return Poll::Pending };
                    let validate = || call.shared.authenticator.validate(located, &call.head);
                    let progress = call.span.in_scope(validate);
                    call.after(progress)
                }
                StateProj::Wait { resumed, scheme, call } => {
                    let Resumed { outcome, introspection_time, is_introspected } =
                        ready!(in_span(call.as_ref(), || resumed.as_mut().poll(cx)));
                    let Some(call) = call.take() else { return Poll::Pending };
                    let progress = call.shared.authenticator.progress(outcome.map_err(Stop::from), *scheme);
                    let lookup = call.undecided.lookup;
                    let lookup = if is_introspected { lookup.introspected() } else { lookup };
                    let undecided = call.undecided.with(lookup);
                    Call { introspection_time, undecided, ..call }.after(progress)
                }
                StateProj::Prove { unproven, call } => {
                    let Some((unproven, call)) = unproven.take().zip(call.take()) else {
                        return Poll::Pending;
                    };
                    let prove = || call.shared.authenticator.prove(&call.head, unproven);
                    let proof = call.span.in_scope(prove);
                    call.after_proof(proof)
                }
                StateProj::WaitForProof { proof, call } => {
                    let proof = in_span(call.as_ref(), || proof.as_mut().poll(cx));
                    let proof = ProofProgress::Done(ready!(proof));
                    let Some(call) = call.take() else { return Poll::Pending };
                    call.after_proof(proof)
                }
                // A clone of the service must become ready first. One that is ready stays so.
                StateProj::PollReady { accepted } => {
                    let Some((service, ..)) = accepted else { return Poll::Pending };
                    ready!(service.poll_ready(cx))?;
                    let Some((mut service, request, accepted)) = accepted.take() else {
                        return Poll::Pending;
                    };
                    State::Call { response: service.call(request), accepted }
                }
                StateProj::Call { response, accepted } => {
                    let response = ready!(response.poll(cx))?;
                    return Poll::Ready(Ok(accepted.finish(response)));
                }
                StateProj::Reject { rejection, undecided, head, shared } => {
                    let Some(rejection) = rejection.take() else { return Poll::Pending };
                    return Poll::Ready(Ok(shared.reject_request(rejection, head, *undecided)));
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
