//! The builder of `BearerAuth`: the settings for requests and tokens, and the defaults of all settings.

mod accepted;
mod audit;
mod build;
mod fetching;
mod issuers;
#[cfg(feature = "metrics")]
mod metrics;
mod observers;
mod resource_metadata;
mod responses;
mod revocations;
mod senders;
mod view;

pub use view::BearerAuthView;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use super::token_cache::TokenCache;
use crate::audit::Audit;
use crate::bearer::TokenSource;
use crate::binding::certificates::Certificates;
use crate::binding::dpop::Dpop;
use crate::jwks::RefreshPolicy;
use crate::middleware::{BearerAuth, OnAccept, OnReject, RejectionLog};
use crate::observe::Observer;
#[cfg(feature = "metrics")]
use crate::observe::metrics::Metrics;
use crate::resource_metadata::ResourceMetadata;
use crate::revocation::Revocations;
use crate::settings::{Issuer, IssuerResolver};
use crate::sync::CacheLimits;
use crate::time::{Clock, SystemClock};
use crate::transport::HttpClient;

/// Builds a [`BearerAuth`]; [`BearerAuth::builder`] creates one.
///
/// The audience and at least one issuer are required, unless issuers are added at run time. Everything else
/// has a safe default.
///
/// ```no_run
/// use std::time::Duration;
/// use tower_bearer::{BearerAuth, Issuer};
///
/// let auth = BearerAuth::builder("https://api.example.com")
///     .issuer(Issuer::discover("https://login.example.com/realms/acme"))
///     .leeway(Duration::from_secs(10))
///     .build()?;
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
///
/// Setters replace the previous value; `add_*`, `require_*`, `validate` and `dangerous_accept_type` append.
/// The order of calls does not matter otherwise. `dangerous_*` loosens the validation of a token. Other
/// settings trade security for something else:
/// [Security](crate::guide::security#settings-that-loosen-validation) lists all of them.
#[must_use]
pub struct BearerAuthBuilder {
    audiences: Vec<String>,
    issuer: Option<Issuer>,
    added_issuers: Vec<Issuer>,
    allow_no_issuer: bool,
    resolver: Option<IssuerResolver>,
    realm: Option<String>,
    leeway: Option<Duration>,
    max_token_bytes: usize,
    sources: Vec<TokenSource>,
    optional: bool,
    preflight: bool,
    strip_credentials: bool,
    log_token_details: bool,
    max_rejection_events_per_second: u32,
    skip_start_check: bool,
    omit_error_descriptions: bool,
    grpc: bool,
    on_reject: Option<OnReject>,
    on_accept: Option<OnAccept>,
    audit: Option<Arc<Audit>>,
    observers: Vec<Arc<dyn Observer>>,
    #[cfg(feature = "metrics")]
    metrics: Option<Arc<Metrics>>,
    clock: Arc<dyn Clock>,
    client: Option<Arc<dyn HttpClient>>,
    refresh: RefreshPolicy,
    fetch_timeout: Duration,
    runtime: Option<Handle>,
    max_key_wait: Duration,
    token_cache: TokenCache,
    response_limits: CacheLimits,
    resource_metadata: Option<ResourceMetadata>,
    dpop: Option<Dpop>,
    certificates: Option<Certificates>,
    revocations: Option<Revocations>,
    fapi2: bool,
}

impl BearerAuth {
    /// Starts the configuration of an API that access tokens name as `audience` in `aud` (RFC 7519 section
    /// 4.1.3, RFC 8707 section 2). Most APIs use their own URL.
    ///
    /// `BearerAuth` compares the audience byte for byte. It is also the realm of challenges, unless
    /// [`realm`](BearerAuthBuilder::realm) sets another.
    ///
    /// ```
    /// use tower_bearer::{BearerAuth, ConfigError, Issuer};
    ///
    /// fn bearer_auth() -> Result<BearerAuth, ConfigError> {
    ///     BearerAuth::builder("https://api.example.com")
    ///         .issuer(Issuer::discover("https://login.example.com"))
    ///         .build()
    /// }
    /// ```
    pub fn builder(audience: impl Into<String>) -> BearerAuthBuilder {
        BearerAuthBuilder::new(audience.into())
    }
}

impl BearerAuthBuilder {
    /// The maximum [`leeway`](Self::leeway): 5 min.
    pub const MAX_LEEWAY: Duration = Duration::from_secs(300);

    const DEFAULT_LEEWAY: Duration = Duration::from_secs(30);

    fn new(audience: String) -> Self {
        Self {
            audiences: vec![audience],
            issuer: None,
            added_issuers: Vec::new(),
            allow_no_issuer: false,
            resolver: None,
            realm: None,
            leeway: None,
            max_token_bytes: 16 * 1024,
            sources: Vec::new(),
            optional: false,
            preflight: false,
            strip_credentials: false,
            log_token_details: false,
            max_rejection_events_per_second: RejectionLog::DEFAULT_PER_SECOND,
            skip_start_check: false,
            omit_error_descriptions: false,
            grpc: true,
            on_reject: None,
            on_accept: None,
            audit: None,
            observers: Vec::new(),
            #[cfg(feature = "metrics")]
            metrics: None,
            clock: Arc::new(SystemClock),
            client: None,
            refresh: RefreshPolicy::default(),
            fetch_timeout: Duration::from_secs(5),
            runtime: None,
            max_key_wait: Duration::from_secs(3),
            token_cache: TokenCache::new(),
            response_limits: CacheLimits { entries: 10_000, bytes: 32 * 1024 * 1024 },
            resource_metadata: None,
            dpop: None,
            certificates: None,
            revocations: None,
            fapi2: false,
        }
    }

    /// Adds a name for this API. A token is accepted if its `aud` contains one of the names.
    ///
    /// ```
    /// use tower_bearer::BearerAuth;
    ///
    /// let builder = BearerAuth::builder("https://api.example.com").add_audience("https://api.example.org");
    /// ```
    pub fn add_audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Sets the tolerated clock difference between the authorization server and this machine. Default: 30 s,
    /// or 10 s with [`fapi2`](Self::fapi2). Maximum: 5 min.
    ///
    /// A token is accepted until `exp` plus the leeway. Its `nbf` and `iat` may be in the future by up to the
    /// leeway.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_bearer::BearerAuth;
    ///
    /// let builder = BearerAuth::builder("https://api.example.com").leeway(Duration::from_secs(5));
    /// ```
    ///
    /// # Risk
    /// A stolen token works for this much longer after `exp`.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = Some(leeway);
        self
    }

    /// Sets the maximum size of a token, in bytes. Default: 16 KiB.
    ///
    /// A request with a larger token is rejected with 400 `token_too_large`. Many HTTP servers limit the size
    /// of headers to 8 KiB or less and reject such a request earlier.
    ///
    /// ```
    /// use tower_bearer::BearerAuth;
    ///
    /// // For tokens with hundreds of groups.
    /// let builder = BearerAuth::builder("https://api.example.com").max_token_bytes(64 * 1024);
    /// ```
    pub fn max_token_bytes(mut self, bytes: usize) -> Self {
        self.max_token_bytes = bytes;
        self
    }

    /// Adds a place where requests may carry the token, beside the `Authorization` header. Default: none.
    ///
    /// A request with tokens in two places is rejected with 400 (RFC 6750 section 3.1). For form bodies, use
    /// [`FormBodyToken`](crate::FormBodyToken).
    ///
    /// ```
    /// use tower_bearer::{BearerAuth, TokenSource};
    ///
    /// let builder = BearerAuth::builder("https://api.example.com")
    ///     .add_token_source(TokenSource::cookie("__Host-access_token"));
    /// ```
    pub fn add_token_source(mut self, source: TokenSource) -> Self {
        self.sources.push(source);
        self
    }

    /// Accepts requests without credentials. They have no [`AccessToken`](crate::AccessToken) in their
    /// extensions. Default: reject them with 401 `missing`.
    ///
    /// Requests with malformed credentials or an invalid token are rejected all the same. For some routes
    /// only, use a [view](BearerAuth::view).
    ///
    /// ```
    /// # #[cfg(feature = "axum")] {
    /// use tower_bearer::{AccessToken, BearerAuth};
    ///
    /// async fn home(token: Option<AccessToken>) -> String {
    ///     match token.as_ref().and_then(AccessToken::subject) {
    ///         Some(subject) => format!("hello {subject}"),
    ///         None => "please sign in".to_owned(),
    ///     }
    /// }
    ///
    /// let builder = BearerAuth::builder("https://api.example.com").optional();
    /// # }
    /// ```
    ///
    /// # Risk
    /// A handler that neither extracts an `AccessToken` nor has a [`Require`](crate::Require) layer serves
    /// anonymous callers.
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Accepts CORS preflight requests, which carry no credentials: `OPTIONS` with `Origin` and
    /// `Access-Control-Request-Method`. Default: validate them like any other request.
    ///
    /// Prefer a CORS layer outside of `BearerAuth`: it responds to preflight requests itself.
    ///
    /// ```
    /// use tower_bearer::BearerAuth;
    ///
    /// let builder = BearerAuth::builder("https://api.example.com").allow_preflight();
    /// ```
    ///
    /// # Risk
    /// The inner service receives these `OPTIONS` requests without a token. A service that ignores the method
    /// serves them to anonymous callers.
    pub fn allow_preflight(mut self) -> Self {
        self.preflight = true;
        self
    }

    /// Sets the clock for the dates in tokens and for the age of cached keys. Default: the clock of this
    /// machine, [`SystemClock`].
    ///
    /// ```
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// use tower_bearer::BearerAuth;
    /// use tower_bearer::testing::TestIssuer;
    ///
    /// // In tests: the clock of the test issuer, which stands still until the test moves it.
    /// let idp = TestIssuer::new();
    /// let builder = BearerAuth::builder("https://api.example.com").clock(idp.clock());
    /// # }
    /// ```
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Sets the limits of the cache of validated tokens. Default: 10 000 tokens and 32 MiB.
    ///
    /// ```
    /// use tower_bearer::{BearerAuth, TokenCache};
    ///
    /// let builder = BearerAuth::builder("https://api.example.com")
    ///     .token_cache(TokenCache::new().max_tokens(100_000).max_bytes(256 * 1024 * 1024));
    /// ```
    pub fn token_cache(mut self, cache: TokenCache) -> Self {
        self.token_cache = cache;
        self
    }

    /// Sets the maximum number of cached introspection responses of all issuers together: for active tokens,
    /// and as many again for rejected ones. Default: 10 000 each. Maximum: about one million.
    ///
    /// Above the limit, the cache evicts a response that was not used recently. The token is introspected
    /// again when it is next used. Zero is a [`ConfigError`](crate::ConfigError); to turn caching off, set
    /// [`Introspection::active_ttl`](crate::Introspection::active_ttl) and
    /// [`Introspection::inactive_ttl`](crate::Introspection::inactive_ttl) to zero.
    ///
    /// ```
    /// use tower_bearer::BearerAuth;
    ///
    /// let builder = BearerAuth::builder("https://api.example.com")
    ///     .max_cached_responses(100_000)
    ///     .max_cached_response_bytes(256 * 1024 * 1024);
    /// ```
    pub fn max_cached_responses(mut self, responses: usize) -> Self {
        self.response_limits.entries = responses;
        self
    }

    /// Sets the maximum memory for cached introspection responses of all issuers together, in bytes: for
    /// active tokens, and as much again for rejected ones. Default: 32 MiB each.
    ///
    /// A response about a token that is rejected takes less than 0.5 KB. One about an active token takes its
    /// claims twice, and the token. Zero is a [`ConfigError`](crate::ConfigError).
    pub fn max_cached_response_bytes(mut self, bytes: usize) -> Self {
        self.response_limits.bytes = bytes;
        self
    }

    fn each_issuer(&self) -> impl Iterator<Item = &Issuer> {
        self.issuer.iter().chain(&self.added_issuers)
    }
}

impl fmt::Debug for BearerAuthBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerAuthBuilder")
            .field("audiences", &self.audiences)
            .field("issuers", &self.each_issuer().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
