//! The test issuer: how to start it, its URLs and its configuration.

use std::fmt;
use std::io;
use std::sync::Arc;

use crate::builder::BearerAuthBuilder;
use crate::middleware::BearerAuth;
use crate::settings::Issuer;
use crate::testing::clock::ManualClock;
use crate::testing::fault::Endpoint;
use crate::testing::in_memory::InMemoryClient;
use crate::testing::loopback::Loopback;
use crate::testing::server::State;
use crate::time::{Clock, SystemClock};

/// An authorization server for tests. See the [module documentation](super::super).
///
/// Clones are the same server. It starts with one ES256 key. [`rotate_key`](Self::rotate_key) and
/// [`add_key`](Self::add_key) generate more keys, of any algorithm.
///
/// ```
/// use tower_bearer::testing::TestIssuer;
///
/// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
/// let idp = TestIssuer::new();
/// let token = idp.token("https://api.example.com").subject("alice").access_token()?;
/// assert_eq!(token.issuer(), "https://issuer.test");
/// assert_eq!(token.subject(), Some("alice"));
/// # }
/// # Ok::<(), tower_bearer::Rejection>(())
/// ```
#[derive(Clone)]
pub struct TestIssuer {
    pub(crate) state: Arc<State>,
    _server: Option<Arc<Loopback>>,
}

impl TestIssuer {
    /// Creates a server in memory with the identifier `https://issuer.test`.
    ///
    /// [`http_client`](Self::http_client) reaches it without a socket. Its [`clock`](Self::clock) starts at
    /// the system time and stands still.
    #[must_use]
    pub fn new() -> Self {
        Self::in_memory("https://issuer.test")
    }

    /// Creates a server in memory with this identifier, for tests with several issuers.
    ///
    /// `identifier` may have a path. The endpoints are below it, and the metadata is at every well-known URL
    /// (RFC 8414 section 3.1, OpenID Connect Discovery section 4).
    ///
    /// ```
    /// use tower_bearer::testing::TestIssuer;
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let staff = TestIssuer::in_memory("https://staff.test");
    /// let partners = TestIssuer::in_memory("https://partners.test");
    /// assert_eq!(partners.jwks_url(), "https://partners.test/jwks");
    ///
    /// let acme = TestIssuer::in_memory("https://login.test/realms/acme");
    /// assert_eq!(acme.jwks_url(), "https://login.test/realms/acme/jwks");
    /// # drop(staff);
    /// # }
    /// ```
    #[must_use]
    pub fn in_memory(identifier: impl Into<String>) -> Self {
        let clock = ManualClock::at(SystemClock.now());
        Self { state: Arc::new(State::new(identifier.into(), clock)), _server: None }
    }

    /// Starts a server on a free loopback port, with every endpoint over HTTP.
    ///
    /// [`loopback`](Self::loopback) has settings, such as a path for the identifier.
    ///
    /// It uses the system clock and stops when the last clone is dropped. It responds to bodies over 1 MiB
    /// with 413.
    ///
    /// ```
    /// use tower_bearer::{BearerAuth, testing::TestIssuer};
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let idp = TestIssuer::start().await.unwrap();
    /// assert!(idp.identifier().starts_with("http://127.0.0.1:"));
    ///
    /// let auth = BearerAuth::builder("https://api.example.com").issuer(idp.issuer());
    /// # drop(auth);
    /// # }
    /// # #[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
    /// # fn main() {}
    /// ```
    ///
    /// # Errors
    /// The I/O error if no port can be bound.
    ///
    /// # Runtime
    /// Needs a tokio runtime with I/O enabled.
    pub async fn start() -> io::Result<Self> {
        Self::loopback().start().await
    }

    /// A server on a port, which runs until the last clone is dropped.
    pub(super) fn on_port(state: Arc<State>, server: Loopback) -> Self {
        Self { state, _server: Some(Arc::new(server)) }
    }

    /// The identifier of this issuer: the `iss` of its tokens.
    #[must_use]
    pub fn identifier(&self) -> &str {
        self.state.identifier()
    }

    /// The URL of the key set (RFC 7517 section 5).
    #[must_use]
    pub fn jwks_url(&self) -> String {
        self.state.address().url(Endpoint::Jwks)
    }

    /// The URL of the introspection endpoint (RFC 7662 section 2).
    #[must_use]
    pub fn introspection_url(&self) -> String {
        self.state.address().url(Endpoint::Introspection)
    }

    /// The URL of the token endpoint (RFC 6749 section 3.2).
    ///
    /// It supports the grants `client_credentials` and `refresh_token`. With a valid DPoP proof, it issues an
    /// access token that is bound to the key of the proof (RFC 9449 section 5).
    ///
    /// ```
    /// use tower_bearer::client_auth::ClientCredentials;
    /// use tower_bearer::{ClientAuth, testing::TestIssuer};
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// let client = ClientAuth::secret_basic(TestIssuer::CLIENT_ID, TestIssuer::CLIENT_SECRET);
    /// let auth = ClientAuth::client_credentials(ClientCredentials::new(idp.token_url(), client));
    /// # drop(auth);
    /// # }
    /// ```
    #[must_use]
    pub fn token_url(&self) -> String {
        self.state.address().url(Endpoint::Token)
    }

    /// The URL of the revocation endpoint (RFC 7009 section 2). A test can call [`revoke`](Self::revoke)
    /// instead.
    #[must_use]
    pub fn revocation_url(&self) -> String {
        self.state.address().url(Endpoint::Revocation)
    }

    /// The published key set as JSON, for [`Issuer::with_static_jwks`](crate::Issuer::with_static_jwks).
    ///
    /// ```
    /// use tower_bearer::{Issuer, testing::TestIssuer};
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// let issuer = Issuer::with_static_jwks(idp.identifier(), idp.jwks());
    /// # drop(issuer);
    /// # }
    /// ```
    #[must_use]
    pub fn jwks(&self) -> String {
        self.state.jwks_document()
    }

    /// The [`Issuer`] for a [`BearerAuthBuilder`]. It finds the keys through the metadata of this server.
    pub fn issuer(&self) -> Issuer {
        Issuer::discover(self.identifier())
    }

    /// A builder that trusts this issuer, with its [`clock`](Self::clock) and its
    /// [`http_client`](Self::http_client).
    ///
    /// `audience` is the audience of the API under test. A test sets up the rest as in production.
    ///
    /// ```
    /// use tower_bearer::testing::TestIssuer;
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let idp = TestIssuer::new();
    /// let auth = idp.bearer_auth("https://api.example.com").realm("orders").build().unwrap();
    /// auth.ready().await.unwrap(); // fetches the keys
    /// # }
    /// # #[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
    /// # fn main() {}
    /// ```
    pub fn bearer_auth(&self, audience: impl Into<String>) -> BearerAuthBuilder {
        let builder = BearerAuth::builder(audience).clock(self.clock()).http_client(self.http_client());
        builder.issuer(self.issuer())
    }

    /// An HTTP client that calls this server without a socket, even if the server has a port.
    ///
    /// To reach several test issuers, see [`InMemoryClient::and`].
    pub fn http_client(&self) -> InMemoryClient {
        InMemoryClient::new(Arc::clone(&self.state))
    }

    /// The clock that dates the tokens of this issuer. Moving it moves every configuration that uses it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_bearer::{RejectionKind, testing::TestIssuer};
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// let token = idp.token("https://api.example.com");
    /// idp.clock().advance(Duration::from_secs(10 * 60)); // tokens are valid for 5 minutes
    /// assert_eq!(token.access_token().unwrap_err().kind(), RejectionKind::TokenExpired);
    /// # }
    /// ```
    #[must_use]
    pub fn clock(&self) -> ManualClock {
        self.state.clock().clone()
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
