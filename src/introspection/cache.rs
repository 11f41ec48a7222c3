//! What is remembered of answers (RFC 7662 section 4): two bounded spaces, so that refused tokens, which
//! anybody can make up, never push out good ones.
//!
//! Checks at every hit: the age of the answer, and that the token's `exp` has not passed.
//!
//! The key is a digest of the token and of everything that shaped the answer.

use std::hash::{Hash, Hasher};
use std::time::{Duration, Instant};

use super::fault::IntrospectionFault;
use crate::access_token::AccessToken;
use crate::crypto;
use crate::sync::{BoundedCache, CacheLimits, Entry};
use crate::time::NumericDate;

/// A digest of a token and of whom it was shown to.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct TokenDigest([u8; 32]);

/// What shapes an answer beside the token: the issuer, its endpoint, the client that asks and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestContext([u8; 32]);

impl RequestContext {
    pub(super) fn new(parts: &[String]) -> Self {
        // With their lengths, so that no two lists of parts are one text.
        let framed: Vec<u8> =
            parts.iter().flat_map(|part| [&part.len().to_be_bytes()[..], part.as_bytes()].concat()).collect();
        Self(crypto::sha256(&[&framed]))
    }

    pub(super) fn digest(&self, token: &str) -> TokenDigest {
        TokenDigest(crypto::sha256(&[&self.0, token.as_bytes()]))
    }
}

/// When and by which call an answer was got.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Origin {
    /// The number of the call: later calls have greater ones.
    pub(super) call: u64,
    /// Before the call was made.
    pub(super) asked_at: Instant,
}

/// How fresh an answer must be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Freshness {
    /// As fresh as the cache keeps it.
    Cached,
    /// Asked for at this time or later.
    Since(Instant),
    /// Asked for by a call after that of this number.
    After(u64),
}

impl Freshness {
    pub(super) fn accepts(self, origin: Origin) -> bool {
        match self {
            Self::Cached => true,
            Self::Since(time) => origin.asked_at >= time,
            Self::After(call) => origin.call > call,
        }
    }
}

/// How long and how much is remembered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct CachePolicy {
    /// For active tokens; zero to remember none.
    pub(crate) active_ttl: Duration,
    /// For all others; zero to remember none.
    pub(crate) inactive_ttl: Duration,
    /// How long beyond `active_ttl` an answer will do while none can be had.
    pub(crate) stale_for: Duration,
    /// The greatest time since the token was issued, where there is a limit.
    pub(crate) max_token_age: Option<Duration>,
    /// For each of the two spaces.
    pub(crate) limits: CacheLimits,
}

/// The two spaces.
#[derive(Debug)]
pub(super) struct ResponseCache {
    policy: CachePolicy,
    active: BoundedCache<ActiveEntry>,
    inactive: BoundedCache<InactiveEntry>,
}

struct ActiveEntry {
    digest: TokenDigest,
    token: AccessToken,
    /// From then on the token is good no more, whatever is remembered.
    ends: NumericDate,
    origin: Origin,
}

struct InactiveEntry {
    digest: TokenDigest,
    fault: IntrospectionFault,
    origin: Origin,
}

impl ResponseCache {
    pub(super) fn new(policy: CachePolicy) -> Self {
        let (active, inactive) = (BoundedCache::new(policy.limits), BoundedCache::new(policy.limits));
        Self { policy, active, inactive }
    }

    /// The answer that is known, if it is fresh enough at `now`; `date` is the time of day.
    pub(super) fn recall(
        &self,
        digest: &TokenDigest,
        freshness: Freshness,
        now: Instant,
        date: NumericDate,
    ) -> Option<Result<AccessToken, IntrospectionFault>> {
        let young = |origin: Origin, ttl: Duration| now.saturating_duration_since(origin.asked_at) < ttl;
        let active = self.active.get(digest, |known| {
            let fresh = young(known.origin, self.policy.active_ttl) && freshness.accepts(known.origin);
            (fresh && date < known.ends).then(|| known.token.clone())
        });
        if let Some(known) = active {
            return known.map(Ok);
        }
        // However fresh an answer must be to let a token pass: refusing by an older one is the safe side, and
        // whoever holds a revoked token cannot have the issuer asked about it over and over.
        let inactive = self
            .inactive
            .get(digest, |known| young(known.origin, self.policy.inactive_ttl).then(|| known.fault.clone()));
        inactive.flatten().map(Err)
    }

    /// The token, if it was active and may be used a while longer since nothing newer can be had.
    pub(super) fn recall_stale(
        &self,
        digest: &TokenDigest,
        now: Instant,
        date: NumericDate,
    ) -> Option<AccessToken> {
        let usable_for = self.policy.active_ttl.saturating_add(self.policy.stale_for);
        let stale = self.active.get(digest, |known| {
            let good = now.saturating_duration_since(known.origin.asked_at) < usable_for;
            (good && date < known.ends).then(|| known.token.clone())
        });
        stale.flatten()
    }

    /// Takes an answer in. One that says nothing of the token changes nothing.
    pub(super) fn remember(
        &self,
        digest: TokenDigest,
        origin: Origin,
        answer: &Result<AccessToken, IntrospectionFault>,
    ) {
        match answer {
            Ok(token) => {
                self.inactive.remove(&digest);
                if !self.policy.active_ttl.saturating_add(self.policy.stale_for).is_zero() {
                    let (token, ends) = (token.clone(), self.end_of(token));
                    self.active.insert(ActiveEntry { digest, token, ends, origin });
                }
            }
            Err(IntrospectionFault::Misconfigured(_) | IntrospectionFault::Unavailable { .. }) => {}
            Err(fault) => {
                self.active.remove(&digest);
                if fault.is_lasting() && !self.policy.inactive_ttl.is_zero() {
                    self.inactive.insert(InactiveEntry { digest, fault: fault.clone(), origin });
                }
            }
        }
    }

    /// Whether the token was active, however long ago: it was not made up.
    pub(super) fn is_known(&self, digest: &TokenDigest) -> bool {
        self.active.get(digest, |_| ()).is_some()
    }

    fn end_of(&self, token: &AccessToken) -> NumericDate {
        let aged = token.issue_date().zip(self.policy.max_token_age);
        let too_old = aged.map(|(issued_at, max_age)| issued_at.later(max_age));
        too_old.into_iter().fold(token.expiry(), Ord::min)
    }

    /// How many active tokens are remembered, and how many others.
    pub(super) fn len(&self) -> (usize, usize) {
        (self.active.len(), self.inactive.len())
    }
}

impl Entry for ActiveEntry {
    type Key = TokenDigest;

    fn key(&self) -> &TokenDigest {
        &self.digest
    }

    fn hash(digest: &TokenDigest, hasher: &mut impl Hasher) {
        digest.hash(hasher);
    }

    fn bytes(&self) -> usize {
        self.token.bytes()
    }
}

impl Entry for InactiveEntry {
    type Key = TokenDigest;

    fn key(&self) -> &TokenDigest {
        &self.digest
    }

    fn hash(digest: &TokenDigest, hasher: &mut impl Hasher) {
        digest.hash(hasher);
    }

    fn bytes(&self) -> usize {
        FAULT_BYTES
    }
}

/// What the fault of a refused token holds, at most: a name of a claim.
const FAULT_BYTES: usize = 128;

#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
#[path = "cache_tests.rs"]
mod tests;
