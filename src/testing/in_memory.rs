//! An HTTP client that calls test issuers without a socket.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;

use super::endpoints::Reply;
use super::server::State;
use crate::transport::{FetchError, FetchFuture, FetchRequest, FetchResponse, HttpClient};

/// An [`HttpClient`] that reaches one or more [`TestIssuer`](super::TestIssuer)s and no other host.
///
/// [`TestIssuer::http_client`](super::TestIssuer::http_client) returns it. A request to any other host fails.
/// Issuers may share a host if their paths differ.
#[derive(Clone)]
pub struct InMemoryClient(Vec<Arc<State>>);

impl InMemoryClient {
    pub(super) fn new(issuer: Arc<State>) -> Self {
        Self(vec![issuer])
    }

    /// A client that reaches no host.
    pub(super) fn unreachable() -> Self {
        Self(Vec::new())
    }

    /// A client that reaches the issuers of both clients.
    ///
    /// ```
    /// use tower_bearer::testing::TestIssuer;
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let staff = TestIssuer::in_memory("https://staff.test");
    /// let partners = TestIssuer::in_memory("https://partners.test");
    /// let client = staff.http_client().and(partners.http_client());
    ///
    /// // Two tenants on one host:
    /// let acme = TestIssuer::in_memory("https://login.test/realms/acme");
    /// let globex = TestIssuer::in_memory("https://login.test/realms/globex");
    /// let client = client.and(acme.http_client()).and(globex.http_client());
    /// # drop(client);
    /// # }
    /// ```
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// The issuer that has an endpoint at the URL of the request, else any on its host, which responds 404.
    fn issuer_of(&self, request: &Request<Bytes>) -> Option<Arc<State>> {
        let at_url = self.0.iter().find(|issuer| issuer.endpoint_at(request.uri()).is_some());
        let on_host = || self.0.iter().find(|issuer| issuer.address().is_origin_of(request.uri()));
        at_url.or_else(on_host).map(Arc::clone)
    }
}

impl HttpClient for InMemoryClient {
    fn fetch(&self, request: FetchRequest) -> FetchFuture {
        let max_body_bytes = request.max_body_bytes();
        let request = request.into_request();
        let issuer = self.issuer_of(&request);
        Box::pin(async move {
            let issuer = issuer.ok_or_else(|| FetchError::transport("no such host"))?;
            match issuer.reply(&request) {
                Reply::Complete(delay, response) => {
                    tokio::time::sleep(delay).await;
                    within(max_body_bytes, response.into())
                }
                Reply::Hang | Reply::Slow(_) => std::future::pending().await,
                Reply::Trickle(interval, response) => {
                    let bytes = u32::try_from(response.body().len()).unwrap_or(u32::MAX);
                    tokio::time::sleep(interval.saturating_mul(bytes)).await;
                    within(max_body_bytes, response.into())
                }
                Reply::Refuse => Err(FetchError::transport("connection refused")),
                Reply::Lost => Err(FetchError::connection_lost("connection closed by the server")),
                Reply::Half(_) => Err(FetchError::connection_lost("connection closed within the body")),
            }
        })
    }
}

fn within(max_body_bytes: usize, response: FetchResponse) -> Result<FetchResponse, FetchError> {
    if response.response().body().len() > max_body_bytes {
        Err(FetchError::too_large())
    } else {
        Ok(response)
    }
}

impl std::fmt::Debug for InMemoryClient {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.0.iter().map(|issuer| issuer.identifier())).finish()
    }
}
