//! How much is remembered of tokens that were verified, as a user configures it.

use super::config_error::ConfigProblem;
use crate::sync::CacheLimits;

/// How many verified tokens a [`BearerAuth`](crate::BearerAuth) remembers, so that a token which is presented again
/// costs a look-up and not a check of its signature.
///
/// ```no_run
/// use tower_bearer::{BearerAuth, Issuer, TokenCache};
///
/// let auth = BearerAuth::builder("https://api.example.com")
///     .issuer(Issuer::discover("https://login.example.com"))
///     .token_cache(TokenCache::new().tokens_max(100_000).bytes_max(256 * 1024 * 1024))
///     .build()?;
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
///
/// Only JWTs enter it that their issuer signed and whose claims hold, and opaque tokens that their issuer said are
/// active. At each request the remembered token is compared whole; its `exp`,
/// `nbf` and `iat` are looked at again; so are the keys of its issuer: once the issuer publishes other keys than
/// those that the token was verified with, it is verified anew. Where the issuer is asked about tokens, its answer
/// is looked at as if nothing were remembered here. So the bounds of [`BearerAuth::bounds`](crate::BearerAuth::bounds)
/// hold with and without it.
///
/// Clones of a `BearerAuth` share what is remembered; two that were built share nothing. Tokens are kept in memory as
/// they were sent, also after their end until their place is needed.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct TokenCache {
    limits: Option<CacheLimits>,
}

/// The limits where none are given.
const DEFAULT: CacheLimits = CacheLimits { entries: 10_000, bytes: 32 * 1024 * 1024 };

impl TokenCache {
    /// With room for 10 000 tokens and 32 MiB.
    pub fn new() -> Self {
        Self { limits: Some(DEFAULT) }
    }

    /// Nothing is remembered: every request costs a check of its token's signature.
    pub fn disabled() -> Self {
        Self { limits: None }
    }

    /// How many tokens are remembered. Default 10 000, at most about a million.
    pub fn max_tokens(self, tokens: usize) -> Self {
        Self { limits: Some(CacheLimits { entries: tokens, ..self.limits.unwrap_or(DEFAULT) }) }
    }

    /// How much memory they may take, in bytes. Default 32 MiB. A token of 1 KB takes about 2 KB. What
    /// [`AccessToken::claims`](crate::AccessToken::claims) made of a token is not counted.
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
