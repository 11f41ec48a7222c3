//! The setting for the metadata of the protected resource (RFC 9728).

use super::BearerAuthBuilder;
use crate::resource_metadata::ResourceMetadata;

/// Protected resource metadata.
impl BearerAuthBuilder {
    /// Names the metadata document of this API in every challenge, so that clients find its authorization
    /// servers (RFC 9728 section 5.1). Default: no metadata.
    ///
    /// [`BearerAuth::resource_metadata`](crate::BearerAuth::resource_metadata) returns the service for the
    /// document, which you mount. The module [`resource_metadata`](crate::resource_metadata) has an example.
    /// The URL comes from the configuration and never from a request, so no `Host` header can change it.
    ///
    /// ```
    /// use tower_bearer::BearerAuth;
    /// use tower_bearer::resource_metadata::ResourceMetadata;
    ///
    /// let builder = BearerAuth::builder("https://api.example.com/mcp")
    ///     .resource_metadata(ResourceMetadata::at("https://api.example.com/mcp"));
    /// // WWW-Authenticate: Bearer realm="https://api.example.com/mcp",
    /// //     resource_metadata="https://api.example.com/.well-known/oauth-protected-resource/mcp"
    /// ```
    pub fn resource_metadata(mut self, metadata: ResourceMetadata) -> Self {
        self.resource_metadata = Some(metadata);
        self
    }
}
