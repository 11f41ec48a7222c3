//! The settings of the builder that every issuer uses, also issuers that are added later.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::runtime::Handle;

use super::config_error::ConfigProblem;
use super::issuer::Issuer;
use crate::authenticate::TrustedIssuer;
use crate::fetch_url::{AddressPolicy, PlainHttp};
use crate::introspection::ResponseStore;
use crate::jwks::{KeySource, KeySources, Keys, RefreshPolicy, RemoteConfig};
use crate::jwt::ConfiguredNames;
use crate::jwt::claims::ClaimsPolicy;
use crate::jwt::header::HeaderPolicy;
use crate::metadata::Discoverable;
use crate::observe::{IssuerObservers, Observers};
use crate::time::Clock;
use crate::transport::{self, DefaultClientFault, HttpClient};

/// The settings of the builder that every issuer uses.
pub(crate) struct BuildContext {
    pub(crate) audiences: Vec<String>,
    pub(crate) leeway: Duration,
    /// Whether each issuer must meet the FAPI 2.0 Security Profile.
    pub(crate) fapi2: bool,
    /// Empty until an issuer needs it.
    pub(crate) client: OnceLock<Arc<dyn HttpClient>>,
    pub(crate) refresh: RefreshPolicy,
    pub(crate) fetch_timeout: Duration,
    pub(crate) max_key_wait: Duration,
    pub(crate) runtime: Option<Handle>,
    /// The cached introspection responses of all issuers.
    pub(crate) responses: Arc<ResponseStore>,
    /// The sources of the keys of all issuers.
    pub(crate) sources: KeySources,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) observers: Observers,
}

impl BuildContext {
    /// The HTTP client, if an issuer needed one.
    pub(super) fn client(&self) -> Option<Arc<dyn HttpClient>> {
        self.client.get().cloned()
    }

    /// Builds the default HTTP client if there is none, because an issuer needs one.
    pub(super) fn ensure_client(&self, problems: &mut Vec<ConfigProblem>) {
        if self.client.get().is_some() {
            return;
        }
        match transport::default_client() {
            Ok(client) => drop(self.client.set(client)),
            Err(DefaultClientFault::NotBuilt) => problems.push(ConfigProblem::NoHttpClient),
            Err(DefaultClientFault::Unusable(reason)) => {
                problems.push(ConfigProblem::HttpClientUnusable { reason });
            }
        }
    }

    /// Builds issuers. Reports a missing HTTP client once.
    pub(crate) fn build(&self, issuers: &[&Issuer], problems: &mut Vec<ConfigProblem>) -> Vec<TrustedIssuer> {
        if issuers.iter().any(|issuer| issuer.needs_client()) {
            self.ensure_client(problems);
        }
        issuers.iter().filter_map(|issuer| issuer.build(self, problems)).collect()
    }

    /// The configuration of keys that `client` fetches from `source`.
    pub(super) fn remote(
        &self,
        issuer: &str,
        source: KeySource,
        client: Arc<dyn HttpClient>,
    ) -> RemoteConfig {
        let mut config = RemoteConfig::new(issuer, source, client);
        config.policy = self.refresh.clone();
        config.limits.timeout = self.fetch_timeout;
        config.max_wait = self.max_key_wait;
        config.clock = Arc::clone(&self.clock);
        config.runtime = self.runtime.clone();
        config
    }
}

/// The settings of an issuer that its introspection uses.
pub(super) struct IntrospectedIssuer<'i> {
    pub(super) header: &'i HeaderPolicy,
    /// The rules for the claims of JWTs.
    pub(super) claims: ClaimsPolicy,
    /// The claims that the user requires, without those that only JWTs must have.
    pub(super) required: Vec<Arc<str>>,
    /// The claims that its settings name.
    pub(super) names: ConfiguredNames,
    /// `None` for an issuer without keys; an error if its keys cannot be used.
    pub(super) keys: Option<Result<Keys, AlreadyReported>>,
    pub(super) discoverable: Option<Discoverable>,
    pub(super) plain_http: PlainHttp,
    pub(super) addresses: AddressPolicy,
    pub(super) client: Option<Arc<dyn HttpClient>>,
    pub(super) responses: Arc<ResponseStore>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) observers: IssuerObservers,
}

/// The fault is already in the list of problems.
#[derive(Clone, Copy, Debug)]
pub(super) struct AlreadyReported;
