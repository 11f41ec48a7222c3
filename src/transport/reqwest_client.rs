//! The default HTTP client: `reqwest` over rustls.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use http::Response;
use reqwest::Client;
use reqwest::redirect::Policy;

use super::client::{DefaultClientFault, FetchFuture, HttpClient};
use super::error::FetchError;
use super::request::FetchRequest;
use super::response::FetchResponse;

/// The longest time to establish a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// A [`reqwest::Client`] (version 0.13) as an [`HttpClient`].
///
/// Wrap a client of your own for a proxy, a private CA or a client certificate. The module re-exports
/// [`reqwest`](super::reqwest), so you need not depend on the matching version yourself.
///
/// Build the client with `redirect(Policy::none())`. A response that was reached through a redirect is
/// rejected, but by then `reqwest` has sent the request to the other URL as well. An introspection request
/// carries the token and often a client secret.
///
/// # Example
///
/// Send all requests to authorization servers through a proxy:
///
/// ```
/// use std::time::Duration;
/// use tower_bearer::transport::{ReqwestClient, reqwest};
/// use tower_bearer::BearerAuth;
///
/// let client = reqwest::Client::builder()
///     .redirect(reqwest::redirect::Policy::none())
///     .connect_timeout(Duration::from_secs(2))
///     .proxy(reqwest::Proxy::https("http://proxy.internal:3128")?)
///     .build()?;
/// let builder = BearerAuth::builder("https://api.example.com").http_client(ReqwestClient::from(client));
/// # Ok::<(), reqwest::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ReqwestClient {
    client: Client,
}

impl From<Client> for ReqwestClient {
    fn from(client: Client) -> Self {
        Self { client }
    }
}

impl HttpClient for ReqwestClient {
    fn fetch(&self, request: FetchRequest) -> FetchFuture {
        let client = self.client.clone();
        Box::pin(async move {
            let max_body_bytes = request.max_body_bytes();
            let request =
                reqwest::Request::try_from(request.into_request()).map_err(FetchError::transport)?;
            let requested_url = request.url().clone();
            let mut received = client.execute(request).await.map_err(no_response)?;
            if *received.url() != requested_url {
                return Err(FetchError::redirected());
            }
            let mut body = BytesMut::new();
            while let Some(chunk) = received.chunk().await.map_err(transport)? {
                if chunk.len() > max_body_bytes.saturating_sub(body.len()) {
                    return Err(FetchError::too_large());
                }
                body.extend_from_slice(&chunk);
            }
            let mut response = Response::new(body.freeze());
            *response.status_mut() = received.status();
            *response.headers_mut() = std::mem::take(received.headers_mut());
            Ok(FetchResponse::new(response))
        })
    }
}

/// Builds a client with the defaults of this crate: no redirects, at most 2 s to connect.
///
/// # Errors
/// [`DefaultClientFault::Unusable`] if TLS cannot be set up. Most often the machine has no root certificates.
pub(crate) fn default_client() -> Result<Arc<dyn HttpClient>, DefaultClientFault> {
    let client = Client::builder()
        .redirect(Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .user_agent(concat!("tower-bearer/", env!("CARGO_PKG_VERSION")))
        .build();
    match client {
        Ok(client) => Ok(Arc::new(ReqwestClient::from(client))),
        Err(error) => Err(DefaultClientFault::Unusable(error.to_string())),
    }
}

/// Classifies a failure before the response: only an established connection can be lost.
fn no_response(error: reqwest::Error) -> FetchError {
    if error.is_connect() || error.is_timeout() || error.is_builder() || error.is_redirect() {
        transport(error)
    } else {
        FetchError::connection_lost(error.without_url())
    }
}

/// Drops the URL, because `reqwest` shows it with its query, and a query can hold a secret.
fn transport(error: reqwest::Error) -> FetchError {
    FetchError::transport(error.without_url())
}
