//! Extractors for axum handlers (feature `axum`; axum 0.8, axum-core 0.5).
//!
//! ```
//! use axum::{Router, routing::get};
//! use tower_bearer::{AccessToken, Claims, Rejection};
//!
//! #[derive(serde::Deserialize)]
//! struct Tenant {
//!     tenant: String,
//! }
//!
//! async fn me(token: AccessToken) -> String {
//!     format!("hello {}", token.subject().unwrap_or("client"))
//! }
//!
//! async fn tenant(Claims(claims): Claims<Tenant>) -> String {
//!     claims.tenant.clone()
//! }
//!
//! // Under `BearerAuthBuilder::optional`.
//! async fn greet(token: Option<AccessToken>) -> &'static str {
//!     if token.is_some() { "hello" } else { "who are you?" }
//! }
//!
//! async fn tenant_or_default(claims: Option<Claims<Tenant>>) -> String {
//!     claims.map_or_else(|| "default".to_owned(), |Claims(claims)| claims.tenant.clone())
//! }
//!
//! // Only the body says which scope is needed.
//! async fn call(token: AccessToken, operation: String) -> Result<&'static str, Rejection> {
//!     if operation.starts_with("mutation") {
//!         token.require("orders:write")?;
//!     }
//!     Ok("done")
//! }
//!
//! let routes: Router = Router::new()
//!     .route("/me", get(me))
//!     .route("/tenant", get(tenant))
//!     .route("/home", get(tenant_or_default))
//!     .route("/", get(greet).post(call));
//! ```
//!
//! A handler with an extractor on a route that no `BearerAuth` covers responds with 500, and the log says so.

use std::sync::Arc;

pub use axum_core;
use axum_core::body::Body;
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::access_token::AccessToken;
use crate::middleware::{is_covered, reject};
use crate::rejection::{Rejection, RejectionKind};

/// The token of the request. Without a token (under [`optional`](crate::BearerAuthBuilder::optional)): 401.
/// On a route that no `BearerAuth` covers: 500.
impl<S: Send + Sync> FromRequestParts<S> for AccessToken {
    type Rejection = ExtractorRejection;

    async fn from_request_parts(head: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        token(head).map_err(|rejection| ExtractorRejection::new(rejection, head))
    }
}

/// The token of the request, or `None` if [`optional`](crate::BearerAuthBuilder::optional) accepted the
/// request without one. On a route that no `BearerAuth` covers: 500.
impl<S: Send + Sync> OptionalFromRequestParts<S> for AccessToken {
    type Rejection = ExtractorRejection;

    async fn from_request_parts(head: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        match token(head) {
            Ok(token) => Ok(Some(token)),
            Err(rejection) if rejection.kind() == RejectionKind::Missing => Ok(None),
            Err(rejection) => Err(ExtractorRejection::new(rejection, head)),
        }
    }
}

/// The claims of the request's token as your own type; see [`AccessToken::claims`].
///
/// Claims that do not fit `T` are rejected with 401 `invalid_token`, kind `claims_mismatch`.
///
/// ```
/// use tower_bearer::Claims;
///
/// #[derive(serde::Deserialize)]
/// struct Tenant {
///     tenant: String,
/// }
///
/// async fn tenant(Claims(claims): Claims<Tenant>) -> String {
///     claims.tenant.clone()
/// }
/// ```
///
/// A type that cannot be deserialized does not compile:
///
/// ```compile_fail,E0277
/// struct Tenant {
///     tenant: String,
/// }
///
/// async fn tenant(claims: tower_bearer::Claims<Tenant>) {}
/// ```
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "handlers destructure it, as they do all axum extractors")]
pub struct Claims<T: DeserializeOwned>(pub Arc<T>);

impl<S, T> FromRequestParts<S> for Claims<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Send + Sync + 'static,
{
    type Rejection = ExtractorRejection;

    async fn from_request_parts(head: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let claims = token(head).and_then(|token| typed_claims(&token));
        claims.map(Self).map_err(|rejection| ExtractorRejection::new(rejection, head))
    }
}

/// The claims of the request's token, or `None` if [`optional`](crate::BearerAuthBuilder::optional) accepted
/// the request without one. Claims that do not fit `T` are rejected with 401 all the same. On a route that no
/// `BearerAuth` covers: 500.
impl<S, T> OptionalFromRequestParts<S> for Claims<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Send + Sync + 'static,
{
    type Rejection = ExtractorRejection;

    async fn from_request_parts(head: &mut Parts, state: &S) -> Result<Option<Self>, Self::Rejection> {
        let token = <AccessToken as OptionalFromRequestParts<S>>::from_request_parts(head, state).await?;
        let claims = token.map(|token| typed_claims(&token)).transpose();
        claims.map(|claims| claims.map(Self)).map_err(|rejection| ExtractorRejection::new(rejection, head))
    }
}

fn typed_claims<T>(token: &AccessToken) -> Result<Arc<T>, Rejection>
where
    T: DeserializeOwned + Send + Sync + 'static,
{
    token.claims().map_err(|mismatch| Rejection::from(mismatch).about(token))
}

/// The response of an extractor that rejects a request: the same that a layer would send.
#[derive(Debug)]
pub struct ExtractorRejection(Response);

impl ExtractorRejection {
    fn new(rejection: Rejection, head: &Parts) -> Self {
        Self(reject::<Body>(rejection, head).map(Body::new))
    }
}

impl IntoResponse for ExtractorRejection {
    fn into_response(self) -> Response {
        self.0
    }
}

/// The response to a rejection that a handler returns. The `BearerAuth` around the handler completes it with
/// its realm and reports it; see [`Rejection::into_http_response`].
impl IntoResponse for Rejection {
    fn into_response(self) -> Response {
        self.into_http_response().map(Body::from)
    }
}

fn token(head: &Parts) -> Result<AccessToken, Rejection> {
    let absent = if is_covered(head) { RejectionKind::Missing } else { RejectionKind::NotCovered };
    head.extensions.get().cloned().ok_or_else(|| absent.into())
}
