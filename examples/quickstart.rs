//! A protected API and the authorization server that it trusts, both on loopback.
//!
//! ```text
//! cargo run --example quickstart              # prints curl lines, then serves until Ctrl-C
//! cargo run --example quickstart -- --once    # sends them itself; exits with 0 if all responses match
//! ```
//!
//! The requests carry valid, expired, altered, opaque and revoked tokens.

mod support;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use support::Case;
use tower_bearer::testing::TestIssuer;
use tower_bearer::{AccessToken, BearerAuth, ClientAuth, Introspection, Require};

/// The audience: tokens for this API have it in `aud`.
const API: &str = "https://api.example.com";

/// How long an active introspection response is cached. Short, so that the revocation is visible after a
/// second. The default is 30 s.
const ACTIVE_TTL: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    // Rejected requests and failed fetches are events, with the cause and a hint.
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();

    // Stands in for Keycloak, Auth0, Entra ID ...: serves metadata and keys over HTTP, and signs any token.
    let idp = TestIssuer::start().await?;

    // JWTs are verified with the issuer's keys. Opaque tokens are introspected; this API is the client.
    let client = ClientAuth::secret_basic(TestIssuer::CLIENT_ID, TestIssuer::CLIENT_SECRET);
    let issuer = idp.issuer().introspect(Introspection::with(client).active_ttl(ACTIVE_TTL));
    let auth = BearerAuth::builder(API).issuer(issuer).build()?;

    let (listener, origin) = support::listen().await?;
    let routes = [
        "GET /health   no token needed",
        "GET /me       any valid access token for this API",
        "GET /orders   a valid access token with the scope orders:read",
    ];
    support::print_summary(&idp, &origin, &routes, &auth);
    let server = axum::serve(listener, app(auth)).into_future();
    let note = "Each token is valid for an hour. The opaque token is revoked on the way.\n\
                A revoked token is accepted for at most 3 s, because an introspection request in flight may\n\
                take its whole `timeout`.\n";
    support::run(server, &origin, &cases(&idp), note).await
}

fn app(auth: BearerAuth) -> Router {
    Router::new()
        .route("/me", get(me))
        .route("/orders", get(orders).layer(Require::scope("orders:read")))
        .layer(auth)
        // The layer does not cover routes that are added after it.
        .route("/health", get(async || "healthy\n"))
}

async fn me(token: AccessToken) -> String {
    format!("hello {}\n", token.subject().unwrap_or("client"))
}

async fn orders(token: AccessToken) -> String {
    format!("the orders of {}\n", token.subject().unwrap_or("client"))
}

fn cases(idp: &TestIssuer) -> Vec<Case> {
    let hour = Duration::from_secs(3600);
    let alice = || idp.token(API).subject("alice").scope("orders:read").lifetime(hour);
    let opaque = alice().opaque();
    let untrusted = TestIssuer::in_memory("https://untrusted.example");
    let invalid =
        |text| format!("Bearer realm=\"{API}\", error=\"invalid_token\", error_description=\"{text}\"");
    vec![
        Case::get("valid token", "/me").token(alice().sign()),
        Case::get("valid token with the scope", "/orders").token(alice().sign()),
        Case::get("no token", "/me").rejected(401, format!("Bearer realm=\"{API}\"")),
        Case::get("expired token", "/me")
            .token(alice().expired().sign())
            .rejected(401, invalid("The access token expired")),
        Case::get("token with altered claims", "/me")
            .token(with_claims_of(&alice().sign(), &alice().subject("admin").sign()))
            .rejected(401, invalid("The access token signature is invalid")),
        Case::get("token for another API", "/me")
            .token(alice().claim("aud", "https://other.example.com").sign())
            .rejected(401, invalid("The access token is intended for another audience")),
        Case::get("token of an untrusted issuer", "/me")
            .token(untrusted.token(API).lifetime(hour).sign())
            .rejected(401, invalid("The issuer of the access token is not trusted")),
        Case::get("valid token without the scope", "/orders")
            .token(alice().scope("profile").sign())
            .rejected(
                403,
                format!(
                    "Bearer realm=\"{API}\", error=\"insufficient_scope\", \
                 error_description=\"The access token lacks a required scope\", scope=\"orders:read\""
                ),
            ),
        Case::get("no token, unprotected route", "/health"),
        Case::get("opaque token", "/me").token(&opaque),
        Case::revoke("revocation of the opaque token", idp, &opaque),
        Case::get("revoked opaque token, 1 s later", "/me")
            .token(&opaque)
            .after(ACTIVE_TTL)
            .rejected(401, invalid("The access token is not active")),
    ]
}

/// The header and signature of `signed` around the claims of `other`.
fn with_claims_of(signed: &str, other: &str) -> String {
    let (signed, other): (Vec<&str>, Vec<&str>) = (signed.split('.').collect(), other.split('.').collect());
    match (signed.as_slice(), other.as_slice()) {
        ([header, _, signature], [_, claims, _]) => format!("{header}.{claims}.{signature}"),
        _ => String::new(),
    }
}
