//! The constructor of an issuer: a profile with its arguments, or where its keys are.
//!
//! Checks: that one source of keys is named, and that each argument of the profile is there and no other.

use super::IssuerConfig;
use super::profile::Profile;
use crate::config::values::{Problems, read_file};
use crate::settings::Issuer;

impl IssuerConfig {
    /// The identifier, or the argument of the profile that stands for it.
    pub(in crate::config) fn name(&self) -> &str {
        let names = [&self.issuer, &self.tenant, &self.domain, &self.host, &self.pool];
        names.into_iter().flatten().next().map_or("", |name| name)
    }

    /// The issuer with its identifier and its keys, without its other settings.
    pub(super) fn constructed(&self, path: &str, problems: &mut Problems) -> Option<Issuer> {
        let has_arguments = self.check_arguments(path, problems);
        let has_one_source = self.check_key_sources(path, problems);
        let file = self.jwks_file.as_ref();
        let file = file.map(|file| read_file(&format!("{path}.jwks_file"), file, problems));
        if !(has_arguments && has_one_source) {
            return None;
        }
        if let Some(profile) = self.profile {
            return self.of_profile(profile);
        }
        let identifier = self.issuer.as_ref()?;
        Some(match (&self.jwks_url, file, &self.jwks) {
            (Some(url), ..) => Issuer::with_jwks_url(identifier, url),
            (_, Some(jwks), _) => Issuer::with_static_jwks(identifier, jwks?),
            (.., Some(jwks)) => Issuer::with_static_jwks(identifier, jwks),
            _ if self.without_keys => Issuer::without_keys(identifier),
            _ => Issuer::discover(identifier),
        })
    }

    /// Whether the arguments are those of the profile. Without a profile, the issuer is the only one.
    fn check_arguments(&self, path: &str, problems: &mut Problems) -> bool {
        let needed = self.profile.map_or(&["issuer"][..], Profile::arguments);
        let arguments = [
            ("issuer", self.issuer.is_some()),
            ("tenant", self.tenant.is_some()),
            ("domain", self.domain.is_some()),
            ("host", self.host.is_some()),
            ("region", self.region.is_some()),
            ("pool", self.pool.is_some()),
        ];
        let mut is_complete = true;
        for (name, is_set) in arguments {
            let fault = match (needed.contains(&name), is_set) {
                (true, false) => "is missing",
                (false, true) if self.profile.is_some() => "has no effect with this profile",
                (false, true) => "has no effect without a profile",
                _ => continue,
            };
            problems.add(format!("{path}.{name}"), fault);
            is_complete = false;
        }
        is_complete
    }

    /// Whether at most one setting says where the keys are.
    fn check_key_sources(&self, path: &str, problems: &mut Problems) -> bool {
        let sources = [
            ("profile", self.profile.is_some()),
            ("jwks_url", self.jwks_url.is_some()),
            ("jwks_file", self.jwks_file.is_some()),
            ("jwks", self.jwks.is_some()),
            ("without_keys", self.without_keys),
        ];
        let set: Vec<&str> =
            sources.into_iter().filter(|(_, is_set)| *is_set).map(|(name, _)| name).collect();
        if set.len() > 1 {
            problems.add(path, format!("has {}, of which only one can be used", set.join(" and ")));
        }
        set.len() <= 1
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
