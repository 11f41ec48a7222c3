//! What the endpoints of the test issuer answer.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, ETAG, IF_NONE_MATCH, LOCATION, RETRY_AFTER};
use http::{HeaderMap, Method, Request, Response, StatusCode};

use super::fault::{Endpoint, Fault};
use super::form::Form;
use super::refusal::Refusal;
use super::response::{plain, with_field};
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
    /// The answer to a request, which is counted.
    pub(super) fn answer(&self, request: &Request<Bytes>) -> Answer {
        let Some(endpoint) = self.endpoint(request.uri().path()) else {
            let response = plain(StatusCode::NOT_FOUND, "text/plain", "no such endpoint");
            return Answer::Whole(Duration::ZERO, response);
        };
        let fault = self.count(endpoint);
        let well = || self.answer_well(endpoint, request);
        match fault {
            None => Answer::Whole(Duration::ZERO, well()),
            Some(Fault::Delay(delay)) => Answer::Whole(delay, well()),
            Some(Fault::Refuse) => Answer::Refuse,
            Some(Fault::Hang) => Answer::Hang,
            Some(Fault::SlowBody) => Answer::Slow(well()),
            Some(Fault::HalfBody) => Answer::Half(well()),
            Some(Fault::HugeBody(bytes)) => ok("application/json", vec![b' '; bytes]),
            Some(Fault::Body(body)) => ok("application/json", body),
            Some(Fault::BodyOfType(content_type, body)) => ok(&content_type, body),
            Some(Fault::Html) => ok("text/html", "<h1>welcome</h1>"),
            Some(Fault::Status(status)) => Answer::Whole(Duration::ZERO, page(status)),
            Some(Fault::RetryAfter(status, delay)) => {
                let seconds = delay.as_secs().to_string();
                Answer::Whole(Duration::ZERO, with_field(page(status), RETRY_AFTER, &seconds))
            }
            Some(Fault::Json(status, body)) => {
                Answer::Whole(Duration::ZERO, plain(status_of(status), "application/json", body))
            }
            Some(Fault::Redirect(place)) => {
                let response = plain(StatusCode::FOUND, "text/html", "moved");
                Answer::Whole(Duration::ZERO, with_field(response, LOCATION, &place))
            }
        }
    }

    fn answer_well(&self, endpoint: Endpoint, request: &Request<Bytes>) -> Response<Bytes> {
        let headers = request.headers();
        match endpoint {
            Endpoint::Metadata | Endpoint::Jwks if request.method() != Method::GET => only("GET"),
            Endpoint::Metadata => plain(StatusCode::OK, "application/json", self.metadata_document()),
            Endpoint::Jwks => self.jwks_response(headers),
            _ if request.method() != Method::POST => only("POST"),
            Endpoint::Introspection => {
                self.for_client(request, |client, form| self.introspect(client, headers, form))
            }
            Endpoint::Token => self.for_client(request, |client, form| self.grant(client, form)),
            Endpoint::Revocation => self.for_client(request, |_, form| self.revoked(form)),
        }
    }

    /// What `answer` says to the client that the request is from, or why it is refused.
    fn for_client(
        &self,
        request: &Request<Bytes>,
        answer: impl FnOnce(&str, &Form) -> Result<Response<Bytes>, Refusal>,
    ) -> Response<Bytes> {
        let answered = Form::of(request).and_then(|form| {
            let client = self.authenticate(request.headers(), &form)?;
            answer(&client, &form)
        });
        answered.unwrap_or_else(Refusal::response)
    }

    fn jwks_response(&self, headers: &HeaderMap) -> Response<Bytes> {
        let (body, etag, cache_control) = self.jwks_document();
        let unchanged = headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes());
        let (status, body) =
            if unchanged { (StatusCode::NOT_MODIFIED, String::new()) } else { (StatusCode::OK, body) };
        let response = with_field(plain(status, "application/jwk-set+json", body), ETAG, &etag);
        match cache_control {
            Some(value) => with_field(response, CACHE_CONTROL, &value),
            None => response,
        }
    }
}

fn ok(content_type: &str, body: impl Into<Bytes>) -> Answer {
    Answer::Whole(Duration::ZERO, plain(StatusCode::OK, content_type, body))
}

/// What a proxy in between would answer.
fn page(status: u16) -> Response<Bytes> {
    plain(status_of(status), "text/html", "<h1>something went wrong</h1>")
}

fn status_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// For another method (RFC 9110 section 15.5.6).
fn only(method: &'static str) -> Response<Bytes> {
    let response = plain(StatusCode::METHOD_NOT_ALLOWED, "text/plain", format!("only {method}"));
    with_field(response, ALLOW, method)
}
