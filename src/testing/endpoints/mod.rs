//! Routes a request to an endpoint of the test issuer, or responds with the fault that the test has set.

mod client_authentication;
mod credentials;
mod form;
mod introspection;
mod jwks;
mod metadata;
mod oauth_error;
mod response;
mod revocation;
mod sender;
mod token;

use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, LOCATION, RETRY_AFTER};
use http::{Method, Request, Response, StatusCode};

use form::Form;
use oauth_error::OAuthError;
pub(super) use response::plain;
use response::with_field;

use super::fault::{Endpoint, Fault};
use super::server::State;

/// The reply to a request, which may be no complete response.
pub(super) enum Reply {
    /// A complete response, sent after a delay.
    Complete(Duration, Response<Bytes>),
    /// The head and half of the body of this response.
    Half(Response<Bytes>),
    /// The head and a small part of the body of this response. The rest never arrives.
    Slow(Response<Bytes>),
    /// No response. The connection stays open.
    Hang,
    /// The head of this response, then one byte of its body after each interval.
    Trickle(Duration, Response<Bytes>),
    /// No connection.
    Refuse,
    /// No response. The connection is closed after the request was sent.
    Lost,
}

impl State {
    /// Counts a request and replies to it.
    pub(super) fn reply(&self, request: &Request<Bytes>) -> Reply {
        let Some(endpoint) = self.endpoint_at(request.uri()) else {
            return now(plain(StatusCode::NOT_FOUND, "text/plain", "no such endpoint"));
        };
        match self.count_request(endpoint, || form::token_of(request)) {
            None => now(self.respond(endpoint, request)),
            Some(fault) => self.fail(fault, || self.respond(endpoint, request)),
        }
    }

    /// The reply with this fault. `response` is the response without it.
    fn fail(&self, fault: Fault, response: impl Fn() -> Response<Bytes>) -> Reply {
        match fault {
            Fault::Delay(delay) => Reply::Complete(delay, response()),
            Fault::Refuse => Reply::Refuse,
            Fault::Lost => Reply::Lost,
            Fault::Trickle(interval) => Reply::Trickle(interval, response()),
            Fault::Hang => Reply::Hang,
            Fault::SlowBody => Reply::Slow(response()),
            Fault::HalfBody => Reply::Half(response()),
            Fault::HugeBody(bytes) => now(ok("application/json", vec![b' '; bytes])),
            Fault::Body(body) => now(ok("application/json", body)),
            Fault::BodyOfType(content_type, body) => now(ok(&content_type, body)),
            Fault::Html => now(ok("text/html", "<h1>welcome</h1>")),
            Fault::Status(status) => now(error_page(status)),
            Fault::RetryAfter(status, delay) => {
                let seconds = delay.as_secs().to_string();
                now(with_field(error_page(status), RETRY_AFTER, &seconds))
            }
            Fault::Json(status, body) => now(plain(status_code(status), "application/json", body)),
            Fault::Redirect(location) => {
                let response = plain(StatusCode::FOUND, "text/html", "moved");
                now(with_field(response, LOCATION, &location))
            }
        }
    }

    /// The response without a fault.
    fn respond(&self, endpoint: Endpoint, request: &Request<Bytes>) -> Response<Bytes> {
        let headers = request.headers();
        match endpoint {
            Endpoint::Metadata | Endpoint::Jwks if request.method() != Method::GET => only("GET"),
            Endpoint::Metadata => ok("application/json", self.metadata_document()),
            Endpoint::Jwks => self.jwks_response(headers),
            _ if request.method() != Method::POST => only("POST"),
            Endpoint::Introspection => {
                self.for_client(endpoint, request, |client, form| self.introspect(client, headers, form))
            }
            Endpoint::Token => {
                self.for_client(endpoint, request, |client, form| self.grant(client, request, form))
            }
            Endpoint::Revocation => self.for_client(endpoint, request, |_, form| self.revoke(form)),
        }
    }

    /// Parses the form, authenticates the client, and calls `respond` with both.
    fn for_client(
        &self,
        endpoint: Endpoint,
        request: &Request<Bytes>,
        respond: impl FnOnce(&str, &Form) -> Result<Response<Bytes>, OAuthError>,
    ) -> Response<Bytes> {
        let response = Form::parse(request).and_then(|form| {
            let client = self.authenticate_client(endpoint, request, &form)?;
            respond(&client, &form)
        });
        response.unwrap_or_else(OAuthError::response)
    }
}

fn now(response: Response<Bytes>) -> Reply {
    Reply::Complete(Duration::ZERO, response)
}

fn ok(content_type: &str, body: impl Into<Bytes>) -> Response<Bytes> {
    plain(StatusCode::OK, content_type, body)
}

/// An HTML error page, as a reverse proxy sends it.
fn error_page(status: u16) -> Response<Bytes> {
    plain(status_code(status), "text/html", "<h1>something went wrong</h1>")
}

fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// The response to any other method (RFC 9110 section 15.5.6).
fn only(method: &'static str) -> Response<Bytes> {
    let response = plain(StatusCode::METHOD_NOT_ALLOWED, "text/plain", format!("only {method}"));
    with_field(response, ALLOW, method)
}
