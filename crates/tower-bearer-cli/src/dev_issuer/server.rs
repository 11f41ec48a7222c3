//! Serves a development issuer over HTTP/1.1.
//!
//! Checks: the `Host` of each request is an IP address or `localhost`. Why: a web page whose host name
//! resolves to a loopback address (DNS rebinding) could read tokens otherwise.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tower_bearer::testing::{InMemoryClient, TestIssuer};
use tower_bearer::transport::{FetchRequest, HttpClient as _, UrlKind};

use super::mint_endpoint::{self, MINT_PATH};
use crate::allowed_hosts::AllowedHosts;
use crate::failure::Failure;

/// The maximum size of a request body.
const MAX_BODY_BYTES: usize = 1 << 16;

/// The maximum size of a response body of the issuer, which is small.
const MAX_RESPONSE_BYTES: usize = 1 << 20;

/// The pause after an error of the listener, such as too many open files.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A development issuer that serves requests.
pub(super) struct Server {
    issuer: TestIssuer,
    client: InMemoryClient,
    /// The audience of tokens that are minted without one.
    audience: String,
}

impl Server {
    pub(super) fn new(issuer: TestIssuer, audience: String) -> Self {
        Self { client: issuer.http_client(), issuer, audience }
    }

    /// Serves until the process ends.
    pub(super) async fn serve(self, listener: TcpListener) -> Result<(), Failure> {
        let server = Arc::new(self);
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let server = Arc::clone(&server);
                    tokio::spawn(async move {
                        let service = service_fn(|request| server.respond(request));
                        let mut http = http1::Builder::new();
                        let connection = http.timer(TokioTimer::new());
                        // A client that closes its connection early is no concern of this server.
                        let _result = connection.serve_connection(TokioIo::new(stream), service).await;
                    });
                }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
    }

    async fn respond(&self, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
        let response = match Self::read(request).await {
            Ok(request) if request.uri().path() == MINT_PATH => {
                mint_endpoint::respond(&self.issuer, &self.audience, &request)
            }
            Ok(request) => self.forward(request).await,
            Err(response) => response,
        };
        Ok(response.map(Full::new))
    }

    /// Reads the body of a request with an allowed host. The error is the response.
    async fn read(request: Request<Incoming>) -> Result<Request<Bytes>, Response<Bytes>> {
        if !AllowedHosts::default().allow(request.headers()) {
            return Err(text(StatusCode::MISDIRECTED_REQUEST, "this host is not allowed; use localhost"));
        }
        let (head, body) = request.into_parts();
        let body = Limited::new(body, MAX_BODY_BYTES).collect().await;
        let body = body.map_err(|_| text(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"))?;
        Ok(Request::from_parts(head, body.to_bytes()))
    }

    /// The response of the issuer in memory.
    async fn forward(&self, mut request: Request<Bytes>) -> Response<Bytes> {
        let identifier = self.issuer.identifier();
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        match format!("{identifier}{path}").parse() {
            Ok(url) => *request.uri_mut() = url,
            Err(_) => return text(StatusCode::BAD_REQUEST, "the request target is no path"),
        }
        let request = FetchRequest::new(request, UrlKind::Metadata, identifier, MAX_RESPONSE_BYTES);
        match self.client.fetch(request).await {
            Ok(response) => response.into_response(),
            Err(_) => text(StatusCode::BAD_GATEWAY, "no response"),
        }
    }
}

/// A response in plain text.
pub(super) fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Bytes> {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    let plain = http::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    response
}
