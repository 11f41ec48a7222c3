//! The metadata document of the API behind a `BearerAuth` (RFC 9728).

use std::sync::Arc;

use super::layer::BearerAuth;
use crate::resource_metadata::ResourceMetadataService;

impl BearerAuth {
    /// A service that responds with the metadata document of this API (RFC 9728), or `None` without
    /// [`BearerAuthBuilder::resource_metadata`](crate::BearerAuthBuilder::resource_metadata).
    ///
    /// Mount it at its paths, outside of `BearerAuth`: clients without a token must reach it. The module
    /// [`resource_metadata`](crate::resource_metadata) has an example. Like a clone, the service keeps the
    /// background tasks of the issuers running.
    ///
    /// ```
    /// # #[cfg(feature = "reqwest")] {
    /// use tower_bearer::resource_metadata::ResourceMetadata;
    /// use tower_bearer::{BearerAuth, Issuer};
    ///
    /// let auth = BearerAuth::builder("https://api.example.com/mcp")
    ///     .issuer(Issuer::discover("https://login.example.com"))
    ///     .resource_metadata(ResourceMetadata::at("https://api.example.com/mcp"))
    ///     .build()?;
    /// let metadata = auth.resource_metadata().unwrap();
    /// assert_eq!(metadata.url(), "https://api.example.com/.well-known/oauth-protected-resource/mcp");
    /// assert!(metadata.document().contains(r#""authorization_servers":["https://login.example.com"]"#));
    /// # }
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    #[must_use]
    pub fn resource_metadata(&self) -> Option<ResourceMetadataService> {
        let metadata = self.shared.responder.settings().resource_metadata.as_ref()?;
        Some(ResourceMetadataService::new(Arc::clone(metadata), &self.shared.authenticator))
    }
}
