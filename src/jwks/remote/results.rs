//! The result of looking up a fetched key, and the bounds that fetched keys guarantee.

use std::sync::Arc;
use std::time::Duration;

use super::wait::PendingKeys;
use crate::jwks::error::KeysError;

/// The result of looking up a key that is not cached.
pub(crate) enum KeyLookup {
    /// Await this, then look up the key again.
    Pending(PendingKeys),
    /// The keys are unavailable.
    Unavailable {
        /// When to try again, at least 1 s from now.
        retry_after: Duration,
        /// Why the last fetch failed, if it did.
        cause: Option<Arc<KeysError>>,
    },
    /// The rate limit allows no fetch, so it is not known whether the issuer has such a key.
    RateLimited {
        /// When to try again, at least 1 s from now.
        retry_after: Duration,
    },
    /// The issuer has no such key, as far as is known.
    NotFound,
}

/// The upper bounds that a refresh policy guarantees.
pub(crate) struct KeysBounds {
    /// The maximum time that a retired key stays in use while fetches succeed.
    pub(crate) retired_key: Duration,
    /// The maximum time that a retired key stays in use during an outage.
    pub(crate) retired_key_in_outage: Duration,
    /// The maximum length of an outage during which keys stay usable, counted from the end of their
    /// freshness.
    pub(crate) outage: Duration,
    /// The same, if the server responds during the outage, but without a key set.
    pub(crate) outage_with_bad_responses: Duration,
    /// The maximum number of HTTP requests within any 60 s.
    pub(crate) max_calls_per_minute: u32,
}
