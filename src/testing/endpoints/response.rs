//! Builds responses of the endpoints.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Response, StatusCode};
use serde_json::Value;

/// A response with this content type. Omits a content type that is not a valid field value.
pub(crate) fn plain(status: StatusCode, content_type: &str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    with_field(response, CONTENT_TYPE, content_type)
}

/// A JSON response with `Cache-Control: no-store`, as RFC 6749 section 5.1 requires.
pub(super) fn json(status: StatusCode, body: &Value) -> Response<Bytes> {
    no_store(plain(status, "application/json", body.to_string()))
}

/// Sets `Cache-Control: no-store`.
pub(super) fn no_store(response: Response<Bytes>) -> Response<Bytes> {
    with_field(response, CACHE_CONTROL, "no-store")
}

/// Sets a header field. It replaces earlier values. An invalid value is ignored.
pub(super) fn with_field(mut response: Response<Bytes>, name: HeaderName, value: &str) -> Response<Bytes> {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
    response
}
