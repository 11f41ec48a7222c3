//! Checks the settings of one issuer.
//!
//! Checks: the identifier; empty lists; limits of zero; settings that would have no effect.
//! Does not check: anything that needs the network. `check_claims.rs` checks the names of claims,
//! `tenants.rs` the tenants of Entra ID.

use std::time::Duration;

use super::check_claims::check_audiences;
use super::{Issuer, KeyOrigin};
use crate::authenticate::JwtIntrospection;
use crate::crypto::AlgorithmSet;
use crate::fetch_url::{FetchUrl, redacted};
use crate::settings::config_error::ConfigProblem;

/// The identifiers of Google, the second one in tokens of older endpoints. Any customer can create identity
/// tokens with any `aud`.
const GOOGLE_IDENTIFIERS: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];

/// The well-known paths, which end or precede the path of an issuer.
const METADATA_PATHS: [&str; 2] =
    ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"];

impl Issuer {
    pub(super) fn check(&self, problems: &mut Vec<ConfigProblem>) {
        let issuer = || self.identifier.clone();
        if let Some(fault) = &self.profile_fault {
            problems.push(fault.problem());
        } else if let Some(problem) = self.entra_fault() {
            problems.push(problem);
        } else if let KeyOrigin::SharedMetadata(url) = &self.keys
            && let Some(problem) = self.shared_metadata_fault(url)
        {
            problems.push(problem);
        } else if let Some(reason) = self.identifier_fault() {
            let issuer = redacted(&self.identifier);
            problems.push(ConfigProblem::IssuerUnusable { issuer, reason });
        }
        self.check_endpoint_hosts(problems);
        if self.algorithms.is_some_and(AlgorithmSet::is_empty) {
            problems.push(ConfigProblem::NoAlgorithm { issuer: issuer() });
        }
        let is_allowed = |algorithm| self.algorithms.is_none_or(|allowed| allowed.contains(algorithm));
        if let Some(algorithm) = self.default_key_algorithm.filter(|algorithm| !is_allowed(*algorithm)) {
            problems.push(ConfigProblem::DefaultAlgorithmNotAllowed { issuer: issuer(), algorithm });
        }
        check_audiences(self.audience.iter().chain(&self.added_audiences), problems);
        self.check_claim_settings(problems);
        if matches!(self.keys, KeyOrigin::None) {
            self.check_without_keys(problems);
        }
        if matches!(self.keys, KeyOrigin::Document(_)) {
            self.check_static_keys(problems);
        }
        let restricts_callers =
            self.allowed_clients.is_some() || !self.validators.is_empty() || !self.required_values.is_empty();
        if GOOGLE_IDENTIFIERS.contains(&&*self.identifier) && !restricts_callers {
            problems.push(ConfigProblem::CallersUnrestricted { issuer: issuer() });
        }
        if self.allowed_clients.as_ref().is_some_and(Vec::is_empty) {
            problems.push(ConfigProblem::NoClient { issuer: issuer() });
        }
        for (setting, duration) in [("max_age", self.max_age), ("max_lifetime", self.max_lifetime)] {
            if duration == Some(Duration::ZERO) {
                problems.push(ConfigProblem::Zero { setting });
            }
        }
    }

    fn check_endpoint_hosts(&self, problems: &mut Vec<ConfigProblem>) {
        let unusable = |host: &str, reason: &'static str| ConfigProblem::EndpointHostsUnusable {
            issuer: self.identifier.clone(),
            host: host.to_owned(),
            reason,
        };
        if let Some(host) = self.endpoint_hosts.invalid_entry() {
            problems.push(unusable(host, "is not a host name, an IP address, or `*.` and a host name"));
        }
        if self.endpoint_hosts.restricts() && !self.is_discovered() {
            problems.push(ConfigProblem::EndpointHostsWithoutEffect { issuer: self.identifier.clone() });
        }
    }

    /// Reject settings that would have no effect.
    fn check_without_keys(&self, problems: &mut Vec<ConfigProblem>) {
        let issuer = || self.identifier.clone();
        let Some(introspection) = &self.introspection else {
            return problems.push(ConfigProblem::NoKeysNorIntrospection { issuer: issuer() });
        };
        let settings = [
            ("strict_rfc9068", self.strict_rfc9068),
            ("algorithms", self.algorithms.is_some()),
            ("default_key_algorithm", self.default_key_algorithm.is_some()),
            ("dangerous_accept_type", !self.added_types.is_empty()),
            ("seed_jwks", self.seed.is_some()),
            ("add_fallback_jwks_url", !self.fallback_urls.is_empty()),
            ("also_jwts", !matches!(introspection.jwts(), JwtIntrospection::None)),
        ];
        let without_effect = settings.into_iter().filter(|(_, is_set)| *is_set);
        problems.extend(
            without_effect.map(|(setting, _)| ConfigProblem::SettingNeedsKeys { issuer: issuer(), setting }),
        );
    }

    /// Rejects settings for keys that are fetched.
    fn check_static_keys(&self, problems: &mut Vec<ConfigProblem>) {
        let settings = [
            ("seed_jwks", self.seed.is_some()),
            ("add_fallback_jwks_url", !self.fallback_urls.is_empty()),
            ("http_client", self.client.is_some() && self.introspection.is_none()),
        ];
        let without_effect = settings.into_iter().filter(|(_, is_set)| *is_set);
        problems.extend(without_effect.map(|(setting, _)| ConfigProblem::SettingNeedsFetchedKeys {
            issuer: self.identifier.clone(),
            setting,
        }));
    }

    fn identifier_fault(&self) -> Option<&'static str> {
        match self.keys {
            KeyOrigin::Discovery | KeyOrigin::SharedMetadata(_) => {
                match FetchUrl::parse(&self.identifier, self.plain_http) {
                    Err(fault) => Some(fault.as_str()),
                    Ok(url) if url.has_query() => Some("has a query"),
                    Ok(url) if is_of_metadata(&url) => Some("is the URL of a metadata document"),
                    Ok(_) => None,
                }
            }
            _ if self.identifier.is_empty() => Some("is empty"),
            KeyOrigin::Url(_) | KeyOrigin::Document(_) | KeyOrigin::None => None,
        }
    }
}

/// Whether it is the URL of a metadata document, which no issuer has as its identifier.
fn is_of_metadata(url: &FetchUrl) -> bool {
    METADATA_PATHS.iter().any(|path| url.path().contains(path))
}
