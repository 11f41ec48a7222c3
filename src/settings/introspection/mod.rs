//! The settings for the introspection of one issuer's tokens: client, endpoint, and the tokens to introspect.

mod build;
mod check;
mod limits;
mod responses;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::access_token::AccessToken;
use crate::authenticate::{JwtIntrospection, OpaqueTokens};
use crate::introspection::{CachePolicy, ClientAuth, LimiterPolicy};
use crate::transport::{FetchLimits, HttpClient};

/// Introspection of tokens at their authorization server (RFC 7662).
///
/// Introspection is the only way to validate opaque tokens, and the only way to notice that a JWT was
/// revoked.
///
/// ```no_run
/// use tower_bearer::{BearerAuth, ClientAuth, Introspection, Issuer};
///
/// # let secret = String::new();
/// let auth = BearerAuth::builder("https://api.example.com")
///     .issuer(
///         Issuer::discover("https://login.example.com")
///             .introspect(Introspection::with(ClientAuth::secret_basic("orders-api", secret))),
///     )
///     .build()?;
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
///
/// # Which tokens are introspected
///
/// A token that is not a signed JWT is opaque and is introspected. A JWT is verified with the issuer's keys.
/// It is introspected as well if [`also_jwts`](Self::also_jwts) says so, after every other check has passed.
/// Then the response must describe the same token. A JWT that fails a check is never sent to the
/// authorization server.
///
/// A token is sent to one authorization server only. If several issuers have introspection, each needs a rule
/// for its opaque tokens: [`opaque_prefix`](Self::opaque_prefix), [`opaque_when`](Self::opaque_when),
/// [`opaque_default`](Self::opaque_default) or [`opaque_none`](Self::opaque_none).
///
/// # Which responses are accepted
///
/// `active` is `true`, `aud` names this API, and `exp` is present and in the future. (Two settings accept
/// responses without `aud` or `exp`; their names start with `dangerous_`.) If present, `iss`,
/// `nbf`, `iat`, `scope`, `sub`, `client_id`, `username`, `token_type` and `cnf` are valid. The
/// settings of the [`Issuer`](crate::Issuer) apply to responses as they do to JWTs, except those of
/// [`strict_rfc9068`](crate::Issuer::strict_rfc9068). A response about a JWT need not repeat the claims of
/// the JWT. If it has an `exp`, that may differ by the leeway, and the earlier one counts. If it has scopes,
/// the token has only those that both have.
///
/// # Caching
///
/// An active token is cached for [`active_ttl`](Self::active_ttl), never past its `exp`; an inactive one for
/// [`inactive_ttl`](Self::inactive_ttl). Failures are not cached. The response about a token in use is
/// replaced in the background before it is too old. Concurrent requests with the same token are
/// coalesced into one introspection request. All issuers share one cache, whose limits are
/// [`max_cached_responses`](crate::BearerAuthBuilder::max_cached_responses) and
/// [`max_cached_response_bytes`](crate::BearerAuthBuilder::max_cached_response_bytes).
///
/// # Failures
///
/// - 503 `introspection_unavailable` with `Retry-After`: the authorization server is unavailable, its
///   response is invalid, a limit is reached, or a provider in [`ClientAuth`] has no credentials.
/// - 500 `introspection_misconfigured`: the authorization server rejects this client or introspects no JWTs,
///   or its metadata names no introspection endpoint. The log says what to check, with the error that the
///   authorization server reports.
///
/// [Operations](crate::guide::operations#tune-introspection) describes the circuit breaker, the adaptive
/// concurrency limit, and how `Retry-After` is honored.
///
/// # Runtime
///
/// An introspection request runs on the tokio runtime of the request that starts it, and continues if that
/// request is cancelled. Drive that runtime for as long as other runtimes use the same `BearerAuth`: their
/// requests may wait for the response.
#[derive(Clone)]
#[must_use]
pub struct Introspection {
    auth: ClientAuth,
    endpoint: Option<String>,
    jwts: JwtIntrospection,
    /// The rule for opaque tokens; `None` if the user set none.
    opaque_tokens: Option<OpaqueTokens>,
    accept_without_audience: bool,
    lifetime_without_exp: Option<Duration>,
    accept_pending_jwts: bool,
    require_signed: bool,
    cache: CachePolicy,
    limits: FetchLimits,
    limiter: LimiterPolicy,
    client: Option<Arc<dyn HttpClient>>,
}

impl Introspection {
    /// Whether no token is accepted without a response about it. Tokens are JWTs as well if the issuer has
    /// keys.
    pub(super) fn decides_about_all(&self, has_keys: bool) -> bool {
        !self.accept_pending_jwts && (!has_keys || matches!(self.jwts, JwtIntrospection::All))
    }

    /// Introspects with the credentials `auth`, at the `introspection_endpoint` in the issuer's metadata.
    ///
    /// ```
    /// use tower_bearer::{ClientAuth, Introspection};
    ///
    /// # let secret = String::new();
    /// let introspection = Introspection::with(ClientAuth::secret_basic("orders-api", secret));
    /// ```
    pub fn with(auth: ClientAuth) -> Self {
        Self {
            auth,
            endpoint: None,
            jwts: JwtIntrospection::None,
            opaque_tokens: None,
            accept_without_audience: false,
            lifetime_without_exp: None,
            accept_pending_jwts: false,
            require_signed: false,
            cache: CachePolicy {
                active_ttl: Duration::from_secs(30),
                inactive_ttl: Duration::from_secs(10),
                stale_for: Duration::ZERO,
                max_token_age: None,
            },
            limits: FetchLimits::within(Duration::from_secs(3)),
            limiter: LimiterPolicy {
                max_concurrent: 64,
                max_queued: 1024,
                queue_timeout: Duration::from_secs(1),
                per_minute: None,
            },
            client: None,
        }
    }

    /// Sets the URL of the introspection endpoint: https, or http on a loopback address. Default: the
    /// endpoint in the issuer's metadata (RFC 8414 section 2), fetched when it is first needed.
    ///
    /// ```
    /// use tower_bearer::{ClientAuth, Introspection};
    ///
    /// # let secret = String::new();
    /// let introspection = Introspection::with(ClientAuth::secret_basic("orders-api", secret))
    ///     .endpoint("https://login.example.com/oauth2/introspect");
    /// ```
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = Some(url.into());
        self
    }

    /// Introspects every JWT of the issuer, so that revocation takes effect within
    /// [`active_ttl`](Self::active_ttl). Default: JWTs are not introspected.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_bearer::{ClientAuth, Introspection};
    ///
    /// # let secret = String::new();
    /// let introspection = Introspection::with(ClientAuth::secret_basic("orders-api", secret))
    ///     .also_jwts()
    ///     .active_ttl(Duration::from_secs(5)); // the upper bound on the revocation delay
    /// ```
    pub fn also_jwts(mut self) -> Self {
        self.jwts = JwtIntrospection::All;
        self
    }

    /// Introspects the JWTs for which `rule` returns `true`.
    ///
    /// `BearerAuth` calls `rule` on every request, after every other check of the JWT has passed. It must not
    /// block. For single routes, use [`Require::still_active`](crate::Require::still_active).
    ///
    /// ```
    /// use tower_bearer::{ClientAuth, Introspection};
    ///
    /// # let secret = String::new();
    /// let introspection = Introspection::with(ClientAuth::secret_basic("orders-api", secret))
    ///     .also_jwts_when(|token| token.scopes().contains("admin"));
    /// ```
    pub fn also_jwts_when<F>(mut self, rule: F) -> Self
    where
        F: Fn(&AccessToken) -> bool + Send + Sync + 'static,
    {
        self.jwts = JwtIntrospection::When(Arc::new(rule));
        self
    }

    /// Accepts a JWT that passed every other check once before its first introspection has completed. The
    /// introspection runs in the background. Default: the first request with a JWT waits for it.
    ///
    /// For services with many clients that restart under load: all tokens are uncached then, and more of them
    /// arrive than the authorization server can introspect. The second request with the same JWT waits. If
    /// more than 65 536 JWTs that have not expired were accepted this way, the first request waits, too.
    ///
    /// It has no effect on [`Require::still_active`](crate::Require::still_active) and on opaque tokens. It
    /// needs [`also_jwts`](Self::also_jwts) or [`also_jwts_when`](Self::also_jwts_when).
    ///
    /// ```
    /// use tower_bearer::{ClientAuth, Introspection};
    ///
    /// # let secret = String::new();
    /// let introspection = Introspection::with(ClientAuth::secret_basic("orders-api", secret))
    ///     .also_jwts()
    ///     .dangerous_accept_pending_jwts();
    /// ```
    ///
    /// # Risk
    /// - Each process accepts one request with a JWT that was revoked before its first use there.
    ///   [`Bounds::revoked_token`](crate::diagnostics::Bounds::revoked_token) reports the lifetime of JWTs
    ///   accordingly. Protect routes that change something with
    ///   [`Require::still_active`](crate::Require::still_active).
    /// - That request has the scopes of the JWT, even if the introspection response narrows them.
    pub fn dangerous_accept_pending_jwts(mut self) -> Self {
        self.accept_pending_jwts = true;
        self
    }

    /// Introspects the opaque tokens that start with `prefix`, and no others. If the prefixes of several
    /// issuers match, the longest wins.
    ///
    /// ```
    /// use tower_bearer::{ClientAuth, Introspection};
    ///
    /// # let secret = String::new();
    /// let introspection =
    ///     Introspection::with(ClientAuth::secret_basic("orders-api", secret)).opaque_prefix("acme_");
    /// ```
    pub fn opaque_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.opaque_tokens = Some(OpaqueTokens::Prefix(prefix.into().into()));
        self
    }

    /// Introspects the opaque tokens for which `rule` returns `true`, and no others.
    ///
    /// `BearerAuth` calls `rule` for every opaque token that matches no
    /// [`opaque_prefix`](Self::opaque_prefix). It must not block. A token that the rules of two issuers match
    /// is rejected (`token_opaque`).
    ///
    /// ```
    /// use tower_bearer::{ClientAuth, Introspection};
    ///
    /// # let secret = String::new();
    /// let introspection = Introspection::with(ClientAuth::secret_basic("orders-api", secret))
    ///     .opaque_when(|token| token.len() == 43);
    /// ```
    pub fn opaque_when<F>(mut self, rule: F) -> Self
    where
        F: Fn(&str) -> bool + Send + Sync + 'static,
    {
        self.opaque_tokens = Some(OpaqueTokens::When(Arc::new(rule)));
        self
    }

    /// Introspects the opaque tokens that match the rule of no other issuer. This is the default if only one
    /// issuer has introspection.
    ///
    /// ```
    /// use tower_bearer::{ClientAuth, Introspection};
    ///
    /// # let (secret, partner_secret) = (String::new(), String::new());
    /// let main = Introspection::with(ClientAuth::secret_basic("orders-api", secret)).opaque_default();
    /// let partner = Introspection::with(ClientAuth::secret_basic("orders", partner_secret))
    ///     .opaque_prefix("partner_"); // of another issuer
    /// ```
    pub fn opaque_default(mut self) -> Self {
        self.opaque_tokens = Some(OpaqueTokens::Others);
        self
    }

    /// Introspects no opaque tokens, only JWTs: for an issuer whose access tokens are all JWTs, beside
    /// another one with opaque tokens.
    ///
    /// ```
    /// use tower_bearer::{ClientAuth, Introspection};
    ///
    /// # let secret = String::new();
    /// let introspection =
    ///     Introspection::with(ClientAuth::secret_basic("orders-api", secret)).also_jwts().opaque_none();
    /// ```
    pub fn opaque_none(mut self) -> Self {
        self.opaque_tokens = Some(OpaqueTokens::None);
        self
    }

    /// Sets the HTTP client for introspection requests, such as one with a client certificate;
    /// [`ClientAuth::mtls`] has an example. Default: that of the
    /// [issuer](crate::Issuer::http_client), else that of the
    /// [builder](crate::BearerAuthBuilder::http_client).
    ///
    /// It must not follow redirects: a redirect would send the token and the client secret to another host.
    pub fn http_client(mut self, client: impl HttpClient) -> Self {
        self.client = Some(Arc::new(client));
        self
    }

    pub(super) fn jwts(&self) -> &JwtIntrospection {
        &self.jwts
    }

    /// Whether it needs the HTTP client of the builder.
    pub(super) fn needs_client(&self) -> bool {
        self.client.is_none()
    }

    /// Whether the metadata of the issuer gives the URL of the endpoint.
    pub(super) fn discovers_endpoint(&self) -> bool {
        self.endpoint.is_none()
    }

    /// The rule for opaque tokens; `None` if the user set none.
    pub(super) fn opaque_tokens(&self) -> Option<&OpaqueTokens> {
        self.opaque_tokens.as_ref()
    }
}

impl fmt::Debug for Introspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspection").field("auth", &self.auth).finish_non_exhaustive()
    }
}
