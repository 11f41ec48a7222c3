//! Calls to authorization servers, and the circuit breaker in front of them.

use std::time::Duration;

/// A fetch of an issuer's keys, for [`Observer::keys_fetched`](super::Observer::keys_fetched).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct KeyFetch<'f> {
    pub(crate) issuer: &'f str,
    pub(crate) resolver_pattern: Option<&'f str>,
    pub(crate) outcome: KeyFetchOutcome,
    pub(crate) duration: Duration,
    pub(crate) keys: usize,
    pub(crate) failures: u32,
}

/// The result of a key fetch.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum KeyFetchOutcome {
    /// The authorization server returned a key set.
    Loaded,
    /// The cached keys are current (304).
    NotModified,
    /// The fetch failed.
    Failed,
}

/// An introspection request, for [`Observer::introspected`](super::Observer::introspected).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct IntrospectionCall<'c> {
    pub(crate) issuer: &'c str,
    pub(crate) resolver_pattern: Option<&'c str>,
    pub(crate) outcome: IntrospectionOutcome,
    pub(crate) duration: Duration,
}

/// The result of an introspection request.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum IntrospectionOutcome {
    /// The endpoint responded, whether the token is active or not.
    Responded,
    /// There is no usable response.
    Failed,
}

/// A change of a circuit breaker, for [`Observer::circuit_changed`](super::Observer::circuit_changed).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct CircuitChange<'c> {
    pub(crate) issuer: &'c str,
    pub(crate) resolver_pattern: Option<&'c str>,
    pub(crate) is_open: bool,
}

impl<'f> KeyFetch<'f> {
    /// The identifier of the issuer, as configured or resolved.
    #[must_use]
    pub fn issuer(&self) -> &'f str {
        self.issuer
    }

    /// The pattern of the resolver that has found the issuer. `None` for an issuer that is configured.
    #[must_use]
    pub fn resolver_pattern(&self) -> Option<&'f str> {
        self.resolver_pattern
    }

    /// The result.
    #[must_use]
    pub fn outcome(&self) -> KeyFetchOutcome {
        self.outcome
    }

    /// The duration of the fetch, including a read of the metadata.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.duration
    }

    /// The number of keys that are cached after the fetch.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.keys
    }

    /// How many fetches in a row have failed: up to this one, or before this one if it has succeeded.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }
}

impl KeyFetchOutcome {
    /// A label for logs and metrics: `loaded`, `not_modified` or `failed`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Loaded => "loaded",
            Self::NotModified => "not_modified",
            Self::Failed => "failed",
        }
    }
}

impl<'c> IntrospectionCall<'c> {
    /// The identifier of the issuer, as configured or resolved.
    #[must_use]
    pub fn issuer(&self) -> &'c str {
        self.issuer
    }

    /// The pattern of the resolver that has found the issuer. `None` for an issuer that is configured.
    #[must_use]
    pub fn resolver_pattern(&self) -> Option<&'c str> {
        self.resolver_pattern
    }

    /// The result.
    #[must_use]
    pub fn outcome(&self) -> IntrospectionOutcome {
        self.outcome
    }

    /// The duration of the request. It excludes the time in the queue.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.duration
    }
}

impl IntrospectionOutcome {
    /// A label for logs and metrics: `responded` or `failed`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Responded => "responded",
            Self::Failed => "failed",
        }
    }
}

impl<'c> CircuitChange<'c> {
    /// The identifier of the issuer, as configured or resolved.
    #[must_use]
    pub fn issuer(&self) -> &'c str {
        self.issuer
    }

    /// The pattern of the resolver that has found the issuer. `None` for an issuer that is configured.
    #[must_use]
    pub fn resolver_pattern(&self) -> Option<&'c str> {
        self.resolver_pattern
    }

    /// Whether the circuit breaker is open now, so that no introspection requests are sent.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.is_open
    }
}
