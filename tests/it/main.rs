//! Integration tests: requests that go through the whole layer. The modules mirror those of `src`.

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

mod audit;
mod authorization_details;
#[cfg(feature = "axum")]
mod axum;
mod bearer;
mod certificates;
mod claim_settings;
#[cfg(feature = "config")]
mod config;
mod dpop;
mod endpoint_hosts;
mod fapi2;
#[cfg(feature = "axum")]
mod handler_rejections;
#[cfg(feature = "inspector")]
mod inspector;
mod introspection;
mod issuers;
mod jwk;
mod jwks;
mod jws;
mod jwt;
mod messages;
mod metadata;
mod middleware;
mod observe;
mod on_accept;
mod outside_request;
mod probes;
mod providers;
mod ready;
mod rejection_log;
mod require;
mod resource_metadata;
mod responses;
mod revocation;
mod sender_bound;
mod spans;
mod step_up;
mod support;
mod token_cache;
#[cfg(feature = "reqwest")]
mod transport;
mod views;
