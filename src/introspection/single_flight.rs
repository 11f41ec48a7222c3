//! Single-flight introspection: at most one call per token is in flight, and its result is shared.
//!
//! Why: each call runs in a task of its own. So it completes and fills the cache even if the request that
//! started it is dropped.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::Handle as Runtime;
use tokio::sync::watch;
use tokio::time::timeout_at;
use tracing::Instrument;

use super::cache::{Freshness, Hit, Origin, ResponseCache};
use super::call::{Call, timed_out};
use super::calls_in_flight::{CallsInFlight, Completed, InFlight, Outcome, Progress, Started};
use super::client::{IntrospectionClient, IntrospectionClientConfig};
use super::digest::{RequestContext, TokenDigest};
use super::error::IntrospectionErrorKind;
use super::fault::{DEFAULT_RETRY_AFTER, IntrospectionFault};
use super::first_use::FirstUses;
use super::outage::OutageDetector;
use super::priority::{CallToken, Priority};
use super::response::{self, ResponsePolicy};
use crate::access_token::AccessToken;
use crate::time::{Clock, NumericDate, later, now};

/// The shared state of an introspector.
pub(super) struct SingleFlight {
    pub(super) client: IntrospectionClient,
    pub(super) response_policy: ResponsePolicy,
    pub(super) cache: ResponseCache,
    pub(super) context: RequestContext,
    pub(super) clock: Arc<dyn Clock>,
    outage: OutageDetector,
    calls: Mutex<CallsInFlight>,
    /// The JWTs that were accepted before their first introspection completed; `None` if none may be.
    first_uses: Option<Mutex<FirstUses>>,
}

/// A token to introspect for one request.
pub(super) struct Query {
    pub(super) token: Arc<str>,
    pub(super) digest: TokenDigest,
    /// The same token, if it is a JWT that passed every local check.
    pub(super) jwt: Option<AccessToken>,
    pub(super) freshness: Freshness,
    /// Whether a stale response may be used during an outage.
    pub(super) may_serve_stale: bool,
    /// The time that the request has spent on introspection before.
    pub(super) waited: Duration,
}

/// The result of joining or starting a call.
enum Joined {
    /// No call is needed, or none is possible.
    Outcome(Outcome),
    Call(InFlight),
}

impl SingleFlight {
    pub(super) fn new(
        client: IntrospectionClientConfig,
        response_policy: ResponsePolicy,
        cache: ResponseCache,
        accept_pending_jwts: bool,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            context: RequestContext::unique(&client.identity()),
            // A quarter of the time limit: requests that can be served a stale response wait no longer.
            outage: OutageDetector::new(client.limits.timeout.checked_div(4).unwrap_or_default()),
            client: IntrospectionClient::new(client, Arc::clone(&clock)),
            response_policy,
            cache,
            clock,
            calls: Mutex::default(),
            first_uses: accept_pending_jwts.then(Mutex::default),
        }
    }

    pub(super) fn cached(&self, digest: &TokenDigest, freshness: Freshness) -> Option<Hit> {
        self.cache.get(digest, freshness, now(), NumericDate::now(&*self.clock))
    }

    /// Joins the call in flight for this token, or starts one. Waits for its result, up to the time limit of
    /// a call.
    pub(super) async fn introspect(self: Arc<Self>, query: Query) -> Outcome {
        let outcome = match Runtime::try_current() {
            Ok(runtime) => self.unless_stale(&query, pin!(self.call_until_fresh(&query, &runtime))).await,
            // Without a runtime, not even a timer runs.
            Err(_) => Err(IntrospectionFault::not_sent(NO_RUNTIME, DEFAULT_RETRY_AFTER)),
        };
        match outcome {
            // Serve stale only during an outage. If a reached limit were enough, the holder of a revoked
            // token could exhaust our limits to keep it accepted.
            Err(IntrospectionFault::Unavailable { outage, .. }) if outage || self.outage.is_outage() => {
                self.stale(&query).map_or(outcome, Ok)
            }
            outcome => outcome,
        }
    }

    /// Starts a call for a token whose cached response will soon be too old. Does nothing if one is in
    /// flight, if a limit is reached, or without a runtime. Then a request starts the call once the response
    /// is too old.
    pub(super) fn refresh(self: &Arc<Self>, query: &Query) {
        if let Ok(runtime) = Runtime::try_current() {
            let deadline = later(now(), self.client.max_wait());
            drop(self.join_or_start(query, deadline, &runtime));
        }
    }

    /// The outcome of `call`, or a stale response as soon as there is an outage. The call itself continues.
    async fn unless_stale(
        &self,
        query: &Query,
        mut call: Pin<&mut impl Future<Output = Outcome>>,
    ) -> Outcome {
        if self.stale(query).is_none() {
            return call.await;
        }
        tokio::select! {
            // First the call, so that it starts.
            biased;
            outcome = &mut call => outcome,
            () = self.outage.outage() => match self.stale(query) {
                Some(token) => Ok(token),
                None => call.await,
            },
        }
    }

    /// The token, if its response is stale but usable for this query.
    fn stale(&self, query: &Query) -> Option<AccessToken> {
        let date = || NumericDate::now(&*self.clock);
        query.may_serve_stale.then(|| self.cache.get_stale(&query.digest, now(), date())).flatten()
    }

    /// Returns a JWT that is accepted although its first introspection is pending, and starts that
    /// introspection in the background. `None` if the JWT was accepted this way before, or if the setting is
    /// off. It is accepted even if a limit or an outage prevents the introspection.
    pub(super) fn accept_pending(self: &Arc<Self>, query: &Query) -> Option<AccessToken> {
        let (first_uses, jwt) = (self.first_uses.as_ref()?, query.jwt.as_ref()?);
        let runtime = Runtime::try_current().ok()?;
        let mut first_uses = first_uses.lock().unwrap_or_else(PoisonError::into_inner);
        // Without the signature: an ECDSA signature (r, s) is valid as (r, n - s), too.
        let signed = query.token.rsplit_once('.').map_or(&*query.token, |(signed, _)| signed);
        let key = self.context.digest(signed).short();
        if !first_uses.take(key, jwt.expiry(), NumericDate::now(&*self.clock)) {
            return None;
        }
        drop(first_uses);
        self.join_or_start(query, later(now(), self.client.max_wait()), &runtime);
        Some(jwt.clone())
    }

    /// Whether a JWT may be accepted before its first introspection completes.
    pub(super) fn accepts_pending_jwts(&self) -> bool {
        self.first_uses.is_some()
    }

    /// The number of the latest call that has started.
    pub(super) fn latest_call(&self) -> u64 {
        self.lock().latest()
    }

    pub(super) fn calls_in_flight(&self) -> usize {
        self.lock().len()
    }

    /// The response to a call that was already in flight may be too old. Then another call follows.
    async fn call_until_fresh(self: &Arc<Self>, query: &Query, runtime: &Runtime) -> Outcome {
        let deadline = later(now(), self.client.max_wait().saturating_sub(query.waited));
        let mut rounds: u32 = 0;
        loop {
            rounds = rounds.saturating_add(1);
            let mut call = match self.join_or_start(query, deadline, runtime) {
                Joined::Outcome(outcome) => return outcome,
                Joined::Call(call) => call,
            };
            let is_done = |progress: &Progress| matches!(progress, Progress::Done(_));
            let waited = timeout_at(deadline.into(), call.progress.wait_for(is_done)).await;
            let waited = waited.map(|done| done.map(|progress| progress.clone()));
            let progress = match waited {
                Ok(Ok(progress)) => progress,
                Ok(Err(_)) => {
                    return Err(IntrospectionFault::not_sent("the call was dropped", DEFAULT_RETRY_AFTER));
                }
                // The call may have completed at the deadline.
                Err(_) => call.progress.borrow().clone(),
            };
            match progress {
                // The request that started the call had less time left than this one has.
                Progress::Done(completed)
                    if rounds < MAX_ROUNDS && call.deadline < deadline && completed.is_not_sent() => {}
                Progress::Done(completed) if query.freshness.accepts(completed.origin) => {
                    return completed.outcome;
                }
                Progress::Done(_) => {}
                // The server had the whole time limit.
                Progress::Running if rounds == 1 && query.waited.is_zero() => {
                    return Err(IntrospectionFault::from_error(Arc::new(timed_out())));
                }
                Progress::Running | Progress::Queued => {
                    return Err(IntrospectionFault::not_sent(
                        "too many calls are queued",
                        DEFAULT_RETRY_AFTER,
                    ));
                }
            }
        }
    }

    fn join_or_start(self: &Arc<Self>, query: &Query, deadline: Instant, runtime: &Runtime) -> Joined {
        let mut calls = self.lock();
        if let Some(call) = calls.get(&query.digest) {
            return Joined::Call(call.clone());
        }
        // A call may have completed since the cache was read.
        let date = NumericDate::now(&*self.clock);
        if let Some(outcome) = self.cache.peek(&query.digest, query.freshness, now(), date) {
            return Joined::Outcome(outcome);
        }
        let token = CallToken { key: query.digest.short(), priority: self.priority(query) };
        if let Err(fault) = self.client.check(token) {
            return Joined::Outcome(Err(fault));
        }
        let Started { call, origin, sender } = calls.start(query.digest, deadline);
        // A runtime that is shutting down drops the task in `spawn`, and the task's `Drop` takes the lock.
        drop(calls);
        let task = CallTask { shared: Arc::clone(self), digest: query.digest, origin, sender };
        let run = task.run(Arc::clone(&query.token), query.jwt.clone(), token, deadline);
        // So that the span of the call is a child of the decision.
        runtime.spawn(run.in_current_span());
        Joined::Call(call)
    }

    fn priority(&self, query: &Query) -> Priority {
        let is_trusted = query.jwt.is_some() || self.cache.was_active(&query.digest);
        if is_trusted { Priority::Trusted } else { Priority::Untrusted }
    }

    fn lock(&self) -> MutexGuard<'_, CallsInFlight> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task of one call. Dropping it wakes all waiters.
struct CallTask {
    shared: Arc<SingleFlight>,
    digest: TokenDigest,
    origin: Origin,
    sender: watch::Sender<Progress>,
}

impl CallTask {
    async fn run(self, token: Arc<str>, jwt: Option<AccessToken>, call_token: CallToken, deadline: Instant) {
        let response = self.call(&token, call_token, deadline).await;
        if let (Some(_), Err(IntrospectionFault::Misconfigured(cause))) = (&jwt, &response)
            && cause.kind() == IntrospectionErrorKind::TokenTypeUnsupported
        {
            self.shared.client.report_jwts_unsupported(cause);
        }
        let response =
            if jwt.is_some() { response } else { response.map_err(IntrospectionFault::about_opaque_token) };
        let outcome = response.and_then(|json| {
            let date = NumericDate::now(&*self.shared.clock);
            response::check(json, &token, jwt.as_ref(), &self.shared.response_policy, date)
        });
        // In this order: a request that finds no call in flight finds its result in the cache.
        self.shared.cache.insert(self.digest, self.origin, &outcome, fastrand::f64());
        self.remove_from_in_flight();
        self.sender.send_replace(Progress::Done(Completed { origin: self.origin, outcome }));
    }

    async fn call(
        &self,
        token: &str,
        call_token: CallToken,
        deadline: Instant,
    ) -> Result<String, IntrospectionFault> {
        let call = Call::acquire(&self.shared.client, call_token, deadline).await?;
        self.sender.send_replace(Progress::Running);
        self.shared.outage.observe(call_token.priority, call.introspect(token)).await
    }

    fn remove_from_in_flight(&self) {
        self.shared.lock().remove(&self.digest, self.origin);
    }
}

impl Drop for CallTask {
    fn drop(&mut self) {
        self.remove_from_in_flight();
    }
}

/// How many calls that were not sent a request joins, at most, before it reports that.
const MAX_ROUNDS: u32 = 3;

pub(super) const NO_RUNTIME: &str = "no tokio runtime is running";
