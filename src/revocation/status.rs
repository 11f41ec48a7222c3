//! How full the store of revocations is.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

/// The state of [`Revocations`](super::Revocations); [`Revocations::status`](super::Revocations::status)
/// returns it.
///
/// It serializes to `{"entries": 3, "max_entries": 100000}`. Members keep their names and meanings; later
/// versions may add members.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct RevocationsStatus {
    pub(super) entries: usize,
    pub(super) max_entries: usize,
}

impl RevocationsStatus {
    /// The number of revocations that can still hit a token.
    #[must_use]
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// The maximum number of entries.
    #[must_use]
    pub fn max_entries(&self) -> usize {
        self.max_entries
    }
}

/// There is no room for another revocation, and it was not stored. Revoke again later.
///
/// [`Revocations::max_entries`](super::Revocations::max_entries) sets the limit.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RevocationsFull {
    pub(super) retry_after: Duration,
}

impl RevocationsFull {
    /// The time until the next entry expires, at least 1 s.
    #[must_use]
    pub fn retry_after(&self) -> Duration {
        self.retry_after
    }
}

impl fmt::Display for RevocationsFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no room for another revocation: raise `Revocations::max_entries`")
    }
}

impl Error for RevocationsFull {}
