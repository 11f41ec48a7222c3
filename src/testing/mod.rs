//! An authorization server for tests (feature `test-util`).
//!
//! [`TestIssuer`] publishes keys, mints tokens and misbehaves on demand, in memory or on a loopback
//! port. This is how a user tests a protected route:
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
//! let me = get(|token: AccessToken| async move { token.subject().to_owned() });
//! let app: Router = Router::new().route("/me", me.layer(Require::scope("profile"))).layer(auth);
//! let status = async |token: String| {
//!     let request = Request::get("/me").header("authorization", format!("Bearer {token}"));
//!     app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status()
//! };
//!
//! assert_eq!(status(idp.token(API).subject("alice").scope("profile").sign()).await, 200);
//!
//! // An expired token, and one without the scope:
//! assert_eq!(status(idp.token(API).scope("profile").expired().sign()).await, 401);
//! assert_eq!(status(idp.token(API).scope("email").sign()).await, 403);
//! # }
//! # main();
//! # }
//! ```
//!
//! Never ship it: whoever has a `TestIssuer` can mint tokens that its `BearerAuth` accepts.

mod challenge;
mod clock;
mod endpoint;
mod fault;
mod in_memory;
mod issuer;
mod loopback;
mod state;
mod token;

pub use challenge::{ChallengeSyntax, ParsedChallenge, parse_challenges};
pub use clock::ManualClock;
pub use fault::{Endpoint, Fault};
pub use in_memory::InMemoryClient;
pub use issuer::TestIssuer;
pub use token::TokenBuilder;
