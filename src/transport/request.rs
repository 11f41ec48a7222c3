//! The request that an [`HttpClient`](super::HttpClient) sends, with its purpose and its limit.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Request;

use super::error::FetchError;
use super::limits::FetchLimits;
use crate::fetch_url::{AddressPolicy, Host};

/// A request to an authorization server.
///
/// It holds the HTTP request and what a client may need to decide about it: the purpose of the URL, the
/// issuer, and the size limit of the response. `Debug` redacts headers, query and body.
///
/// # Example
///
/// ```
/// use bytes::Bytes;
/// use tower_bearer::transport::{FetchRequest, UrlKind};
///
/// let request = http::Request::get("https://login.example.com/jwks").body(Bytes::new())?;
/// let request = FetchRequest::new(request, UrlKind::Jwks, "https://login.example.com", 512 * 1024);
/// assert_eq!(request.url_kind(), UrlKind::Jwks);
/// assert_eq!(request.issuer(), "https://login.example.com");
/// assert_eq!(request.max_body_bytes(), 524_288);
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct FetchRequest {
    request: Request<Bytes>,
    url_kind: UrlKind,
    issuer: Arc<str>,
    max_body_bytes: usize,
    timeout: Option<Duration>,
    fresh_connection: bool,
    addresses: AddressPolicy,
}

/// The purpose of a URL of an authorization server.
///
/// [`FetchRequest::url_kind`] returns it, for example to label a metric:
///
/// ```
/// use tower_bearer::transport::UrlKind;
///
/// fn label(kind: UrlKind) -> &'static str {
///     match kind {
///         UrlKind::Metadata => "metadata",
///         UrlKind::Jwks => "jwks",
///         UrlKind::Introspection => "introspection",
///         _ => "other",
///     }
/// }
/// # assert_eq!(label(UrlKind::Jwks), "jwks");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum UrlKind {
    /// The metadata document (RFC 8414 section 3, OpenID Connect Discovery 1.0 section 4).
    Metadata,
    /// The JWK Set (RFC 7517 section 5).
    Jwks,
    /// The introspection endpoint (RFC 7662 section 2).
    Introspection,
    /// The token endpoint, for the bearer token of
    /// [`ClientAuth::client_credentials`](crate::ClientAuth::client_credentials) (RFC 6749 section 3.2).
    Token,
}

impl FetchRequest {
    /// Creates a request, for example to test an [`HttpClient`](super::HttpClient) of your own.
    ///
    /// `issuer` is the issuer identifier that the request belongs to. `max_body_bytes` is the largest
    /// response body that the client may return.
    pub fn new(
        request: Request<Bytes>,
        url_kind: UrlKind,
        issuer: impl Into<Arc<str>>,
        max_body_bytes: usize,
    ) -> Self {
        let issuer = issuer.into();
        Self {
            request,
            url_kind,
            issuer,
            max_body_bytes,
            timeout: None,
            fresh_connection: false,
            addresses: AddressPolicy::Any,
        }
    }

    /// The same within `limits`. Their time limit is set when the request is sent.
    pub(crate) fn within(
        limits: FetchLimits,
        request: Request<Bytes>,
        url_kind: UrlKind,
        issuer: Arc<str>,
    ) -> Self {
        let request = Self::new(request, url_kind, issuer, limits.max_body_bytes);
        Self { addresses: limits.addresses, ..request }
    }

    /// The HTTP request: method, absolute URL, headers and complete body.
    #[must_use]
    pub fn request(&self) -> &Request<Bytes> {
        &self.request
    }

    /// The HTTP request, to change it before another client sends it.
    ///
    /// ```
    /// use http::HeaderValue;
    /// use tower_bearer::transport::{FetchFuture, FetchRequest, HttpClient};
    ///
    /// /// Adds the header that an API gateway in front of the authorization server requires.
    /// struct ThroughGateway<C>(C);
    ///
    /// impl<C: HttpClient> HttpClient for ThroughGateway<C> {
    ///     fn fetch(&self, mut request: FetchRequest) -> FetchFuture {
    ///         let headers = request.request_mut().headers_mut();
    ///         headers.insert("x-gateway", HeaderValue::from_static("internal"));
    ///         self.0.fetch(request)
    ///     }
    /// }
    /// ```
    pub fn request_mut(&mut self) -> &mut Request<Bytes> {
        &mut self.request
    }

    /// The HTTP request, to send it. Read [`max_body_bytes`](Self::max_body_bytes) first.
    #[must_use]
    pub fn into_request(self) -> Request<Bytes> {
        self.request
    }

    /// The purpose of the URL.
    #[must_use]
    pub fn url_kind(&self) -> UrlKind {
        self.url_kind
    }

    /// The issuer that this request belongs to, exactly as configured. A request for keys that several
    /// issuers share belongs to the one that used them first.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The largest response body to return, in bytes. Default: 512 KiB.
    #[must_use]
    pub fn max_body_bytes(&self) -> usize {
        self.max_body_bytes
    }

    /// The time that is left for the request, from the call of
    /// [`HttpClient::fetch`](super::HttpClient::fetch) to the last byte of the response. `None` without a
    /// limit.
    ///
    /// The caller enforces the limit. A client may pass it on, for example to a proxy.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// Whether the client should open a new connection, because a pooled one may be dead.
    ///
    /// It is `true` for retries after a lost connection, for requests after a timeout or while a pooled
    /// connection delivers no response, and for probes of a circuit breaker. A client without a connection
    /// pool can ignore it.
    #[must_use]
    pub fn needs_fresh_connection(&self) -> bool {
        self.fresh_connection
    }

    /// Asks the client for a new connection; see [`needs_fresh_connection`](Self::needs_fresh_connection).
    #[must_use]
    pub fn on_fresh_connection(mut self) -> Self {
        self.fresh_connection = true;
        self
    }

    /// Whether the client may connect to [public addresses](super::is_public_address) only.
    ///
    /// It is `true` for issuers that an [`IssuerResolver`](crate::issuers::IssuerResolver) has found, unless
    /// it [allows private addresses](crate::issuers::IssuerResolver::allow_private_addresses). It is also
    /// `true` after [`Issuer::require_public_addresses`](crate::Issuer::require_public_addresses). A tenant
    /// may have chosen the URLs, and must not direct requests into your network.
    ///
    /// The client must check the addresses that a name resolves to, and connect to the checked ones without
    /// another lookup. If none is left, it returns [`FetchError::address_not_allowed`]. `BearerAuth` itself
    /// rejects URLs with a private address or `localhost` before it calls the client.
    #[must_use]
    pub fn requires_public_address(&self) -> bool {
        self.addresses == AddressPolicy::PublicOnly
    }

    /// Restricts the client to public addresses; see
    /// [`requires_public_address`](Self::requires_public_address).
    #[must_use]
    pub fn to_public_address_only(mut self) -> Self {
        self.addresses = AddressPolicy::PublicOnly;
        self
    }

    /// Checks the address if the URL names one. If the client may connect to public addresses only, the host
    /// must be one that all URL parsers read alike.
    ///
    /// # Errors
    /// An error of kind [`AddressNotAllowed`](super::FetchErrorKind::AddressNotAllowed).
    pub(super) fn check_host(&self) -> Result<(), FetchError> {
        let text = self.request.uri().host().unwrap_or_default();
        let Some(host) = Host::parse(text) else {
            return if self.requires_public_address() {
                Err(FetchError::ambiguous_host(text))
            } else {
                Ok(())
            };
        };
        match host.address() {
            Some(address) if !self.addresses.allows(address) => {
                Err(FetchError::address_not_allowed(text, address))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }
}

impl fmt::Debug for FetchRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FetchRequest")
            .field("method", self.request.method())
            .field("host", &self.request.uri().host())
            .field("path", &self.request.uri().path())
            .field("url_kind", &self.url_kind)
            .field("issuer", &self.issuer)
            .field("max_body_bytes", &self.max_body_bytes)
            .field("timeout", &self.timeout)
            .field("fresh_connection", &self.fresh_connection)
            .field("addresses", &self.addresses)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_neither_headers_nor_query_nor_body() {
        let request = Request::post("https://h.example/introspect?key=topsecret")
            .header("authorization", "Basic topsecret")
            .body(Bytes::from_static(b"token=topsecret"))
            .unwrap();
        let request = FetchRequest::new(request, UrlKind::Introspection, "https://h.example", 1024);
        let shown = format!("{request:?}");
        assert!(shown.contains("/introspect") && !shown.contains("topsecret"), "{shown}");
    }
}
