//! What the library owes its users, held by requests that go through the whole layer.

#![cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
#![allow(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::string_slice,
    clippy::unwrap_used,
    reason = "tests may panic"
)]

mod answers;
mod attacks;
#[cfg(feature = "axum")]
mod axum;
mod bearer;
mod introspection;
mod introspection_failures;
#[cfg(feature = "reqwest")]
mod introspection_sockets;
mod jwk;
mod jwks;
mod jws;
mod jwt;
mod metadata;
mod middleware;
mod policy;
mod remembered;
#[cfg(feature = "reqwest")]
mod sockets;
mod support;
