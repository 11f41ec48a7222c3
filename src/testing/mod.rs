//! An authorization server for tests (feature `test-util`).
//!
//! [`TestIssuer`] publishes keys, issues tokens and fails on demand, in memory or on a loopback port. A test
//! of a protected route:
//!
//! ```
//! # #[cfg(all(feature = "axum", any(feature = "aws-lc-rs", feature = "rust-crypto")))] {
//! use axum::{Router, body::Body, http::Request, routing::get};
//! use tower::ServiceExt;
//! use tower_bearer::{AccessToken, Require, testing::TestIssuer};
//!
//! const API: &str = "https://api.example.com";
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let idp = TestIssuer::new();
//! let auth = idp.bearer_auth(API).build().unwrap();
//! let me = get(|token: AccessToken| async move { token.subject().unwrap_or_default().to_owned() });
//! let app: Router = Router::new().route("/me", me.layer(Require::scope("profile"))).layer(auth);
//! let status = async |token: String| {
//!     let request = Request::get("/me").header("authorization", format!("Bearer {token}"));
//!     app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status()
//! };
//!
//! assert_eq!(status(idp.token(API).subject("alice").scope("profile").sign()).await, 200);
//!
//! // An expired token, and a token without the scope:
//! assert_eq!(status(idp.token(API).scope("profile").expired().sign()).await, 401);
//! assert_eq!(status(idp.token(API).scope("email").sign()).await, 403);
//! # }
//! # main();
//! # }
//! ```
//!
//! It also has endpoints for introspection, refresh tokens and revocation. Their clients must authenticate:
//! as [`TestIssuer::CLIENT_ID`], which is registered from the start, or as a client that the test registers.
//!
//! ```
//! # #[cfg(feature = "axum")] {
//! use axum::{Router, body::Body, http::Request, routing::get};
//! use tower::ServiceExt;
//! use tower_bearer::testing::TestIssuer;
//! use tower_bearer::{AccessToken, BearerAuth, Require};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let idp = TestIssuer::new();
//! let auth = BearerAuth::builder("https://api.example.com")
//!     .issuer(idp.issuer().introspect(idp.introspection()))
//!     .http_client(idp.http_client())
//!     .clock(idp.clock())
//!     .build()
//!     .unwrap();
//! let me = get(|token: AccessToken| async move { token.subject().unwrap_or_default().to_owned() });
//! let app: Router = Router::new().route("/me", me.layer(Require::token().still_active())).layer(auth);
//! let status = async |token: &str| {
//!     let request = Request::get("/me").header("authorization", format!("Bearer {token}"));
//!     app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status()
//! };
//!
//! let token = idp.token("https://api.example.com").subject("alice").opaque();
//! assert_eq!(status(&token).await, 200);
//!
//! idp.revoke(&token);
//! assert_eq!(status(&token).await, 401);
//! # }
//! # main();
//! # }
//! ```
//!
//! | to | use |
//! |---|---|
//! | test a handler without a layer | [`TokenBuilder::access_token`] |
//! | test a route without credentials | [`MockBearerAuth`] |
//! | simulate an outage, or the failure of one endpoint | [`TestIssuer::set_outage`], [`TestIssuer::set_fault`] |
//! | fail requests about one token, or damage one key | [`TestIssuer::set_token_fault`], [`TestIssuer::alter_key`] |
//! | move the time | [`TestIssuer::clock`] |
//! | bind a token to a key, and prove possession of it | [`TokenBuilder::bound_to_key`], [`DpopKey`] |
//! | bind a token to a client certificate | [`TokenBuilder::bound_to_certificate`] |
//! | imitate the tokens of an authorization server | [`TokenBuilder::shaped_like`] |
//! | serve the keys of a profile from another host | [`TestIssuer::publish_jwks_at`] |
//! | listen on a port, with TLS if needed | [`TestIssuer::loopback`] |
//!
//! Enable this feature for `[dev-dependencies]` only: a `TestIssuer` issues any token that a caller requests.

mod clock;
mod dpop;
mod endpoints;
mod fault;
mod in_memory;
mod issuer;
mod loopback;
mod mock_auth;
mod server;
#[cfg(feature = "test-tls")]
mod test_ca;
#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod tests;
mod thumbprint;

pub use clock::ManualClock;
pub use dpop::{DpopKey, ProofBuilder};
pub use fault::{Endpoint, Fault};
pub use in_memory::InMemoryClient;
pub use issuer::{LoopbackBuilder, TestIssuer, TokenBuilder, TokenShape};
pub use mock_auth::{MockBearerAuth, MockBearerAuthService};
pub use server::{ClientKeyUnusable, TokenSet};
#[cfg(feature = "test-tls")]
pub use test_ca::TestCa;
