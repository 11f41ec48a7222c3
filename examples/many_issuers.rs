//! A SaaS API: each tenant brings its own authorization server, and comes and goes while requests are served.
//!
//! ```text
//! cargo run --example many_issuers              # prints curl lines, then serves until Ctrl-C
//! cargo run --example many_issuers -- --once    # sends them itself; exits with 0 if all responses match
//! ```
//!
//! The operator's authorization server is configured at the start. The operator admits, restricts and removes
//! tenants; each change applies to the next request, without a restart, and the other tenants keep their keys
//! and caches.
//!
//! A token is validated against the issuer in its `iss` and no other (RFC 8725 section 3.8). A subject is
//! unique only within its issuer, so the pair of issuer and subject identifies a user. A tenant can put any
//! scope into its tokens, so the routes of the operator check the issuer as well.

mod support;

use std::collections::BTreeMap;
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use support::Case;
use tower_bearer::issuers::Issuers;
use tower_bearer::testing::TestIssuer;
use tower_bearer::{AccessToken, BearerAuth, ConfigError, Issuer, Require};

/// The audience in every token for this API.
const API: &str = "https://api.example.com";

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let operator = TestIssuer::start().await?;
    let (acme, globex) = (TestIssuer::start().await?, TestIssuer::start().await?);

    let auth = BearerAuth::builder(API).issuer(Issuer::discover(operator.identifier())).build()?;
    let tenants = Tenants {
        issuers: auth.issuers(),
        table: Arc::new(BTreeMap::from([
            ("acme", acme.identifier().to_owned()),
            ("globex", globex.identifier().to_owned()),
        ])),
    };
    // At the start, an API adds the tenants in its database.
    tenants.issuers.add(tenants.issuer("acme").ok_or("no such tenant")?)?;
    // Optional: fetches the keys of all issuers before the first request, and fails if some are unavailable.
    auth.ready().await?;

    let (listener, origin) = support::listen().await?;
    println!("\nProtected API  {origin}\n");
    let app = app(tenants, operator.identifier()).layer(auth);
    let server = axum::serve(listener, app).into_future();
    support::run(server, &origin, &cases(&operator, &acme, &globex), "").await
}

/// The tenants of this API, and the issuers whose tokens it accepts now.
#[derive(Clone)]
struct Tenants {
    issuers: Issuers,
    /// The issuer of each tenant by its name: in a real API, a table of its database.
    table: Arc<BTreeMap<&'static str, String>>,
}

impl Tenants {
    /// The settings for the tokens of a tenant. `None` if there is no such tenant.
    fn issuer(&self, name: &str) -> Option<Issuer> {
        self.table.get(name).map(|url| Issuer::discover(url).require_claim("sub"))
    }

    /// The name of the tenant that this issuer belongs to.
    fn name_of(&self, issuer: &str) -> &str {
        self.table.iter().find(|(_, url)| *url == issuer).map_or("the operator", |(name, _)| name)
    }
}

fn app(tenants: Tenants, operator: &str) -> Router {
    let operator = operator.to_owned();
    let manage = Require::scope("tenants:write").check(move |token, _| token.issuer() == operator);
    let operations = Router::new()
        .route("/tenants", get(list))
        .route("/admit/{name}", post(admit))
        .route("/restrict/{name}", post(restrict))
        .route("/remove/{name}", post(remove))
        .layer(manage);
    Router::new().route("/me", get(me)).merge(operations).with_state(tenants)
}

async fn me(State(tenants): State<Tenants>, token: AccessToken) -> String {
    format!("hello {} of {}\n", token.subject().unwrap_or("client"), tenants.name_of(token.issuer()))
}

async fn list(State(tenants): State<Tenants>) -> String {
    tenants.issuers.list().iter().map(|issuer| format!("{} {issuer}\n", tenants.name_of(issuer))).collect()
}

type Reply = Result<String, (StatusCode, String)>;

/// Accepts the tokens of a tenant from now on.
async fn admit(State(tenants): State<Tenants>, Path(name): Path<String>) -> Reply {
    let issuer = tenants.issuer(&name).ok_or_else(unknown)?;
    tenants.issuers.add(issuer).map_err(|error| conflict(&error))?;
    Ok(format!("{name} is admitted\n"))
}

/// Accepts the tokens of one client of a tenant only.
async fn restrict(State(tenants): State<Tenants>, Path(name): Path<String>) -> Reply {
    let issuer = tenants.issuer(&name).ok_or_else(unknown)?;
    tenants.issuers.replace(issuer.allowed_clients(["web"])).map_err(|error| conflict(&error))?;
    Ok(format!("{name} is restricted to one client\n"))
}

/// Rejects the tokens of a tenant from now on, cached ones included.
async fn remove(State(tenants): State<Tenants>, Path(name): Path<String>) -> Reply {
    let issuer = tenants.table.get(&*name).ok_or_else(unknown)?;
    if tenants.issuers.remove(issuer) { Ok(format!("{name} is removed\n")) } else { Err(unknown()) }
}

fn unknown() -> (StatusCode, String) {
    (StatusCode::NOT_FOUND, "no such tenant\n".to_owned())
}

/// For example, the tenant is admitted already.
fn conflict(error: &ConfigError) -> (StatusCode, String) {
    (StatusCode::CONFLICT, format!("{error}\n"))
}

fn cases(operator: &TestIssuer, acme: &TestIssuer, globex: &TestIssuer) -> Vec<Case> {
    let challenge =
        |error, text| format!("Bearer realm=\"{API}\", error=\"{error}\", error_description=\"{text}\"");
    let untrusted = || challenge("invalid_token", "The issuer of the access token is not trusted");
    let manager = || operator.token(API).scope("tenants:write").sign();
    let of_globex = globex.token(API).subject("alice").sign();
    vec![
        Case::get("acme", "/me").token(acme.token(API).subject("alice").sign()),
        Case::get("globex, not yet admitted", "/me").token(&of_globex).rejected(401, untrusted()),
        Case::post("a tenant that admits another", "/admit/globex")
            .token(acme.token(API).scope("tenants:write").sign())
            .rejected(403, challenge("insufficient_scope", "The access token does not allow this request")),
        Case::post("the operator admits globex", "/admit/globex").token(manager()),
        Case::get("globex", "/me").token(&of_globex),
        Case::get("globex, with acme's issuer", "/me")
            .token(globex.token(API).claim("iss", acme.identifier()).sign())
            .rejected(401, challenge("invalid_token", "The access token signature is invalid")),
        Case::get("the operator lists the tenants", "/tenants").token(manager()),
        Case::post("globex allows one client only", "/restrict/globex").token(manager()),
        Case::get("globex, another client", "/me")
            .token(&of_globex)
            .rejected(401, challenge("invalid_token", "The client of the access token is not allowed")),
        Case::get("globex, the allowed client", "/me")
            .token(globex.token(API).claim("client_id", "web").sign()),
        Case::post("the operator removes globex", "/remove/globex").token(manager()),
        Case::get("globex, removed", "/me").token(&of_globex).rejected(401, untrusted()),
        Case::get("acme, still there", "/me").token(acme.token(API).sign()),
    ]
}
