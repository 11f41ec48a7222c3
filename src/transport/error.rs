//! Why a request to an authorization server failed. Operators read these errors, clients never see them.

use std::error::Error;
use std::fmt;
#[cfg(feature = "reqwest")]
use std::iter::successors;
use std::net::IpAddr;

use crate::fetch_url::redacted;

/// Why a request to an authorization server failed.
///
/// [`kind`](Self::kind) classifies the failure, and [`source`](Error::source) is the error of the HTTP
/// client. The error holds no query string, no credentials and no part of a body.
///
/// # Example
///
/// An [`HttpClient`](super::HttpClient) of your own reports its failures with the constructors of this type:
///
/// ```
/// use std::io;
/// use tower_bearer::transport::{FetchError, FetchErrorKind};
///
/// fn from_io(error: io::Error) -> FetchError {
///     match error.kind() {
///         io::ErrorKind::ConnectionReset => FetchError::connection_lost(error),
///         _ => FetchError::transport(error),
///     }
/// }
///
/// let error = from_io(io::Error::from(io::ErrorKind::ConnectionRefused));
/// assert_eq!(error.kind(), FetchErrorKind::Transport);
/// assert!(error.is_outage());
/// ```
#[derive(Debug)]
pub struct FetchError {
    kind: FetchErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The kind of a [`FetchError`].
///
/// ```
/// use tower_bearer::transport::FetchErrorKind;
///
/// let kind = FetchErrorKind::Status(503);
/// assert_eq!(kind.to_string(), "the response status is 503");
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum FetchErrorKind {
    /// The connection could not be established, for example because the TLS handshake failed.
    Transport,
    /// An established connection closed before the response was complete. Most often the server closed an
    /// idle connection, so a retry helps.
    ConnectionLost,
    /// No complete response arrived within the time limit.
    TimedOut,
    /// The response body exceeds the size limit.
    TooLarge,
    /// The server redirected the request, or the client followed a redirect.
    Redirected,
    /// The server has no public address, and the request
    /// [requires one](super::FetchRequest::requires_public_address).
    AddressNotAllowed,
    /// The response has this status, and the request needs another one (200 for metadata and keys).
    Status(u16),
}

impl FetchError {
    /// Creates an error of kind [`FetchErrorKind::Transport`] with the error of the HTTP client as its
    /// source.
    pub fn transport(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: FetchErrorKind::Transport, source: Some(source.into()) }
    }

    /// Creates an error of kind [`FetchErrorKind::ConnectionLost`] with the error of the HTTP client as its
    /// source.
    pub fn connection_lost(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: FetchErrorKind::ConnectionLost, source: Some(source.into()) }
    }

    /// Creates an error of kind [`FetchErrorKind::TooLarge`].
    #[must_use]
    pub fn too_large() -> Self {
        FetchErrorKind::TooLarge.into()
    }

    /// Creates an error of kind [`FetchErrorKind::Redirected`].
    #[must_use]
    pub fn redirected() -> Self {
        FetchErrorKind::Redirected.into()
    }

    /// Creates an error of kind [`FetchErrorKind::Redirected`] that names the new location: its `Location`,
    /// or the URL that the response came from.
    ///
    /// The source of the error has the location: without user name, password, query and fragment, escaped,
    /// and at most 150 characters.
    ///
    /// ```
    /// use std::error::Error;
    /// use tower_bearer::transport::FetchError;
    ///
    /// let error = FetchError::redirected_to("https://www.example.com/sign-in?state=secret");
    /// let location = error.source().map(ToString::to_string);
    /// assert_eq!(location.as_deref(), Some(r#"the new location is "https://www.example.com/sign-in""#));
    /// ```
    #[must_use]
    pub fn redirected_to(location: &str) -> Self {
        let shown = redacted(location).chars().take(NewLocation::MAX_SHOWN).collect();
        Self { kind: FetchErrorKind::Redirected, source: Some(Box::new(NewLocation(shown))) }
    }

    /// Creates an error of kind [`FetchErrorKind::AddressNotAllowed`]: `host` has only addresses such as
    /// `address`, which [are not public](super::is_public_address).
    ///
    /// The source of the error has both, and names the settings that decide about it.
    ///
    /// ```
    /// use std::error::Error;
    /// use tower_bearer::transport::FetchError;
    ///
    /// let error = FetchError::address_not_allowed("keys.example.com", [10, 0, 0, 5].into());
    /// let source = error.source().map(ToString::to_string).unwrap_or_default();
    /// assert!(source.starts_with(r#"the address 10.0.0.5 of "keys.example.com" is not public"#));
    /// ```
    #[must_use]
    pub fn address_not_allowed(host: &str, address: IpAddr) -> Self {
        Self::not_allowed(NotPublic::new(host, address))
    }

    /// Creates an error of kind [`FetchErrorKind::AddressNotAllowed`] for a host that some URL parsers read
    /// as an address.
    pub(super) fn ambiguous_host(host: &str) -> Self {
        Self::not_allowed(format!(
            "the host {host:?} is neither a name nor an address (write IPv4 addresses as four decimal numbers)"
        ))
    }

    /// Creates an error of kind [`FetchErrorKind::AddressNotAllowed`] with this source.
    pub(super) fn not_allowed(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: FetchErrorKind::AddressNotAllowed, source: Some(source.into()) }
    }

    /// The kind of failure.
    #[must_use]
    pub fn kind(&self) -> FetchErrorKind {
        self.kind
    }

    /// Whether the server is unavailable, as opposed to having responded that there is nothing here.
    ///
    /// `true` for broken connections, timeouts, bodies over the size limit, status 429 and every 5xx. Stale
    /// keys stay in use for [`jwks_stale_for`](crate::BearerAuthBuilder::jwks_stale_for) then, and for
    /// [`jwks_stale_for_bad_responses`](crate::BearerAuthBuilder::jwks_stale_for_bad_responses) otherwise.
    ///
    /// ```
    /// use tower_bearer::transport::{FetchError, FetchErrorKind};
    ///
    /// assert!(FetchError::from(FetchErrorKind::Status(503)).is_outage());
    /// assert!(!FetchError::from(FetchErrorKind::Status(404)).is_outage());
    /// ```
    #[must_use]
    pub fn is_outage(&self) -> bool {
        match self.kind {
            FetchErrorKind::Transport
            | FetchErrorKind::ConnectionLost
            | FetchErrorKind::TimedOut
            | FetchErrorKind::TooLarge => true,
            // 429 (RFC 6585 section 4) says "not now", not "no keys".
            FetchErrorKind::Status(status) => status >= 500 || status == 429,
            FetchErrorKind::Redirected | FetchErrorKind::AddressNotAllowed => false,
        }
    }
}

/// Where a redirect leads to. The authorization server has written it.
#[derive(Debug)]
struct NewLocation(String);

impl NewLocation {
    const MAX_SHOWN: usize = 150;
}

impl fmt::Display for NewLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the new location is {:?}", self.0)
    }
}

impl Error for NewLocation {}

/// A host that has no public address.
#[derive(Clone, Debug)]
pub(super) struct NotPublic {
    host: String,
    address: IpAddr,
}

impl NotPublic {
    pub(super) fn new(host: &str, address: IpAddr) -> Self {
        Self { host: host.to_owned(), address }
    }

    /// The `NotPublic` that is a cause of `error`.
    #[cfg(feature = "reqwest")]
    pub(super) fn among_causes(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut causes = successors(Some(error), |error| (*error).source());
        causes.find_map(|cause| cause.downcast_ref::<Self>().cloned())
    }
}

impl fmt::Display for NotPublic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, address } = self;
        write!(
            f,
            "the address {address} of {host:?} is not public; to allow it, set \
             IssuerResolver::allow_private_addresses or remove Issuer::require_public_addresses"
        )
    }
}

impl Error for NotPublic {}

impl From<FetchErrorKind> for FetchError {
    fn from(kind: FetchErrorKind) -> Self {
        Self { kind, source: None }
    }
}

impl fmt::Display for FetchErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport => f.write_str("the connection failed"),
            Self::ConnectionLost => f.write_str("the connection closed before the response was complete"),
            Self::TimedOut => f.write_str("the request timed out"),
            Self::TooLarge => f.write_str("the response body exceeds the size limit"),
            Self::Redirected => f.write_str("the server redirected the request"),
            Self::AddressNotAllowed => f.write_str("the server has no public address"),
            Self::Status(status) => write!(f, "the response status is {status}"),
        }
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl Error for FetchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| -> &(dyn Error + 'static) { source })
    }
}
