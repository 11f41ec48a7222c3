//! `tower-bearer dev-issuer`: a development authorization server on loopback.
//!
//! Checks: that every address of `--listen` is a loopback address, and that `--keys` is private to its owner.
//!
//! Why: whoever reaches this server gets any token. It must not be reachable from another machine.

mod banner;
mod key_file;
mod listen;
mod mint_endpoint;
mod server;

use std::path::PathBuf;
use std::process::ExitCode;

use tokio::runtime::Runtime;
use tower_bearer::testing::TestIssuer;

pub(crate) use self::key_file::read_key;
pub(crate) use self::mint_endpoint::MINT_PATH;
use self::server::Server;
use crate::failure::Failure;
use crate::output::print;

/// The address of `--listen` by default. `mint` asks this server by default.
const LISTEN: &str = "127.0.0.1:9000";

const EXAMPLES: &str = "\
Examples:
  tower-bearer dev-issuer
  tower-bearer dev-issuer --listen 127.0.0.1:9001 --audience https://orders.example.com --keys dev-keys.pem

Endpoints: metadata, key set, token (client_credentials, refresh_token), introspection and revocation.
`tower-bearer mint` gets any token from it.";

/// Run an authorization server for development, on this machine only
///
/// Issues any token that a program on this machine asks for, and authenticates no users. Therefore it listens
/// on loopback addresses only. Stop it with Ctrl-C.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Address and port. Port 0 selects a free port
    #[arg(long, value_name = "HOST:PORT", default_value = LISTEN)]
    listen: String,

    /// Audience of the tokens that `mint` asks for without one
    #[arg(long, value_name = "AUDIENCE", default_value = "https://api.example.com")]
    audience: String,

    /// File with the private key, created if it does not exist. Without it, the key changes at each start
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    match serve(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

fn serve(arguments: &Arguments) -> Result<(), Failure> {
    let runtime = Runtime::new().map_err(|error| Failure::because("cannot start", error))?;
    runtime.block_on(async {
        let listener = listen::bind(&arguments.listen).await?;
        let address =
            listener.local_addr().map_err(|error| Failure::because("cannot read the port", error))?;
        let key = match &arguments.keys {
            Some(path) => key_file::read_or_create(path)?,
            None => key_file::generate()?,
        };
        let issuer = issuer_with(&format!("http://{address}"), &key);
        // In memory, the clock stands still.
        issuer.clock().run();
        print(&banner::banner(&issuer, &arguments.audience, arguments.keys.as_deref()))?;
        Server::new(issuer, arguments.audience.clone()).serve(listener).await
    })
}

/// An issuer in memory that has this key and no other.
pub(crate) fn issuer_with(identifier: &str, key: &tower_bearer::crypto::PrivateKey) -> TestIssuer {
    let issuer = TestIssuer::in_memory(identifier);
    let generated = issuer.key_id();
    issuer.sign_with(key);
    issuer.retire_key(&generated);
    issuer
}
