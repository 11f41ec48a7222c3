//! A resource server configured by environment variables.
//!
//! ```text
//! LISTEN=127.0.0.1:3000 ISSUER=https://login.example.com AUDIENCE=https://api.example.com \
//!     REQUIRED_SCOPE=orders:read cargo run --example from_env
//! ```
//!
//! Routes: `GET /public` (no token needed), `GET` and `POST /protected` (any valid token), `GET /scoped` (a
//! token with `REQUIRED_SCOPE`) and `GET /step-up` (a token of a user whose authentication meets
//! `ACR_VALUES` and `MAX_AUTH_AGE_SECS`, RFC 9470). The last three respond with the claims of the token.
//! `GET /ready` is for readiness probes: 200, or 503 while the issuer cannot accept tokens. `GET /metrics`
//! has the metrics as Prometheus text. An empty variable counts as unset.
//!
//! With `CLIENT_ID` and `CLIENT_SECRET`, opaque tokens are introspected (RFC 7662), and with
//! `INTROSPECTION_JWTS=all` JWTs as well. Without a client, opaque tokens are rejected.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `LISTEN` | host and port to listen on; port 0 picks a free one | required |
//! | `REQUIRED_SCOPE` | the scopes that `/scoped` requires, separated by spaces | required |
//! | `ACR_VALUES` | the `acr` values that `/step-up` accepts, separated by spaces, the preferred one first | any |
//! | `MAX_AUTH_AGE_SECS` | how long ago the user of `/step-up` may have been authenticated, in seconds | any time |
//!
//! [`BearerAuthConfig::from_env`] reads all other variables, and its docs list them: `ISSUER` and `AUDIENCE`,
//! which are required, and those for keys, clients, roles, time limits, introspection, DPoP and client
//! certificates. With `RESOURCE_METADATA=on`, the server also has the document with which clients of
//! `PUBLIC_URL` find the authorization server (RFC 9728).
//!
//! Exit status: 2 for an invalid variable, 1 for any other failure, 0 after Ctrl-C or SIGTERM.

use std::env;
use std::error::Error;
use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request};
use axum::http::header::CONTENT_TYPE;
use axum::middleware::map_request;
use axum::response::IntoResponse;
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tower_bearer::certificates::PeerAddress;
use tower_bearer::config::BearerAuthConfig;
use tower_bearer::{AccessToken, BearerAuth, BearerAuthBuilder, Require};

#[tokio::main]
async fn main() -> ExitCode {
    let settings = match Settings::from_env() {
        Ok(settings) => settings,
        Err(problems) => {
            eprintln!("invalid environment variables:");
            problems.iter().for_each(|problem| eprintln!("  - {problem}"));
            return ExitCode::from(2);
        }
    };
    match serve(settings).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Logs events of INFO and above: the configuration, key fetches, failed introspection requests, and
/// rejections with their reasons.
fn log_to_stderr() {
    tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(io::stderr().is_terminal()).init();
}

async fn serve(settings: Settings) -> Result<(), Box<dyn Error>> {
    let Settings { listen, required_scope, step_up, auth } = settings;
    let listener =
        TcpListener::bind(&listen).await.map_err(|error| format!("cannot listen on {listen}: {error}"))?;

    // Fetches metadata and keys before the first request needs them. After a failure, the next request
    // retries.
    let warm_up = auth.clone();
    tokio::spawn(async move { warm_up.ready().await });

    // In seconds. Without buckets, the durations would be summaries, which cannot be aggregated.
    let buckets = [1e-6, 4e-6, 16e-6, 64e-6, 256e-6, 1e-3, 4e-3, 16e-3, 64e-3, 256e-3, 1.0, 4.0];
    let durations = Matcher::Suffix("_duration_seconds".to_owned());
    let prometheus =
        PrometheusBuilder::new().set_buckets_for_metric(durations, &buckets)?.install_recorder()?;
    tokio::spawn(keep_up(prometheus.clone()));
    let stop = stop_signal()?;
    println!("listening on http://{}", listener.local_addr()?);
    let metrics = get({
        let auth = auth.clone();
        async move || metrics(&auth, &prometheus)
    });
    let app = app(auth, required_scope, step_up).route("/metrics", metrics);
    let app = app.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, app).with_graceful_shutdown(stop).await?;
    Ok(())
}

fn app(auth: BearerAuth, required_scope: String, step_up: Require) -> Router {
    let (metadata, ready) = (auth.resource_metadata(), auth.ready_service());
    let mut app = Router::new()
        .route("/protected", get(claims).post(claims))
        .route("/scoped", get(claims).layer(Require::scope(required_scope)))
        .route("/step-up", get(claims).layer(step_up))
        .layer(auth)
        .layer(map_request(insert_peer_address))
        .route("/public", get(async || "open to anyone\n"))
        .route_service("/ready", ready);
    if let Some(metadata) = metadata {
        for path in metadata.paths() {
            app = app.route_service(path, metadata.clone());
        }
    }
    app
}

/// The metrics as Prometheus text. For operators: keep this route off the public internet.
fn metrics(auth: &BearerAuth, prometheus: &PrometheusHandle) -> impl IntoResponse + use<> {
    auth.record_gauges();
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], prometheus.render())
}

/// Moves the samples of the durations into their buckets: the recorder keeps each sample until then.
async fn keep_up(prometheus: PrometheusHandle) {
    let mut ticks = tokio::time::interval(Duration::from_secs(5));
    loop {
        ticks.tick().await;
        prometheus.run_upkeep();
    }
}

/// `CLIENT_CERT` needs the address of the proxy.
async fn insert_peer_address(ConnectInfo(peer): ConnectInfo<SocketAddr>, mut request: Request) -> Request {
    request.extensions_mut().insert(PeerAddress(peer.ip()));
    request
}

async fn claims(token: AccessToken) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], token.claims_json().to_owned())
}

/// Registers the signal handlers now; the future resolves on Ctrl-C or SIGTERM.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let (mut interrupt, mut terminate) =
            (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    Ok(async { drop(tokio::signal::ctrl_c().await) })
}

/// The settings of the server, read from the environment.
struct Settings {
    listen: String,
    required_scope: String,
    /// The requirement of `/step-up`.
    step_up: Require,
    auth: BearerAuth,
}

impl Settings {
    /// Reads the environment.
    ///
    /// # Errors
    /// Every invalid or missing variable, with an explanation.
    fn from_env() -> Result<Self, Vec<String>> {
        let mut problems = Vec::new();
        let listen = required("LISTEN", "127.0.0.1:3000", is_host_and_port, &mut problems);
        let required_scope = required("REQUIRED_SCOPE", "orders:read", is_scope_list, &mut problems);
        let step_up = step_up(&mut problems);
        if problems.is_empty() {
            log_to_stderr();
        }
        let auth = BearerAuthConfig::from_env("")
            .and_then(BearerAuthConfig::builder)
            .map(BearerAuthBuilder::metrics);
        match auth.and_then(BearerAuthBuilder::build) {
            Ok(auth) if problems.is_empty() => return Ok(Self { listen, required_scope, step_up, auth }),
            Ok(_) => {}
            Err(error) => problems.extend(error.problems().iter().map(ToString::to_string)),
        }
        Err(problems)
    }
}

/// The requirement in `ACR_VALUES` and `MAX_AUTH_AGE_SECS`.
fn step_up(problems: &mut Vec<String>) -> Require {
    let mut require = Require::token();
    if let Some(acr_values) = optional("ACR_VALUES") {
        if !is_scope_list(&acr_values) {
            problems.push(format!("ACR_VALUES is {acr_values:?}, which is not like mfa pwd"));
        }
        require = require.acr_any(acr_values.split_whitespace());
    }
    if let Some(max_age) = optional("MAX_AUTH_AGE_SECS") {
        match max_age.parse() {
            Ok(secs) => require = require.authenticated_within(Duration::from_secs(secs)),
            Err(_) => problems.push(format!("MAX_AUTH_AGE_SECS is {max_age:?}, which is not like 300")),
        }
    }
    require
}

/// The value of an optional variable. Text that is not UTF-8 does not count as unset: it fails the check of
/// its value.
fn optional(name: &str) -> Option<String> {
    let value = env::var_os(name)?.to_string_lossy().into_owned();
    (!value.is_empty()).then_some(value)
}

/// The value of a required variable; empty after a problem.
fn required(name: &str, example: &str, is_valid: fn(&str) -> bool, problems: &mut Vec<String>) -> String {
    let value = env::var(name).unwrap_or_default();
    if value.is_empty() {
        problems.push(format!("{name} is not set; an example: {example}"));
    } else if !is_valid(&value) {
        problems.push(format!("{name} is {value:?}, which is not like {example}"));
    }
    value
}

fn is_host_and_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

/// Scopes (RFC 6749 section 3.3) and `acr` values have the same characters.
fn is_scope_list(text: &str) -> bool {
    !text.trim().is_empty()
        && text.bytes().all(|byte| matches!(byte, b' '..=b'~') && !b"\"\\".contains(&byte))
}
