//! The settings of introspection as data. `client_auth` reads its credentials.

mod client_auth;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use super::values::{Problems, Secret, secs};
use crate::introspection::client_auth::{ClientAuth, ClientCredentials};
use crate::settings::Introspection;

#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IntrospectionConfig {
    #[serde(default)]
    pub(super) auth: AuthMethod,
    pub(super) client_id: Option<String>,
    pub(super) secret: Option<Secret>,
    pub(super) secret_file: Option<PathBuf>,
    pub(super) secret_env: Option<String>,
    pub(super) fallback_secret: Option<Secret>,
    pub(super) fallback_secret_file: Option<PathBuf>,
    pub(super) fallback_secret_env: Option<String>,
    pub(super) secret_algorithm: Option<String>,
    pub(super) private_key_file: Option<PathBuf>,
    pub(super) private_key_algorithm: Option<String>,
    pub(super) key_id: Option<String>,
    pub(super) assertion_file: Option<PathBuf>,
    #[serde(default)]
    pub(super) endpoint_as_audience: bool,
    pub(super) client_credentials: Option<TokenRequestConfig>,
    pub(super) endpoint: Option<String>,
    #[serde(default)]
    pub(super) also_jwts: bool,
    #[serde(default)]
    pub(super) require_signed: bool,
    pub(super) opaque_tokens: Option<OpaqueConfig>,
    pub(super) active_ttl_secs: Option<u64>,
    pub(super) inactive_ttl_secs: Option<u64>,
    pub(super) timeout_secs: Option<u64>,
    pub(super) queue_timeout_secs: Option<u64>,
    pub(super) serve_stale_secs: Option<u64>,
    pub(super) max_concurrent_calls: Option<usize>,
    pub(super) max_queued_calls: Option<usize>,
    pub(super) max_calls_per_minute: Option<u32>,
    #[serde(default)]
    pub(super) dangerous_accept_pending_jwts: bool,
    #[serde(default)]
    pub(super) dangerous_accept_without_audience: bool,
    pub(super) dangerous_accept_without_expiry_secs: Option<u64>,
}

/// The methods under their registered names (RFC 7591 section 2), and a bearer token. `tls_client_auth` is
/// not among them: its HTTP client is code.
#[derive(Clone, Copy, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(super) enum AuthMethod {
    #[default]
    ClientSecretBasic,
    ClientSecretPost,
    ClientSecretJwt,
    PrivateKeyJwt,
    Bearer,
}

/// The request for a bearer token that introspection requests carry.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TokenRequestConfig {
    token_endpoint: String,
    scope: Option<String>,
    #[serde(default)]
    parameters: BTreeMap<String, String>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum OpaqueConfig {
    Default,
    None,
    Prefix(String),
}

type SetFlag = fn(Introspection) -> Introspection;

impl IntrospectionConfig {
    /// The settings that can be read. `path` is that of this table in the configuration.
    pub(super) fn build(&self, path: &str, problems: &mut Problems) -> Introspection {
        // After a problem, credentials stand in, so that the other settings are checked. They are never used.
        let auth = self.client_auth(path, problems).unwrap_or_else(|| ClientAuth::bearer("none"));
        let mut introspection = Introspection::with(auth);
        if let Some(url) = &self.endpoint {
            introspection = introspection.endpoint(url);
        }
        introspection = match &self.opaque_tokens {
            Some(OpaqueConfig::Default) => introspection.opaque_default(),
            Some(OpaqueConfig::None) => introspection.opaque_none(),
            Some(OpaqueConfig::Prefix(prefix)) => introspection.opaque_prefix(prefix),
            None => introspection,
        };
        let flags: [(bool, SetFlag); 4] = [
            (self.also_jwts, Introspection::also_jwts),
            (self.require_signed, Introspection::require_signed),
            (self.dangerous_accept_pending_jwts, Introspection::dangerous_accept_pending_jwts),
            (self.dangerous_accept_without_audience, Introspection::dangerous_accept_without_audience),
        ];
        for (_, set) in flags.into_iter().filter(|(is_on, _)| *is_on) {
            introspection = set(introspection);
        }
        self.set_limits(introspection)
    }

    fn set_limits(&self, introspection: Introspection) -> Introspection {
        let mut introspection = secs(introspection, self.active_ttl_secs, Introspection::active_ttl);
        introspection = secs(introspection, self.inactive_ttl_secs, Introspection::inactive_ttl);
        introspection = secs(introspection, self.timeout_secs, Introspection::timeout);
        introspection = secs(introspection, self.queue_timeout_secs, Introspection::queue_timeout);
        introspection = secs(introspection, self.serve_stale_secs, Introspection::serve_stale);
        introspection = secs(
            introspection,
            self.dangerous_accept_without_expiry_secs,
            Introspection::dangerous_accept_without_expiry,
        );
        if let Some(calls) = self.max_concurrent_calls {
            introspection = introspection.max_concurrent_calls(calls);
        }
        if let Some(calls) = self.max_queued_calls {
            introspection = introspection.max_queued_calls(calls);
        }
        if let Some(calls) = self.max_calls_per_minute {
            introspection = introspection.max_calls_per_minute(calls);
        }
        introspection
    }
}

impl TokenRequestConfig {
    /// The bearer token that these credentials obtain.
    fn client_auth(&self, auth: ClientAuth) -> ClientAuth {
        let mut request = ClientCredentials::new(&self.token_endpoint, auth);
        if let Some(scope) = &self.scope {
            request = request.scope(scope);
        }
        for (name, value) in &self.parameters {
            request = request.add_parameter(name, value);
        }
        ClientAuth::client_credentials(request)
    }
}
