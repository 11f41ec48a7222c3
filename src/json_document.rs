//! Responses of services that serve one JSON document.

use http::header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};

/// A response with this JSON text.
pub(crate) fn response(status: StatusCode, json: String) -> Response<String> {
    let mut response = Response::new(json);
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
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
