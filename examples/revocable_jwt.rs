//! An API that notices when a signed token (JWT) was revoked: soon on most routes, at once on the one where
//! it matters.
//!
//! ```text
//! cargo run --example revocable_jwt              # prints curl lines, then serves until Ctrl-C
//! cargo run --example revocable_jwt -- --once    # sends them itself; status 0 if all answers are right
//! ```
//!
//! A JWT is judged by the issuer's keys first, and one that fails is not asked about. `GET /me` then takes
//! the issuer's word as it is remembered; `POST /payments` asks for each request.

mod trials;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tower_bearer::testing::{Endpoint, TestIssuer};
use tower_bearer::{AccessToken, BearerAuth, ClientAuth, Introspection, Require};
use trials::Trial;

/// The name of the API: what its tokens must have as `aud`.
const API: &str = "https://api.example.com";

/// How long the issuer's word that a token is active is taken for true: the longest that `/me` accepts a
/// token after it was revoked. The default is 30 s.
const ACTIVE_TTL: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let idp = TestIssuer::start().await?;

    let client = ClientAuth::secret_basic(TestIssuer::CLIENT_ID, TestIssuer::CLIENT_SECRET);
    let introspection = Introspection::with(client).also_jwts().active_ttl(ACTIVE_TTL);
    let auth = BearerAuth::builder(API).issuer(idp.issuer().introspect(introspection)).build()?;

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    print_summary(&origin, &idp, &auth);

    let server = axum::serve(listener, app(auth));
    let trials = trials(&idp);
    if std::env::args().any(|arg| arg == "--once") {
        tokio::spawn(server.into_future());
        let all_right = trials::send_all(&trials, &origin).await?;
        println!("The issuer was asked about tokens {} times.", idp.requests(Endpoint::Introspection));
        return Ok(if all_right { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    println!(
        "Paste these into another terminal, all at once: what /me says after a revocation depends on the"
    );
    println!("time. The tokens are good once; start again for others. Ctrl-C ends.\n");
    trials::print_curl_lines(&trials, &origin);
    server.with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) }).await?;
    Ok(ExitCode::SUCCESS)
}

fn app(auth: BearerAuth) -> Router {
    Router::new()
        .route("/me", get(me))
        // Whatever is remembered, the issuer is asked before money moves.
        .route("/payments", post(pay).layer(Require::scope("payments:write").still_active()))
        .layer(auth)
}

async fn me(token: AccessToken) -> String {
    format!("hello {}\n", token.subject().unwrap_or("client"))
}

async fn pay(token: AccessToken) -> String {
    format!("{} pays\n", token.subject().unwrap_or("client"))
}

fn print_summary(origin: &str, idp: &TestIssuer, auth: &BearerAuth) {
    println!("\nAuthorization server  {}", idp.identifier());
    println!("Protected API         {origin}\n");
    println!("  GET  /me         any valid access token for {API}");
    println!("  POST /payments   the same, with the scope payments:write, and still active\n");
    println!("What this configuration guarantees:\n");
    auth.bounds().to_string().lines().for_each(|line| println!("  {line}"));
    println!();
}

/// Two people sign in, use the API, and sign out: their client revokes the refresh token, and the issuer ends
/// the access tokens that came of it (RFC 7009 section 2.1).
fn trials(idp: &TestIssuer) -> Vec<Trial> {
    let sign_in = |subject| idp.token(API).subject(subject).scope("payments:write").lifetime(HOUR).sign_in();
    let (alice, bob) = (sign_in("alice"), sign_in("bob"));
    let not_active = || {
        format!(
            "Bearer realm=\"{API}\", error=\"invalid_token\", error_description=\"The access token is not active\""
        )
    };
    vec![
        Trial::of("alice", "/me").with(alice.access_token()),
        Trial::post("alice", "/payments").with(alice.access_token()),
        Trial::of("bob", "/me").with(bob.access_token()),
        Trial::revoking("alice signs out", idp, alice.refresh_token()),
        Trial::revoking("bob signs out", idp, bob.refresh_token()),
        Trial::of("alice: remembered as active", "/me").with(alice.access_token()),
        Trial::post("alice: refused at once", "/payments")
            .with(alice.access_token())
            .refused(401, not_active()),
        Trial::of("alice: that is remembered, too", "/me")
            .with(alice.access_token())
            .refused(401, not_active()),
        Trial::of("bob: remembered as active", "/me").with(bob.access_token()),
        Trial::of("bob: refused within the bound", "/me")
            .with(bob.access_token())
            .after(ACTIVE_TTL)
            .refused(401, not_active()),
    ]
}

const HOUR: Duration = Duration::from_secs(3600);
