//! A view of a `BearerAuth`: other settings for some routes, with the same keys and caches.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::build::{accepted_audiences, check_sources};
use super::senders::check_bound_sources;
use crate::bearer::{Schemes, TokenSource};
use crate::middleware::{BearerAuth, Responder, ResponseSettings, Shared};
use crate::resource_metadata::ResourceMetadata;
use crate::settings::{ConfigError, ConfigProblem};

/// Builds a second [`BearerAuth`] for some routes of an API; [`BearerAuth::view`] creates one.
///
/// A view shares the issuers, keys, caches, limits and connections of the `BearerAuth` that it is made from.
/// It accepts no token that this `BearerAuth` rejects: a view changes where tokens are found and whether a
/// request needs one, and it can require more.
///
/// Use the view *instead of* the `BearerAuth` on its routes, not inside of it: there, the outer layer has
/// already rejected requests without a token, and used up the DPoP proofs of the others.
///
/// ```
/// # #[cfg(all(feature = "axum", feature = "reqwest"))] {
/// use axum::{Router, routing::get};
/// use tower_bearer::{AccessToken, BearerAuth, ConfigError, Issuer};
///
/// fn app() -> Result<Router, ConfigError> {
///     let auth = BearerAuth::builder("https://api.example.com")
///         .issuer(Issuer::discover("https://login.example.com"))
///         .build()?;
///     let maybe = auth.view().optional().build()?;
///     Ok(Router::new()
///         .route("/", get(async |token: Option<AccessToken>| if token.is_some() { "hello" } else { "hi" }))
///         .layer(maybe)
///         .merge(Router::new().route("/me", get(async || "secret")).layer(auth)))
/// }
/// # app().unwrap();
/// # }
/// ```
///
/// # Audience per route
///
/// An API that has several names in `aud`, one for each part, configures all of them, and gives each part a
/// view that [requires](Self::require_audience) its own:
///
/// ```
/// # #[cfg(feature = "reqwest")] {
/// use tower_bearer::{BearerAuth, Issuer};
///
/// let auth = BearerAuth::builder("https://api.example.com/orders")
///     .add_audience("https://api.example.com/admin")
///     .issuer(Issuer::discover("https://login.example.com"))
///     .build()?;
/// let orders = auth.view().require_audience("https://api.example.com/orders").build()?;
/// let admin = auth.view().require_audience("https://api.example.com/admin").build()?;
/// # let _ = (orders, admin);
/// # }
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
#[derive(Debug)]
#[must_use]
pub struct BearerAuthView {
    base: BearerAuth,
    optional: bool,
    added_sources: Vec<TokenSource>,
    audiences: Vec<String>,
    resource_metadata: Option<ResourceMetadata>,
}

impl BearerAuth {
    /// Starts a view: a `BearerAuth` with other settings for some routes, which shares keys and caches with
    /// this one.
    ///
    /// ```
    /// use tower_bearer::{BearerAuth, ConfigError};
    ///
    /// /// For routes that anonymous callers may use, too.
    /// fn for_public_routes(auth: &BearerAuth) -> Result<BearerAuth, ConfigError> {
    ///     auth.view().optional().build()
    /// }
    /// ```
    pub fn view(&self) -> BearerAuthView {
        BearerAuthView {
            base: self.clone(),
            optional: false,
            added_sources: Vec::new(),
            audiences: Vec::new(),
            resource_metadata: None,
        }
    }
}

impl BearerAuthView {
    /// Accepts requests without credentials, as
    /// [`BearerAuthBuilder::optional`](crate::BearerAuthBuilder::optional) does. Default: as the `BearerAuth`
    /// that the view is made from.
    ///
    /// To require a token on single routes of an optional `BearerAuth`, use
    /// [`Require::token`](crate::Require::token).
    ///
    /// # Risk
    /// A handler that neither extracts an `AccessToken` nor has a [`Require`](crate::Require) layer serves
    /// anonymous callers.
    pub fn optional(mut self) -> Self {
        self.optional = true;
        self
    }

    /// Adds a place where requests may carry the token, on the routes of this view only; see
    /// [`BearerAuthBuilder::add_token_source`](crate::BearerAuthBuilder::add_token_source).
    ///
    /// ```
    /// use tower_bearer::{BearerAuth, ConfigError, TokenSource};
    ///
    /// /// Browsers cannot set the `Authorization` header of a WebSocket.
    /// fn for_sockets(auth: &BearerAuth) -> Result<BearerAuth, ConfigError> {
    ///     auth.view().add_token_source(TokenSource::web_socket_protocol("access_token.")).build()
    /// }
    /// ```
    pub fn add_token_source(mut self, source: TokenSource) -> Self {
        self.added_sources.push(source);
        self
    }

    /// Requires in addition that the `aud` of the token contains `audience`, exactly. A token without it is
    /// rejected with 401 `invalid_token`, kind `audience_mismatch`; one without any `aud` as `claim_missing`.
    ///
    /// The audience must be one that the `BearerAuth` accepts: add it there with
    /// [`add_audience`](crate::BearerAuthBuilder::add_audience). Repeated calls, and views of views, require
    /// all of their audiences. If the API has [`resource_metadata`](Self::resource_metadata), give the view
    /// its own: with the inherited one, clients request a token for the audience of the whole API.
    ///
    /// ```
    /// use tower_bearer::{BearerAuth, ConfigError};
    ///
    /// fn for_admin_routes(auth: &BearerAuth) -> Result<BearerAuth, ConfigError> {
    ///     auth.view().require_audience("https://api.example.com/admin").build()
    /// }
    /// ```
    ///
    /// # Risk
    /// The `BearerAuth` itself still accepts every audience that it was given. A route that it covers, and no
    /// view, is open to tokens for any of them.
    pub fn require_audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Sets the metadata of the part of the API that this view protects (RFC 9728), as
    /// [`BearerAuthBuilder::resource_metadata`](crate::BearerAuthBuilder::resource_metadata) does. Default:
    /// that of the `BearerAuth` that the view is made from.
    ///
    /// For several protected resources on one host, such as two MCP servers. Give each an audience of its own
    /// with [`require_audience`](Self::require_audience), so that the other rejects its tokens.
    ///
    /// ```
    /// use tower_bearer::resource_metadata::ResourceMetadata;
    /// use tower_bearer::{BearerAuth, ConfigError};
    ///
    /// fn for_admin_tools(auth: &BearerAuth) -> Result<BearerAuth, ConfigError> {
    ///     auth.view()
    ///         .require_audience("https://api.example.com/admin/mcp")
    ///         .resource_metadata(ResourceMetadata::at("https://api.example.com/admin/mcp"))
    ///         .build()
    /// }
    /// ```
    pub fn resource_metadata(mut self, metadata: ResourceMetadata) -> Self {
        self.resource_metadata = Some(metadata);
        self
    }

    /// Checks the settings and builds the layer. It performs no I/O.
    ///
    /// # Errors
    /// [`ConfigError`] if an audience is empty or accepted by no issuer, if a token source is unusable, finds
    /// the same token as another one or cannot have the proof that is required, or if the resource metadata
    /// is invalid.
    pub fn build(self) -> Result<BearerAuth, ConfigError> {
        let shared = self.base.shared();
        let mut authenticator = (*shared.authenticator).clone();
        let accepted = accepted_audiences(&authenticator.issuers, &shared.context);
        let mut problems = self.audience_problems(&accepted);
        authenticator.optional |= self.optional;
        authenticator.sources.extend(self.added_sources);
        check_sources(&authenticator.sources, &mut problems);
        let requires_dpop = authenticator.senders.schemes() == Schemes::Dpop;
        check_bound_sources(&authenticator.sources, requires_dpop, shared.context.fapi2, &mut problems);
        let audiences = self.audiences.into_iter().map(String::into_boxed_str);
        authenticator.required_audiences = authenticator.required_audiences.and(audiences);
        let responder = match self.resource_metadata {
            None => Arc::clone(&shared.responder),
            Some(metadata) => {
                let required = &authenticator.required_audiences;
                let required: BTreeSet<String> = required.iter().map(str::to_owned).collect();
                let accepted = if required.is_empty() { accepted } else { required };
                let resource_metadata = metadata.build(&accepted, &mut problems).map(Arc::new);
                let settings = shared.responder.settings().clone();
                Arc::new(Responder::new(ResponseSettings { resource_metadata, ..settings }))
            }
        };
        ConfigError::unless_none(problems)?;
        Ok(BearerAuth::new(Shared { authenticator: Arc::new(authenticator), responder, ..shared.clone() }))
    }

    fn audience_problems(&self, accepted: &BTreeSet<String>) -> Vec<ConfigProblem> {
        let problem = |audience: &String| match &**audience {
            "" => Some(ConfigProblem::AudienceEmpty),
            audience if accepted.contains(audience) => None,
            _ => Some(ConfigProblem::AudienceNotAccepted { audience: audience.clone() }),
        };
        self.audiences.iter().filter_map(problem).collect()
    }
}
