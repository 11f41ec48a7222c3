//! The limits of one request.

use std::time::Duration;

use crate::fetch_url::AddressPolicy;

/// The limits of one request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct FetchLimits {
    /// From the first byte sent to the last byte read.
    pub(crate) timeout: Duration,
    pub(crate) max_body_bytes: usize,
    /// The addresses that it may connect to.
    pub(crate) addresses: AddressPolicy,
}

impl FetchLimits {
    /// Any address, and 512 KiB.
    pub(crate) fn within(timeout: Duration) -> Self {
        Self { timeout, max_body_bytes: 512 * 1024, addresses: AddressPolicy::Any }
    }
}
