//! An OAuth 2.0 resource server as a tower layer.

#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::as_conversions, reason = "tests may panic"))]

mod access_token;
mod authenticate;
#[cfg(feature = "axum")]
mod axum;
mod bearer;
mod builder;
mod clock;
mod crypto;
mod encoding;
mod event;
mod identifier;
mod jwks;
mod jwt;
mod metadata;
mod middleware;
mod policy;
mod rejection;
#[cfg(feature = "test-util")]
pub mod testing;
mod transport;

pub use access_token::{AccessToken, ClaimsMismatch};
pub use authenticate::{Bounds, Explanation, Finding, IssuerStatus, NotReady, Verdict};
#[cfg(feature = "axum")]
pub use axum::{Claims, ClaimsType};
pub use bearer::{ScopeSet, TokenSource};
pub use builder::{BearerAuthBuilder, ConfigError, ConfigProblem, Issuer};
pub use clock::{Clock, SystemClock};
pub use crypto::Algorithm;
pub use jwks::{KeySkipped, KeysStatus};
pub use middleware::{
    BearerAuth, BearerAuthService, FormBodyToken, FormBodyTokenFuture, FormBodyTokenService, ReplayedBody,
    Require, RequireFuture, RequireService, ResponseBody, ResponseFuture,
};
pub use policy::Scopes;
pub use rejection::{Rejection, RejectionKind};
pub use transport::{FetchError, FetchErrorKind, FetchFuture, HttpClient};
