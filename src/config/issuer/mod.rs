//! The settings of an issuer as data.
//!
//! - `keys` finds the constructor: a `profile`, or where the keys are.
//! - `claim_values` reads the values that claims must have.

mod claim_values;
mod keys;
mod profile;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

use self::claim_values::ValueConfig;
use self::profile::Profile;
use super::introspection::IntrospectionConfig;
use super::values::{Problems, one_or_many, parse_algorithm, read_file, secs};
use crate::crypto::Algorithm;
use crate::fetch_url::EndpointHosts;
use crate::settings::Issuer;

#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IssuerConfig {
    pub(super) issuer: Option<String>,
    pub(super) profile: Option<Profile>,
    pub(super) tenant: Option<String>,
    pub(super) domain: Option<String>,
    pub(super) host: Option<String>,
    pub(super) region: Option<String>,
    pub(super) pool: Option<String>,
    pub(super) shared_metadata: Option<String>,
    pub(super) jwks_url: Option<String>,
    pub(super) jwks_file: Option<PathBuf>,
    pub(super) jwks: Option<String>,
    #[serde(default)]
    pub(super) without_keys: bool,
    #[serde(default)]
    pub(super) fallback_jwks_urls: Vec<String>,
    pub(super) seed_jwks_file: Option<PathBuf>,
    #[serde(default, deserialize_with = "one_or_many")]
    pub(super) audience: Vec<String>,
    pub(super) audience_claim: Option<String>,
    pub(super) algorithms: Option<Vec<String>>,
    pub(super) default_key_algorithm: Option<String>,
    pub(super) allowed_clients: Option<Vec<String>>,
    pub(super) client_claims: Option<Vec<String>>,
    pub(super) role_claims: Option<Vec<String>>,
    pub(super) scope_claims: Option<Vec<String>>,
    #[serde(default)]
    pub(super) require_claims: Vec<String>,
    #[serde(default)]
    pub(super) require_claim_values: BTreeMap<String, ValueConfig>,
    pub(super) max_age_secs: Option<u64>,
    pub(super) max_lifetime_secs: Option<u64>,
    #[serde(default)]
    pub(super) strict_rfc9068: bool,
    #[serde(default)]
    pub(super) require_public_addresses: bool,
    pub(super) endpoint_hosts: Option<HostsConfig>,
    #[serde(default)]
    pub(super) dangerous_accept_types: Vec<String>,
    #[serde(default)]
    pub(super) dangerous_accept_id_token_claims: bool,
    #[serde(default)]
    pub(super) dangerous_allow_http: bool,
    pub(super) introspection: Option<IntrospectionConfig>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum HostsConfig {
    Any,
    IssuerAndSubdomains,
    Listed(Vec<String>),
}

type SetFlag = fn(Issuer) -> Issuer;

impl IssuerConfig {
    /// The issuer with all settings that can be read; `None` if it has no identifier. `path` is that of this
    /// issuer in the configuration.
    pub(super) fn build(&self, path: &str, problems: &mut Problems) -> Option<Issuer> {
        let setting = |name: &str| format!("{path}.{name}");
        // Everything is read before the return, so that all problems are reported.
        let issuer = self.constructed(path, problems);
        let algorithms = self.parse_algorithms(path, problems);
        let default_algorithm = self
            .default_key_algorithm
            .as_ref()
            .and_then(|name| parse_algorithm(&setting("default_key_algorithm"), name, problems));
        let seed = self.seed_jwks_file.as_ref();
        let seed = seed.and_then(|file| read_file(&setting("seed_jwks_file"), file, problems));
        let introspection = self.introspection.as_ref();
        let introspection = introspection.map(|config| config.build(&setting("introspection"), problems));
        let mut issuer = issuer?;
        if let Some(algorithms) = algorithms {
            issuer = issuer.algorithms(algorithms);
        }
        if let Some(algorithm) = default_algorithm {
            issuer = issuer.default_key_algorithm(algorithm);
        }
        if let Some(jwks) = seed {
            issuer = issuer.seed_jwks(jwks);
        }
        if let Some(introspection) = introspection {
            issuer = issuer.introspect(introspection);
        }
        Some(self.set_rules(self.set_claims(self.set_urls(issuer))))
    }

    /// `None` if an algorithm is unknown: the others would be another list.
    fn parse_algorithms(&self, path: &str, problems: &mut Problems) -> Option<Vec<Algorithm>> {
        let names = self.algorithms.as_ref()?.iter().enumerate();
        let parse = |(index, name): (usize, &String)| {
            parse_algorithm(&format!("{path}.algorithms[{index}]"), name, problems)
        };
        // Two steps, so that every unknown name is reported.
        let parsed: Vec<Option<Algorithm>> = names.map(parse).collect();
        parsed.into_iter().collect()
    }

    fn set_urls(&self, mut issuer: Issuer) -> Issuer {
        for url in &self.fallback_jwks_urls {
            issuer = issuer.add_fallback_jwks_url(url);
        }
        match &self.endpoint_hosts {
            None => issuer,
            Some(HostsConfig::Any) => issuer.endpoint_hosts(EndpointHosts::any()),
            Some(HostsConfig::IssuerAndSubdomains) => {
                issuer.endpoint_hosts(EndpointHosts::issuer_and_subdomains())
            }
            Some(HostsConfig::Listed(hosts)) => issuer.endpoint_hosts(EndpointHosts::listed(hosts)),
        }
    }

    /// Sets the names of claims, the audience and the clients.
    fn set_claims(&self, mut issuer: Issuer) -> Issuer {
        let mut audiences = self.audience.iter();
        if let Some(audience) = audiences.next() {
            issuer = issuer.audience(audience);
        }
        for audience in audiences {
            issuer = issuer.add_audience(audience);
        }
        if let Some(claim) = &self.audience_claim {
            issuer = issuer.audience_claim(claim);
        }
        if let Some(clients) = &self.allowed_clients {
            issuer = issuer.allowed_clients(clients);
        }
        if let Some(names) = &self.client_claims {
            issuer = issuer.client_claims(names);
        }
        if let Some(pointers) = &self.role_claims {
            issuer = issuer.role_claims(pointers);
        }
        if let Some(names) = &self.scope_claims {
            issuer = issuer.scope_claims(names);
        }
        for name in &self.require_claims {
            issuer = issuer.require_claim(name);
        }
        for (claim, value) in &self.require_claim_values {
            issuer = issuer.require_claim_value(claim, value.clone());
        }
        issuer
    }

    fn set_rules(&self, mut issuer: Issuer) -> Issuer {
        for typ in &self.dangerous_accept_types {
            issuer = issuer.dangerous_accept_type(typ);
        }
        issuer = secs(issuer, self.max_age_secs, Issuer::max_age);
        issuer = secs(issuer, self.max_lifetime_secs, Issuer::max_lifetime);
        let flags: [(bool, SetFlag); 4] = [
            (self.strict_rfc9068, Issuer::strict_rfc9068),
            (self.require_public_addresses, Issuer::require_public_addresses),
            (self.dangerous_accept_id_token_claims, Issuer::dangerous_accept_id_token_claims),
            (self.dangerous_allow_http, Issuer::dangerous_allow_http),
        ];
        flags.into_iter().filter(|(is_on, _)| *is_on).fold(issuer, |issuer, (_, set)| set(issuer))
    }
}
