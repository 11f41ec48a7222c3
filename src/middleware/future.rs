//! The future of one request: judge it, wait for what is not known yet (keys, or the issuer's word), then call
//! the inner service or refuse.
//!
//! Why: judging happens when the future is polled and not when the service is called, so that a
//! signature is checked on the caller's task even behind a buffer. With the key held, the first
//! poll gets to the inner service and nothing is boxed; only waiting is.

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::header::{AUTHORIZATION, CACHE_CONTROL};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Request, Response};
use pin_project_lite::pin_project;
use tower_service::Service;

use super::protection::{Covered, Protection, report};
use super::response_body::ResponseBody;
use crate::access_token::AccessToken;
use crate::authenticate::{Outcome, Progress};
use crate::bearer;
use crate::event;
use crate::rejection::Rejection;

type Resumed = Pin<Box<dyn Future<Output = (Parts, Outcome)> + Send>>;

pin_project! {
    /// The future of a [`BearerAuthService`](crate::BearerAuthService).
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, S::Future, B>,
        protection: Arc<Protection>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, F, B> {
        Judge { call: Option<(S, Request<B>)> },
        // A clone of the service that was ready: who waits holds no place in it.
        Await { resumed: Resumed, call: Option<(S, B)> },
        // Ready by now, unless it is such a clone.
        Admitted { call: Option<(S, Request<B>)>, admission: Admission },
        Pass { #[pin] response: F, admission: Admission },
    }
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    pub(crate) fn new(service: S, request: Request<B>, protection: Arc<Protection>) -> Self {
        Self { state: State::Judge { call: Some((service, request)) }, protection }
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
            let judged = match this.state.as_mut().project() {
                StateProj::Judge { call } => {
                    // Polled again after its end: nothing will ever come.
                    let Some((service, request)) = call.take() else { return Poll::Pending };
                    judge(service, request, this.protection)
                }
                StateProj::Await { resumed, call } => {
                    let (head, outcome) = ready!(resumed.as_mut().poll(cx));
                    let Some((service, body)) = call.take() else { return Poll::Pending };
                    Judged::Done(service, head, body, outcome)
                }
                StateProj::Admitted { call, admission } => {
                    let Some((service, _)) = call else { return Poll::Pending };
                    ready!(service.poll_ready(cx))?;
                    let (response, admission) = (call.take().map(pass), mem::take(admission));
                    let Some(response) = response else { return Poll::Pending };
                    this.state.set(State::Pass { response, admission });
                    continue;
                }
                StateProj::Pass { response, admission } => {
                    let response = ready!(response.poll(cx))?;
                    return Poll::Ready(Ok(passed(response, admission)));
                }
            };
            match judged {
                Judged::Await(ready, body, resumed) => {
                    let call = Some((ready.clone(), body));
                    this.state.set(State::Await { resumed, call });
                }
                Judged::Done(service, mut head, body, Ok(token)) => {
                    let admission = admit(&mut head, token, this.protection);
                    let call = Some((service, Request::from_parts(head, body)));
                    this.state.set(State::Admitted { call, admission });
                }
                Judged::Done(_, head, _, Err(rejection)) => {
                    this.state.set(State::Judge { call: None });
                    return Poll::Ready(Ok(refuse(rejection, &head, this.protection)));
                }
            }
        }
    }
}

fn pass<S: Service<Request<B>>, B>((mut service, request): (S, Request<B>)) -> S::Future {
    service.call(request)
}

/// How far a request got, with the service that was polled ready for it.
#[expect(clippy::large_enum_variant, reason = "a box would cost every request an allocation")]
enum Judged<S, B> {
    Await(S, B, Resumed),
    Done(S, Parts, B, Outcome),
}

fn judge<S, B>(service: S, request: Request<B>, protection: &Protection) -> Judged<S, B> {
    let (head, body) = request.into_parts();
    match protection.authenticator.authenticate(&head) {
        Progress::Done(outcome) => Judged::Done(service, head, body, outcome),
        Progress::Await(waiting) => {
            let resumed = Arc::clone(&protection.authenticator).resume(head, waiting);
            Judged::Await(service, body, Box::pin(resumed))
        }
    }
}

/// How a request was let through.
#[derive(Default)]
struct Admission {
    token: Option<AccessToken>,
    /// The token stood in the URL.
    in_query: bool,
}

/// Makes the head what the inner service sees.
fn admit(head: &mut Parts, token: Option<AccessToken>, protection: &Arc<Protection>) -> Admission {
    let presented = token.as_ref().and_then(|token| protection.authenticator.presented(head, token));
    let in_query = token.is_some() && bearer::is_in_query(head, &protection.authenticator.sources);
    let admission = Admission { token: token.clone(), in_query };
    if protection.strip_credentials && token.is_some() {
        head.headers.remove(AUTHORIZATION);
    } else if let Some(credentials) = head.headers.get_mut(AUTHORIZATION) {
        credentials.set_sensitive(true);
    }
    let removed = protection.strip_credentials && token.is_some();
    protection.authenticator.sources.iter().for_each(|source| source.hide(&mut head.headers, removed));
    // Whoever put a token there before us did not ask this issuer.
    match token {
        Some(token) => head.extensions.insert(token),
        None => head.extensions.remove::<AccessToken>(),
    };
    head.extensions.insert(Covered { protection: Arc::clone(protection), presented });
    admission
}

/// Reports and answers what goes no further.
fn refuse<R>(rejection: Rejection, head: &Parts, protection: &Protection) -> Response<ResponseBody<R>> {
    report(&rejection);
    protection.answers.answer(rejection, head)
}

/// The response of the inner service; one to a token in the URL is not for shared caches (RFC 6750 section 2.3).
///
/// Reports the request, unless a layer further in refused it and said so.
fn passed<R>(mut response: Response<R>, admission: &Admission) -> Response<ResponseBody<R>> {
    if response.extensions().get::<Rejection>().is_none() {
        event::accepted(admission.token.as_ref().map(AccessToken::issuer));
    }
    if admission.in_query && response.status().is_success() && !forbids_sharing(response.headers()) {
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("private"));
    }
    response.map(ResponseBody::inner)
}

fn forbids_sharing(headers: &HeaderMap) -> bool {
    let mut lines = headers.get_all(CACHE_CONTROL).into_iter().filter_map(|line| line.to_str().ok());
    lines.any(|line| {
        line.split(',').any(|directive| {
            let name = directive.trim();
            name.eq_ignore_ascii_case("private") || name.eq_ignore_ascii_case("no-store")
        })
    })
}

impl<S, B> fmt::Debug for ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
