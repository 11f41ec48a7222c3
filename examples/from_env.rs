//! A resource server configured by environment variables.
//!
//! ```text
//! LISTEN=127.0.0.1:3000 ISSUER=https://login.example.com AUDIENCE=https://api.example.com \
//!     REQUIRED_SCOPE=orders:read cargo run --example from_env
//! ```
//!
//! Routes: `GET /public` (no token needed), `GET /protected` (any valid token) and `GET /scoped` (a token
//! with `REQUIRED_SCOPE`). The last two respond with the claims of the token. An empty variable counts as
//! unset.
//!
//! With `CLIENT_ID` and `CLIENT_SECRET`, opaque tokens are introspected (RFC 7662), and with
//! `INTROSPECTION_JWTS=all` JWTs as well. Without a client, opaque tokens are rejected.
//!
//! | variable | meaning | default |
//! |---|---|---|
//! | `LISTEN` | host and port to listen on; port 0 picks a free one | required |
//! | `ISSUER` | the authorization server, exactly as `iss` in its tokens | required |
//! | `AUDIENCE` | the identifier of this API in `aud` | required |
//! | `REQUIRED_SCOPE` | the scopes that `/scoped` requires, separated by spaces | required |
//! | `JWKS_URL` | URL of the key set | from the issuer's metadata |
//! | `LEEWAY_SECS` | tolerated clock difference, at most 300 s | 30 s |
//! | `JWKS_TTL_SECS` | how long cached keys are fresh | from the response, else 600 s |
//! | `JWKS_COOLDOWN_SECS` | minimum time between refetches that requests cause | 30 s |
//! | `FETCH_TIMEOUT_SECS` | timeout for fetching one document | 5 s |
//! | `CLIENT_ID`, `CLIENT_SECRET` | credentials of this API at the authorization server; both or neither | no introspection |
//! | `INTROSPECTION_URL` | URL of the introspection endpoint | from the issuer's metadata |
//! | `INTROSPECTION_AUTH` | how the client authenticates: `basic` (header) or `post` (form body) | `basic` |
//! | `INTROSPECTION_CACHE_SECS` | how long an active response is cached; an inactive one as long, at most 10 s; 0 disables the cache | 30 s |
//! | `INTROSPECTION_JWTS` | `all` introspects each JWT that passed the other checks; `none` | `none` |
//! | `INTROSPECTION_WITHOUT_AUDIENCE` | `accept` accepts responses without `aud`. Risk: a token issued for any other API of this authorization server is then accepted here | rejects them |
//!
//! Exit status: 2 for an invalid variable, 1 for any other failure, 0 after Ctrl-C or SIGTERM.

use std::env;
use std::error::Error;
use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::Duration;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tower_bearer::{AccessToken, BearerAuth, BearerAuthBuilder, ClientAuth, Introspection, Issuer, Require};

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
    let Settings { listen, required_scope, auth } = settings;
    let listener =
        TcpListener::bind(&listen).await.map_err(|error| format!("cannot listen on {listen}: {error}"))?;

    // Fetches metadata and keys before the first request needs them. After a failure, the next request
    // retries.
    let warm_up = auth.clone();
    tokio::spawn(async move { warm_up.ready().await });

    let stop = stop_signal()?;
    println!("listening on http://{}", listener.local_addr()?);
    axum::serve(listener, app(auth, required_scope)).with_graceful_shutdown(stop).await?;
    Ok(())
}

fn app(auth: BearerAuth, required_scope: String) -> Router {
    Router::new()
        .route("/protected", get(claims))
        .route("/scoped", get(claims).layer(Require::scope(required_scope)))
        .layer(auth)
        .route("/public", get(async || "open to anyone\n"))
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
    auth: BearerAuth,
}

impl Settings {
    /// Reads the environment.
    ///
    /// # Errors
    /// Every invalid or missing variable, with an explanation.
    fn from_env() -> Result<Self, Vec<String>> {
        let mut variables = Variables::default();
        let listen = variables.required("LISTEN", "127.0.0.1:3000", is_host_and_port);
        let required_scope = variables.required("REQUIRED_SCOPE", "orders:read", is_scope_list);
        let builder = variables.bearer_auth();
        let mut problems = variables.problems;
        if problems.is_empty() {
            log_to_stderr();
        }
        match builder.build() {
            Ok(auth) if problems.is_empty() => return Ok(Self { listen, required_scope, auth }),
            Ok(_) => {}
            Err(error) => problems.extend(error.problems().iter().map(ToString::to_string)),
        }
        Err(problems)
    }
}

type SetDuration = fn(BearerAuthBuilder, Duration) -> BearerAuthBuilder;

/// Reads environment variables and collects their problems.
#[derive(Default)]
struct Variables {
    problems: Vec<String>,
}

impl Variables {
    fn bearer_auth(&mut self) -> BearerAuthBuilder {
        // Invalid values are replaced by their examples, so that `build` can check the other settings.
        let audience = self.required("AUDIENCE", "https://api.example.com", |_| true);
        let issuer = self.required("ISSUER", "https://login.example.com", |_| true);
        let issuer = match self.optional("JWKS_URL") {
            Some(url) => Issuer::with_jwks_url(issuer, url),
            None => Issuer::discover(issuer),
        };
        let issuer = match self.introspection() {
            Some(introspection) => issuer.introspect(introspection),
            None => issuer,
        };
        let mut builder = BearerAuth::builder(audience).issuer(issuer);
        let settings: [(_, SetDuration); 4] = [
            ("LEEWAY_SECS", BearerAuthBuilder::leeway),
            ("JWKS_TTL_SECS", BearerAuthBuilder::jwks_ttl),
            ("JWKS_COOLDOWN_SECS", BearerAuthBuilder::jwks_cooldown),
            ("FETCH_TIMEOUT_SECS", BearerAuthBuilder::fetch_timeout),
        ];
        for (name, set) in settings {
            if let Some(duration) = self.seconds(name) {
                builder = set(builder, duration);
            }
        }
        builder
    }

    /// The introspection settings, if a client is configured.
    fn introspection(&mut self) -> Option<Introspection> {
        let url = self.optional("INTROSPECTION_URL");
        let cache = self.seconds("INTROSPECTION_CACHE_SECS");
        let auth = self.choice("INTROSPECTION_AUTH", &["basic", "post"]);
        let jwts = self.choice("INTROSPECTION_JWTS", &["none", "all"]);
        let without_audience = self.choice("INTROSPECTION_WITHOUT_AUDIENCE", &["accept"]);
        let (id, secret) = self.client()?;

        let auth =
            if auth == Some("post") { ClientAuth::secret_post } else { ClientAuth::secret_basic }(id, secret);
        let mut introspection = Introspection::with(auth);
        if let Some(url) = url {
            introspection = introspection.endpoint(url);
        }
        if let Some(ttl) = cache {
            introspection = introspection.active_ttl(ttl).inactive_ttl(ttl.min(MAX_INACTIVE_TTL));
        }
        if jwts == Some("all") {
            introspection = introspection.also_jwts();
        }
        if without_audience.is_some() {
            introspection = introspection.dangerous_accept_without_audience();
        }
        Some(introspection)
    }

    /// The client's identifier and secret. Any introspection variable without both of them is a problem.
    fn client(&mut self) -> Option<(String, String)> {
        let (id, secret) = (self.optional("CLIENT_ID"), self.optional("CLIENT_SECRET"));
        let missing = [("CLIENT_ID", id.is_none()), ("CLIENT_SECRET", secret.is_none())];
        let missing: Vec<&str> =
            missing.into_iter().filter(|(_, missing)| *missing).map(|(name, _)| name).collect();
        let set: Vec<&str> = INTROSPECTION.into_iter().filter(|name| is_set(name)).collect();
        if !missing.is_empty() && !set.is_empty() {
            self.problems.push(format!(
                "introspection ({}) needs {}: set CLIENT_ID and CLIENT_SECRET, or none of these",
                set.join(", "),
                missing.join(" and ")
            ));
        }
        id.zip(secret)
    }

    /// The value of a required variable. After a problem: the example.
    fn required(&mut self, name: &str, example: &str, is_valid: fn(&str) -> bool) -> String {
        match self.optional(name) {
            Some(value) if is_valid(&value) => return value,
            Some(value) => self.problems.push(format!("{name} is {value:?}, which is not like {example}")),
            None => self.problems.push(format!("{name} is not set; an example: {example}")),
        }
        example.to_owned()
    }

    fn optional(&mut self, name: &str) -> Option<String> {
        match env::var(name) {
            Ok(value) => Some(value).filter(|value| !value.is_empty()),
            Err(env::VarError::NotPresent) => None,
            Err(env::VarError::NotUnicode(_)) => {
                self.problems.push(format!("{name} is not UTF-8"));
                None
            }
        }
    }

    /// The value of a variable that must be one of `words`.
    fn choice(&mut self, name: &str, words: &[&'static str]) -> Option<&'static str> {
        let text = self.optional(name)?;
        let chosen = words.iter().find(|word| **word == text).copied();
        if chosen.is_none() {
            self.problems.push(format!("{name} is {text:?}, which is not {}", words.join(" or ")));
        }
        chosen
    }

    fn seconds(&mut self, name: &str) -> Option<Duration> {
        let text = self.optional(name)?;
        match text.parse() {
            Ok(secs) => Some(Duration::from_secs(secs)),
            Err(_) => {
                self.problems.push(format!("{name} is {text:?}, which is not a whole number of seconds"));
                None
            }
        }
    }
}

/// The variables that have no effect without introspection.
const INTROSPECTION: [&str; 7] = [
    "CLIENT_ID",
    "CLIENT_SECRET",
    "INTROSPECTION_URL",
    "INTROSPECTION_AUTH",
    "INTROSPECTION_CACHE_SECS",
    "INTROSPECTION_JWTS",
    "INTROSPECTION_WITHOUT_AUDIENCE",
];

/// The maximum TTL of inactive responses, so that a token that becomes active is soon accepted.
const MAX_INACTIVE_TTL: Duration = Duration::from_secs(10);

fn is_set(name: &str) -> bool {
    env::var_os(name).is_some_and(|value| !value.is_empty())
}

fn is_host_and_port(text: &str) -> bool {
    text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

/// RFC 6749 section 3.3.
fn is_scope_list(text: &str) -> bool {
    !text.trim().is_empty()
        && text.bytes().all(|byte| matches!(byte, b' '..=b'~') && !b"\"\\".contains(&byte))
}
