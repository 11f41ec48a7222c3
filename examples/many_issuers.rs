//! One API that trusts two authorization servers, each with its own keys, algorithms and audience.
//!
//! ```text
//! cargo run --example many_issuers              # prints curl lines, then serves until Ctrl-C
//! cargo run --example many_issuers -- --once    # sends them itself; exits with 0 if all responses match
//! ```
//!
//! A token is validated against the issuer in its `iss` and no other (RFC 8725 section 3.8). A subject is
//! unique only within its issuer, so the pair of issuer and subject identifies a user.

mod support;

use std::error::Error;
use std::process::ExitCode;

use axum::Router;
use axum::routing::get;
use support::Case;
use tower_bearer::testing::TestIssuer;
use tower_bearer::{AccessToken, Algorithm, BearerAuth, Issuer};

/// The audience in the tokens of our authorization server.
const API: &str = "https://api.example.com";

/// The audience in the tokens of the partner's authorization server.
const API_AT_PARTNER: &str = "orders-api";

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let ours = TestIssuer::start().await?;
    let partner = TestIssuer::start().await?;
    partner.withdraw_key(&partner.key_id());
    partner.rotate_key_to(Algorithm::EdDSA);

    let auth = BearerAuth::builder(API)
        .issuer(Issuer::discover(ours.identifier()).algorithms([Algorithm::ES256]))
        .add_issuer(
            Issuer::with_jwks_url(partner.identifier(), partner.jwks_url())
                .algorithms([Algorithm::EdDSA])
                .audience(API_AT_PARTNER)
                .allowed_clients(["client"]),
        )
        .build()?;
    // Optional: fetches the keys of both issuers before the first request, and fails if one is unavailable.
    auth.ready().await?;

    let (listener, origin) = support::listen().await?;
    println!("\nProtected API  {origin}\n");
    for issuer in auth.status() {
        let key_ids = issuer.keys().map(|keys| keys.key_ids().join(", ")).unwrap_or_default();
        println!("  trusts {} with the keys {key_ids}", issuer.issuer());
    }
    println!();
    let server = axum::serve(listener, Router::new().route("/me", get(me)).layer(auth)).into_future();
    support::run(server, &origin, &cases(&ours, &partner), "").await
}

async fn me(token: AccessToken) -> String {
    format!("hello {} of {}\n", token.subject().unwrap_or("client"), token.issuer())
}

fn cases(ours: &TestIssuer, partner: &TestIssuer) -> Vec<Case> {
    let invalid =
        |text| format!("Bearer realm=\"{API}\", error=\"invalid_token\", error_description=\"{text}\"");
    let other_audience = "The access token is intended for another audience";
    vec![
        Case::get("our token", "/me").token(ours.token(API).sign()),
        Case::get("partner token", "/me").token(partner.token(API_AT_PARTNER).sign()),
        Case::get("our token, the partner's audience", "/me")
            .token(ours.token(API_AT_PARTNER).sign())
            .rejected(401, invalid(other_audience)),
        Case::get("partner token, our audience", "/me")
            .token(partner.token(API).sign())
            .rejected(401, invalid(other_audience)),
        Case::get("partner token, our issuer in `iss`", "/me")
            .token(partner.token(API).claim("iss", ours.identifier()).sign())
            .rejected(401, invalid("The signature algorithm of the access token is not allowed")),
        Case::get("partner token of another client", "/me")
            .token(partner.token(API_AT_PARTNER).claim("client_id", "other").sign())
            .rejected(401, invalid("The client of the access token is not allowed")),
    ]
}
