//! Extractors for axum handlers.
//!
//! ```
//! use axum::{Router, routing::get};
//! use tower_bearer::{AccessToken, Claims};
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
//! async fn greet(token: Option<AccessToken>) -> &'static str {
//!     if token.is_some() { "hello" } else { "who are you?" }
//! }
//!
//! let routes: Router =
//!     Router::new().route("/me", get(me)).route("/tenant", get(tenant)).route("/", get(greet));
//! ```
//!
//! A handler with an extractor on a route that no `BearerAuth` covers answers 500, and the log says so.

use std::sync::Arc;

use axum_core::body::Body;
use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use axum_core::response::Response;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::access_token::AccessToken;
use crate::middleware::{is_covered, reject};
use crate::rejection::{Rejection, RejectionKind};

/// The token of the request. Without one (under [`optional`](crate::BearerAuthBuilder::optional)):
/// 401. On a route that no `BearerAuth` covers: 500.
impl<S: Send + Sync> FromRequestParts<S> for AccessToken {
    type Rejection = Response;

    async fn from_request_parts(head: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        token(head).map_err(|rejection| rejected(rejection, head))
    }
}

/// The token of the request, or `None` where [`optional`](crate::BearerAuthBuilder::optional) let
/// it through without one. On a route that no `BearerAuth` covers: 500.
impl<S: Send + Sync> OptionalFromRequestParts<S> for AccessToken {
    type Rejection = Response;

    async fn from_request_parts(head: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        match token(head) {
            Ok(token) => Ok(Some(token)),
            Err(rejection) if rejection.kind() == RejectionKind::Missing => Ok(None),
            Err(rejection) => Err(rejected(rejection, head)),
        }
    }
}

/// The claims of the request's token as your own type; see [`AccessToken::claims`].
///
/// Claims that do not fit `T` are answered with 401 `invalid_token`.
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
#[expect(
    clippy::exhaustive_structs,
    reason = "handlers take it apart in their arguments, as all axum extractors"
)]
pub struct Claims<T: DeserializeOwned>(pub Arc<T>);

impl<S, T> FromRequestParts<S> for Claims<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Send + Sync + 'static,
{
    type Rejection = Response;

    async fn from_request_parts(head: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let claims = token(head).and_then(|token| Ok(token.claims()?));
        claims.map(Self).map_err(|rejection| rejected(rejection, head))
    }
}

fn token(head: &Parts) -> Result<AccessToken, Rejection> {
    let absent = if is_covered(head) { RejectionKind::Missing } else { RejectionKind::NotCovered };
    head.extensions.get().cloned().ok_or_else(|| absent.into())
}

fn rejected(rejection: Rejection, head: &Parts) -> Response {
    reject::<Body>(rejection, head).map(Body::new)
}
