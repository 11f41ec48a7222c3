//! The token cache of this crate, compiled from its source, since it is private.

use std::hash::Hasher;
use std::sync::Arc;

use super::sampled_hash::write_samples;
use super::{Grant, Lookup};
use cache::{BoundedCache, CacheLimits, Entry};

/// It needs `arc-swap` and the standard library only.
#[path = "../../../../src/sync/cache.rs"]
#[allow(dead_code, reason = "the crate uses the rest")]
mod cache;

/// A hit reads the entry in place.
pub(super) struct InPlace(BoundedCache<CachedToken<Grant>>);

/// A hit clones an `Arc` of the value, as `moka` and `quick_cache` require it.
pub(super) struct Cloned(BoundedCache<CachedToken<Arc<Grant>>>);

struct CachedToken<G> {
    text: Arc<str>,
    grant: G,
}

impl<G> Entry for CachedToken<G> {
    type Key = [u8];

    fn key(&self) -> &[u8] {
        self.text.as_bytes()
    }

    fn hash(token: &[u8], hasher: &mut impl Hasher) {
        write_samples(token, hasher);
    }

    fn bytes(&self) -> usize {
        self.text.len() + size_of::<Grant>()
    }
}

fn cache<G>(capacity: usize) -> BoundedCache<CachedToken<G>> {
    // The default of the crate.
    BoundedCache::new(CacheLimits { entries: capacity, bytes: 32 * 1024 * 1024 })
}

impl InPlace {
    pub(super) fn new(capacity: usize) -> Self {
        Self(cache(capacity))
    }
}

impl Lookup for InPlace {
    fn insert(&self, token: &str) {
        self.0.insert(CachedToken { text: token.into(), grant: Grant { expires_at: 1 } });
    }

    fn look_up(&self, token: &str) -> Option<u64> {
        self.0.get(token.as_bytes(), |cached| cached.grant.expires_at)
    }
}

impl Cloned {
    pub(super) fn new(capacity: usize) -> Self {
        Self(cache(capacity))
    }
}

impl Lookup for Cloned {
    fn insert(&self, token: &str) {
        self.0.insert(CachedToken { text: token.into(), grant: Arc::new(Grant { expires_at: 1 }) });
    }

    fn look_up(&self, token: &str) -> Option<u64> {
        Some(self.0.get(token.as_bytes(), |cached| Arc::clone(&cached.grant))?.expires_at)
    }
}
