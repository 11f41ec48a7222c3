//! The test issuer, as a test handles it.

mod clients;
mod introspection;

use std::fmt;
use std::io;
use std::iter::repeat;
use std::sync::Arc;

use super::clock::ManualClock;
use super::fault::{Endpoint, Fault};
use super::in_memory::InMemoryClient;
use super::loopback::Loopback;
use super::state::State;
use crate::builder::{BearerAuthBuilder, Issuer};
use crate::crypto::{Algorithm, SigningKey};
use crate::middleware::BearerAuth;
use crate::time::{Clock, SystemClock};

/// An authorization server for tests. See the [module's documentation](super).
///
/// A clone is the same server. It has one ES256 key at first; [`rotate_key`](Self::rotate_key) and
/// [`add_key`](Self::add_key) make more, of any algorithm.
#[derive(Clone)]
pub struct TestIssuer {
    pub(super) state: Arc<State>,
    _server: Option<Arc<Loopback>>,
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
        let clock = ManualClock::at(SystemClock.now());
        Self { state: Arc::new(State::new(identifier.into(), clock)), _server: None }
    }

    /// A server on a loopback port of its own, with every endpoint over HTTP. It runs with the
    /// machine's clock, and ends with the last clone. Bodies of more than 1 MB are answered with 413.
    ///
    /// # Errors
    /// When no port can be had.
    ///
    /// # Runtime
    /// Needs a tokio runtime with I/O.
    pub async fn start() -> io::Result<Self> {
        let (listener, address) = Loopback::bind().await?;
        let state = Arc::new(State::new(format!("http://{address}"), ManualClock::running()));
        let server = Loopback::serve(listener, Arc::clone(&state));
        Ok(Self { state, _server: Some(Arc::new(server)) })
    }

    /// Its identifier: what its tokens have as `iss`.
    #[must_use]
    pub fn identifier(&self) -> &str {
        self.state.identifier()
    }

    /// The URL of its key set.
    #[must_use]
    pub fn jwks_url(&self) -> String {
        self.state.jwks_url()
    }

    /// The URL that says whether a token is active (RFC 7662 section 2).
    #[must_use]
    pub fn introspection_url(&self) -> String {
        self.state.introspection_url()
    }

    /// The URL that issues tokens (RFC 6749 section 3.2), for `client_credentials` and `refresh_token`.
    #[must_use]
    pub fn token_url(&self) -> String {
        self.state.token_url()
    }

    /// The URL that revokes tokens (RFC 7009 section 2).
    #[must_use]
    pub fn revocation_url(&self) -> String {
        self.state.revocation_url()
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
        let builder = BearerAuth::builder(audience).clock(self.clock()).http_client(self.http_client());
        builder.issuer(self.issuer())
    }

    /// An HTTP client that reaches this server without a socket, also one that has a port.
    pub fn http_client(&self) -> InMemoryClient {
        InMemoryClient::of(Arc::clone(&self.state))
    }

    /// The clock that its tokens are dated by.
    #[must_use]
    pub fn clock(&self) -> ManualClock {
        self.state.clock().clone()
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
            Some(fault) => settings.faults.plan(endpoint, fault, None),
            None => settings.faults.cancel(endpoint),
        }
    }

    /// Makes an endpoint fail for that many requests, in place of a fault that was set before; those
    /// that follow are answered well.
    pub fn set_fault_for(&self, endpoint: Endpoint, fault: Fault, times: usize) {
        self.state.lock().faults.plan(endpoint, fault, Some(times));
    }

    /// Makes every endpoint fail, or with `None` work again.
    pub fn set_outage(&self, fault: Option<Fault>) {
        for (endpoint, fault) in Endpoint::ALL.into_iter().zip(repeat(fault)) {
            self.set_fault(endpoint, fault);
        }
    }

    /// How many requests came to an endpoint so far.
    #[must_use]
    pub fn requests(&self, endpoint: Endpoint) -> usize {
        self.state.lock().counts.get(&endpoint).copied().unwrap_or_default()
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
