//! A layer that takes the place of `BearerAuth` in tests: it accepts every request, with a token that the
//! test chooses.
//!
//! Does not check: anything. The credentials of a request are not read.
//!
//! Why: tests of routes need the rest of production, which is the extractors, `Require`, and the responses to
//! rejections. Only the way from a credential to a token is skipped.

use std::fmt;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::in_memory::InMemoryClient;
use crate::access_token::AccessToken;
use crate::bearer::realm_is_valid;
use crate::middleware::{BearerAuth, ResponseBody, ResponseFuture};
use crate::settings::Issuer;

/// A layer in the place of [`BearerAuth`](crate::BearerAuth) that accepts every request with a given token,
/// or without one.
///
/// The layers, extractors and handlers inside it behave as in production: [`Require`](crate::Require) checks
/// the scopes of the token, and a rejection gets its status, challenge and body. The credentials of the
/// requests are not read, so tests need none. Dates are not checked either.
///
/// ```
/// # #[cfg(all(feature = "axum", any(feature = "aws-lc-rs", feature = "rust-crypto")))] {
/// use axum::{Router, body::Body, http::Request, routing::get};
/// use tower::ServiceExt;
/// use tower_bearer::testing::{MockBearerAuth, TestIssuer};
/// use tower_bearer::{AccessToken, Require};
///
/// // The routes of the program, without their `BearerAuth`:
/// fn routes() -> Router {
///     let me = get(|token: AccessToken| async move { token.subject().unwrap_or_default().to_owned() });
///     Router::new().route("/me", me.layer(Require::scope("profile")))
/// }
///
/// async fn status(auth: MockBearerAuth) -> u16 {
///     let request = Request::get("/me").body(Body::empty()).unwrap();
///     routes().layer(auth).oneshot(request).await.unwrap().status().as_u16()
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let alice = TestIssuer::new().token("my-api").subject("alice");
/// let with_scope = alice.clone().scope("profile").access_token().unwrap();
/// assert_eq!(status(MockBearerAuth::accepting(with_scope)).await, 200);
/// assert_eq!(status(MockBearerAuth::accepting(alice.access_token().unwrap())).await, 403);
/// assert_eq!(status(MockBearerAuth::anonymous()).await, 401);
/// # }
/// # main();
/// # }
/// ```
///
/// # Introspection on routes
///
/// [`Require::still_active`](crate::Require::still_active) needs an issuer that introspects. Without
/// [`with_settings_of`](Self::with_settings_of), such a route responds 401, kind `issuer_unknown`. With
/// the settings of a `BearerAuth` whose issuer introspects, the route introspects the token there, so
/// mint it from that [`TestIssuer`](super::TestIssuer).
#[derive(Clone)]
#[must_use]
pub struct MockBearerAuth {
    auth: BearerAuth,
    token: Option<AccessToken>,
}

impl MockBearerAuth {
    /// Accepts every request with this token.
    /// [`TokenBuilder::access_token`](super::TokenBuilder::access_token) makes one.
    ///
    /// The realm of challenges is the first audience of the token, as it is by default in production.
    pub fn accepting(token: AccessToken) -> Self {
        let audience = token.audiences().next().unwrap_or_default();
        Self { auth: stand_in(audience), token: Some(token) }
    }

    /// Accepts every request without a token, like a `BearerAuth` that is
    /// [`optional`](crate::BearerAuthBuilder::optional) accepts a request without credentials.
    ///
    /// A handler that takes an [`AccessToken`] and a route with [`Require`](crate::Require) reject the
    /// request with 401.
    pub fn anonymous() -> Self {
        Self { auth: stand_in(""), token: None }
    }

    /// Uses the settings of this `BearerAuth` for what happens after a token is accepted: the responses to
    /// rejections (`realm`, `on_reject`, `omit_error_descriptions`, `grpc`), `strip_credentials`, and the
    /// issuers for [`Require::still_active`](crate::Require::still_active).
    ///
    /// ```
    /// use tower_bearer::testing::{MockBearerAuth, TestIssuer};
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// let auth = idp.bearer_auth("https://api.example.com").realm("orders").build().unwrap();
    /// let token = idp.token("https://api.example.com").access_token().unwrap();
    /// let mock = MockBearerAuth::accepting(token).with_settings_of(&auth);
    /// # drop(mock);
    /// # }
    /// ```
    pub fn with_settings_of(self, auth: &BearerAuth) -> Self {
        Self { auth: auth.clone(), ..self }
    }
}

/// A `BearerAuth` that trusts an issuer which is never reached.
#[expect(clippy::expect_used, reason = "for tests only; the settings are constant and the realm is valid")]
fn stand_in(realm: &str) -> BearerAuth {
    let builder = BearerAuth::builder("api").issuer(Issuer::discover("https://issuer.invalid"));
    let builder = builder.http_client(InMemoryClient::unreachable());
    let is_usable = !realm.is_empty() && realm_is_valid(realm);
    let builder = if is_usable { builder.realm(realm) } else { builder };
    builder.build().expect("the settings are valid")
}

/// The service of the layer [`MockBearerAuth`], around an inner service `S`.
#[derive(Clone)]
pub struct MockBearerAuthService<S> {
    inner: S,
    mock: MockBearerAuth,
}

impl<S> Layer<S> for MockBearerAuth {
    type Service = MockBearerAuthService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        MockBearerAuthService { inner, mock: self.clone() }
    }
}

impl<S, B, R> Service<Request<B>> for MockBearerAuthService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
{
    type Response = Response<ResponseBody<R>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        self.mock.auth.call_as(self.mock.token.clone(), request, &mut self.inner)
    }
}

impl fmt::Debug for MockBearerAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockBearerAuth").field("token", &self.token).finish_non_exhaustive()
    }
}

impl<S: fmt::Debug> fmt::Debug for MockBearerAuthService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { inner, mock } = self;
        f.debug_struct("MockBearerAuthService").field("inner", inner).field("mock", mock).finish()
    }
}
