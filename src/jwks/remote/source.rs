//! Where a key set is, and the fetching of it.
//!
//! Checks: what [`fetch`] and [`KeySet::parse`] check. A request is conditional (RFC 9110 section
//! 13.1.2) where the keys in hand came with an ETag.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::{ETAG, IF_NONE_MATCH};
use http::{HeaderMap, HeaderValue, Request, StatusCode};

use super::RemoteConfig;
use crate::fetch_url::FetchUrl;
use crate::jwks::key_set::{KeySet, KeySetFault};
use crate::jwks::refresh::freshness;
use crate::metadata::{Discoverable, Endpoint, MAX_REQUESTS, discover};
use crate::time::now;
use crate::transport::{FetchError, FetchErrorKind, fetch};

/// From then on metadata is read again before the keys are: they may have moved although the old place
/// still answers.
const MAX_METADATA_AGE: Duration = Duration::from_secs(60 * 60);

/// Where the keys of an issuer are.
#[derive(Clone, Debug)]
pub(crate) enum KeySource {
    /// At this URL.
    Url(FetchUrl),
    /// Where the metadata of the issuer says.
    Discovered(Discoverable),
}

impl KeySource {
    /// The most requests that one fetch sends.
    pub(super) fn max_requests_per_fetch(&self) -> u32 {
        match self {
            Self::Url(_) => 1,
            Self::Discovered(_) => MAX_REQUESTS.saturating_add(1),
        }
    }

    /// What is shown where no other URL is known yet.
    fn url(&self) -> &FetchUrl {
        match self {
            Self::Url(url) => url,
            Self::Discovered(issuer) => &issuer.url,
        }
    }
}

/// What a fetch brought.
pub(super) struct Answer {
    /// `None` for a 304: the keys in hand are the latest.
    pub(super) keys: Option<KeySet>,
    /// How long it may be kept, if it says so.
    pub(super) served: Option<Duration>,
}

/// Fetches one issuer's keys, and remembers between fetches what makes the next one cheaper.
#[derive(Default)]
pub(super) struct KeyFetcher {
    /// What the metadata said last.
    discovered: Option<FetchUrl>,
    /// When it said so.
    discovered_at: Option<Instant>,
    /// The last fetch failed: perhaps the keys have moved.
    may_have_moved: bool,
    /// The ETag of the keys in hand, and whence they came.
    validator: Option<(FetchUrl, HeaderValue)>,
}

impl KeyFetcher {
    /// Fetches the keys; all of them, where `whole` says so, even if the server thinks they are known.
    ///
    /// # Errors
    /// Why there are none.
    pub(super) async fn fetch(&mut self, config: &RemoteConfig, whole: bool) -> Result<Answer, FetchError> {
        let answer = self.fetch_keys(config, whole).await;
        self.may_have_moved = answer.is_err();
        answer
    }

    /// What was asked last, or will be asked.
    pub(super) fn url<'a>(&'a self, config: &'a RemoteConfig) -> &'a FetchUrl {
        self.discovered.as_ref().unwrap_or_else(|| config.source.url())
    }

    async fn fetch_keys(&mut self, config: &RemoteConfig, whole: bool) -> Result<Answer, FetchError> {
        let url = self.locate(config).await?;
        let request = self.request(&url, whole);
        let conditional = request.headers().contains_key(IF_NONE_MATCH);
        let answer = fetch(&*config.client, request, config.limits).await?;
        let served = freshness(answer.headers());
        if answer.status() != StatusCode::NOT_MODIFIED {
            let keys = KeySet::parse(answer.body(), config.allowed).map_err(fault)?;
            self.validator = etag(answer.headers()).map(|etag| (url, etag));
            return Ok(Answer { keys: Some(keys), served });
        }
        if conditional {
            return Ok(Answer { keys: None, served });
        }
        Err(FetchErrorKind::Status(StatusCode::NOT_MODIFIED.as_u16()).into())
    }

    /// Where the keys are. Should the metadata be out of reach, where they were.
    async fn locate(&mut self, config: &RemoteConfig) -> Result<FetchUrl, FetchError> {
        let issuer = match &config.source {
            KeySource::Url(url) => return Ok(url.clone()),
            KeySource::Discovered(issuer) => issuer,
        };
        let now = now();
        let young = |at: Instant| now.saturating_duration_since(at) < MAX_METADATA_AGE;
        let known = self.discovered_at.is_some_and(young) && !self.may_have_moved;
        if let Some(url) = self.discovered.as_ref().filter(|_| known) {
            return Ok(url.clone());
        }
        match (discover(Endpoint::Jwks, issuer, &*config.client, config.limits).await, &self.discovered) {
            (Ok(url), _) => {
                self.discovered_at = Some(now);
                Ok(self.discovered.insert(url).clone())
            }
            (Err(_), Some(known)) => Ok(known.clone()),
            (Err(error), None) => Err(error),
        }
    }

    fn request(&self, url: &FetchUrl, whole: bool) -> Request<Bytes> {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = url.uri().clone();
        if let Some((_, etag)) = self.validator.as_ref().filter(|(from, _)| !whole && from == url) {
            request.headers_mut().insert(IF_NONE_MATCH, etag.clone());
        }
        request
    }
}

fn etag(headers: &HeaderMap) -> Option<HeaderValue> {
    headers.get(ETAG).cloned()
}

fn fault(fault: KeySetFault) -> FetchError {
    match fault {
        KeySetFault::NotAKeySet => FetchError::unreadable(fault),
        KeySetFault::NoUsableKey => FetchErrorKind::NoUsableKey.into(),
    }
}
