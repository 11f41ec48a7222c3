//! The introspection of one issuer's tokens as a user configures it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::config_error::ConfigProblem;
use crate::access_token::AccessToken;
use crate::authenticate::{IssuerIntrospection, JwtIntrospection, OpaqueTokens};
use crate::fetch_url::{FetchUrl, PlainHttp, undecorated};
use crate::introspection::{
    CachePolicy, ClientAuth, EndpointSource, IntrospectionClientConfig, Introspector, IntrospectorConfig,
    LimiterPolicy, MAX_RESPONSE_AGE, RESPONSE_MEMBERS, ResponsePolicy, SIGNED_TYPE, Signer,
};
use crate::jwks::Keys;
use crate::jwt::ConfiguredNames;
use crate::jwt::claims::{ClaimsPolicy, OptionalClaims};
use crate::jwt::header::HeaderPolicy;
use crate::metadata::{self, Discoverable, Endpoint};
use crate::sync::CacheLimits;
use crate::time::Clock;
use crate::transport::{FetchLimits, HttpClient};

/// Half of the calls of a minute may go at once; they must do for a lookup of the endpoint and one call.
const MIN_CALLS_PER_MINUTE: u32 = metadata::MAX_REQUESTS * 2 + 1;

/// Asks an issuer about tokens (RFC 7662): for opaque tokens, which only their issuer can read, and for JWTs
/// that can be revoked.
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
/// # What is asked about
///
/// What is a signed JWT is judged by itself, with the issuer's keys; [`also_jwts`](Self::also_jwts) asks the
/// issuer as well, once everything else holds, and both judgements must hold and be about the same token. A
/// JWT that fails its checks is never shown to the issuer. Everything else is opaque. A token is shown to
/// one issuer only: where several introspect, each must say which opaque tokens are its own.
///
/// # What an answer must say
///
/// `active` is the boolean true; `aud` names this API; `exp` is there and has not passed; `iss`, `nbf`, `iat`,
/// `scope`, `sub`, `client_id`, `username` and `token_type` fit where they are there; there is no `cnf`. The
/// settings of the [`Issuer`](crate::Issuer) (scope claims, required claims, limits on age, lifetime and
/// client) go for answers as for JWTs; those of
/// [`strict_rfc9068`](crate::Issuer::strict_rfc9068) go for JWTs alone. About a JWT the answer need not repeat
/// what the JWT says.
///
/// # What is remembered
///
/// That a token is active, for [`active_ttl`](Self::active_ttl) and never past its `exp`; that it is not, for
/// [`inactive_ttl`](Self::inactive_ttl). Failures are never remembered. All who ask about one token at once
/// share one call.
///
/// # When there is no answer
///
/// 503 with `Retry-After`, kind `introspection_unavailable`: the issuer is out of reach or out of order, its
/// answer is no answer, or a limit is reached. 500, kind `introspection_misconfigured`: the issuer refuses
/// this client; the event says what to check. After 5 failures in a row nothing is asked for 10 s; then one
/// call finds out whether the issuer is back. `Retry-After` of the endpoint is kept, up to 5 min.
///
/// # Runtime
///
/// A call is made on the tokio runtime of the request that causes it, with its timers, and goes on when that
/// request goes away. A runtime that stands still while others serve with the same `BearerAuth` holds up what
/// the others wait for.
#[derive(Clone)]
#[must_use]
pub struct Introspection {
    auth: ClientAuth,
    endpoint: Option<String>,
    jwts: JwtIntrospection,
    /// What was said about opaque tokens, if anything was.
    opaque: Option<OpaqueTokens>,
    without_audience: bool,
    unsigned: bool,
    cache: CachePolicy,
    limits: FetchLimits,
    limiter: LimiterPolicy,
    client: Option<Arc<dyn HttpClient>>,
}

impl Introspection {
    /// Asks as this client. The endpoint is `introspection_endpoint` of the issuer's metadata.
    pub fn with(auth: ClientAuth) -> Self {
        Self {
            auth,
            endpoint: None,
            jwts: JwtIntrospection::None,
            opaque: None,
            without_audience: false,
            unsigned: true,
            cache: CachePolicy {
                active_ttl: Duration::from_secs(30),
                inactive_ttl: Duration::from_secs(10),
                stale_for: Duration::ZERO,
                max_token_age: None,
                limits: CacheLimits { entries: 10_000, bytes: 32 * 1024 * 1024 },
            },
            limits: FetchLimits { timeout: Duration::from_secs(3), max_body_bytes: 512 * 1024 },
            limiter: LimiterPolicy { max_concurrent: 64, max_queued: 1024, per_minute: None },
            client: None,
        }
    }

    /// The URL of the endpoint: https, or http on a loopback address. Default: read from the issuer's metadata
    /// (RFC 8414 section 2) at the first need.
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = Some(url.into());
        self
    }

    /// Asks about every JWT of the issuer, too, so that revocation is seen: by
    /// [`active_ttl`](Self::active_ttl) at the latest. Default: JWTs are judged by themselves.
    pub fn also_jwts(mut self) -> Self {
        self.jwts = JwtIntrospection::All;
        self
    }

    /// Asks about those JWTs of the issuer for which `rule` says so. It is given the token once everything
    /// else about it holds, for each request, and should not block.
    ///
    /// For single routes, see [`Require::still_active`](crate::Require::still_active).
    pub fn also_jwts_when<F>(mut self, rule: F) -> Self
    where
        F: Fn(&AccessToken) -> bool + Send + Sync + 'static,
    {
        self.jwts = JwtIntrospection::When(Arc::new(rule));
        self
    }

    /// Opaque tokens that begin with `prefix` are this issuer's (with several such issuers, the longest
    /// prefix counts); it is not asked about others.
    pub fn opaque_prefix(mut self, prefix: impl Into<String>) -> Self {
        self.opaque = Some(OpaqueTokens::Prefix(prefix.into().into()));
        self
    }

    /// Opaque tokens for which `rule` says so are this issuer's; it is not asked about others. It is called
    /// for every opaque token without a known prefix, and should not block. A token that two issuers claim is
    /// refused (`token_opaque`).
    pub fn opaque_when<F>(mut self, rule: F) -> Self
    where
        F: Fn(&str) -> bool + Send + Sync + 'static,
    {
        self.opaque = Some(OpaqueTokens::When(Arc::new(rule)));
        self
    }

    /// Opaque tokens that no other issuer claims are this issuer's. The default where only one introspects.
    pub fn opaque_default(mut self) -> Self {
        self.opaque = Some(OpaqueTokens::Others);
        self
    }

    /// No opaque token is this issuer's: it is asked about JWTs alone.
    pub fn opaque_none(mut self) -> Self {
        self.opaque = Some(OpaqueTokens::None);
        self
    }

    /// Accepts answers without `aud`, as django-oauth-toolkit writes them, and node oidc-provider for
    /// tokens without a resource. An `aud` that is there is still compared.
    ///
    /// Dangerous: a token that the issuer gave out for another API of its then opens this one, unless the
    /// issuer tells each client only of tokens meant for it (RFC 7662 section 2.2 allows that; many do not). And
    /// where it tells of refresh tokens as of others (node oidc-provider does), a refresh token opens this API as
    /// well. Where its answers have `token_type` for access tokens only, and none of these is a JWT,
    /// [`Issuer::require_claim("token_type")`](crate::Issuer::require_claim) keeps refresh tokens out.
    pub fn dangerous_accept_without_audience(mut self) -> Self {
        self.without_audience = true;
        self
    }

    /// Accepts signed answers only (RFC 9701), and asks for them. They are verified with the issuer's
    /// keys and algorithms: `typ` is `token-introspection+jwt`, `aud` names this API or the client that asks,
    /// `iat` is less than a minute old. An answer that is not signed is a failure (503). Default: asks for JSON;
    /// signed answers that come all the same are verified.
    pub fn require_signed(mut self) -> Self {
        self.unsigned = false;
        self
    }

    /// How long a token is taken for active without asking again; never past its `exp`. Default 30 s.
    ///
    /// A token that is revoked is accepted for at most this long, or for the [`timeout`](Self::timeout) if that
    /// is longer. Zero asks for every request; no token then counts as active before, for which a part of
    /// [`max_concurrent_calls`](Self::calls_at_once_max) and of the other limits is kept.
    pub fn active_ttl(mut self, ttl: Duration) -> Self {
        self.cache.active_ttl = ttl;
        self
    }

    /// How long a token is taken for inactive (or not meant for this API) without asking again. Default 10 s.
    /// Zero asks for every request.
    pub fn inactive_ttl(mut self, ttl: Duration) -> Self {
        self.cache.inactive_ttl = ttl;
        self
    }

    /// How many active tokens are remembered, and how many others. Default 10 000 each.
    pub fn max_cached_tokens(mut self, tokens: usize) -> Self {
        self.cache.limits.entries = tokens;
        self
    }

    /// How much memory remembered answers may take, in bytes, for each of the two spaces. Default 32 MiB.
    pub fn max_cache_bytes(mut self, bytes: usize) -> Self {
        self.cache.limits.bytes = bytes;
        self
    }

    /// The longest that a request waits for an answer, its turn, a second try and the lookup of the
    /// endpoint included. Default 3 s; then 503.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.limits.timeout = timeout;
        self
    }

    /// How many calls may be under way at once. Default 64. A quarter of them is kept for tokens that were active
    /// before, and for JWTs that are good by themselves.
    pub fn max_concurrent_calls(mut self, calls: usize) -> Self {
        self.limiter.max_concurrent = calls;
        self
    }

    /// How many more tokens may wait for their turn, for half of the [`timeout`](Self::timeout) at most. Default
    /// 1024; beyond, 503 at once. A quarter more may if they were active before, so that made-up tokens do not keep
    /// good ones waiting outside.
    pub fn max_queued_calls(mut self, calls: usize) -> Self {
        self.limiter.max_queued = calls;
        self
    }

    /// The most HTTP requests to the issuer within any 60 s, half of them at once (and of those a quarter for
    /// tokens that were active before); beyond, 503. Default: no limit but
    /// [`max_concurrent_calls`](Self::calls_at_once_max), so that every made-up token costs a call.
    ///
    /// In the long run little more than half as many. Set it to several times what your clients need: a limit
    /// that they reach is an outage for them, and a client with a good token can use it up where that token is
    /// asked about for every request. At least 5 where the [`endpoint`](Self::endpoint) is looked up.
    pub fn max_calls_per_minute(mut self, calls: u32) -> Self {
        self.limiter.per_minute = Some(calls);
        self
    }

    /// While the server is out of reach or out of order, takes a token that was active for active this much longer than
    /// [`active_ttl`](Self::active_ttl); never past its `exp`, and never for
    /// [`Require::still_active`](crate::Require::still_active). Default: not at all.
    ///
    /// A token that is revoked during an outage is accepted for as long. A limit that is reached
    /// ([`max_calls_per_minute`](Self::calls_per_minute), [`max_queued_calls`](Self::calls_waiting_max), 429 from the
    /// server) is no outage: whoever makes up tokens can reach it, and would keep a revoked one alive.
    pub fn serve_stale(mut self, duration: Duration) -> Self {
        self.cache.stale_for = duration;
        self
    }

    /// The HTTP client for these calls: one with a client certificate, for [`ClientAuth::mtls`]. It must
    /// follow no redirect, since that would take the token and the secret elsewhere; a `reqwest::Client` does
    /// unless it is built with `redirect(Policy::none())`. Default: that of the builder.
    pub fn http_client(mut self, client: impl HttpClient) -> Self {
        self.client = Some(Arc::new(client));
        self
    }

    /// Which JWTs it is asked about.
    pub(super) fn jwts(&self) -> &JwtIntrospection {
        &self.jwts
    }

    /// Whether the HTTP client of the builder is needed for it.
    pub(super) fn needs_client(&self) -> bool {
        self.client.is_none()
    }

    /// What was said about opaque tokens.
    pub(super) fn opaque(&self) -> Option<&OpaqueTokens> {
        self.opaque.as_ref()
    }

    /// The introspection as it is used; `None` after at least one problem.
    pub(super) fn build(
        &self,
        of: IntrospectedIssuer<'_>,
        problems: &mut Vec<ConfigProblem>,
    ) -> Option<IssuerIntrospection> {
        self.check(of.claims.issuer.as_ref(), of.keys.is_some(), problems);
        let endpoint = self.endpoint_source(&of, problems)?;
        let client = self.client.clone().or(of.client)?;
        let names = answer_names(&of.claims.names);
        let claims = ClaimsPolicy { required: of.required, names: Arc::clone(&names), ..of.claims };
        let config = IntrospectorConfig {
            client: IntrospectionClientConfig {
                issuer: Arc::clone(&claims.issuer),
                endpoint,
                auth: self.auth.clone(),
                client,
                signer: of.keys.transpose().ok()?.map(|keys| self.signer(keys, of.header, &claims)),
                unsigned: self.unsigned,
                limits: self.limits,
                limiter: self.limiter.clone(),
            },
            cache: CachePolicy {
                max_token_age: claims.max_age.map(|age| age.saturating_add(claims.leeway)),
                ..self.cache.clone()
            },
            response_policy: self.answers(claims),
            clock: of.clock,
        };
        Some(IssuerIntrospection {
            introspector: Introspector::new(config),
            jwts: self.jwts.clone(),
            opaque: self.opaque.clone().unwrap_or(OpaqueTokens::Others),
        })
    }

    fn check(&self, issuer: &str, has_keys: bool, problems: &mut Vec<ConfigProblem>) {
        let mut unusable = |reason: &'static str| {
            problems.push(ConfigProblem::IntrospectionUnusable { issuer: issuer.to_owned(), reason });
        };
        if let Some(reason) = self.auth.fault() {
            unusable(reason);
        }
        if matches!(&self.opaque, Some(OpaqueTokens::Prefix(prefix)) if prefix.is_empty()) {
            unusable("opaque_prefix is empty: name one, or use opaque_default");
        }
        if !self.unsigned && !has_keys {
            unusable(
                "signed answers are required of an issuer without keys: use another constructor of Issuer",
            );
        }
        if self.auth.is_mtls() && self.client.is_none() {
            unusable(
                "ClientAuth::mtls needs a client with a certificate: give one to Introspection::http_client",
            );
        }
        if self.endpoint.is_none() && matches!(self.limiter.per_minute, Some(1..MIN_CALLS_PER_MINUTE)) {
            unusable(
                "max_calls_per_minute is too low to look the endpoint up: give 5 or more, or its URL to .endpoint(...)",
            );
        }
        let limits = [
            ("max_cached_tokens", self.cache.limits.entries == 0),
            ("max_cache_bytes", self.cache.limits.bytes == 0),
            ("timeout of Introspection", self.limits.timeout.is_zero()),
            ("max_concurrent_calls", self.limiter.max_concurrent == 0),
            ("max_calls_per_minute", self.limiter.per_minute == Some(0)),
        ];
        let zeros = limits.into_iter().filter(|(_, zero)| *zero);
        problems.extend(zeros.map(|(setting, _)| ConfigProblem::Zero { setting }));
    }

    fn endpoint_source(
        &self,
        of: &IntrospectedIssuer<'_>,
        problems: &mut Vec<ConfigProblem>,
    ) -> Option<EndpointSource> {
        let issuer = || of.claims.issuer.to_string();
        let Some(text) = &self.endpoint else {
            let endpoint =
                if self.auth.is_mtls() { Endpoint::IntrospectionOverMtls } else { Endpoint::Introspection };
            let source = of.discoverable.clone().map(|issuer| EndpointSource::Discovered(issuer, endpoint));
            if source.is_none() {
                let reason = "the endpoint cannot be looked for, since the issuer's identifier is no URL: give it to .endpoint(...)";
                problems.push(ConfigProblem::IntrospectionUnusable { issuer: issuer(), reason });
            }
            return source;
        };
        match FetchUrl::parse(text, of.plain_http) {
            Ok(url) => Some(EndpointSource::Url(url)),
            Err(fault) => {
                let url = undecorated(text);
                let reason = fault.as_str();
                problems.push(ConfigProblem::IntrospectionUrlUnusable { issuer: issuer(), url, reason });
                None
            }
        }
    }

    fn answers(&self, claims: ClaimsPolicy) -> ResponsePolicy {
        let jwt = ClaimsPolicy {
            optional: OptionalClaims { iss: true, aud: true, exp: true },
            required: Vec::new(),
            max_age: None,
            max_lifetime: None,
            clients: None,
            ..claims.clone()
        };
        let optional = OptionalClaims { iss: true, aud: self.without_audience, exp: false };
        ResponsePolicy { opaque: ClaimsPolicy { optional, ..claims }, jwt }
    }

    fn signer(&self, keys: Keys, header: &HeaderPolicy, claims: &ClaimsPolicy) -> Signer {
        let header = HeaderPolicy { types: vec![SIGNED_TYPE.into()], untyped: false, ..header.clone() };
        let client_id = self.auth.client_id().map(Box::from);
        let audiences = claims.audiences.iter().cloned().chain(client_id).collect();
        let optional = OptionalClaims { exp: true, ..OptionalClaims::default() };
        let claims = ClaimsPolicy { audiences, optional, max_age: Some(MAX_RESPONSE_AGE), ..claims.clone() };
        Signer { keys, header, claims }
    }
}

/// What an introspection takes from its issuer.
pub(super) struct IntrospectedIssuer<'i> {
    pub(super) header: &'i HeaderPolicy,
    /// As for JWTs.
    pub(super) claims: ClaimsPolicy,
    /// The claims that must be there beside those that a JWT alone must have.
    pub(super) required: Vec<Arc<str>>,
    /// `None` where it has no keys; an error where it has, and they cannot be used.
    pub(super) keys: Option<Result<Keys, AlreadyReported>>,
    pub(super) discoverable: Option<Discoverable>,
    pub(super) plain_http: PlainHttp,
    pub(super) client: Option<Arc<dyn HttpClient>>,
    pub(super) clock: Arc<dyn Clock>,
}

/// What is wrong is among the problems by now.
#[derive(Clone, Copy, Debug)]
pub(super) struct AlreadyReported;

/// The names of claims that are kept when an answer is read.
fn answer_names(names: &ConfiguredNames) -> Arc<ConfiguredNames> {
    let mut names = names.clone();
    RESPONSE_MEMBERS.iter().for_each(|name| names.add(name));
    Arc::new(names)
}

impl fmt::Debug for Introspection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Introspection").field("auth", &self.auth).finish_non_exhaustive()
    }
}
