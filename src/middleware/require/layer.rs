//! The layer for a route that needs more than a valid token: scopes, checks of its own, and the issuer's word that
//! the token is still active (RFC 6750 section 3.1, RFC 7662).
//!
//! Checks: that a `BearerAuth` covers the route, that the request has a token, then the requirement; where
//! the issuer is asked, the requirement once more by what it says.
//! Does not check: the token.

use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use tower_layer::Layer;

use super::service::RequireService;
use crate::access_token::AccessToken;
use crate::authenticate::StillActive;
use crate::middleware::coverage::{Coverage, is_covered};
use crate::rejection::{Rejection, RejectionKind};
use crate::requirement::{Requirement, RequirementFault, Scopes};

/// What a route needs beyond a valid token. Goes inside a [`BearerAuth`](crate::BearerAuth).
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
/// # Answers
///
/// 403 with `error="insufficient_scope"` and every scope that the route needs, when the token lacks
/// one (of alternatives, the first is named: put the one that clients should ask for there). 403
/// without scopes when a check says no. 401 when the request has no token, which can be under
/// [`optional`](crate::BearerAuthBuilder::optional). On a route that no `BearerAuth` covers: 500 and
/// an error in the log, never a pass.
#[derive(Clone, Debug)]
#[must_use]
pub struct Require {
    route: Arc<Route>,
}

#[derive(Clone, Debug)]
pub(super) struct Route {
    requirement: Requirement,
    scopes_needed: Arc<str>,
    /// How old the issuer's word may be that the token is active, where the issuer is asked.
    pub(super) active_within: Option<Duration>,
}

impl Require {
    /// One scope, or a rule of several; a text with spaces in it asks for all the scopes in it.
    pub fn scope(scopes: impl Into<Scopes>) -> Self {
        Self::nothing().and_scope(scopes)
    }

    /// Every one of these scopes (or rules).
    pub fn all_of<R: Into<Scopes>>(rules: impl IntoIterator<Item = R>) -> Self {
        Self::scope(Scopes::all_of(rules))
    }

    /// At least one of these scopes (or rules), the one that clients should ask for first.
    pub fn any_of<R: Into<Scopes>>(rules: impl IntoIterator<Item = R>) -> Self {
        Self::scope(Scopes::any_of(rules))
    }

    /// Any valid token: for single routes under [`optional`](crate::BearerAuthBuilder::optional).
    pub fn token() -> Self {
        Self::nothing()
    }

    /// In addition, these scopes.
    pub fn and_scope(mut self, scopes: impl Into<Scopes>) -> Self {
        let route = Arc::make_mut(&mut self.route);
        route.requirement.add_scopes(scopes.into());
        route.scopes_needed = route.requirement.scopes_needed().into();
        self
    }

    /// In addition, a check of your own over the token and the head of the request.
    ///
    /// It is called for each request that has the scopes, on the task that serves it: it should not
    /// block. `false` is answered with 403.
    pub fn check<F>(mut self, check: F) -> Self
    where
        F: Fn(&AccessToken, &Parts) -> bool + Send + Sync + 'static,
    {
        Arc::make_mut(&mut self.route).requirement.add_check(Arc::new(check));
        self
    }

    /// In addition, that the issuer says now that the token is active (RFC 7662 section 2), even if that is
    /// remembered from a moment ago: a token that was revoked is refused at once. For routes where the usual
    /// delay ([`BearerAuth::bounds`](crate::BearerAuth::bounds)) is too long, such as payments.
    ///
    /// Every request waits for a call then, of which those that come at once share one: requests that come
    /// while a call is under way share the next. A token that the layer around had to ask about costs two,
    /// within the time of one ([`Introspection::timeout`](crate::Introspection::timeout)). What the issuer says of an opaque token replaces what was remembered, also for
    /// [`and_scope`](Self::and_scope) and [`check`](Self::check); the claims of a JWT are its own. While the
    /// issuer is out of reach the answer is 503;
    /// [`Introspection::serve_stale`](crate::Introspection::serve_stale) does not count here.
    ///
    /// The issuer must have [`Issuer::introspect`](crate::Issuer::introspect); else the answer is 500,
    /// `introspection_misconfigured`.
    pub fn still_active(self) -> Self {
        self.still_active_within(Duration::ZERO)
    }

    /// The same, where an answer will do that was asked for no longer ago than this, if one is remembered
    /// (see [`Introspection::active_ttl`](crate::Introspection::active_ttl)).
    pub fn still_active_within(mut self, age: Duration) -> Self {
        Arc::make_mut(&mut self.route).active_within = Some(age);
        self
    }

    fn nothing() -> Self {
        let route =
            Route { requirement: Requirement::default(), scopes_needed: "".into(), active_within: None };
        Self { route: Arc::new(route) }
    }
}

impl Route {
    /// Checks the requirement against the token of the request.
    pub(super) fn check<'h>(&self, head: &'h Parts) -> Result<&'h AccessToken, Rejection> {
        if !is_covered(head) {
            return Err(RejectionKind::NotCovered.into());
        }
        let token = head.extensions.get::<AccessToken>().ok_or(RejectionKind::Missing)?;
        self.requirement.check(token, head).map_err(|fault| match fault {
            RequirementFault::ScopeInsufficient => Rejection::from(fault).needing(&self.scopes_needed),
            // No scope would help: naming those that the token has would send a client into a loop.
            RequirementFault::Unmet => fault.into(),
        })?;
        Ok(token)
    }

    /// The introspection that the route needs, if it needs one.
    pub(super) fn introspection(&self, token: &AccessToken, head: &Parts) -> Option<StillActive> {
        let max_age = self.active_within?;
        Coverage::of(head).map(|coverage| coverage.still_active(token, max_age))
    }

    /// Checks the requirement against what introspection says now, which replaces the token of the request.
    pub(super) fn check_again(
        &self,
        head: &mut Parts,
        introspected: Result<AccessToken, Rejection>,
    ) -> Result<(), Rejection> {
        let token = introspected?;
        let coverage = head.extensions.get().and_then(AccessToken::coverage).cloned();
        head.extensions.insert(match coverage {
            Some(coverage) => token.covered_by(coverage),
            None => token,
        });
        self.check(head).map(drop)
    }
}

impl<S> Layer<S> for Require {
    type Service = RequireService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequireService::new(inner, Arc::clone(&self.route))
    }
}
