//! Where the introspection endpoint is (RFC 8414 section 2, RFC 8705 section 5).

use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::time::timeout;

use crate::identifier::FetchUrl;
use crate::metadata::{Discoverable, Endpoint, discover};
use crate::monotonic::now;
use crate::transport::{FetchError, FetchLimits, HttpClient};

/// From then on the metadata is read again before a call: the endpoint may have moved although the old
/// place still answers.
const METADATA_AGE_MAX: Duration = Duration::from_secs(60 * 60);

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
pub(super) struct Located(Mutex<Option<Found>>);

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

impl Located {
    /// The endpoint. Many who ask at once share one look at the metadata. Where it was found before, one looks
    /// again and the others go on; should that fail, or take half of the time there is, the endpoint is where
    /// it was. `may_look` says whether the metadata may be asked for now.
    ///
    /// # Errors
    /// Why it is not known.
    pub(super) async fn locate(
        &self,
        source: &EndpointSource,
        client: &dyn HttpClient,
        limits: FetchLimits,
        may_look: impl FnOnce() -> Result<(), FetchError>,
    ) -> Result<FetchUrl, FetchError> {
        let (issuer, endpoint) = match source {
            EndpointSource::Url(url) => return Ok(url.clone()),
            EndpointSource::Discovered(issuer, endpoint) => (issuer, *endpoint),
        };
        let mut found = self.0.lock().await;
        let known = found.as_mut().map(|found| (found.url.clone(), found.renew(now())));
        let Some((url, young)) = known else {
            may_look()?;
            let url = discover(endpoint, issuer, client, limits).await?;
            *found = Some(Found::now(&url));
            return Ok(url);
        };
        drop(found);
        if young || may_look().is_err() {
            return Ok(url);
        }
        let half = limits.timeout.checked_div(2).unwrap_or_default();
        let Ok(Ok(url)) = timeout(half, discover(endpoint, issuer, client, limits)).await else {
            return Ok(url);
        };
        *self.0.lock().await = Some(Found::now(&url));
        Ok(url)
    }

    /// What is shown: the endpoint, or as long as that is not known where it is looked for.
    pub(super) fn shown(&self, source: &EndpointSource) -> FetchUrl {
        let found = self.0.try_lock().ok().and_then(|found| Some(found.as_ref()?.url.clone()));
        found.unwrap_or_else(|| source.url().clone())
    }

    /// It is not there any more: look again before the next call.
    pub(super) async fn forget(&self) {
        *self.0.lock().await = None;
    }
}

impl Found {
    fn now(url: &FetchUrl) -> Self {
        Self { url: url.clone(), looked_at: now() }
    }

    /// Whether it is young. If not, whoever asks now looks again, and nobody else for as long.
    fn renew(&mut self, now: Instant) -> bool {
        let young = now.saturating_duration_since(self.looked_at) < METADATA_AGE_MAX;
        if !young {
            self.looked_at = now;
        }
        young
    }
}
