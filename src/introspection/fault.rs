//! Why introspection rejects a token: because of the response, or because there is none.

use std::sync::Arc;
use std::time::Duration;

use super::error::{IntrospectionError, IntrospectionErrorKind};
use crate::jwt::claims::ClaimFault;

/// The `Retry-After` of a rejection when the server names no time.
pub(super) const DEFAULT_RETRY_AFTER: Duration = Duration::from_secs(1);

/// Why introspection rejects a token.
#[derive(Clone, Debug)]
pub(crate) enum IntrospectionFault {
    /// The token is not active. The endpoint does not say why (RFC 7662 section 2.2).
    Inactive,
    /// The token is active, but a claim of the response fails a check.
    Claim(ClaimFault),
    /// The response describes another token.
    OtherToken,
    /// The endpoint rejects this client or this type of JWT, or it is unknown: the configuration is wrong.
    Misconfigured(Arc<IntrospectionError>),
    /// There is no response.
    Unavailable {
        /// When the client should retry.
        retry_after: Duration,
        /// Why there is no response.
        cause: Arc<IntrospectionError>,
        /// Whether the server failed. False if one of our own limits was reached.
        outage: bool,
    },
}

impl IntrospectionFault {
    /// The introspection request failed.
    pub(super) fn from_error(cause: Arc<IntrospectionError>) -> Self {
        if cause.is_misconfiguration() {
            return Self::Misconfigured(cause);
        }
        let outage = cause.is_outage();
        Self::Unavailable { retry_after: DEFAULT_RETRY_AFTER, cause, outage }
    }

    /// The same fault if the token is opaque. The server has not issued an opaque token of a type that it
    /// does not support, so the token is at fault rather than the configuration.
    pub(crate) fn about_opaque_token(self) -> Self {
        match self {
            Self::Misconfigured(cause) if cause.kind() == IntrospectionErrorKind::TokenTypeUnsupported => {
                Self::Inactive
            }
            fault => fault,
        }
    }

    /// No request was sent, because an earlier one failed with `cause`.
    pub(super) fn after_failure(cause: &Arc<IntrospectionError>, retry_after: Duration) -> Self {
        let outage = cause.is_outage();
        let not_sent = IntrospectionError::with_source(IntrospectionErrorKind::NotSent, Arc::clone(cause));
        Self::Unavailable { retry_after, cause: Arc::new(not_sent), outage }
    }

    /// No request was sent, because of one of our own limits.
    pub(super) fn not_sent(reason: &'static str, retry_after: Duration) -> Self {
        let cause = IntrospectionError::with_source(IntrospectionErrorKind::NotSent, reason);
        Self::Unavailable { retry_after, cause: Arc::new(cause), outage: false }
    }

    /// The same fault with the time until the next request is sent, if that is known.
    pub(super) fn with_retry_after(self, wait: Option<Duration>) -> Self {
        match (self, wait) {
            (Self::Unavailable { cause, outage, .. }, Some(retry_after)) => {
                Self::Unavailable { retry_after, cause, outage }
            }
            (fault, _) => fault,
        }
    }

    /// Whether the same response leads to the same fault a few seconds later.
    pub(super) fn is_cacheable(&self) -> bool {
        match self {
            Self::Inactive | Self::OtherToken => true,
            Self::Claim(ClaimFault::NotYetValid | ClaimFault::IssuedInFuture) => false,
            Self::Claim(_) => true,
            Self::Misconfigured(_) | Self::Unavailable { .. } => false,
        }
    }
}

impl From<ClaimFault> for IntrospectionFault {
    fn from(fault: ClaimFault) -> Self {
        Self::Claim(fault)
    }
}
