//! The trait that every HTTP client of this crate implements.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::error::FetchError;
use super::request::FetchRequest;
use super::response::FetchResponse;

/// The future that [`HttpClient::fetch`] returns.
///
/// Dropping it cancels the request.
///
/// ```
/// use tower_bearer::transport::{FetchError, FetchFuture};
///
/// let offline: FetchFuture = Box::pin(async { Err(FetchError::transport("offline")) });
/// ```
pub type FetchFuture = Pin<Box<dyn Future<Output = Result<FetchResponse, FetchError>> + Send>>;

/// Sends one request to an authorization server.
///
/// With the feature `reqwest` (on by default) you need no implementation of your own. For a proxy, a private
/// CA or a client certificate, configure a `ReqwestClient` and pass it to
/// [`BearerAuthBuilder::http_client`](crate::BearerAuthBuilder::http_client).
///
/// An implementation must:
///
/// - Verify the server's certificate.
/// - Follow no redirect, because the request can carry a secret meant for its own URL only. Return the 3xx
///   response unchanged. If the library followed a redirect anyway, return [`FetchError::redirected`].
/// - Send plain http requests to the loopback interface directly, never through a proxy. The proxy could read
///   their secrets and forge their responses.
/// - Read at most [`FetchRequest::max_body_bytes`] of the body. Return [`FetchError::too_large`] beyond that.
/// - Return [`FetchError::connection_lost`] if an established connection closed before the response was
///   complete. Servers close idle connections, and one that fails over a single token may close the
///   connection. So introspection and the fetch of keys retry such a request once, and untrusted tokens that
///   cause this error do not open the circuit breaker.
/// - Open a new connection if the request [needs one](FetchRequest::needs_fresh_connection).
/// - Connect to public addresses only if the request [requires it](FetchRequest::requires_public_address).
///   Without this check, a tenant of yours can make your API send requests into your own network.
/// - Return [`FetchError::transport`] for every other failure. Such a request is not retried.
/// - Keep the request out of logs. An introspection request carries the access token and often a client
///   secret, in its body or in `Authorization`.
///
/// The client is called within the span of the request; see
/// [Operations](crate::guide::operations#traces).
///
/// An implementation needs no timeout: the caller enforces it and drops the future. An `Arc<dyn HttpClient>`
/// is an `HttpClient`, too.
///
/// # Example
///
/// Send introspection requests through a client with its own certificate, and all others through a plain one:
///
/// ```
/// use tower_bearer::transport::{FetchFuture, FetchRequest, HttpClient, UrlKind};
///
/// struct Split<P, C> {
///     plain: P,
///     with_certificate: C,
/// }
///
/// impl<P: HttpClient, C: HttpClient> HttpClient for Split<P, C> {
///     fn fetch(&self, request: FetchRequest) -> FetchFuture {
///         match request.url_kind() {
///             UrlKind::Introspection => self.with_certificate.fetch(request),
///             _ => self.plain.fetch(request),
///         }
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an HTTP client of tower-bearer",
    label = "does not implement `HttpClient`",
    note = "wrap a client of reqwest 0.13, re-exported as `tower_bearer::transport::reqwest`, in \
            `ReqwestClient`, or implement `HttpClient` for this type"
)]
pub trait HttpClient: Send + Sync + 'static {
    /// Sends `request` and reads the whole response.
    ///
    /// Return every complete response as `Ok`, whatever its status.
    ///
    /// # Errors
    /// The future resolves to a [`FetchError`] if no complete response arrived within
    /// [`FetchRequest::max_body_bytes`].
    fn fetch(&self, request: FetchRequest) -> FetchFuture;
}

/// A shared client, `Arc<dyn HttpClient>` included.
impl<C: HttpClient + ?Sized> HttpClient for Arc<C> {
    fn fetch(&self, request: FetchRequest) -> FetchFuture {
        (**self).fetch(request)
    }
}

/// Why there is no default client.
pub(crate) enum DefaultClientFault {
    /// The feature `reqwest` is off.
    #[cfg_attr(feature = "reqwest", expect(dead_code, reason = "constructed only without reqwest"))]
    NotBuilt,
    /// `reqwest` could not build the client, for this reason.
    #[cfg_attr(not(feature = "reqwest"), expect(dead_code, reason = "constructed only with reqwest"))]
    Unusable(String),
}
