//! Stands in for the default HTTP client when the feature `reqwest` is off.

use std::sync::Arc;

use super::client::{DefaultClientFault, HttpClient};

/// Returns no client.
///
/// # Errors
/// Always [`DefaultClientFault::NotBuilt`].
pub(crate) fn default_client() -> Result<Arc<dyn HttpClient>, DefaultClientFault> {
    Err(DefaultClientFault::NotBuilt)
}
