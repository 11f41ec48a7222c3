//! Fetches the key set of one issuer, from a configured URL or from the URL that its metadata names.
//!
//! Checks: the same as [`fetch`] and [`KeySet::parse`].
//! Does not check: when a fetch is due.
//!
//! Why: a request is conditional (RFC 9110 section 13.1.2) if the cached keys came with an ETag from the same
//! URL.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ETAG, IF_NONE_MATCH};
use http::{HeaderValue, Request, StatusCode};

use super::config::{KeySource, RemoteConfig};
use crate::fetch_url::FetchUrl;
use crate::jwks::error::KeysError;
use crate::jwks::key_set::KeySet;
use crate::jwks::refresh::freshness;
use crate::metadata::{Endpoint, discover_endpoint};
use crate::time::now;
use crate::transport::{FetchError, FetchErrorKind, FetchRequest, UrlKind, fetch};

/// The maximum age of the discovered URL. The keys may have moved although the old URL still answers.
const MAX_METADATA_AGE: Duration = Duration::from_secs(60 * 60);

/// The result of a successful fetch.
pub(super) struct FetchedKeys {
    /// `None` after a 304: the cached keys are current.
    pub(super) keys: Option<KeySet>,
    /// The freshness lifetime that the response states, if any.
    pub(super) freshness: Option<Duration>,
}

/// Fetches the keys of one issuer and caches what makes the next fetch cheaper.
#[derive(Default)]
pub(super) struct KeyFetcher {
    /// The `jwks_uri` that was discovered last.
    discovered: Option<FetchUrl>,
    discovered_at: Option<Instant>,
    /// The last fetch failed, so the keys may have moved.
    last_failed: bool,
    /// The ETag of the cached keys and the URL that sent it.
    validator: Option<(FetchUrl, HeaderValue)>,
}

impl KeyFetcher {
    /// Fetches the keys. `whole` makes the request unconditional.
    ///
    /// # Errors
    /// [`KeysError`], by the first step that failed.
    pub(super) async fn fetch(
        &mut self,
        config: &RemoteConfig,
        whole: bool,
    ) -> Result<FetchedKeys, KeysError> {
        let fetched = self.fetch_keys(config, whole).await;
        self.last_failed = fetched.is_err();
        fetched
    }

    /// The URL of the latest fetch, to log it.
    pub(super) fn url<'a>(&'a self, config: &'a RemoteConfig) -> &'a FetchUrl {
        self.discovered.as_ref().unwrap_or_else(|| config.source.url())
    }

    async fn fetch_keys(&mut self, config: &RemoteConfig, whole: bool) -> Result<FetchedKeys, KeysError> {
        let url = self.locate(config).await?;
        let request = self.request(config, &url, whole);
        let conditional = request.request().headers().contains_key(IF_NONE_MATCH);
        let response = fetch(&*config.client, request, config.limits.timeout).await?;
        let freshness = freshness(response.headers());
        if response.status() != StatusCode::NOT_MODIFIED {
            let keys = KeySet::parse(response.body(), &config.issuer, config.allowed)?;
            self.validator = response.headers().get(ETAG).map(|etag| (url, etag.clone()));
            return Ok(FetchedKeys { keys: Some(keys), freshness });
        }
        if conditional {
            return Ok(FetchedKeys { keys: None, freshness });
        }
        Err(FetchError::from(FetchErrorKind::Status(StatusCode::NOT_MODIFIED.as_u16())).into())
    }

    /// The URL of the key set. If discovery fails, the URL that was discovered last.
    async fn locate(&mut self, config: &RemoteConfig) -> Result<FetchUrl, KeysError> {
        let issuer = match &config.source {
            KeySource::Url(url) => return Ok(url.clone()),
            KeySource::Discovered(issuer) => issuer,
        };
        let now = now();
        let is_recent = |at: Instant| now.saturating_duration_since(at) < MAX_METADATA_AGE;
        let cached = self.discovered_at.is_some_and(is_recent) && !self.last_failed;
        if let Some(url) = self.discovered.as_ref().filter(|_| cached) {
            return Ok(url.clone());
        }
        let found = discover_endpoint(Endpoint::Jwks, issuer, &*config.client, config.limits).await;
        match (found, &self.discovered) {
            (Ok(url), _) => {
                self.discovered_at = Some(now);
                Ok(self.discovered.insert(url).clone())
            }
            (Err(_), Some(previous)) => Ok(previous.clone()),
            (Err(error), None) => Err(error.into()),
        }
    }

    fn request(&self, config: &RemoteConfig, url: &FetchUrl, whole: bool) -> FetchRequest {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = url.uri().clone();
        if let Some((_, etag)) = self.validator.as_ref().filter(|(from, _)| !whole && from == url) {
            request.headers_mut().insert(IF_NONE_MATCH, etag.clone());
        }
        let issuer = Arc::clone(&config.issuer);
        FetchRequest::new(request, UrlKind::Jwks, issuer, config.limits.max_body_bytes)
    }
}
