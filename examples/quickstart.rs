//! A protected API and the authorization server that it trusts, both on loopback, to try every answer on.
//!
//! ```text
//! cargo run --example quickstart              # prints curl lines, then serves until Ctrl-C
//! cargo run --example quickstart -- --once    # sends them itself; status 0 if all answers are right
//! ```

mod trials;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;
use tower_bearer::testing::TestIssuer;
use tower_bearer::{AccessToken, BearerAuth, ClientAuth, Introspection, Require};
use trials::Trial;

/// The name of the API: what its tokens must have as `aud`.
const API: &str = "https://api.example.com";

/// How long the issuer's word that an opaque token is active is taken for true. Short, so that the end of a
/// token is soon seen here; the default is 30 s.
const ACTIVE_TTL: Duration = Duration::from_secs(1);

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    // In place of your Keycloak, Auth0, Entra ID ...: metadata and keys over HTTP, and it signs what we like.
    let idp = TestIssuer::start().await?;

    // Signed tokens are judged with its keys. What an opaque token is worth only it can say: it is asked, as
    // the client that this API is to it.
    let client = ClientAuth::secret_basic(TestIssuer::CLIENT_ID, TestIssuer::CLIENT_SECRET);
    let issuer = idp.issuer().introspect(Introspection::with(client).active_ttl(ACTIVE_TTL));
    let auth = BearerAuth::builder(API).issuer(issuer).build()?;

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    print_summary(&origin, &idp, &auth);

    let server = axum::serve(listener, app(auth));
    let trials = trials(&idp);
    if std::env::args().any(|arg| arg == "--once") {
        tokio::spawn(server.into_future());
        let all_right = trials::send_all(&trials, &origin).await?;
        return Ok(if all_right { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    println!("Paste these into another terminal; the tokens are good for an hour, the opaque one until you");
    println!("revoke it. Ctrl-C ends.\n");
    trials::print_curl_lines(&trials, &origin);
    server.with_graceful_shutdown(async { drop(tokio::signal::ctrl_c().await) }).await?;
    Ok(ExitCode::SUCCESS)
}

fn app(auth: BearerAuth) -> Router {
    Router::new()
        .route("/me", get(me))
        .route("/orders", get(orders).layer(Require::scope("orders:read")))
        .layer(auth)
        // Routes added after the layer are open to anyone.
        .route("/health", get(async || "well\n"))
}

async fn me(token: AccessToken) -> String {
    format!("hello {}\n", token.subject().unwrap_or("client"))
}

async fn orders(token: AccessToken) -> String {
    format!("the orders of {}\n", token.subject().unwrap_or("client"))
}

fn print_summary(origin: &str, idp: &TestIssuer, auth: &BearerAuth) {
    println!("\nAuthorization server  {}", idp.identifier());
    println!("Protected API         {origin}\n");
    println!("  GET /health   open to anyone");
    println!("  GET /me       any valid access token for {API}");
    println!("  GET /orders   the same, with the scope orders:read\n");
    println!("What this configuration guarantees:\n");
    auth.bounds().to_string().lines().for_each(|line| println!("  {line}"));
    println!();
}

/// What a client may send, and how it is answered.
fn trials(idp: &TestIssuer) -> Vec<Trial> {
    let alice = || idp.token(API).subject("alice").scope("orders:read").lifetime(Duration::from_secs(3600));
    let opaque = alice().opaque();
    let untrusted = TestIssuer::in_memory("https://stranger.example");
    let invalid =
        |text| format!("Bearer realm=\"{API}\", error=\"invalid_token\", error_description=\"{text}\"");
    vec![
        Trial::of("a good token", "/me").with(alice().sign()),
        Trial::of("a good token with the scope", "/orders").with(alice().sign()),
        Trial::of("no token", "/me").refused(401, format!("Bearer realm=\"{API}\"")),
        Trial::of("an expired token", "/me")
            .with(alice().expired().sign())
            .refused(401, invalid("The access token expired")),
        Trial::of("a token with altered claims", "/me")
            .with(tampered(&alice().sign(), &alice().subject("admin").sign()))
            .refused(401, invalid("The access token signature is invalid")),
        Trial::of("a token for another API", "/me")
            .with(alice().claim("aud", "https://other.example.com").sign())
            .refused(401, invalid("The access token is for another audience")),
        Trial::of("a token of another issuer", "/me")
            .with(untrusted.token(API).lifetime(Duration::from_secs(3600)).sign())
            .refused(401, invalid("The issuer of the access token is not trusted")),
        Trial::of("a good token without the scope", "/orders").with(alice().scope("profile").sign()).refused(
            403,
            format!(
                "Bearer realm=\"{API}\", error=\"insufficient_scope\", \
                 error_description=\"The access token lacks a scope that is needed\", scope=\"orders:read\""
            ),
        ),
        Trial::of("no token to the open route", "/health"),
        Trial::of("an opaque token", "/me").with(&opaque),
        Trial::revoking("the revocation of the opaque token", idp, &opaque),
        Trial::of("the opaque token, a second later", "/me")
            .with(&opaque)
            .after(ACTIVE_TTL)
            .refused(401, invalid("The access token is not active")),
    ]
}

/// The claims of `wanted` under the header and the signature of `good`.
fn tampered(good: &str, wanted: &str) -> String {
    let (good, wanted): (Vec<&str>, Vec<&str>) = (good.split('.').collect(), wanted.split('.').collect());
    match (good.as_slice(), wanted.as_slice()) {
        ([header, _, signature], [_, claims, _]) => format!("{header}.{claims}.{signature}"),
        _ => String::new(),
    }
}
