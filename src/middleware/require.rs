//! The layer for a route that needs more than a valid token: scopes, and checks of its own (RFC 6750 section 3.1).
//!
//! Checks: that a `BearerAuth` covers the route, that the request has a token, then the requirement.
//! Does not check: the token.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::request::Parts;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::protection::{is_covered, refuse};
use super::response_body::ResponseBody;
use crate::access_token::AccessToken;
use crate::policy::{Requirement, Scopes};
use crate::rejection::{Rejection, RejectionKind};

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
///             head.uri.path().strip_prefix("/tenants/") == Some(token.subject())
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
struct Route {
    requirement: Requirement,
    scopes_needed: Arc<str>,
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

    fn nothing() -> Self {
        let route = Route { requirement: Requirement::default(), scopes_needed: "".into() };
        Self { route: Arc::new(route) }
    }
}

impl Route {
    fn check(&self, head: &Parts) -> Result<(), Rejection> {
        if !is_covered(head) {
            return Err(RejectionKind::NotCovered.into());
        }
        let token = head.extensions.get::<AccessToken>().ok_or(RejectionKind::Missing)?;
        let checked = self.requirement.check(token, head);
        checked.map_err(|fault| Rejection::from(fault).needing(&self.scopes_needed))
    }
}

impl<S> Layer<S> for Require {
    type Service = RequireService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequireService { inner, route: Arc::clone(&self.route) }
    }
}

/// The service that [`Require`] makes of an inner service `S`.
#[derive(Clone, Debug)]
pub struct RequireService<S> {
    inner: S,
    route: Arc<Route>,
}

impl<S, B, R> Service<Request<B>> for RequireService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = RequireFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (head, body) = request.into_parts();
        let state = match self.route.check(&head) {
            Ok(()) => State::Pass { response: self.inner.call(Request::from_parts(head, body)) },
            Err(rejection) => State::Refuse { response: Some(refuse(rejection, &head)) },
        };
        RequireFuture { state }
    }
}

pin_project! {
    /// The future of a [`RequireService`].
    pub struct RequireFuture<F, R> {
        #[pin]
        state: State<F, R>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, R> {
        Pass { #[pin] response: F },
        Refuse { response: Option<Response<ResponseBody<R>>> },
    }
}

impl<F, R, E> Future for RequireFuture<F, R>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = Result<Response<ResponseBody<R>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Pass { response } => {
                let response = ready!(response.poll(cx))?;
                Poll::Ready(Ok(response.map(ResponseBody::inner)))
            }
            // Polled again after its end: nothing will ever come.
            StateProj::Refuse { response } => {
                response.take().map_or(Poll::Pending, |refusal| Poll::Ready(Ok(refusal)))
            }
        }
    }
}

impl<F, R> fmt::Debug for RequireFuture<F, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireFuture").finish_non_exhaustive()
    }
}
