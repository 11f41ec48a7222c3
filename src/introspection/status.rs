//! The state of one issuer's introspection, for operators.

use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;

use super::error::IntrospectionError;
use crate::event::serialize_causes;
use crate::sync::CircuitState;
use crate::time::serialize_unix_time;

/// The state of one issuer's introspection: circuit breaker, cache and last error.
///
/// A snapshot from [`BearerAuth::status`](crate::BearerAuth::status), for metrics and readiness pages:
///
/// ```
/// use tower_bearer::BearerAuth;
/// use tower_bearer::diagnostics::CircuitState;
///
/// fn print_introspection(auth: &BearerAuth) {
///     for issuer in auth.status() {
///         let Some(status) = issuer.introspection() else { continue };
///         println!("{}: {} active tokens cached", issuer.issuer(), status.active_tokens());
///         if let (CircuitState::Open, Some(error)) = (status.circuit(), status.last_error()) {
///             println!("{}: introspection suspended: {error}", issuer.issuer());
///         }
///     }
/// }
/// ```
#[derive(Clone, Debug, Default, Serialize)]
pub struct IntrospectionStatus {
    pub(super) circuit: CircuitState,
    #[serde(serialize_with = "serialize_unix_time")]
    pub(super) paused_until: Option<SystemTime>,
    pub(super) calls_in_flight: usize,
    pub(super) queued_calls: usize,
    pub(super) active_tokens: usize,
    pub(super) inactive_tokens: usize,
    #[serde(serialize_with = "serialize_causes")]
    pub(super) last_error: Option<Arc<IntrospectionError>>,
}

impl IntrospectionStatus {
    /// The state of the circuit breaker in front of the endpoint.
    #[must_use]
    pub fn circuit(&self) -> CircuitState {
        self.circuit
    }

    /// The end of a pause that the authorization server requested with `Retry-After` or with status 429 (RFC
    /// 9110 section 10.2.3, RFC 6585 section 4). `None` without a pause.
    ///
    /// A first pause lasts at most 30 s. If the response to the next request, about another token, requests a
    /// pause as well, that one lasts at most 5 min. After a response about a token that was never active, and
    /// at first after a 429, only such tokens are held back. A pause of all tokens is
    /// [`CircuitState::Open`], too.
    #[must_use]
    pub fn paused_until(&self) -> Option<SystemTime> {
        self.paused_until
    }

    /// The number of introspection requests in flight, including queued ones.
    #[must_use]
    pub fn calls_in_flight(&self) -> usize {
        self.calls_in_flight
    }

    /// The number of introspection requests that wait for a permit of
    /// [`Introspection::max_concurrent_calls`](crate::Introspection::max_concurrent_calls).
    #[must_use]
    pub fn queued_calls(&self) -> usize {
        self.queued_calls
    }

    /// The number of cached responses for active tokens.
    #[must_use]
    pub fn active_tokens(&self) -> usize {
        self.active_tokens
    }

    /// The number of cached responses for rejected tokens.
    #[must_use]
    pub fn inactive_tokens(&self) -> usize {
        self.inactive_tokens
    }

    /// Why the last introspection request failed. `None` if it succeeded, or if none was sent.
    #[must_use]
    pub fn last_error(&self) -> Option<&IntrospectionError> {
        self.last_error.as_deref()
    }
}
