//! The service that serves the page, its data and explanations.
//!
//! Does not check: the path of the request, so that it works under any path, with or without a final slash;
//! and the caller.
//!
//! Why each file has a query instead of a path: a relative reference such as `?data` resolves to the same
//! file under `/inspector` and `/inspector/`.
//!
//! Why the token is in the body of a request: URLs are logged.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::ALLOW;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body::Body;
use serde::{Deserialize, Serialize};
use tower_service::Service;

use super::data::Data;
use super::page;
use super::records::Records;
use crate::json_document;
use crate::middleware::BearerAuth;

/// Four times the default limit of a token.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// Serves the page of an [`Inspector`](crate::inspector::Inspector).
///
/// [`Inspector::service`](crate::inspector::Inspector::service) returns it. Mount it under one path of your
/// choice, such as `/inspector`. It looks at the method and the query, and not at the path:
///
/// | request | response |
/// |---|---|
/// | `GET` without a query | the page; its files are `?page.css`, `?page.js` and `?icon.svg` |
/// | `GET ?data` | what the page shows, as JSON for this version of the page |
/// | `POST ?explain` | the serialized [`Explanation`](crate::diagnostics::Explanation) of a token |
/// | another method | 405 |
/// | another query | 404 |
///
/// `POST ?explain` takes `{"token":"..."}` with the content type `application/json`, at most 64 KiB. It
/// responds with 400 to another document, 408 if the body takes longer than 10 s, 413 if it is larger, and
/// 415 if it has another content type. The token is neither logged nor stored, and is in no response. Like
/// [`BearerAuth::explain`], it may fetch keys and introspect the token.
///
/// The page loads nothing from other servers, and its `Content-Security-Policy` has no exception. No response
/// may be stored by a cache.
///
/// # Risk
/// Keep it off the public internet, and let only operators use it. It says which tokens would be accepted,
/// and it shows the issuers (those of tenants, too), the ids of their keys, and the errors of the last
/// requests with the URLs of internal servers.
///
/// On a listener without authentication, check the header `Host` as well. Otherwise a web page whose name
/// resolves to your listener (DNS rebinding) can read this page and use it.
///
/// # Runtime
/// Needs a tokio runtime with timers.
#[derive(Clone)]
pub struct InspectorService {
    records: Arc<Records>,
    auth: BearerAuth,
}

/// The body of `POST ?explain`.
#[derive(Deserialize)]
struct ExplainRequest<'b> {
    #[serde(borrow)]
    token: Cow<'b, str>,
}

impl InspectorService {
    pub(super) fn new(records: Arc<Records>, auth: BearerAuth) -> Self {
        Self { records, auth }
    }

    async fn respond<B: Body>(self, head: Parts, body: B) -> Response<String> {
        let mut response = match head.uri.query().unwrap_or_default() {
            "" => read_only(&head.method, || page::HTML.response()),
            "page.css" => read_only(&head.method, || page::CSS.response()),
            "page.js" => read_only(&head.method, || page::JS.response()),
            "icon.svg" => read_only(&head.method, || page::ICON.response()),
            "data" => read_only(&head.method, || json(&Data::of(&self.records, &self.auth))),
            "explain" if head.method == Method::POST => match self.explain(&head, body).await {
                Ok(response) => response,
                Err(status) => empty(status),
            },
            "explain" => {
                let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
                response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
                response
            }
            _ => empty(StatusCode::NOT_FOUND),
        };
        page::protect(response.headers_mut());
        response
    }

    async fn explain<B: Body>(&self, head: &Parts, body: B) -> Result<Response<String>, StatusCode> {
        let body = json_document::read(&head.headers, body, MAX_BODY_BYTES).await?;
        let request: ExplainRequest<'_> =
            serde_json::from_slice(&body).map_err(|_| StatusCode::BAD_REQUEST)?;
        Ok(json(&self.auth.explain(&request.token).await))
    }
}

fn read_only(method: &Method, get: impl FnOnce() -> Response<String>) -> Response<String> {
    json_document::respond(method, HeaderValue::from_static("GET, HEAD"), get)
}

fn json(document: &impl Serialize) -> Response<String> {
    json_document::of(StatusCode::OK, document)
}

fn empty(status: StatusCode) -> Response<String> {
    let mut response = Response::new(String::new());
    *response.status_mut() = status;
    response
}

impl<B> Service<Request<B>> for InspectorService
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
        let (head, body) = request.into_parts();
        let service = self.clone();
        Box::pin(async move { Ok(service.respond(head, body).await) })
    }
}

impl fmt::Debug for InspectorService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InspectorService").finish_non_exhaustive()
    }
}
