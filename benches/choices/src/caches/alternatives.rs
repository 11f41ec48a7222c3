//! `moka` and `quick_cache`. A hit in either clones the value, so values are in an `Arc`.
//!
//! A hit in `moka` 0.12 also sends a record of the access to a channel: `record_read_op` in
//! `src/sync/base_cache.rs`. A hit in `quick_cache` 0.6 takes the read lock of its shard: `Cache::get` in
//! `src/sync.rs`.

use std::hash::BuildHasher;
use std::sync::Arc;

use quick_cache::UnitWeighter;
use quick_cache::sync::DefaultLifecycle;

use super::{Grant, Lookup};

pub(super) struct Moka<S>(moka::sync::Cache<Arc<str>, Arc<Grant>, S>);

pub(super) struct QuickCache<S>(quick_cache::sync::Cache<Arc<str>, Arc<Grant>, UnitWeighter, S>);

impl<S: BuildHasher + Clone + Send + Sync + 'static> Moka<S> {
    pub(super) fn new(capacity: usize, hasher: S) -> Self {
        let builder = moka::sync::Cache::builder().max_capacity(capacity as u64);
        Self(builder.build_with_hasher(hasher))
    }
}

impl<S: BuildHasher + Clone + Send + Sync + 'static> Lookup for Moka<S> {
    fn insert(&self, token: &str) {
        self.0.insert(token.into(), Arc::new(Grant { expires_at: 1 }));
    }

    fn look_up(&self, token: &str) -> Option<u64> {
        Some(self.0.get(token)?.expires_at)
    }

    fn finish_inserts(&self) {
        self.0.run_pending_tasks();
    }
}

impl<S: BuildHasher + Clone> QuickCache<S> {
    pub(super) fn new(capacity: usize, hasher: S) -> Self {
        let lifecycle = DefaultLifecycle::default();
        Self(quick_cache::sync::Cache::with(capacity, capacity as u64, UnitWeighter, hasher, lifecycle))
    }
}

impl<S: BuildHasher + Clone + Send + Sync> Lookup for QuickCache<S> {
    fn insert(&self, token: &str) {
        self.0.insert(token.into(), Arc::new(Grant { expires_at: 1 }));
    }

    fn look_up(&self, token: &str) -> Option<u64> {
        Some(self.0.get(token)?.expires_at)
    }
}
