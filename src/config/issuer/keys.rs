//! The constructor of an issuer: a profile with its arguments, or where its keys are.
//!
//! Checks: that one source of keys is named, and that each argument of the profile is there and no other.
//!
//! Why an issuer is built after a problem: its other settings are checked, too. It is never used.

use super::IssuerConfig;
use super::profile::Profile;
use crate::config::values::{Problems, read_file};
use crate::settings::Issuer;

/// Stands in for keys in a file that cannot be read.
const UNREADABLE_KEYS: &str = "https://keys.invalid";

impl IssuerConfig {
    /// The identifier, or the argument of the profile that stands for it.
    pub(in crate::config) fn name(&self) -> &str {
        let names = [&self.issuer, &self.tenant, &self.domain, &self.host, &self.pool];
        names.into_iter().flatten().next().map_or("", |name| name)
    }

    /// The issuer with its identifier and its keys, without its other settings. `None` if it has no
    /// identifier.
    pub(super) fn constructed(&self, path: &str, problems: &mut Problems) -> Option<Issuer> {
        self.check_arguments(path, problems);
        self.check_key_sources(path, problems);
        let file = self.jwks_file.as_ref();
        let file = file.map(|file| read_file(&format!("{path}.jwks_file"), file, problems));
        let issuer = match self.profile {
            Some(profile) => self.of_profile(profile)?,
            None => self.of_key_source(self.issuer.as_ref()?, file),
        };
        Some(match &self.shared_metadata {
            Some(url) => issuer.shared_metadata(url),
            None => issuer,
        })
    }

    fn of_key_source(&self, identifier: &str, file: Option<Option<String>>) -> Issuer {
        match (&self.jwks_url, file, &self.jwks) {
            (Some(url), ..) => Issuer::with_jwks_url(identifier, url),
            (_, Some(Some(jwks)), _) => Issuer::with_static_jwks(identifier, jwks),
            (_, Some(None), _) => Issuer::with_jwks_url(identifier, UNREADABLE_KEYS),
            (.., Some(jwks)) => Issuer::with_static_jwks(identifier, jwks),
            _ if self.without_keys => Issuer::without_keys(identifier),
            _ => Issuer::discover(identifier),
        }
    }

    /// Checks that the arguments are those of the profile. Without a profile, the issuer is the only one.
    fn check_arguments(&self, path: &str, problems: &mut Problems) {
        let needed = self.profile.map_or(&["issuer"][..], Profile::arguments);
        let arguments = [
            ("issuer", self.issuer.is_some()),
            ("tenant", self.tenant.is_some()),
            ("domain", self.domain.is_some()),
            ("host", self.host.is_some()),
            ("region", self.region.is_some()),
            ("pool", self.pool.is_some()),
        ];
        for (name, is_set) in arguments {
            let (fault, hint) = match (needed.contains(&name), is_set) {
                (true, false) if self.profile.is_some() => {
                    ("is missing", "set it, because the profile is built from it")
                }
                (true, false) => ("is missing", "set it to the `iss` of its tokens, or use a profile"),
                (false, true) if self.profile.is_some() => {
                    ("has no effect with this profile", "remove it, or use another profile")
                }
                (false, true) => ("has no effect without a profile", "remove it, or add the profile"),
                _ => continue,
            };
            problems.add(format!("{path}.{name}"), fault, hint);
        }
    }

    /// Checks that at most one setting says where the keys are. Shared metadata may replace the metadata of a
    /// profile.
    fn check_key_sources(&self, path: &str, problems: &mut Problems) {
        let sources = [
            ("profile", self.profile.is_some() && self.shared_metadata.is_none()),
            ("shared_metadata", self.shared_metadata.is_some()),
            ("jwks_url", self.jwks_url.is_some()),
            ("jwks_file", self.jwks_file.is_some()),
            ("jwks", self.jwks.is_some()),
            ("without_keys", self.without_keys),
        ];
        let set: Vec<&str> =
            sources.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name).collect();
        if set.len() > 1 {
            let reason = format!("has {}, of which only one can be used", set.join(" and "));
            problems.add(path, reason, "keep the one that says where the keys are");
        }
    }

    /// `None` if an argument is missing.
    fn of_profile(&self, profile: Profile) -> Option<Issuer> {
        let (issuer, tenant) = (self.issuer.as_deref(), self.tenant.as_deref());
        Some(match profile {
            Profile::Adfs => Issuer::adfs(self.host.as_deref()?),
            Profile::Auth0 => Issuer::auth0(self.domain.as_deref()?),
            Profile::Cognito => Issuer::cognito(self.region.as_deref()?, self.pool.as_deref()?),
            Profile::Dex => Issuer::dex(issuer?),
            Profile::Entra => Issuer::entra(tenant?),
            Profile::EntraV1 => Issuer::entra_v1(tenant?),
            Profile::Google => Issuer::google(),
            Profile::Hydra => Issuer::hydra(issuer?),
            Profile::Keycloak => Issuer::keycloak(issuer?),
            Profile::Kubernetes => Issuer::kubernetes(issuer?),
            Profile::Okta => Issuer::okta(issuer?),
            Profile::Zitadel => Issuer::zitadel(issuer?),
        })
    }
}
