//! How the introspection of an issuer's tokens goes, for an operator.

use std::sync::Arc;

use crate::sync::CircuitState;
use crate::transport::FetchError;

/// The introspection endpoint of one issuer, as this process sees it.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct IntrospectionStatus {
    /// Whether the endpoint is asked.
    pub circuit: CircuitState,
    /// How many tokens are being asked about, those whose turn is still to come included.
    pub calls_in_flight: usize,
    /// How many active tokens are remembered.
    pub active_tokens: usize,
    /// How many refused tokens are remembered.
    pub inactive_tokens: usize,
    /// Why the last call failed; `None` if it did not.
    pub last_error: Option<Arc<FetchError>>,
}
