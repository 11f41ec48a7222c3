//! The token cache: tokens that passed every check that needs no request, so that a cached token costs one
//! lookup.
//!
//! Checks on every hit: the token is the cached one, byte for byte, and its issuer is still trusted. The
//! dates of a JWT are valid now, and its issuer still publishes the key set that verified it.
//! Does not check: introspection. The introspector has a cache of its own.
//!
//! It never holds a forged token: each entry was signed by its issuer, or its issuer reported it as active.
//!
//! Why the whole key set and not the one key: any change of the set (a retired key, another key under the
//! same `kid`, another `use`) invalidates what was verified with it. After a rotation each token costs one
//! more signature check.

use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use foldhash::quality::RandomState;

use super::issuers::{IssuerRegistry, TrustedIssuer};
use super::progress::{Pending, PendingResponse, Stop};
use crate::access_token::{AccessToken, Grant};
use crate::bearer::{BearerToken, OwnedToken};
use crate::introspection::{Freshness, IntrospectionLookup, Introspector, TokenDigest};
use crate::jwks::{KeySetId, Keys};
use crate::jwt::claims;
use crate::rejection::RejectionKind;
use crate::sync::{BoundedCache, CacheLimits, Entry};
use crate::time::NumericDate;

/// How many bytes of a token are hashed at each of two places: 96 bits of a signature.
const SAMPLE_BYTES: usize = 16;

/// An entry of the token cache: a token, and the results of the checks that never change. Validation builds
/// it before the token is cached.
pub(crate) struct CachedToken {
    text: Arc<str>,
    issuer: Arc<TrustedIssuer>,
    /// The claims, for a JWT that the issuer signed. Only the issuer can read any other token.
    pub(crate) jwt: Option<CachedJwt>,
    /// For a token without claims: the version of the assignment of opaque tokens to issuers.
    opaque_version: u64,
    /// The cache key of its introspection responses, once it was introspected.
    digest: OnceLock<Box<TokenDigest>>,
}

/// A JWT whose signature and claims were checked.
pub(crate) struct CachedJwt {
    pub(crate) token: AccessToken,
    /// The key set that its signature was verified with.
    keys: KeySetId,
}

impl CachedToken {
    /// A JWT with these claims, signed by `issuer` with a key of the set `keys`.
    pub(super) fn jwt(
        token: BearerToken<'_>,
        issuer: &Arc<TrustedIssuer>,
        grant: Grant,
        claims_json: String,
        keys: KeySetId,
    ) -> Self {
        issuer.state.mark_used();
        let text: Arc<str> = token.as_str().into();
        let presented = issuer.introspection.as_ref().map(|_| Arc::clone(&text));
        let jwt = CachedJwt { token: AccessToken::new(grant, claims_json, &text, presented), keys };
        Self::new(text, issuer, Some(jwt), 0)
    }

    /// A token whose claims only introspection at `issuer` can tell.
    pub(super) fn without_claims(
        token: BearerToken<'_>,
        issuer: &Arc<TrustedIssuer>,
        opaque_version: u64,
    ) -> Self {
        Self::new(token.as_str().into(), issuer, None, opaque_version)
    }

    fn new(text: Arc<str>, issuer: &Arc<TrustedIssuer>, jwt: Option<CachedJwt>, opaque_version: u64) -> Self {
        Self { text, issuer: Arc::clone(issuer), jwt, opaque_version, digest: OnceLock::new() }
    }

    /// The access token, once introspection agrees where that is configured.
    pub(super) fn resolve(&self) -> Result<AccessToken, Stop> {
        let jwt = self.jwt.as_ref().map(|jwt| &jwt.token);
        match jwt {
            Some(jwt) if !self.issuer.introspects(jwt) => return Ok(jwt.clone()),
            _ => {}
        }
        let introspector = self.issuer.introspector().ok_or(RejectionKind::TokenOpaque)?;
        let digest = self.digest(introspector);
        match introspector.introspect(&self.text, digest, jwt.cloned(), Freshness::Cached, Duration::ZERO) {
            IntrospectionLookup::Cached(Ok(token)) => {
                self.issuer.state.mark_used();
                Ok(token)
            }
            IntrospectionLookup::Cached(Err(fault)) => Err(Stop::from(fault).at(self.issuer.identifier())),
            IntrospectionLookup::Pending(response) => {
                let (issuer, token) = (Arc::clone(&self.issuer), OwnedToken::from_checked(&self.text));
                Err(Stop::Pending(Pending::Introspection(PendingResponse { response, issuer, token })))
            }
        }
    }

    fn digest(&self, introspector: &Introspector) -> TokenDigest {
        **self.digest.get_or_init(|| Box::new(introspector.digest(&self.text)))
    }

    fn is_valid(&self, issuers: &IssuerRegistry, now: impl FnOnce() -> NumericDate) -> bool {
        if !self.issuer.state.count_use_if_trusted() {
            return false;
        }
        let Some(jwt) = &self.jwt else { return self.opaque_version == issuers.opaque_version() };
        let now = now();
        let is_same_set =
            self.issuer.keys.as_ref().is_some_and(|keys: &Keys| keys.is_current_set(jwt.keys, now));
        is_same_set && claims::dates_are_valid(jwt.token.grant(), &self.issuer.claims, now)
    }
}

/// The cached tokens of one `BearerAuth`. No two configurations share a cache: each accepts different tokens.
#[derive(Debug)]
pub(crate) struct TokenStore<S = RandomState> {
    tokens: Option<BoundedCache<CachedToken, S>>,
}

impl TokenStore {
    /// A cache within `limits`; without limits, one that stores nothing.
    pub(crate) fn new(limits: Option<CacheLimits>) -> Self {
        Self { tokens: limits.map(BoundedCache::new) }
    }
}

impl<S: BuildHasher> TokenStore<S> {
    /// Calls `read` with the cached token of this text, if it is still valid. Evicts it if it is not.
    pub(super) fn get<T>(
        &self,
        token: &[u8],
        issuers: &IssuerRegistry,
        now: impl FnOnce() -> NumericDate,
        read: impl FnOnce(&CachedToken) -> T,
    ) -> Option<T> {
        let tokens = self.tokens.as_ref()?;
        let result = tokens.get(token, |cached| cached.is_valid(issuers, now).then(|| read(cached)))?;
        if result.is_none() {
            tokens.remove(token);
        }
        result
    }

    pub(super) fn insert(&self, token: CachedToken) {
        if let Some(tokens) = &self.tokens {
            tokens.insert(token);
        }
    }

    /// The number of tokens that were evicted because the cache was full.
    #[cfg(feature = "metrics")]
    pub(crate) fn evictions(&self) -> u64 {
        self.tokens.as_ref().map_or(0, BoundedCache::evictions)
    }

    /// The number of cached tokens.
    pub(crate) fn len(&self) -> usize {
        self.tokens.as_ref().map_or(0, BoundedCache::len)
    }
}

impl Entry for CachedToken {
    type Key = [u8];

    fn key(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// Hashes two samples of 16 bytes, one at three quarters of the token and one at its end, because some
    /// tokens end with a constant such as a key id. Hashing the whole token would cost more than the rest of
    /// the fast path.
    fn hash(octets: &[u8], hasher: &mut impl Hasher) {
        let three_quarters = octets.len().saturating_sub(octets.len() / 4);
        let (_, last_quarter) = octets.split_at_checked(three_quarters).unwrap_or_default();
        match (last_quarter.first_chunk::<SAMPLE_BYTES>(), octets.last_chunk::<SAMPLE_BYTES>()) {
            (Some(inner), Some(end)) => hasher.write([*inner, *end].as_flattened()),
            // Too short for two samples.
            _ => hasher.write(octets),
        }
    }

    fn bytes(&self) -> usize {
        let token = self.jwt.as_ref().map(|jwt| &jwt.token);
        let is_in_token = token.is_some_and(|token| token.raw_token().is_some());
        let text = if is_in_token { 0 } else { self.text.len() };
        token.map_or(0, AccessToken::bytes).saturating_add(text)
    }
}

#[cfg(test)]
#[path = "token_cache_tests.rs"]
mod tests;
