//! Sends introspection requests, each within one time limit (RFC 7662 section 2).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Response, StatusCode};
use tokio::time::timeout_at;

use super::client_auth::ClientAuth;
use super::connections::Connections;
use super::endpoint::{EndpointCache, EndpointSource};
use super::error::{IntrospectionError, IntrospectionErrorKind};
use super::fault::IntrospectionFault;
use super::health::CallFailure;
use super::limiter_state::{Completion, LimiterStatus};
use super::limits::{Limiter, LimiterPolicy, Permit};
use super::pauses::PauseRequest;
use super::pool_health::hedge_after;
use super::priority::{CallToken, Priority};
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
    config: IntrospectionClientConfig,
    limiter: Limiter,
    endpoint: EndpointCache,
    connections: Connections,
    clock: Arc<dyn Clock>,
}

/// A call that holds a permit.
pub(super) struct Call<'c> {
    client: &'c IntrospectionClient,
    permit: Permit<'c>,
    deadline: Instant,
    /// Whether the endpoint was found. A timeout before that has nothing to do with the token.
    is_located: AtomicBool,
}

impl IntrospectionClient {
    pub(super) fn new(config: IntrospectionClientConfig, clock: Arc<dyn Clock>) -> Self {
        let limiter = Limiter::new(config.limiter.clone(), config.limits.timeout);
        let (endpoint, connections) = (EndpointCache::default(), Connections::default());
        Self { config, limiter, endpoint, connections, clock }
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

    /// Looks up the endpoint, unless it is cached.
    pub(super) async fn find_endpoint(&self) -> Result<(), IntrospectionError> {
        self.endpoint(Priority::Trusted, self.config.limits).await.map(drop)
    }

    /// Waits for a permit. The response to the call must be there at `deadline`.
    ///
    /// # Errors
    /// [`IntrospectionFault`], if no permit became free in time or the circuit breaker is open.
    pub(super) async fn acquire(
        &self,
        token: CallToken,
        deadline: Instant,
    ) -> Result<Call<'_>, IntrospectionFault> {
        let permit = self.limiter.acquire(token, deadline).await?;
        // However long the call was queued: the server has the whole time for its response.
        let deadline = later(permit.started_at(), self.timeout());
        Ok(Call { client: self, permit, deadline, is_located: AtomicBool::new(false) })
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
        let response = response.unwrap_or_else(|_| {
            let in_lookup = !self.is_located.load(Ordering::Relaxed);
            Err(CallFailure { in_lookup, ..failure(timed_out()) })
        });
        let IntrospectionClient { config, endpoint, .. } = self.client;
        let event = event::Introspection {
            issuer: &config.issuer,
            url: &endpoint.display_url(&config.endpoint),
            duration: now().saturating_duration_since(start),
        };
        match &response {
            Ok(_) => event.responded(),
            Err(failure) => {
                event.failed(&*failure.error);
                self.client.connections.failed(failure);
            }
        }
        let Completion { blocked_for, transition } = self.permit.complete(response.as_ref().err());
        if let Some(circuit) = transition {
            event::circuit_changed(&config.issuer, circuit == CircuitState::Open);
        }
        response
            .map_err(|failure| IntrospectionFault::from_error(failure.error).with_retry_after(blocked_for))
    }

    async fn exchange(&self, token: &str) -> Result<String, CallFailure> {
        let IntrospectionClient { limiter, connections, .. } = self.client;
        let hedge_after = hedge_after(limiter.typical_response_time(), self.client.timeout());
        let is_probe = self.permit.is_probe();
        let received = connections.send(is_probe, hedge_after, |fresh| self.request(token, fresh)).await;
        let response = match received {
            // Introspection is idempotent, so a retry is safe (RFC 9110 section 9.2.2).
            Err(failure) if failure.error.kind() == CONNECTION_LOST => self.request(token, true).await,
            response => response,
        }?;
        self.read(response, token).await.map_err(failure)
    }

    async fn request(&self, token: &str, fresh: bool) -> Result<Response<Bytes>, CallFailure> {
        let IntrospectionClient { config, limiter, clock, .. } = self.client;
        let timeout = self.deadline.saturating_duration_since(now());
        let limits = FetchLimits { timeout, ..config.limits };
        let url = self.client.endpoint(self.permit.priority(), limits).await;
        let url = url.map_err(|error| CallFailure { in_lookup: true, ..failure(error) })?;
        self.is_located.store(true, Ordering::Relaxed);
        let credentials = config.auth.credentials(&config.issuer, NumericDate::now(&**clock));
        let credentials = credentials
            .ok_or_else(|| failure(IntrospectionError::new(IntrospectionErrorKind::CredentialsUnusable)))?;
        let accept = if config.unsigned { Accept::Json } else { Accept::Signed };
        limiter.take_requests(self.permit.priority(), 1).map_err(failure)?;
        let request = request::build(&url, token, credentials, accept);
        let issuer = Arc::clone(&config.issuer);
        let request = FetchRequest::new(request, UrlKind::Introspection, issuer, limits.max_body_bytes);
        let request = if fresh { request.on_fresh_connection() } else { request };
        let response = send(&*config.client, request, limits.timeout).await;
        response.map_err(|error| failure(IntrospectionError::fetch(error)))
    }

    fn pause(&self, wait: Duration, status: StatusCode) {
        let kind = IntrospectionErrorKind::Fetch(FetchErrorKind::Status(status.as_u16()));
        let begun = self.client.limiter.pause(PauseRequest {
            wait,
            is_rate_limit: status == StatusCode::TOO_MANY_REQUESTS,
            token: self.permit.token(),
            sent_at: self.permit.started_at(),
            cause: Arc::new(IntrospectionError::new(kind)),
        });
        if let Some(pause) = begun {
            let (issuer, status) = (&self.client.config.issuer, status.as_u16());
            event::introspection_paused(issuer, status, pause.length, pause.untrusted_only);
        }
    }

    async fn read(&self, response: Response<Bytes>, token: &str) -> Result<String, IntrospectionError> {
        let IntrospectionClient { config, endpoint, clock, .. } = self.client;
        if let Some(wait) = response::requested_pause(&response, clock.now()) {
            self.pause(wait, response.status());
        }
        if matches!(response.status(), StatusCode::NOT_FOUND | StatusCode::GONE) {
            endpoint.expire().await;
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
}

fn failure(error: IntrospectionError) -> CallFailure {
    CallFailure { error: Arc::new(error), in_lookup: false }
}

/// The time limit of a call has passed.
pub(super) fn timed_out() -> IntrospectionError {
    IntrospectionError::new(TIMED_OUT)
}

const CONNECTION_LOST: IntrospectionErrorKind = IntrospectionErrorKind::Fetch(FetchErrorKind::ConnectionLost);
const TIMED_OUT: IntrospectionErrorKind = IntrospectionErrorKind::Fetch(FetchErrorKind::TimedOut);
