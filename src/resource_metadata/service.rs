//! The service that responds with the metadata document (RFC 9728 section 3).
//!
//! Does not check: the path of the request. The service responds wherever it is mounted, so that a router or
//! a proxy may strip a prefix.

use std::convert::Infallible;
use std::fmt;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ALLOW, CACHE_CONTROL,
};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use tower_service::Service;

use super::published::PublishedMetadata;
use crate::authenticate::{Authenticator, IssuerRegistry};
use crate::bearer::TokenSource;
use crate::binding::SenderPolicy;
use crate::json_document;

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");
const ANY: HeaderValue = HeaderValue::from_static("*");

/// Responds with the metadata document of this API to any request, without a token.
///
/// [`BearerAuth::resource_metadata`](crate::BearerAuth::resource_metadata) returns it. Mount it outside of
/// `BearerAuth` at each of its [`paths`](Self::paths); the [module](super) has an example. Without a router,
/// call it for requests whose path is one of these.
///
/// | method | response |
/// |---|---|
/// | `GET`, `HEAD` | 200, `Content-Type: application/json`, and `Cache-Control` by [`ResourceMetadata::max_age`](super::ResourceMetadata::max_age) |
/// | `OPTIONS` | 204, which allows scripts of any origin to read the document with any header |
/// | others | 405 |
///
/// Every response has `Access-Control-Allow-Origin: *`: the document is public. It names the issuers that are
/// trusted at the time of the request.
#[derive(Clone)]
pub struct ResourceMetadataService {
    metadata: Arc<PublishedMetadata>,
    issuers: Arc<IssuerRegistry>,
    accepts_query: bool,
    senders: SenderPolicy,
}

impl ResourceMetadataService {
    pub(crate) fn new(metadata: Arc<PublishedMetadata>, authenticator: &Authenticator) -> Self {
        Self {
            metadata,
            issuers: Arc::clone(&authenticator.issuers),
            accepts_query: authenticator.sources.iter().any(TokenSource::is_query),
            senders: authenticator.senders.clone(),
        }
    }

    /// The absolute URL of the document, as in the parameter `resource_metadata` of challenges.
    #[must_use]
    pub fn url(&self) -> &str {
        self.metadata.url()
    }

    /// The paths at which clients look for the document: the one in [`url`](Self::url) first. If the resource
    /// identifier has a path, `/.well-known/oauth-protected-resource` follows, where MCP clients look next.
    ///
    /// On a host with several protected resources, mount only the first, or let one of them have the second.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.metadata.locations.paths.iter().map(String::as_str)
    }

    /// The document as it is now: a JSON object. For a server without tower.
    #[must_use]
    pub fn document(&self) -> String {
        self.metadata.document(self.issuers.load().configured(), self.accepts_query, &self.senders)
    }

    fn respond(&self, method: &Method) -> Response<String> {
        let mut response = match *method {
            Method::OPTIONS => preflight(),
            _ => json_document::respond(method, METHODS, || self.get()),
        };
        response.headers_mut().insert(ACCESS_CONTROL_ALLOW_ORIGIN, ANY);
        response
    }

    fn get(&self) -> Response<String> {
        let mut response = json_document::response(StatusCode::OK, self.document());
        response.headers_mut().insert(CACHE_CONTROL, self.metadata.cache_control.clone());
        response
    }
}

/// A browser sends a preflight request if the client adds a header, as MCP clients do.
fn preflight() -> Response<String> {
    let mut response = Response::new(String::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let headers = response.headers_mut();
    headers.insert(ALLOW, METHODS);
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    // The asterisk does not stand for `Authorization`.
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("*, authorization"));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    response
}

impl<B> Service<Request<B>> for ResourceMetadataService {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = Ready<Result<Response<String>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        ready(Ok(self.respond(request.method())))
    }
}

impl fmt::Debug for ResourceMetadataService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResourceMetadataService").field("url", &self.url()).finish_non_exhaustive()
    }
}
