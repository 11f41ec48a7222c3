//! Services for operators: a readiness probe and a status page.
//!
//! Does not check: the path of the request, so that a router or a proxy may strip a prefix; and the caller.

use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::CACHE_CONTROL;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use serde::Serialize;
use tower_service::Service;

use crate::authenticate::Authenticator;
use crate::diagnostics::{IssuerStatus, ReadinessProbe, UnreadyIssuer};
use crate::json_document;
use crate::revocation::{Revocations, RevocationsStatus};

/// Responds to readiness probes, without a token.
///
/// [`BearerAuth::ready_service`](crate::BearerAuth::ready_service) returns it.
///
/// | method | response |
/// |---|---|
/// | `GET`, `HEAD` | 200 `{"ready":true,"issuers":[]}` if every configured issuer can accept tokens, else 503 |
/// | others | 405 |
///
/// The body of a 503 names the issuers that cannot, with one of three reasons:
///
/// ```json
/// {"ready":false,"issuers":[{"issuer":"https://login.example.com","reason":"keys_unavailable"}]}
/// ```
///
/// | `reason` | meaning |
/// |---|---|
/// | `keys_pending` | no keys are usable, and no fetch has failed |
/// | `keys_unavailable` | no keys are usable, and the last fetch failed |
/// | `introspection_unavailable` | every token needs introspection, and no introspection request has succeeded |
///
/// An issuer is ready while its cached keys are usable, also in an outage. If it has no keys, or all of its
/// JWTs are introspected, it must also have responded to one introspection request. That remains true: in an
/// outage, a restart would not help. Issuers that an [`IssuerResolver`](crate::issuers::IssuerResolver) finds
/// do not count.
///
/// The response never waits for an authorization server. If an issuer is not ready, the probe starts a
/// check in the background, like [`BearerAuth::ready`](crate::BearerAuth::ready), and after a failed check
/// the next one 5 s later at the earliest. A probe counts as a use of the keys, so that they stay
/// refreshed.
///
/// # Runtime
/// Needs a tokio runtime with timers for the check.
#[derive(Clone)]
pub struct ReadyService {
    authenticator: Arc<Authenticator>,
    probe: Arc<ReadinessProbe>,
}

/// Responds with the state of keys, introspection and caches, without a token.
///
/// [`BearerAuth::status_service`](crate::BearerAuth::status_service) returns it.
///
/// | method | response |
/// |---|---|
/// | `GET`, `HEAD` | 200 and a JSON object: `issuers`, each an [`IssuerStatus`], and `cached_tokens` |
/// | others | 405 |
///
/// With [`revocations`](crate::BearerAuthBuilder::revocations), the object also has a member `revocations`, a
/// [`RevocationsStatus`].
///
/// # Risk
/// Keep it off the public internet: mount it on a listener of your own network. It contains no token and no
/// secret, but the issuers (those of tenants, too), the ids of their keys, and the errors of the last
/// requests with the URLs of internal servers.
#[derive(Clone)]
pub struct StatusService {
    authenticator: Arc<Authenticator>,
}

#[derive(Serialize)]
struct ReadyBody {
    ready: bool,
    issuers: Vec<UnreadyIssuer>,
}

/// The state of a `BearerAuth`.
#[derive(Serialize)]
pub(crate) struct StatusDocument {
    issuers: Vec<IssuerStatus>,
    cached_tokens: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    revocations: Option<RevocationsStatus>,
}

impl StatusDocument {
    pub(super) fn of(authenticator: &Authenticator) -> Self {
        Self {
            issuers: authenticator.status(),
            cached_tokens: authenticator.tokens.len(),
            revocations: authenticator.revocations.as_ref().map(Revocations::status),
        }
    }
}

impl ReadyService {
    pub(super) fn new(authenticator: Arc<Authenticator>) -> Self {
        Self { authenticator, probe: Arc::default() }
    }

    fn get(&self) -> Response<String> {
        let issuers = self.probe.unready(&self.authenticator);
        let ready = issuers.is_empty();
        let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        json_document::of(status, &ReadyBody { ready, issuers })
    }
}

impl StatusService {
    pub(super) fn new(authenticator: Arc<Authenticator>) -> Self {
        Self { authenticator }
    }

    fn get(&self) -> Response<String> {
        json_document::of(StatusCode::OK, &StatusDocument::of(&self.authenticator))
    }
}

/// The response to `method`, where `get` responds to GET.
fn respond(method: &Method, get: impl FnOnce() -> Response<String>) -> Response<String> {
    let mut response = json_document::respond(method, HeaderValue::from_static("GET, HEAD"), get);
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

impl<B> Service<Request<B>> for ReadyService {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(respond(request.method(), || self.get())))
    }
}

impl<B> Service<Request<B>> for StatusService {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(respond(request.method(), || self.get())))
    }
}

impl fmt::Debug for ReadyService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadyService").finish_non_exhaustive()
    }
}

impl fmt::Debug for StatusService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StatusService").finish_non_exhaustive()
    }
}
