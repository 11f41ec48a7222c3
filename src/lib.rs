//! An OAuth 2.0 resource server as a tower layer.
//!
//! [`BearerAuth`] wraps any `http` service: an axum router, a hyper service, a tonic server. It validates the
//! access token of each request, JWT or opaque, and rejects requests without a valid one as RFC 6750
//! requires. It fetches and refreshes the keys of the authorization server, and introspects tokens where you
//! want that.
//!
//! ```
//! # #[cfg(feature = "axum")] {
//! use axum::{Router, routing::{get, post}};
//! use tower_bearer::{AccessToken, BearerAuth, ConfigError, Issuer, Require};
//!
//! fn app() -> Result<Router, ConfigError> {
//!     let auth = BearerAuth::builder("https://api.example.com") // the audience: this API
//!         .issuer(Issuer::discover("https://login.example.com/realms/acme"))
//!         .build()?; // checks the configuration; no network yet
//!     Ok(Router::new()
//!         .route("/me", get(async |token: AccessToken| token.claims_json().to_owned()))
//!         .route("/orders", post(async || "created").layer(Require::scope("orders:write")))
//!         .layer(auth))
//! }
//! # }
//! ```
//!
//! The settings are methods of [`BearerAuthBuilder`], [`Issuer`] and [`Introspection`]. The audience and an
//! issuer are required; everything else has a safe default. [`BearerAuth::bounds`] states what a
//! configuration guarantees.
//!
//! # Guide
//!
//! Start with [Getting started](guide::getting_started). [Troubleshooting](guide::troubleshooting) explains
//! each rejection, and [Providers](guide::providers) has the settings for Keycloak, Auth0, Entra ID and
//! others. The module [`guide`] lists all pages.
//!
//! # How a request is checked
//!
//! In this order. The first step that fails decides the response.
//!
//! 1. **Extract.** The request has exactly one credential, with the scheme `Bearer` (or `DPoP`, see step 10)
//!    and at most 16 KiB, in the `Authorization` header or in a [`TokenSource`] that you enabled.
//! 2. **Look up.** For a cached token ([`TokenCache`]), only what may have changed is checked: its dates,
//!    that the issuer still publishes the same keys, and steps 8 to 11.
//! 3. **Classify.** A token whose first part is a JOSE header is a JWT, however malformed; without three
//!    parts it is rejected as `token_opaque`. Everything else is opaque and continues with step 8, or is
//!    rejected if no issuer introspects it.
//! 4. **Parse.** A JWT has three parts of strict base64url, and no JSON object has duplicate members. `crit`
//!    and `b64` are rejected; `jku`, `x5u`, `jwk` and `x5c` are never followed.
//! 5. **Select the issuer.** `iss` names a configured issuer exactly. From here on only its settings count.
//! 6. **Verify.** `alg` and `typ` are allowed, and a key of this issuer verifies the signature. If the key is
//!    not cached, the request waits for a fetch, which it shares with all others that wait.
//! 7. **Check the claims.** `aud` names this API; `exp`, `nbf` and `iat` fit the clock; required claims are
//!    present and well-typed; the token is not an ID, refresh or logout token. A `cnf` names a key or a
//!    certificate that step 10 can check.
//! 8. **Introspect**, for opaque tokens, and for JWTs where [`Introspection::also_jwts`] says so. The token
//!    is active, and the claims of the response pass step 7. Responses are cached and requests are coalesced.
//! 9. **Look for a revocation**, if the configuration has [`revocations`](BearerAuthBuilder::revocations).
//! 10. **Prove the sender**, for tokens with `cnf`: the request has a [DPoP proof](dpop) or the [client
//!     certificate](certificates) that the token is bound to. Without [`BearerAuthBuilder::dpop`] and
//!     [`BearerAuthBuilder::certificates`], such tokens are rejected.
//! 11. **Require.** On routes with a [`Require`] layer: the authentication of the user, scopes, roles,
//!     authorization details, your own checks, and [`still_active`](Require::still_active).
//!
//! A JWT that fails a check is never introspected instead. The inner service finds the [`AccessToken`] in the
//! extensions of the request. With the feature `axum` it is also an extractor.
//!
//! # Responses
//!
//! A token that fails a check gets 401, and a missing scope 403, with the challenge of RFC 6750. If keys or
//! introspection are unavailable, the response is 503 without a challenge, so that clients keep their token.
//! [Troubleshooting](guide::troubleshooting) lists every [`RejectionKind`] by status. The [`Rejection`] is in
//! the extensions of the response. With [`BearerAuthBuilder::resource_metadata`], each challenge says where a
//! client finds the authorization server (RFC 9728). [`BearerAuthBuilder::on_reject`] replaces the JSON body.
//! gRPC calls get gRPC responses with the same headers; see [`BearerAuthBuilder::grpc`].
//!
//! # Features
//!
//! Features add API and never change which tokens are accepted.
//!
//! | feature | default | consequence |
//! |---|---|---|
//! | `axum` | yes | extractors: `AccessToken`, `Claims<T>`, and `Option` of both. Off: the layer still wraps axum routers |
//! | `reqwest` | yes | keys are fetched and tokens introspected by reqwest. Off: set [`BearerAuthBuilder::http_client`] |
//! | `aws-lc-rs` | yes | signatures are verified by aws-lc-rs, which needs a C compiler. Used if both backends are on |
//! | `rust-crypto` | no | signatures are verified in pure Rust; RSA takes about ten times as long |
//! | `config` | no | the module `config`: settings from TOML, JSON or environment variables |
//! | `metrics` | no | `BearerAuthBuilder::metrics`: counters, durations and gauges through the `metrics` facade |
//! | `inspector` | no | the module `inspector`: a page for operators, to mount behind your own protection |
//! | `test-util` | no | the module `testing`, which issues tokens: for `[dev-dependencies]` only |
//! | `test-tls` | no | `test-util`, and TLS on loopback with a test CA, which needs a C compiler |
//!
//! Without a backend the crate compiles, but creating an [`Issuer`] does not.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::as_conversions, reason = "tests may panic"))]

pub mod access_token;
pub mod audit;
mod authenticate;
#[cfg(feature = "axum")]
pub mod axum;
mod bearer;
mod binding;
pub mod builder;
pub mod challenge;
#[cfg(feature = "config")]
pub mod config;
pub mod crypto;
pub mod diagnostics;
mod encoding;
mod event;
mod fetch_url;
// Its examples need a complete build, so they run as tests with these features only.
#[cfg(any(
    all(doc, not(doctest)),
    all(
        doctest,
        feature = "axum",
        feature = "config",
        feature = "reqwest",
        feature = "test-util",
        any(feature = "aws-lc-rs", feature = "rust-crypto")
    )
))]
pub mod guide;
#[cfg(feature = "inspector")]
pub mod inspector;
mod introspection;
pub mod issuers;
mod json_document;
mod jwks;
mod jwt;
mod metadata;
pub mod middleware;
pub mod observe;
mod rejection;
mod requirement;
pub mod resource_metadata;
pub mod revocation;
mod secret_file;
mod settings;
mod sync;
#[cfg(feature = "test-util")]
pub mod testing;
pub mod time;
pub mod transport;

#[doc(inline)]
pub use access_token::AccessToken;
#[cfg(feature = "axum")]
#[doc(inline)]
pub use axum::Claims;
pub use bearer::TokenSource;
pub use binding::{certificates, dpop};
#[doc(inline)]
pub use builder::{BearerAuthBuilder, ConfigError, Introspection, Issuer, TokenCache};
#[doc(inline)]
pub use crypto::Algorithm;
pub use introspection::client_auth::{self, ClientAuth};
#[doc(inline)]
pub use middleware::{BearerAuth, FormBodyToken, Require};
pub use rejection::{Rejection, RejectionKind};
pub use requirement::Scopes;

/// The examples of the README, compiled and run as tests.
#[cfg(all(
    doctest,
    feature = "axum",
    feature = "reqwest",
    any(feature = "aws-lc-rs", feature = "rust-crypto")
))]
#[doc = include_str!("../README.md")]
struct Readme;
