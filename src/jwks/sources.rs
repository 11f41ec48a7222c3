//! The sources that keys are fetched from, so that issuers with the same source share its fetches.
//!
//! Checks: two issuers share a source only if they would fetch the same document with the same client from
//! the same addresses, and use the same algorithms.
//!
//! Why that is safe: a key that names an issuer verifies tokens of that issuer only, and a key set seeded by
//! one issuer is not shared with another. Why it matters: a thousand tenants of one authorization server
//! would otherwise fetch and hold its keys a thousand times, and an issuer that is replaced would lose its
//! keys.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::key_set::{KeySet, KeySetId};
use super::remote::{KeySource, RemoteConfig, RemoteKeys, WeakKeys};
use crate::crypto::KeyAlgorithms;
use crate::fetch_url::{AddressPolicy, FetchUrl};
use crate::metadata::MetadataId;

/// Unused entries are dropped when this many have been added since the last time.
const MIN_CLEANUP: usize = 64;

/// The sources in use by the issuers of one `BearerAuth`. The settings that all of them share do not count.
#[derive(Default)]
pub(crate) struct KeySources {
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    keys: HashMap<SourceId, WeakKeys>,
    cleanup_at: usize,
}

/// Equal for issuers that may share their keys.
#[derive(Eq, Hash, PartialEq)]
struct SourceId {
    document: DocumentId,
    fallbacks: Vec<FetchUrl>,
    /// The address of the HTTP client, which the keys keep alive.
    client: usize,
    algorithms: KeyAlgorithms,
    seed: Option<KeySetId>,
    addresses: AddressPolicy,
}

#[derive(Eq, Hash, PartialEq)]
enum DocumentId {
    Url(FetchUrl),
    Discovered(MetadataId),
}

impl KeySources {
    /// The keys from the source of `config`: those in use by another issuer, or new ones.
    pub(crate) fn keys(&self, config: RemoteConfig, seed: Option<KeySet>) -> RemoteKeys {
        let id = SourceId {
            document: match &config.source {
                KeySource::Url(url) => DocumentId::Url(url.clone()),
                KeySource::Discovered(issuer) => DocumentId::Discovered(issuer.id()),
            },
            fallbacks: config.fallbacks.clone(),
            client: Arc::as_ptr(&config.client).cast::<()>().addr(),
            algorithms: config.algorithms,
            seed: seed.as_ref().map(KeySet::id),
            addresses: config.limits.addresses,
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(keys) = known.keys.get(&id).and_then(WeakKeys::upgrade) {
            return keys;
        }
        let keys = RemoteKeys::new(config, seed);
        known.insert(id, keys.downgrade());
        keys
    }
}

impl Known {
    /// Adds an entry in constant time, on average.
    fn insert(&mut self, id: SourceId, keys: WeakKeys) {
        if self.keys.len() >= self.cleanup_at {
            self.keys.retain(|_, keys| keys.upgrade().is_some());
            self.cleanup_at = self.keys.len().saturating_mul(2).max(MIN_CLEANUP);
        }
        self.keys.insert(id, keys);
    }
}
