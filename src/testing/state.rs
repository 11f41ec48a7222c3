//! What the test issuer knows: its keys, its settings, its counters.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::UNIX_EPOCH;

use serde_json::{Value, json};

use super::alterations::Alterations;
use super::clients::{Clients, FIRST_CLIENT};
use super::clock::ManualClock;
use super::fault::{Endpoint, Fault, Faults};
use super::tokens::Tokens;
use crate::crypto::{Algorithm, SigningKey};
use crate::time::Clock;

/// What all clones and the server share.
pub(super) struct State {
    identifier: String,
    clock: ManualClock,
    inner: Mutex<Settings>,
}

pub(super) struct Settings {
    pub(super) keys: Vec<PublishedKey>,
    /// Of keys ever made, to name the next one.
    keys_made: usize,
    pub(super) signing: String,
    pub(super) jwks: Option<String>,
    pub(super) metadata: Option<String>,
    pub(super) cache_control: Option<String>,
    pub(super) faults: Faults,
    pub(super) counts: HashMap<Endpoint, usize>,
    pub(super) clients: Clients,
    pub(super) alterations: Alterations,
    pub(super) tokens: Tokens,
}

#[derive(Clone)]
pub(super) struct PublishedKey {
    pub(super) kid: String,
    key: Arc<SigningKey>,
    pub(super) published: bool,
}

impl State {
    pub(super) fn new(identifier: String, clock: ManualClock) -> Self {
        let mut settings = Settings {
            keys: Vec::new(),
            keys_made: 0,
            signing: String::new(),
            jwks: None,
            metadata: None,
            cache_control: None,
            faults: Faults::default(),
            counts: HashMap::new(),
            clients: Clients::default(),
            alterations: Alterations::default(),
            tokens: Tokens::default(),
        };
        let (id, secret) = FIRST_CLIENT;
        settings.clients.set_secret(id, secret);
        settings.signing = settings.add(Arc::new(SigningKey::generate(Algorithm::ES256)));
        Self { identifier, clock, inner: Mutex::new(settings) }
    }

    pub(super) fn identifier(&self) -> &str {
        &self.identifier
    }

    pub(super) fn clock(&self) -> &ManualClock {
        &self.clock
    }

    /// Seconds since 1970.
    pub(super) fn now(&self) -> u64 {
        self.clock.now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
    }

    /// Which endpoint is at `path`. The identifiers have no path of their own.
    pub(super) fn endpoint(&self, path: &str) -> Option<Endpoint> {
        match path {
            "/jwks" => Some(Endpoint::Jwks),
            "/.well-known/oauth-authorization-server" | "/.well-known/openid-configuration" => {
                Some(Endpoint::Metadata)
            }
            "/introspect" => Some(Endpoint::Introspection),
            "/token" => Some(Endpoint::Token),
            "/revoke" => Some(Endpoint::Revocation),
            _ => None,
        }
    }

    /// Counts a request, and says how to fail it.
    pub(super) fn count(&self, endpoint: Endpoint) -> Option<Fault> {
        let mut settings = self.lock();
        let count = settings.counts.entry(endpoint).or_default();
        *count = count.saturating_add(1);
        settings.faults.next(endpoint)
    }

    /// The key set, its entity tag, and its `Cache-Control`.
    pub(super) fn jwks_document(&self) -> (String, String, Option<String>) {
        let settings = self.lock();
        let document = settings.jwks.clone().unwrap_or_else(|| settings.published());
        let mut hasher = DefaultHasher::new();
        document.hash(&mut hasher);
        (document, format!("\"{:x}\"", hasher.finish()), settings.cache_control.clone())
    }

    pub(super) fn jwks_url(&self) -> String {
        format!("{}/jwks", self.identifier)
    }

    pub(super) fn introspection_url(&self) -> String {
        format!("{}/introspect", self.identifier)
    }

    pub(super) fn token_url(&self) -> String {
        format!("{}/token", self.identifier)
    }

    pub(super) fn revocation_url(&self) -> String {
        format!("{}/revoke", self.identifier)
    }

    pub(super) fn signing_key(&self, kid: Option<&str>) -> Option<(String, Arc<SigningKey>)> {
        let settings = self.lock();
        let kid = kid.unwrap_or(&settings.signing);
        let known = settings.keys.iter().find(|key| key.kid == kid)?;
        Some((known.kid.clone(), Arc::clone(&known.key)))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Settings> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Settings {
    pub(super) fn add(&mut self, key: Arc<SigningKey>) -> String {
        self.keys_made = self.keys_made.saturating_add(1);
        let kid = format!("key-{}", self.keys_made);
        self.keys.push(PublishedKey { kid: kid.clone(), key, published: true });
        kid
    }

    pub(super) fn replace(&mut self, key: &Arc<SigningKey>) {
        let signing = self.signing.clone();
        let place = self.keys.iter_mut().find(|known| known.kid == signing);
        place.into_iter().for_each(|known| known.key = Arc::clone(key));
    }

    fn published(&self) -> String {
        let published = self.keys.iter().filter(|key| key.published);
        let keys: Vec<Value> = published.map(|key| key.key.public_jwk(&key.kid)).collect();
        json!({ "keys": keys }).to_string()
    }
}
