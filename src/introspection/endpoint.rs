//! Where the introspection endpoint is (RFC 8414 section 2, RFC 8705 section 5).

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::fetch_url::FetchUrl;
use crate::metadata::{Discoverable, Endpoint, discover};
use crate::time::now;
use crate::transport::{FetchError, FetchErrorKind, FetchLimits, HttpClient};

/// From then on the metadata is read again before a call: the endpoint may have moved although the old
/// place still answers.
const MAX_METADATA_AGE: Duration = Duration::from_secs(60 * 60);

/// Where to look.
#[derive(Clone, Debug)]
pub(crate) enum EndpointSource {
    /// At this URL.
    Url(FetchUrl),
    /// Where the metadata of the issuer says.
    Discovered(Discoverable, Endpoint),
}

/// Where it was found.
#[derive(Debug, Default)]
pub(super) struct EndpointCache {
    known: Mutex<Known>,
    /// How many looks at the metadata found nothing.
    failed_lookups: AtomicU64,
}

#[derive(Debug, Default)]
struct Known {
    found: Option<Found>,
    /// Why the last look that found nothing did not.
    fault: Option<FetchErrorKind>,
}

#[derive(Clone, Debug)]
struct Found {
    url: FetchUrl,
    looked_at: Instant,
}

impl EndpointSource {
    /// What is shown, and what tells two configurations apart.
    pub(super) fn url(&self) -> &FetchUrl {
        match self {
            Self::Url(url) => url,
            Self::Discovered(issuer, _) => &issuer.url,
        }
    }
}

impl EndpointCache {
    /// The endpoint. Many who ask at once share one look at the metadata. Where it was found before, one looks
    /// again and the others go on; should that fail, or take half of the time there is, the endpoint is where
    /// it was. `may_fetch` says whether the metadata may be asked for now.
    ///
    /// # Errors
    /// Why it is not known.
    pub(super) async fn locate(
        &self,
        source: &EndpointSource,
        client: &dyn HttpClient,
        limits: FetchLimits,
        may_fetch: impl FnOnce() -> Result<(), FetchError>,
    ) -> Result<FetchUrl, FetchError> {
        let (issuer, endpoint) = match source {
            EndpointSource::Url(url) => return Ok(url.clone()),
            EndpointSource::Discovered(issuer, endpoint) => (issuer, *endpoint),
        };
        let failed_lookups = self.failed_lookups.load(Ordering::Relaxed);
        let mut known = self.known.lock().await;
        let Some(found) = &mut known.found else {
            // Who waited while another looked in vain does not look again.
            let in_vain = self.failed_lookups.load(Ordering::Relaxed) > failed_lookups;
            if let Some(fault) = known.fault.filter(|_| in_vain) {
                return Err(fault.into());
            }
            may_fetch()?;
            return self.look(&mut known, discover(endpoint, issuer, client, limits)).await;
        };
        let url = found.url.clone();
        if found.is_young(now()) || may_fetch().is_err() {
            return Ok(url);
        }
        // Nobody else looks for as long; and nobody waits for this.
        found.looked_at = now();
        drop(known);
        let half = limits.timeout.checked_div(2).unwrap_or_default();
        let Ok(Ok(url)) = timeout(half, discover(endpoint, issuer, client, limits)).await else {
            return Ok(url);
        };
        self.known.lock().await.found = Some(Found::now(&url));
        Ok(url)
    }

    async fn look(
        &self,
        known: &mut Known,
        discovered: impl Future<Output = Result<FetchUrl, FetchError>>,
    ) -> Result<FetchUrl, FetchError> {
        let discovered = discovered.await;
        match &discovered {
            Ok(url) => known.found = Some(Found::now(url)),
            Err(error) => {
                known.fault = Some(error.kind());
                self.failed_lookups.fetch_add(1, Ordering::Relaxed);
            }
        }
        discovered
    }

    /// What is shown: the endpoint, or as long as that is not known where it is looked for.
    pub(super) fn shown(&self, source: &EndpointSource) -> FetchUrl {
        let found = self.known.try_lock().ok().and_then(|known| Some(known.found.as_ref()?.url.clone()));
        found.unwrap_or_else(|| source.url().clone())
    }

    /// It is not there any more: look again before the next call.
    pub(super) async fn forget(&self) {
        self.known.lock().await.found = None;
    }
}

impl Found {
    fn now(url: &FetchUrl) -> Self {
        Self { url: url.clone(), looked_at: now() }
    }

    fn is_young(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.looked_at) < MAX_METADATA_AGE
    }
}
