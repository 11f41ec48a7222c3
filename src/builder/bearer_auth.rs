//! The settings of a `BearerAuth`, their defaults, and what may not be combined.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;

use super::config_error::{ConfigError, ConfigProblem};
use super::issuer::{BuildContext, Issuer};
use super::token_cache::TokenCache;
use crate::authenticate::{Authenticator, Issuers, OpaqueTokens, TokenStore};
use crate::bearer::{TokenSource, realm_is_valid};
use crate::event;
use crate::jwks::{KeySource, RefreshPolicy, RemoteConfig};
use crate::jwt::ConfiguredNames;
use crate::middleware::{BearerAuth, OnReject, Responder, Shared};
use crate::rejection::Rejection;
use crate::time::{Clock, SystemClock};
use crate::transport::{self, DefaultClientFault, HttpClient};

/// The settings of a [`BearerAuth`]; [`BearerAuth::builder`] makes one.
///
/// Everything but the audience and an issuer has a safe default. A noun replaces, `add_` appends,
/// and what loosens security starts with `dangerous_`.
#[must_use]
pub struct BearerAuthBuilder {
    audiences: Vec<String>,
    issuers: Vec<Issuer>,
    realm: Option<String>,
    leeway: Duration,
    max_token_bytes: usize,
    sources: Vec<TokenSource>,
    optional: bool,
    preflight: bool,
    strip_credentials: bool,
    omit_error_descriptions: bool,
    on_reject: Option<OnReject>,
    clock: Arc<dyn Clock>,
    client: Option<Arc<dyn HttpClient>>,
    refresh: RefreshPolicy,
    fetch_timeout: Duration,
    max_key_wait: Duration,
    token_cache: TokenCache,
}

impl BearerAuth {
    /// Begins the configuration for the API that tokens name as `audience` in `aud` (RFC 7519
    /// section 4.1.3, RFC 8707 section 2): most often its own URL.
    ///
    /// It is compared to the letter, and it is the realm of challenges unless another is set.
    pub fn builder(audience: impl Into<String>) -> BearerAuthBuilder {
        BearerAuthBuilder::new(audience.into())
    }
}

impl BearerAuthBuilder {
    /// The longest leeway that may be set: 5 minutes.
    pub const MAX_LEEWAY: Duration = Duration::from_secs(300);

    fn new(audience: String) -> Self {
        Self {
            audiences: vec![audience],
            issuers: Vec::new(),
            realm: None,
            leeway: Duration::from_secs(30),
            max_token_bytes: 16 * 1024,
            sources: Vec::new(),
            optional: false,
            preflight: false,
            strip_credentials: false,
            omit_error_descriptions: false,
            on_reject: None,
            clock: Arc::new(SystemClock),
            client: None,
            refresh: RefreshPolicy::default(),
            fetch_timeout: Duration::from_secs(5),
            max_key_wait: Duration::from_secs(3),
            token_cache: TokenCache::new(),
        }
    }

    /// Trusts one more issuer. At least one is needed.
    pub fn issuer(mut self, issuer: Issuer) -> Self {
        self.issuers.push(issuer);
        self
    }

    /// One more name that tokens may have for this API in `aud`.
    pub fn add_audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// The realm in challenges (RFC 9110 section 11.5), printable ASCII. Default: the first audience.
    pub fn realm(mut self, realm: impl Into<String>) -> Self {
        self.realm = Some(realm.into());
        self
    }

    /// How far the clocks of the authorization server and of this machine may be apart: `exp` is
    /// stretched, `nbf` and `iat` may lie ahead by as much. Default 30 s, at most 5 min.
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.leeway = leeway;
        self
    }

    /// The largest token that is looked at, in bytes. Default 16 KiB. Most servers refuse longer
    /// header lines before they come here.
    pub fn max_token_bytes(mut self, bytes: usize) -> Self {
        self.max_token_bytes = bytes;
        self
    }

    /// Takes tokens from one more place beside the `Authorization` header. Default: the header only.
    ///
    /// A request with tokens in two places is refused (RFC 6750 section 3.1). For form bodies, see
    /// [`FormBodyToken`](crate::FormBodyToken).
    pub fn add_token_source(mut self, source: TokenSource) -> Self {
        self.sources.push(source);
        self
    }

    /// Lets requests without credentials through, with no [`AccessToken`](crate::AccessToken).
    /// Requests with bad credentials are refused all the same.
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Lets CORS preflights through: `OPTIONS` with `Origin` and `Access-Control-Request-Method`,
    /// which carry no credentials. Default: judged like any request. A CORS layer outside of this one
    /// answers them before they come here, and is the better way.
    ///
    /// # Risk
    /// An inner service that does the same for `OPTIONS` as for other methods does it without a token.
    pub fn allow_preflight(mut self) -> Self {
        self.preflight = true;
        self
    }

    /// Removes the `Authorization` header, and a header that was added as a source, before the inner
    /// service sees the request, once its token was accepted. A token in a cookie, the query, a form or a
    /// WebSocket protocol stays. Default: all left there, the headers marked sensitive so that `Debug`
    /// does not print them.
    pub fn strip_credentials(mut self) -> Self {
        self.strip_credentials = true;
        self
    }

    /// Tells clients the error codes of RFC 6750 alone, without `error_description`.
    pub fn omit_error_descriptions(mut self) -> Self {
        self.omit_error_descriptions = true;
        self
    }

    /// Writes the body of refusals, with its `Content-Type`. Status, challenge, `Cache-Control` and
    /// `Retry-After` stay as they are. Not for gRPC, whose answers have no body.
    ///
    /// Default: `{"error": "...", "error_description": "..."}`.
    pub fn on_reject<F>(mut self, on_reject: F) -> Self
    where
        F: Fn(&Rejection) -> Response<Bytes> + Send + Sync + 'static,
    {
        self.on_reject = Some(Arc::new(on_reject));
        self
    }

    /// The clock that dates in tokens are compared with. Default: the machine's.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The HTTP client that fetches metadata and keys and introspects: a `transport::ReqwestClient` (for a
    /// proxy, a CA, a client certificate), or any [`HttpClient`]. It must follow no redirect: build yours with
    /// `redirect(Policy::none())`. Default: reqwest over rustls, no redirects, 2 s to connect.
    pub fn http_client(mut self, client: impl HttpClient) -> Self {
        self.client = Some(Arc::new(client));
        self
    }

    /// How long a key set is fresh. Default: what its `Cache-Control: max-age` says, between 1 min and
    /// 24 h, else 10 min. If set, it holds where the server says nothing, and is the most that the server
    /// can say.
    ///
    /// A key that the issuer withdraws is accepted for at most this long while the issuer can be
    /// reached. Keys are refreshed ahead of time in the background.
    pub fn jwks_ttl(mut self, ttl: Duration) -> Self {
        self.refresh.fix_ttl(ttl);
        self
    }

    /// The shortest time between two fetches that unknown keys or bad signatures cause. Default 30 s;
    /// one spare fetch is allowed, so that a rotation is noticed right after a scheduled refresh.
    pub fn jwks_cooldown(mut self, cooldown: Duration) -> Self {
        self.refresh.cooldown = cooldown;
        self
    }

    /// How long keys stay good after they went stale while their issuer is out of reach. Default 4 h.
    /// Zero refuses tokens (with 503) as soon as keys are stale.
    pub fn jwks_stale_for(mut self, duration: Duration) -> Self {
        self.refresh.stale_for = duration;
        self
    }

    /// The longest that fetching one document may take, from the first byte sent to the last byte
    /// read. Default 5 s. For introspection there is [`Introspection::timeout`](crate::Introspection::timeout).
    pub fn fetch_timeout(mut self, timeout: Duration) -> Self {
        self.fetch_timeout = timeout;
        self
    }

    /// The longest that a request waits for keys that are not held. Default 3 s; then 503. Waiting for an answer
    /// of introspection comes on top of it.
    pub fn max_key_wait(mut self, wait: Duration) -> Self {
        self.max_key_wait = wait;
        self
    }

    /// How many verified tokens are remembered, or none at all. Default: 10 000, in 32 MiB.
    pub fn token_cache(mut self, cache: TokenCache) -> Self {
        self.token_cache = cache;
        self
    }

    /// Checks the configuration. No I/O: keys are fetched, and introspection endpoints looked for, at the first
    /// request that needs them or by [`BearerAuth::ready`].
    ///
    /// # Errors
    /// [`ConfigError`] with every problem found, each with its mend.
    pub fn build(self) -> Result<BearerAuth, ConfigError> {
        let mut problems = Vec::new();
        self.check(&mut problems);
        let issuers = self.build_issuers(&mut problems);
        let realm = self.checked_realm(&mut problems);
        ConfigError::unless_none(problems)?;
        let (names, issuers) = issuers;
        let auth = BearerAuth::new(Shared {
            authenticator: Arc::new(Authenticator {
                issuers,
                names,
                sources: self.sources,
                max_token_bytes: self.max_token_bytes,
                optional: self.optional,
                preflight: self.preflight,
                clock: self.clock,
                verified: TokenStore::new(self.token_cache.limits()),
            }),
            answers: Responder::new(&realm, self.omit_error_descriptions, self.on_reject),
            strip_credentials: self.strip_credentials,
        });
        event::configured(&auth.bounds());
        Ok(auth)
    }

    fn check(&self, problems: &mut Vec<ConfigProblem>) {
        if self.issuers.is_empty() {
            problems.push(ConfigProblem::NoIssuer);
        }
        if self.audiences.iter().any(String::is_empty) {
            problems.push(ConfigProblem::AudienceEmpty);
        }
        if self.leeway > Self::MAX_LEEWAY {
            problems.push(ConfigProblem::LeewayTooLong { leeway: self.leeway });
        }
        for (setting, duration) in [
            ("jwks_ttl", self.refresh.ttl),
            ("jwks_cooldown", self.refresh.cooldown),
            ("fetch_timeout", self.fetch_timeout),
            ("max_key_wait", self.max_key_wait),
        ] {
            if duration.is_zero() {
                problems.push(ConfigProblem::Zero { setting });
            }
        }
        if self.max_token_bytes == 0 {
            problems.push(ConfigProblem::Zero { setting: "max_token_bytes" });
        }
        self.token_cache.check(problems);
        self.check_sources(problems);
    }

    fn check_sources(&self, problems: &mut Vec<ConfigProblem>) {
        let mut unusable = |source: &TokenSource, reason: String| {
            problems.push(ConfigProblem::TokenSourceUnusable { source: source.to_string(), reason });
        };
        for (place, source) in self.sources.iter().enumerate() {
            if let Some(fault) = source.fault() {
                unusable(source, fault.to_string());
            }
            if self.sources.iter().take(place).any(|before| before.overlaps(source)) {
                unusable(source, "finds the same token as another source; add it once".to_owned());
            }
        }
    }

    fn build_issuers(&self, problems: &mut Vec<ConfigProblem>) -> (Arc<ConfiguredNames>, Issuers) {
        let mut names = ConfiguredNames::default();
        self.issuers.iter().for_each(|issuer| issuer.add_names(&mut names));
        let names = Arc::new(names);
        let client = self.checked_client(problems);
        let remote = |issuer: &str, source: KeySource| {
            let mut config = RemoteConfig::new(issuer, source, client.clone()?);
            config.policy = self.refresh.clone();
            config.limits.timeout = self.fetch_timeout;
            config.max_wait = self.max_key_wait;
            Some(config)
        };
        let around = BuildContext {
            audiences: &self.audiences,
            leeway: self.leeway,
            names: &names,
            remote: &remote,
            client: &client,
            clock: &self.clock,
        };
        let mut known = HashSet::new();
        let mut built = Vec::new();
        for issuer in &self.issuers {
            if !known.insert(issuer.identifier()) {
                problems.push(ConfigProblem::IssuerRepeated { issuer: issuer.identifier().to_owned() });
            }
            built.extend(issuer.clone().build(&around, problems));
        }
        self.check_opaque_tokens(problems);
        let issuers = built.into_iter().collect();
        (Arc::clone(&names), issuers)
    }

    /// A token must not be shown to an issuer that it may not belong to.
    fn check_opaque_tokens(&self, problems: &mut Vec<ConfigProblem>) {
        let mut takers: HashMap<OpaqueRule<'_>, Vec<String>> = HashMap::new();
        for issuer in &self.issuers {
            let rule = match issuer.opaque_tokens() {
                Some(None | Some(OpaqueTokens::Others)) => OpaqueRule::Others,
                Some(Some(OpaqueTokens::Prefix(prefix))) => OpaqueRule::Prefix(prefix),
                // What rules of the user's own say can be seen only when there is a token.
                None | Some(Some(OpaqueTokens::None | OpaqueTokens::When(_))) => continue,
            };
            takers.entry(rule).or_default().push(issuer.identifier().to_owned());
        }
        let mut ambiguous: Vec<Vec<String>> =
            takers.into_values().filter(|issuers| issuers.len() > 1).collect();
        ambiguous.sort_unstable();
        problems
            .extend(ambiguous.into_iter().map(|issuers| ConfigProblem::OpaqueTokensAmbiguous { issuers }));
    }

    /// The client that fetches, if any issuer's keys have to be fetched.
    fn checked_client(&self, problems: &mut Vec<ConfigProblem>) -> Option<Arc<dyn HttpClient>> {
        if self.client.is_some() || !self.issuers.iter().any(Issuer::is_fetched) {
            return self.client.clone();
        }
        let problem = match transport::default_client() {
            Ok(client) => return Some(client),
            Err(DefaultClientFault::NotBuilt) => ConfigProblem::NoHttpClient,
            Err(DefaultClientFault::Unusable(reason)) => ConfigProblem::HttpClientUnusable { reason },
        };
        problems.push(problem);
        None
    }

    fn checked_realm(&self, problems: &mut Vec<ConfigProblem>) -> String {
        match (&self.realm, self.audiences.first()) {
            (Some(realm), _) if !realm_is_valid(realm) => {
                problems.push(ConfigProblem::RealmUnusable { realm: realm.clone() });
                String::new()
            }
            (Some(realm), _) => realm.clone(),
            (None, Some(audience)) if realm_is_valid(audience) => audience.clone(),
            (None, _) => "api".to_owned(),
        }
    }
}

/// Which opaque tokens an issuer takes, as far as that can be compared.
#[derive(Eq, Hash, PartialEq)]
enum OpaqueRule<'i> {
    Others,
    Prefix(&'i str),
}

impl fmt::Debug for BearerAuthBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerAuthBuilder")
            .field("audiences", &self.audiences)
            .field("issuers", &self.issuers)
            .finish_non_exhaustive()
    }
}
