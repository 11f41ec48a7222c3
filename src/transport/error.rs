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
    /// The connection was there and died before an answer came: most often one kept open from before, which
    /// the server has closed meanwhile. Trying once more helps.
    ConnectionLost,
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
    /// The metadata document does not name the endpoint, or one that may not be asked.
    EndpointMissing,
    /// The key set has no key that can check a signature here.
    NoUsableKey,
    /// The introspection endpoint refuses this client, with this status (RFC 7662 section 2.3).
    ClientRefused(u16),
    /// The introspection endpoint does not take tokens of this kind (`unsupported_token_type`).
    TokenKindRefused,
    /// The credentials of this client could not be made: its key does not sign, or its token is none.
    CredentialsUnusable,
    /// The answer of the introspection endpoint is not signed as it must be (RFC 9701 section 5).
    NotSigned,
    /// Nothing was asked: too many calls wait, the limit of a minute is reached, or the server has failed
    /// or has asked for a pause a moment ago.
    Withheld,
}

impl FetchError {
    /// A failed connection, with what the HTTP client said of it.
    pub fn transport(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: FetchErrorKind::Transport, source: Some(source.into()) }
    }

    /// A connection that died before an answer came, with what the HTTP client said of it.
    pub fn connection_lost(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind: FetchErrorKind::ConnectionLost, source: Some(source.into()) }
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

    /// A failure of that kind, with more to say about it.
    pub(crate) fn because(kind: FetchErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, source: Some(source.into()) }
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
            | FetchErrorKind::ConnectionLost
            | FetchErrorKind::TimedOut
            | FetchErrorKind::TooLarge
            | FetchErrorKind::Unreadable => true,
            // 429 (RFC 6585 section 4) says "not now", not "no keys".
            FetchErrorKind::Status(status) => status >= 500 || status == 429,
            FetchErrorKind::Redirected
            | FetchErrorKind::IssuerMismatch
            | FetchErrorKind::EndpointMissing
            | FetchErrorKind::NoUsableKey
            | FetchErrorKind::ClientRefused(_)
            | FetchErrorKind::TokenKindRefused
            | FetchErrorKind::CredentialsUnusable
            | FetchErrorKind::NotSigned
            | FetchErrorKind::Withheld => false,
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
            Self::ConnectionLost => f.write_str("the connection died before an answer came"),
            Self::TimedOut => f.write_str("no whole answer came in time"),
            Self::TooLarge => f.write_str("the body is too large"),
            Self::Redirected => f.write_str("the answer came from another place"),
            Self::Status(status) => write!(f, "the status was {status}"),
            Self::Unreadable => f.write_str("the body is not the document that was asked for"),
            Self::IssuerMismatch => f.write_str("the metadata is about another issuer"),
            Self::EndpointMissing => f.write_str("the metadata names no such endpoint that may be asked"),
            Self::NoUsableKey => f.write_str("the key set has no usable key"),
            Self::ClientRefused(status) => write!(
                f,
                "the introspection endpoint refuses this client (status {status}): check the client id and the \
                 secret or key in ClientAuth, the method registered for it, and that it may introspect"
            ),
            Self::TokenKindRefused => f.write_str(
                "the introspection endpoint does not take tokens of this kind: leave JWTs out of also_jwts, or \
                 give the server's opaque tokens another way",
            ),
            Self::CredentialsUnusable => f.write_str(
                "the credentials for the introspection endpoint cannot be made: check the key or the token in \
                 ClientAuth",
            ),
            Self::NotSigned => f.write_str("the answer is not signed as it must be"),
            Self::Withheld => f.write_str("nothing was asked"),
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
