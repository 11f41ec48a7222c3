//! Asks the introspection endpoint about a token, in bounded time (RFC 7662 section 2).

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Response, StatusCode};
use tokio::time::timeout_at;

use super::client_auth::ClientAuth;
use super::endpoint::{EndpointCache, EndpointSource};
use super::fault::IntrospectionFault;
use super::limits::{CallFailure, Consequences, Limiter, LimiterPolicy, Permit, Priority};
use super::request::{self, Accept};
use super::response::{self, Reply};
use super::signed::Signer;
use crate::event;
use crate::fetch_url::FetchUrl;
use crate::metadata;
use crate::sync::CircuitState;
use crate::time::{Clock, NumericDate};
use crate::time::{later, now};
use crate::transport::{FetchError, FetchErrorKind, FetchLimits, FetchRequest, HttpClient, UrlKind, send};

/// Whom to ask, how, and how much.
pub(crate) struct IntrospectionClientConfig {
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
    pub(crate) limiter: LimiterPolicy,
}

impl IntrospectionClientConfig {
    /// What shapes its answers.
    pub(super) fn identity(&self) -> [String; 4] {
        let client_id = self.auth.client_id().unwrap_or_default();
        let endpoint = self.endpoint.url().uri();
        [self.issuer.to_string(), endpoint.to_string(), self.auth.method().to_owned(), client_id.to_owned()]
    }
}

/// Asks.
pub(super) struct IntrospectionClient {
    config: IntrospectionClientConfig,
    limiter: Limiter,
    located: EndpointCache,
    clock: Arc<dyn Clock>,
}

/// A question whose turn it is.
pub(super) struct Call<'i> {
    inquirer: &'i IntrospectionClient,
    turn: Permit<'i>,
    until: Instant,
}

impl IntrospectionClient {
    pub(super) fn new(config: IntrospectionClientConfig, clock: Arc<dyn Clock>) -> Self {
        let limiter = Limiter::new(config.limiter.clone());
        Self { config, limiter, located: EndpointCache::default(), clock }
    }

    /// The longest that one call takes.
    pub(super) fn timeout(&self) -> Duration {
        self.config.limits.timeout
    }

    pub(super) fn max_calls_per_minute(&self) -> Option<u32> {
        self.limiter.per_minute()
    }

    pub(super) fn status(&self) -> (CircuitState, Option<Arc<FetchError>>) {
        self.limiter.status()
    }

    /// Whether one more call may start while so many are `under_way`.
    ///
    /// # Errors
    /// Why not. It costs nothing to be told so.
    pub(super) fn may_ask(&self, priority: Priority, under_way: usize) -> Result<(), IntrospectionFault> {
        self.limiter.may_start(priority, under_way)
    }

    /// Makes sure that the endpoint is known.
    pub(super) async fn locate(&self) -> Result<(), FetchError> {
        self.endpoint(Priority::Known, self.config.limits).await.map(drop)
    }

    /// Waits for the turn of a question, for half of the time that its call may take: what is left must do for
    /// an answer.
    ///
    /// # Errors
    /// Why it does not come.
    pub(super) async fn turn(&self, priority: Priority) -> Result<Call<'_>, IntrospectionFault> {
        let start = now();
        let half = self.timeout().checked_div(2).unwrap_or_default();
        let turn = self.limiter.turn(priority, later(start, half)).await?;
        Ok(Call { inquirer: self, turn, until: later(start, self.timeout()) })
    }

    /// Where to ask. Looking for it costs requests as well.
    async fn endpoint(&self, priority: Priority, limits: FetchLimits) -> Result<FetchUrl, FetchError> {
        let may_fetch = || self.limiter.draw(priority, metadata::MAX_REQUESTS);
        self.located.locate(&self.config.endpoint, &*self.config.client, limits, may_fetch).await
    }
}

impl Call<'_> {
    /// Asks about `token`, and returns what the endpoint says of it: the text of a JSON object.
    ///
    /// # Errors
    /// Why there is no answer.
    pub(super) async fn ask(self, token: &str) -> Result<String, IntrospectionFault> {
        let start = now();
        let answer = timeout_at(self.until.into(), self.exchange(token)).await;
        let answer = answer.unwrap_or_else(|_| Err(self.failed(FetchErrorKind::TimedOut.into())));
        let IntrospectionClient { config, located, .. } = self.inquirer;
        let event = event::Introspection {
            issuer: &config.issuer,
            url: &located.shown(&config.endpoint),
            duration: now().saturating_duration_since(start),
        };
        match &answer {
            Ok(_) => event.answered(),
            Err(failure) => event.failed(&*failure.error),
        }
        let Consequences { wait, changed } = self.turn.conclude(answer.as_ref().err());
        if let Some(circuit) = changed {
            event::circuit_changed(&config.issuer, circuit == CircuitState::Open);
        }
        answer.map_err(|failure| IntrospectionFault::of(failure.error).not_before(wait))
    }

    /// Whether the turn did not come at once.
    pub(super) fn waited(&self) -> bool {
        self.turn.waited()
    }

    async fn exchange(&self, token: &str) -> Result<String, CallFailure> {
        let answer = match self.send(token).await {
            // RFC 9110 section 9.2.2: asking twice does no harm.
            Err(failure) if failure.error.kind() == FetchErrorKind::ConnectionLost => self.send(token).await,
            answer => answer,
        }?;
        self.read(answer).await.map_err(|error| self.failed(error))
    }

    async fn read(&self, answer: Response<Bytes>) -> Result<String, FetchError> {
        let IntrospectionClient { config, limiter, located, clock } = self.inquirer;
        if let Some(wait) = response::pause(&answer, clock.now()) {
            limiter.pause(wait, answer.status());
        }
        if matches!(answer.status(), StatusCode::NOT_FOUND | StatusCode::GONE) {
            located.forget().await;
        }
        let json = match (response::read(answer)?, &config.signer) {
            (Reply::Signed(jwt), Some(signer)) => signer.open(&jwt, NumericDate::now(&**clock)).await?,
            (Reply::Signed(_), None) => {
                return Err(FetchError::because(FetchErrorKind::NotSigned, "the issuer has no keys"));
            }
            (Reply::Plain(json), _) if config.unsigned => json,
            (Reply::Plain(_), _) => return Err(FetchErrorKind::NotSigned.into()),
        };
        response::check_object(&json)?;
        Ok(json)
    }

    async fn send(&self, token: &str) -> Result<Response<Bytes>, CallFailure> {
        let IntrospectionClient { config, limiter, clock, .. } = self.inquirer;
        let timeout = self.until.saturating_duration_since(now());
        let limits = FetchLimits { timeout, ..config.limits };
        let url = self.inquirer.endpoint(self.turn.priority(), limits).await;
        let url = url.map_err(|error| CallFailure { looking: true, ..self.failed(error) })?;
        let credentials = config.auth.credentials(&config.issuer, NumericDate::now(&**clock));
        let credentials =
            credentials.ok_or_else(|| self.failed(FetchErrorKind::CredentialsUnusable.into()))?;
        let accept = if config.unsigned { Accept::Json } else { Accept::Signed };
        limiter.draw(self.turn.priority(), 1).map_err(|error| self.failed(error))?;
        let request = request::request(&url, token, credentials, accept);
        let issuer = Arc::clone(&config.issuer);
        let request = FetchRequest::new(request, UrlKind::Introspection, issuer, limits.max_body_bytes);
        send(&*config.client, request, limits.timeout).await.map_err(|error| self.failed(error))
    }

    /// That there was no time left after waiting for a turn is not the server's fault: otherwise whoever makes
    /// up more tokens at once than there are turns could open the circuit.
    fn failed(&self, error: FetchError) -> CallFailure {
        let error = match error.kind() {
            FetchErrorKind::TimedOut if self.waited() => {
                FetchError::because(FetchErrorKind::Withheld, OVERLOADED)
            }
            _ => error,
        };
        CallFailure { error: Arc::new(error), looking: false }
    }
}

const OVERLOADED: &str = "too many calls were under way for an answer in time";
