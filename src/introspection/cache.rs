//! Caches introspection responses: a cache for active tokens, and a negative cache (RFC 7662 section 4).
//!
//! Checks on every hit: the age of the response, and the `exp` of the token.
//!
//! Why a refresh ahead of the TTL: otherwise one request per token and TTL waits for a call. It is due at the
//! first hit in the last part of the TTL, so a token that nobody uses is not refreshed.
//!
//! Why one store for all issuers: its limits then bound the memory of a `BearerAuth`, however many issuers it
//! has. A digest includes the issuer, so no issuer reads the entries of another.
//!
//! Why two caches: anybody can make up tokens, so entries for rejected tokens must not evict those of active
//! ones.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::digest::TokenDigest;
use super::fault::IntrospectionFault;
use crate::access_token::AccessToken;
use crate::sync::{BoundedCache, CacheLimits, Entry};
use crate::time::{NumericDate, later};

/// The call that a response belongs to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Origin {
    /// The number of the call. Later calls have greater numbers.
    pub(super) call: u64,
    /// The time just before the request was sent.
    pub(super) requested_at: Instant,
}

/// How fresh a response must be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Freshness {
    /// Within the TTL of the cache.
    Cached,
    /// Requested at this time or later.
    Since(Instant),
    /// Requested by a call with a greater number.
    After(u64),
}

impl Freshness {
    pub(super) fn accepts(self, origin: Origin) -> bool {
        match self {
            Self::Cached => true,
            Self::Since(time) => origin.requested_at >= time,
            Self::After(call) => origin.call > call,
        }
    }
}

/// The TTLs of the responses of one issuer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct CachePolicy {
    /// The TTL for active tokens. Zero disables this cache.
    pub(crate) active_ttl: Duration,
    /// The TTL for rejected tokens. Zero disables this cache.
    pub(crate) inactive_ttl: Duration,
    /// The grace period after `active_ttl` in which a stale response may be used during an outage.
    pub(crate) stale_for: Duration,
    /// The maximum time since the `iat` of the token. `None` means no limit.
    pub(crate) max_token_age: Option<Duration>,
}

/// The cache for active tokens and the negative cache, of all issuers of one `BearerAuth`.
#[derive(Debug)]
pub(crate) struct ResponseStore {
    active: BoundedCache<ActiveEntry>,
    inactive: BoundedCache<InactiveEntry>,
}

/// The part of the TTL after which a hit makes a refresh due: at least this, and at most this and
/// [`REFRESH_JITTER`]. The rest is left for the call. The jitter spreads tokens that arrived together.
const REFRESH_AFTER: f64 = 0.75;
const REFRESH_JITTER: f64 = 0.15;

/// A cached result.
pub(super) struct Hit {
    pub(super) outcome: Result<AccessToken, IntrospectionFault>,
    /// Whether the caller should start a call for the same token. `true` once per response.
    pub(super) is_refresh_due: bool,
}

/// The cached responses of one issuer.
#[derive(Debug)]
pub(super) struct ResponseCache {
    policy: CachePolicy,
    store: Arc<ResponseStore>,
    active_tokens: Arc<AtomicUsize>,
    inactive_tokens: Arc<AtomicUsize>,
}

struct ActiveEntry {
    digest: TokenDigest,
    token: AccessToken,
    /// When the token expires or becomes too old.
    expires_at: NumericDate,
    origin: Origin,
    /// When a hit makes a refresh due.
    refresh_at: Instant,
    refresh_started: AtomicBool,
    _counted: Counted,
}

struct InactiveEntry {
    digest: TokenDigest,
    fault: IntrospectionFault,
    origin: Origin,
    _counted: Counted,
}

/// Counts an entry of one issuer for as long as it is cached.
struct Counted(Arc<AtomicUsize>);

impl ResponseStore {
    /// `limits` apply to each of the two caches.
    pub(crate) fn new(limits: CacheLimits) -> Self {
        Self { active: BoundedCache::new(limits), inactive: BoundedCache::new(limits) }
    }
}

impl ResponseCache {
    pub(super) fn new(policy: CachePolicy, store: Arc<ResponseStore>) -> Self {
        Self { policy, store, active_tokens: Arc::default(), inactive_tokens: Arc::default() }
    }

    pub(super) fn policy(&self) -> &CachePolicy {
        &self.policy
    }

    /// Returns the cached result if it is fresh enough at `now`. `date` is the same time on the wall clock.
    pub(super) fn get(
        &self,
        digest: &TokenDigest,
        freshness: Freshness,
        now: Instant,
        date: NumericDate,
    ) -> Option<Hit> {
        self.find(digest, freshness, now, date, |entry| entry.start_refresh(now))
    }

    /// The same without a refresh: a later hit makes it due.
    pub(super) fn peek(
        &self,
        digest: &TokenDigest,
        freshness: Freshness,
        now: Instant,
        date: NumericDate,
    ) -> Option<Result<AccessToken, IntrospectionFault>> {
        self.find(digest, freshness, now, date, |_| false).map(|hit| hit.outcome)
    }

    fn find(
        &self,
        digest: &TokenDigest,
        freshness: Freshness,
        now: Instant,
        date: NumericDate,
        is_refresh_due: impl FnOnce(&ActiveEntry) -> bool,
    ) -> Option<Hit> {
        let is_within =
            |origin: Origin, ttl: Duration| now.saturating_duration_since(origin.requested_at) < ttl;
        let active = self.store.active.get(digest, |entry| {
            let fresh = is_within(entry.origin, self.policy.active_ttl) && freshness.accepts(entry.origin);
            (fresh && date < entry.expires_at)
                .then(|| Hit { outcome: Ok(entry.token.clone()), is_refresh_due: is_refresh_due(entry) })
        });
        if let Some(hit) = active {
            return hit;
        }
        // Regardless of `freshness`. Rejecting with an older response is safe, and the holder of a revoked
        // token cannot cause one call after another.
        let inactive = self.store.inactive.get(digest, |entry| {
            is_within(entry.origin, self.policy.inactive_ttl).then(|| entry.fault.clone())
        });
        inactive.flatten().map(|fault| Hit { outcome: Err(fault), is_refresh_due: false })
    }

    /// Returns the token if it was active and its grace period has not passed.
    pub(super) fn get_stale(
        &self,
        digest: &TokenDigest,
        now: Instant,
        date: NumericDate,
    ) -> Option<AccessToken> {
        let usable_for = self.policy.active_ttl.saturating_add(self.policy.stale_for);
        let stale = self.store.active.get(digest, |entry| {
            let is_usable = now.saturating_duration_since(entry.origin.requested_at) < usable_for;
            (is_usable && date < entry.expires_at).then(|| entry.token.clone())
        });
        stale.flatten()
    }

    /// Stores the result of a call. Does nothing if there was no response. `random`, from 0 to 1, spreads the
    /// refreshes.
    pub(super) fn insert(
        &self,
        digest: TokenDigest,
        origin: Origin,
        outcome: &Result<AccessToken, IntrospectionFault>,
        random: f64,
    ) {
        match outcome {
            Ok(token) => {
                self.store.inactive.remove(&digest);
                if !self.policy.active_ttl.saturating_add(self.policy.stale_for).is_zero() {
                    let (token, expires_at) = (token.clone(), self.expiry_of(token));
                    self.store.active.insert(ActiveEntry {
                        digest,
                        token,
                        expires_at,
                        origin,
                        refresh_at: self.refresh_at(origin, random),
                        refresh_started: AtomicBool::new(false),
                        _counted: Counted::new(&self.active_tokens),
                    });
                }
            }
            Err(IntrospectionFault::Misconfigured(_) | IntrospectionFault::Unavailable { .. }) => {}
            Err(fault) => {
                self.store.active.remove(&digest);
                if fault.is_cacheable() && !self.policy.inactive_ttl.is_zero() {
                    let (fault, _counted) = (fault.clone(), Counted::new(&self.inactive_tokens));
                    self.store.inactive.insert(InactiveEntry { digest, fault, origin, _counted });
                }
            }
        }
    }

    /// Whether the cache has an entry, even a stale one, from a time when the token was active. Such a token
    /// is not forged.
    pub(super) fn was_active(&self, digest: &TokenDigest) -> bool {
        self.store.active.get(digest, |_| ()).is_some()
    }

    fn refresh_at(&self, origin: Origin, random: f64) -> Instant {
        let part = random.clamp(0.0, 1.0).mul_add(REFRESH_JITTER, REFRESH_AFTER);
        later(origin.requested_at, self.policy.active_ttl.mul_f64(part))
    }

    fn expiry_of(&self, token: &AccessToken) -> NumericDate {
        let aged = token.issue_date().zip(self.policy.max_token_age);
        let too_old = aged.map(|(issued_at, max_age)| issued_at.later(max_age));
        too_old.into_iter().fold(token.expiry(), Ord::min)
    }

    /// The number of cached active tokens of this issuer, and of cached rejected ones.
    pub(super) fn len(&self) -> (usize, usize) {
        (self.active_tokens.load(Ordering::Relaxed), self.inactive_tokens.load(Ordering::Relaxed))
    }
}

impl ActiveEntry {
    /// Whether a refresh is due that has not started. Counts as its start.
    fn start_refresh(&self, now: Instant) -> bool {
        now >= self.refresh_at && !self.refresh_started.swap(true, Ordering::Relaxed)
    }
}

impl Counted {
    fn new(counter: &Arc<AtomicUsize>) -> Self {
        counter.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(counter))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
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

/// An upper bound for the size of a fault, which holds at most the name of a claim.
const FAULT_BYTES: usize = 128;

#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
#[path = "cache_tests.rs"]
mod tests;
