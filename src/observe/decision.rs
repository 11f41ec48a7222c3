//! The decision about one request.

use std::time::{Duration, Instant};

use http::StatusCode;

use crate::time::now;

/// The decision about one request, for [`Observer::decided`](super::Observer::decided).
///
/// ```
/// use tower_bearer::observe::Decision;
///
/// fn line(decision: &Decision<'_>) -> String {
///     let issuer = decision.issuer().unwrap_or("-");
///     format!("{} {issuer} {:?}", decision.kind(), decision.duration())
/// }
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Decision<'d> {
    pub(crate) outcome: Outcome,
    pub(crate) kind: &'static str,
    pub(crate) status: Option<StatusCode>,
    pub(crate) issuer: Option<&'d str>,
    pub(crate) resolver_pattern: Option<&'d str>,
    pub(crate) key_id: Option<&'d str>,
    pub(crate) algorithm: Option<&'static str>,
    pub(crate) lookup: Lookup,
    pub(crate) duration: Duration,
}

/// Whether a request was accepted.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Outcome {
    /// Its token is valid.
    Accepted,
    /// It has no token, and [`optional`](crate::BearerAuthBuilder::optional) or
    /// [`allow_preflight`](crate::BearerAuthBuilder::allow_preflight) allows that.
    Anonymous,
    /// It got a [`Rejection`](crate::Rejection).
    Rejected,
}

/// The source of a decision: cache, validation or introspection.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Source {
    /// The token was validated for this request, or there was none.
    Uncached,
    /// The token cache had the token, and nothing had to be fetched.
    Cached,
    /// The request waited for an introspection response.
    Introspected,
}

/// How far the caches helped with a request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lookup {
    pub(crate) source: Source,
    /// `None` if no token was looked up.
    pub(crate) cache_hit: Option<bool>,
}

/// A request that is not decided yet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Undecided {
    /// `None` if nobody observes: then the clock is not read.
    start: Option<Instant>,
    pub(crate) lookup: Lookup,
}

impl<'d> Decision<'d> {
    /// Whether the request was accepted.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// The stable label of the decision: `accepted`, `anonymous`, or the label of the
    /// [`RejectionKind`](crate::RejectionKind).
    #[must_use]
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// The status of the rejection. `None` for an accepted request, whose status the inner service chooses.
    #[must_use]
    pub fn status(&self) -> Option<StatusCode> {
        self.status
    }

    /// The identifier of the issuer, as configured or resolved. `None` if the request was decided before a
    /// trusted issuer was found.
    #[must_use]
    pub fn issuer(&self) -> Option<&'d str> {
        self.issuer
    }

    /// The pattern of the [`IssuerResolver`](crate::issuers::IssuerResolver) that has found the issuer.
    /// `None` for an issuer that is configured.
    ///
    /// A resolver may find thousands of issuers. Use this pattern as the label of a metric, not the issuer.
    #[must_use]
    pub fn resolver_pattern(&self) -> Option<&'d str> {
        self.resolver_pattern
    }

    /// The `kid` of the key that verified the signature. `None` if no key with a `kid` did.
    #[must_use]
    pub fn key_id(&self) -> Option<&'d str> {
        self.key_id
    }

    /// The algorithm of the verified signature, such as `ES256`. `None` if no signature was verified.
    #[must_use]
    pub fn algorithm(&self) -> Option<&'static str> {
        self.algorithm
    }

    /// The source of the decision.
    #[must_use]
    pub fn source(&self) -> Source {
        self.lookup.source
    }

    /// Whether the token was in the token cache. `None` if no token was looked up: the request has none, more
    /// than one, or one that is too large.
    #[must_use]
    pub fn cache_hit(&self) -> Option<bool> {
        self.lookup.cache_hit
    }

    /// The time from the call of the layer to the decision, including the time to wait for keys and
    /// introspection. It excludes the inner service. For a request that a layer further in rejected, it ends
    /// with the acceptance by `BearerAuth`.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.duration
    }
}

impl Outcome {
    /// A label for logs and metrics: `accepted`, `anonymous` or `rejected`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Anonymous => "anonymous",
            Self::Rejected => "rejected",
        }
    }
}

impl Source {
    /// A label for logs and metrics: `uncached`, `cached` or `introspected`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Uncached => "uncached",
            Self::Cached => "cached",
            Self::Introspected => "introspected",
        }
    }
}

impl Lookup {
    /// No token was looked up.
    pub(crate) const NONE: Self = Self { source: Source::Uncached, cache_hit: None };
    /// The token is cached.
    pub(crate) const HIT: Self = Self { source: Source::Cached, cache_hit: Some(true) };
    /// The token is not cached.
    pub(crate) const MISS: Self = Self { source: Source::Uncached, cache_hit: Some(false) };

    /// The same, for a request that waited for introspection.
    pub(crate) fn introspected(self) -> Self {
        Self { source: Source::Introspected, ..self }
    }
}

impl Undecided {
    /// A request whose decision is observed or not.
    pub(crate) fn start(is_observed: bool) -> Self {
        Self { start: is_observed.then(now), lookup: Lookup::NONE }
    }

    pub(crate) fn with(self, lookup: Lookup) -> Self {
        Self { lookup, ..self }
    }

    /// The time since the start.
    pub(crate) fn duration(&self) -> Duration {
        self.start.map(|start| now().saturating_duration_since(start)).unwrap_or_default()
    }
}
