//! The second listener, for probes and for the metadata of the API.
//!
//! Why it is separate: the first one checks every path, so none is free for others.

use http::header::{ALLOW, CACHE_CONTROL};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use tower::ServiceExt;
use tower_bearer::BearerAuth;

use super::authorizer::{Body, full};

/// `GET /ready` has status 200 if the keys of every issuer are usable, and else 503. The paths of the
/// resource metadata have its document (RFC 9728).
pub(crate) async fn respond(auth: &BearerAuth, head: Parts) -> Response<Body> {
    let path = head.uri.path();
    if let Some(metadata) =
        auth.resource_metadata().filter(|metadata| metadata.paths().any(|own| own == path))
    {
        let Ok(response) = metadata.oneshot(Request::from_parts(head, ())).await;
        return response.map(|text| full(text.into()));
    }
    let is_read = head.method == Method::GET || head.method == Method::HEAD;
    let (status, text) = match path {
        "/ready" if !is_read => (StatusCode::METHOD_NOT_ALLOWED, String::new()),
        "/ready" => ready(auth),
        _ => (StatusCode::NOT_FOUND, String::new()),
    };
    let mut response = Response::new(full(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}

fn ready(auth: &BearerAuth) -> (StatusCode, String) {
    let status = auth.status();
    let unusable = status.iter().filter(|issuer| issuer.keys().is_some_and(|keys| !keys.is_usable()));
    let lines: String = unusable.map(|issuer| format!("no usable keys: {}\n", issuer.issuer())).collect();
    if lines.is_empty() {
        (StatusCode::OK, "ready\n".to_owned())
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, lines)
    }
}
