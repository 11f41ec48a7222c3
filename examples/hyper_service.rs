//! A hyper server without axum: `BearerAuth` around a plain service function.
//!
//! ```text
//! cargo run --example hyper_service              # prints curl lines, then serves until Ctrl-C
//! cargo run --example hyper_service -- --once    # sends them itself; exits with 0 if all responses match
//! ```

mod support;

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
use support::Case;
use tokio::net::TcpListener;
use tower::ServiceBuilder;
use tower_bearer::testing::TestIssuer;
use tower_bearer::{AccessToken, BearerAuth, Require};

/// The audience: tokens for this API have it in `aud`.
const API: &str = "https://api.example.com";

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let idp = TestIssuer::start().await?;
    let auth = BearerAuth::builder(API).issuer(idp.issuer()).build()?;

    let (listener, origin) = support::listen().await?;
    let routes = ["GET /   a valid access token for this API with the scope greet"];
    support::print_summary(&idp, &origin, &routes, &auth);
    support::run(serve(listener, auth), &origin, &cases(&idp), "").await
}

async fn serve(listener: TcpListener, auth: BearerAuth) {
    // The outer layer comes first: requests without a valid token reach neither `Require` nor the service.
    let service =
        ServiceBuilder::new().layer(auth).layer(Require::scope("greet")).service(tower::service_fn(greet));
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
                eprintln!("connection error: {error}");
            }
        });
    }
}

/// Reads the token from the request's extensions, in place of axum's extractor.
async fn greet(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let subject = request.extensions().get().and_then(AccessToken::subject).unwrap_or("client");
    Ok(Response::new(Full::from(format!("hello {subject}\n"))))
}

fn cases(idp: &TestIssuer) -> Vec<Case> {
    let challenge = |rest: &str| format!("Bearer realm=\"{API}\"{rest}");
    vec![
        Case::get("valid token", "/").token(idp.token(API).scope("greet").sign()),
        Case::get("no token", "/").rejected(401, challenge("")),
        Case::get("expired token", "/").token(idp.token(API).scope("greet").expired().sign()).rejected(
            401,
            challenge(", error=\"invalid_token\", error_description=\"The access token expired\""),
        ),
        Case::get("valid token without the scope", "/").token(idp.token(API).sign()).rejected(
            403,
            challenge(
                ", error=\"insufficient_scope\", \
                 error_description=\"The access token lacks a required scope\", scope=\"greet\"",
            ),
        ),
    ]
}
