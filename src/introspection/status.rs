//! How the introspection of an issuer's tokens goes, for an operator.

use std::sync::Arc;

use crate::sync::CircuitState;
use crate::transport::FetchError;

/// The introspection endpoint of one issuer, as this process sees it.
#[derive(Clone, Debug, Default)]
pub struct IntrospectionStatus {
    pub(super) circuit: CircuitState,
    pub(super) calls_in_flight: usize,
    pub(super) active_tokens: usize,
    pub(super) inactive_tokens: usize,
    pub(super) last_error: Option<Arc<FetchError>>,
}

impl IntrospectionStatus {
    /// The state of the circuit breaker in front of the endpoint.
    #[must_use]
    pub fn circuit(&self) -> CircuitState {
        self.circuit
    }

    /// The number of introspection requests in flight, queued ones included.
    #[must_use]
    pub fn calls_in_flight(&self) -> usize {
        self.calls_in_flight
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

    /// Why the last introspection request failed. `None` if it succeeded, or if there was none.
    #[must_use]
    pub fn last_error(&self) -> Option<&FetchError> {
        self.last_error.as_deref()
    }
}
