//! Protected resource metadata (RFC 9728): a document that tells clients which authorization servers issue
//! tokens for this API.
//!
//! A client that knows only the URL of the API sends a request without a token. The challenge of the 401 has
//! a parameter `resource_metadata`, the URL of the document. The document names the authorization servers,
//! whose own metadata says where to get a token. MCP clients find their authorization server this way.
//!
//! ```
//! # #[cfg(all(feature = "axum", feature = "reqwest"))] {
//! use axum::{Router, routing::post};
//! use tower_bearer::resource_metadata::ResourceMetadata;
//! use tower_bearer::{BearerAuth, ConfigError, Issuer};
//!
//! fn app() -> Result<Router, ConfigError> {
//!     let auth = BearerAuth::builder("https://api.example.com/mcp")
//!         .issuer(Issuer::discover("https://login.example.com"))
//!         .resource_metadata(
//!             ResourceMetadata::at("https://api.example.com/mcp")
//!                 .scopes_supported(["tools:read", "tools:write"])
//!                 .scope_hint(["tools:read"])
//!                 .name("Example tools"),
//!         )
//!         .build()?;
//!     let mut app = Router::new().route("/mcp", post(async || "{}")).layer(auth.clone());
//!     // After the layer, so that it needs no token.
//!     if let Some(metadata) = auth.resource_metadata() {
//!         for path in metadata.paths() {
//!             app = app.route_service(path, metadata.clone());
//!         }
//!     }
//!     Ok(app)
//! }
//! # app().unwrap();
//! # }
//! ```
//!
//! Every challenge of this `BearerAuth` then names the document, with any status and for gRPC as well:
//!
//! ```text
//! WWW-Authenticate: Bearer realm="https://api.example.com/mcp", scope="tools:read",
//!     resource_metadata="https://api.example.com/.well-known/oauth-protected-resource/mcp"
//! ```
//!
//! # What the document says
//!
//! | member | value |
//! |---|---|
//! | `resource` | the identifier given to [`ResourceMetadata::at`], byte for byte |
//! | `authorization_servers` | the issuers that are trusted at the time of the request; omitted if there are none |
//! | `bearer_methods_supported` | `header`; `query` with [`TokenSource::query`](crate::TokenSource::query); `body` with [`ResourceMetadata::form_body_tokens`] |
//! | `dpop_signing_alg_values_supported` | the algorithms of [`dpop`](crate::BearerAuthBuilder::dpop), if set |
//! | `dpop_bound_access_tokens_required` | `true` if every token must be bound to a key, as with [`Dpop::required`](crate::dpop::Dpop::required) |
//! | `tls_client_certificate_bound_access_tokens` | `true` with [`certificates`](crate::BearerAuthBuilder::certificates) |
//! | others | as set |
//!
//! The document names every issuer that was configured or added, and it is public. Issuers that an
//! [`IssuerResolver`](crate::issuers::IssuerResolver) finds are not listed: they would tell everyone which
//! tenants use this API.
//!
//! # Identifier and audience
//!
//! Clients request a token for the identifier (the parameter `resource`, RFC 8707 section 2), and many
//! authorization servers copy it to `aud`. So make the identifier an audience of this API, byte for byte. It
//! need not be one: some servers ignore `resource`, and issue the `aud` that was configured there.
//!
//! If all audiences are others and one of them is a URL, [`build`](crate::BearerAuthBuilder::build) logs a
//! warning: a token that a client requests for the identifier is probably rejected as `audience_mismatch`.
//!
//! # Why a service and not a path of the layer
//!
//! The document is at a path of the host, such as `/.well-known/oauth-protected-resource/mcp`. A layer on a
//! router that is nested at `/mcp` never sees a request for it, nor does one behind a proxy that forwards
//! only `/mcp`. A route is visible in the router, while a layer that lets some paths pass without a token is
//! not. A proxy must forward these paths to the API. It may strip a prefix: the service ignores the path.

mod build;
mod locations;
mod published;
mod service;

use std::time::Duration;

pub(crate) use published::PublishedMetadata;
pub use service::ResourceMetadataService;

/// The metadata of this API as a protected resource, for
/// [`BearerAuthBuilder::resource_metadata`](crate::BearerAuthBuilder::resource_metadata).
///
/// ```
/// use tower_bearer::BearerAuth;
/// use tower_bearer::resource_metadata::ResourceMetadata;
///
/// let metadata = ResourceMetadata::at("https://api.example.com")
///     .scopes_supported(["orders:read", "orders:write"])
///     .name("Orders")
///     .documentation("https://docs.example.com/orders");
/// let builder = BearerAuth::builder("https://api.example.com").resource_metadata(metadata);
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct ResourceMetadata {
    resource: String,
    scopes_supported: Vec<String>,
    scope_hint: Vec<String>,
    name: Option<String>,
    localized_names: Vec<(String, String)>,
    documentation: Option<String>,
    policy_uri: Option<String>,
    tos_uri: Option<String>,
    form_body_tokens: bool,
    max_age: Duration,
}

impl ResourceMetadata {
    /// The metadata of the API that clients reach under `resource`, its resource identifier (RFC 9728 section
    /// 1.2): an `https` URL without fragment, with the path under which clients reach the API. For tests on
    /// one machine it may be `http` to a loopback address.
    ///
    /// A query is allowed, but RFC 9728 section 2 advises against it, and the service ignores it: two
    /// resources that differ only in the query cannot share a host. No header of a request has an influence
    /// on the identifier.
    pub fn at(resource: impl Into<String>) -> Self {
        Self {
            resource: resource.into(),
            scopes_supported: Vec::new(),
            scope_hint: Vec::new(),
            name: None,
            localized_names: Vec::new(),
            documentation: None,
            policy_uri: None,
            tos_uri: None,
            form_body_tokens: false,
            max_age: Duration::from_secs(600),
        }
    }

    /// Sets the scopes that clients may request for this API, not necessarily all. An item may hold several,
    /// separated by spaces. Default: none, and the document has no `scopes_supported`.
    ///
    /// `offline_access` is a [`ConfigError`](crate::ConfigError): refresh tokens do not concern an API.
    pub fn scopes_supported<S: AsRef<str>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scopes_supported = split(scopes);
        self
    }

    /// Sets the scopes that the challenge to a request without credentials names, as a hint which ones to
    /// request first, at most 1 KiB. MCP clients prefer it to `scopes_supported`. Default: no hint.
    ///
    /// It grants and requires nothing. A token that lacks a scope gets 403 with the scopes of the route.
    ///
    /// ```
    /// use tower_bearer::resource_metadata::ResourceMetadata;
    ///
    /// let metadata = ResourceMetadata::at("https://api.example.com/mcp").scope_hint(["tools:read"]);
    /// // WWW-Authenticate: Bearer realm="...", scope="tools:read", resource_metadata="..."
    /// ```
    pub fn scope_hint<S: AsRef<str>>(mut self, scopes: impl IntoIterator<Item = S>) -> Self {
        self.scope_hint = split(scopes);
        self
    }

    /// Sets the name of this API for users, `resource_name`. Default: none.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Adds the name in one language (RFC 9728 section 2.1, RFC 5646). Default: none.
    ///
    /// ```
    /// use tower_bearer::resource_metadata::ResourceMetadata;
    ///
    /// let metadata = ResourceMetadata::at("https://api.example.com")
    ///     .name("Orders")
    ///     .add_localized_name("de", "Bestellungen"); // "resource_name#de": "Bestellungen"
    /// ```
    pub fn add_localized_name(mut self, language: impl Into<String>, name: impl Into<String>) -> Self {
        self.localized_names.push((language.into(), name.into()));
        self
    }

    /// Sets the URL of a page for developers, `resource_documentation`. Default: none.
    pub fn documentation(mut self, url: impl Into<String>) -> Self {
        self.documentation = Some(url.into());
        self
    }

    /// Sets the URL of a page about how clients may use the data, `resource_policy_uri`. Default: none.
    pub fn policy_uri(mut self, url: impl Into<String>) -> Self {
        self.policy_uri = Some(url.into());
        self
    }

    /// Sets the URL of the terms of service, `resource_tos_uri`. Default: none.
    pub fn tos_uri(mut self, url: impl Into<String>) -> Self {
        self.tos_uri = Some(url.into());
        self
    }

    /// Lists `body` in `bearer_methods_supported`, for an API with a [`FormBodyToken`](crate::FormBodyToken)
    /// layer outside of `BearerAuth`, which cannot see it. Default: not listed.
    pub fn form_body_tokens(mut self) -> Self {
        self.form_body_tokens = true;
        self
    }

    /// Sets how long clients may cache the document, in whole seconds. Default: 10 min.
    ///
    /// An issuer that is [added](crate::issuers::Issuers::add) is found this much later at most.
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }
}

fn split<S: AsRef<str>>(scopes: impl IntoIterator<Item = S>) -> Vec<String> {
    let mut items = Vec::new();
    for scope in scopes {
        let parts = scope.as_ref().split(' ').filter(|part| !part.is_empty());
        items.extend(parts.map(str::to_owned));
    }
    items
}
