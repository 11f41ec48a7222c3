//! A service to revoke tokens over HTTP.
//!
//! Checks: the method, the content type, the size and the form of the body.
//! Does not check: the path, and the caller.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::header::{CACHE_CONTROL, RETRY_AFTER};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body;
use tower_service::Service;

use crate::json_document;
use crate::revocation::{Revocations, RevocationsFull, Revoke};

/// The longest body, in bytes.
const MAX_BYTES: usize = 16 * 1024;

/// Revokes tokens over HTTP.
///
/// [`Revocations::admin_service`] returns it.
///
/// | request | response |
/// |---|---|
/// | `GET`, `HEAD` | 200 and a [`RevocationsStatus`](crate::revocation::RevocationsStatus) |
/// | `POST` with a [`Revoke`] as JSON, at most 16 KiB | 204: the next request is checked against it, unless the tokens that it names have expired |
/// | `POST` with a body that is not such an object | 400 |
/// | `POST` of a body that takes longer than 10 s | 408 |
/// | `POST` of a larger body | 413 |
/// | `POST` of another content type than `application/json` | 415 |
/// | `POST` while the store is full | 503 with `Retry-After`: nothing was revoked |
/// | another method | 405 |
///
/// The body of an error is `{"error": ..., "error_description": ...}`. It never quotes the request.
///
/// # Runtime
/// Needs a tokio runtime with timers.
///
/// # Risk
/// It does not check the caller, and who may call it can lock out every user. Put it behind a `BearerAuth`
/// and a [`Require`](crate::Require) layer. On a listener without authentication, check the header `Host` as
/// well: otherwise a web page whose name resolves to it (DNS rebinding) can call it.
#[derive(Clone)]
pub struct RevocationService {
    revocations: Revocations,
}

/// Why a request revokes nothing.
enum Refused {
    /// The body was not read. The response has this status.
    Unread(StatusCode),
    Malformed,
    Full(RevocationsFull),
}

impl Revocations {
    /// A service that revokes tokens: `POST` a [`Revoke`] as JSON. See [`RevocationService`] for its
    /// responses.
    ///
    /// ```
    /// # #[cfg(feature = "axum")] {
    /// use axum::Router;
    /// use tower::Layer;
    /// use tower_bearer::revocation::Revocations;
    /// use tower_bearer::{BearerAuth, Require};
    ///
    /// fn app(auth: BearerAuth, revocations: &Revocations) -> Router {
    ///     let admin = Require::scope("tokens:revoke").layer(revocations.admin_service());
    ///     Router::new().route_service("/admin/revocations", admin).layer(auth)
    /// }
    /// # }
    /// ```
    ///
    /// # Risk
    /// See [`RevocationService`].
    #[must_use]
    pub fn admin_service(&self) -> RevocationService {
        RevocationService { revocations: self.clone() }
    }
}

impl RevocationService {
    fn get(&self) -> Response<String> {
        json_document::of(StatusCode::OK, &self.revocations.status())
    }

    async fn post<B: Body>(self, request: Request<B>) -> Response<String> {
        match self.revoke(request).await {
            Ok(()) => {
                let mut response = Response::new(String::new());
                *response.status_mut() = StatusCode::NO_CONTENT;
                response
            }
            Err(refused) => refused.response(),
        }
    }

    async fn revoke<B: Body>(&self, request: Request<B>) -> Result<(), Refused> {
        let (head, body) = request.into_parts();
        let body = json_document::read(&head.headers, body, MAX_BYTES).await.map_err(Refused::Unread)?;
        let revoke: Revoke = serde_json::from_slice(&body).map_err(|_| Refused::Malformed)?;
        self.revocations.revoke(revoke).map_err(Refused::Full)
    }
}

impl Refused {
    fn response(self) -> Response<String> {
        let (status, error, description) = match &self {
            Self::Unread(status) => (*status, "invalid_request", unread(*status)),
            Self::Malformed => (
                StatusCode::BAD_REQUEST,
                "invalid_request",
                "The body is not a JSON object with `issuer`, one of `token`, `session`, `subject`, `client` and \
                 `all`, and optionally `before` and `expires_at`",
            ),
            Self::Full(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "temporarily_unavailable",
                "There is no room for another revocation",
            ),
        };
        let body = serde_json::json!({"error": error, "error_description": description});
        let mut response = json_document::of(status, &body);
        if let Self::Full(full) = self {
            response.headers_mut().insert(RETRY_AFTER, full.retry_after().as_secs().into());
        }
        response
    }
}

/// The reason why a body was not read, for the status of the response.
fn unread(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "The content type is not application/json",
        StatusCode::PAYLOAD_TOO_LARGE => "The body is too large",
        StatusCode::REQUEST_TIMEOUT => "The body takes too long",
        _ => "The body ends early",
    }
}

impl<B> Service<Request<B>> for RevocationService
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Send,
{
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<String>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move {
            let mut response = match *request.method() {
                Method::POST => service.post(request).await,
                ref method => {
                    let allow = HeaderValue::from_static("GET, HEAD, POST");
                    json_document::respond(method, allow, || service.get())
                }
            };
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            Ok(response)
        })
    }
}

impl fmt::Debug for RevocationService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevocationService").finish_non_exhaustive()
    }
}
