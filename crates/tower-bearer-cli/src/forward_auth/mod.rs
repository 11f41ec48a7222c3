//! `tower-bearer forward-auth` and `check`: answers a reverse proxy that asks whether a request is allowed.

mod admin;
mod authorizer;
mod claim_headers;
mod config;
#[cfg(unix)]
mod file_limit;
mod host_pattern;
mod live;
mod log_limit;
mod metrics;
mod path;
mod proxy_head;
mod refusal;
mod reload;
mod rule;
mod server;
#[cfg(test)]
mod server_tests;
mod signals;

use std::convert::Infallible;
use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use http::Request;
use hyper::body::Incoming;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tower_bearer::inspector::Inspector;

use self::admin::Pages;
use self::config::{Config, Listening};
use self::live::Live;
use self::reload::Reloader;
use self::server::Peers;
use self::signals::Hangups;
use crate::failure::Failure;
use crate::output;

/// The connections that `admin_listen` has at once.
const MAX_ADMIN_CONNECTIONS: usize = 100;

/// The last lines of the help of `forward-auth`.
const SERVE_HELP: &str = "\
Example:
  tower-bearer forward-auth --config /etc/tower-bearer.toml

Exit status:
  0  stopped by Ctrl-C or SIGTERM
  2  wrong usage, an invalid file, or an address that is in use";

/// The last lines of the help of `check`.
const CHECK_HELP: &str = "\
Example:
  tower-bearer check --config /etc/tower-bearer.toml

Exit status:
  0  the file is valid
  2  the file is invalid or unreadable, or wrong usage";

/// Check access tokens for a reverse proxy
///
/// The proxy asks about each request, and forwards it only if the response is 200. Works with auth_request of
/// nginx, forward_auth of Caddy, ForwardAuth of Traefik, ext_authz of Envoy, and HAProxy. The README of the
/// program has a configuration for each. The program reads its file again when it changes, and on SIGHUP.
#[derive(Debug, clap::Args)]
#[command(after_help = SERVE_HELP)]
pub(crate) struct Arguments {
    /// TOML file with the proxies, the rules and the issuers
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Check a configuration file of forward-auth, and print what it guarantees
///
/// Lists every problem of the file, each with a hint. Sends nothing to the authorization server.
#[derive(Debug, clap::Args)]
#[command(after_help = CHECK_HELP)]
pub(crate) struct CheckArguments {
    /// TOML file with the proxies, the rules and the issuers
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

pub(crate) fn check(arguments: &CheckArguments) -> ExitCode {
    let checked = load(&arguments.config, &Inspector::new()).and_then(|(_, config)| {
        let (file, bounds) = (arguments.config.display(), config.auth.bounds().to_string());
        output::print(&format!("{file} is valid\n\n{}\n", bounds.trim_end()))
    });
    match checked {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(io::stderr().is_terminal()).init();
    let inspector = Inspector::new();
    let served = load(&arguments.config, &inspector).and_then(|(text, config)| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        runtime.block_on(serve(arguments.config.clone(), text, config, inspector))
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// The text of the file, and the configuration in it. `inspector` observes its `BearerAuth`.
fn load(file: &Path, inspector: &Inspector) -> Result<(String, Config), Failure> {
    let text = config::read(file).map_err(Failure::new)?;
    match Config::parse(&text, None, inspector) {
        Ok(config) => Ok((text, config)),
        Err(problems) => {
            let problems: String = problems.iter().map(|problem| format!("\n  - {problem}")).collect();
            Err(Failure::new(format!("{} is invalid:{problems}", file.display())))
        }
    }
}

/// Serves until Ctrl-C or SIGTERM.
async fn serve(path: PathBuf, text: String, config: Config, inspector: Inspector) -> Result<(), Failure> {
    let Listening { listen, admin_listen, max_connections } = config.listening;
    let listener = bind(listen).await?;
    let admin = match admin_listen {
        Some(address) => Some(bind(address).await?),
        None => None,
    };
    let (stop, hangups) = (signals::stop()?, Hangups::new()?);
    let prometheus = metrics::install().map_err(io::Error::other)?;
    tokio::spawn(metrics::keep_up(prometheus.clone()));

    output::print(&addresses(&listener, admin.as_ref())?)?;
    #[cfg(unix)]
    file_limit::raise(max_connections);
    let reloader = Reloader::new(path, text, config, inspector.clone());
    let live = reloader.live();
    let reloads = tokio::spawn(reloader.run(hangups));
    let (sender, stopped) = watch::channel(false);
    let servers = async {
        tokio::join!(
            serve_proxies(listener, max_connections, Arc::clone(&live), stopped.clone()),
            serve_admin(admin, live, Pages { prometheus, inspector }, stopped)
        )
    };
    let stop = async {
        stop.await;
        // Fails only if both servers have ended.
        let _ = sender.send(true);
    };
    unless_failed(reloads, async { tokio::join!(servers, stop) }).await?;
    Ok(())
}

/// Runs `servers`, and fails at once if the reload task fails. It may have left requests waiting for ever,
/// and it would miss every later change.
async fn unless_failed<T>(
    reloads: JoinHandle<Infallible>,
    servers: impl Future<Output = T>,
) -> Result<T, Failure> {
    tokio::select! {
        served = servers => Ok(served),
        Err(error) = reloads => {
            Err(Failure::because("the task that reloads the configuration has failed", error))
        }
    }
}

/// Says where the program listens.
fn addresses(listener: &TcpListener, admin: Option<&TcpListener>) -> io::Result<String> {
    let proxies = format!("listening on http://{}\n", listener.local_addr()?);
    let Some(admin) = admin else { return Ok(proxies) };
    let admin = admin.local_addr()?;
    Ok(format!("{proxies}probes on http://{admin}/ready\npage for operators on http://{admin}/inspector/\n"))
}

async fn serve_proxies(
    listener: TcpListener,
    max_connections: usize,
    live: Arc<Live>,
    stopped: watch::Receiver<bool>,
) {
    let current = Arc::clone(&live);
    let peers = Peers::new(max_connections, move |peer| current.latest().trusts(peer));
    let respond = move |peer, request: Request<Incoming>| {
        let live = Arc::clone(&live);
        // Bodies are not read.
        async move { live.respond(peer, &request.into_parts().0).await }
    };
    server::serve(listener, peers, respond, stopped).await;
}

async fn serve_admin(
    listener: Option<TcpListener>,
    live: Arc<Live>,
    pages: Pages,
    stopped: watch::Receiver<bool>,
) {
    let Some(listener) = listener else { return };
    let respond = move |_, request: Request<Incoming>| {
        let (authorizer, pages) = (live.latest(), pages.clone());
        async move { pages.respond(&authorizer, request).await }
    };
    let peers = Peers::new(MAX_ADMIN_CONNECTIONS, |_| true);
    server::serve(listener, peers, respond, stopped).await;
}

async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_program_ends_with_a_failure_if_the_reload_task_panics() {
        let reloads = tokio::spawn(async { panic!("for this test") });
        assert!(unless_failed(reloads, std::future::pending::<()>()).await.is_err());
    }
}
