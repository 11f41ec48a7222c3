//! A view of a `BearerAuth`: other settings for some routes, with the same keys and caches.

use std::collections::HashSet;
use std::sync::Arc;

use super::build::check_sources;
use crate::bearer::TokenSource;
use crate::middleware::{BearerAuth, Shared};
use crate::settings::{ConfigError, ConfigProblem};

/// Builds a second [`BearerAuth`] for some routes of an API; [`BearerAuth::view`] creates one.
///
/// A view shares the issuers, keys, caches, limits and connections of the `BearerAuth` that it is made from.
/// It accepts no token that this `BearerAuth` rejects: a view changes where tokens are found and whether a
/// request needs one, and it can require more.
///
/// Use the view *instead of* the `BearerAuth` on its routes, not inside of it: there, the outer layer has
/// already rejected requests without a token.
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
    /// all of their audiences.
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

    /// Checks the settings and builds the layer. It performs no I/O.
    ///
    /// # Errors
    /// [`ConfigError`] if an audience is empty or accepted by no issuer, or if a token source is unusable or
    /// finds the same token as another one.
    pub fn build(self) -> Result<BearerAuth, ConfigError> {
        let shared = self.base.shared();
        let mut authenticator = (*shared.authenticator).clone();
        let mut problems = self.audience_problems();
        authenticator.optional |= self.optional;
        authenticator.sources.extend(self.added_sources);
        check_sources(&authenticator.sources, &mut problems);
        ConfigError::unless_none(problems)?;
        let audiences = self.audiences.into_iter().map(String::into_boxed_str);
        authenticator.required_audiences = authenticator.required_audiences.and(audiences);
        Ok(BearerAuth::new(Shared { authenticator: Arc::new(authenticator), ..shared.clone() }))
    }

    fn audience_problems(&self) -> Vec<ConfigProblem> {
        let shared = self.base.shared();
        let issuers = shared.authenticator.issuers.load().sorted();
        let of_issuers =
            issuers.iter().flat_map(|issuer| &issuer.claims.audiences).map(|audience| &**audience);
        // Issuers may be added later. They accept the audiences of the builder, unless they have their own.
        let of_builder = shared.context.audiences.iter().map(String::as_str);
        let accepted: HashSet<&str> = of_issuers.chain(of_builder).collect();
        let problem = |audience: &String| match &**audience {
            "" => Some(ConfigProblem::AudienceEmpty),
            audience if accepted.contains(audience) => None,
            _ => Some(ConfigProblem::AudienceNotAccepted { audience: audience.clone() }),
        };
        self.audiences.iter().filter_map(problem).collect()
    }
}
