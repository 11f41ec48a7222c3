//! One issuer as a user configures it: whose tokens, which keys, what else they must say.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::config_error::ConfigProblem;
use super::introspection::{AlreadyReported, IntrospectedIssuer, Introspection};
use crate::authenticate::{JwtIntrospection, OpaqueTokens, TrustedIssuer};
use crate::crypto::{self, Algorithm, AlgorithmSet};
use crate::fetch_url::{FetchUrl, PlainHttp, redacted};
use crate::jwks::{KeySet, KeySource, Keys, RemoteConfig, RemoteKeys};
use crate::jwt::ConfiguredNames;
use crate::jwt::claims::{ClaimsPolicy, OptionalClaims};
use crate::jwt::header::{HeaderPolicy, media_subtype};
use crate::metadata::Discoverable;
use crate::time::Clock;
use crate::transport::HttpClient;

/// The `typ` of access tokens, as servers write it, without `application/`.
const ACCEPTED_TYPES: [&str; 2] = ["at+jwt", "jwt"];

/// What RFC 9068 section 2.2 requires beside `iss`, `exp` and `aud`, which are always required.
const RFC_9068_CLAIMS: [&str; 4] = ["sub", "client_id", "iat", "jti"];

/// An authorization server whose tokens are accepted, and what they must be like.
///
/// ```no_run
/// use tower_bearer::{Algorithm, BearerAuth, Issuer};
///
/// let auth = BearerAuth::builder("https://api.example.com")
///     .issuer(Issuer::discover("https://login.example.com/realms/acme").strict_rfc9068())
///     .issuer(
///         Issuer::with_jwks_url("https://partner.example", "https://partner.example/keys.json")
///             .algorithms([Algorithm::ES256])
///             .audience("orders-api"),
///     )
///     .build()?;
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
///
/// Keys, algorithms and audiences are its own: a token is judged by the issuer that it names and
/// by no other (RFC 8725 section 3.8).
#[derive(Clone)]
#[must_use]
pub struct Issuer {
    identifier: String,
    keys: KeysFrom,
    seed: Option<String>,
    algorithms: Option<AlgorithmSet>,
    /// In place of those of the builder.
    audience: Option<String>,
    audiences_added: Vec<String>,
    types: Vec<String>,
    untyped: bool,
    scope_claims: Vec<String>,
    required: Vec<String>,
    max_age: Option<Duration>,
    max_lifetime: Option<Duration>,
    clients: Option<Vec<String>>,
    /// JWTs must have the claims of RFC 9068.
    strict: bool,
    introspection: Option<Introspection>,
    plain_http: PlainHttp,
}

#[derive(Clone)]
enum KeysFrom {
    Discovery,
    Url(String),
    Document(String),
    Nowhere,
}

/// What an issuer takes from the settings around it.
pub(super) struct BuildContext<'b> {
    pub(super) audiences: &'b [String],
    pub(super) leeway: Duration,
    pub(super) names: &'b Arc<ConfiguredNames>,
    /// Makes the configuration of fetched keys; `None` without an HTTP client.
    pub(super) remote: &'b dyn Fn(&str, KeySource) -> Option<RemoteConfig>,
    pub(super) client: &'b Option<Arc<dyn HttpClient>>,
    pub(super) clock: &'b Arc<dyn Clock>,
}

impl Issuer {
    /// The issuer with this identifier; where its keys are is read from its metadata.
    ///
    /// The metadata is looked for as RFC 8414 section 3.1 says, then as OpenID Connect Discovery
    /// section 4 says, at the first need of keys; its `issuer` must be the same to the letter. It
    /// is read again whenever keys cannot be fetched.
    ///
    /// `identifier` is an https URL without query and fragment, written exactly as the tokens' `iss`
    /// (mind the slash at its end). Plain http is for loopback addresses.
    pub fn discover(identifier: impl Into<String>) -> Self {
        Self::new(identifier, KeysFrom::Discovery)
    }

    /// The issuer with this identifier and the URL of its key set (RFC 7517 section 5).
    ///
    /// `identifier` is what its tokens have as `iss`, to the letter; it need not be a URL here.
    pub fn with_jwks_url(identifier: impl Into<String>, url: impl Into<String>) -> Self {
        Self::new(identifier, KeysFrom::Url(url.into()))
    }

    /// The issuer with this identifier and a key set that never changes, as its JSON
    /// (RFC 7517 section 5). Nothing is fetched; rotating keys means building anew.
    pub fn with_static_jwks(identifier: impl Into<String>, jwks: impl Into<String>) -> Self {
        Self::new(identifier, KeysFrom::Document(jwks.into()))
    }

    /// The issuer with this identifier, which publishes no keys or whose keys are not to be used: each of its
    /// tokens is judged by [`introspect`](Self::introspect), which must follow. That goes for JWTs that name it
    /// as `iss`, too, whatever they are signed with.
    ///
    /// If its introspection endpoint is given there, `identifier` need not be a URL.
    pub fn without_keys(identifier: impl Into<String>) -> Self {
        Self::new(identifier, KeysFrom::Nowhere)
    }

    fn new<I: Into<String>>(identifier: I, keys: KeysFrom) -> Self {
        // The test kit calls this; where there is no backend it cannot make a key, and says so itself.
        const {
            assert!(
                crypto::AVAILABLE || cfg!(feature = "test-util"),
                "tower-bearer cannot check signatures: turn on its feature `aws-lc-rs` (a default) or `rust-crypto`"
            );
        }
        Self {
            identifier: identifier.into(),
            keys,
            seed: None,
            algorithms: None,
            audience: None,
            audiences_added: Vec::new(),
            types: ACCEPTED_TYPES.map(str::to_owned).to_vec(),
            untyped: true,
            scope_claims: vec!["scope".to_owned(), "scp".to_owned()],
            required: Vec::new(),
            max_age: None,
            max_lifetime: None,
            clients: None,
            strict: false,
            introspection: None,
            plain_http: PlainHttp::Loopback,
        }
    }

    /// Asks this issuer about opaque tokens, and where [`Introspection`] says so about its JWTs (RFC 7662).
    ///
    /// Default: opaque tokens are refused (`token_opaque`), and JWTs are accepted until `exp`.
    pub fn introspect(mut self, introspection: Introspection) -> Self {
        self.introspection = Some(introspection);
        self
    }

    /// The algorithms that its tokens may be signed with (RFC 8725 section 3.1).
    ///
    /// Default: all of [`Algorithm`], each only with a key that fits.
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = Some(algorithms.into_iter().collect());
        self
    }

    /// The one name that its tokens have for this API in `aud`, in place of the names given to the builder.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// One more name that its tokens may have for this API in `aud`, beside those given to the builder or
    /// to [`audience`](Self::audience).
    pub fn add_audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences_added.push(audience.into());
        self
    }

    /// The claims that scopes are read from: each a space-delimited string (RFC 8693 section 4.2) or
    /// an array of strings. Several add up. Default: `scope` and `scp`.
    pub fn scope_claims<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.scope_claims = names.into_iter().map(Into::into).collect();
        self
    }

    /// A claim that must be there and not `null`. `iss`, `aud` and `exp` always must. In the answers of
    /// introspection about opaque tokens it must be there, too.
    pub fn require_claim(mut self, name: impl Into<String>) -> Self {
        self.required.push(name.into());
        self
    }

    /// Accepts only what RFC 9068 calls an access token: `typ` is `at+jwt`, and `sub`, `client_id`,
    /// `iat` and `jti` are there.
    ///
    /// Default: `typ` is `at+jwt`, `JWT` or absent, since many servers write no better; tokens that
    /// look like ID tokens are refused either way.
    pub fn strict_rfc9068(mut self) -> Self {
        self.types = vec!["at+jwt".to_owned()];
        self.untyped = false;
        self.strict = true;
        self
    }

    /// Refuses tokens that were issued (`iat`) longer ago than this, plus the leeway. Default: no limit but `exp`.
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Refuses tokens that live longer than this, from `iat` to `exp`. Default: no limit.
    ///
    /// It is also, plus twice the leeway, the longest that a JWT can be accepted after it was revoked, where the
    /// issuer is not asked about it.
    pub fn max_lifetime(mut self, lifetime: Duration) -> Self {
        self.max_lifetime = Some(lifetime);
        self
    }

    /// The only clients whose tokens are accepted, by [`AccessToken::client_id`](crate::AccessToken::client_id).
    /// Default: all that the issuer issues tokens to for this API.
    pub fn allowed_clients<C: Into<String>>(mut self, clients: impl IntoIterator<Item = C>) -> Self {
        self.clients = Some(clients.into_iter().map(Into::into).collect());
        self
    }

    /// A key set to start with, as its JSON, for a cold start without network.
    ///
    /// It is used at once and as long as keys are in an outage; the first need fetches all the same.
    pub fn seed_jwks(mut self, jwks: impl Into<String>) -> Self {
        self.seed = Some(jwks.into());
        self
    }

    /// Accepts one more `typ` (RFC 7515 section 4.1.9), with or without `application/`, in any case.
    ///
    /// Dangerous: a `typ` keeps tokens apart that the same key signs for other purposes.
    pub fn dangerous_accept_type(mut self, typ: impl Into<String>) -> Self {
        self.types.push(typ.into());
        self
    }

    /// Fetches metadata and keys, and introspects, over plain http from any host.
    ///
    /// Dangerous: whoever is on the way can put in a key of his own and sign any token, say that any token is
    /// active, and read tokens and the secret of this API. For a test network only.
    pub fn dangerous_allow_http(mut self) -> Self {
        self.plain_http = PlainHttp::Anywhere;
        self
    }

    pub(super) fn identifier(&self) -> &str {
        &self.identifier
    }

    /// Whether anything has to be fetched for it.
    pub(super) fn is_fetched(&self) -> bool {
        match self.keys {
            KeysFrom::Discovery | KeysFrom::Url(_) => true,
            KeysFrom::Document(_) | KeysFrom::Nowhere => {
                self.introspection.as_ref().is_some_and(Introspection::needs_client)
            }
        }
    }

    /// What was said about its opaque tokens; `None` where it is not asked about any.
    pub(super) fn opaque_tokens(&self) -> Option<Option<&OpaqueTokens>> {
        let said = self.introspection.as_ref()?.opaque();
        (!matches!(said, Some(OpaqueTokens::None))).then_some(said)
    }

    /// Adds the names of claims that must be kept when a token is read.
    pub(super) fn add_names(&self, names: &mut ConfiguredNames) {
        let required = self.required_names();
        self.scope_claims.iter().map(String::as_str).chain(required).for_each(|name| names.add(name));
    }

    /// The issuer as it is used; `None` after at least one problem.
    pub(super) fn build(
        self,
        around: &BuildContext<'_>,
        problems: &mut Vec<ConfigProblem>,
    ) -> Option<TrustedIssuer> {
        self.check(problems);
        let algorithms = self.algorithms.unwrap_or(AlgorithmSet::ALL);
        let keys = match self.keys {
            KeysFrom::Nowhere => None,
            _ => Some(self.keys(algorithms, around, problems).ok_or(AlreadyReported)),
        };
        let header = HeaderPolicy {
            algorithms,
            types: self.types.iter().map(|typ| media_subtype(typ).into()).collect(),
            untyped: self.untyped,
        };
        let claims = self.claims(around);
        let introspection = match &self.introspection {
            None => None,
            Some(introspection) => {
                let of = self.introspected(&header, &claims, keys.clone(), around);
                Some(introspection.build(of, problems)?)
            }
        };
        // Whatever is wrong with the keys, the introspection was looked at as well.
        let keys = keys.transpose().ok()?;
        Some(TrustedIssuer { header, claims, keys, introspection })
    }

    fn claims(&self, around: &BuildContext<'_>) -> ClaimsPolicy {
        let boxed =
            |texts: &[String]| texts.iter().map(|text| Box::from(text.as_str())).collect::<Vec<Box<str>>>();
        ClaimsPolicy {
            issuer: self.identifier.as_str().into(),
            audiences: boxed(&self.audiences(around)),
            leeway: around.leeway,
            scope_claims: boxed(&self.scope_claims),
            required: self.required_names().map(Arc::from).collect(),
            max_age: self.max_age,
            max_lifetime: self.max_lifetime,
            clients: self.clients.as_deref().map(boxed),
            optional: OptionalClaims::default(),
            names: Arc::clone(around.names),
        }
    }

    fn introspected<'i>(
        &self,
        header: &'i HeaderPolicy,
        claims: &ClaimsPolicy,
        keys: Option<Result<Keys, AlreadyReported>>,
        around: &BuildContext<'_>,
    ) -> IntrospectedIssuer<'i> {
        IntrospectedIssuer {
            header,
            claims: claims.clone(),
            required: self.required.iter().map(|name| name.as_str().into()).collect(),
            keys,
            discoverable: self.discoverable(),
            plain_http: self.plain_http,
            client: around.client.clone(),
            clock: Arc::clone(around.clock),
        }
    }

    /// The claims that its JWTs must have beside `iss`, `aud` and `exp`.
    fn required_names(&self) -> impl Iterator<Item = &str> {
        let strict = RFC_9068_CLAIMS.into_iter().filter(|_| self.strict);
        self.required.iter().map(String::as_str).chain(strict)
    }

    fn audiences(&self, around: &BuildContext<'_>) -> Vec<String> {
        let instead = self.audience.as_ref().map(std::slice::from_ref);
        [instead.unwrap_or(around.audiences), &self.audiences_added].concat()
    }

    fn check(&self, problems: &mut Vec<ConfigProblem>) {
        let issuer = || self.identifier.clone();
        if let Some(reason) = self.identifier_fault() {
            let issuer = redacted(&self.identifier);
            problems.push(ConfigProblem::IssuerUnusable { issuer, reason });
        }
        if self.algorithms.is_some_and(AlgorithmSet::is_empty) {
            problems.push(ConfigProblem::NoAlgorithm { issuer: issuer() });
        }
        if self.audience.iter().chain(&self.audiences_added).any(String::is_empty) {
            problems.push(ConfigProblem::AudienceEmpty);
        }
        for (setting, names) in [("scope_claims", &self.scope_claims), ("require_claim", &self.required)] {
            if names.iter().any(String::is_empty) || (setting == "scope_claims" && names.is_empty()) {
                problems.push(ConfigProblem::ClaimNameEmpty { issuer: issuer(), setting });
            }
        }
        if matches!(self.keys, KeysFrom::Nowhere) {
            self.check_without_keys(problems);
        }
        if self.clients.as_ref().is_some_and(Vec::is_empty) {
            problems.push(ConfigProblem::NoClient { issuer: issuer() });
        }
        for (setting, duration) in [("max_age", self.max_age), ("max_lifetime", self.max_lifetime)] {
            if duration == Some(Duration::ZERO) {
                problems.push(ConfigProblem::Zero { setting });
            }
        }
    }

    /// What looks like a protection must be one.
    fn check_without_keys(&self, problems: &mut Vec<ConfigProblem>) {
        let issuer = || self.identifier.clone();
        let Some(introspection) = &self.introspection else {
            return problems.push(ConfigProblem::NoKeysNorIntrospection { issuer: issuer() });
        };
        let settings = [
            ("strict_rfc9068", self.strict),
            ("algorithms", self.algorithms.is_some()),
            ("dangerous_accept_type", self.types.len() > ACCEPTED_TYPES.len()),
            ("seed_jwks", self.seed.is_some()),
            ("also_jwts", !matches!(introspection.jwts(), JwtIntrospection::None)),
        ];
        let idle = settings.into_iter().filter(|(_, is_set)| *is_set);
        problems
            .extend(idle.map(|(setting, _)| ConfigProblem::SettingNeedsKeys { issuer: issuer(), setting }));
    }

    fn identifier_fault(&self) -> Option<&'static str> {
        match self.keys {
            KeysFrom::Discovery => match FetchUrl::parse(&self.identifier, self.plain_http) {
                Err(fault) => Some(fault.as_str()),
                Ok(url) if url.has_query() => Some("has a query"),
                Ok(_) => None,
            },
            KeysFrom::Url(_) | KeysFrom::Document(_) | KeysFrom::Nowhere if self.identifier.is_empty() => {
                Some("is empty")
            }
            KeysFrom::Url(_) | KeysFrom::Document(_) | KeysFrom::Nowhere => None,
        }
    }

    fn keys(
        &self,
        algorithms: AlgorithmSet,
        around: &BuildContext<'_>,
        problems: &mut Vec<ConfigProblem>,
    ) -> Option<Keys> {
        let mut read = |jwks: &str| {
            let read = KeySet::parse(jwks.as_bytes(), algorithms);
            let problem =
                |reason: String| ConfigProblem::JwksUnusable { issuer: self.identifier.clone(), reason };
            read.map_err(|fault| problems.push(problem(fault.to_string()))).ok()
        };
        if let KeysFrom::Document(jwks) = &self.keys {
            return read(jwks).map(|keys| Keys::Static(Arc::new(keys)));
        }
        let seed = match &self.seed {
            Some(jwks) => Some(read(jwks)?),
            None => None,
        };
        let source = self.source(problems)?;
        let config = (around.remote)(&self.identifier, source)?;
        Some(Keys::Remote(RemoteKeys::new(RemoteConfig { allowed: algorithms, ..config }, seed)))
    }

    /// The issuer as its metadata is looked for by; `None` where its identifier is no URL.
    fn discoverable(&self) -> Option<Discoverable> {
        let url = FetchUrl::parse(&self.identifier, self.plain_http).ok()?;
        Some(Discoverable { identifier: self.identifier.as_str().into(), url, plain_http: self.plain_http })
    }

    fn source(&self, problems: &mut Vec<ConfigProblem>) -> Option<KeySource> {
        match &self.keys {
            KeysFrom::Document(_) | KeysFrom::Nowhere => None,
            KeysFrom::Discovery => Some(KeySource::Discovered(self.discoverable()?)),
            KeysFrom::Url(text) => match FetchUrl::parse(text, self.plain_http) {
                Ok(url) => Some(KeySource::Url(url)),
                Err(fault) => {
                    let url = redacted(text);
                    let issuer = self.identifier.clone();
                    problems.push(ConfigProblem::JwksUrlUnusable { issuer, url, reason: fault.as_str() });
                    None
                }
            },
        }
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("identifier", &self.identifier).finish_non_exhaustive()
    }
}
