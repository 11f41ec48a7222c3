//! Asks the introspection endpoint, within limits: so many calls at once and in a minute, each in bounded time,
//! none while the server is out of order (RFC 7662 section 2).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Response, StatusCode};
use tokio::sync::Semaphore;
use tokio::time::timeout_at;

use super::breaker::{Breaker, Circuit, Purpose};
use super::client_auth::ClientAuth;
use super::endpoint::{EndpointSource, Located};
use super::fault::IntrospectionFault;
use super::request::{self, Accept};
use super::response::{self, Reply};
use super::signed::Signer;
use crate::budget::Budget;
use crate::clock::{Clock, NumericDate};
use crate::event;
use crate::identifier::FetchUrl;
use crate::metadata;
use crate::monotonic::{later, now};
use crate::transport::{FetchError, FetchErrorKind, FetchLimits, HttpClient, send};

/// Whom to ask, how, and how much.
pub(crate) struct InquirerConfig {
    /// The identifier of the issuer, to the letter.
    pub(crate) issuer: Arc<str>,
    pub(crate) endpoint: EndpointSource,
    pub(crate) auth: ClientAuth,
    pub(crate) client: Arc<dyn HttpClient>,
    /// Who signs answers; `None` where the issuer has no keys.
    pub(crate) signer: Option<Signer>,
    /// Whether an answer that is not signed will do.
    pub(crate) unsigned: bool,
    /// What one call may cost, from its start (waiting for its turn included) to its end.
    pub(crate) limits: FetchLimits,
    pub(crate) calls_at_once_max: usize,
    pub(crate) calls_waiting_max: usize,
    pub(crate) calls_per_minute: Option<u32>,
}

impl InquirerConfig {
    /// What shapes its answers.
    pub(super) fn identity(&self) -> [String; 4] {
        let client_id = self.auth.client_id().unwrap_or_default();
        let endpoint = self.endpoint.url().uri();
        [self.issuer.to_string(), endpoint.to_string(), self.auth.method().to_owned(), client_id.to_owned()]
    }
}

/// Asks.
pub(super) struct Inquirer {
    config: InquirerConfig,
    located: Located,
    turns: Semaphore,
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

struct State {
    breaker: Breaker,
    budget: Option<Budget>,
    /// Why the last call failed; `None` if it did not.
    last_error: Option<Arc<FetchError>>,
}

impl Inquirer {
    pub(super) fn new(config: InquirerConfig, clock: Arc<dyn Clock>) -> Self {
        let budget = config.calls_per_minute.map(|calls| Budget::per_minute(calls, now()));
        Self {
            located: Located::default(),
            turns: Semaphore::new(config.calls_at_once_max.min(Semaphore::MAX_PERMITS)),
            state: Mutex::new(State { breaker: Breaker::default(), budget, last_error: None }),
            config,
            clock,
        }
    }

    /// The longest that one call takes.
    pub(super) fn timeout(&self) -> Duration {
        self.config.limits.timeout
    }

    pub(super) fn calls_per_minute(&self) -> Option<u32> {
        self.config.calls_per_minute
    }

    pub(super) fn status(&self) -> (Circuit, Option<Arc<FetchError>>) {
        let state = self.lock();
        (state.breaker.circuit(now()), state.last_error.clone())
    }

    /// Whether one more call may start while so many are `under_way`.
    ///
    /// # Errors
    /// Why not. It costs nothing to be told so.
    pub(super) fn may_ask(&self, under_way: usize) -> Result<(), IntrospectionFault> {
        let most = self.config.calls_at_once_max.saturating_add(self.config.calls_waiting_max);
        if under_way >= most {
            return Err(IntrospectionFault::withheld("too many calls wait", RETRY_AFTER));
        }
        let mut state = self.lock();
        let now = now();
        match state.breaker.would_admit(now) {
            Ok(()) => state.may_draw(now),
            Err(retry_after) => Err(state.withheld(retry_after)),
        }
    }

    /// Makes sure that the endpoint is known.
    pub(super) async fn locate(&self) -> Result<(), FetchError> {
        self.endpoint(self.config.limits).await.map(drop)
    }

    /// Asks about `token`, and returns what the endpoint says of it: JSON text.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(super) async fn ask(&self, token: &str) -> Result<String, IntrospectionFault> {
        let start = now();
        let until = later(start, self.timeout());
        let Ok(Ok(_turn)) = timeout_at(until.into(), self.turns.acquire()).await else {
            return Err(IntrospectionFault::withheld("too many calls are under way", RETRY_AFTER));
        };
        let call = Call::admit(self)?;
        let answer = timeout_at(until.into(), self.exchange(token, until)).await;
        let answer = answer.unwrap_or_else(|_| Err(FetchErrorKind::TimedOut.into())).map_err(Arc::new);
        let event = event::Introspection {
            issuer: &self.config.issuer,
            url: self.config.endpoint.url(),
            duration: now().saturating_duration_since(start),
        };
        match &answer {
            Ok(_) => event.answered(),
            Err(error) => event.failed(&**error),
        }
        let wait = call.conclude(answer.as_ref().err());
        answer.map_err(|error| IntrospectionFault::of(error).not_before(wait))
    }

    async fn exchange(&self, token: &str, until: Instant) -> Result<String, FetchError> {
        let answer = match self.send(token, until).await {
            // RFC 9110 section 9.2.2: asking twice does no harm.
            Err(error) if error.kind() == FetchErrorKind::ConnectionLost => self.send(token, until).await,
            answer => answer,
        }?;
        self.note_pause(&answer);
        if matches!(answer.status(), StatusCode::NOT_FOUND | StatusCode::GONE) {
            self.located.forget().await;
        }
        let json = match (response::read(answer)?, &self.config.signer) {
            (Reply::Signed(jwt), Some(signer)) => signer.open(&jwt, NumericDate::now(&*self.clock)).await?,
            (Reply::Signed(_), None) => {
                return Err(FetchError::because(FetchErrorKind::NotSigned, "the issuer has no keys"));
            }
            (Reply::Plain(json), _) if self.config.unsigned => json,
            (Reply::Plain(_), _) => return Err(FetchErrorKind::NotSigned.into()),
        };
        response::check_object(&json)?;
        Ok(json)
    }

    async fn send(&self, token: &str, until: Instant) -> Result<Response<Bytes>, FetchError> {
        let InquirerConfig { auth, client, issuer, unsigned, .. } = &self.config;
        let limits = FetchLimits { timeout: until.saturating_duration_since(now()), ..self.config.limits };
        let url = self.endpoint(limits).await?;
        let credentials = auth
            .credentials(issuer, NumericDate::now(&*self.clock))
            .ok_or(FetchErrorKind::CredentialsUnusable)?;
        let accept = if *unsigned { Accept::Json } else { Accept::Signed };
        self.draw(1)?;
        send(&**client, request::request(&url, token, credentials, accept), limits).await
    }

    /// Where to ask. Looking for it costs requests as well.
    async fn endpoint(&self, limits: FetchLimits) -> Result<FetchUrl, FetchError> {
        let may_look = || self.draw(metadata::REQUESTS_MAX);
        self.located.locate(&self.config.endpoint, &*self.config.client, limits, may_look).await
    }

    /// Takes requests out of the budget: all of them, or none. What is too little for now is left to add up.
    fn draw(&self, requests: u32) -> Result<(), FetchError> {
        let mut state = self.lock();
        let Some(budget) = &mut state.budget else { return Ok(()) };
        let now = now();
        if !budget.has(requests, now) {
            return Err(FetchError::because(FetchErrorKind::Withheld, LIMIT_REACHED));
        }
        (0..requests).for_each(|_| budget.draw(now));
        Ok(())
    }

    fn note_pause(&self, answer: &Response<Bytes>) {
        if let Some(wait) = response::pause(answer, self.clock.now()) {
            self.lock().breaker.pause(wait, now());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn may_draw(&mut self, now: Instant) -> Result<(), IntrospectionFault> {
        match self.budget.as_mut().map(|budget| budget.wait(now)) {
            None | Some(Duration::ZERO) => Ok(()),
            Some(wait) => Err(IntrospectionFault::withheld(LIMIT_REACHED, wait)),
        }
    }

    /// Nothing is asked since the server failed, or refused this client, a moment ago.
    fn withheld(&self, retry_after: Duration) -> IntrospectionFault {
        match &self.last_error {
            Some(cause) if matches!(cause.kind(), FetchErrorKind::ClientRefused(_)) => {
                IntrospectionFault::Misconfigured(Arc::clone(cause))
            }
            Some(cause) => {
                let cause = FetchError::because(FetchErrorKind::Withheld, Arc::clone(cause));
                IntrospectionFault::Unavailable { retry_after, cause: Arc::new(cause) }
            }
            None => IntrospectionFault::withheld("the server asked for a pause", retry_after),
        }
    }
}

/// A call that the breaker let through, and that is reported to it however it ends.
struct Call<'i> {
    inquirer: &'i Inquirer,
    purpose: Purpose,
    concluded: bool,
}

impl<'i> Call<'i> {
    fn admit(inquirer: &'i Inquirer) -> Result<Self, IntrospectionFault> {
        let mut state = inquirer.lock();
        match state.breaker.admit(now()) {
            Ok(purpose) => Ok(Self { inquirer, purpose, concluded: false }),
            Err(retry_after) => Err(state.withheld(retry_after)),
        }
    }

    /// Reports how it ended, and returns how long nothing will be asked after that.
    fn conclude(mut self, error: Option<&Arc<FetchError>>) -> Option<Duration> {
        self.concluded = true;
        let mut state = self.inquirer.lock();
        let (opened, closed) = match error.map(|error| health(error.kind())) {
            None | Some(Health::Answers) => (false, state.breaker.succeeded()),
            Some(Health::Unknown) => {
                state.breaker.abandoned(self.purpose);
                (false, false)
            }
            Some(Health::Fails) => (state.breaker.failed(self.purpose, now()), false),
        };
        state.last_error = error.cloned();
        let wait = state.breaker.would_admit(now()).err();
        drop(state);
        if opened || closed {
            event::circuit_changed(&self.inquirer.config.issuer, opened);
        }
        wait
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if !self.concluded {
            self.inquirer.lock().breaker.abandoned(self.purpose);
        }
    }
}

/// What a failure says about the server.
enum Health {
    Answers,
    Fails,
    Unknown,
}

/// What may be due to one token only is no failure of the server: whoever holds such a token could keep
/// everybody else's from being looked at.
fn health(kind: FetchErrorKind) -> Health {
    match kind {
        FetchErrorKind::Status(400)
        | FetchErrorKind::ClientRefused(400 | 403)
        | FetchErrorKind::TokenKindRefused => Health::Answers,
        FetchErrorKind::Withheld | FetchErrorKind::CredentialsUnusable => Health::Unknown,
        _ => Health::Fails,
    }
}

/// When a request may come again, where nothing better is known.
const RETRY_AFTER: Duration = Duration::from_secs(1);

const LIMIT_REACHED: &str = "the limit of calls per minute is reached";
