//! How the test issuer writes a response.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Response, StatusCode};
use serde_json::Value;

/// A response of that type. A text that can be no field value is left out.
pub(super) fn plain(status: StatusCode, content_type: &str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    with_field(response, CONTENT_TYPE, content_type)
}

/// JSON that nobody may keep: what is about a token (RFC 6749 section 5.1).
pub(super) fn json(status: StatusCode, body: &Value) -> Response<Bytes> {
    unstored(plain(status, "application/json", body.to_string()))
}

/// The same, not to be kept.
pub(super) fn unstored(response: Response<Bytes>) -> Response<Bytes> {
    with_field(response, CACHE_CONTROL, "no-store")
}

/// The same with this field, in place of others of that name.
pub(super) fn with_field(mut response: Response<Bytes>, name: HeaderName, value: &str) -> Response<Bytes> {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
    response
}
