//! The client of one introspection endpoint: its configuration, its limits and its credentials.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::client_auth::{Candidates, ClientAuth, CurrentAuth, ProvideContext};
use super::connections::Connections;
use super::endpoint::{EndpointCache, EndpointSource};
use super::error::IntrospectionError;
use super::fault::IntrospectionFault;
use super::limiter_state::LimiterStatus;
use super::limits::{Limiter, LimiterPolicy};
use super::priority::{CallToken, Priority};
use super::signed::ResponseVerifier;
use crate::event;
use crate::fetch_url::{FetchUrl, PlainHttp};
use crate::observe::IssuerObservers;
use crate::time::Clock;
use crate::transport::{FetchLimits, HttpClient};

/// The configuration of an [`IntrospectionClient`].
pub(crate) struct IntrospectionClientConfig {
    /// The issuer identifier, byte for byte.
    pub(crate) issuer: Arc<str>,
    pub(crate) observers: IssuerObservers,
    pub(crate) endpoint: EndpointSource,
    pub(crate) auth: ClientAuth,
    pub(crate) plain_http: PlainHttp,
    pub(crate) client: Arc<dyn HttpClient>,
    /// Verifies signed responses. `None` if the issuer has no keys.
    pub(crate) response_verifier: Option<ResponseVerifier>,
    /// Whether to accept responses without a signature.
    pub(crate) unsigned: bool,
    /// The limits of one call, from its permit to its end.
    pub(crate) limits: FetchLimits,
    pub(crate) limiter: LimiterPolicy,
}

impl IntrospectionClientConfig {
    /// Everything except the token that has an influence on a response.
    pub(super) fn identity(&self) -> [String; 4] {
        let client_id = self.auth.client_id().unwrap_or_default();
        let endpoint = self.endpoint.configured_url().uri();
        [self.issuer.to_string(), endpoint.to_string(), self.auth.method().to_owned(), client_id.to_owned()]
    }
}

/// The client of one introspection endpoint.
pub(super) struct IntrospectionClient {
    pub(super) config: IntrospectionClientConfig,
    pub(super) limiter: Limiter,
    pub(super) endpoint: EndpointCache,
    pub(super) connections: Connections,
    pub(super) auth: CurrentAuth,
    pub(super) clock: Arc<dyn Clock>,
    /// Whether the authorization server accepted the credentials last.
    pub(super) is_accepted: AtomicBool,
    /// Whether the authorization server has rejected no more than the random token of a check.
    pub(super) is_checked: AtomicBool,
    /// Whether it was logged that JWTs cannot be introspected.
    is_reported: AtomicBool,
}

impl IntrospectionClient {
    pub(super) fn new(config: IntrospectionClientConfig, clock: Arc<dyn Clock>) -> Self {
        let limiter = Limiter::new(config.limiter.clone(), config.limits.timeout);
        let auth = CurrentAuth::new(config.auth.source().clone());
        let (endpoint, connections) = (EndpointCache::default(), Connections::default());
        let [is_accepted, is_checked, is_reported] = [false; 3].map(AtomicBool::new);
        Self { config, limiter, endpoint, connections, auth, clock, is_accepted, is_checked, is_reported }
    }

    /// The longest time from the permit of a call to its response.
    pub(super) fn timeout(&self) -> Duration {
        self.config.limits.timeout
    }

    pub(super) fn issuer(&self) -> &str {
        &self.config.issuer
    }

    /// The longest time that a request waits for a call, including the time in the queue.
    pub(super) fn max_wait(&self) -> Duration {
        self.limiter.queue_timeout().saturating_add(self.timeout())
    }

    pub(super) fn max_calls_per_minute(&self) -> Option<u32> {
        self.limiter.per_minute()
    }

    pub(super) fn status(&self) -> LimiterStatus {
        self.limiter.status()
    }

    /// Checks whether a call for this token may start or be queued. Consumes nothing.
    ///
    /// # Errors
    /// [`IntrospectionFault`], with the limit that is reached.
    pub(super) fn check(&self, token: CallToken) -> Result<(), IntrospectionFault> {
        self.limiter.check(token)
    }

    /// Logs once that the authorization server introspects no JWTs.
    pub(super) fn report_jwts_unsupported(&self, error: &IntrospectionError) {
        if !self.is_reported.swap(true, Ordering::Relaxed) {
            event::jwts_not_introspected(&self.config.issuer, error);
        }
    }

    /// Looks up the endpoint, unless it is cached.
    pub(super) async fn find_endpoint(&self) -> Result<(), IntrospectionError> {
        self.endpoint(Priority::Trusted, self.config.limits).await.map(drop)
    }

    /// The current credentials. A request for them counts against the rate limit, too.
    ///
    /// # Errors
    /// The error of their provider.
    pub(super) async fn credentials(
        &self,
        priority: Priority,
    ) -> Result<Candidates, Arc<IntrospectionError>> {
        let may_request = |requests| self.limiter.take_requests(priority, requests);
        self.auth.get(&self.provide_context(), &may_request).await
    }

    /// Other credentials, because the authorization server rejected `rejected`. `None` if there are none.
    pub(super) async fn renewed_credentials(
        &self,
        rejected: &Candidates,
        priority: Priority,
    ) -> Option<Candidates> {
        let may_request = |requests| self.limiter.take_requests(priority, requests);
        self.auth.renewed(rejected, &self.provide_context(), &may_request).await
    }

    fn provide_context(&self) -> ProvideContext {
        let IntrospectionClientConfig { issuer, client, plain_http, limits, .. } = &self.config;
        ProvideContext {
            issuer: Arc::clone(issuer),
            client: Arc::clone(client),
            plain_http: *plain_http,
            limits: *limits,
            clock: Arc::clone(&self.clock),
        }
    }

    /// The URL of the endpoint. A lookup counts against the rate limit, too.
    pub(super) async fn endpoint(
        &self,
        priority: Priority,
        limits: FetchLimits,
    ) -> Result<FetchUrl, IntrospectionError> {
        let requests = self.config.endpoint.max_requests();
        let may_fetch = || self.limiter.take_requests(priority, requests);
        self.endpoint.locate(&self.config.endpoint, &*self.config.client, limits, may_fetch).await
    }
}
