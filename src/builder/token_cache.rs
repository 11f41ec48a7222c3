//! Limits of the cache of validated tokens.

use crate::settings::ConfigProblem;
use crate::sync::CacheLimits;

/// Limits of the cache of validated tokens in a [`BearerAuth`](crate::BearerAuth).
///
/// A cached token costs a lookup instead of a signature verification. The cache holds JWTs that passed every
/// check, and opaque tokens that the authorization server reported as active.
///
/// ```no_run
/// use tower_bearer::{BearerAuth, Issuer, TokenCache};
///
/// let auth = BearerAuth::builder("https://api.example.com")
///     .issuer(Issuer::discover("https://login.example.com"))
///     .token_cache(TokenCache::new().max_tokens(100_000).max_bytes(256 * 1024 * 1024))
///     .build()?;
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
///
/// # Cache hits
///
/// A hit requires that the whole token is equal, byte for byte. `BearerAuth` then checks `exp`, `nbf`, `iat`
/// and [`Issuer::max_age`](crate::Issuer::max_age) again. It also checks that the issuer's key set has not
/// changed since the signature was verified; otherwise it verifies the signature again. Introspection has its
/// own cache and does not depend on this one. The guarantees of
/// [`BearerAuth::bounds`](crate::BearerAuth::bounds) are therefore the same with and without this cache.
///
/// # Memory
///
/// Clones of a `BearerAuth` share one cache. Two that were built separately share nothing. The cache stores
/// each token as received, and may hold an expired token until it evicts it.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct TokenCache {
    limits: Option<CacheLimits>,
}

const DEFAULT: CacheLimits = CacheLimits { entries: 10_000, bytes: 32 * 1024 * 1024 };

impl TokenCache {
    /// A cache for 10 000 tokens and 32 MiB.
    pub fn new() -> Self {
        Self { limits: Some(DEFAULT) }
    }

    /// No cache: `BearerAuth` verifies the signature of the token on every request.
    ///
    /// ```
    /// use tower_bearer::{BearerAuth, TokenCache};
    ///
    /// let builder = BearerAuth::builder("https://api.example.com").token_cache(TokenCache::disabled());
    /// ```
    pub fn disabled() -> Self {
        Self { limits: None }
    }

    /// Sets the maximum number of cached tokens. Default: 10 000. Maximum: about one million.
    ///
    /// Zero is a [`ConfigError`](crate::ConfigError); use [`disabled`](Self::disabled) instead.
    ///
    /// ```
    /// use tower_bearer::{BearerAuth, TokenCache};
    ///
    /// // A process with little memory. The limit in bytes stays 32 MiB.
    /// let cache = TokenCache::new().max_tokens(500);
    /// let builder = BearerAuth::builder("https://api.example.com").token_cache(cache);
    /// ```
    pub fn max_tokens(self, tokens: usize) -> Self {
        Self { limits: Some(CacheLimits { entries: tokens, ..self.limits.unwrap_or(DEFAULT) }) }
    }

    /// Sets the maximum memory for cached tokens, in bytes. Default: 32 MiB.
    ///
    /// A token of 1 KB takes about 2 KB. The limit does not count the values that
    /// [`AccessToken::claims`](crate::AccessToken::claims) deserializes, nor the parsed claims that
    /// [`AccessToken::claim`](crate::AccessToken::claim) keeps (about 3 KB for claims of 1 KB): both are made
    /// later, and for some tokens only. Zero is a [`ConfigError`](crate::ConfigError).
    pub fn max_bytes(self, bytes: usize) -> Self {
        Self { limits: Some(CacheLimits { bytes, ..self.limits.unwrap_or(DEFAULT) }) }
    }

    pub(super) fn limits(self) -> Option<CacheLimits> {
        self.limits
    }

    pub(super) fn check(self, problems: &mut Vec<ConfigProblem>) {
        let Some(limits) = self.limits else { return };
        let settings =
            [("max_tokens of TokenCache", limits.entries), ("max_bytes of TokenCache", limits.bytes)];
        let zeros = settings.into_iter().filter(|(_, limit)| *limit == 0);
        problems.extend(zeros.map(|(setting, _)| ConfigProblem::Zero { setting }));
    }
}

impl Default for TokenCache {
    fn default() -> Self {
        Self::new()
    }
}
