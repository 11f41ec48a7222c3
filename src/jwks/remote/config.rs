//! The configuration of fetched keys.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::crypto::{AlgorithmSet, KeyAlgorithms};
use crate::fetch_url::FetchUrl;
use crate::jwks::refresh::RefreshPolicy;
use crate::metadata::Discoverable;
use crate::observe::IssuerObservers;
use crate::time::{Clock, Moment, SystemClock};
use crate::transport::{FetchLimits, HttpClient};

/// How to fetch the keys of one source.
pub(crate) struct RemoteConfig {
    /// The identifier of the issuer that was the first to use the source, for log events and HTTP clients.
    pub(crate) issuer: Arc<str>,
    pub(crate) observers: IssuerObservers,
    pub(crate) source: KeySource,
    /// Where the key set is as well, for fetches from `source` that fail. Default: nowhere.
    pub(crate) fallbacks: Vec<FetchUrl>,
    pub(crate) client: Arc<dyn HttpClient>,
    /// The algorithms that the keys may be used with. Default: all.
    pub(crate) algorithms: KeyAlgorithms,
    pub(crate) policy: RefreshPolicy,
    /// The limits of one HTTP request. Default: 5 s and 512 KiB.
    pub(crate) limits: FetchLimits,
    /// The maximum total time that one request waits for keys. Default: 3 s.
    pub(crate) max_wait: Duration,
    /// The runtime of the refresh task. Default: that of the request that first needs the keys.
    pub(crate) runtime: Option<Handle>,
    /// The wall clock, which counts while the machine is suspended. Default: the system clock.
    pub(crate) clock: Arc<dyn Clock>,
}

/// Where the key set of an issuer is.
#[derive(Clone, Debug)]
pub(crate) enum KeySource {
    /// At this URL.
    Url(FetchUrl),
    /// At the `jwks_uri` of the issuer's metadata.
    Discovered(Discoverable),
}

impl RemoteConfig {
    /// The default configuration.
    pub(crate) fn new(issuer: &str, source: KeySource, client: Arc<dyn HttpClient>) -> Self {
        Self {
            issuer: issuer.into(),
            observers: IssuerObservers::default(),
            source,
            fallbacks: Vec::new(),
            client,
            algorithms: AlgorithmSet::ALL.into(),
            policy: RefreshPolicy::default(),
            limits: FetchLimits::within(Duration::from_secs(5)),
            max_wait: Duration::from_secs(3),
            runtime: None,
            clock: Arc::new(SystemClock::default()),
        }
    }

    /// The current time.
    pub(super) fn now(&self) -> Moment {
        Moment::now(&*self.clock)
    }

    /// The maximum duration of one fetch of keys whose URL is known: from that URL, once more if the keys
    /// have moved meanwhile, and from the fallbacks.
    pub(super) fn max_fetch_time(&self) -> Duration {
        self.limits.timeout.saturating_mul(self.fallback_requests().saturating_add(2))
    }

    /// The maximum number of HTTP requests in one fetch.
    pub(super) fn max_requests_per_fetch(&self) -> u32 {
        self.source.max_requests_per_fetch().saturating_add(self.fallback_requests())
    }

    fn fallback_requests(&self) -> u32 {
        u32::try_from(self.fallbacks.len()).unwrap_or(u32::MAX)
    }
}

impl KeySource {
    fn max_requests_per_fetch(&self) -> u32 {
        match self {
            Self::Url(_) => 1,
            Self::Discovered(issuer) => issuer.max_requests().saturating_add(1),
        }
    }

    /// The URL to log before the URL of the key set is known.
    pub(super) fn url(&self) -> FetchUrl {
        match self {
            Self::Url(url) => url.clone(),
            Self::Discovered(issuer) => issuer.metadata_url(),
        }
    }
}
