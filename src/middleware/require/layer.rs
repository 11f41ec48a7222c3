//! The layer for a route that needs more than a valid token: scopes, another authentication of the user,
//! checks of its own, and a token that is still active (RFC 6750 section 3.1, RFC 9470, RFC 9396, RFC 7662).
//!
//! Checks: that a `BearerAuth` covers the route, that the request has a token, then the requirement. Where
//! the route introspects the token, the requirement once more against the response.
//! Does not check: the token.

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use tower_layer::Layer;

use super::route::Route;
use super::service::RequireService;
use crate::access_token::{AccessToken, ClaimValue};
use crate::requirement::{Requirement, Scopes};

/// A layer for what a route needs beyond a valid token. It goes inside a [`BearerAuth`](crate::BearerAuth).
///
/// ```
/// # #[cfg(feature = "axum")] {
/// use axum::{Router, routing::post};
/// use tower_bearer::Require;
///
/// # async fn create() {}
/// let orders: Router = Router::new()
///     .route("/orders", post(create).layer(Require::scope("orders:write")))
///     .route("/reports", post(create).layer(Require::any_of(["reports", "admin"])))
///     .route(
///         "/tenants/{tenant}",
///         post(create).layer(Require::scope("tenants").check(|token, head| {
///             head.uri.path().strip_prefix("/tenants/") == token.subject()
///         })),
///     );
/// # }
/// ```
///
/// # Responses
///
/// - 401 `invalid_token`, if the token is bound to no key and no certificate, for
///   [`sender_bound`](Self::sender_bound).
/// - 401 `insufficient_user_authentication` with `acr_values` and `max_age`, if the authentication of the
///   user does not meet [`acr_any`](Self::acr_any) or [`authenticated_within`](Self::authenticated_within).
///   The challenge also has the scopes that the route needs, if the token lacks one.
/// - 401 `insufficient_claims` for [`entra_auth_context`](Self::entra_auth_context).
/// - 403 `insufficient_scope` with every scope that the route needs, if the token lacks one. Of alternatives
///   the first is named: put the one that clients should request there.
/// - 403 `insufficient_scope` without scopes, if a [`role`](Self::role) or an authorization
///   [`detail`](Self::detail) is missing, or a [`check`](Self::check) fails.
/// - 401 if the request has no token, under [`optional`](crate::BearerAuthBuilder::optional).
/// - 500 and an error in the log on a route that no `BearerAuth` covers.
///
/// If the route is covered and the request has a token, the requirements are checked in this order, whatever
/// the order of the calls. The authentication comes before scopes, because its challenge can name scopes,
/// too, and the new token may have other roles.
#[derive(Clone, Debug)]
#[must_use]
pub struct Require {
    pub(super) route: Arc<Route>,
}

impl Require {
    /// Requires a scope, or a rule about several. A string with spaces requires all scopes in it.
    ///
    /// ```
    /// use tower_bearer::{Require, Scopes};
    ///
    /// let layer = Require::scope("orders:read orders:write");
    /// let layer = Require::scope(Scopes::any_of(["orders:write", "admin"]));
    /// ```
    pub fn scope(scopes: impl Into<Scopes>) -> Self {
        Self::new().and_scope(scopes)
    }

    /// Requires all of these scopes or rules.
    ///
    /// ```
    /// use tower_bearer::Require;
    ///
    /// let layer = Require::all_of(["orders:read", "orders:write"]);
    /// ```
    pub fn all_of<R: Into<Scopes>>(rules: impl IntoIterator<Item = R>) -> Self {
        Self::scope(Scopes::all_of(rules))
    }

    /// Requires at least one of these scopes or rules. Put the one that clients should request first.
    ///
    /// ```
    /// use tower_bearer::Require;
    ///
    /// let layer = Require::any_of(["reports:read", "admin"]);
    /// ```
    pub fn any_of<R: Into<Scopes>>(rules: impl IntoIterator<Item = R>) -> Self {
        Self::scope(Scopes::any_of(rules))
    }

    /// Requires any valid token: for single routes under [`optional`](crate::BearerAuthBuilder::optional), or
    /// as the start of a requirement without scopes.
    ///
    /// ```
    /// use tower_bearer::Require;
    ///
    /// let layer = Require::token().check(|token, _| token.client_id() == Some("batch"));
    /// ```
    pub fn token() -> Self {
        Self::new()
    }

    /// Requires a role, from [`Issuer::role_claims`](crate::Issuer::role_claims). Otherwise the response is
    /// 403 `insufficient_scope` without a `scope` parameter (kind `requirement_unmet`): no scope would help.
    ///
    /// ```
    /// use tower_bearer::{Issuer, Require};
    ///
    /// let issuer = Issuer::discover("https://login.example.com").role_claims(["/groups"]);
    /// let layer = Require::role("admin");
    /// ```
    pub fn role(role: impl Into<String>) -> Self {
        Self::new().and_role(role)
    }

    /// Requires at least one of these roles. An empty list matches no token.
    ///
    /// ```
    /// use tower_bearer::Require;
    ///
    /// let layer = Require::any_role(["auditor", "admin"]);
    /// ```
    pub fn any_role<R: Into<String>>(roles: impl IntoIterator<Item = R>) -> Self {
        let mut require = Self::new();
        let roles = roles.into_iter().map(|role| role.into().into_boxed_str());
        Arc::make_mut(&mut require.route).requirement.add_roles(roles);
        require
    }

    /// Requires that a function returns `true` for the value of a claim. The claim is named by its name, or
    /// by a JSON Pointer (RFC 6901) that begins with `/`. A token without the claim is rejected, like one for
    /// which the function returns `false`: 403 `insufficient_scope` without a `scope` parameter.
    ///
    /// The claims are parsed once per cached token. The function runs for each request and must not block.
    ///
    /// ```
    /// use tower_bearer::Require;
    ///
    /// let layer = Require::claim("tenant", |tenant| tenant.as_str() == Some("acme"));
    /// let layer = Require::claim("/address/country", |country| country.contains("DE"));
    /// ```
    pub fn claim<F>(pointer: impl Into<String>, check: F) -> Self
    where
        F: Fn(ClaimValue<'_>) -> bool + Send + Sync + 'static,
    {
        Self::new().and_claim(pointer, check)
    }

    /// Requires this role in addition.
    ///
    /// ```
    /// use tower_bearer::Require;
    ///
    /// let layer = Require::scope("orders:write").and_role("editor");
    /// ```
    pub fn and_role(mut self, role: impl Into<String>) -> Self {
        let role = role.into().into_boxed_str();
        Arc::make_mut(&mut self.route).requirement.add_roles([role]);
        self
    }

    /// Requires in addition what [`claim`](Self::claim) requires.
    ///
    /// ```
    /// use tower_bearer::Require;
    ///
    /// let layer = Require::scope("orders").and_claim("email_verified", |v| v.as_bool() == Some(true));
    /// ```
    pub fn and_claim<F>(mut self, pointer: impl Into<String>, check: F) -> Self
    where
        F: Fn(ClaimValue<'_>) -> bool + Send + Sync + 'static,
    {
        Arc::make_mut(&mut self.route).requirement.add_claim(&pointer.into(), Arc::new(check));
        self
    }

    /// Requires these scopes in addition.
    ///
    /// ```
    /// use tower_bearer::Require;
    ///
    /// let layer = Require::scope("orders:read").and_scope("eu");
    /// ```
    pub fn and_scope(mut self, scopes: impl Into<Scopes>) -> Self {
        let route = Arc::make_mut(&mut self.route);
        route.requirement.add_scopes(scopes.into());
        route.scopes_needed = route.requirement.scopes_needed().into();
        self
    }

    /// Requires in addition that a function of the token and the head of the request returns `true`.
    /// Otherwise the response is 403 `insufficient_scope`, without a `scope` parameter, since no scope would
    /// help.
    ///
    /// The function is called for each request that has the scopes, on the task of the request. It must not
    /// block.
    ///
    /// ```
    /// use tower_bearer::Require;
    ///
    /// let layer = Require::scope("profile").check(|token, head| {
    ///     head.uri.path().strip_prefix("/users/") == token.subject()
    /// });
    /// ```
    pub fn check<F>(mut self, check: F) -> Self
    where
        F: Fn(&AccessToken, &Parts) -> bool + Send + Sync + 'static,
    {
        Arc::make_mut(&mut self.route).requirement.add_check(Arc::new(check));
        self
    }

    /// Requires in addition that introspection says now that the token is active (RFC 7662 section 2),
    /// whatever is cached: a revoked token is rejected at once. For routes where the usual delay
    /// ([`BearerAuth::bounds`](crate::BearerAuth::bounds)) is too long, such as payments.
    ///
    /// Every request then waits for an introspection request. Concurrent requests with one token are
    /// coalesced: those that arrive while one is in flight share the next. An uncached token that
    /// `BearerAuth` introspects costs two, within the time of one
    /// ([`Introspection::timeout`](crate::Introspection::timeout)).
    ///
    /// The response for an opaque token replaces its claims, also for [`and_scope`](Self::and_scope) and
    /// [`check`](Self::check). A JWT keeps its own claims. A token whose cached claims do not meet the other
    /// requirements of the route is rejected for that, without an introspection request.
    ///
    /// While the authorization server is unavailable the response is 503;
    /// [`Introspection::serve_stale`](crate::Introspection::serve_stale) does not apply. The issuer must have
    /// [`Issuer::introspect`](crate::Issuer::introspect); otherwise the response is 500, kind
    /// `introspection_misconfigured`.
    ///
    /// ```
    /// use tower_bearer::Require;
    ///
    /// let layer = Require::scope("payments:write").still_active();
    /// ```
    pub fn still_active(self) -> Self {
        self.still_active_within(Duration::ZERO)
    }

    /// Like [`still_active`](Self::still_active), but a cached response that was requested no longer ago than
    /// `age` is enough (see [`Introspection::active_ttl`](crate::Introspection::active_ttl)).
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_bearer::Require;
    ///
    /// let layer = Require::scope("orders:write").still_active_within(Duration::from_secs(5));
    /// ```
    pub fn still_active_within(mut self, age: Duration) -> Self {
        Arc::make_mut(&mut self.route).active_within = Some(age);
        self
    }

    /// The scopes and the checks.
    pub(crate) fn requirement(&self) -> &Requirement {
        &self.route.requirement
    }

    pub(super) fn new() -> Self {
        let route =
            Route { requirement: Requirement::default(), scopes_needed: "".into(), active_within: None };
        Self { route: Arc::new(route) }
    }
}

impl<S> Layer<S> for Require {
    type Service = RequireService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequireService::new(inner, Arc::clone(&self.route))
    }
}
