//! A client that reaches test issuers without a socket.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;

use super::endpoint::Answer;
use super::state::State;
use crate::transport::{FetchError, FetchFuture, FetchRequest, FetchResponse, HttpClient};

/// An [`HttpClient`] that knows some [`TestIssuer`](super::TestIssuer)s and nothing else.
#[derive(Clone)]
pub struct InMemoryClient(Vec<Arc<State>>);

impl InMemoryClient {
    pub(super) fn of(issuer: Arc<State>) -> Self {
        Self(vec![issuer])
    }

    /// The same, which reaches the issuers that `other` reaches as well.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    fn issuer_of(&self, request: &Request<Bytes>) -> Option<Arc<State>> {
        let (scheme, authority) = (request.uri().scheme_str()?, request.uri().authority()?);
        let origin = format!("{scheme}://{authority}");
        self.0.iter().find(|issuer| issuer.identifier() == origin).map(Arc::clone)
    }
}

impl HttpClient for InMemoryClient {
    fn fetch(&self, request: FetchRequest) -> FetchFuture {
        let max_body_bytes = request.max_body_bytes();
        let request = request.into_request();
        let issuer = self.issuer_of(&request);
        Box::pin(async move {
            let issuer = issuer.ok_or_else(|| FetchError::transport("no such host"))?;
            match issuer.answer(&request) {
                Answer::Whole(delay, response) => {
                    tokio::time::sleep(delay).await;
                    within(max_body_bytes, response.into())
                }
                Answer::Hang | Answer::Slow(_) => std::future::pending().await,
                Answer::Refuse => Err(FetchError::transport("connection refused")),
                Answer::Half(_) => Err(FetchError::transport("connection closed within the body")),
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
