//! Sends one introspection request within one time limit (RFC 7662 section 2).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Response, StatusCode};
use tokio::time::timeout_at;

use super::client::IntrospectionClient;
use super::client_auth::{Candidates, Method, Target};
use super::error::{IntrospectionError, IntrospectionErrorKind};
use super::fault::IntrospectionFault;
use super::health::CallFailure;
use super::limiter_state::Completion;
use super::limits::Permit;
use super::pauses::PauseRequest;
use super::pool_health::hedge_after;
use super::priority::CallToken;
use super::request::{self, Accept};
use super::response::{self, ResponseBody};
use crate::event;
use crate::observe::{CircuitChange, IntrospectionCall, IntrospectionOutcome};
use crate::sync::CircuitState;
use crate::time::{NumericDate, later, now};
use crate::transport::{FetchErrorKind, FetchLimits, FetchRequest, UrlKind, send};

/// A call that holds a permit.
pub(super) struct Call<'c> {
    client: &'c IntrospectionClient,
    permit: Permit<'c>,
    deadline: Instant,
    /// Whether the endpoint was found. A timeout before that has nothing to do with the token.
    is_located: AtomicBool,
}

impl<'c> Call<'c> {
    /// Waits for a permit. The response to the call must be there at `deadline`.
    ///
    /// # Errors
    /// [`IntrospectionFault`], if no permit became free in time or the circuit breaker is open.
    pub(super) async fn acquire(
        client: &'c IntrospectionClient,
        token: CallToken,
        deadline: Instant,
    ) -> Result<Self, IntrospectionFault> {
        let permit = client.limiter.acquire(token, deadline).await?;
        // However long the call was queued: the server has the whole time for its response.
        let deadline = later(permit.started_at(), client.timeout());
        Ok(Self { client, permit, deadline, is_located: AtomicBool::new(false) })
    }
}

impl Call<'_> {
    /// Introspects `token` and returns the response: the text of a JSON object.
    ///
    /// # Errors
    /// [`IntrospectionFault::Misconfigured`] or [`IntrospectionFault::Unavailable`].
    pub(super) async fn introspect(self, token: &str) -> Result<String, IntrospectionFault> {
        let response = self.logged_exchange(token).await;
        let config = &self.client.config;
        let Completion { blocked_for, transition } = self.permit.complete(response.as_ref().err());
        if let Some(circuit) = transition {
            let is_open = circuit == CircuitState::Open;
            event::circuit_changed(&config.issuer, is_open);
            let (issuer, resolver_pattern) = (&*config.issuer, None);
            config.observers.circuit_changed(CircuitChange { issuer, resolver_pattern, is_open });
        }
        response
            .map_err(|failure| IntrospectionFault::from_error(failure.error).with_retry_after(blocked_for))
    }

    /// Introspects a token that nobody has issued. A failure has no effect on other calls: it counts neither
    /// for the circuit breaker nor for a token.
    ///
    /// # Errors
    /// The [`CallFailure`].
    pub(super) async fn introspect_unissued(self, token: &str) -> Result<(), CallFailure> {
        // Dropping the permit counts the call as abandoned.
        self.logged_exchange(token).await.map(drop)
    }

    async fn logged_exchange(&self, token: &str) -> Result<String, CallFailure> {
        let start = now();
        let response = timeout_at(self.deadline.into(), self.exchange(token)).await;
        let response = response.unwrap_or_else(|_| {
            let in_lookup = !self.is_located.load(Ordering::Relaxed);
            Err(CallFailure { in_lookup, ..failure(timed_out()) })
        });
        let IntrospectionClient { config, endpoint, is_accepted, .. } = self.client;
        let asked = response.as_ref().err().and_then(|failure| failure.error.metadata_url().cloned());
        let event = event::Introspection {
            issuer: &config.issuer,
            url: &asked.unwrap_or_else(|| endpoint.display_url(&config.endpoint)),
            duration: now().saturating_duration_since(start),
        };
        config.observers.introspected(IntrospectionCall {
            issuer: &config.issuer,
            resolver_pattern: None,
            outcome: match &response {
                Ok(_) => IntrospectionOutcome::Responded,
                Err(_) => IntrospectionOutcome::Failed,
            },
            duration: event.duration,
        });
        match &response {
            Ok(_) => {
                is_accepted.store(true, Ordering::Relaxed);
                event.responded();
            }
            Err(failure) => {
                if failure.is_client_rejected() {
                    is_accepted.store(false, Ordering::Relaxed);
                }
                event.failed(&*failure.error);
                self.client.connections.failed(failure);
            }
        }
        response
    }

    /// Sends the request. If the server rejects the credentials, sends it again with renewed ones, once.
    async fn exchange(&self, token: &str) -> Result<String, CallFailure> {
        let current = self.credentials().await?;
        let rejected = match self.exchange_with_either(&current, token).await {
            Err(failure) if failure.is_client_rejected() => failure,
            response => return response,
        };
        match self.renewed_credentials(&current).await {
            Some(renewed) => unless_not_sent(self.exchange_with_either(&renewed, token).await, rejected),
            None => Err(rejected),
        }
    }

    /// Sends the request with the credentials that were accepted last. If the server rejects them and there
    /// are others, sends it again with these, once.
    async fn exchange_with_either(&self, auth: &Candidates, token: &str) -> Result<String, CallFailure> {
        let current = &self.client.auth;
        let prefers_second = current.prefers_second();
        let (first, second) = auth.in_order(prefers_second);
        let (rejected, second) = match (self.exchange_with(first, token).await, second) {
            (Err(failure), Some(second)) if failure.is_client_rejected() => (failure, second),
            (response, _) => return response,
        };
        let response = self.exchange_with(second, token).await;
        // Concurrent calls find out the same. The first one reports it.
        if response.is_ok() && current.prefer_second(!prefers_second) {
            event::client_credentials_switched(&self.client.config.issuer);
        }
        unless_not_sent(response, rejected)
    }

    /// The current credentials. A slow provider says nothing about the server, so its timeout is an error of
    /// its own.
    async fn credentials(&self) -> Result<Candidates, CallFailure> {
        let credentials = self.client.credentials(self.permit.priority());
        match timeout_at(self.deadline.into(), credentials).await {
            Ok(credentials) => credentials.map_err(|error| CallFailure { error, in_lookup: false }),
            Err(_) => Err(failure(IntrospectionError::with_source(
                IntrospectionErrorKind::CredentialsUnavailable,
                "the provider did not return within the time limit of the introspection request",
            ))),
        }
    }

    /// Other credentials, because the server rejected `rejected`. `None` if there are none in time.
    async fn renewed_credentials(&self, rejected: &Candidates) -> Option<Candidates> {
        let renewed = self.client.renewed_credentials(rejected, self.permit.priority());
        timeout_at(self.deadline.into(), renewed).await.ok().flatten()
    }

    async fn exchange_with(&self, auth: &Method, token: &str) -> Result<String, CallFailure> {
        let IntrospectionClient { limiter, connections, .. } = self.client;
        let hedge_after = hedge_after(limiter.typical_response_time(), self.client.timeout());
        let is_probe = self.permit.is_probe();
        let request = |fresh| self.request(auth, token, fresh);
        let received = connections.send(is_probe, hedge_after, request).await;
        let response = match received {
            // Introspection is idempotent, so a retry is safe (RFC 9110 section 9.2.2).
            Err(failure) if failure.error.kind() == CONNECTION_LOST => request(true).await,
            response => response,
        }?;
        self.read(response, token).await.map_err(failure)
    }

    async fn request(&self, auth: &Method, token: &str, fresh: bool) -> Result<Response<Bytes>, CallFailure> {
        let IntrospectionClient { config, limiter, clock, .. } = self.client;
        let timeout = self.deadline.saturating_duration_since(now());
        let limits = FetchLimits { timeout, ..config.limits };
        let url = self.client.endpoint(self.permit.priority(), limits).await;
        let url = url.map_err(|error| CallFailure { in_lookup: true, ..failure(error) })?;
        self.is_located.store(true, Ordering::Relaxed);
        let target = Target { issuer: &config.issuer, endpoint: &url.uri().to_string() };
        let credentials = auth.credentials(target, NumericDate::now(&**clock));
        let credentials = credentials
            .ok_or_else(|| failure(IntrospectionError::new(IntrospectionErrorKind::CredentialsUnusable)))?;
        let accept = if config.unsigned { Accept::Json } else { Accept::Signed };
        limiter.take_requests(self.permit.priority(), 1).map_err(failure)?;
        let request = request::build(&url, token, credentials, accept);
        let issuer = Arc::clone(&config.issuer);
        let request = FetchRequest::within(limits, request, UrlKind::Introspection, issuer);
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

/// The response to a request that was sent again. If a limit prevented that request, the rejection says more.
fn unless_not_sent(
    response: Result<String, CallFailure>,
    rejected: CallFailure,
) -> Result<String, CallFailure> {
    if response.as_ref().is_err_and(CallFailure::is_not_sent) { Err(rejected) } else { response }
}

/// The time limit of a call has passed.
pub(super) fn timed_out() -> IntrospectionError {
    IntrospectionError::new(TIMED_OUT)
}

const CONNECTION_LOST: IntrospectionErrorKind = IntrospectionErrorKind::Fetch(FetchErrorKind::ConnectionLost);
const TIMED_OUT: IntrospectionErrorKind = IntrospectionErrorKind::Fetch(FetchErrorKind::TimedOut);
