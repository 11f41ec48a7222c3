//! The test issuer: its keys, its settings, its counters.

use std::collections::HashMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

use super::clock::ManualClock;
use super::endpoint::{Endpoint, Fault};
use super::in_memory::InMemoryClient;
use super::loopback::Loopback;
use super::signing_key::SigningKey;
use super::token::TokenBuilder;
use crate::builder::{BearerAuthBuilder, Issuer};
use crate::clock::{Clock, SystemClock};
use crate::crypto::Algorithm;
use crate::middleware::BearerAuth;

/// An authorization server for tests. See the [module's documentation](super).
///
/// A clone is the same server. It has one ES256 key at first; [`rotate_key`](Self::rotate_key) and
/// [`add_key`](Self::add_key) make more, of any algorithm.
#[derive(Clone)]
pub struct TestIssuer {
    state: Arc<State>,
    clock: ManualClock,
    _server: Option<Arc<Loopback>>,
}

/// What all clones and the server share.
pub(super) struct State {
    identifier: String,
    inner: Mutex<Settings>,
}

struct Settings {
    keys: Vec<PublishedKey>,
    /// Of keys ever made, to name the next one.
    keys_made: usize,
    signing: String,
    jwks: Option<String>,
    metadata: Option<String>,
    cache_control: Option<String>,
    faults: HashMap<Endpoint, Fault>,
    counts: HashMap<Endpoint, usize>,
}

#[derive(Clone)]
struct PublishedKey {
    kid: String,
    key: Arc<SigningKey>,
    published: bool,
}

impl TestIssuer {
    /// A server in memory, `https://issuer.test`, at a time that stands still until
    /// [`clock`](Self::clock) moves it.
    #[must_use]
    pub fn new() -> Self {
        Self::in_memory("https://issuer.test")
    }

    /// A server in memory with this identifier, for tests with several issuers.
    #[must_use]
    pub fn in_memory(identifier: impl Into<String>) -> Self {
        let state = Arc::new(State::new(identifier.into()));
        Self { state, clock: ManualClock::at(SystemClock.now()), _server: None }
    }

    /// A server on a loopback port of its own, with metadata and keys over HTTP. It runs with the
    /// machine's clock, and ends with the last clone.
    ///
    /// # Errors
    /// When no port can be had.
    ///
    /// # Runtime
    /// Needs a tokio runtime with I/O.
    pub async fn start() -> io::Result<Self> {
        let (listener, address) = Loopback::bind().await?;
        let state = Arc::new(State::new(format!("http://{address}")));
        let server = Loopback::serve(listener, Arc::clone(&state));
        Ok(Self { state, clock: ManualClock::running(), _server: Some(Arc::new(server)) })
    }

    /// Its identifier: what its tokens have as `iss`.
    #[must_use]
    pub fn identifier(&self) -> &str {
        &self.state.identifier
    }

    /// The URL of its key set.
    #[must_use]
    pub fn jwks_url(&self) -> String {
        self.state.jwks_url()
    }

    /// Its key set, as published now.
    #[must_use]
    pub fn jwks(&self) -> String {
        self.state.jwks_document().0
    }

    /// The issuer for a configuration: found by its metadata.
    pub fn issuer(&self) -> Issuer {
        Issuer::discover(self.identifier())
    }

    /// A configuration that trusts this issuer, with its clock and its HTTP client.
    pub fn bearer_auth(&self, audience: impl Into<String>) -> BearerAuthBuilder {
        let builder = BearerAuth::builder(audience).clock(self.clock.clone()).http_client(self.http_client());
        builder.issuer(self.issuer())
    }

    /// An HTTP client that reaches this server without a socket, also one that has a port.
    pub fn http_client(&self) -> InMemoryClient {
        InMemoryClient::of(Arc::clone(&self.state))
    }

    /// The clock that its tokens are dated by.
    #[must_use]
    pub fn clock(&self) -> ManualClock {
        self.clock.clone()
    }

    /// A token for that audience, to be altered and signed: valid for 5 minutes from now.
    pub fn token(&self, audience: impl Into<String>) -> TokenBuilder {
        TokenBuilder::new(self.clone(), &audience.into())
    }

    /// Publishes one more key and returns its `kid`; tokens are signed with the key as before.
    pub fn add_key(&self, algorithm: Algorithm) -> String {
        let key = Arc::new(SigningKey::generate(algorithm));
        self.state.lock().add(key)
    }

    /// Publishes a new key of the same algorithm and signs with it from now on. The old one stays
    /// published. Returns the new `kid`.
    pub fn rotate_key(&self) -> String {
        let algorithm = self.state.signing_key(None).map_or(Algorithm::ES256, |(_, key)| key.algorithm());
        self.rotate_key_to(algorithm)
    }

    /// The same with a key of this algorithm.
    pub fn rotate_key_to(&self, algorithm: Algorithm) -> String {
        let kid = self.add_key(algorithm);
        self.state.lock().signing.clone_from(&kid);
        kid
    }

    /// Publishes a new key under the `kid` of the one that signs now, in its place.
    pub fn replace_key(&self) {
        let algorithm = self.state.signing_key(None).map_or(Algorithm::ES256, |(_, key)| key.algorithm());
        let key = Arc::new(SigningKey::generate(algorithm));
        self.state.lock().replace(&key);
    }

    /// Takes a key out of the key set. Tokens can still be signed with it.
    pub fn withdraw_key(&self, kid: &str) {
        self.state.lock().keys.iter_mut().filter(|key| key.kid == kid).for_each(|key| key.published = false);
    }

    /// The `kid` of the key that signs now.
    #[must_use]
    pub fn key_id(&self) -> String {
        self.state.lock().signing.clone()
    }

    /// Publishes this document in place of the key set; `None` for the real one again.
    pub fn set_jwks(&self, document: Option<String>) {
        self.state.lock().jwks = document;
    }

    /// Publishes this document in place of the metadata; `None` for the real one again.
    pub fn set_metadata(&self, document: Option<String>) {
        self.state.lock().metadata = document;
    }

    /// The `Cache-Control` of the key set. Default: none is sent.
    pub fn set_cache_control(&self, value: Option<&str>) {
        self.state.lock().cache_control = value.map(str::to_owned);
    }

    /// Makes an endpoint fail, or with `None` work again.
    pub fn set_fault(&self, endpoint: Endpoint, fault: Option<Fault>) {
        let mut settings = self.state.lock();
        match fault {
            Some(fault) => settings.faults.insert(endpoint, fault),
            None => settings.faults.remove(&endpoint),
        };
    }

    /// Makes every endpoint fail, or with `None` work again.
    pub fn set_outage(&self, fault: Option<Fault>) {
        self.set_fault(Endpoint::Metadata, fault.clone());
        self.set_fault(Endpoint::Jwks, fault);
    }

    /// How many requests came to an endpoint so far.
    #[must_use]
    pub fn requests(&self, endpoint: Endpoint) -> usize {
        self.state.lock().counts.get(&endpoint).copied().unwrap_or_default()
    }

    /// The key of that `kid`, or the one that signs now.
    pub(super) fn signing_key(&self, kid: Option<&str>) -> Option<(String, Arc<SigningKey>)> {
        self.state.signing_key(kid)
    }
}

impl Default for TestIssuer {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TestIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestIssuer").field("identifier", &self.identifier()).finish_non_exhaustive()
    }
}

impl State {
    fn new(identifier: String) -> Self {
        let mut settings = Settings {
            keys: Vec::new(),
            keys_made: 0,
            signing: String::new(),
            jwks: None,
            metadata: None,
            cache_control: None,
            faults: HashMap::new(),
            counts: HashMap::new(),
        };
        settings.signing = settings.add(Arc::new(SigningKey::generate(Algorithm::ES256)));
        Self { identifier, inner: Mutex::new(settings) }
    }

    pub(super) fn identifier(&self) -> &str {
        &self.identifier
    }

    /// Which endpoint is at `path`. The identifiers have no path of their own.
    pub(super) fn endpoint(&self, path: &str) -> Option<Endpoint> {
        match path {
            "/jwks" => Some(Endpoint::Jwks),
            "/.well-known/oauth-authorization-server" | "/.well-known/openid-configuration" => {
                Some(Endpoint::Metadata)
            }
            _ => None,
        }
    }

    /// Counts a request, and says how to fail it.
    pub(super) fn count(&self, endpoint: Endpoint) -> Option<Fault> {
        let mut settings = self.lock();
        let count = settings.counts.entry(endpoint).or_default();
        *count = count.saturating_add(1);
        settings.faults.get(&endpoint).cloned()
    }

    pub(super) fn metadata_document(&self) -> String {
        let replaced = self.lock().metadata.clone();
        replaced
            .unwrap_or_else(|| json!({"issuer": self.identifier, "jwks_uri": self.jwks_url()}).to_string())
    }

    /// The key set, its entity tag, and its `Cache-Control`.
    pub(super) fn jwks_document(&self) -> (String, String, Option<String>) {
        let settings = self.lock();
        let document = settings.jwks.clone().unwrap_or_else(|| settings.published());
        let mut hasher = DefaultHasher::new();
        document.hash(&mut hasher);
        (document, format!("\"{:x}\"", hasher.finish()), settings.cache_control.clone())
    }

    fn jwks_url(&self) -> String {
        format!("{}/jwks", self.identifier)
    }

    fn signing_key(&self, kid: Option<&str>) -> Option<(String, Arc<SigningKey>)> {
        let settings = self.lock();
        let kid = kid.unwrap_or(&settings.signing);
        let known = settings.keys.iter().find(|key| key.kid == kid)?;
        Some((known.kid.clone(), Arc::clone(&known.key)))
    }

    fn lock(&self) -> MutexGuard<'_, Settings> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Settings {
    fn add(&mut self, key: Arc<SigningKey>) -> String {
        self.keys_made = self.keys_made.saturating_add(1);
        let kid = format!("key-{}", self.keys_made);
        self.keys.push(PublishedKey { kid: kid.clone(), key, published: true });
        kid
    }

    fn replace(&mut self, key: &Arc<SigningKey>) {
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
