//! Why the keys of an issuer could not be fetched. Operators read these errors, clients never see them.

use std::error::Error;
use std::fmt;

use crate::fetch_url::FetchUrl;
use crate::jwks::key_set::KeySetFault;
use crate::jwks::refresh::GracePeriod;
use crate::metadata::{FailedDiscovery, MetadataError, TriedUrls};
use crate::transport::{FetchError, FetchErrorKind};

/// Why the keys of an issuer could not be fetched.
///
/// [`kind`](Self::kind) classifies the failure, and [`source`](Error::source) is the error below it. The
/// error names the URLs that were read. It holds no query string, no credentials and no part of a fetched
/// document, except the issuer that metadata of another issuer names: escaped, and at most 150 characters.
/// [`hint`](Self::hint) says what to change.
///
/// [`KeysStatus::last_error`](super::KeysStatus::last_error) returns it.
/// [`NotReady::issuers`](crate::diagnostics::NotReady::issuers) yields it, too. It is the source of a
/// [`Rejection`](crate::Rejection) whose kind is `keys_unavailable`.
///
/// # Example
///
/// ```
/// use tower_bearer::BearerAuth;
/// use tower_bearer::diagnostics::KeysErrorKind;
///
/// /// Lists the issuers whose configuration somebody has to fix.
/// fn misconfigured(auth: &BearerAuth) -> Vec<String> {
///     let mut issuers = Vec::new();
///     for status in auth.status() {
///         let error = status.keys().and_then(|keys| keys.last_error());
///         if error.is_some_and(|error| error.kind() == KeysErrorKind::IssuerMismatch) {
///             issuers.push(status.issuer().to_owned());
///         }
///     }
///     issuers
/// }
/// ```
#[derive(Debug)]
pub struct KeysError {
    pub(super) cause: Cause,
    /// The URL that was read.
    urls: Option<Box<TriedUrls>>,
}

/// The kind of a [`KeysError`].
///
/// # Example
///
/// ```
/// use tower_bearer::diagnostics::KeysErrorKind;
/// use tower_bearer::transport::FetchErrorKind;
///
/// fn hint(kind: KeysErrorKind) -> &'static str {
///     match kind {
///         KeysErrorKind::Fetch(FetchErrorKind::Transport) => "check DNS, proxy and CA certificates",
///         KeysErrorKind::Fetch(_) => "check whether the authorization server is up",
///         KeysErrorKind::IssuerMismatch => "configure the issuer exactly as its metadata names it",
///         _ => "check the authorization server's documents",
///     }
/// }
/// # assert!(hint(KeysErrorKind::NoUsableKey).contains("documents"));
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum KeysErrorKind {
    /// A request for the metadata or for the key set failed.
    Fetch(FetchErrorKind),
    /// The metadata document is about another issuer (RFC 8414 section 3.3).
    IssuerMismatch,
    /// The metadata document has no `jwks_uri`, or one that must not be fetched.
    JwksUriUnusable,
    /// The key set is not a JSON object with an array `keys` (RFC 7517 section 5).
    KeySetUnreadable,
    /// The metadata document is not a JSON object, or lacks a member, or a member has the wrong type.
    MetadataUnreadable,
    /// The key set has no key that can verify a signature with an allowed algorithm.
    NoUsableKey,
    /// The task that fetches the keys panicked, or no tokio runtime was available to spawn it.
    RefreshTaskFailed,
}

/// The error below a [`KeysError`].
#[derive(Debug)]
pub(super) enum Cause {
    Fetch(FetchError),
    KeySet(KeySetFault),
    Metadata(MetadataError),
    /// The refresh task failed, for this reason.
    RefreshTask(&'static str),
}

impl KeysError {
    pub(super) fn refresh_task(reason: &'static str) -> Self {
        Self { cause: Cause::RefreshTask(reason), urls: None }
    }

    /// The same error, about this URL.
    pub(super) fn at(self, url: &FetchUrl) -> Self {
        Self { urls: Some(Box::new(TriedUrls::only(url.clone()))), ..self }
    }

    /// The URL that was read.
    pub(crate) fn url(&self) -> Option<&FetchUrl> {
        self.urls.as_ref().map(|urls| &urls.url)
    }

    /// The kind of failure.
    #[must_use]
    pub fn kind(&self) -> KeysErrorKind {
        match &self.cause {
            Cause::Fetch(error) | Cause::Metadata(MetadataError::Fetch(error)) => {
                KeysErrorKind::Fetch(error.kind())
            }
            Cause::KeySet(KeySetFault::NoUsableKey) => KeysErrorKind::NoUsableKey,
            Cause::KeySet(KeySetFault::NotAKeySet) => KeysErrorKind::KeySetUnreadable,
            Cause::Metadata(MetadataError::EndpointMissing(_) | MetadataError::EndpointUnusable(_)) => {
                KeysErrorKind::JwksUriUnusable
            }
            Cause::Metadata(MetadataError::IssuerMismatch(_)) => KeysErrorKind::IssuerMismatch,
            Cause::Metadata(MetadataError::Unreadable(_)) => KeysErrorKind::MetadataUnreadable,
            Cause::RefreshTask(_) => KeysErrorKind::RefreshTaskFailed,
        }
    }

    /// Whether the authorization server is unreachable or failed, as opposed to having responded without
    /// keys.
    ///
    /// `true` for broken connections, timeouts, status 429 and every 5xx. Stale keys then stay in use for
    /// [`jwks_stale_for`](crate::BearerAuthBuilder::jwks_stale_for). After any other error but
    /// [`NoUsableKey`](KeysErrorKind::NoUsableKey), they stay in use for
    /// [`jwks_stale_for_bad_responses`](crate::BearerAuthBuilder::jwks_stale_for_bad_responses).
    #[must_use]
    pub fn is_outage(&self) -> bool {
        self.grace_period() == GracePeriod::Full
    }

    /// The grace period that the cached keys have after this error.
    pub(super) fn grace_period(&self) -> GracePeriod {
        match &self.cause {
            Cause::Fetch(error) | Cause::Metadata(MetadataError::Fetch(error)) => grace_after(error),
            Cause::RefreshTask(_) => GracePeriod::Full,
            Cause::KeySet(KeySetFault::NotAKeySet) | Cause::Metadata(_) => GracePeriod::Short,
            Cause::KeySet(KeySetFault::NoUsableKey) => GracePeriod::None,
        }
    }
}

fn grace_after(error: &FetchError) -> GracePeriod {
    // A document that is too large is unreadable, whoever sent it.
    let is_outage = error.is_outage() && error.kind() != FetchErrorKind::TooLarge;
    if is_outage { GracePeriod::Full } else { GracePeriod::Short }
}

impl fmt::Display for KeysError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Fetch(error) => error.fmt(f),
            Cause::KeySet(fault) => fault.fmt(f),
            Cause::Metadata(error) => error.fmt(f),
            Cause::RefreshTask(reason) => f.write_str(reason),
        }?;
        self.urls.as_ref().map_or(Ok(()), |urls| write!(f, " ({urls})"))
    }
}

impl Error for KeysError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.cause {
            Cause::Fetch(error) => error.source(),
            Cause::Metadata(error) => error.source(),
            Cause::KeySet(_) | Cause::RefreshTask(_) => None,
        }
    }
}

impl From<FetchError> for KeysError {
    fn from(error: FetchError) -> Self {
        Self { cause: Cause::Fetch(error), urls: None }
    }
}

impl From<KeySetFault> for KeysError {
    fn from(fault: KeySetFault) -> Self {
        Self { cause: Cause::KeySet(fault), urls: None }
    }
}

impl From<MetadataError> for KeysError {
    fn from(error: MetadataError) -> Self {
        Self { cause: Cause::Metadata(error), urls: None }
    }
}

impl From<FailedDiscovery> for KeysError {
    fn from(failed: FailedDiscovery) -> Self {
        Self { urls: Some(Box::new(failed.urls)), ..Self::from(failed.error) }
    }
}

#[cfg(test)]
#[path = "error_tests.rs"]
mod tests;
