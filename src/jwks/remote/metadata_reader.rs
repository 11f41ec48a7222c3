//! Reads the URL of the key set from the issuer's metadata, beside the fetches of the keys.
//!
//! Why: a metadata document that takes long must not delay a key rotation. While a URL is known, the metadata
//! is read at the same time as the keys or between two fetches. Reads are at least a minute apart, so that an
//! outage does not double the requests.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::config::{KeySource, RemoteConfig};
use crate::event;
use crate::fetch_url::FetchUrl;
use crate::jwks::error::KeysError;
use crate::metadata::{Endpoint, FailedDiscovery, discover_endpoint};
use crate::time::Moment;

/// The maximum age of the URL. The keys may have moved although the old URL still answers.
const MAX_AGE: Duration = Duration::from_secs(60 * 60);

/// The minimum interval between two reads while a URL is known.
const MIN_INTERVAL: Duration = Duration::from_secs(60);

type Reading = Pin<Box<dyn Future<Output = Result<FetchUrl, FailedDiscovery>> + Send>>;

/// The URL that the metadata names, and the read in flight.
#[derive(Default)]
pub(super) struct MetadataReader {
    url: Option<FetchUrl>,
    read_at: Option<Moment>,
    started_at: Option<Moment>,
    reading: Option<Reading>,
    last_error: Option<Arc<KeysError>>,
}

impl MetadataReader {
    /// The URL that was found last.
    pub(super) fn url(&self) -> Option<&FetchUrl> {
        self.url.as_ref()
    }

    /// The URL of the key set. Waits for the metadata only if no URL is known.
    ///
    /// # Errors
    /// Why the metadata names no URL.
    pub(super) async fn locate(&mut self, config: &RemoteConfig) -> Result<FetchUrl, Arc<KeysError>> {
        if let KeySource::Url(url) = &config.source {
            return Ok(url.clone());
        }
        if let Some(url) = self.url.clone() {
            let now = config.now();
            if self.read_at.is_none_or(|at| now.since(at) >= MAX_AGE) {
                self.start(config, now);
            }
            return Ok(url);
        }
        self.start(config, config.now());
        self.finished(config).await
    }

    /// Starts to read the metadata, because the keys could not be fetched from the known URL.
    pub(super) fn start_after_failure(&mut self, config: &RemoteConfig) {
        if self.url.is_some() {
            self.start(config, config.now());
        }
    }

    /// Cancels the read in flight, because its task ends.
    pub(super) fn cancel(&mut self) {
        self.reading = None;
    }

    /// Completes when the read in flight has ended. Pending if there is none. Dropping the future does not
    /// cancel the read.
    ///
    /// # Errors
    /// Why the read failed. The known URL stays.
    pub(super) async fn finished(&mut self, config: &RemoteConfig) -> Result<FetchUrl, Arc<KeysError>> {
        let Some(reading) = &mut self.reading else { return pending().await };
        let read = reading.await;
        self.reading = None;
        match read {
            Ok(url) => {
                self.read_at = Some(config.now());
                self.last_error = None;
                Ok(self.url.insert(url).clone())
            }
            Err(failed) => {
                let error = Arc::new(KeysError::from(failed));
                if self.url.is_some() {
                    let url = error.url().cloned().unwrap_or_else(|| config.source.url());
                    event::metadata_failed(&config.issuer, &url, &*error, error.hint());
                }
                self.last_error = Some(Arc::clone(&error));
                Err(error)
            }
        }
    }

    /// Why the last read failed. `None` if it succeeded.
    pub(super) fn last_error(&self) -> Option<&Arc<KeysError>> {
        self.last_error.as_ref()
    }

    fn start(&mut self, config: &RemoteConfig, now: Moment) {
        let KeySource::Discovered(issuer) = &config.source else { return };
        let is_recent = |at: Moment| now.since(at) < MIN_INTERVAL;
        if self.reading.is_some() || (self.url.is_some() && self.started_at.is_some_and(is_recent)) {
            return;
        }
        self.started_at = Some(now);
        let (issuer, client, limits) = (issuer.clone(), Arc::clone(&config.client), config.limits);
        self.reading =
            Some(Box::pin(async move { discover_endpoint(Endpoint::Jwks, &issuer, &*client, limits).await }));
    }
}
