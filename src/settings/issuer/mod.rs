//! The settings of one issuer: its identifier, its keys and its algorithms.

mod build;
mod check;
mod check_claims;
mod check_fapi2;
mod check_profiles;
mod claims;
mod debug;
mod network;
mod profiles;
mod tenants;
mod tokens;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use check_claims::check_audiences;
use check_profiles::ProfileFault;

use super::introspection::Introspection;
use crate::access_token::ScopeImplies;
use crate::authenticate::OpaqueTokens;
use crate::crypto::{self, Algorithm, AlgorithmSet};
use crate::fetch_url::{AddressPolicy, EndpointHosts, PlainHttp};
use crate::jwt::claims::{RequiredValue, Validator};
use crate::transport::HttpClient;

/// An authorization server whose tokens are accepted: its keys, and the rules for its tokens.
///
/// ```no_run
/// use tower_bearer::{Algorithm, BearerAuth, Issuer};
///
/// let auth = BearerAuth::builder("https://api.example.com")
///     .issuer(Issuer::discover("https://login.example.com/realms/acme").strict_rfc9068())
///     .add_issuer(
///         Issuer::with_jwks_url("https://partner.example", "https://partner.example/keys.json")
///             .algorithms([Algorithm::ES256])
///             .audience("orders-api"),
///     )
///     .build()?;
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
///
/// Each issuer has its own keys, algorithms and audiences. A token is validated with the settings of the
/// issuer that its `iss` names, and no other (RFC 8725 section 3.8). `iss` and `aud` are compared byte for
/// byte.
///
/// `Debug` prints the settings that differ from their defaults, without secrets.
#[derive(Clone)]
#[must_use]
pub struct Issuer {
    identifier: String,
    /// The pattern of the resolver that has returned it.
    resolver_pattern: Option<Arc<str>>,
    /// The fault of the profile that made the identifier.
    profile_fault: Option<Box<ProfileFault>>,
    keys: KeyOrigin,
    seed: Option<String>,
    algorithms: Option<AlgorithmSet>,
    default_key_algorithm: Option<Algorithm>,
    /// Replaces the audiences of the builder.
    audience: Option<String>,
    added_audiences: Vec<String>,
    added_types: Vec<String>,
    scope_claims: Vec<String>,
    client_claims: Vec<String>,
    role_claims: Vec<String>,
    audience_claim: Option<String>,
    scope_implies: Option<ScopeImplies>,
    accepts_id_token_claims: bool,
    validators: Vec<Validator>,
    required_claims: Vec<String>,
    /// Names or JSON Pointers of claims, each with its value.
    required_values: Vec<(String, RequiredValue)>,
    max_age: Option<Duration>,
    max_lifetime: Option<Duration>,
    allowed_clients: Option<Vec<String>>,
    strict_rfc9068: bool,
    introspection: Option<Introspection>,
    plain_http: PlainHttp,
    endpoint_hosts: EndpointHosts,
    addresses: AddressPolicy,
    client: Option<Arc<dyn HttpClient>>,
    fallback_urls: Vec<String>,
}

/// The origin of an issuer's keys.
#[derive(Clone)]
enum KeyOrigin {
    Discovery,
    /// The metadata that it shares with other tenants.
    SharedMetadata(String),
    Url(String),
    Document(String),
    None,
}

impl Issuer {
    /// An issuer whose metadata gives the URL of its key set (RFC 8414, OpenID Connect Discovery).
    ///
    /// `identifier` is an https URL without query and fragment, exactly as in the `iss` of its tokens, with
    /// or without the trailing slash. Plain http is accepted for loopback addresses only. Endpoints may use
    /// plain http only if the identifier does.
    ///
    /// `BearerAuth` fetches the metadata when it first needs keys. It tries the URL of RFC 8414 section 3.1,
    /// then that of OpenID Connect Discovery section 4. For an identifier with a path it also tries the URL
    /// of OpenID Connect with the path at its end. The next URL is tried when one fails or takes 250 ms. The
    /// one that responded comes first the next time. The `issuer` in the metadata must equal `identifier`.
    /// `BearerAuth` reads the metadata again after an hour, and when fetching the keys fails, at most once
    /// per minute.
    ///
    /// ```
    /// use tower_bearer::Issuer;
    ///
    /// let issuer = Issuer::discover("https://login.example.com/realms/acme");
    /// let issuer = Issuer::discover("https://login.example.org/"); // its `iss` ends in a slash
    /// ```
    pub fn discover(identifier: impl Into<String>) -> Self {
        Self::new(identifier, KeyOrigin::Discovery)
    }

    /// An issuer whose key set is fetched from `url` (RFC 7517 section 5).
    ///
    /// `identifier` is the `iss` of its tokens; here it need not be a URL.
    ///
    /// ```
    /// use tower_bearer::Issuer;
    ///
    /// let issuer = Issuer::with_jwks_url("accounts.example", "https://accounts.example/keys.json");
    /// ```
    pub fn with_jwks_url(identifier: impl Into<String>, url: impl Into<String>) -> Self {
        Self::new(identifier, KeyOrigin::Url(url.into()))
    }

    /// An issuer with a fixed key set, as JSON (RFC 7517 section 5). `BearerAuth` fetches nothing for it, so
    /// a key rotation requires a new `BearerAuth`.
    ///
    /// ```
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// use tower_bearer::{BearerAuth, Issuer};
    ///
    /// const JWKS: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","kid":"2025-05",
    ///     "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;
    ///
    /// let auth = BearerAuth::builder("https://api.example.com")
    ///     .issuer(Issuer::with_static_jwks("https://login.example.com", JWKS))
    ///     .build()
    ///     .unwrap();
    /// # }
    /// ```
    pub fn with_static_jwks(identifier: impl Into<String>, jwks: impl Into<String>) -> Self {
        Self::new(identifier, KeyOrigin::Document(jwks.into()))
    }

    /// An issuer without keys: `BearerAuth` validates its tokens by introspection only, including every JWT
    /// that names it as `iss`. [`introspect`](Self::introspect) must follow.
    ///
    /// `identifier` need not be a URL if [`Introspection::endpoint`] is set.
    ///
    /// ```
    /// use tower_bearer::{ClientAuth, Introspection, Issuer};
    ///
    /// # let secret = String::new();
    /// let issuer = Issuer::without_keys("https://login.example.com")
    ///     .introspect(Introspection::with(ClientAuth::secret_basic("orders-api", secret)));
    /// ```
    pub fn without_keys(identifier: impl Into<String>) -> Self {
        Self::new(identifier, KeyOrigin::None)
    }

    fn new<I: Into<String>>(identifier: I, keys: KeyOrigin) -> Self {
        // `testing` calls this without a backend, too, and fails there with a message of its own.
        const {
            assert!(
                crypto::AVAILABLE || cfg!(feature = "test-util"),
                "tower-bearer cannot verify signatures: turn on its feature `aws-lc-rs` or `rust-crypto`"
            );
        }
        Self {
            identifier: identifier.into(),
            resolver_pattern: None,
            profile_fault: None,
            keys,
            seed: None,
            algorithms: None,
            default_key_algorithm: None,
            audience: None,
            added_audiences: Vec::new(),
            added_types: Vec::new(),
            scope_claims: vec!["scope".to_owned(), "scp".to_owned()],
            client_claims: vec!["client_id".to_owned(), "azp".to_owned()],
            role_claims: Vec::new(),
            audience_claim: None,
            scope_implies: None,
            accepts_id_token_claims: false,
            validators: Vec::new(),
            required_claims: Vec::new(),
            required_values: Vec::new(),
            max_age: None,
            max_lifetime: None,
            allowed_clients: None,
            strict_rfc9068: false,
            introspection: None,
            plain_http: PlainHttp::Loopback,
            endpoint_hosts: EndpointHosts::any(),
            addresses: AddressPolicy::Any,
            client: None,
            fallback_urls: Vec::new(),
        }
    }

    /// Introspects opaque tokens (RFC 7662), and JWTs where [`Introspection::also_jwts`] says so.
    ///
    /// Default: opaque tokens are rejected (`token_opaque`), and JWTs are accepted until `exp` even if the
    /// authorization server revokes them.
    ///
    /// ```
    /// use tower_bearer::{ClientAuth, Introspection, Issuer};
    ///
    /// # let secret = String::new();
    /// let issuer = Issuer::discover("https://login.example.com")
    ///     .introspect(Introspection::with(ClientAuth::secret_basic("orders-api", secret)).also_jwts());
    /// ```
    pub fn introspect(mut self, introspection: Introspection) -> Self {
        self.introspection = Some(introspection);
        self
    }

    /// Sets the algorithms that its tokens may be signed with (RFC 8725 section 3.1). Default: all of
    /// [`Algorithm`], each only with a key that fits.
    ///
    /// ```
    /// use tower_bearer::{Algorithm, Issuer};
    ///
    /// let issuer = Issuer::discover("https://login.example.com").algorithms([Algorithm::ES256]);
    /// ```
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = Some(algorithms.into_iter().collect());
        self
    }

    /// Sets the algorithm of published keys without `alg`. Default: every algorithm in
    /// [`algorithms`](Self::algorithms) that fits the type of the key.
    ///
    /// It matters for RSA keys, which fit RS256 to RS512 and PS256 to PS512. Keys of another type than the
    /// algorithm keep their own. If [`algorithms`](Self::algorithms) does not contain it, that is a
    /// [`ConfigError`](crate::ConfigError).
    ///
    /// ```
    /// use tower_bearer::{Algorithm, Issuer};
    ///
    /// let issuer = Issuer::discover("https://login.example.com").default_key_algorithm(Algorithm::RS256);
    /// ```
    pub fn default_key_algorithm(mut self, algorithm: Algorithm) -> Self {
        self.default_key_algorithm = Some(algorithm);
        self
    }

    /// Sets a key set to start with, as JSON, so that a cold start survives an outage of the authorization
    /// server.
    ///
    /// `BearerAuth` uses it until the first fetch succeeds, with the grace period of
    /// [`jwks_stale_for`](crate::BearerAuthBuilder::jwks_stale_for). The first request that needs keys starts
    /// a fetch all the same. [`BearerAuth::keys_snapshot`](crate::BearerAuth::keys_snapshot) shows how to
    /// save the keys of a running process.
    ///
    /// ```
    /// use std::{fs, io};
    /// use tower_bearer::Issuer;
    ///
    /// fn issuer() -> io::Result<Issuer> {
    ///     let jwks = fs::read_to_string("/etc/orders-api/jwks.json")?; // part of the deployment
    ///     Ok(Issuer::discover("https://login.example.com").seed_jwks(jwks))
    /// }
    /// ```
    pub fn seed_jwks(mut self, jwks: impl Into<String>) -> Self {
        self.seed = Some(jwks.into());
        self
    }

    /// Sets the hosts on which its metadata may place its key set and its introspection endpoint. Default:
    /// any host, but https if the issuer has https. For [`shared_metadata`](Self::shared_metadata), the host
    /// of that URL stands for the host of the issuer.
    ///
    /// A metadata document that names another host is rejected: `KeysErrorKind::JwksUriUnusable` or
    /// `IntrospectionErrorKind::EndpointUnusable`, with the reason as the source of the error.
    ///
    /// ```
    /// use tower_bearer::Issuer;
    /// use tower_bearer::builder::EndpointHosts;
    ///
    /// let issuer = Issuer::discover("https://login.example.com")
    ///     .endpoint_hosts(EndpointHosts::issuer_and_subdomains());
    /// ```
    pub fn endpoint_hosts(mut self, hosts: EndpointHosts) -> Self {
        self.endpoint_hosts = hosts;
        self
    }

    /// Allows plain http to any host for metadata, keys and introspection. Default: loopback addresses only,
    /// and no http endpoint in the metadata of an https issuer.
    ///
    /// ```
    /// use tower_bearer::Issuer;
    ///
    /// // The authorization server of a test network, in a container next to this one.
    /// let issuer = Issuer::discover("http://keycloak:8080/realms/test").dangerous_allow_http();
    /// ```
    ///
    /// # Risk
    /// Anyone on the network path can substitute the keys and sign any token, report any token as active, and
    /// read tokens and client secrets. Use it in an isolated test network only.
    pub fn dangerous_allow_http(mut self) -> Self {
        self.plain_http = PlainHttp::Anywhere;
        self
    }

    pub(crate) fn identifier(&self) -> &str {
        &self.identifier
    }

    /// Whether it needs the HTTP client of the builder.
    pub(crate) fn needs_client(&self) -> bool {
        match self.keys {
            _ if self.client.is_some() => false,
            KeyOrigin::Discovery | KeyOrigin::SharedMetadata(_) | KeyOrigin::Url(_) => true,
            KeyOrigin::Document(_) | KeyOrigin::None => {
                self.introspection.as_ref().is_some_and(Introspection::needs_client)
            }
        }
    }

    /// The same, as the resolver with this pattern has returned it.
    pub(crate) fn resolved_by(self, pattern: &Arc<str>) -> Self {
        Self { resolver_pattern: Some(Arc::clone(pattern)), ..self }
    }

    /// The same, with its endpoints on its own host or a subdomain, unless hosts are listed.
    pub(crate) fn within_its_hosts(mut self) -> Self {
        if self.is_discovered() && !self.endpoint_hosts.restricts() {
            self.endpoint_hosts = EndpointHosts::issuer_and_subdomains();
        }
        self
    }

    /// Whether a URL of it comes from its metadata.
    fn is_discovered(&self) -> bool {
        matches!(self.keys, KeyOrigin::Discovery | KeyOrigin::SharedMetadata(_))
            || self.introspection.as_ref().is_some_and(Introspection::discovers_endpoint)
    }

    /// Its rule for opaque tokens: `None` if it introspects none, `Some(None)` if the user set no rule.
    pub(crate) fn opaque_tokens(&self) -> Option<Option<&OpaqueTokens>> {
        let rule = self.introspection.as_ref()?.opaque_tokens();
        (!matches!(rule, Some(OpaqueTokens::None))).then_some(rule)
    }
}
