//! One API that trusts two issuers, each with keys, algorithms and a name for the API of its own.
//!
//! ```text
//! cargo run --example many_issuers              # prints curl lines, then serves until Ctrl-C
//! cargo run --example many_issuers -- --once    # sends them itself; status 0 if all answers are right
//! ```
//!
//! A token is judged by the issuer that it names and by no other (RFC 8725 section 3.8), and a person is the
//! pair of issuer and subject.

mod trials;

use std::error::Error;
use std::process::ExitCode;

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;
use tower_bearer::testing::TestIssuer;
use tower_bearer::{AccessToken, Algorithm, BearerAuth, Issuer};
use trials::Trial;

/// The name of the API at our own issuer.
const API: &str = "https://api.example.com";
/// Its name at a partner's issuer.
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
    // Not needed, but good to know before the first request: do both issuers answer?
    auth.ready().await?;

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    print_summary(&origin, &auth);

    let server = axum::serve(listener, Router::new().route("/me", get(me)).layer(auth));
    let trials = trials(&ours, &partner);
    if std::env::args().any(|arg| arg == "--once") {
        tokio::spawn(server.into_future());
        let all_right = trials::send_all(&trials, &origin).await?;
        return Ok(if all_right { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    trials::print_curl_lines(&trials, &origin);
    server.with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) }).await?;
    Ok(ExitCode::SUCCESS)
}

async fn me(token: AccessToken) -> String {
    format!("hello {} of {}\n", token.subject().unwrap_or("client"), token.issuer())
}

fn print_summary(origin: &str, auth: &BearerAuth) {
    println!("\nProtected API  {origin}\n");
    for issuer in auth.status() {
        let key_ids = issuer.keys().map(|keys| keys.key_ids().join(", ")).unwrap_or_default();
        println!("  trusts {} with the keys {key_ids}", issuer.issuer());
    }
    println!();
}

fn trials(ours: &TestIssuer, partner: &TestIssuer) -> Vec<Trial> {
    let invalid =
        |text| format!("Bearer realm=\"{API}\", error=\"invalid_token\", error_description=\"{text}\"");
    let other_audience = "The access token is for another audience";
    vec![
        Trial::of("ours", "/me").with(ours.token(API).sign()),
        Trial::of("the partner's", "/me").with(partner.token(API_AT_PARTNER).sign()),
        Trial::of("ours, by the partner's name", "/me")
            .with(ours.token(API_AT_PARTNER).sign())
            .refused(401, invalid(other_audience)),
        Trial::of("the partner's, by our name", "/me")
            .with(partner.token(API).sign())
            .refused(401, invalid(other_audience)),
        Trial::of("the partner's, says it is ours", "/me")
            .with(partner.token(API).claim("iss", ours.identifier()).sign())
            .refused(401, invalid("The signature algorithm of the access token is not allowed")),
        Trial::of("the partner's, of another client", "/me")
            .with(partner.token(API_AT_PARTNER).claim("client_id", "other").sign())
            .refused(401, invalid("The client of the access token is not allowed")),
    ]
}
