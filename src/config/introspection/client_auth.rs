//! The credentials of introspection requests as data.
//!
//! Checks: that the method has the credentials that it needs, and no others.

use super::{AuthMethod, IntrospectionConfig};
use crate::config::values::{Problems, Secret, SecretSources, parse_algorithm};
use crate::crypto::{HmacAlgorithm, PrivateKey};
use crate::introspection::ClientAuth;

const SECRET_ALGORITHM_HINT: &str = "use the one that the authorization server expects, usually HS256";

impl IntrospectionConfig {
    pub(super) fn client_auth(&self, path: &str, problems: &mut Problems) -> Option<ClientAuth> {
        self.check_unused(path, problems);
        let auth = match self.auth {
            AuthMethod::PrivateKeyJwt => self.assertion_auth(path, problems),
            _ => self.secret_auth(path, problems),
        };
        let auth =
            auth.map(|auth| if self.endpoint_as_audience { auth.endpoint_as_audience() } else { auth });
        match &self.client_credentials {
            Some(request) => auth.map(|auth| request.client_auth(auth)),
            None => auth,
        }
    }

    /// Credentials with a secret, and with the fallback secret if there is one.
    fn secret_auth(&self, path: &str, problems: &mut Problems) -> Option<ClientAuth> {
        let id = match self.auth {
            AuthMethod::Bearer => None,
            _ => self.client_id(path, problems),
        };
        let algorithm = match self.auth {
            AuthMethod::ClientSecretJwt => self.secret_algorithm(path, problems),
            _ => None,
        };
        let secret = self.secret_sources().read(path, problems);
        let fallback = self.fallback_sources();
        let fallback = fallback.is_set().then(|| fallback.read(path, problems));
        let with = |secret: &str| {
            Some(match self.auth {
                AuthMethod::ClientSecretBasic => ClientAuth::secret_basic(id?, secret),
                AuthMethod::ClientSecretPost => ClientAuth::secret_post(id?, secret),
                AuthMethod::ClientSecretJwt => ClientAuth::secret_jwt(id?, secret, algorithm?),
                AuthMethod::Bearer => ClientAuth::bearer(secret),
                AuthMethod::PrivateKeyJwt => return None,
            })
        };
        let auth = with(secret?.text())?;
        match fallback {
            Some(secret) => Some(auth.with_fallback(with(secret?.text())?)),
            None => Some(auth),
        }
    }

    /// `private_key_jwt` with a key, or with assertions that another program signs.
    fn assertion_auth(&self, path: &str, problems: &mut Problems) -> Option<ClientAuth> {
        let id = self.client_id(path, problems);
        match &self.assertion_file {
            Some(_) if self.private_key_file.is_some() => {
                let reason = "has private_key_file and assertion_file, of which only one can be used";
                problems.add(path, reason, "keep the file with the key, or the one with the assertion");
                None
            }
            Some(file) => Some(ClientAuth::assertion_file(id?, file)),
            None => {
                let key = self.private_key(path, problems);
                Some(ClientAuth::private_key_jwt(id?, key?))
            }
        }
    }

    /// Rejects credentials that the method does not use: they would seem to protect something.
    fn check_unused(&self, path: &str, problems: &mut Problems) {
        use AuthMethod::{Bearer, ClientSecretJwt, PrivateKeyJwt};
        let uses_key = self.auth == PrivateKeyJwt;
        // Both files together are another problem.
        let signs_with_key = uses_key && (self.private_key_file.is_some() || self.assertion_file.is_none());
        let signs = signs_with_key || self.auth == ClientSecretJwt;
        let sources = [self.secret_sources(), self.fallback_sources()];
        let secrets = sources
            .iter()
            .flat_map(|sources| sources.names().map(|(name, is_set)| (name, is_set, !uses_key)));
        let others = [
            ("client_id", self.client_id.is_some(), self.auth != Bearer),
            ("secret_algorithm", self.secret_algorithm.is_some(), self.auth == ClientSecretJwt),
            ("private_key_file", self.private_key_file.is_some(), uses_key),
            ("private_key_algorithm", self.private_key_algorithm.is_some(), signs_with_key),
            ("key_id", self.key_id.is_some(), signs_with_key),
            ("assertion_file", self.assertion_file.is_some(), uses_key),
            ("endpoint_as_audience", self.endpoint_as_audience, signs),
            ("client_credentials", self.client_credentials.is_some(), self.auth != Bearer),
        ];
        let others = others.into_iter().map(|(name, is_set, is_used)| (name.to_owned(), is_set, is_used));
        for (name, _, _) in secrets.chain(others).filter(|(_, is_set, is_used)| *is_set && !is_used) {
            let hint = "remove it, or set the method in `auth` that uses it";
            problems.add(format!("{path}.{name}"), "has no effect with these credentials", hint);
        }
    }

    fn secret_sources(&self) -> SecretSources<'_> {
        SecretSources {
            name: "secret",
            text: self.secret.as_ref(),
            file: self.secret_file.as_deref(),
            variable: self.secret_env.as_deref(),
        }
    }

    fn fallback_sources(&self) -> SecretSources<'_> {
        SecretSources {
            name: "fallback_secret",
            text: self.fallback_secret.as_ref(),
            file: self.fallback_secret_file.as_deref(),
            variable: self.fallback_secret_env.as_deref(),
        }
    }

    fn client_id(&self, path: &str, problems: &mut Problems) -> Option<&str> {
        if self.client_id.is_none() {
            let hint = "set the client ID that the authorization server registered for this API";
            problems.add(format!("{path}.client_id"), "is missing", hint);
        }
        self.client_id.as_deref()
    }

    fn secret_algorithm(&self, path: &str, problems: &mut Problems) -> Option<HmacAlgorithm> {
        let setting = format!("{path}.secret_algorithm");
        let Some(name) = &self.secret_algorithm else {
            problems.add(setting, "is missing", SECRET_ALGORITHM_HINT);
            return None;
        };
        let algorithm = HmacAlgorithm::parse(name);
        if algorithm.is_none() {
            let reason = format!("is {name:?}, which is not HS256, HS384 or HS512");
            problems.add(setting, reason, SECRET_ALGORITHM_HINT);
        }
        algorithm
    }

    fn private_key(&self, path: &str, problems: &mut Problems) -> Option<PrivateKey> {
        let (Some(file), Some(name)) = (&self.private_key_file, &self.private_key_algorithm) else {
            let reason = "needs private_key_file and private_key_algorithm, or assertion_file";
            problems.add(path, reason, "name the key of this API and its algorithm, such as ES256");
            return None;
        };
        let setting = format!("{path}.private_key_file");
        let pem = Secret::from_file(&setting, file, problems);
        let algorithm = parse_algorithm(&format!("{path}.private_key_algorithm"), name, problems);
        match PrivateKey::from_pkcs8_pem(algorithm?, pem?.text()) {
            Ok(key) => Some(match &self.key_id {
                Some(key_id) => key.key_id(key_id),
                None => key,
            }),
            Err(error) => {
                let hint = "name a PKCS#8 PEM file with a private key for private_key_algorithm";
                problems.add(setting, format!("is unusable: {error}"), hint);
                None
            }
        }
    }
}
