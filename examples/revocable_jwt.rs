//! An API that rejects revoked JWTs: within 5 s on most routes, immediately on one.
//!
//! ```text
//! cargo run --example revocable_jwt              # prints curl lines, then serves until Ctrl-C
//! cargo run --example revocable_jwt -- --once    # sends them itself; exits with 0 if all responses match
//! ```
//!
//! Each JWT is verified with the issuer's keys first; only valid ones are introspected. `GET /me` accepts a
//! cached introspection response. `POST /payments` sends an introspection request each time.

mod support;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use support::Case;
use tower_bearer::testing::{Endpoint, TestIssuer};
use tower_bearer::{AccessToken, BearerAuth, ClientAuth, Introspection, Require};

/// The audience: tokens for this API have it in `aud`.
const API: &str = "https://api.example.com";

/// How long an active introspection response is cached: the longest that `/me` accepts a revoked token.
/// The default is 30 s.
const ACTIVE_TTL: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let idp = TestIssuer::start().await?;

    let client = ClientAuth::secret_basic(TestIssuer::CLIENT_ID, TestIssuer::CLIENT_SECRET);
    let introspection = Introspection::with(client).also_jwts().active_ttl(ACTIVE_TTL);
    let auth = BearerAuth::builder(API).issuer(idp.issuer().introspect(introspection)).build()?;

    let (listener, origin) = support::listen().await?;
    let routes = [
        "GET  /me         any valid access token for this API",
        "POST /payments   a valid access token with the scope payments:write that is still active",
    ];
    support::print_summary(&idp, &origin, &routes, &auth);
    let server = axum::serve(listener, app(auth)).into_future();
    let note = "Paste them all at once: the responses of /me depend\n\
                on the time since the revocation. The tokens are for one run. Restart for new ones.\n";
    let exit_code = support::run(server, &origin, &cases(&idp), note).await?;
    println!("The API sent {} introspection requests.", idp.requests(Endpoint::Introspection));
    Ok(exit_code)
}

fn app(auth: BearerAuth) -> Router {
    Router::new()
        .route("/me", get(me))
        // `still_active` introspects on every request, whatever is cached.
        .route("/payments", post(pay).layer(Require::scope("payments:write").still_active()))
        .layer(auth)
}

async fn me(token: AccessToken) -> String {
    format!("hello {}\n", token.subject().unwrap_or("client"))
}

async fn pay(token: AccessToken) -> String {
    format!("{} pays\n", token.subject().unwrap_or("client"))
}

/// Two users sign in, use the API, and sign out. At sign-out their client revokes the refresh token, and the
/// authorization server revokes the access tokens of the same grant (RFC 7009 section 2.1).
fn cases(idp: &TestIssuer) -> Vec<Case> {
    let hour = Duration::from_secs(3600);
    let sign_in = |subject| idp.token(API).subject(subject).scope("payments:write").lifetime(hour).sign_in();
    let (alice, bob) = (sign_in("alice"), sign_in("bob"));
    let description = "The access token is not active";
    let inactive =
        || format!("Bearer realm=\"{API}\", error=\"invalid_token\", error_description=\"{description}\"");
    vec![
        Case::get("alice", "/me").token(alice.access_token()),
        Case::post("alice", "/payments").token(alice.access_token()),
        Case::get("bob", "/me").token(bob.access_token()),
        Case::revoke("alice signs out", idp, alice.refresh_token()),
        Case::revoke("bob signs out", idp, bob.refresh_token()),
        Case::get("alice: cached as active", "/me").token(alice.access_token()),
        Case::post("alice: rejected immediately", "/payments")
            .token(alice.access_token())
            .rejected(401, inactive()),
        Case::get("alice: now cached as inactive", "/me")
            .token(alice.access_token())
            .rejected(401, inactive()),
        Case::get("bob: cached as active", "/me").token(bob.access_token()),
        Case::get("bob: rejected after 5 s", "/me")
            .token(bob.access_token())
            .after(ACTIVE_TTL)
            .rejected(401, inactive()),
    ]
}
