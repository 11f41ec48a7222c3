//! JSON documents of services: responses with one, and the bodies of requests.

use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use bytes::{Buf, BufMut};
use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use http_body::Body;
use serde::Serialize;
use tokio::time::timeout;

/// How long a body may take.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// A response with this JSON text.
pub(crate) fn response(status: StatusCode, json: String) -> Response<String> {
    let mut response = Response::new(json);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A response with this document.
pub(crate) fn of(status: StatusCode, document: &impl Serialize) -> Response<String> {
    match serde_json::to_string(document) {
        Ok(json) => response(status, json),
        Err(_) => response(StatusCode::INTERNAL_SERVER_ERROR, "{}".to_owned()),
    }
}

/// The response to a request with this method: `get` responds to GET, and `allow` lists the methods of the
/// service (RFC 9110 section 10.2.1).
pub(crate) fn respond(
    method: &Method,
    allow: HeaderValue,
    get: impl FnOnce() -> Response<String>,
) -> Response<String> {
    match *method {
        Method::GET => get(),
        Method::HEAD => without_body(get()),
        _ => method_not_allowed(allow),
    }
}

/// The response to HEAD has the length of the body that it omits (RFC 9110 section 9.3.2).
fn without_body(mut response: Response<String>) -> Response<String> {
    let length = HeaderValue::from(response.body().len());
    response.headers_mut().insert(CONTENT_LENGTH, length);
    response.map(|_| String::new())
}

fn method_not_allowed(allow: HeaderValue) -> Response<String> {
    let mut response = Response::new(String::new());
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response.headers_mut().insert(ALLOW, allow);
    response
}

/// Reads the JSON text in the body of a request with these headers.
///
/// Why only this content type: a page of another site cannot send it without a CORS preflight, which these
/// services do not answer.
///
/// # Errors
/// The status of the response: 400 if the body ends early, 408 after 10 s, 413 if it is longer than
/// `max_bytes`, and 415 for another content type.
pub(crate) async fn read<B: Body>(
    headers: &HeaderMap,
    body: B,
    max_bytes: usize,
) -> Result<Vec<u8>, StatusCode> {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    timeout(READ_TIMEOUT, collect(body, max_bytes)).await.map_err(|_| StatusCode::REQUEST_TIMEOUT)?
}

async fn collect<B: Body>(body: B, max_bytes: usize) -> Result<Vec<u8>, StatusCode> {
    let mut body = pin!(body);
    let mut read = Vec::new();
    while let Some(frame) = poll_fn(|cx| body.as_mut().poll_frame(cx)).await {
        // Trailers mean nothing here.
        let Ok(data) = frame.map_err(|_| StatusCode::BAD_REQUEST)?.into_data() else { continue };
        if read.len().saturating_add(data.remaining()) > max_bytes {
            return Err(StatusCode::PAYLOAD_TOO_LARGE);
        }
        read.put(data);
    }
    Ok(read)
}
