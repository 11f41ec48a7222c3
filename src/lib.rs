//! An OAuth 2.0 resource server as a tower layer.
//!
//! [`BearerAuth`] goes around any `http` service (an axum router, a hyper service, a tonic server) and lets
//! only requests with a valid access token pass. It fetches the keys of the authorization server, keeps them
//! fresh, and judges JWTs with them; about opaque tokens, and JWTs that can be revoked, it asks that server
//! ([`Issuer::introspect`], RFC 7662). Every refusal has the status and the headers of RFC 6750.
//!
//! ```
//! # #[cfg(feature = "axum")] {
//! use axum::{Router, routing::{get, post}};
//! use tower_bearer::{AccessToken, BearerAuth, ConfigError, Issuer, Require};
//!
//! fn app() -> Result<Router, ConfigError> {
//!     let auth = BearerAuth::builder("https://api.example.com") // this API: the `aud` it answers to
//!         .issuer(Issuer::discover("https://login.example.com/realms/acme")) // who may issue tokens for it
//!         .build()?; // checks the configuration; no network yet
//!     Ok(Router::new()
//!         .route("/me", get(|token: AccessToken| async move { format!("hello {}", token.subject().unwrap_or("client")) }))
//!         .route("/orders", post(async || "created").layer(Require::scope("orders:write")))
//!         .layer(auth))
//! }
//! # }
//! ```
//!
//! The settings are those of [`BearerAuthBuilder`], [`Issuer`] and [`Introspection`]. All but the audience and
//! one issuer have a safe default, and whatever loosens security has a name that starts with `dangerous_`.
//!
//! # How a request is judged
//!
//! In this order; the first step that fails decides the answer.
//!
//! 1. There is exactly one credential, of the scheme `Bearer`, in the `Authorization` header (or in a
//!    [`TokenSource`] that was added), of at most 16 KiB.
//! 2. The token is a signed JWT: three parts, strict base64url, JSON objects in which no member stands twice.
//!    What has another form is opaque, and goes on with step 10 if an issuer is asked about it; else it is
//!    refused. Three parts of which the first is a JOSE header are a JWT, however malformed, and never opaque.
//! 3. The header has no `crit` and no `b64`. `jku`, `x5u`, `jwk` and `x5c` are never followed.
//! 4. `iss` is a configured issuer, to the letter. From here on, only what is configured for that issuer
//!    counts. A JWT of an issuer [without keys](Issuer::without_keys) goes on with step 10.
//! 5. `alg` is allowed for the issuer: RSA, RSA-PSS, ECDSA or Ed25519, never `none`, never an HMAC.
//! 6. `typ` is `at+jwt`, `JWT` or absent ([`Issuer::strict_rfc9068`]: `at+jwt`).
//! 7. The issuer has a key of this `kid` for this `alg`. Only when it is not in hand does the request wait,
//!    for one fetch that it shares with all others.
//! 8. The signature holds. No claim but `iss` has been believed so far.
//! 9. The claims: no ID token or logout token; `aud` names this API; `exp`, `nbf` and `iat` fit the clock,
//!    with 30 s of leeway; required claims are there; every claim that is read has the right type; limits on
//!    age, lifetime and client hold; no `cnf` asks for a proof that was not given.
//! 10. The issuer's word, for an opaque token, and for a JWT where [`Introspection::also_jwts`] says so: that it
//!     is active, and claims that fit as in step 9 (about a JWT, those that the answer has, and they must agree
//!     with the token's). If it is not remembered the request waits for one call, which all share who ask about
//!     this token.
//! 11. [`Require`], on the routes that have one: scopes, checks of your own, and with
//!     [`Require::still_active`] the issuer's word anew.
//!
//! A token that passed is remembered ([`TokenCache`]). When it comes again it is compared whole, and in place of
//! steps 2 to 9 only what can have changed is looked at: `exp`, `nbf`, `iat` and the limit on age by the clock; that
//! the issuer's keys may still be used and are those that the signature was checked with. Steps 1, 10 and 11 are as
//! the first time.
//!
//! A JWT that fails one of the steps 3 to 9 is not shown to its issuer for a second opinion. Then the
//! [`AccessToken`] stands in the request's extensions (with the feature `axum` it is an extractor, too), and
//! the inner service is called.
//!
//! # Answers
//!
//! | situation | status | `WWW-Authenticate` |
//! |---|---|---|
//! | no credentials, or those of another scheme | 401 | `Bearer realm="..."` |
//! | malformed or repeated credentials, token too large | 400 | `error="invalid_request"` |
//! | a form body too large to look for a token in ([`FormBodyToken`]) | 413 | `error="invalid_request"` |
//! | any check of the token fails | 401 | `error="invalid_token"`, and why |
//! | a scope is missing, or a check of the route says no | 403 | `error="insufficient_scope"`, and the scopes |
//! | keys are out of reach and none usable are held | 503 | none; `Retry-After` |
//! | the issuer cannot be asked about the token, and nothing usable is remembered | 503 | none; `Retry-After` |
//! | the issuer does not answer this service about the token: its credentials or its configuration are wrong | 500 | none |
//! | a [`Require`] or an extractor on a route that no `BearerAuth` covers | 500 | none |
//!
//! Each has `Cache-Control: no-store`, a small JSON body ([`BearerAuthBuilder::on_reject`] writes another),
//! and the [`Rejection`] in the extensions of the response. A request of gRPC is answered in gRPC's way, with
//! the same headers. [`RejectionKind`] lists every reason; its label is the `kind` in the log.
//!
//! # Features
//!
//! Features add API and never change what is accepted.
//!
//! | feature | default | consequence |
//! |---|---|---|
//! | `axum` | yes | extractors: `AccessToken`, `Option<AccessToken>`, `Claims<T>`. Off: the layer still works around axum |
//! | `reqwest` | yes | keys are fetched and tokens introspected by reqwest over rustls. Off: give [`BearerAuthBuilder::http_client`] an [`HttpClient`] |
//! | `aws-lc-rs` | yes | signatures are checked by aws-lc-rs; needs a C compiler. Wins when both backends are on |
//! | `rust-crypto` | no | signatures are checked in pure Rust; RSA takes about ten times as long |
//! | `test-util` | no | the module `testing`: an authorization server for your tests. It mints tokens: for `[dev-dependencies]` only |
//!
//! Without any backend the crate compiles, and making an [`Issuer`] does not.
//!
//! # Deployment
//!
//! - **Proxies.** Some remove `Authorization`, or put a credential of their own there (Apache with CGI, some
//!   API gateways, basic authentication in front of a test system). Many `missing` in the log with clients
//!   that do send a token point there. Header lines over 8 KiB are refused by many before they come here.
//! - **Clocks.** `exp`, `nbf` and `iat` are compared with this machine's clock. `token_issued_in_future` and
//!   `token_expired` right after sign-in mean that a clock is wrong: set it, rather than the leeway.
//! - **Outages.** Keys in hand are used for 4 h after they went stale
//!   ([`BearerAuthBuilder::jwks_stale_for`]), and an issuer that was down at start is asked again until it
//!   answers. [`BearerAuth::ready`] and [`BearerAuth::status`] are for probes; do not restart the service
//!   because an issuer is down, since that throws good keys away.
//! - **Introspection** makes the issuer a part of each request whose token is not remembered: put the endpoint
//!   near, and watch [`IntrospectionStatus`]. While it is down those requests get 503; after 5 failures in a row
//!   it is left alone for 10 s at a time. [`Introspection::serve_stale`] trades that for tokens that were revoked
//!   meanwhile. Every made-up opaque token costs a call; [`Introspection::max_calls_per_minute`] bounds them, for your
//!   own clients as well. What this process remembers it does not share with others: `active_ttl` goes for
//!   each by itself.
//! - **Secrets.** Requests to the introspection endpoint hold this service's credentials and the token. Do not
//!   log them in an [`HttpClient`] of your own or in a proxy on the way.
//! - **503** means that what the token must be judged by could not be had, not that the token is bad. Clients
//!   should keep the token and try again after `Retry-After`. Alert on `keys_unavailable` and
//!   `introspection_unavailable`. **500** `introspection_misconfigured` will not mend itself: a secret has
//!   expired, or was never right.
//! - **Long answers.** A token is judged when the request begins. A stream or WebSocket that is open stays
//!   open after `exp` and after a revocation; end it yourself at [`AccessToken::expires_at`].
//! - **CORS.** Browsers send preflights without a token, so the CORS layer goes outside: in axum,
//!   `.layer(auth)` first and `.layer(cors)` after it; in a `ServiceBuilder`, `cors` before `auth`. Allow the
//!   header `authorization` there, and expose `www-authenticate` if scripts should read it.
//! - **Order of layers.** What is inside of `BearerAuth` sees only requests with a token; put request ids,
//!   tracing and limits against floods outside. In axum, `Router::layer` covers the routes added before it,
//!   and paths that do not exist (401 rather than 404 without a token; `Router::route_layer` leaves those
//!   out).
//!
//! # What is not checked
//!
//! Whether a JWT was revoked, unless its issuer is asked ([`Introspection::also_jwts`],
//! [`Require::still_active`]); [`BearerAuth::bounds`] says how long it can be accepted. Whether what the issuer
//! says is true. A proof of possession (DPoP, mTLS): tokens that ask for one are refused. Whether a token was
//! used before (`jti`). Whether *this* subject may see *this* object, which only the application knows. TLS of
//! this server, cross-site request forgery where a cookie carries the token, and rate limits are the business
//! of other layers.
//!
//! # Layout, for maintainers
//!
//! Imports only go down these floors:
//!
//! ```text
//! 10 axum, testing
//!  9 builder        settings and ConfigError
//!  8 middleware     tower: layers, services, futures, answers
//!  7 authenticate   the straight line of a request, on one screen; tokens that were verified before
//!  6 rejection      the table: every fault to kind, status, error code and text
//!  5 policy         what a route needs
//!  4 introspection  what issuers say of tokens: asked for within limits, remembered for a while
//!    jwks, metadata keys kept fresh; where they, and other endpoints, are
//!  3 jwt, transport steps of a JWT, pure (`now` is an argument); one fetch within limits
//!  2 access_token
//!  1 bearer         RFC 6750
//!    cache, crypto  bounded in number and bytes, read without a lock; keys and signatures
//!  0 budget, clock, encoding, identifier, event, monotonic
//! ```

#![cfg_attr(test, allow(clippy::arithmetic_side_effects, clippy::as_conversions, reason = "tests may panic"))]

pub mod access_token;
mod authenticate;
#[cfg(feature = "axum")]
pub mod axum;
mod bearer;
pub mod builder;
pub mod crypto;
pub mod diagnostics;
mod encoding;
mod event;
mod fetch_url;
mod introspection;
mod jwks;
mod jwt;
mod metadata;
pub mod middleware;
mod rejection;
mod requirement;
mod sync;
#[cfg(feature = "test-util")]
pub mod testing;
pub mod time;
pub mod transport;

pub use access_token::AccessToken;
#[cfg(feature = "axum")]
pub use axum::Claims;
pub use bearer::TokenSource;
pub use builder::{BearerAuthBuilder, ConfigError, Introspection, Issuer, TokenCache};
pub use crypto::Algorithm;
pub use introspection::ClientAuth;
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
