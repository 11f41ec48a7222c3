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

use super::client::HttpClient;
use super::error::{FetchError, FetchErrorKind};
use super::request::FetchRequest;

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
