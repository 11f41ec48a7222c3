//! A hyper server without axum: `BearerAuth` around a plain service function.
//!
//! ```text
//! cargo run --example hyper_service              # prints curl lines, then serves until Ctrl-C
//! cargo run --example hyper_service -- --once    # sends them itself; status 0 if all answers are right
//! ```

mod trials;

use std::convert::Infallible;
use std::error::Error;
use std::process::ExitCode;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_bearer::testing::TestIssuer;
use tower_bearer::{AccessToken, BearerAuth, Require};
use trials::Trial;

/// The name of the API: what its tokens must have as `aud`.
const API: &str = "https://api.example.com";

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let idp = TestIssuer::start().await?;
    let auth = BearerAuth::builder(API).issuer(idp.issuer()).build()?;

    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    println!("\nProtected API  {origin}\n");

    let server = tokio::spawn(serve(listener, auth));
    let trials = trials(&idp);
    if std::env::args().any(|arg| arg == "--once") {
        let all_right = trials::send_all(&trials, &origin).await?;
        return Ok(if all_right { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    trials::print_curl_lines(&trials, &origin);
    tokio::signal::ctrl_c().await?;
    server.abort();
    Ok(ExitCode::SUCCESS)
}

async fn serve(listener: TcpListener, auth: BearerAuth) {
    // The outer layer first: without a valid token nothing gets to the layers and the service within.
    let service =
        ServiceBuilder::new().layer(auth).layer(Require::scope("greet")).service(tower::service_fn(greet));
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
                eprintln!("a connection ended early: {error}");
            }
        });
    }
}

/// Without axum's extractor, the token is found in the request's extensions.
async fn greet(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let caller = request.extensions().get().and_then(AccessToken::subject).unwrap_or("client");
    Ok(Response::new(Full::from(format!("hello {caller}\n"))))
}

fn trials(idp: &TestIssuer) -> Vec<Trial> {
    let challenge = |rest: &str| format!("Bearer realm=\"{API}\"{rest}");
    vec![
        Trial::of("a good token", "/").with(idp.token(API).scope("greet").sign()),
        Trial::of("no token", "/").refused(401, challenge("")),
        Trial::of("an expired token", "/").with(idp.token(API).scope("greet").expired().sign()).refused(
            401,
            challenge(", error=\"invalid_token\", error_description=\"The access token expired\""),
        ),
        Trial::of("a good token without the scope", "/").with(idp.token(API).sign()).refused(
            403,
            challenge(
                ", error=\"insufficient_scope\", \
                 error_description=\"The access token lacks a scope that is needed\", scope=\"greet\"",
            ),
        ),
    ]
}
