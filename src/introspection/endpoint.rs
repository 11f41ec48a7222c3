//! Finds the introspection endpoint in the metadata and caches its URL (RFC 8414 section 2, RFC 8705 section
//! 5).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::sync::Mutex;
use tokio::time::timeout;

use super::error::{IntrospectionError, IntrospectionErrorKind};
use crate::fetch_url::FetchUrl;
use crate::metadata::{Discoverable, Endpoint, discover_endpoint};
use crate::time::now;
use crate::transport::{FetchLimits, HttpClient};

/// The TTL of a cached URL. Afterwards the metadata is fetched again, because the endpoint may have moved
/// although the old URL still responds.
const METADATA_TTL: Duration = Duration::from_secs(60 * 60);

/// The shortest time from one early expiry of the URL to the next. A response that says the endpoint is gone
/// may be due to its token, and must not cause a lookup each time.
const MIN_EXPIRY_INTERVAL: Duration = Duration::from_secs(60);

/// How long metadata without an endpoint is not fetched again. Somebody has to change a configuration first.
const MISSING_TTL: Duration = Duration::from_secs(10);

/// Where the URL of the endpoint comes from.
#[derive(Clone, Debug)]
pub(crate) enum EndpointSource {
    /// From the configuration.
    Url(FetchUrl),
    /// From this member of the issuer's metadata.
    Discovered(Discoverable, Endpoint),
}

/// Caches the URL of the endpoint.
#[derive(Debug, Default)]
pub(super) struct EndpointCache {
    state: Mutex<State>,
    failed_lookups: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    cached: Option<CachedUrl>,
    /// The latest lookup that failed.
    last_failure: Option<FailedLookup>,
    /// When the cached URL last expired because the endpoint seemed to be gone.
    expired_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct FailedLookup {
    kind: IntrospectionErrorKind,
    at: Instant,
}

#[derive(Clone, Debug)]
struct CachedUrl {
    url: FetchUrl,
    fetched_at: Instant,
    /// Whether the URL is looked up again before its TTL.
    is_expired: bool,
}

impl EndpointSource {
    /// The configured URL: of the endpoint, or of the issuer.
    pub(super) fn configured_url(&self) -> &FetchUrl {
        match self {
            Self::Url(url) => url,
            Self::Discovered(issuer, _) => &issuer.url,
        }
    }

    /// The URL that is read first: of the endpoint, or of the metadata that names it.
    fn first_url(&self) -> FetchUrl {
        match self {
            Self::Url(url) => url.clone(),
            Self::Discovered(issuer, _) => issuer.metadata_url(),
        }
    }
}

impl EndpointSource {
    /// The most requests that finding the endpoint takes.
    pub(crate) fn max_requests(&self) -> u32 {
        match self {
            Self::Url(_) => 0,
            Self::Discovered(issuer, _) => issuer.max_requests(),
        }
    }
}

impl EndpointCache {
    /// Returns the URL of the endpoint.
    ///
    /// Lookups are single-flight. After the TTL, one caller looks the URL up again; the others use the cached
    /// URL. If that lookup fails or takes more than half of the time limit, the cached URL stays.
    /// `may_fetch` decides whether the metadata may be fetched now.
    ///
    /// # Errors
    /// The error of the lookup, or of `may_fetch`, if no URL is cached.
    pub(super) async fn locate(
        &self,
        source: &EndpointSource,
        client: &dyn HttpClient,
        limits: FetchLimits,
        may_fetch: impl FnOnce() -> Result<(), IntrospectionError>,
    ) -> Result<FetchUrl, IntrospectionError> {
        let (issuer, endpoint) = match source {
            EndpointSource::Url(url) => return Ok(url.clone()),
            EndpointSource::Discovered(issuer, endpoint) => (issuer, *endpoint),
        };
        let failed_lookups = self.failed_lookups.load(Ordering::Relaxed);
        let mut state = self.state.lock().await;
        let Some(cached) = &mut state.cached else {
            // A lookup failed while we waited for the lock: share its error instead of repeating it.
            let has_failed = self.failed_lookups.load(Ordering::Relaxed) > failed_lookups;
            let failure = state.last_failure.filter(|failure| has_failed || failure.is_lasting(now()));
            if let Some(failure) = failure {
                return Err(IntrospectionError::new(failure.kind));
            }
            may_fetch()?;
            let discovered = discover_endpoint(endpoint, issuer, client, limits).await;
            return self.store(&mut state, discovered.map_err(IntrospectionError::metadata));
        };
        let url = cached.url.clone();
        if cached.is_fresh(now()) || may_fetch().is_err() {
            return Ok(url);
        }
        // Renewed before the lookup, so that other callers neither repeat it nor wait for it.
        *cached = CachedUrl::now(&url);
        drop(state);
        let half = limits.timeout.checked_div(2).unwrap_or_default();
        let Ok(Ok(url)) = timeout(half, discover_endpoint(endpoint, issuer, client, limits)).await else {
            return Ok(url);
        };
        self.state.lock().await.cached = Some(CachedUrl::now(&url));
        Ok(url)
    }

    fn store(
        &self,
        state: &mut State,
        discovered: Result<FetchUrl, IntrospectionError>,
    ) -> Result<FetchUrl, IntrospectionError> {
        match &discovered {
            Ok(url) => state.cached = Some(CachedUrl::now(url)),
            Err(error) => {
                state.last_failure = Some(FailedLookup { kind: error.kind(), at: now() });
                self.failed_lookups.fetch_add(1, Ordering::Relaxed);
            }
        }
        discovered
    }

    /// The URL for the log: of the endpoint if it is known, else of the metadata.
    pub(super) fn display_url(&self, source: &EndpointSource) -> FetchUrl {
        let cached = self.state.try_lock().ok().and_then(|state| Some(state.cached.as_ref()?.url.clone()));
        cached.unwrap_or_else(|| source.first_url())
    }

    /// The endpoint seems to be gone: the next call looks it up again. The cached URL stays in use until a
    /// lookup succeeds.
    pub(super) async fn expire(&self) {
        let (mut state, now) = (self.state.lock().await, now());
        let is_recent = |at: Instant| now.saturating_duration_since(at) < MIN_EXPIRY_INTERVAL;
        if state.expired_at.is_some_and(is_recent) {
            return;
        }
        if let Some(cached) = &mut state.cached {
            cached.is_expired = true;
            state.expired_at = Some(now);
        }
    }
}

impl FailedLookup {
    fn is_lasting(self, now: Instant) -> bool {
        let is_missing = self.kind == IntrospectionErrorKind::EndpointUnusable;
        is_missing && now.saturating_duration_since(self.at) < MISSING_TTL
    }
}

impl CachedUrl {
    fn now(url: &FetchUrl) -> Self {
        Self { url: url.clone(), fetched_at: now(), is_expired: false }
    }

    fn is_fresh(&self, now: Instant) -> bool {
        !self.is_expired && now.saturating_duration_since(self.fetched_at) < METADATA_TTL
    }
}
