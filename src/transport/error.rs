//! Why a document of an authorization server could not be had: for the operator, never for a client.

use std::error::Error;
use std::fmt;

/// Why a fetch failed.
///
/// It shows a kind and, as [`source`](Error::source), what the HTTP client said. It holds no query
/// string, no credentials and nothing of the body.
#[derive(Debug)]
pub struct FetchError {
    kind: FetchErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What kind of failure a [`FetchError`] is.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum FetchErrorKind {
    /// No connection, a broken one, or TLS that failed.
    Transport,
    /// No whole answer within the time allowed.
    TimedOut,
    /// The body is larger than the limit.
    TooLarge,
    /// The server, or a client that follows redirects, led elsewhere.
    Redirected,
    /// Another status than 200.
    Status(u16),
    /// The body is not the JSON document that was asked for.
    Unreadable,
    /// The metadata document is about another issuer (RFC 8414 section 3.3).
    IssuerMismatch,
    /// The metadata document has no `jwks_uri` that may be fetched.
    EndpointMissing,
    /// The key set has no key that can check a signature here.
    NoUsableKey,
}

impl FetchError {
    /// A failed connection, with what the HTTP client said of it.
    pub fn transport(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: FetchErrorKind::Transport, source: Some(source.into()) }
    }

    /// A body over the limit.
    #[must_use]
    pub fn too_large() -> Self {
        FetchErrorKind::TooLarge.into()
    }

    /// An answer that came from another URL than the one asked.
    #[must_use]
    pub fn redirected() -> Self {
        FetchErrorKind::Redirected.into()
    }

    /// A body that is not the document it should be, with the reader's words.
    pub(crate) fn unreadable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: FetchErrorKind::Unreadable, source: Some(source.into()) }
    }

    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> FetchErrorKind {
        self.kind
    }

    /// Whether the server was out of reach or out of order, as against having answered something
    /// that holds no keys. Only an outage lets stale keys live on.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        match self.kind {
            FetchErrorKind::Transport
            | FetchErrorKind::TimedOut
            | FetchErrorKind::TooLarge
            | FetchErrorKind::Unreadable => true,
            // 429 (RFC 6585 section 4) says "not now", not "no keys".
            FetchErrorKind::Status(status) => status >= 500 || status == 429,
            FetchErrorKind::Redirected
            | FetchErrorKind::IssuerMismatch
            | FetchErrorKind::EndpointMissing
            | FetchErrorKind::NoUsableKey => false,
        }
    }
}

impl From<FetchErrorKind> for FetchError {
    fn from(kind: FetchErrorKind) -> Self {
        Self { kind, source: None }
    }
}

impl fmt::Display for FetchErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport => f.write_str("the connection failed"),
            Self::TimedOut => f.write_str("no whole answer came in time"),
            Self::TooLarge => f.write_str("the body is too large"),
            Self::Redirected => f.write_str("the answer came from another place"),
            Self::Status(status) => write!(f, "the status was {status}"),
            Self::Unreadable => f.write_str("the body is not the document that was asked for"),
            Self::IssuerMismatch => f.write_str("the metadata is about another issuer"),
            Self::EndpointMissing => f.write_str("the metadata has no jwks_uri that may be fetched"),
            Self::NoUsableKey => f.write_str("the key set has no usable key"),
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
