//! Sends one request within a time limit and a size limit.
//!
//! Checks: the time limit, the size of the body, that the response is no redirect, for documents the status,
//! and the address if the URL names one.
//! Does not check: the content type and the content of the body, and the addresses of a name. The HTTP client
//! checks these.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, LOCATION};
use http::{HeaderValue, Method, Response, StatusCode};
use tracing::Instrument;

use super::client::HttpClient;
use super::error::{FetchError, FetchErrorKind};
use super::request::FetchRequest;
use crate::event::span::{OutboundRequest, record_error, record_response};

/// Fetches a JSON document. The response has status 200, or 304 for a conditional request.
///
/// # Errors
/// A [`FetchError`]: [`FetchErrorKind::Status`] for any other status, otherwise as [`send`].
pub(crate) async fn fetch(
    client: &dyn HttpClient,
    mut request: FetchRequest,
    timeout: Duration,
) -> Result<Response<Bytes>, FetchError> {
    let headers = request.request_mut().headers_mut();
    headers.entry(ACCEPT).or_insert(HeaderValue::from_static("application/json"));
    let response = send(client, request, timeout).await?;
    match response.status() {
        StatusCode::OK | StatusCode::NOT_MODIFIED => Ok(response),
        status => Err(FetchErrorKind::Status(status.as_u16()).into()),
    }
}

/// Sends `request` and returns the response, whatever its status.
///
/// # Errors
/// A [`FetchError`]: the error of the client, [`FetchErrorKind::TimedOut`], [`FetchErrorKind::Redirected`],
/// [`FetchErrorKind::TooLarge`] or [`FetchErrorKind::AddressNotAllowed`].
pub(crate) async fn send(
    client: &dyn HttpClient,
    request: FetchRequest,
    timeout: Duration,
) -> Result<Response<Bytes>, FetchError> {
    let span = outbound_request(&request).span();
    // The client is called within the span, so that it can propagate the trace context.
    let response = exchange(client, request, timeout).instrument(span.clone()).await;
    match &response {
        Ok(response) => record_response(&span, response.status().as_u16()),
        Err(error) => record_error(&span, error_type(error.kind())),
    }
    response
}

async fn exchange(
    client: &dyn HttpClient,
    request: FetchRequest,
    timeout: Duration,
) -> Result<Response<Bytes>, FetchError> {
    request.check_host()?;
    let (max_body_bytes, is_get) = (request.max_body_bytes(), request.request().method() == Method::GET);
    let response = tokio::time::timeout(timeout, client.fetch(request.with_timeout(timeout)));
    let response = response.await.map_err(|_| FetchErrorKind::TimedOut)??.into_response();
    match response.status() {
        StatusCode::NOT_MODIFIED => Ok(response),
        status if status.is_redirection() => Err(redirected(&response, is_get)),
        _ if response.body().len() > max_body_bytes => Err(FetchError::too_large()),
        _ => Ok(response),
    }
}

fn outbound_request(request: &FetchRequest) -> OutboundRequest<'_> {
    let url = request.request().uri();
    OutboundRequest {
        method: request.request().method().as_str(),
        host: url.host(),
        port: url.port_u16().or_else(|| match url.scheme_str() {
            Some("https") => Some(443),
            Some("http") => Some(80),
            _ => None,
        }),
        issuer: request.issuer(),
    }
}

/// The value of OpenTelemetry's attribute `error.type`.
fn error_type(kind: FetchErrorKind) -> &'static str {
    match kind {
        FetchErrorKind::Transport => "transport",
        FetchErrorKind::ConnectionLost => "connection_lost",
        FetchErrorKind::TimedOut => "timeout",
        FetchErrorKind::TooLarge => "too_large",
        FetchErrorKind::Redirected => "redirected",
        FetchErrorKind::AddressNotAllowed => "address_not_allowed",
        FetchErrorKind::Status(_) => "status",
    }
}

/// The error of a redirect, with the new location. Other requests than GET carry a token, which a server
/// could have put into the location, so their location is not shown.
fn redirected(response: &Response<Bytes>, is_get: bool) -> FetchError {
    let location = response.headers().get(LOCATION).filter(|_| is_get);
    match location.and_then(|location| location.to_str().ok()) {
        Some(location) => FetchError::redirected_to(location),
        None => FetchError::redirected(),
    }
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
