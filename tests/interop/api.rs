//! The protected API of the interop suite: one authorization server, a view for each way to validate.
//!
//! Configured by the environment variables that `Settings` lists. `run` starts it; see CONTRIBUTING.md.
//! Every view responds to an accepted token with its claims, and to a rejection with its kind.

use std::env;
use std::error::Error;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use bytes::Bytes;
use http::{Response, request};
use tokio::net::TcpListener;
use tower_bearer::time::Clock;
use tower_bearer::{
    AccessToken, BearerAuth, BearerAuthBuilder, ClientAuth, ConfigError, Introspection, Issuer, Rejection,
    Require,
};

/// Longer than any token of the suite lives.
const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    let settings = Settings::from_env()?;
    let mut app = Router::new()
        .merge(view("/jwt", settings.builder(settings.issuer_of_jwts()).build()?))
        .merge(view("/for-client", settings.for_client()?))
        .merge(view("/any", settings.builder(settings.issuer()).build()?))
        .merge(scoped(settings.scope.clone(), settings.builder(settings.issuer()).build()?))
        .merge(view("/other-audience", settings.other_audience()?))
        .merge(view("/next-year", settings.builder(settings.issuer()).clock(NextYear).build()?));
    if let Some(introspection) = settings.introspection() {
        let revocable = settings.issuer().introspect(introspection.clone().also_jwts());
        let signed = settings.issuer().introspect(introspection.also_jwts().require_signed());
        app = app
            .merge(view("/revocable", settings.builder(revocable).build()?))
            .merge(view("/signed", settings.builder(signed).build()?));
    }
    let listener = TcpListener::bind(&settings.listen).await?;
    axum::serve(listener, app).await?;
    Ok(())
}

/// A route that requires a valid token, whatever its scopes.
fn view(path: &str, auth: BearerAuth) -> Router {
    Router::new().route(path, get(claims)).layer(auth)
}

/// A route that requires the scope of the tokens, and one that requires a scope that no token has.
fn scoped(scope: String, auth: BearerAuth) -> Router {
    Router::new()
        .route("/scoped", get(claims).layer(Require::scope(scope)))
        .route("/more-scoped", get(claims).layer(Require::scope("scope-of-nobody")))
        .layer(auth)
}

async fn claims(token: AccessToken) -> impl IntoResponse {
    token.claims_json().to_owned()
}

fn show_kind(rejection: &Rejection, _: &request::Parts) -> Response<Bytes> {
    Response::new(Bytes::from_static(rejection.kind().as_str().as_bytes()))
}

/// A clock that is a year ahead, so that the suite need not wait until a token expires.
#[derive(Debug)]
struct NextYear;

impl Clock for NextYear {
    fn now(&self) -> SystemTime {
        SystemTime::now() + YEAR
    }
}

struct Settings {
    /// `LISTEN`: host and port.
    listen: String,
    /// `ISSUER`
    issuer: String,
    /// `AUDIENCE`: the audience of all views but `/other-audience`.
    audience: String,
    /// `SCOPE`: the scope that `/scoped` requires.
    scope: String,
    /// `JWKS_URL`: absent for discovery.
    jwks_url: Option<String>,
    /// `STRICT=on`: `strict_rfc9068`.
    is_strict: bool,
    /// `USER_CLIENT_ID`: the client that users sign in with, which is the audience of their ID tokens.
    user_client_id: String,
    /// `CLIENT_ID` and `CLIENT_SECRET`: absent without introspection.
    client: Option<(String, String)>,
    /// `INTROSPECTION_URL`: absent for the one of the metadata.
    introspection_url: Option<String>,
}

impl Settings {
    fn from_env() -> Result<Self, env::VarError> {
        let optional = |name| env::var(name).ok().filter(|value| !value.is_empty());
        Ok(Self {
            listen: env::var("LISTEN")?,
            issuer: env::var("ISSUER")?,
            audience: env::var("AUDIENCE")?,
            scope: env::var("SCOPE")?,
            jwks_url: optional("JWKS_URL"),
            is_strict: optional("STRICT").is_some(),
            user_client_id: env::var("USER_CLIENT_ID")?,
            client: optional("CLIENT_ID").zip(optional("CLIENT_SECRET")),
            introspection_url: optional("INTROSPECTION_URL"),
        })
    }

    /// JWTs are validated with the keys, and opaque tokens by introspection if there is a client.
    fn issuer(&self) -> Issuer {
        let issuer = self.issuer_of_jwts();
        match self.introspection() {
            Some(introspection) => issuer.introspect(introspection),
            None => issuer,
        }
    }

    fn issuer_of_jwts(&self) -> Issuer {
        let issuer = match &self.jwks_url {
            Some(url) => Issuer::with_jwks_url(&self.issuer, url),
            None => Issuer::discover(&self.issuer),
        };
        if self.is_strict { issuer.strict_rfc9068() } else { issuer }
    }

    fn builder(&self, issuer: Issuer) -> BearerAuthBuilder {
        // The suite rotates keys more often than a server does.
        BearerAuth::builder(&self.audience)
            .issuer(issuer)
            .jwks_cooldown(Duration::from_secs(1))
            .on_reject(show_kind)
    }

    fn other_audience(&self) -> Result<BearerAuth, ConfigError> {
        self.builder(self.issuer().audience("https://other.example.com")).build()
    }

    /// ID tokens name the client as their audience, so that the other checks must reject them here.
    fn for_client(&self) -> Result<BearerAuth, ConfigError> {
        self.builder(self.issuer_of_jwts().audience(&self.user_client_id)).build()
    }

    /// Without a cache, so that a revocation shows in the next response.
    fn introspection(&self) -> Option<Introspection> {
        let (id, secret) = self.client.as_ref()?;
        let introspection = Introspection::with(ClientAuth::secret_basic(id, secret))
            .active_ttl(Duration::ZERO)
            .inactive_ttl(Duration::ZERO);
        Some(match &self.introspection_url {
            Some(url) => introspection.endpoint(url),
            None => introspection,
        })
    }
}
