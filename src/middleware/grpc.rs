//! The responses to rejected gRPC and gRPC-Web calls (gRPC over HTTP/2; PROTOCOL-WEB).
//!
//! Checks: the request is a gRPC call, by its method, HTTP version, `te` and content type.
//!
//! Why so strict: such a response has status 200. To a proxy that asks `BearerAuth` whether a request is
//! allowed and reads the status alone (`auth_request`, `ext_authz`), 200 means yes.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, TE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version};

use crate::rejection::Rejection;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// The protocol of a gRPC call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum GrpcProtocol {
    /// gRPC, which needs HTTP/2.
    Grpc,
    /// gRPC-Web in binary form, over any HTTP version.
    Web,
    /// gRPC-Web in base64, over any HTTP version.
    WebText,
}

impl GrpcProtocol {
    /// The protocol of the request with this `head`. `None` if it is no gRPC call.
    pub(super) fn of(head: &Parts) -> Option<Self> {
        if head.method != Method::POST {
            return None;
        }
        let mut content_types = head.headers.get_all(CONTENT_TYPE).iter();
        let (Some(content_type), None) = (content_types.next(), content_types.next()) else { return None };
        let protocol = Self::of_content_type(content_type.as_bytes())?;
        (protocol != Self::Grpc || reads_trailers(head)).then_some(protocol)
    }

    /// Media types are case-insensitive and may have parameters (RFC 9110 section 8.3.1).
    fn of_content_type(value: &[u8]) -> Option<Self> {
        let media_type = value.split(|byte| *byte == b';').next()?.trim_ascii();
        let mut parts = media_type.splitn(2, |byte| *byte == b'+');
        let base = parts.next()?;
        if parts.next().is_some_and(<[u8]>::is_empty) {
            return None;
        }
        let all = [Self::Grpc, Self::Web, Self::WebText];
        all.into_iter().find(|protocol| base.eq_ignore_ascii_case(protocol.content_type().as_bytes()))
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Grpc => "application/grpc",
            Self::Web => "application/grpc-web",
            Self::WebText => "application/grpc-web-text",
        }
    }

    /// A trailers-only response, as to a call that never reached a method. It has the status of the call in
    /// its headers and no body, in each of the protocols.
    pub(super) fn respond(self, rejection: &Rejection, omit_error_descriptions: bool) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type()));
        put_status(rejection, omit_error_descriptions, headers);
        response
    }
}

/// Writes the status of the call into the headers of a trailers-only response.
pub(super) fn put_status(rejection: &Rejection, omit_error_descriptions: bool, headers: &mut HeaderMap) {
    headers.insert(GRPC_STATUS, HeaderValue::from_static(grpc_status(rejection.status())));
    if !omit_error_descriptions {
        // The texts of the table need no percent-encoding.
        headers.insert(GRPC_MESSAGE, HeaderValue::from_static(rejection.description()));
    }
}

/// Whether a response with these `headers` is in a form of gRPC-Web.
pub(super) fn is_web(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let protocol = content_type.and_then(GrpcProtocol::of_content_type);
    matches!(protocol, Some(GrpcProtocol::Web | GrpcProtocol::WebText))
}

/// Whether the client speaks HTTP/2 and reads trailers, as each gRPC client must.
fn reads_trailers(head: &Parts) -> bool {
    let is_trailers = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"trailers");
    head.version == Version::HTTP_2 && head.headers.get_all(TE).iter().any(is_trailers)
}

/// INVALID_ARGUMENT, PERMISSION_DENIED, INTERNAL, UNAVAILABLE and UNAUTHENTICATED.
fn grpc_status(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 | 413 => "3",
        403 => "7",
        500 => "13",
        503 => "14",
        _ => "16",
    }
}
