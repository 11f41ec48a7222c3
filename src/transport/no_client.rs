//! In place of the default HTTP client, where the feature `reqwest` is off.

use std::sync::Arc;

use super::{DefaultClientFault, HttpClient};

/// There is none.
pub(crate) fn default_client() -> Result<Arc<dyn HttpClient>, DefaultClientFault> {
    Err(DefaultClientFault::NotBuilt)
}
