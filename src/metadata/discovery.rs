//! Fetches the metadata of an issuer from its well-known URLs, side by side.
//!
//! Why staggered: most servers publish at the first URL, and a second request would be wasted. A server that
//! never responds at one URL must not keep the others from being tried.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use tokio::time::timeout;

use super::discoverable::Discoverable;
use super::document::{Endpoint, find_endpoint};
use super::error::{FailedDiscovery, MetadataError};
use crate::fetch_url::FetchUrl;
use crate::time::{later, now};
use crate::transport::{FetchError, FetchErrorKind, FetchLimits, FetchRequest, HttpClient, UrlKind, fetch};

/// How long a request may take until the next URL is tried as well. At most a quarter of the time limit.
const STAGGER: Duration = Duration::from_millis(250);

/// A request to one of the URLs. Resolves to the number of the URL and the endpoint.
type Attempt<'a> = Pin<Box<dyn Future<Output = (usize, Result<FetchUrl, FailedDiscovery>)> + Send + 'a>>;

/// Fetches the metadata of `issuer` and finds an endpoint in it, within one time limit.
///
/// Tries the well-known URL that responded last, then the others. The next one is tried when one fails or
/// takes long. The first usable document is used.
///
/// # Errors
/// The most specific of the failures, and the URLs that were tried.
pub(crate) async fn discover_endpoint(
    endpoint: Endpoint,
    issuer: &Discoverable,
    client: &dyn HttpClient,
    limits: FetchLimits,
) -> Result<FetchUrl, FailedDiscovery> {
    let deadline = later(now(), limits.timeout);
    let stagger = limits.timeout.checked_div(4).unwrap_or_default().min(STAGGER);
    let mut waiting = issuer.urls().into_iter().peekable();
    let mut running: Vec<Attempt<'_>> = Vec::new();
    let mut failure: Option<FailedDiscovery> = None;
    let mut tried = Vec::new();
    loop {
        if let Some((number, url)) = waiting.next() {
            let limits = FetchLimits { timeout: deadline.saturating_duration_since(now()), ..limits };
            running.push(Box::pin(async move {
                (number, fetch_endpoint(&url, endpoint, issuer, client, limits).await)
            }));
        } else if running.is_empty() {
            return Err(failure.unwrap_or_else(|| missing(endpoint, issuer)).of_all(tried));
        }
        let completed = next_completed(&mut running);
        let completed = match waiting.peek() {
            Some(_) => timeout(stagger, completed).await.ok(),
            None => Some(completed.await),
        };
        match completed {
            Some((number, Ok(url))) => {
                issuer.responded(number);
                return Ok(url);
            }
            Some((_, Err(failed))) => {
                tried.push(failed.urls.url.clone());
                if failure.as_ref().is_none_or(|other| failed.error.outranks(&other.error)) {
                    failure = Some(failed);
                }
            }
            None => {}
        }
    }
}

/// Waits for one of the attempts, which are not empty, and removes it.
async fn next_completed(running: &mut Vec<Attempt<'_>>) -> (usize, Result<FetchUrl, FailedDiscovery>) {
    poll_fn(|cx| {
        let completed =
            running.iter_mut().enumerate().find_map(|(place, attempt)| match attempt.as_mut().poll(cx) {
                Poll::Ready(result) => Some((place, result)),
                Poll::Pending => None,
            });
        let Some((place, result)) = completed else { return Poll::Pending };
        drop(running.swap_remove(place));
        Poll::Ready(result)
    })
    .await
}

fn missing(endpoint: Endpoint, issuer: &Discoverable) -> FailedDiscovery {
    FailedDiscovery::new(issuer.url.clone(), MetadataError::EndpointMissing(endpoint.member()))
}

async fn fetch_endpoint(
    url: &str,
    endpoint: Endpoint,
    issuer: &Discoverable,
    client: &dyn HttpClient,
    limits: FetchLimits,
) -> Result<FetchUrl, FailedDiscovery> {
    let url = FetchUrl::parse(url, issuer.plain_http).map_err(|_| missing(endpoint, issuer))?;
    let found = read_endpoint(&url, endpoint, issuer, client, limits).await;
    found.map_err(|error| FailedDiscovery::new(url, error))
}

async fn read_endpoint(
    url: &FetchUrl,
    endpoint: Endpoint,
    issuer: &Discoverable,
    client: &dyn HttpClient,
    limits: FetchLimits,
) -> Result<FetchUrl, MetadataError> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = url.uri().clone();
    let identifier = Arc::clone(&issuer.identifier);
    let request = FetchRequest::within(limits, request, UrlKind::Metadata, identifier);
    let response = fetch(client, request, limits.timeout).await?;
    match response.status() {
        StatusCode::OK => find_endpoint(endpoint, response.body(), issuer),
        status => Err(FetchError::from(FetchErrorKind::Status(status.as_u16())).into()),
    }
}
