//! The default HTTP client: `reqwest` over rustls.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use reqwest::Client;
use reqwest::redirect::Policy;

use super::{DefaultClientFault, FetchError, FetchFuture, HttpClient};

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// A client with the defaults of this crate: no redirects, 2 s to connect.
///
/// # Errors
/// When TLS cannot be set up, which is a fault of the machine (no root certificates, most often).
pub(crate) fn default_client() -> Result<Arc<dyn HttpClient>, DefaultClientFault> {
    let client = Client::builder()
        .redirect(Policy::none())
        .connect_timeout(CONNECT_TIMEOUT)
        .user_agent(concat!("tower-bearer/", env!("CARGO_PKG_VERSION")))
        .build();
    match client {
        Ok(client) => Ok(Arc::new(client)),
        Err(error) => Err(DefaultClientFault::Unusable(error.to_string())),
    }
}

/// Build your own with `redirect(Policy::none())`. An answer that was reached through a redirect is refused, but
/// by then the request has been sent elsewhere as well: of introspection, with the token and perhaps a secret.
impl HttpClient for Client {
    fn fetch(&self, request: Request<Bytes>, body_limit: usize) -> FetchFuture {
        let client = self.clone();
        Box::pin(async move {
            let request = reqwest::Request::try_from(request).map_err(FetchError::transport)?;
            let asked = request.url().clone();
            let mut answer = client.execute(request).await.map_err(unanswered)?;
            if *answer.url() != asked {
                return Err(FetchError::redirected());
            }
            let mut body = BytesMut::new();
            while let Some(chunk) = answer.chunk().await.map_err(failed)? {
                if chunk.len() > body_limit.saturating_sub(body.len()) {
                    return Err(FetchError::too_large());
                }
                body.extend_from_slice(&chunk);
            }
            let mut response = Response::new(body.freeze());
            *response.status_mut() = answer.status();
            *response.headers_mut() = std::mem::take(answer.headers_mut());
            Ok(response)
        })
    }
}

/// Of what fails before an answer: only a connection that was there can have died.
fn unanswered(error: reqwest::Error) -> FetchError {
    if error.is_connect() || error.is_timeout() || error.is_builder() || error.is_redirect() {
        failed(error)
    } else {
        FetchError::connection_lost(error.without_url())
    }
}

/// `reqwest` puts the whole URL into its errors; a query is nobody's business.
fn failed(error: reqwest::Error) -> FetchError {
    FetchError::transport(error.without_url())
}
