//! What the endpoints of the test issuer answer.

use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

use super::fault::{Endpoint, Fault};
use super::state::State;

/// What is sent.
pub(super) enum Answer {
    /// This response, after so long a time.
    Whole(Duration, Response<Bytes>),
    /// Half of this body.
    Half(Response<Bytes>),
    /// The head of this response, and next to nothing of its body.
    Slow(Response<Bytes>),
    /// No response, and the connection is held.
    Hang,
    /// No response, and the connection is closed.
    Refuse,
}

impl State {
    /// The answer to a request for `path`, which is counted.
    pub(super) fn answer(&self, method: &Method, path: &str, headers: &HeaderMap) -> Answer {
        let Some(endpoint) = self.endpoint(path) else {
            return Answer::Whole(
                Duration::ZERO,
                plain(StatusCode::NOT_FOUND, "text/plain", "no such endpoint"),
            );
        };
        let fault = self.count(endpoint);
        let well = || self.document(endpoint, method, headers);
        match fault {
            None => Answer::Whole(Duration::ZERO, well()),
            Some(Fault::Delay(delay)) => Answer::Whole(delay, well()),
            Some(Fault::Refuse) => Answer::Refuse,
            Some(Fault::Hang) => Answer::Hang,
            Some(Fault::SlowBody) => Answer::Slow(well()),
            Some(Fault::HalfBody) => Answer::Half(well()),
            Some(Fault::HugeBody(bytes)) => {
                let body = Bytes::from(vec![b' '; bytes]);
                Answer::Whole(Duration::ZERO, plain(StatusCode::OK, "application/json", body))
            }
            Some(Fault::Body(body)) => {
                Answer::Whole(Duration::ZERO, plain(StatusCode::OK, "application/json", body))
            }
            Some(Fault::Status(status)) => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                Answer::Whole(Duration::ZERO, plain(status, "text/html", "<h1>something went wrong</h1>"))
            }
            Some(Fault::Redirect(place)) => Answer::Whole(Duration::ZERO, redirect(&place)),
        }
    }

    fn document(&self, endpoint: Endpoint, method: &Method, headers: &HeaderMap) -> Response<Bytes> {
        if method != Method::GET {
            return plain(StatusCode::METHOD_NOT_ALLOWED, "text/plain", "only GET");
        }
        match endpoint {
            Endpoint::Metadata => plain(StatusCode::OK, "application/json", self.metadata_document()),
            Endpoint::Jwks => self.jwks_response(headers),
        }
    }

    fn jwks_response(&self, headers: &HeaderMap) -> Response<Bytes> {
        let (body, etag, cache_control) = self.jwks_document();
        let unchanged = headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes());
        let mut response = if unchanged {
            plain(StatusCode::NOT_MODIFIED, "application/jwk-set+json", "")
        } else {
            plain(StatusCode::OK, "application/jwk-set+json", body)
        };
        let values = [(ETAG, Some(etag)), (CACHE_CONTROL, cache_control)];
        for (name, value) in values {
            if let Some(Ok(value)) = value.map(|value| HeaderValue::from_str(&value)) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

fn plain(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn redirect(place: &str) -> Response<Bytes> {
    let mut response = plain(StatusCode::FOUND, "text/html", "moved");
    if let Ok(place) = HeaderValue::from_str(place) {
        response.headers_mut().insert(LOCATION, place);
    }
    response
}
