//! The introspection of one issuer's tokens: remembered answers, one call per token however many wait, limits.
//!
//! A request whose token is remembered reads the cache and takes no lock that a call can hold. One whose
//! token is not waits for a call, which it shares with all who present the same token, and which goes on
//! when it goes away.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::Handle as Runtime;
use tokio::sync::watch;
use tokio::time::timeout_at;

use super::CachePolicy;
use super::cache::{Freshness, Origin, RequestContext, ResponseCache, TokenDigest};
use super::client::{IntrospectionClient, IntrospectionClientConfig};
use super::fault::{IntrospectionFault, RETRY_AFTER};
use super::limits::Priority;
use super::response::{self, ResponsePolicy};
use super::status::IntrospectionStatus;
use crate::access_token::AccessToken;
use crate::time::{Clock, NumericDate};
use crate::time::{later, now};
use crate::transport::{FetchError, FetchErrorKind};

/// How an introspector is set up.
pub(crate) struct IntrospectorConfig {
    pub(crate) inquirer: IntrospectionClientConfig,
    pub(crate) answers: ResponsePolicy,
    pub(crate) cache: CachePolicy,
    pub(crate) clock: Arc<dyn Clock>,
}

/// Judges tokens by asking their issuer. A clone is another handle on the same answers.
#[derive(Clone)]
pub(crate) struct Introspector {
    shared: Arc<Shared>,
}

/// A judgement: the token, or why it is refused.
type Verdict = Result<AccessToken, IntrospectionFault>;

/// What is known of a token.
pub(crate) enum IntrospectionLookup {
    /// This.
    Known(Verdict),
    /// Nothing yet.
    Await(PendingIntrospection),
}

/// What an introspector's configuration guarantees.
pub(crate) struct IntrospectionBounds {
    /// The longest that an inactive token is taken for active.
    pub(crate) inactive: Duration,
    /// The same while the server is out of reach.
    pub(crate) inactive_in_outage: Duration,
    /// The most HTTP requests in 60 s, where there is a limit.
    pub(crate) max_calls_per_minute: Option<u32>,
}

struct Shared {
    inquirer: IntrospectionClient,
    answers: ResponsePolicy,
    cache: ResponseCache,
    cache_policy: CachePolicy,
    context: RequestContext,
    clock: Arc<dyn Clock>,
    calls: Mutex<Calls>,
}

/// The calls under way.
#[derive(Default)]
struct Calls {
    /// How many have started; the number of the latest.
    started: u64,
    under_way: HashMap<TokenDigest, CallUnderWay>,
}

/// A call, as those see it who wait for it.
#[derive(Clone)]
struct CallUnderWay {
    number: u64,
    progress: watch::Receiver<Progress>,
}

/// How far a call got.
#[derive(Clone)]
enum Progress {
    /// It waits for its turn.
    Waiting,
    /// The issuer is asked; `late`, after waiting for a turn.
    Asking { late: bool },
    /// To its end.
    Over(Concluded),
}

/// How a call ended.
#[derive(Clone)]
struct Concluded {
    origin: Origin,
    verdict: Verdict,
}

/// What one request wants to know.
struct Question {
    token: Arc<str>,
    digest: TokenDigest,
    /// The token, where it is a JWT that passed every check by itself.
    jwt: Option<AccessToken>,
    freshness: Freshness,
    /// Whether an answer of before will do, should there be none now.
    stale_will_do: bool,
    /// How much of its time the request has used up before.
    waited: Duration,
}

impl Introspector {
    /// Nothing is sent now, and no runtime is needed.
    pub(crate) fn new(config: IntrospectorConfig) -> Self {
        let IntrospectorConfig { inquirer, answers, cache, clock } = config;
        let context = RequestContext::new(&inquirer.identity());
        let shared = Shared {
            inquirer: IntrospectionClient::new(inquirer, Arc::clone(&clock)),
            answers,
            cache: ResponseCache::new(cache.clone()),
            cache_policy: cache,
            context,
            clock,
            calls: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// What answers about `token` are remembered under.
    pub(crate) fn digest(&self, token: &str) -> TokenDigest {
        self.shared.context.digest(token)
    }

    /// Judges the `token` of this digest, by what is remembered or else by asking; `jwt` is the same token where it
    /// is a JWT, and `waited` how much of its time the request has used up before.
    pub(crate) fn judge(
        &self,
        token: &Arc<str>,
        digest: TokenDigest,
        jwt: Option<AccessToken>,
        freshness: Freshness,
        waited: Duration,
    ) -> IntrospectionLookup {
        if let Some(verdict) = self.shared.recall(&digest, freshness) {
            return IntrospectionLookup::Known(verdict);
        }
        let stale_will_do = freshness == Freshness::Cached;
        let freshness = match freshness {
            // Where nothing is remembered, a call from before this request came is no answer to it either.
            Freshness::Cached if self.shared.cache_policy.active_ttl.is_zero() => {
                self.no_older_than(Duration::ZERO)
            }
            freshness => freshness,
        };
        IntrospectionLookup::Await(self.ask(Question {
            token: Arc::clone(token),
            digest,
            jwt,
            freshness,
            stale_will_do,
            waited,
        }))
    }

    /// Answers no older than `age`; for zero, those that are asked for from now on and not before.
    pub(crate) fn no_older_than(&self, age: Duration) -> Freshness {
        if age.is_zero() {
            return Freshness::After(self.shared.lock().started);
        }
        now().checked_sub(age).map_or(Freshness::After(0), Freshness::Since)
    }

    /// The answer about `token` as it came, for an explanation: asked for anew, and not remembered.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) async fn answer(&self, token: &str) -> Result<String, IntrospectionFault> {
        if Runtime::try_current().is_err() {
            return Err(IntrospectionFault::withheld(NO_RUNTIME, RETRY_AFTER));
        }
        self.shared.inquirer.turn(Priority::Known).await?.ask(token).await
    }

    /// What answers are judged by.
    pub(crate) fn policy(&self) -> &ResponsePolicy {
        &self.shared.answers
    }

    /// Makes sure that the endpoint is known.
    ///
    /// # Errors
    /// Why it is not.
    pub(crate) async fn ready(&self) -> Result<(), Arc<FetchError>> {
        if Runtime::try_current().is_err() {
            return Err(Arc::new(FetchError::because(FetchErrorKind::Withheld, NO_RUNTIME)));
        }
        self.shared.inquirer.locate().await.map_err(Arc::new)
    }

    /// How it is, for an operator.
    pub(crate) fn status(&self) -> IntrospectionStatus {
        let (active_tokens, inactive_tokens) = self.shared.cache.len();
        let calls_in_flight = self.shared.lock().under_way.len();
        let (circuit, last_error) = self.shared.inquirer.status();
        IntrospectionStatus { circuit, calls_in_flight, active_tokens, inactive_tokens, last_error }
    }

    /// What the configuration guarantees.
    pub(crate) fn bounds(&self) -> IntrospectionBounds {
        let CachePolicy { active_ttl, stale_for, .. } = self.shared.cache_policy;
        // Who waits for a call that was made before the token was revoked waits no longer than that.
        let timeout = self.shared.inquirer.timeout();
        IntrospectionBounds {
            inactive: active_ttl.max(timeout),
            inactive_in_outage: active_ttl.saturating_add(stale_for).max(timeout),
            max_calls_per_minute: self.shared.inquirer.max_calls_per_minute(),
        }
    }

    fn ask(&self, question: Question) -> PendingIntrospection {
        let shared = Arc::clone(&self.shared);
        PendingIntrospection(Box::pin(async move { shared.answer(question).await }))
    }
}

impl Shared {
    fn recall(&self, digest: &TokenDigest, freshness: Freshness) -> Option<Verdict> {
        self.cache.recall(digest, freshness, now(), NumericDate::now(&*self.clock))
    }

    /// Waits for a call about the token, no longer than one may take.
    async fn answer(self: Arc<Self>, question: Question) -> Verdict {
        let verdict = match Runtime::try_current() {
            Ok(runtime) => self.ask_until_fresh(&question, &runtime).await,
            // Not even a timer would run.
            Err(_) => Err(IntrospectionFault::withheld(NO_RUNTIME, RETRY_AFTER)),
        };
        match verdict {
            // Only if it is the server that fails: our own limits can be reached by whoever wants a token of his
            // to be taken for active.
            Err(IntrospectionFault::Unavailable { outage: true, .. }) if question.stale_will_do => {
                let date = NumericDate::now(&*self.clock);
                self.cache.recall_stale(&question.digest, now(), date).map_or(verdict, Ok)
            }
            verdict => verdict,
        }
    }

    /// A call that was under way before may be too old an answer; then there is one more.
    async fn ask_until_fresh(self: &Arc<Self>, question: &Question, runtime: &Runtime) -> Verdict {
        let until = later(now(), self.inquirer.timeout().saturating_sub(question.waited));
        let mut rounds: u32 = 0;
        loop {
            rounds = rounds.saturating_add(1);
            let mut call = match self.join_or_start(question, runtime) {
                Joined::Known(verdict) => return verdict,
                Joined::Call(call) => call,
            };
            let is_over = |progress: &Progress| matches!(progress, Progress::Over(_));
            let waited = timeout_at(until.into(), call.progress.wait_for(is_over)).await;
            // What is there when the time is over is the answer as well.
            let waited = waited.map(|ended| ended.map(|progress| progress.clone()));
            let progress = match waited {
                Ok(Ok(progress)) => progress,
                Ok(Err(_)) => return Err(IntrospectionFault::withheld("the call was given up", RETRY_AFTER)),
                Err(_) => call.progress.borrow().clone(),
            };
            match progress {
                Progress::Over(concluded) if question.freshness.accepts(concluded.origin) => {
                    return concluded.verdict;
                }
                Progress::Over(_) => {}
                // It had all the time that a call may take.
                Progress::Asking { late: false } if rounds == 1 && question.waited.is_zero() => {
                    return Err(IntrospectionFault::of(timed_out()));
                }
                Progress::Asking { .. } | Progress::Waiting => {
                    return Err(IntrospectionFault::withheld("too many calls wait", RETRY_AFTER));
                }
            }
        }
    }

    fn join_or_start(self: &Arc<Self>, question: &Question, runtime: &Runtime) -> Joined {
        let mut calls = self.lock();
        if let Some(call) = calls.under_way.get(&question.digest) {
            return Joined::Call(call.clone());
        }
        // A call may have ended since the cache was looked at.
        if let Some(verdict) = self.recall(&question.digest, question.freshness) {
            return Joined::Known(verdict);
        }
        let priority = self.priority(question);
        if let Err(fault) = self.inquirer.may_ask(priority, calls.under_way.len()) {
            return Joined::Known(Err(fault));
        }
        calls.started = calls.started.saturating_add(1);
        let origin = Origin { call: calls.started, asked_at: now() };
        let (sender, progress) = watch::channel(Progress::Waiting);
        let call = CallUnderWay { number: calls.started, progress };
        calls.under_way.insert(question.digest, call.clone());
        // Spawning on a runtime that shuts down drops the call at once, and that takes the lock.
        drop(calls);
        let under_way = UnderWay { shared: Arc::clone(self), digest: question.digest, origin, sender };
        runtime.spawn(under_way.run(Arc::clone(&question.token), question.jwt.clone(), priority));
        Joined::Call(call)
    }

    fn priority(&self, question: &Question) -> Priority {
        let known = question.jwt.is_some() || self.cache.is_known(&question.digest);
        if known { Priority::Known } else { Priority::Untrusted }
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Joined {
    Known(Verdict),
    Call(CallUnderWay),
}

/// One call. However it ends, nobody goes on waiting for it.
struct UnderWay {
    shared: Arc<Shared>,
    digest: TokenDigest,
    origin: Origin,
    sender: watch::Sender<Progress>,
}

impl UnderWay {
    async fn run(self, token: Arc<str>, jwt: Option<AccessToken>, priority: Priority) {
        let verdict = self.ask(&token, priority).await.and_then(|json| {
            let date = NumericDate::now(&*self.shared.clock);
            response::judge(json, &token, jwt.as_ref(), &self.shared.answers, date)
        });
        // In this order: whoever does not find the call under way any more finds what it brought.
        self.shared.cache.remember(self.digest, self.origin, &verdict);
        self.leave();
        self.sender.send_replace(Progress::Over(Concluded { origin: self.origin, verdict }));
    }

    async fn ask(&self, token: &str, priority: Priority) -> Result<String, IntrospectionFault> {
        let inquiry = self.shared.inquirer.turn(priority).await?;
        self.sender.send_replace(Progress::Asking { late: inquiry.waited() });
        inquiry.ask(token).await
    }

    /// It is over; the next one about the same token may be under way by now.
    fn leave(&self) {
        let mut calls = self.shared.lock();
        if calls.under_way.get(&self.digest).is_some_and(|call| call.number == self.origin.call) {
            calls.under_way.remove(&self.digest);
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.leave();
    }
}

/// Waits for a judgement. Dropping it cancels nothing but the waiting.
pub(crate) struct PendingIntrospection(Pin<Box<dyn Future<Output = Verdict> + Send>>);

impl Future for PendingIntrospection {
    type Output = Verdict;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Verdict> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for PendingIntrospection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VerdictAwaited")
    }
}

const NO_RUNTIME: &str = "there is no tokio runtime here";

fn timed_out() -> Arc<FetchError> {
    Arc::new(FetchErrorKind::TimedOut.into())
}
