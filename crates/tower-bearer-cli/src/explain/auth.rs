//! Builds the `BearerAuth` that explains the token, from flags or from a file.

use std::env;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use tower_bearer::config::BearerAuthConfig;
use tower_bearer::{BearerAuth, BearerAuthBuilder, ClientAuth, Introspection, Issuer};

use super::arguments::Arguments;
use crate::failure::Failure;

/// The environment variable with the secret of the introspection client.
const SECRET_VARIABLE: &str = "TOWER_BEARER_CLIENT_SECRET";

/// A person waits longer for the keys than a request does.
const MAX_KEY_WAIT: Duration = Duration::from_secs(10);

/// The part of a configuration file that `explain` reads.
#[derive(Deserialize)]
struct File {
    auth: BearerAuthConfig,
}

/// Needs a tokio runtime.
pub(super) fn bearer_auth(arguments: &Arguments) -> Result<BearerAuth, Failure> {
    let builder = match &arguments.config {
        Some(path) => from_file(path)?,
        None => from_flags(arguments)?,
    };
    // The explanation itself reports what the start check would log.
    let built = builder.skip_start_check().max_key_wait(MAX_KEY_WAIT).build();
    built.map_err(|error| Failure::new(error.to_string()))
}

fn from_file(path: &Path) -> Result<BearerAuthBuilder, Failure> {
    let shown = path.display();
    let text =
        fs::read_to_string(path).map_err(|error| Failure::because(format!("cannot read {shown}"), error))?;
    // The `Display` of the error quotes the line, which may hold a secret.
    let file: File = toml::from_str(&text).map_err(|error| Failure::because(&shown, error.message()))?;
    file.auth.builder().map_err(|error| Failure::because(&shown, error))
}

fn from_flags(arguments: &Arguments) -> Result<BearerAuthBuilder, Failure> {
    let (Some(identifier), Some((audience, more))) = (&arguments.issuer, arguments.audience.split_first())
    else {
        return Err(Failure::new("--issuer and --audience are required, or --config"));
    };
    let mut issuer = match &arguments.jwks_url {
        Some(url) => Issuer::with_jwks_url(identifier, url),
        None => Issuer::discover(identifier),
    };
    if let Some(client) = &arguments.introspection_client {
        let introspection = introspection(client)?;
        let jwts = arguments.introspect_jwts;
        issuer = issuer.introspect(if jwts { introspection.also_jwts() } else { introspection });
    }
    let builder = BearerAuth::builder(audience).issuer(issuer);
    Ok(more.iter().fold(builder, BearerAuthBuilder::add_audience))
}

fn introspection(client: &str) -> Result<Introspection, Failure> {
    let secret = env::var(SECRET_VARIABLE);
    let secret = secret.map_err(|error| {
        // The other cause, a value that is not Unicode, would print the secret.
        let cause = if error == env::VarError::NotPresent { "is not set" } else { "is not Unicode text" };
        Failure::new(format!(
            "--introspection-client needs the secret of the client: {SECRET_VARIABLE} {cause}"
        ))
    })?;
    Ok(Introspection::with(ClientAuth::secret_basic(client, secret)))
}
