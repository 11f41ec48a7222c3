//! How a refusal becomes a response (RFC 6750 section 3, RFC 9110 section 11.6.1).
//!
//! Checks: a body of the user's own replaces ours, but never the status, the challenge,
//! `Cache-Control: no-store` and `Retry-After`.
//! Does not check: why the request was refused; see `Rejection`.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};

use super::body::ResponseBody;
use crate::bearer::Challenge;
use crate::rejection::{Rejection, RejectionKind};

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Writes the body of a rejection, given the head of the request.
pub(crate) type OnReject = Arc<dyn Fn(&Rejection, &Parts) -> Response<Bytes> + Send + Sync>;

/// All answers of one `BearerAuth`, most of them written beforehand.
pub(crate) struct Responder {
    realm: Box<str>,
    omit_error_descriptions: bool,
    on_reject: Option<OnReject>,
    prepared: Vec<(RejectionKind, Prepared)>,
}

/// What answers of one kind have in common.
struct Prepared {
    headers: HeaderMap,
    body: Bytes,
}

impl Responder {
    pub(crate) fn new(realm: &str, omit_error_descriptions: bool, on_reject: Option<OnReject>) -> Self {
        let mut answers =
            Self { realm: realm.into(), omit_error_descriptions, on_reject, prepared: Vec::new() };
        answers.prepared = RejectionKind::ALL.iter().map(|kind| (*kind, answers.prepare(*kind))).collect();
        answers
    }

    /// The response to the request with `head`, with the rejection in its extensions.
    pub(crate) fn answer<B>(&self, rejection: Rejection, head: &Parts) -> Response<ResponseBody<B>> {
        let kind = rejection.kind();
        let known = self.prepared.iter().find(|(known, _)| *known == kind);
        let mut response = match known {
            Some((_, prepared)) => self.respond(&rejection, head, prepared),
            None => self.respond(&rejection, head, &self.prepare(kind)),
        };
        let headers = response.headers_mut();
        if let Some(challenge) =
            rejection.scopes_needed().and_then(|scopes| self.challenge(kind, Some(scopes)))
        {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if let Some(wait) = rejection.retry_after() {
            headers.insert(RETRY_AFTER, HeaderValue::from(wait.as_secs()));
        }
        response.extensions_mut().insert(rejection);
        response
    }

    fn respond<B>(
        &self,
        rejection: &Rejection,
        head: &Parts,
        prepared: &Prepared,
    ) -> Response<ResponseBody<B>> {
        let mut response = match &self.on_reject {
            _ if is_grpc(head) => grpc(rejection, self.omit_error_descriptions),
            Some(on_reject) => in_their_words(rejection, head, &**on_reject),
            None => {
                let mut response = Response::new(ResponseBody::refusal(prepared.body.clone()));
                *response.status_mut() = rejection.status();
                *response.headers_mut() = prepared.headers.clone();
                return response;
            }
        };
        for name in [CACHE_CONTROL, WWW_AUTHENTICATE, RETRY_AFTER] {
            let ours = prepared.headers.get(&name).cloned();
            replace(response.headers_mut(), name, ours);
        }
        response
    }

    fn prepare(&self, kind: RejectionKind) -> Prepared {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(challenge) = self.challenge(kind, None) {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        Prepared { headers, body: self.body(kind) }
    }

    fn challenge(&self, kind: RejectionKind, scopes: Option<&str>) -> Option<HeaderValue> {
        let row = kind.row();
        let challenge = Challenge::new("Bearer").realm(&self.realm);
        let challenge = match row.error {
            None if kind == RejectionKind::Missing => return Some(challenge.header_value()),
            None => return None,
            Some(error) => challenge.error(error),
        };
        let challenge =
            if self.omit_error_descriptions { challenge } else { challenge.error_description(row.text) };
        let challenge = match scopes {
            Some(scopes) => challenge.scope(scopes),
            None => challenge,
        };
        Some(challenge.header_value())
    }

    fn body(&self, kind: RejectionKind) -> Bytes {
        let row = kind.row();
        let error = match (row.error, row.status) {
            (Some(error), _) => error.as_str(),
            (None, StatusCode::UNAUTHORIZED) => "unauthorized",
            (None, StatusCode::SERVICE_UNAVAILABLE) => "temporarily_unavailable",
            (None, _) => "server_error",
        };
        let text = if self.omit_error_descriptions {
            format!(r#"{{"error":"{error}"}}"#)
        } else {
            format!(r#"{{"error":"{error}","error_description":"{}"}}"#, row.text)
        };
        Bytes::from(text)
    }
}

impl fmt::Debug for Responder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answers")
            .field("realm", &self.realm)
            .field("omit_error_descriptions", &self.omit_error_descriptions)
            .finish_non_exhaustive()
    }
}

fn in_their_words<B>(
    rejection: &Rejection,
    head: &Parts,
    on_reject: &dyn Fn(&Rejection, &Parts) -> Response<Bytes>,
) -> Response<ResponseBody<B>> {
    let mut response = on_reject(rejection, head);
    *response.status_mut() = rejection.status();
    response.map(ResponseBody::refusal)
}

/// A response of trailers only, as gRPC over HTTP/2 answers what never reached a method.
fn grpc<B>(rejection: &Rejection, omit_error_descriptions: bool) -> Response<ResponseBody<B>> {
    let mut response = Response::new(ResponseBody::refusal(Bytes::new()));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(GRPC_STATUS, HeaderValue::from_static(grpc_status(rejection.status())));
    if !omit_error_descriptions {
        // The texts of the table need no percent-encoding.
        headers.insert(GRPC_MESSAGE, HeaderValue::from_static(rejection.description()));
    }
    response
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

/// A call of gRPC is a POST. Whoever else says so must not turn a refusal into a 200, which a proxy that
/// asks here whether a request may pass (`auth_request`) takes for a yes.
fn is_grpc(head: &Parts) -> bool {
    let content_type = head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    let behind = content_type.and_then(|value| value.strip_prefix(b"application/grpc"));
    head.method == Method::POST && matches!(behind, Some([] | [b'+' | b'-' | b';', ..]))
}

fn replace(headers: &mut HeaderMap, name: HeaderName, value: Option<HeaderValue>) {
    match value {
        Some(value) => headers.insert(name, value),
        None => headers.remove(name),
    };
}
