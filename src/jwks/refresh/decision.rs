//! The input and output of the state machine: the failure of a fetch, the decision about a request, and the
//! next action of the task.

use std::time::Duration;

use super::policy::GracePeriod;
use crate::time::Moment;

/// Why a fetch failed, as far as it decides about the next one.
#[derive(Clone, Copy, Debug)]
pub(in crate::jwks) struct Failure {
    /// The grace period that the cached keys have.
    pub(in crate::jwks) grace: GracePeriod,
    /// The `Retry-After` of the response.
    pub(in crate::jwks) retry_after: Option<Duration>,
}

/// How to handle a request whose key is not cached.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::jwks) enum RefreshDecision {
    /// Wait for this fetch, then look up the key again. The fetch may have completed already.
    Wait {
        /// The number of the fetch.
        fetch: u64,
    },
    /// The keys are unavailable.
    Unavailable {
        /// The time to the next attempt, at least 1 s.
        retry_after: Duration,
    },
    /// The rate limit allows no fetch now, so it is not known whether the key exists.
    RateLimited {
        /// The time until it allows one, at least 1 s.
        retry_after: Duration,
    },
    /// Report the key as unknown: a recent fetch did not find it.
    NotFound,
}

impl RefreshDecision {
    /// Look up the key again at once, because newer keys are cached. No fetch has the number 0, so the wait
    /// is already over.
    pub(in crate::jwks) const RETRY_NOW: Self = Self::Wait { fetch: 0 };
}

/// The next action of the driver.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::jwks) enum Next {
    /// Fetch now, then call `Refresh::succeeded` or `Refresh::failed`, then `Refresh::next`.
    Fetch {
        /// Ask the server and all caches before it for the current keys. A key was missing, and a server
        /// whose ETag never changes would answer a conditional request with 304.
        bypass_caches: bool,
        /// The fetch takes place because the keys are used, not because a request needs it.
        is_scheduled: bool,
    },
    /// Call `Refresh::next` at this time, or earlier if a request causes a fetch.
    At(Moment),
    /// A fetch is due, but nobody needs the keys. End the task.
    Idle,
}
