//! The settings of an issuer as data.

use std::path::PathBuf;

use serde::Deserialize;

use super::introspection::IntrospectionConfig;
use super::values::{Problems, one_or_many, read_file, secs};
use crate::crypto::Algorithm;
use crate::fetch_url::EndpointHosts;
use crate::settings::Issuer;

#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IssuerConfig {
    pub(super) issuer: String,
    pub(super) jwks_url: Option<String>,
    pub(super) jwks_file: Option<PathBuf>,
    pub(super) jwks: Option<String>,
    #[serde(default)]
    pub(super) without_keys: bool,
    pub(super) seed_jwks_file: Option<PathBuf>,
    #[serde(default, deserialize_with = "one_or_many")]
    pub(super) audience: Vec<String>,
    pub(super) algorithms: Option<Vec<String>>,
    pub(super) allowed_clients: Option<Vec<String>>,
    pub(super) scope_claims: Option<Vec<String>>,
    #[serde(default)]
    pub(super) require_claims: Vec<String>,
    pub(super) max_age_secs: Option<u64>,
    pub(super) max_lifetime_secs: Option<u64>,
    #[serde(default)]
    pub(super) strict_rfc9068: bool,
    pub(super) endpoint_hosts: Option<HostsConfig>,
    #[serde(default)]
    pub(super) dangerous_accept_types: Vec<String>,
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

impl IssuerConfig {
    /// The issuer, unless its keys cannot be read. `path` is that of this issuer in the configuration.
    pub(super) fn build(&self, path: &str, problems: &mut Problems) -> Option<Issuer> {
        let introspection = self
            .introspection
            .as_ref()
            .map(|config| config.build(&format!("{path}.introspection"), problems));
        let algorithms = self.parse_algorithms(path, problems);
        let mut issuer = self.with_keys(path, problems)?;
        if let Some(algorithms) = algorithms {
            issuer = issuer.algorithms(algorithms);
        }
        if let Some(file) = &self.seed_jwks_file {
            issuer = issuer.seed_jwks(read_file(&format!("{path}.seed_jwks_file"), file, problems)?);
        }
        if let Some(introspection) = introspection {
            issuer = issuer.introspect(introspection?);
        }
        Some(self.set_claims(self.set_urls(issuer)))
    }

    fn with_keys(&self, path: &str, problems: &mut Problems) -> Option<Issuer> {
        let sources = [
            ("jwks_url", self.jwks_url.is_some()),
            ("jwks_file", self.jwks_file.is_some()),
            ("jwks", self.jwks.is_some()),
            ("without_keys", self.without_keys),
        ];
        let set: Vec<&str> =
            sources.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name).collect();
        if set.len() > 1 {
            problems.add(path, format!("has {}, of which only one can be used", set.join(" and ")));
            return None;
        }
        let identifier = &self.issuer;
        Some(match (&self.jwks_url, &self.jwks_file, &self.jwks) {
            (Some(url), ..) => Issuer::with_jwks_url(identifier, url),
            (_, Some(file), _) => {
                let jwks = read_file(&format!("{path}.jwks_file"), file, problems)?;
                Issuer::with_static_jwks(identifier, jwks)
            }
            (.., Some(jwks)) => Issuer::with_static_jwks(identifier, jwks),
            _ if self.without_keys => Issuer::without_keys(identifier),
            _ => Issuer::discover(identifier),
        })
    }

    fn parse_algorithms(&self, path: &str, problems: &mut Problems) -> Option<Vec<Algorithm>> {
        let mut algorithms = Vec::new();
        for (index, name) in self.algorithms.as_ref()?.iter().enumerate() {
            match Algorithm::parse(name) {
                Some(algorithm) => algorithms.push(algorithm),
                None => problems.add(
                    format!("{path}.algorithms[{index}]"),
                    format!("is {name:?}, which is not a signature algorithm that this crate supports"),
                ),
            }
        }
        Some(algorithms)
    }

    fn set_urls(&self, mut issuer: Issuer) -> Issuer {
        if let Some(hosts) = &self.endpoint_hosts {
            issuer = issuer.endpoint_hosts(match hosts {
                HostsConfig::Any => EndpointHosts::any(),
                HostsConfig::IssuerAndSubdomains => EndpointHosts::issuer_and_subdomains(),
                HostsConfig::Listed(hosts) => EndpointHosts::listed(hosts),
            });
        }
        if self.dangerous_allow_http { issuer.dangerous_allow_http() } else { issuer }
    }

    fn set_claims(&self, mut issuer: Issuer) -> Issuer {
        let mut audiences = self.audience.iter();
        if let Some(audience) = audiences.next() {
            issuer = issuer.audience(audience);
        }
        for audience in audiences {
            issuer = issuer.add_audience(audience);
        }
        if let Some(clients) = &self.allowed_clients {
            issuer = issuer.allowed_clients(clients);
        }
        if let Some(names) = &self.scope_claims {
            issuer = issuer.scope_claims(names);
        }
        for name in &self.require_claims {
            issuer = issuer.require_claim(name);
        }
        for typ in &self.dangerous_accept_types {
            issuer = issuer.dangerous_accept_type(typ);
        }
        issuer = secs(issuer, self.max_age_secs, Issuer::max_age);
        issuer = secs(issuer, self.max_lifetime_secs, Issuer::max_lifetime);
        if self.strict_rfc9068 { issuer.strict_rfc9068() } else { issuer }
    }
}
