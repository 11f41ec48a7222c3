//! The state that all clones of a test issuer share.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use http::Uri;
use serde_json::{Value, json};

use super::address::Address;
use super::alterations::Alterations;
use super::clients::{Clients, DEFAULT_CLIENT};
use super::faults::Faults;
use super::issued::IssuedTokens;
use crate::crypto::{Algorithm, SigningKey};
use crate::testing::clock::ManualClock;
use crate::testing::fault::{Endpoint, Fault};
use crate::time::Clock;

/// The shared state of one test issuer.
pub(crate) struct State {
    address: Address,
    clock: ManualClock,
    settings: Mutex<Settings>,
}

/// The part of the state that changes.
pub(crate) struct Settings {
    pub(crate) keys: Vec<KeyEntry>,
    /// The number of keys ever generated. The next `kid` is derived from it.
    keys_generated: usize,
    /// The `kid` of the key that signs.
    pub(crate) signing: String,
    /// Replaces the key set, if set.
    pub(crate) jwks: Option<String>,
    /// The URLs of the key set beside the one below the identifier.
    pub(crate) jwks_urls: Vec<String>,
    /// Replaces the metadata, if set.
    pub(crate) metadata: Option<String>,
    /// The `Cache-Control` of the key set.
    pub(crate) cache_control: Option<String>,
    pub(crate) faults: Faults,
    /// The number of requests to each endpoint.
    pub(crate) counts: HashMap<Endpoint, usize>,
    pub(crate) clients: Clients,
    /// Whether the token endpoint binds tokens to the certificate of the connection.
    pub(crate) binds_to_certificates: bool,
    pub(crate) alterations: Alterations,
    pub(crate) tokens: IssuedTokens,
}

/// A key pair of the issuer.
#[derive(Clone)]
pub(crate) struct KeyEntry {
    pub(crate) kid: String,
    key: Arc<SigningKey>,
    /// The public key as it is published.
    pub(crate) jwk: Value,
    pub(crate) is_published: bool,
}

impl State {
    pub(crate) fn new(identifier: String, clock: ManualClock) -> Self {
        let mut settings = Settings {
            keys: Vec::new(),
            keys_generated: 0,
            signing: String::new(),
            jwks: None,
            jwks_urls: Vec::new(),
            metadata: None,
            cache_control: None,
            faults: Faults::default(),
            counts: HashMap::new(),
            clients: Clients::default(),
            binds_to_certificates: false,
            alterations: Alterations::default(),
            tokens: IssuedTokens::default(),
        };
        let (id, secret) = DEFAULT_CLIENT;
        settings.clients.set_secret(id, secret);
        settings.signing = settings.add_key(Arc::new(SigningKey::generate(Algorithm::ES256)));
        Self { address: Address::new(identifier), clock, settings: Mutex::new(settings) }
    }

    pub(crate) fn identifier(&self) -> &str {
        self.address.identifier()
    }

    /// The identifier and the URLs of the endpoints.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    pub(crate) fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// Seconds since the Unix epoch.
    pub(crate) fn now(&self) -> u64 {
        self.clock.now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }

    /// The endpoint at the URL of a request. A URL without a host counts as one of this issuer.
    pub(crate) fn endpoint_at(&self, url: &Uri) -> Option<Endpoint> {
        if self.lock().jwks_urls.iter().any(|added| *url == **added) {
            return Some(Endpoint::Jwks);
        }
        let is_own = url.authority().is_none() || self.address.is_origin_of(url);
        is_own.then(|| self.address.endpoint_at(url.path())).flatten()
    }

    /// Counts a request, and returns the fault to answer it with, if there is one. `token` returns the token
    /// that the request is about.
    pub(crate) fn count_request(
        &self,
        endpoint: Endpoint,
        token: impl FnOnce() -> Option<String>,
    ) -> Option<Fault> {
        let mut settings = self.lock();
        let count = settings.counts.entry(endpoint).or_default();
        *count = count.saturating_add(1);
        settings.faults.next(endpoint, token)
    }

    /// The key with this `kid`, or the key that signs if `kid` is `None`.
    pub(crate) fn signing_key(&self, kid: Option<&str>) -> Option<(String, Arc<SigningKey>)> {
        let settings = self.lock();
        let kid = kid.unwrap_or(&settings.signing);
        let entry = settings.keys.iter().find(|key| key.kid == kid)?;
        Some((entry.kid.clone(), Arc::clone(&entry.key)))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Settings {
    /// Adds and publishes a key, and returns its `kid`.
    pub(crate) fn add_key(&mut self, key: Arc<SigningKey>) -> String {
        self.keys_generated = self.keys_generated.saturating_add(1);
        let kid = format!("key-{}", self.keys_generated);
        self.publish(key, &kid);
        kid
    }

    /// Publishes a key, which signs from now on. It replaces a key with the same `kid`.
    pub(crate) fn sign_with(&mut self, key: Arc<SigningKey>, kid: &str) {
        self.keys.retain(|entry| entry.kid != kid);
        self.publish(key, kid);
        self.signing = kid.to_owned();
    }

    fn publish(&mut self, key: Arc<SigningKey>, kid: &str) {
        let jwk = key.public_jwk(kid);
        self.keys.push(KeyEntry { kid: kid.to_owned(), key, jwk, is_published: true });
    }

    /// Replaces the key that signs. Its `kid` stays the same.
    pub(crate) fn replace_key(&mut self, key: &Arc<SigningKey>) {
        let signing = self.signing.clone();
        let entry = self.keys.iter_mut().find(|entry| entry.kid == signing);
        if let Some(entry) = entry {
            entry.jwk = key.public_jwk(&entry.kid);
            entry.key = Arc::clone(key);
        }
    }

    /// The key set of the published keys, as JSON.
    pub(crate) fn published_keys(&self) -> String {
        let published = self.keys.iter().filter(|entry| entry.is_published);
        let keys: Vec<Value> = published.map(|entry| entry.jwk.clone()).collect();
        json!({ "keys": keys }).to_string()
    }
}
