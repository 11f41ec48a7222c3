//! The configuration as data: from TOML, JSON or environment variables (feature `config`).
//!
//! [`BearerAuthConfig`] implements [`serde::Deserialize`], for any format that serde supports, and
//! [`BearerAuthConfig::from_env`] reads environment variables. [`BearerAuthConfig::builder`] returns a
//! [`BearerAuthBuilder`], for settings that are code, such as [`on_reject`](BearerAuthBuilder::on_reject).
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
//! The errors of this crate quote no value. Those of a format may: `toml::de::Error` prints the line with the
//! mistake, and its `Debug` the whole document. Keep secrets in `secret_file` or `secret_env`, or print only
//! the `message()` of such an error.
//!
//! # Settings
//!
//! A setting has the name, the meaning and the default of a method of [`BearerAuthBuilder`], except where the
//! tables say otherwise. Durations are whole numbers of seconds, and their names end in `_secs`.
//!
//! | setting | value |
//! |---|---|
//! | `audience` | the audience, or a list: [`builder`](crate::BearerAuth::builder) and [`add_audience`](BearerAuthBuilder::add_audience); required |
//! | `issuers` | a list of issuers, see below; required, but may be empty |
//! | `realm`, `optional`, `allow_preflight`, `strip_credentials`, `omit_error_descriptions` | text; `true` |
//! | `token_sources` | a list of `"query"`, `{ cookie = "__Host-token" }`, `{ header = "x-token" }`, `{ web_socket_protocol = "access_token." }` |
//! | `leeway_secs`, `fetch_timeout_secs`, `max_key_wait_secs` | seconds |
//! | `jwks_ttl_secs`, `jwks_cooldown_secs`, `jwks_stale_for_secs`, `jwks_stale_for_bad_responses_secs` | seconds |
//! | `max_token_bytes`, `max_cached_responses`, `max_cached_response_bytes` | a number |
//! | `token_cache` | `"disabled"`, or `{ limited = { max_tokens = 10000, max_bytes = 33554432 } }` |
//!
//! With `issuers = []`, add issuers in code before [`build`](BearerAuthBuilder::build), or set
//! [`resolve_issuers`](BearerAuthBuilder::resolve_issuers) or
//! [`allow_no_issuer`](BearerAuthBuilder::allow_no_issuer).
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
//! | `auth` | `"client_secret_basic"` (default), `"client_secret_post"`, `"private_key_jwt"` or `"bearer"` |
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
//! # Settings without a name here
//!
//! Some settings are code, and some have no name in the configuration yet. Set those of the builder on the
//! builder that [`BearerAuthConfig::builder`] returns. For the others, configure the issuer in code and add
//! it to that builder with [`add_issuer`](BearerAuthBuilder::add_issuer).
//!
//! | settings of | only in code |
//! |---|---|
//! | [`BearerAuthBuilder`] | `http_client`, `runtime`, `clock`, `skip_start_check`, `log_token_details`, `on_accept`, `on_reject`, `allow_no_issuer`, `resolve_issuers` |
//! | [`Issuer`](crate::Issuer) | profiles such as `keycloak`; `role_claims`, `client_claims`, `audience_claim`, `default_key_algorithm`, `dangerous_accept_id_token_claims`, `add_jwks_url`, `http_client`, `validate`, `scope_implies` |
//! | [`Introspection`](crate::Introspection) | `also_jwts_when`, `opaque_when`, `http_client`, `dangerous_accept_without_expiry` |
//! | [`ClientAuth`](crate::ClientAuth) | `mtls`, `secret_jwt`, `assertion_file`, `client_credentials`, `from_fn`, `bearer_from`, `with_fallback`, `endpoint_as_audience` |
//!
//! # Secrets
//!
//! A secret in a file or in a variable stays out of the configuration and its backups. Line breaks at the end
//! of such a file are not part of the secret. The file may have 64 KiB.

mod env;
mod introspection;
mod issuer;
mod settings;
mod values;

use std::fmt;

use serde::Deserialize;

use self::settings::Settings;
use crate::builder::BearerAuthBuilder;
use crate::settings::ConfigError;

/// The configuration of a [`BearerAuth`](crate::BearerAuth) as data. The [module](self) lists its settings.
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
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct BearerAuthConfig(Settings);

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
        self.0.builder()
    }
}

impl fmt::Debug for BearerAuthConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuers: Vec<&str> = self.0.issuers.iter().map(|issuer| &*issuer.issuer).collect();
        f.debug_struct("BearerAuthConfig")
            .field("audience", &self.0.audience)
            .field("issuers", &issuers)
            .finish_non_exhaustive()
    }
}
