//! Why an introspection request failed: an error for the operator, never for the client.

use std::error::Error;
use std::fmt;

use crate::fetch_url::FetchUrl;
use crate::metadata::{FailedDiscovery, MetadataError, TriedUrls};
use crate::transport::{FetchError, FetchErrorKind};

/// Why an introspection request failed, or was not sent.
///
/// It is the [last error](crate::diagnostics::IntrospectionStatus::last_error) of an issuer's introspection,
/// and the source of a [`Rejection`](crate::Rejection) that was caused by a failed introspection request.
///
/// [`kind`](Self::kind) classifies the failure. [`source`](Error::source) is the lower-level error, if there
/// is one, for example the error of the HTTP client, or the `error` and `error_description` of the response
/// (RFC 6749 section 5.2). The error holds no token, no credentials, no query string, and no other part of a
/// response body. Words of the description that may be a token, a secret or an identifier are left out.
///
/// ```
/// use tower_bearer::diagnostics::{IntrospectionError, IntrospectionErrorKind};
///
/// /// Retrying does not help: somebody has to change the configuration.
/// fn is_misconfigured(error: &IntrospectionError) -> bool {
///     matches!(
///         error.kind(),
///         IntrospectionErrorKind::ClientRejected(_)
///             | IntrospectionErrorKind::CredentialsUnusable
///             | IntrospectionErrorKind::EndpointUnusable
///             | IntrospectionErrorKind::TokenTypeUnsupported
///     )
/// }
/// ```
#[derive(Debug)]
pub struct IntrospectionError {
    kind: IntrospectionErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
    /// Whether one of our own limits prevented the fetch of keys.
    is_rate_limited: bool,
    /// The URLs of the metadata that were read.
    metadata_urls: Option<Box<TriedUrls>>,
}

/// The kind of an [`IntrospectionError`].
///
/// Its `Display` is the text of the error, with a hint where the configuration has to change:
///
/// ```
/// use tower_bearer::diagnostics::IntrospectionErrorKind;
///
/// let text = IntrospectionErrorKind::ClientRejected(401).to_string();
/// assert!(text.contains("check the client id"));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum IntrospectionErrorKind {
    /// The introspection endpoint or the token endpoint rejects the credentials of this client, or this
    /// client may not introspect. The value is the HTTP status: 400, 401 or 403 (RFC 7662 section 2.3, RFC
    /// 6749 section 5.2).
    ClientRejected(u16),
    /// There are no credentials: the provider in [`ClientAuth`](crate::ClientAuth) failed or took too long.
    CredentialsUnavailable,
    /// The credentials of this client cannot be created: the key does not sign, or the value that
    /// [`ClientAuth::bearer_from_fn`](crate::ClientAuth::bearer_from_fn) returned is not a bearer token.
    CredentialsUnusable,
    /// The metadata names no introspection endpoint, or a URL that may not be used. Set the URL with
    /// [`Introspection::endpoint`](crate::Introspection::endpoint).
    EndpointUnusable,
    /// The request for the metadata or the introspection request failed on the way, or its status was not
    /// 200.
    Fetch(FetchErrorKind),
    /// The metadata document is about another issuer (RFC 8414 section 3.3).
    IssuerMismatch,
    /// The signature of a signed response cannot be verified, because the keys of the issuer are unavailable
    /// (RFC 9701 section 5).
    KeysUnavailable,
    /// The metadata document is not a JSON object, or a member has the wrong type.
    MetadataUnreadable,
    /// No request was sent: a limit is reached, the circuit breaker is open, the server requested a pause, or
    /// there is no tokio runtime.
    NotSent,
    /// The response is not a JSON object, or an object with duplicate members.
    ResponseUnreadable,
    /// The response is not signed although a signature is required, or its verification failed
    /// (RFC 9701 section 5).
    ResponseUntrusted,
    /// The endpoint does not introspect tokens of this type: `unsupported_token_type`
    /// (RFC 7009 section 2.2.1). The request is rejected with 500 if the token is a JWT. An opaque token is
    /// rejected as `token_inactive`.
    TokenTypeUnsupported,
}

impl IntrospectionError {
    pub(super) fn new(kind: IntrospectionErrorKind) -> Self {
        Self { kind, source: None, is_rate_limited: false, metadata_urls: None }
    }

    pub(super) fn with_source(
        kind: IntrospectionErrorKind,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { source: Some(source.into()), ..Self::new(kind) }
    }

    /// The key of a signed response is not cached, and the rate limit of the JWKS allows no fetch now.
    pub(super) fn keys_rate_limited() -> Self {
        let source = "the rate limit for fetches of keys is reached";
        Self { is_rate_limited: true, ..Self::with_source(IntrospectionErrorKind::KeysUnavailable, source) }
    }

    /// The introspection request failed in the HTTP client.
    pub(super) fn fetch(error: FetchError) -> Self {
        Self::with_source(IntrospectionErrorKind::Fetch(error.kind()), error)
    }

    /// The lookup of the endpoint in the metadata failed.
    pub(super) fn metadata(failed: FailedDiscovery) -> Self {
        let error = match failed.error {
            MetadataError::EndpointMissing(_) => Self::new(IntrospectionErrorKind::EndpointUnusable),
            MetadataError::EndpointUnusable(endpoint) => {
                Self::with_source(IntrospectionErrorKind::EndpointUnusable, endpoint)
            }
            MetadataError::Fetch(error) => Self::fetch(error),
            MetadataError::IssuerMismatch(issuers) => {
                Self::with_source(IntrospectionErrorKind::IssuerMismatch, issuers)
            }
            MetadataError::Unreadable(reason) => {
                Self::with_source(IntrospectionErrorKind::MetadataUnreadable, reason)
            }
        };
        Self { metadata_urls: Some(Box::new(failed.urls)), ..error }
    }

    /// The URL of the metadata that was read, if the lookup of the endpoint failed.
    pub(super) fn metadata_url(&self) -> Option<&FetchUrl> {
        self.metadata_urls.as_ref().map(|urls| &urls.url)
    }

    /// The kind of failure.
    #[must_use]
    pub fn kind(&self) -> IntrospectionErrorKind {
        self.kind
    }

    /// Whether the authorization server or the provider of credentials is unavailable, or returns unusable
    /// documents.
    ///
    /// Only an outage lets [`Introspection::serve_stale`](crate::Introspection::serve_stale) use a cached
    /// response. Status 429 is not an outage, because clients with forged tokens can provoke it. For the same
    /// reason, a signed response whose key may not be fetched within
    /// [`jwks_cooldown`](crate::BearerAuthBuilder::jwks_cooldown) is not an outage.
    #[must_use]
    pub fn is_outage(&self) -> bool {
        match self.kind {
            IntrospectionErrorKind::KeysUnavailable => !self.is_rate_limited,
            IntrospectionErrorKind::CredentialsUnavailable
            | IntrospectionErrorKind::MetadataUnreadable
            | IntrospectionErrorKind::ResponseUnreadable => true,
            IntrospectionErrorKind::Fetch(FetchErrorKind::Status(status)) => status >= 500,
            IntrospectionErrorKind::Fetch(kind) => matches!(
                kind,
                FetchErrorKind::Transport
                    | FetchErrorKind::ConnectionLost
                    | FetchErrorKind::TimedOut
                    | FetchErrorKind::TooLarge
            ),
            IntrospectionErrorKind::ClientRejected(_)
            | IntrospectionErrorKind::CredentialsUnusable
            | IntrospectionErrorKind::EndpointUnusable
            | IntrospectionErrorKind::IssuerMismatch
            | IntrospectionErrorKind::NotSent
            | IntrospectionErrorKind::ResponseUntrusted
            | IntrospectionErrorKind::TokenTypeUnsupported => false,
        }
    }

    /// Whether somebody has to change the configuration.
    pub(super) fn is_misconfiguration(&self) -> bool {
        matches!(
            self.kind,
            IntrospectionErrorKind::ClientRejected(_)
                | IntrospectionErrorKind::EndpointUnusable
                | IntrospectionErrorKind::TokenTypeUnsupported
        )
    }
}

impl fmt::Display for IntrospectionErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ClientRejected(status) => {
                return write!(
                    f,
                    "the authorization server rejected this client (status {status}): check the client id \
                     and the secret or key in ClientAuth, the method registered for the client, and that it \
                     may introspect"
                );
            }
            Self::CredentialsUnavailable => {
                "there are no credentials for the introspection endpoint: check the provider in ClientAuth"
            }
            Self::CredentialsUnusable => {
                "the credentials for the introspection endpoint cannot be created: check the key or the \
                 token in ClientAuth"
            }
            Self::EndpointUnusable => {
                "the metadata document names no introspection endpoint that may be used: set its URL with \
                 Introspection::endpoint(url)"
            }
            Self::Fetch(kind) => return kind.fmt(f),
            Self::IssuerMismatch => "the metadata document is about another issuer",
            Self::KeysUnavailable => {
                "the introspection response cannot be verified, because the keys of the issuer are unavailable"
            }
            Self::MetadataUnreadable => "the metadata document is not valid",
            Self::NotSent => "no introspection request was sent",
            Self::ResponseUnreadable => "the introspection response is not a valid JSON object",
            Self::ResponseUntrusted => "the introspection response has no valid signature",
            Self::TokenTypeUnsupported => {
                "the introspection endpoint does not support tokens of this type: exclude JWTs from \
                 also_jwts, or validate the opaque tokens of this server another way"
            }
        })
    }
}

impl fmt::Display for IntrospectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)?;
        self.metadata_urls.as_ref().map_or(Ok(()), |urls| write!(f, " ({urls})"))
    }
}

impl Error for IntrospectionError {
    /// The lower-level error. A [`FetchError`] has the same text as this error, so its source is returned.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source: &(dyn Error + 'static) = self.source.as_deref()?;
        if source.is::<FetchError>() { source.source() } else { Some(source) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Causes;
    use crate::fetch_url::PlainHttp;
    use crate::metadata::IssuerMismatch;

    #[test]
    fn only_an_unavailable_or_broken_server_is_an_outage() {
        use FetchErrorKind::{ConnectionLost, Redirected, Status, TimedOut, TooLarge, Transport};
        use IntrospectionErrorKind as Kind;
        for (kind, expected) in [
            (Kind::Fetch(Transport), true),
            (Kind::Fetch(ConnectionLost), true),
            (Kind::Fetch(TimedOut), true),
            (Kind::Fetch(TooLarge), true),
            (Kind::Fetch(Status(500)), true),
            (Kind::Fetch(Status(599)), true),
            (Kind::CredentialsUnavailable, true),
            (Kind::KeysUnavailable, true),
            (Kind::MetadataUnreadable, true),
            (Kind::ResponseUnreadable, true),
            (Kind::Fetch(Status(404)), false),
            (Kind::Fetch(Status(429)), false),
            (Kind::Fetch(Redirected), false),
            (Kind::ClientRejected(401), false),
            (Kind::CredentialsUnusable, false),
            (Kind::EndpointUnusable, false),
            (Kind::IssuerMismatch, false),
            (Kind::NotSent, false),
            (Kind::ResponseUntrusted, false),
            (Kind::TokenTypeUnsupported, false),
        ] {
            assert_eq!(IntrospectionError::new(kind).is_outage(), expected, "{kind:?}");
        }
        assert!(!IntrospectionError::keys_rate_limited().is_outage());
    }

    #[test]
    fn a_fetch_error_is_not_repeated_in_the_chain_of_sources() {
        let error = IntrospectionError::fetch(FetchError::transport("connection reset by peer"));
        assert_eq!(error.kind(), IntrospectionErrorKind::Fetch(FetchErrorKind::Transport));
        assert_eq!(error.to_string(), FetchErrorKind::Transport.to_string());
        assert_eq!(error.source().unwrap().to_string(), "connection reset by peer");
        let issuers = IssuerMismatch::new("https://x.example", &"https://h.example".into());
        let url = FetchUrl::parse("https://h.example/metadata?x=1", PlainHttp::Loopback).unwrap();
        let failed =
            FailedDiscovery { urls: TriedUrls::only(url), error: MetadataError::IssuerMismatch(issuers) };
        let error = IntrospectionError::metadata(failed);
        assert_eq!(error.kind(), IntrospectionErrorKind::IssuerMismatch);
        assert_eq!(
            Causes::of(&error).to_string(),
            "the metadata document is about another issuer (https://h.example/metadata): it names \
             \"https://x.example\", and \"https://h.example\" is configured (they differ in the host)"
        );
    }
}
