//! How much of each limit a call may use, by what is known about its token.

/// How much of the limits a call may use.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Priority {
    /// The token was active before, or it is a JWT that passed every local check.
    Trusted,
    /// Nothing is known about the token. It may be forged.
    Untrusted,
}

/// The token of a call, as the limits see it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct CallToken {
    /// The start of the token's digest.
    pub(super) key: u64,
    pub(super) priority: Priority,
}

impl Priority {
    pub(super) fn is_trusted(self) -> bool {
        self == Self::Trusted
    }

    /// The share of `limit` calls in flight.
    pub(super) fn max_concurrent(self, limit: usize) -> usize {
        match self {
            Self::Trusted => limit,
            Self::Untrusted => limit.saturating_sub(limit / 4),
        }
    }

    /// The share of a queue with room for `limit` calls.
    pub(super) fn max_queued(self, limit: usize) -> usize {
        match self {
            Self::Trusted => limit.saturating_add(limit / 4),
            Self::Untrusted => limit,
        }
    }

    /// How many requests of the rate limit must be left for others.
    pub(super) fn reserved_requests(self, per_minute: Option<u32>) -> u32 {
        match self {
            Self::Trusted => 0,
            // The token bucket holds half of `per_minute`. A quarter of that is reserved.
            Self::Untrusted => per_minute.unwrap_or_default() / 8,
        }
    }
}
