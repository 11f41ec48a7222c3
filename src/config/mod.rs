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
//! "#)
//! .map_err(|error| error.message().to_owned())?;
//! let auth = config.builder()?.build()?;
//! # let _ = auth;
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A name that is not listed below is an error, so a typing error cannot turn a setting off. Deserialization
//! stops at the first such name, and at the first value of a wrong type. All other problems are reported at
//! once, each with a hint.
//!
//! The errors of this crate quote no secret. Those of a format may: `toml::de::Error` prints the line with
//! the mistake, and its `Debug`, which a `main` with `?` prints, the whole document. Keep secrets in
//! `secret_file` or `secret_env`, or print only the `message()` of such an error, as above.
//!
//! # Settings
//!
//! A setting has the name, the meaning and the default of a method of [`BearerAuthBuilder`], except where the
//! tables say otherwise. Durations are whole numbers of seconds, and their names end in `_secs`.
//!
//! | setting | value |
//! |---|---|
//! | `audience` | the audience, or a list: [`builder`](crate::BearerAuth::builder) and [`add_audience`](BearerAuthBuilder::add_audience); required |
//! | `issuers` | a list of issuers, see below: [`issuer`](BearerAuthBuilder::issuer) and [`add_issuer`](BearerAuthBuilder::add_issuer); required, but may be empty |
//! | `realm` | a text |
//! | `optional`, `allow_preflight`, `strip_credentials`, `omit_error_descriptions`, `log_token_details`, `skip_start_check`, `allow_no_issuer`, `fapi2` | `true` |
//! | `grpc` | `false` |
//! | `token_sources` | a list of `"query"`, `{ cookie = "__Host-token" }`, `{ header = "x-token" }`, `{ web_socket_protocol = "access_token." }`: [`add_token_source`](BearerAuthBuilder::add_token_source) |
//! | `leeway_secs`, `fetch_timeout_secs`, `max_key_wait_secs` | seconds |
//! | `jwks_ttl_secs`, `jwks_cooldown_secs`, `jwks_stale_for_secs`, `jwks_stale_for_bad_responses_secs` | seconds |
//! | `max_token_bytes`, `max_cached_responses`, `max_cached_response_bytes`, `max_rejection_events_per_second` | a number |
//! | `token_cache` | `"disabled"`, or `{ limited = { max_tokens = 10000, max_bytes = 33554432 } }` |
//! | `resource_metadata`, `dpop`, `certificates` | tables, see below |
//!
//! With `issuers = []`, add issuers in code before [`build`](BearerAuthBuilder::build), or set
//! [`resolve_issuers`](BearerAuthBuilder::resolve_issuers) or `allow_no_issuer`.
//!
//! # Resource metadata
//!
//! The settings of a [`ResourceMetadata`](crate::resource_metadata::ResourceMetadata). You mount its
//! [service](crate::BearerAuth::resource_metadata) in code.
//!
//! | setting | value |
//! |---|---|
//! | `resource` | the resource identifier, a URL; required |
//! | `scopes_supported`, `scope_hint` | lists of scopes |
//! | `name`, `documentation`, `policy_uri`, `tos_uri` | a text; URLs |
//! | `localized_names` | a table of names by language, such as `{ de = "Bestellungen" }`: [`add_localized_name`](crate::resource_metadata::ResourceMetadata::add_localized_name) |
//! | `form_body_tokens` | `true` |
//! | `max_age_secs` | seconds |
//!
//! # Sender-constrained tokens
//!
//! The settings of a [`Dpop`](crate::dpop::Dpop) and of its [`Nonces`](crate::dpop::Nonces), in the table
//! `dpop`:
//!
//! | setting | value |
//! |---|---|
//! | `at` | the URL under which clients reach this API, or a list: [`at`](crate::dpop::Dpop::at) and [`and_at`](crate::dpop::Dpop::and_at); required |
//! | `required`, `accept_web_socket_urls` | `true` |
//! | `algorithms` | a list of names such as `"ES256"` |
//! | `max_proof_age_secs` | seconds |
//! | `max_proofs` | a number |
//! | `require_nonces` | `true`: [`nonces`](crate::dpop::Dpop::nonces) |
//! | `nonce_secret`, `nonce_secret_file`, `nonce_secret_env` | the [`secret`](crate::dpop::Nonces::secret) of the nonces, at least 32 bytes; a file that holds it; an environment variable that holds it |
//!
//! The settings of a [`Certificates`](crate::certificates::Certificates), in the table `certificates`:
//!
//! | setting | value |
//! |---|---|
//! | `source` | `"of_connection"`, `"client_cert_header"`, `"xfcc_header"`, `{ pem_header = "x-client-cert" }` or `{ der_header = "x-arr-clientcert" }`; required |
//! | `from_proxy` | a list of addresses and ranges, such as `"10.0.0.7"`; required for a header. Your server must insert a [`PeerAddress`](crate::certificates::PeerAddress) into each request |
//! | `also_of_connection`, `keep_header` | `true` |
//!
//! # Issuers
//!
//! The settings of an [`Issuer`]. Its keys are discovered unless `profile`, `shared_metadata`, `jwks_url`,
//! `jwks_file`, `jwks` or `without_keys` says otherwise.
//!
//! | setting | value |
//! |---|---|
//! | `issuer` | the identifier, exactly as `iss` in its tokens; required, unless the profile has another argument |
//! | `profile` | the name of a profile, see below |
//! | `jwks_url`, `jwks_file`, `jwks`, `without_keys` | a URL ([`with_jwks_url`](crate::Issuer::with_jwks_url)); a file with a JWK Set, or its JSON text ([`with_static_jwks`](crate::Issuer::with_static_jwks)); `true` |
//! | `shared_metadata` | a URL, alone or beside a profile |
//! | `fallback_jwks_urls` | a list of URLs: [`add_fallback_jwks_url`](crate::Issuer::add_fallback_jwks_url) |
//! | `seed_jwks_file` | a file with a JWK Set: [`seed_jwks`](crate::Issuer::seed_jwks) |
//! | `audience` | the audience at this issuer, or a list: [`audience`](crate::Issuer::audience) and [`add_audience`](crate::Issuer::add_audience) |
//! | `audience_claim` | the name of a claim, or a JSON Pointer |
//! | `algorithms`, `default_key_algorithm` | a list of names such as `"ES256"`; a name |
//! | `allowed_clients` | a list of client identifiers |
//! | `client_claims`, `scope_claims`, `role_claims` | lists of names of claims; of names or JSON Pointers; of JSON Pointers |
//! | `require_claims` | a list of names of claims |
//! | `require_claim_values` | a table, see below |
//! | `max_age_secs`, `max_lifetime_secs` | seconds |
//! | `strict_rfc9068` | `true` |
//! | `require_public_addresses` | `true` |
//! | `endpoint_hosts` | `"any"`, `"issuer_and_subdomains"` or `{ listed = ["*.example.com"] }` |
//! | `dangerous_accept_types` | a list of values of `typ` |
//! | `dangerous_accept_id_token_claims`, `dangerous_allow_http` | `true` |
//! | `introspection` | a table, see below: [`introspect`](crate::Issuer::introspect) |
//!
//! # Profiles
//!
//! A profile has the name of a function of [`Issuer`]. The settings beside it replace or extend those of the
//! profile, as later calls would. A profile also says where the keys are.
//!
//! | `profile` | arguments |
//! |---|---|
//! | `"keycloak"`, `"okta"`, `"zitadel"`, `"hydra"`, `"dex"`, `"kubernetes"` | `issuer` |
//! | `"entra"`, `"entra_v1"` | `tenant` |
//! | `"auth0"` | `domain` |
//! | `"cognito"` | `region`, `pool` |
//! | `"adfs"` | `host` |
//! | `"google"` | none |
//!
//! ```toml
//! audience = "orders-api"
//!
//! [[issuers]]
//! profile = "keycloak"
//! issuer = "https://login.example.com/realms/acme"
//! role_claims = ["/resource_access/orders/roles"]
//!
//! [[issuers]]
//! profile = "cognito"
//! region = "eu-central-1"
//! pool = "eu-central-1_AbCdEfGhI"
//! allowed_clients = ["1example23456789"]
//! ```
//!
//! # Values of claims
//!
//! Each entry of `require_claim_values` is a call of
//! [`require_claim_value`](crate::Issuer::require_claim_value): the name of a claim or a JSON Pointer, and a
//! string, an integer, a boolean, or a list of these, of which the claim must have one. Type and value are
//! compared as [`RequiredValue`](crate::builder::RequiredValue) says.
//!
//! ```toml
//! [issuers.require_claim_values]
//! email_verified = true
//! "/org/id" = ["acme", "acme-labs"]
//! ```
//!
//! # Introspection
//!
//! The settings of an [`Introspection`] and of its [`ClientAuth`].
//!
//! | setting | value |
//! |---|---|
//! | `auth` | `"client_secret_basic"` (default), `"client_secret_post"`, `"client_secret_jwt"`, `"private_key_jwt"` or `"bearer"` |
//! | `client_id` | required, except for `bearer` |
//! | `secret`, `secret_file`, `secret_env` | the client secret or the bearer token; a file that holds it; an environment variable that holds it |
//! | `fallback_secret`, `fallback_secret_file`, `fallback_secret_env` | a second one, while the first is rotated: [`with_fallback`](crate::ClientAuth::with_fallback) |
//! | `secret_algorithm` | for `client_secret_jwt` ([`secret_jwt`](crate::ClientAuth::secret_jwt)): `"HS256"`, `"HS384"` or `"HS512"` |
//! | `private_key_file`, `private_key_algorithm`, `key_id` | for `private_key_jwt`: a PKCS#8 PEM file, such as `"ES256"`, and the optional `kid` |
//! | `assertion_file` | for `private_key_jwt`, instead of a key: a file that another program keeps current |
//! | `endpoint_as_audience` | `true`, for `client_secret_jwt` and `private_key_jwt` |
//! | `client_credentials` | `{ token_endpoint = "https://...", scope = "introspect", parameters = { resource = "..." } }`: introspection requests carry a bearer token that this client obtains there; `scope` and `parameters` are optional |
//! | `endpoint` | a URL; discovered by default |
//! | `also_jwts`, `require_signed` | `true` |
//! | `opaque_tokens` | `"default"`, `"none"` or `{ prefix = "acme_" }`: [`opaque_default`](crate::Introspection::opaque_default), [`opaque_none`](crate::Introspection::opaque_none), [`opaque_prefix`](crate::Introspection::opaque_prefix) |
//! | `active_ttl_secs`, `inactive_ttl_secs`, `timeout_secs`, `queue_timeout_secs`, `serve_stale_secs` | seconds |
//! | `max_concurrent_calls`, `max_queued_calls`, `max_calls_per_minute` | a number |
//! | `dangerous_accept_pending_jwts`, `dangerous_accept_without_audience` | `true` |
//! | `dangerous_accept_without_expiry_secs` | the lifetime of a token whose response has no `exp` |
//!
//! # Settings that are code
//!
//! A function, an HTTP client, a clock and a runtime cannot be written as data. Set those of the builder on
//! the builder that [`BearerAuthConfig::builder`] returns. For the others, configure the issuer in code and
//! add it to that builder with [`add_issuer`](BearerAuthBuilder::add_issuer).
//!
//! | settings of | only in code |
//! |---|---|
//! | [`BearerAuthBuilder`] | `http_client`, `runtime`, `clock`, `on_accept`, `on_reject`, `audit`, `observer`, `add_observer`, `metrics`, `revocations`, `resolve_issuers` |
//! | [`Issuer`] | `http_client`, `scope_implies`, `validate` |
//! | [`Dpop`](crate::dpop::Dpop) | `replay_store`, `target_from` |
//! | [`Certificates`](crate::certificates::Certificates) | `from_fn`, `peer_address` |
//! | [`Introspection`] | `http_client`, `also_jwts_when`, `opaque_when` |
//! | [`ClientAuth`] | `mtls`, which needs an HTTP client; `from_fn`, `bearer_from_fn` |
//!
//! # Secrets
//!
//! A secret in a file or in a variable stays out of the configuration and its backups. Line breaks at the end
//! of such a file are not part of the secret. The file may have 64 KiB. [`BearerAuthConfig::builder`] reads
//! it once. The `assertion_file` is read again while the API runs.
//!
//! [`ClientAuth`]: crate::ClientAuth
//! [`Introspection`]: crate::Introspection
//! [`Issuer`]: crate::Issuer

mod env;
mod introspection;
mod issuer;
mod resource_metadata;
mod senders;
mod settings;
mod values;

use std::fmt;

use serde::Deserialize;

use self::issuer::IssuerConfig;
use self::settings::Settings;
use self::values::Problems;
use crate::builder::BearerAuthBuilder;
use crate::settings::{ConfigError, Issuer};

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
    /// `issuers[0].introspection.secret_file`. With them it has the problems that
    /// [`BearerAuthBuilder::build`] would find in the other settings.
    pub fn builder(self) -> Result<BearerAuthBuilder, ConfigError> {
        self.0.builder(Problems::default())
    }

    /// Reads the files and variables that the issuers name, and returns the issuers, for
    /// [`Issuers::add`](crate::issuers::Issuers::add) and [`replace`](crate::issuers::Issuers::replace) while
    /// requests are served. The other settings have no effect.
    ///
    /// It blocks while it reads files.
    ///
    /// ```
    /// # #[cfg(all(feature = "reqwest", any(feature = "aws-lc-rs", feature = "rust-crypto")))] {
    /// use tower_bearer::BearerAuth;
    /// use tower_bearer::config::BearerAuthConfig;
    ///
    /// # let auth = BearerAuth::builder("orders").allow_no_issuer().build()?;
    /// let config: BearerAuthConfig = serde_json::from_str(
    ///     r#"{ "audience": "orders", "issuers": [{ "issuer": "https://login.example.com" }] }"#,
    /// )?;
    /// for issuer in config.issuers()? {
    ///     auth.issuers().replace(issuer)?;
    /// }
    /// # assert_eq!(auth.issuers().list(), ["https://login.example.com"]);
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ConfigError`] with every file or variable that cannot be read, and every setting of an issuer that
    /// is unusable. `add` and `replace` check the issuer itself.
    pub fn issuers(&self) -> Result<Vec<Issuer>, ConfigError> {
        let mut problems = Problems::default();
        let issuers = self.0.build_issuers(&mut problems);
        problems.into_error()?;
        Ok(issuers)
    }
}

impl fmt::Debug for BearerAuthConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let issuers: Vec<&str> = self.0.issuers.iter().map(IssuerConfig::name).collect();
        f.debug_struct("BearerAuthConfig")
            .field("audience", &self.0.audience)
            .field("issuers", &issuers)
            .finish_non_exhaustive()
    }
}
