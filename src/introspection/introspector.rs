//! The introspection of one issuer's tokens: a cache, and single-flight introspection requests behind it.
//!
//! Why: a cache hit takes no lock that is held during a request. A cache miss waits for an introspection
//! request, which is shared by all requests with the same token. It continues when these requests go away.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::Handle as Runtime;

use super::cache::{CachePolicy, Freshness, Hit, ResponseCache, ResponseStore};
use super::call::Call;
use super::calls_in_flight::Outcome;
use super::client::IntrospectionClientConfig;
use super::credentials_check::check_credentials;
use super::digest::TokenDigest;
use super::error::{IntrospectionError, IntrospectionErrorKind};
use super::fault::{DEFAULT_RETRY_AFTER, IntrospectionFault};
use super::limiter_state::LimiterStatus;
use super::priority::{CallToken, Priority};
use super::response::ResponsePolicy;
use super::single_flight::{NO_RUNTIME, Query, SingleFlight};
use super::status::IntrospectionStatus;
use crate::access_token::AccessToken;
use crate::event;
use crate::time::{Clock, later, now};

/// The configuration of an [`Introspector`].
pub(crate) struct IntrospectorConfig {
    pub(crate) client: IntrospectionClientConfig,
    pub(crate) response_policy: ResponsePolicy,
    pub(crate) cache: CachePolicy,
    /// Shared by all issuers.
    pub(crate) responses: Arc<ResponseStore>,
    /// Whether a JWT is accepted once before its first introspection completes.
    pub(crate) accept_pending_jwts: bool,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Introspects the tokens of one issuer. Clones share one cache.
#[derive(Clone)]
pub(crate) struct Introspector {
    shared: Arc<SingleFlight>,
}

/// The result of [`Introspector::introspect`].
pub(crate) enum IntrospectionLookup {
    /// The response was cached.
    Cached(Outcome),
    /// An introspection request is needed.
    Pending(PendingIntrospection),
}

/// Waits for an introspection request. Dropping it does not cancel the request.
pub(crate) struct PendingIntrospection(Pin<Box<dyn Future<Output = Outcome> + Send>>);

/// The guarantees of a configuration.
pub(crate) struct IntrospectionBounds {
    /// How long an inactive token may be accepted at most.
    pub(crate) inactive: Duration,
    /// The same during an outage.
    pub(crate) inactive_in_outage: Duration,
    /// The upper bound of HTTP requests within any 60 s, if there is one.
    pub(crate) max_calls_per_minute: Option<u32>,
    /// Whether a JWT is accepted once before its first introspection completes, revoked or not.
    pub(crate) accepts_pending_jwts: bool,
}

impl Introspector {
    /// Sends nothing, and needs no runtime.
    pub(crate) fn new(config: IntrospectorConfig) -> Self {
        let IntrospectorConfig { client, response_policy, cache, responses, accept_pending_jwts, clock } =
            config;
        let cache = ResponseCache::new(cache, responses);
        let shared = SingleFlight::new(client, response_policy, cache, accept_pending_jwts, clock);
        Self { shared: Arc::new(shared) }
    }

    /// The key of `token` in the cache.
    pub(crate) fn digest(&self, token: &str) -> TokenDigest {
        self.shared.context.digest(token)
    }

    /// Introspects `token`, which has this digest: from the cache, or else with an introspection request.
    ///
    /// `jwt` is the same token if it is a JWT that passed every local check. `waited` is the time that the
    /// request has spent on introspection before; it is subtracted from the time limit.
    pub(crate) fn introspect(
        &self,
        token: &Arc<str>,
        digest: TokenDigest,
        jwt: Option<AccessToken>,
        freshness: Freshness,
        waited: Duration,
    ) -> IntrospectionLookup {
        if let Some(Hit { outcome, is_refresh_due }) = self.shared.cached(&digest, freshness) {
            if is_refresh_due {
                self.refresh(token, digest, jwt, waited);
            }
            return IntrospectionLookup::Cached(outcome);
        }
        let may_serve_stale = freshness == Freshness::Cached;
        let freshness = match freshness {
            // Without a cache, the response to a call that started before this request is too old as well.
            Freshness::Cached if self.shared.cache.policy().active_ttl.is_zero() => {
                self.no_older_than(Duration::ZERO)
            }
            freshness => freshness,
        };
        let query = Query { token: Arc::clone(token), digest, jwt, freshness, may_serve_stale, waited };
        // Not for `still_active`, which needs a new response.
        if let Some(jwt) = may_serve_stale.then(|| self.shared.accept_pending(&query)).flatten() {
            return IntrospectionLookup::Cached(Ok(jwt));
        }
        let shared = Arc::clone(&self.shared);
        let pending = Box::pin(async move { shared.introspect(query).await });
        IntrospectionLookup::Pending(PendingIntrospection(pending))
    }

    /// Replaces the cached response, in the background.
    fn refresh(&self, token: &Arc<str>, digest: TokenDigest, jwt: Option<AccessToken>, waited: Duration) {
        let (token, freshness) = (Arc::clone(token), Freshness::Since(now()));
        self.shared.refresh(&Query { token, digest, jwt, freshness, may_serve_stale: false, waited });
    }

    /// Accepts responses no older than `age`. If `age` is zero, only calls that start from now on count.
    pub(crate) fn no_older_than(&self, age: Duration) -> Freshness {
        if age.is_zero() {
            return Freshness::After(self.shared.latest_call());
        }
        now().checked_sub(age).map_or(Freshness::After(0), Freshness::Since)
    }

    /// Introspects `token` for an explanation and returns the response unchecked. Bypasses the cache, but no
    /// limit. Any text may be explained, so the token counts as untrusted.
    ///
    /// # Errors
    /// [`IntrospectionFault`], if there is no response.
    pub(crate) async fn fetch_response(&self, token: &str) -> Result<String, IntrospectionFault> {
        if Runtime::try_current().is_err() {
            return Err(IntrospectionFault::not_sent(NO_RUNTIME, DEFAULT_RETRY_AFTER));
        }
        let digest = self.digest(token);
        let call = CallToken { key: digest.short(), priority: Priority::Untrusted };
        self.shared.client.check(call)?;
        let deadline = later(now(), self.shared.client.max_wait());
        Call::acquire(&self.shared.client, call, deadline).await?.introspect(token).await
    }

    /// The checks that a response has to pass.
    pub(crate) fn policy(&self) -> &ResponsePolicy {
        &self.shared.response_policy
    }

    /// Looks up the endpoint, unless it is known, and checks whether the authorization server accepts the
    /// credentials, unless it has done so before.
    ///
    /// # Errors
    /// [`IntrospectionError`], if the lookup fails, the credentials are rejected or there is no runtime.
    pub(crate) async fn ready(&self, introspects_jwts: bool) -> Result<(), Arc<IntrospectionError>> {
        if Runtime::try_current().is_err() {
            let error = IntrospectionError::with_source(IntrospectionErrorKind::NotSent, NO_RUNTIME);
            return Err(Arc::new(error));
        }
        let found = self.shared.client.find_endpoint().await;
        let is_missing =
            |error: &&IntrospectionError| error.kind() == IntrospectionErrorKind::EndpointUnusable;
        if let Some(error) = found.as_ref().err().filter(is_missing) {
            event::introspection_endpoint_missing(self.shared.client.issuer(), error);
        }
        found?;
        check_credentials(&self.shared.client, introspects_jwts).await
    }

    /// Whether the authorization server has responded to an introspection request so that tokens can be
    /// introspected: the credentials are accepted, or only the random token of [`ready`](Self::ready) was
    /// not.
    pub(crate) fn has_worked(&self) -> bool {
        let client = &self.shared.client;
        client.is_accepted.load(Ordering::Relaxed) || client.is_checked.load(Ordering::Relaxed)
    }

    /// The maximum time that [`ready`](Self::ready) takes.
    pub(crate) fn max_ready_time(&self) -> Duration {
        self.shared.client.timeout()
    }

    /// A snapshot of the state, for operators.
    pub(crate) fn status(&self) -> IntrospectionStatus {
        let (active_tokens, inactive_tokens) = self.shared.cache.len();
        let calls_in_flight = self.shared.calls_in_flight();
        let LimiterStatus { circuit, paused_for, queued_calls, last_error } = self.shared.client.status();
        let paused_until = paused_for.and_then(|rest| self.shared.clock.now().checked_add(rest));
        IntrospectionStatus {
            circuit,
            paused_until,
            calls_in_flight,
            queued_calls,
            active_tokens,
            inactive_tokens,
            last_error,
        }
    }

    /// The guarantees of the configuration.
    pub(crate) fn bounds(&self) -> IntrospectionBounds {
        let CachePolicy { active_ttl, stale_for, .. } = *self.shared.cache.policy();
        // A request may join a call that was sent just before the revocation, and wait for the whole time
        // limit of its response. The time in the queue comes before the call is sent.
        let timeout = self.shared.client.timeout();
        IntrospectionBounds {
            inactive: active_ttl.max(timeout),
            inactive_in_outage: active_ttl.saturating_add(stale_for).max(timeout),
            max_calls_per_minute: self.shared.client.max_calls_per_minute(),
            accepts_pending_jwts: self.shared.accepts_pending_jwts(),
        }
    }
}

impl Future for PendingIntrospection {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for PendingIntrospection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PendingIntrospection")
    }
}
