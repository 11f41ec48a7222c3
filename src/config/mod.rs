//! The configuration as data: from TOML, JSON or environment variables (feature `config`).
//!
//! [`BearerAuthConfig`] implements [`serde::Deserialize`], for any format that serde supports, and
//! [`BearerAuthConfig::from_env`] reads environment variables. Both lead to a
//! [`BearerAuthBuilder`], for what is code instead of data, such as
//! [`on_reject`](BearerAuthBuilder::on_reject).
//!
//! ```
//! # #[cfg(all(feature = "reqwest", any(feature = "aws-lc-rs", feature = "rust-crypto")))] {
//! use tower_bearer::config::BearerAuthConfig;
//!
//! let config: BearerAuthConfig = toml::from_str(r#"
//!     audience = "https://api.example.com"
//!     leeway_secs = 10
//!
//!     [[issuers]]
//!     issuer = "https://login.example.com/realms/acme"
//!     max_lifetime_secs = 600
//! "#)?;
//! let auth = config.builder()?.build()?;
//! # let _ = auth;
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A name that is not listed below is an error, so a typing error cannot turn a setting off.
//!
//! # Settings
//!
//! Each setting has the name, the meaning and the default of a method of [`BearerAuthBuilder`]. Durations are
//! whole numbers of seconds.
//!
//! | setting | value |
//! |---|---|
//! | `audience` | the audience, or a list: [`builder`](BearerAuth::builder) and [`add_audience`](BearerAuthBuilder::add_audience); required |
//! | `issuers` | a list of issuers, see below; required |
//! | `realm`, `optional`, `allow_preflight`, `strip_credentials`, `omit_error_descriptions` | text; `true` |
//! | `token_sources` | a list of `"query"`, `{ cookie = "__Host-token" }`, `{ header = "x-token" }`, `{ web_socket_protocol = "access_token." }` |
//! | `leeway_secs`, `fetch_timeout_secs`, `max_key_wait_secs` | seconds |
//! | `jwks_ttl_secs`, `jwks_cooldown_secs`, `jwks_stale_for_secs`, `jwks_stale_for_bad_responses_secs` | seconds |
//! | `max_token_bytes`, `max_cached_responses`, `max_cached_response_bytes` | a number |
//! | `token_cache` | `"disabled"`, or `{ limited = { max_tokens = 10000, max_bytes = 33554432 } }` |
//!
//! # Issuers
//!
//! The settings of an [`Issuer`](crate::Issuer). Its keys are discovered unless one of the first four
//! settings after `issuer` says otherwise.
//!
//! | setting | value |
//! |---|---|
//! | `issuer` | the identifier, exactly as `iss` in its tokens; required |
//! | `jwks_url`, `jwks_file`, `jwks`, `without_keys` | a URL; a file with a JWK Set; its JSON text; `true` |
//! | `seed_jwks_file` | a file with a JWK Set |
//! | `audience` | the audience at this issuer, or a list |
//! | `algorithms`, `allowed_clients`, `scope_claims`, `require_claims` | lists of names |
//! | `max_age_secs`, `max_lifetime_secs` | seconds |
//! | `strict_rfc9068` | `true` |
//! | `endpoint_hosts` | `"any"`, `"issuer_and_subdomains"` or `{ listed = ["*.example.com"] }` |
//! | `dangerous_accept_types`, `dangerous_allow_http` | a list of types; `true` |
//! | `introspection` | see below |
//!
//! # Introspection
//!
//! The settings of an [`Introspection`](crate::Introspection).
//!
//! | setting | value |
//! |---|---|
//! | `auth` | `"client_secret_basic"` (default), `"client_secret_post"`, `"private_key_jwt"`, `"tls_client_auth"` or `"bearer"` |
//! | `client_id` | required, except for `bearer` |
//! | `secret`, `secret_file`, `secret_env` | the client secret or the bearer token; a file that holds it; an environment variable that holds it |
//! | `private_key_file`, `private_key_algorithm`, `key_id` | for `private_key_jwt`: a PKCS#8 PEM file, such as `"ES256"`, and the optional `kid` |
//! | `endpoint` | a URL; discovered by default |
//! | `also_jwts`, `require_signed` | `true` |
//! | `opaque_tokens` | `"default"`, `"none"` or `{ prefix = "acme_" }` |
//! | `active_ttl_secs`, `inactive_ttl_secs`, `timeout_secs`, `queue_timeout_secs`, `serve_stale_secs` | seconds |
//! | `max_concurrent_calls`, `max_queued_calls`, `max_calls_per_minute` | a number |
//! | `dangerous_accept_pending_jwts`, `dangerous_accept_without_audience` | `true` |
//!
//! A secret in a file or in a variable stays out of the configuration and its backups. One line break at the
//! end of such a file is not part of the secret.

mod env;
mod introspection;
mod issuer;
mod values;

use std::fmt;
use std::time::Duration;

use http::HeaderName;
use serde::Deserialize;

use self::issuer::IssuerConfig;
use self::values::{Problems, one_or_many, secs};
use crate::bearer::TokenSource;
use crate::builder::{BearerAuthBuilder, TokenCache};
use crate::middleware::BearerAuth;
use crate::settings::ConfigError;

/// The configuration of a [`BearerAuth`] as data. The [module](self) lists its settings.
///
/// `Debug` shows the audiences and the issuers, and no secret.
///
/// ```
/// use tower_bearer::config::BearerAuthConfig;
///
/// let json = r#"{
///     "audience": ["https://api.example.com", "orders"],
///     "issuers": [{
///         "issuer": "https://login.example.com",
///         "introspection": { "client_id": "orders-api", "secret_file": "/run/secrets/none" }
///     }]
/// }"#;
/// let config: BearerAuthConfig = serde_json::from_str(json)?;
/// let error = config.builder().unwrap_err();
/// assert!(error.to_string().contains("issuers[0].introspection.secret_file"));
///
/// let typing_error = r#"{ "audience": "a", "issuers": [], "leway": 1 }"#;
/// let unknown = serde_json::from_str::<BearerAuthConfig>(typing_error);
/// assert!(unknown.unwrap_err().to_string().contains("unknown field `leway`"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BearerAuthConfig {
    #[serde(deserialize_with = "one_or_many")]
    audience: Vec<String>,
    issuers: Vec<IssuerConfig>,
    realm: Option<String>,
    #[serde(default)]
    optional: bool,
    #[serde(default)]
    allow_preflight: bool,
    #[serde(default)]
    strip_credentials: bool,
    #[serde(default)]
    omit_error_descriptions: bool,
    #[serde(default)]
    token_sources: Vec<SourceConfig>,
    leeway_secs: Option<u64>,
    fetch_timeout_secs: Option<u64>,
    max_key_wait_secs: Option<u64>,
    jwks_ttl_secs: Option<u64>,
    jwks_cooldown_secs: Option<u64>,
    jwks_stale_for_secs: Option<u64>,
    jwks_stale_for_bad_responses_secs: Option<u64>,
    max_token_bytes: Option<usize>,
    max_cached_responses: Option<usize>,
    max_cached_response_bytes: Option<usize>,
    token_cache: Option<CacheConfig>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SourceConfig {
    Cookie(String),
    Header(String),
    Query,
    WebSocketProtocol(String),
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CacheConfig {
    Disabled,
    Limited(CacheLimitsConfig),
}

#[derive(Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct CacheLimitsConfig {
    max_tokens: Option<usize>,
    max_bytes: Option<usize>,
}

type SetDuration = fn(BearerAuthBuilder, Duration) -> BearerAuthBuilder;
type SetNumber = fn(BearerAuthBuilder, usize) -> BearerAuthBuilder;
type SetFlag = fn(BearerAuthBuilder) -> BearerAuthBuilder;

impl BearerAuthConfig {
    /// Reads the files and variables that the configuration names, and returns a builder with its settings.
    /// [`BearerAuthBuilder::build`] checks the settings themselves.
    ///
    /// It blocks while it reads files: call it at start-up.
    ///
    /// # Errors
    /// [`ConfigError`] with every file or variable that cannot be read, and every setting that is unusable,
    /// has no effect or contradicts another one. Each has its path, such as
    /// `issuers[0].introspection.secret_file`.
    pub fn builder(self) -> Result<BearerAuthBuilder, ConfigError> {
        let mut problems = Problems::default();
        let mut audiences = self.audience.iter();
        let Some(audience) = audiences.next() else {
            problems.add("audience", "is an empty list");
            return Err(problems.into_error());
        };
        let mut builder = BearerAuth::builder(audience);
        for audience in audiences {
            builder = builder.add_audience(audience);
        }
        for (index, issuer) in self.issuers.iter().enumerate() {
            if let Some(issuer) = issuer.build(&format!("issuers[{index}]"), &mut problems) {
                builder = builder.add_issuer(issuer);
            }
        }
        builder = self.add_sources(builder, &mut problems);
        if let Some(realm) = &self.realm {
            builder = builder.realm(realm);
        }
        problems.into_result(self.set_numbers(self.set_flags(builder)))
    }

    fn add_sources(&self, mut builder: BearerAuthBuilder, problems: &mut Problems) -> BearerAuthBuilder {
        for (index, source) in self.token_sources.iter().enumerate() {
            let source = match source {
                SourceConfig::Cookie(name) => TokenSource::cookie(name),
                SourceConfig::Query => TokenSource::query(),
                SourceConfig::WebSocketProtocol(prefix) => TokenSource::web_socket_protocol(prefix),
                SourceConfig::Header(name) => match HeaderName::try_from(name) {
                    Ok(name) => TokenSource::header(name),
                    Err(_) => {
                        problems.add(format!("token_sources[{index}].header"), "is not the name of a header");
                        continue;
                    }
                },
            };
            builder = builder.add_token_source(source);
        }
        builder
    }

    fn set_flags(&self, mut builder: BearerAuthBuilder) -> BearerAuthBuilder {
        let flags: [(bool, SetFlag); 4] = [
            (self.optional, BearerAuthBuilder::optional),
            (self.allow_preflight, BearerAuthBuilder::allow_preflight),
            (self.strip_credentials, BearerAuthBuilder::strip_credentials),
            (self.omit_error_descriptions, BearerAuthBuilder::omit_error_descriptions),
        ];
        for (_, set) in flags.into_iter().filter(|(is_on, _)| *is_on) {
            builder = set(builder);
        }
        builder
    }

    fn set_numbers(&self, mut builder: BearerAuthBuilder) -> BearerAuthBuilder {
        let durations: [(Option<u64>, SetDuration); 7] = [
            (self.leeway_secs, BearerAuthBuilder::leeway),
            (self.fetch_timeout_secs, BearerAuthBuilder::fetch_timeout),
            (self.max_key_wait_secs, BearerAuthBuilder::max_key_wait),
            (self.jwks_ttl_secs, BearerAuthBuilder::jwks_ttl),
            (self.jwks_cooldown_secs, BearerAuthBuilder::jwks_cooldown),
            (self.jwks_stale_for_secs, BearerAuthBuilder::jwks_stale_for),
            (self.jwks_stale_for_bad_responses_secs, BearerAuthBuilder::jwks_stale_for_bad_responses),
        ];
        for (duration, set) in durations {
            builder = secs(builder, duration, set);
        }
        let numbers: [(Option<usize>, SetNumber); 3] = [
            (self.max_token_bytes, BearerAuthBuilder::max_token_bytes),
            (self.max_cached_responses, BearerAuthBuilder::max_cached_responses),
            (self.max_cached_response_bytes, BearerAuthBuilder::max_cached_response_bytes),
        ];
        for (number, set) in numbers {
            builder = match number {
                Some(number) => set(builder, number),
                None => builder,
            };
        }
        match self.token_cache {
            Some(cache) => builder.token_cache(cache.build()),
            None => builder,
        }
    }
}

impl CacheConfig {
    fn build(self) -> TokenCache {
        let Self::Limited(limits) = self else { return TokenCache::disabled() };
        let mut cache = TokenCache::new();
        if let Some(tokens) = limits.max_tokens {
            cache = cache.max_tokens(tokens);
        }
        if let Some(bytes) = limits.max_bytes {
            cache = cache.max_bytes(bytes);
        }
        cache
    }
}

impl fmt::Debug for BearerAuthConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuers: Vec<&str> = self.issuers.iter().map(IssuerConfig::identifier).collect();
        f.debug_struct("BearerAuthConfig")
            .field("audience", &self.audience)
            .field("issuers", &issuers)
            .finish_non_exhaustive()
    }
}
