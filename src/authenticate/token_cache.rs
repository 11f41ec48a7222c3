//! Tokens that passed every check which their text allows, remembered, so that a token seen again costs a look-up.
//!
//! Checks at every hit: the token, octet by octet; where it is a JWT, that its dates hold now and that its issuer
//! publishes the very keys that it was verified with. Where its issuer is asked about it, what the issuer says is
//! looked at anew each time, by the introspector.
//! Does not keep: a token that was made up. What it keeps was signed by its issuer, or the issuer said that it is
//! active.
//!
//! Why the whole key set and not the one key: a set that changed in anything (a key withdrawn, another key of the
//! same `kid`, another use of it) voids what was verified with it. After a rotation each token costs one check of
//! its signature more, and nothing has to be thought through.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::{Arc, OnceLock};

use super::TrustedIssuer;
use crate::access_token::{AccessToken, Grant};
use crate::introspection::{Introspector, TokenDigest};
use crate::jwks::{KeySetId, Keys};
use crate::jwt::claims;
use crate::sync::{BoundedCache, CacheLimits, Entry};
use crate::time::NumericDate;

/// How much of a token is hashed at a place: 96 bits of a signature.
const SAMPLE_BYTES: usize = 16;

/// What the text of a token told, once and for all.
pub(crate) struct CachedToken {
    pub(crate) text: Arc<str>,
    /// The one that judges it.
    pub(crate) issuer: Arc<TrustedIssuer>,
    /// What it says, where it is a JWT that the issuer signed; else only the issuer knows.
    pub(crate) jwt: Option<CachedJwt>,
    /// What the issuer's answers about it are remembered under, once it was asked.
    digest: OnceLock<Box<TokenDigest>>,
}

/// A JWT whose signature and claims were checked.
pub(crate) struct CachedJwt {
    pub(crate) token: AccessToken,
    /// The keys that the signature was checked with.
    keys: KeySetId,
}

impl CachedToken {
    /// A JWT that says this, signed by `issuer` with one of `keys`.
    pub(crate) fn jwt(
        text: &str,
        issuer: &Arc<TrustedIssuer>,
        grant: Grant,
        claims_json: String,
        keys: KeySetId,
    ) -> Self {
        let text = Arc::from(text);
        let presented = issuer.introspection.as_ref().map(|_| Arc::clone(&text));
        let token = AccessToken::new(grant, claims_json, presented);
        Self::new(text, issuer, Some(CachedJwt { token, keys }))
    }

    /// A token of which only `issuer` knows what it says.
    pub(crate) fn opaque(text: &str, issuer: &Arc<TrustedIssuer>) -> Self {
        Self::new(text.into(), issuer, None)
    }

    fn new(text: Arc<str>, issuer: &Arc<TrustedIssuer>, jwt: Option<CachedJwt>) -> Self {
        Self { text, issuer: Arc::clone(issuer), jwt, digest: OnceLock::new() }
    }

    pub(crate) fn digest(&self, introspector: &Introspector) -> TokenDigest {
        **self.digest.get_or_init(|| Box::new(introspector.digest(&self.text)))
    }

    /// Whether it still holds.
    fn holds(&self, now: impl FnOnce() -> NumericDate) -> bool {
        let Some(jwt) = &self.jwt else { return true };
        let keys_are_the_same = self.issuer.keys.as_ref().is_some_and(|keys: &Keys| keys.are(jwt.keys));
        keys_are_the_same && claims::dates_are_valid(jwt.token.grant(), &self.issuer.claims, now())
    }
}

/// The tokens of one `BearerAuth`: what one configuration accepts says nothing about another.
#[derive(Debug)]
pub(crate) struct TokenStore<S = RandomState> {
    tokens: Option<BoundedCache<CachedToken, S>>,
}

impl TokenStore {
    /// Remembers up to these limits; without them, nothing.
    pub(crate) fn new(limits: Option<CacheLimits>) -> Self {
        Self { tokens: limits.map(BoundedCache::new) }
    }
}

impl<S: BuildHasher> TokenStore<S> {
    /// What `judge` makes of the token with these octets, if it is remembered and still holds.
    pub(crate) fn recall<T>(
        &self,
        octets: &[u8],
        now: impl FnOnce() -> NumericDate,
        judge: impl FnOnce(&CachedToken) -> T,
    ) -> Option<T> {
        let tokens = self.tokens.as_ref()?;
        let judged = tokens.get(octets, |known| known.holds(now).then(|| judge(known)))?;
        if judged.is_none() {
            tokens.remove(octets);
        }
        judged
    }

    /// Remembers a token that was verified: a JWT by its signature and claims, another by what its issuer said.
    pub(crate) fn remember(&self, verified: CachedToken) {
        if let Some(tokens) = &self.tokens {
            tokens.insert(verified);
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.tokens.as_ref().map_or(0, BoundedCache::len)
    }
}

impl Entry for CachedToken {
    type Key = [u8];

    fn key(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// The end of a token is its signature, or as random as all of it; unless it ends with the name of a key, which
    /// is why there are two samples. To hash the whole of what anybody sends would cost more than all else that is
    /// done with it.
    fn hash(octets: &[u8], hasher: &mut impl Hasher) {
        let three_quarters = octets.len().saturating_sub(octets.len() / 4);
        let (_, last_quarter) = octets.split_at_checked(three_quarters).unwrap_or_default();
        hasher.write(last_quarter.first_chunk::<SAMPLE_BYTES>().map_or(last_quarter, |sample| sample));
        hasher.write(octets.last_chunk::<SAMPLE_BYTES>().map_or(octets, |sample| sample));
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
