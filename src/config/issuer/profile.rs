//! The names of the profiles, and the settings that each needs.

use serde::Deserialize;

/// The profiles, by the names of their functions.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::config) enum Profile {
    Adfs,
    Auth0,
    Cognito,
    Dex,
    Entra,
    EntraV1,
    Google,
    Hydra,
    Keycloak,
    Kubernetes,
    Okta,
    Zitadel,
}

impl Profile {
    /// The settings that it needs.
    pub(super) fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Adfs => &["host"],
            Self::Auth0 => &["domain"],
            Self::Cognito => &["region", "pool"],
            Self::Entra | Self::EntraV1 => &["tenant"],
            Self::Google => &[],
            Self::Dex | Self::Hydra | Self::Keycloak | Self::Kubernetes | Self::Okta | Self::Zitadel => {
                &["issuer"]
            }
        }
    }
}
