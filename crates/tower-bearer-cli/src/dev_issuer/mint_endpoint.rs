//! The endpoint that `tower-bearer mint` asks for tokens: `POST /dev/mint` with JSON.
//!
//! Checks: the method, the type of the content, and that no web page sends the request. Why: browsers send
//! JSON to another origin only after a preflight request, which this server does not answer.

use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, ORIGIN};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use hyper::body::Bytes;
use tower_bearer::testing::TestIssuer;

use super::server::text;
use crate::mint::TokenRequest;

/// The path of the endpoint.
pub(crate) const MINT_PATH: &str = "/dev/mint";

pub(super) fn respond(issuer: &TestIssuer, audience: &str, request: &Request<Bytes>) -> Response<Bytes> {
    if request.method() != Method::POST {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only POST");
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
        return response;
    }
    if request.headers().contains_key(ORIGIN) {
        return text(StatusCode::FORBIDDEN, "web pages get no tokens");
    }
    if request.headers().get(CONTENT_TYPE).is_none_or(|found| found != "application/json") {
        return text(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send application/json");
    }
    match serde_json::from_slice::<TokenRequest>(request.body()) {
        Ok(token) => {
            let mut response = text(StatusCode::OK, token.issue(issuer, audience));
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            response
        }
        Err(error) => text(StatusCode::BAD_REQUEST, error.to_string()),
    }
}
