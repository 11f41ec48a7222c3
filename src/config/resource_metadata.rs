//! The metadata of the protected resource as data.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::values::secs;
use crate::resource_metadata::ResourceMetadata;

#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResourceMetadataConfig {
    pub(super) resource: String,
    #[serde(default)]
    scopes_supported: Vec<String>,
    #[serde(default)]
    scope_hint: Vec<String>,
    name: Option<String>,
    /// The name in other languages, by language tag.
    #[serde(default)]
    localized_names: BTreeMap<String, String>,
    documentation: Option<String>,
    policy_uri: Option<String>,
    tos_uri: Option<String>,
    #[serde(default)]
    form_body_tokens: bool,
    max_age_secs: Option<u64>,
}

type SetText = fn(ResourceMetadata, String) -> ResourceMetadata;

impl ResourceMetadataConfig {
    pub(super) fn at(resource: String) -> Self {
        Self { resource, ..Self::default() }
    }

    pub(super) fn build(&self) -> ResourceMetadata {
        let mut metadata = ResourceMetadata::at(&self.resource)
            .scopes_supported(&self.scopes_supported)
            .scope_hint(&self.scope_hint);
        let texts: [(&Option<String>, SetText); 4] = [
            (&self.name, ResourceMetadata::name),
            (&self.documentation, ResourceMetadata::documentation),
            (&self.policy_uri, ResourceMetadata::policy_uri),
            (&self.tos_uri, ResourceMetadata::tos_uri),
        ];
        for (text, set) in texts {
            if let Some(text) = text {
                metadata = set(metadata, text.clone());
            }
        }
        for (language, name) in &self.localized_names {
            metadata = metadata.add_localized_name(language, name);
        }
        if self.form_body_tokens {
            metadata = metadata.form_body_tokens();
        }
        secs(metadata, self.max_age_secs, ResourceMetadata::max_age)
    }
}
