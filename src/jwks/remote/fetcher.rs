//! Fetches the key set of one issuer, from a configured URL or from the URL that its metadata names.
//!
//! Checks: the same as [`send`] and [`KeySet::parse`], and the status.
//! Does not check: when a fetch is due.
//!
//! Why: a request is conditional (RFC 9110 section 13.1.2) if the cached keys came with an ETag from the same
//! URL. A fetch for a missing key is unconditional and asks caches to pass it on (RFC 9111 section 5.2.1.4).

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};

use super::config::RemoteConfig;
use super::failure_log::FailureLog;
use super::metadata_reader::MetadataReader;
use crate::fetch_url::FetchUrl;
use crate::jwks::error::KeysError;
use crate::jwks::key_set::{KeySet, KeySetId};
use crate::jwks::refresh::{GracePeriod, max_age, remaining};
use crate::time::now;
use crate::transport::{FetchError, FetchErrorKind, FetchRequest, UrlKind, retry_after, send};

/// Some servers know only one of the two media types and reject a request that names the other alone.
const MEDIA_TYPES: &str = "application/json, application/jwk-set+json";

/// The result of a successful fetch.
pub(super) struct FetchedKeys {
    /// `None` after a 304: the cached keys are current.
    pub(super) keys: Option<KeySet>,
    /// The freshness lifetime that the response states, if any.
    pub(super) freshness: Option<Duration>,
}

/// The result of a failed fetch.
pub(super) struct FetchFailure {
    pub(super) error: Arc<KeysError>,
    /// The `Retry-After` of the response.
    pub(super) retry_after: Option<Duration>,
}

/// A request for the key set that failed.
struct FailedRequest {
    error: KeysError,
    retry_after: Option<Duration>,
}

/// Fetches the keys of one issuer and caches what makes the next fetch cheaper.
#[derive(Default)]
pub(super) struct KeyFetcher {
    metadata: MetadataReader,
    pub(super) failure_log: FailureLog,
    /// The last fetch failed, so a pooled connection may be dead.
    last_failed: bool,
    cached: Option<CachedResponse>,
}

/// The result of one request, and its response if it has keys.
type Received = (FetchedKeys, Option<CachedResponse>);

/// The response with the keys of the last successful fetch.
struct CachedResponse {
    keys: KeySetId,
    url: FetchUrl,
    etag: Option<HeaderValue>,
    max_age: Option<Duration>,
}

impl KeyFetcher {
    /// Fetches the keys. `bypass_caches` makes the request unconditional and bypasses HTTP caches.
    ///
    /// # Errors
    /// [`FetchFailure`], by the first step that failed.
    pub(super) async fn fetch(
        &mut self,
        config: &RemoteConfig,
        bypass_caches: bool,
    ) -> Result<FetchedKeys, FetchFailure> {
        let received = self.fetch_located(config, bypass_caches).await;
        self.last_failed = received.is_err();
        if self.last_failed {
            self.metadata.start_after_failure(config);
        }
        let (fetched, response) = match received {
            Ok(received) => received,
            Err(failure) => self.fetch_from_fallbacks(failure, config, bypass_caches).await?,
        };
        // Only now, because keys from a URL that they have moved from meanwhile are dropped.
        self.cached = response.or_else(|| self.cached.take());
        Ok(fetched)
    }

    /// The same, for the cached key set `keys`. A 304 must not confirm another one.
    pub(super) fn with_cached(mut self, keys: Option<KeySetId>) -> Self {
        self.cached = self.cached.filter(|cached| Some(cached.keys) == keys);
        self
    }

    /// The same, without the read of the metadata in flight.
    pub(super) fn without_read(mut self) -> Self {
        self.metadata.cancel();
        self
    }

    /// The URL of the latest fetch, to log it.
    pub(super) fn url(&self, config: &RemoteConfig) -> FetchUrl {
        self.metadata.url().cloned().unwrap_or_else(|| config.source.url())
    }

    /// Completes when a read of the metadata has ended, and says whether it names another URL than before.
    /// Dropping the future loses nothing.
    pub(super) async fn metadata_read(&mut self, config: &RemoteConfig) -> bool {
        let known = self.metadata.url().cloned();
        let read = self.metadata.finished(config).await;
        read.is_ok_and(|url| known.is_some_and(|known| known != url))
    }

    /// Why the metadata could not be read last. `None` if it could.
    pub(super) fn metadata_error(&self) -> Option<&Arc<KeysError>> {
        self.metadata.last_error()
    }

    async fn fetch_located(
        &mut self,
        config: &RemoteConfig,
        bypass_caches: bool,
    ) -> Result<Received, FetchFailure> {
        let url = self.metadata.locate(config).await;
        let url = url.map_err(|error| FetchFailure { error, retry_after: None })?;
        let received = self.fetch_from(&url, config, bypass_caches).await.map_err(|failure| failure.at(&url));
        match self.metadata.url() {
            Some(current) if *current != url => {
                let current = current.clone();
                let received = self.fetch_from(&current, config, bypass_caches).await;
                received.map_err(|failure| failure.at(&current))
            }
            _ => received,
        }
    }

    /// Tries the fallbacks after a `failure`. If they fail as well, the first failure counts.
    async fn fetch_from_fallbacks(
        &mut self,
        failure: FetchFailure,
        config: &RemoteConfig,
        bypass_caches: bool,
    ) -> Result<Received, FetchFailure> {
        if failure.error.grace_period() == GracePeriod::None {
            // The server has published a set without usable keys, which retires those at the fallbacks too.
            return Err(failure);
        }
        for url in &config.fallbacks {
            if let Ok(received) = self.fetch_from(url, config, bypass_caches).await {
                return Ok(received);
            }
        }
        Err(failure)
    }

    async fn fetch_from(
        &mut self,
        url: &FetchUrl,
        config: &RemoteConfig,
        bypass_caches: bool,
    ) -> Result<Received, FailedRequest> {
        let cached = self.cached.as_ref().filter(|cached| !bypass_caches && cached.url == *url);
        let etag = cached.and_then(|cached| cached.etag.clone());
        let stated_before = cached.and_then(|cached| cached.max_age);
        let request = request(config, url, etag.clone(), bypass_caches);
        let response = {
            let mut sent = pin!(send_again_if_lost(config, request, self.last_failed));
            loop {
                tokio::select! {
                    response = sent.as_mut() => break response?,
                    _ = self.metadata.finished(config) => {}
                }
            }
        };
        match response.status() {
            StatusCode::OK => parse(url, config, &response),
            StatusCode::NOT_MODIFIED if etag.is_some() => {
                let headers = response.headers();
                let stated =
                    if headers.contains_key(CACHE_CONTROL) { max_age(headers) } else { stated_before };
                Ok((FetchedKeys { keys: None, freshness: remaining(stated, headers) }, None))
            }
            status => Err(FailedRequest {
                error: FetchError::from(FetchErrorKind::Status(status.as_u16())).into(),
                retry_after: retry_after(response.headers(), config.clock.now()),
            }),
        }
    }
}

fn parse(
    url: &FetchUrl,
    config: &RemoteConfig,
    response: &Response<Bytes>,
) -> Result<Received, FailedRequest> {
    let keys = KeySet::parse(response.body(), config.algorithms)?;
    let headers: &HeaderMap = response.headers();
    let (etag, max_age) = (headers.get(ETAG).cloned(), max_age(headers));
    let cached = CachedResponse { keys: keys.id(), url: url.clone(), etag, max_age };
    Ok((FetchedKeys { keys: Some(keys), freshness: remaining(max_age, headers) }, Some(cached)))
}

fn request(
    config: &RemoteConfig,
    url: &FetchUrl,
    etag: Option<HeaderValue>,
    bypass_caches: bool,
) -> FetchRequest {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = url.uri().clone();
    let headers = request.headers_mut();
    headers.insert(ACCEPT, HeaderValue::from_static(MEDIA_TYPES));
    if bypass_caches {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
    if let Some(etag) = etag {
        headers.insert(IF_NONE_MATCH, etag);
    }
    FetchRequest::within(config.limits, request, UrlKind::Jwks, Arc::clone(&config.issuer))
}

/// Sends `request`, and once more on a new connection if the first one was lost. Both share one time limit.
///
/// Why: servers and load balancers close idle connections, often just when the next request is sent. After a
/// failed fetch, the request needs a new connection from the start.
async fn send_again_if_lost(
    config: &RemoteConfig,
    request: FetchRequest,
    after_failure: bool,
) -> Result<Response<Bytes>, FetchError> {
    let (client, timeout, start) = (&*config.client, config.limits.timeout, now());
    let again = request.clone().on_fresh_connection();
    if after_failure {
        return send(client, again, timeout).await;
    }
    match send(client, request, timeout).await {
        Err(error) if error.kind() == FetchErrorKind::ConnectionLost => {
            let spent = now().saturating_duration_since(start);
            send(client, again, timeout.saturating_sub(spent)).await
        }
        response => response,
    }
}

impl FailedRequest {
    /// The failure of the fetch, which names the URL.
    fn at(self, url: &FetchUrl) -> FetchFailure {
        FetchFailure { error: Arc::new(self.error.at(url)), retry_after: self.retry_after }
    }
}

impl<E> From<E> for FailedRequest
where
    KeysError: From<E>,
{
    fn from(error: E) -> Self {
        Self { error: error.into(), retry_after: None }
    }
}
