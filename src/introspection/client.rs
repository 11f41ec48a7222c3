//! Sends introspection requests, each within one time limit (RFC 7662 section 2).

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Response, StatusCode};
use tokio::time::timeout_at;

use super::client_auth::ClientAuth;
use super::endpoint::{EndpointCache, EndpointSource};
use super::error::{IntrospectionError, IntrospectionErrorKind};
use super::fault::IntrospectionFault;
use super::health::CallFailure;
use super::limits::{Completion, Limiter, LimiterPolicy, Permit, Priority};
use super::request::{self, Accept};
use super::response::{self, ResponseBody};
use super::signed::ResponseVerifier;
use crate::event;
use crate::fetch_url::FetchUrl;
use crate::sync::CircuitState;
use crate::time::{Clock, NumericDate, later, now};
use crate::transport::{FetchErrorKind, FetchLimits, FetchRequest, HttpClient, UrlKind, send};

/// The configuration of an [`IntrospectionClient`].
pub(crate) struct IntrospectionClientConfig {
    /// The issuer identifier, byte for byte.
    pub(crate) issuer: Arc<str>,
    pub(crate) endpoint: EndpointSource,
    pub(crate) auth: ClientAuth,
    pub(crate) client: Arc<dyn HttpClient>,
    /// Verifies signed responses. `None` if the issuer has no keys.
    pub(crate) response_verifier: Option<ResponseVerifier>,
    /// Whether to accept responses without a signature.
    pub(crate) unsigned: bool,
    /// The limits of one call, from its start (including the time in the queue) to its end.
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
    config: IntrospectionClientConfig,
    limiter: Limiter,
    endpoint: EndpointCache,
    clock: Arc<dyn Clock>,
}

/// A call that holds a permit.
pub(super) struct Call<'c> {
    client: &'c IntrospectionClient,
    permit: Permit<'c>,
    deadline: Instant,
}

impl IntrospectionClient {
    pub(super) fn new(config: IntrospectionClientConfig, clock: Arc<dyn Clock>) -> Self {
        let limiter = Limiter::new(config.limiter.clone());
        Self { config, limiter, endpoint: EndpointCache::default(), clock }
    }

    /// The time limit of one call, including the time in the queue.
    pub(super) fn timeout(&self) -> Duration {
        self.config.limits.timeout
    }

    pub(super) fn issuer(&self) -> &str {
        &self.config.issuer
    }

    pub(super) fn max_calls_per_minute(&self) -> Option<u32> {
        self.limiter.per_minute()
    }

    pub(super) fn status(&self) -> (CircuitState, Option<Arc<IntrospectionError>>) {
        self.limiter.status()
    }

    /// Checks whether another call may start while `in_flight` calls are in flight. Consumes nothing.
    ///
    /// # Errors
    /// [`IntrospectionFault`], with the limit that is reached.
    pub(super) fn check_capacity(
        &self,
        priority: Priority,
        in_flight: usize,
    ) -> Result<(), IntrospectionFault> {
        self.limiter.check_capacity(priority, in_flight)
    }

    /// Looks up the endpoint, unless it is cached.
    pub(super) async fn find_endpoint(&self) -> Result<(), IntrospectionError> {
        self.endpoint(Priority::Trusted, self.config.limits).await.map(drop)
    }

    /// Waits for a permit, at most half of the time limit. The other half is left for the response.
    ///
    /// # Errors
    /// [`IntrospectionFault`], if no permit became free in time or the circuit breaker is open.
    pub(super) async fn acquire(&self, priority: Priority) -> Result<Call<'_>, IntrospectionFault> {
        let start = now();
        let half = self.timeout().checked_div(2).unwrap_or_default();
        let permit = self.limiter.acquire(priority, later(start, half)).await?;
        Ok(Call { client: self, permit, deadline: later(start, self.timeout()) })
    }

    /// The URL of the endpoint. A lookup counts against the rate limit, too.
    async fn endpoint(
        &self,
        priority: Priority,
        limits: FetchLimits,
    ) -> Result<FetchUrl, IntrospectionError> {
        let requests = self.config.endpoint.max_requests();
        let may_fetch = || self.limiter.take_requests(priority, requests);
        self.endpoint.locate(&self.config.endpoint, &*self.config.client, limits, may_fetch).await
    }
}

impl Call<'_> {
    /// Introspects `token` and returns the response: the text of a JSON object.
    ///
    /// # Errors
    /// [`IntrospectionFault::Misconfigured`] or [`IntrospectionFault::Unavailable`].
    pub(super) async fn introspect(self, token: &str) -> Result<String, IntrospectionFault> {
        let start = now();
        let response = timeout_at(self.deadline.into(), self.exchange(token)).await;
        let response = response.unwrap_or_else(|_| Err(self.failure(timed_out())));
        let IntrospectionClient { config, endpoint, .. } = self.client;
        let event = event::Introspection {
            issuer: &config.issuer,
            url: &endpoint.display_url(&config.endpoint),
            duration: now().saturating_duration_since(start),
        };
        match &response {
            Ok(_) => event.responded(),
            Err(failure) => event.failed(&*failure.error),
        }
        let Completion { blocked_for, transition } = self.permit.complete(response.as_ref().err());
        if let Some(circuit) = transition {
            event::circuit_changed(&config.issuer, circuit == CircuitState::Open);
        }
        response
            .map_err(|failure| IntrospectionFault::from_error(failure.error).with_retry_after(blocked_for))
    }

    /// Whether the call waited for its permit.
    pub(super) fn was_queued(&self) -> bool {
        self.permit.was_queued()
    }

    async fn exchange(&self, token: &str) -> Result<String, CallFailure> {
        let response = match self.request(token).await {
            // Introspection is idempotent, so a retry is safe (RFC 9110 section 9.2.2).
            Err(failure) if failure.error.kind() == CONNECTION_LOST => self.request(token).await,
            response => response,
        }?;
        self.read(response, token).await.map_err(|error| self.failure(error))
    }

    async fn request(&self, token: &str) -> Result<Response<Bytes>, CallFailure> {
        let IntrospectionClient { config, limiter, clock, .. } = self.client;
        let timeout = self.deadline.saturating_duration_since(now());
        let limits = FetchLimits { timeout, ..config.limits };
        let url = self.client.endpoint(self.permit.priority(), limits).await;
        let url = url.map_err(|error| CallFailure { in_lookup: true, ..self.failure(error) })?;
        let credentials = config.auth.credentials(&config.issuer, NumericDate::now(&**clock));
        let credentials = credentials.ok_or_else(|| {
            self.failure(IntrospectionError::new(IntrospectionErrorKind::CredentialsUnusable))
        })?;
        let accept = if config.unsigned { Accept::Json } else { Accept::Signed };
        limiter.take_requests(self.permit.priority(), 1).map_err(|error| self.failure(error))?;
        let request = request::build(&url, token, credentials, accept);
        let issuer = Arc::clone(&config.issuer);
        let request = FetchRequest::new(request, UrlKind::Introspection, issuer, limits.max_body_bytes);
        let response = send(&*config.client, request, limits.timeout).await;
        response.map_err(|error| self.failure(IntrospectionError::fetch(error)))
    }

    async fn read(&self, response: Response<Bytes>, token: &str) -> Result<String, IntrospectionError> {
        let IntrospectionClient { config, limiter, endpoint, clock } = self.client;
        if let Some(wait) = response::requested_pause(&response, clock.now()) {
            limiter.pause(wait, response.status());
        }
        if matches!(response.status(), StatusCode::NOT_FOUND | StatusCode::GONE) {
            endpoint.clear().await;
        }
        let json = match (response::parse(response, token)?, &config.response_verifier) {
            (ResponseBody::Signed(jwt), Some(response_verifier)) => {
                response_verifier.verify(&jwt, NumericDate::now(&**clock)).await?
            }
            (ResponseBody::Signed(_), None) => {
                return Err(IntrospectionError::with_source(
                    IntrospectionErrorKind::ResponseUntrusted,
                    "the issuer has no keys",
                ));
            }
            (ResponseBody::Json(json), _) if config.unsigned => json,
            (ResponseBody::Json(_), _) => {
                return Err(IntrospectionError::new(IntrospectionErrorKind::ResponseUntrusted));
            }
        };
        response::check_object(&json)?;
        Ok(json)
    }

    /// A timeout after waiting for a permit is not the server's fault. Otherwise a burst of forged tokens
    /// that fills the queue could open the circuit breaker.
    fn failure(&self, error: IntrospectionError) -> CallFailure {
        let error = if error.kind() == TIMED_OUT && self.was_queued() {
            IntrospectionError::with_source(IntrospectionErrorKind::NotSent, OVERLOADED)
        } else {
            error
        };
        CallFailure { error: Arc::new(error), in_lookup: false }
    }
}

/// The time limit of a call has passed.
pub(super) fn timed_out() -> IntrospectionError {
    IntrospectionError::new(TIMED_OUT)
}

const CONNECTION_LOST: IntrospectionErrorKind = IntrospectionErrorKind::Fetch(FetchErrorKind::ConnectionLost);
const TIMED_OUT: IntrospectionErrorKind = IntrospectionErrorKind::Fetch(FetchErrorKind::TimedOut);
const OVERLOADED: &str = "too many calls were queued, so no time was left for a response";
