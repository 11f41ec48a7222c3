//! The settings of introspection as data.

use std::path::PathBuf;

use serde::Deserialize;

use super::values::{Problems, Secret, secs};
use crate::crypto::{Algorithm, PrivateKey};
use crate::introspection::ClientAuth;
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
    pub(super) private_key_file: Option<PathBuf>,
    pub(super) private_key_algorithm: Option<String>,
    pub(super) key_id: Option<String>,
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
}

/// The methods under their registered names (RFC 7591 section 2), and a bearer token. `tls_client_auth` is
/// not among them: its HTTP client is code.
#[derive(Clone, Copy, Default, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "snake_case")]
pub(super) enum AuthMethod {
    #[default]
    ClientSecretBasic,
    ClientSecretPost,
    PrivateKeyJwt,
    Bearer,
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
    /// The settings, unless the credentials are unusable. `path` is that of this table in the configuration.
    pub(super) fn build(&self, path: &str, problems: &mut Problems) -> Option<Introspection> {
        let mut introspection = Introspection::with(self.client_auth(path, problems)?);
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
        Some(self.set_limits(introspection))
    }

    fn set_limits(&self, introspection: Introspection) -> Introspection {
        let mut introspection = secs(introspection, self.active_ttl_secs, Introspection::active_ttl);
        introspection = secs(introspection, self.inactive_ttl_secs, Introspection::inactive_ttl);
        introspection = secs(introspection, self.timeout_secs, Introspection::timeout);
        introspection = secs(introspection, self.queue_timeout_secs, Introspection::queue_timeout);
        introspection = secs(introspection, self.serve_stale_secs, Introspection::serve_stale);
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

    fn client_auth(&self, path: &str, problems: &mut Problems) -> Option<ClientAuth> {
        self.check_unused(path, problems);
        match self.auth {
            AuthMethod::ClientSecretBasic => {
                let (id, secret) = (self.client_id(path, problems), self.secret(path, problems));
                Some(ClientAuth::secret_basic(id?, secret?.text()))
            }
            AuthMethod::ClientSecretPost => {
                let (id, secret) = (self.client_id(path, problems), self.secret(path, problems));
                Some(ClientAuth::secret_post(id?, secret?.text()))
            }
            AuthMethod::PrivateKeyJwt => {
                let (id, key) = (self.client_id(path, problems), self.private_key(path, problems));
                Some(ClientAuth::private_key_jwt(id?, key?))
            }
            AuthMethod::Bearer => Some(ClientAuth::bearer(self.secret(path, problems)?.text())),
        }
    }

    /// Rejects credentials that the method does not use: they would seem to protect something.
    fn check_unused(&self, path: &str, problems: &mut Problems) {
        use AuthMethod::{Bearer, ClientSecretBasic, ClientSecretPost, PrivateKeyJwt};
        let uses_secret = matches!(self.auth, ClientSecretBasic | ClientSecretPost | Bearer);
        let uses_key = self.auth == PrivateKeyJwt;
        for (name, is_set, is_used) in [
            ("client_id", self.client_id.is_some(), self.auth != Bearer),
            ("secret", self.secret.is_some(), uses_secret),
            ("secret_file", self.secret_file.is_some(), uses_secret),
            ("secret_env", self.secret_env.is_some(), uses_secret),
            ("private_key_file", self.private_key_file.is_some(), uses_key),
            ("private_key_algorithm", self.private_key_algorithm.is_some(), uses_key),
            ("key_id", self.key_id.is_some(), uses_key),
        ] {
            if is_set && !is_used {
                problems.add(format!("{path}.{name}"), "has no effect with this method of authentication");
            }
        }
    }

    fn client_id(&self, path: &str, problems: &mut Problems) -> Option<&str> {
        if self.client_id.is_none() {
            problems.add(format!("{path}.client_id"), "is missing");
        }
        self.client_id.as_deref()
    }

    fn secret(&self, path: &str, problems: &mut Problems) -> Option<Secret> {
        match (&self.secret, &self.secret_file, &self.secret_env) {
            (Some(secret), None, None) => Some(secret.clone()),
            (None, Some(file), None) => Secret::from_file(&format!("{path}.secret_file"), file, problems),
            (None, None, Some(name)) => Secret::from_variable(&format!("{path}.secret_env"), name, problems),
            _ => {
                problems.add(path, "needs exactly one of secret, secret_file and secret_env");
                None
            }
        }
    }

    fn private_key(&self, path: &str, problems: &mut Problems) -> Option<PrivateKey> {
        let (Some(file), Some(name)) = (&self.private_key_file, &self.private_key_algorithm) else {
            problems.add(path, "needs private_key_file and private_key_algorithm");
            return None;
        };
        let pem = Secret::from_file(&format!("{path}.private_key_file"), file, problems);
        let Some(algorithm) = Algorithm::parse(name) else {
            problems.add(
                format!("{path}.private_key_algorithm"),
                format!("is {name:?}, which is not a signature algorithm that this crate supports"),
            );
            return None;
        };
        match PrivateKey::from_pkcs8_pem(algorithm, pem?.text()) {
            Ok(key) => Some(match &self.key_id {
                Some(key_id) => key.key_id(key_id),
                None => key,
            }),
            Err(error) => {
                problems.add(format!("{path}.private_key_file"), format!("is unusable: {error}"));
                None
            }
        }
    }
}
