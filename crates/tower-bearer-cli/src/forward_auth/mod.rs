//! `tower-bearer forward-auth` and `check`: answers a reverse proxy that asks whether a request is allowed.

mod admin;
mod authorizer;
mod claim_headers;
mod config;
mod host;
mod metrics;
mod path;
mod proxy_head;
mod refusal;
mod reload;
mod rule;
mod server;
mod signals;

use std::io::{self, IsTerminal};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use arc_swap::ArcSwap;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::net::TcpListener;
use tokio::sync::watch;

use self::authorizer::Authorizer;
use self::config::Config;
use self::reload::Reloader;
use self::signals::Hangups;
use crate::output;

/// Answer a reverse proxy that asks whether a request is allowed.
///
/// Works with the auth_request of nginx, the forward auth of Traefik and Caddy, the ext_authz of Envoy, and
/// HAProxy. The file is read again when it changes, and on SIGHUP. Exit status: 2 if the file is invalid or unreadable, 1
/// for any other failure, 0 after Ctrl-C or SIGTERM.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The configuration, a TOML file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

/// Check a configuration file of forward-auth, and print what it guarantees.
///
/// Nothing is sent to the authorization server. Exit status: 0 if the file is valid, 1 if it is not, 2 if it
/// cannot be read.
#[derive(Debug, clap::Args)]
pub(crate) struct CheckArguments {
    /// The configuration, a TOML file.
    #[arg(long, value_name = "FILE")]
    config: PathBuf,
}

pub(crate) fn check(arguments: &CheckArguments) -> ExitCode {
    let text = match config::read(&arguments.config) {
        Ok(text) => text,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    match Config::parse(&text, None) {
        Ok(config) => {
            let (file, bounds) = (arguments.config.display(), config.auth.bounds().to_string());
            match output::print(&format!("{file} is valid\n\n{}\n", bounds.trim_end())) {
                Ok(()) => ExitCode::SUCCESS,
                Err(failure) => failure.report(),
            }
        }
        Err(problems) => {
            print_problems(&problems);
            ExitCode::FAILURE
        }
    }
}

pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    tracing_subscriber::fmt().with_writer(io::stderr).with_ansi(io::stderr().is_terminal()).init();
    let loaded = config::read(&arguments.config).map_err(|error| vec![error]);
    let loaded = loaded.and_then(|text| Config::parse(&text, None).map(|config| (text, config)));
    let (text, config) = match loaded {
        Ok(loaded) => loaded,
        Err(problems) => {
            print_problems(&problems);
            return ExitCode::from(2);
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime.and_then(|runtime| runtime.block_on(serve(arguments.config.clone(), text, config))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves until Ctrl-C or SIGTERM.
async fn serve(path: PathBuf, text: String, config: Config) -> io::Result<()> {
    let listener = bind(config.listen).await?;
    let admin = match config.admin_listen {
        Some(address) => Some(bind(address).await?),
        None => None,
    };
    let (stop, hangups) = (signals::stop()?, Hangups::new()?);
    let prometheus = metrics::install().map_err(io::Error::other)?;
    tokio::spawn(metrics::keep_up(prometheus.clone()));

    println!("listening on http://{}", listener.local_addr()?);
    if let Some(admin) = &admin {
        println!("probes on http://{}/ready", admin.local_addr()?);
    }
    let reloader = Reloader::new(path, text, config);
    let live = reloader.live();
    tokio::spawn(reloader.run(hangups));
    let (sender, stopped) = watch::channel(false);
    let servers = async {
        tokio::join!(
            serve_proxies(listener, Arc::clone(&live), stopped.clone()),
            serve_admin(admin, live, prometheus, stopped)
        )
    };
    let stop = async {
        stop.await;
        // Fails only if both servers have ended.
        let _ = sender.send(true);
    };
    tokio::join!(servers, stop);
    Ok(())
}

async fn serve_proxies(
    listener: TcpListener,
    live: Arc<ArcSwap<Authorizer>>,
    stopped: watch::Receiver<bool>,
) {
    let respond = move |peer, head| {
        let authorizer = live.load_full();
        async move { authorizer.respond(peer, head).await }
    };
    server::serve(listener, respond, stopped).await;
}

async fn serve_admin(
    listener: Option<TcpListener>,
    live: Arc<ArcSwap<Authorizer>>,
    prometheus: PrometheusHandle,
    stopped: watch::Receiver<bool>,
) {
    let Some(listener) = listener else { return };
    let respond = move |_, head: http::request::Parts| {
        let (authorizer, prometheus) = (live.load_full(), prometheus.clone());
        async move { admin::respond(authorizer.auth(), &prometheus, head).await }
    };
    server::serve(listener, respond, stopped).await;
}

async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")))
}

fn print_problems(problems: &[String]) {
    eprintln!("the configuration is invalid:");
    problems.iter().for_each(|problem| eprintln!("  - {problem}"));
}
