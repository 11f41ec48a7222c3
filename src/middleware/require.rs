//! The layer for a route that needs more than a valid token: scopes, checks of its own, and the issuer's word that
//! the token is still active (RFC 6750 section 3.1, RFC 7662).
//!
//! Checks: that a `BearerAuth` covers the route, that the request has a token, then the requirement; where
//! the issuer is asked, the requirement once more by what it says.
//! Does not check: the token.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::request::Parts;
use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::protection::{is_covered, refuse, still_active};
use super::response_body::ResponseBody;
use crate::access_token::AccessToken;
use crate::authenticate::StillActive;
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
    /// How old the issuer's word may be that the token is active, where the issuer is asked.
    active_within: Option<Duration>,
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
    fn check<'h>(&self, head: &'h Parts) -> Result<&'h AccessToken, Rejection> {
        if !is_covered(head) {
            return Err(RejectionKind::NotCovered.into());
        }
        let token = head.extensions.get::<AccessToken>().ok_or(RejectionKind::Missing)?;
        let checked = self.requirement.check(token, head);
        checked.map_err(|fault| Rejection::from(fault).needing(&self.scopes_needed))?;
        Ok(token)
    }

    /// By what the issuer says now.
    fn check_again(&self, head: &mut Parts, asked: Result<AccessToken, Rejection>) -> Result<(), Rejection> {
        let token = asked?;
        let acceptor = head.extensions.get().and_then(AccessToken::acceptor).cloned();
        head.extensions.insert(match acceptor {
            Some(acceptor) => token.with_acceptor(acceptor),
            None => token,
        });
        self.check(head).map(drop)
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
    S: Service<Request<B>, Response = Response<R>> + Clone,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = RequireFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (head, body) = request.into_parts();
        let asked = self
            .route
            .check(&head)
            .map(|token| self.route.active_within.map(|within| still_active(token, &head, within)));
        let state = match asked {
            Ok(None) => State::Pass { response: self.inner.call(Request::from_parts(head, body)) },
            Ok(Some(asked)) => {
                let call = Some((self.inner.clone(), head, body));
                // Gives the place back that the service had kept for this call: who waits needs none yet, and
                // the clone will want one.
                self.inner = self.inner.clone();
                State::Ask { asked, route: Arc::clone(&self.route), call }
            }
            Err(rejection) => State::Refuse { refusal: Some((rejection, head)) },
        };
        RequireFuture { state }
    }
}

pin_project! {
    /// The future of a [`RequireService`].
    pub struct RequireFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, S::Future, B>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, F, B> {
        // A clone of the service that was ready: who waits holds no place in it.
        Ask { asked: StillActive, route: Arc<Route>, call: Option<(S, Parts, B)> },
        Admitted { call: Option<(S, Request<B>)> },
        Pass { #[pin] response: F },
        Refuse { refusal: Option<(Rejection, Parts)> },
    }
}

impl<S, B, R> Future for RequireFuture<S, B>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
{
    type Output = Result<Response<ResponseBody<R>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.project().state;
        loop {
            let next = match state.as_mut().project() {
                StateProj::Ask { asked, route, call } => {
                    let asked = ready!(asked.as_mut().poll(cx));
                    let Some((service, mut head, body)) = call.take() else { return Poll::Pending };
                    match route.check_again(&mut head, asked) {
                        Ok(()) => State::Admitted { call: Some((service, Request::from_parts(head, body))) },
                        Err(rejection) => State::Refuse { refusal: Some((rejection, head)) },
                    }
                }
                StateProj::Admitted { call } => {
                    let Some((service, _)) = call else { return Poll::Pending };
                    ready!(service.poll_ready(cx))?;
                    let Some((mut service, request)) = call.take() else { return Poll::Pending };
                    State::Pass { response: service.call(request) }
                }
                StateProj::Pass { response } => {
                    let response = ready!(response.poll(cx))?;
                    return Poll::Ready(Ok(response.map(ResponseBody::inner)));
                }
                StateProj::Refuse { refusal } => {
                    // Polled again after its end: nothing will ever come.
                    let Some((rejection, head)) = refusal.take() else { return Poll::Pending };
                    return Poll::Ready(Ok(refuse(rejection, &head)));
                }
            };
            state.set(next);
        }
    }
}

impl<S, B> fmt::Debug for RequireFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequireFuture").finish_non_exhaustive()
    }
}
