//! The HTTP client as this crate sees it: one request, one whole answer, within limits.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderValue, Request, Response, StatusCode};

use super::{FetchError, FetchErrorKind};

/// The future of [`HttpClient::fetch`].
pub type FetchFuture = Pin<Box<dyn Future<Output = Result<Response<Bytes>, FetchError>> + Send>>;

/// Sends one request to an authorization server: a `GET` for metadata and keys, a `POST` for introspection.
///
/// With the feature `reqwest` (a default) nobody has to write one: hand your own
/// `reqwest::Client` to [`BearerAuthBuilder::http_client`](crate::BearerAuthBuilder::http_client)
/// for a proxy, a private CA or a client certificate.
///
/// What an implementation must do:
///
/// - Check the server's certificate.
/// - Follow no redirect: the request may hold a secret that is meant for its own URL only. Return the
///   answer as it came; if it came from elsewhere all the same, [`FetchError::redirected`].
/// - Read at most `body_limit` bytes of the body, and answer [`FetchError::too_large`] beyond.
/// - Answer [`FetchError::connection_lost`] when a connection was there and died before an answer came, as kept
///   ones do that the server has closed: then a question is put once more. All other failures are
///   [`FetchError::transport`], and are not tried again.
/// - Log neither the request nor its `Debug`. A `POST` holds the access token and often a client secret, in its
///   body or in `Authorization`. That header is marked as sensitive, and `Debug` hides it; of a
///   `Request<Bytes>` it shows the body.
///
/// The time limit is kept by the caller, which drops the future.
pub trait HttpClient: Send + Sync + 'static {
    /// Sends `request` and reads the whole answer, of at most `body_limit` bytes.
    fn fetch(&self, request: Request<Bytes>, body_limit: usize) -> FetchFuture;
}

/// Why there is no default client.
pub(crate) enum DefaultClientFault {
    /// The feature `reqwest` is off.
    #[cfg_attr(feature = "reqwest", expect(dead_code, reason = "said by the stand-in without reqwest"))]
    NotBuilt,
    /// It could not be made, and said so.
    #[cfg_attr(not(feature = "reqwest"), expect(dead_code, reason = "said by reqwest"))]
    Unusable(String),
}

/// How much an answer may cost.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct FetchLimits {
    /// From the first byte sent to the last byte read.
    pub(crate) timeout: Duration,
    /// Bytes of the body.
    pub(crate) body: usize,
}

/// Fetches a JSON document: the answer to `request` if it came in time, within the limits and with status
/// 200 (or 304, for a conditional request).
///
/// # Errors
/// [`FetchError`], by the first limit that was broken.
pub(crate) async fn fetch(
    client: &dyn HttpClient,
    mut request: Request<Bytes>,
    limits: FetchLimits,
) -> Result<Response<Bytes>, FetchError> {
    request.headers_mut().entry(ACCEPT).or_insert(HeaderValue::from_static("application/json"));
    let response = send(client, request, limits).await?;
    match response.status() {
        StatusCode::OK | StatusCode::NOT_MODIFIED => Ok(response),
        status => Err(FetchErrorKind::Status(status.as_u16()).into()),
    }
}

/// Sends `request` and returns the answer, whatever its status, if it came in time and within the limits
/// and does not lead elsewhere.
///
/// # Errors
/// [`FetchError`], by the first limit that was broken.
pub(crate) async fn send(
    client: &dyn HttpClient,
    request: Request<Bytes>,
    limits: FetchLimits,
) -> Result<Response<Bytes>, FetchError> {
    let answer = tokio::time::timeout(limits.timeout, client.fetch(request, limits.body));
    let response = answer.await.map_err(|_| FetchErrorKind::TimedOut)??;
    match response.status() {
        StatusCode::NOT_MODIFIED => Ok(response),
        status if status.is_redirection() => Err(FetchError::redirected()),
        _ if response.body().len() > limits.body => Err(FetchError::too_large()),
        _ => Ok(response),
    }
}
