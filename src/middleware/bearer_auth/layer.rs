//! The layer: a configured value, shared by every service it makes.

use std::fmt;
use std::sync::Arc;

use http::request::Parts;
use tower_layer::Layer;

use super::service::BearerAuthService;
use crate::access_token::AccessToken;
#[cfg(feature = "test-util")]
use crate::authenticate::{Pending, Stop};
use crate::diagnostics::{Bounds, Explanation, IssuerStatus, NotReady};
use crate::middleware::require::Require;
use crate::middleware::shared::Shared;
use crate::observe::Undecided;
use crate::rejection::Rejection;
#[cfg(feature = "test-util")]
use crate::rejection::RejectionKind;
use crate::sync::ShardedArc;

/// A layer that turns a service into an OAuth 2.0 resource server: it accepts only requests with a valid
/// access token.
///
/// [`BearerAuth::builder`] has the settings. The [crate's documentation](crate) says what is checked, and
/// which responses rejected requests get.
///
/// A clone shares the keys and the caches. The background tasks that refresh keys end when the last clone,
/// and the last service made from one, is dropped.
///
/// ```
/// # #[cfg(feature = "reqwest")] {
/// use tower::{ServiceBuilder, service_fn};
/// use tower_bearer::{AccessToken, BearerAuth, Issuer};
///
/// let auth = BearerAuth::builder("https://api.example.com")
///     .issuer(Issuer::discover("https://login.example.com"))
///     .build()?;
/// let service = ServiceBuilder::new().layer(auth).service(service_fn(
///     async |request: http::Request<String>| {
///         let token = request.extensions().get::<AccessToken>();
///         let subject = token.and_then(AccessToken::subject).unwrap_or("client").to_owned();
///         Ok::<_, std::convert::Infallible>(http::Response::new(subject))
///     },
/// ));
/// # let _ = service;
/// # }
/// # Ok::<(), tower_bearer::ConfigError>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct BearerAuth {
    pub(super) shared: Arc<ShardedArc<Shared>>,
}

impl BearerAuth {
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(ShardedArc::new(shared)) }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Authenticates a token that does not come in the head of a request: in a WebSocket message, a queue or
    /// a field of a gRPC message.
    ///
    /// It takes the same steps as the token of a request, with the same caches, limits and events, and waits
    /// for keys or introspection if they are not cached. `token` is the token alone, without `Bearer`.
    /// [`optional`](crate::BearerAuthBuilder::optional) has no effect: the empty string is rejected.
    /// [`on_accept`](crate::BearerAuthBuilder::on_accept) is not called, because there is no request. For the
    /// same reason a sender-constrained token is rejected, kind `sender_not_proven`: nothing proves its
    /// sender.
    ///
    /// Check scopes with [`AccessToken::require`]. A connection may outlive its token: end it, or
    /// request another token, after [`AccessToken::expires_in`].
    ///
    /// ```
    /// # #[cfg(all(feature = "test-util", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// use tower_bearer::{AccessToken, BearerAuth, Rejection};
    ///
    /// /// The first message on a WebSocket is the token.
    /// async fn log_in(auth: &BearerAuth, message: &str) -> Result<AccessToken, Rejection> {
    ///     let token = auth.authenticate(message).await?;
    ///     token.require("chat")?;
    ///     Ok(token)
    /// }
    ///
    /// # let idp = tower_bearer::testing::TestIssuer::new();
    /// # let auth = idp.bearer_auth("https://api.example.com").build().unwrap();
    /// # let message = idp.token("https://api.example.com").scope("chat").sign();
    /// assert!(log_in(&auth, &message).await.is_ok());
    /// assert_eq!(log_in(&auth, "").await.unwrap_err().kind().as_str(), "malformed_request");
    /// # });
    /// ```
    ///
    /// # Errors
    /// The [`Rejection`] that a request with this token would get. [`Rejection::status`] tells a token that
    /// is invalid (401) from an authorization server that is unavailable (503). The rejection is reported
    /// here: where a handler returns it as a response, `BearerAuth` reports it once more.
    ///
    /// # Runtime
    /// Needs a tokio runtime with timers.
    pub async fn authenticate(&self, token: &str) -> Result<AccessToken, Rejection> {
        let undecided = Undecided::start(self.shared.observers.is_observed());
        let (result, lookup) = Arc::clone(&self.shared.authenticator).authenticate(token).await;
        let undecided = undecided.with(lookup);
        match &result {
            Ok(token) => self.shared.report_accepted(token, undecided),
            Err(rejection) => self.shared.report_rejected(rejection, None, undecided),
        }
        result
    }

    /// Fetches the keys of every issuer and finds every introspection endpoint, and waits until each issuer
    /// is ready or has failed.
    ///
    /// For an issuer with introspection it also checks the credentials of this API: it sends one request
    /// about a random token, which nobody has issued. An introspection response proves that the credentials
    /// are accepted, and the check is not repeated. The issuer is not ready if the authorization server
    /// rejects the credentials, if there are none, or if the endpoint does not respond or does not exist.
    /// With [`also_jwts`](crate::Introspection::also_jwts), it is not ready either if the server introspects
    /// no JWTs. Any other failure proves nothing, so it is no error. The check has no effect on the circuit
    /// breaker and on other tokens.
    ///
    /// For a readiness probe, or before a listener is opened. Calling it is optional: without it, the
    /// [start check](crate::BearerAuthBuilder::build) or the first request fetches
    /// the keys. After an error, call it again or serve requests anyway: `BearerAuth` recovers by itself when
    /// the authorization server is back.
    ///
    /// It fetches from at most 32 issuers at a time. One unavailable issuer is no error if others are ready:
    /// it must not take your API down for their clients. [`status`](Self::status) shows the issuer, and
    /// [`ready_all`](Self::ready_all) returns an error.
    ///
    /// ```no_run
    /// # async fn example(auth: tower_bearer::BearerAuth) {
    /// if let Err(error) = auth.ready().await {
    ///     eprintln!("serving anyway: {error}");
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`NotReady`] if no issuer is ready, with the reason of each.
    ///
    /// # Time limit
    /// By default, an issuer is ready or has failed within 15 s: three times
    /// [`fetch_timeout`](crate::BearerAuthBuilder::fetch_timeout), for the metadata, for the keys, and for
    /// the keys once more if they have moved. Introspection adds its
    /// [`timeout`](crate::Introspection::timeout). A server that does not respond at all fails after one
    /// `fetch_timeout`.
    ///
    /// # Runtime
    /// Needs a tokio runtime with timers. The tasks that refresh keys are spawned on it, so call it on the
    /// runtime that serves the requests: on a runtime that is no longer driven, those tasks make no progress.
    pub async fn ready(&self) -> Result<(), NotReady> {
        self.shared.authenticator.ready().await
    }

    /// Like [`ready`](Self::ready), but one unavailable issuer is an error.
    ///
    /// ```no_run
    /// # async fn example(auth: tower_bearer::BearerAuth) {
    /// if let Err(error) = auth.ready_all().await {
    ///     for (issuer, reason) in error.issuers() {
    ///         eprintln!("{issuer}: {reason}");
    ///     }
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`NotReady`], with the issuers that are unavailable and the reasons.
    pub async fn ready_all(&self) -> Result<(), NotReady> {
        self.shared.authenticator.ready_all().await
    }

    /// Like [`ready`](Self::ready), for the issuer with this identifier only.
    ///
    /// ```no_run
    /// # async fn example(auth: tower_bearer::BearerAuth) {
    /// let is_ready = auth.ready_for("https://login.example.com").await.is_ok();
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`NotReady`] if the issuer is unavailable or not configured.
    pub async fn ready_for(&self, issuer: &str) -> Result<(), NotReady> {
        self.shared.authenticator.ready_for(issuer).await
    }

    /// The state of each issuer's keys and introspection, sorted by issuer. No I/O.
    ///
    /// ```no_run
    /// # fn example(auth: tower_bearer::BearerAuth) {
    /// for issuer in auth.status() {
    ///     let usable = issuer.keys().is_none_or(|keys| keys.is_usable());
    ///     println!("{}: {}", issuer.issuer(), if usable { "up" } else { "no usable keys" });
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn status(&self) -> Vec<IssuerStatus> {
        self.shared.authenticator.status()
    }

    /// The number of tokens in the token cache; see [`TokenCache`](crate::TokenCache).
    ///
    /// ```no_run
    /// # fn gauge(_name: &str, _value: usize) {}
    /// # fn example(auth: tower_bearer::BearerAuth) {
    /// gauge("cached_tokens", auth.cached_tokens()); // at its limit, tokens are evicted
    /// # }
    /// ```
    #[must_use]
    pub fn cached_tokens(&self) -> usize {
        self.shared.authenticator.tokens.len()
    }

    /// The guarantees of this configuration: how long a revoked token is accepted, how long valid tokens are
    /// accepted during an outage, and so on. `Display` prints one guarantee per line.
    ///
    /// ```
    /// # #[cfg(feature = "reqwest")] {
    /// use std::time::Duration;
    /// use tower_bearer::diagnostics::Bound;
    /// use tower_bearer::{BearerAuth, Issuer};
    ///
    /// let ten_minutes = Duration::from_secs(600);
    /// let auth = BearerAuth::builder("https://api.example.com")
    ///     .issuer(Issuer::discover("https://login.example.com").max_lifetime(ten_minutes))
    ///     .build()?;
    /// // The lifetime, and the leeway of 30 s at both ends.
    /// assert_eq!(auth.bounds().revoked_token(), Bound::Value(Duration::from_secs(660)));
    /// # }
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        self.shared.authenticator.bounds()
    }

    /// Runs every check on `token` without stopping at the first that fails, for a developer's terminal.
    /// `Display` prints the verdict, a hint and a table. It fetches keys that are not cached, and introspects
    /// the token where a request would, whatever is cached. The limits on introspection apply as to a token
    /// that was never active.
    ///
    /// The proof of the sender of a sender-constrained token needs the request:
    /// [`explain_request`](Self::explain_request).
    ///
    /// The result shows the issuer, audience, dates, algorithm, type, key id, client and scopes that the
    /// token presents, and nothing else of it. Never send it to a client: it says what would be accepted.
    ///
    /// [`explain_for`](Self::explain_for) also checks what a route requires.
    ///
    /// ```no_run
    /// # async fn example(auth: tower_bearer::BearerAuth, token: &str) {
    /// println!("{}", auth.explain(token).await);
    /// # }
    /// ```
    pub async fn explain(&self, token: &str) -> Explanation {
        self.shared.authenticator.explain(token, None).await
    }

    /// Like [`explain`](Self::explain), for a request to a route with this requirement: also checks its
    /// scopes, roles, authentication and authorization details, and the claims of [`Require::claim`]. The
    /// result shows the roles, `acr`, `auth_time`, `acrs` and the value of each of these claims.
    ///
    /// The functions of [`Require::check`] and [`Require::detail`] need a request, and
    /// [`Require::still_active`] introspects at the time of the request: they are not run.
    ///
    /// ```no_run
    /// use tower_bearer::{BearerAuth, Require};
    ///
    /// async fn explain_order(auth: &BearerAuth, token: &str) {
    ///     println!("{}", auth.explain_for(token, &Require::scope("orders:write")).await);
    ///     // rejected: scope_insufficient. The access token lacks a required scope
    /// }
    /// ```
    pub async fn explain_for(&self, token: &str, route: &Require) -> Explanation {
        self.shared.authenticator.explain(token, Some(route.requirement())).await
    }

    /// Like [`explain`](Self::explain), for the request with this `head`: how it presents its token, the
    /// token, and the proof of its sender. Each check of a DPoP proof ([`dpop`](crate::dpop)) or a client
    /// certificate ([`certificates`](crate::certificates)) is a finding.
    ///
    /// It does not use the proof up: you can explain a request and then pass it on. The in-process memory of
    /// used proofs is only read, and a [`ReplayStore`](crate::dpop::ReplayStore) is not asked. If you explain
    /// a request that `BearerAuth` has accepted before, the finding `replay` fails: sending it again would be
    /// a replay.
    ///
    /// The result also shows the thumbprints of the keys and certificates, the address of the proxy, and the
    /// claims of the proof except `jti` and `nonce`.
    ///
    /// A token in a form body is found only if the request has passed
    /// [`FormBodyToken`](crate::FormBodyToken).
    ///
    /// ```no_run
    /// use http::Request;
    /// use tower_bearer::BearerAuth;
    ///
    /// async fn explain<B>(auth: &BearerAuth, request: Request<B>) -> Request<B> {
    ///     let (head, body) = request.into_parts();
    ///     eprintln!("{}", auth.explain_request(&head).await);
    ///     Request::from_parts(head, body)
    /// }
    /// ```
    pub async fn explain_request(&self, head: &Parts) -> Explanation {
        Arc::clone(&self.shared.authenticator).explain_request(head, None).await
    }

    /// Like [`explain_request`](Self::explain_request), for a request to a route with this requirement. What
    /// [`explain_for`](Self::explain_for) checks is checked and, if everything else passes, the functions of
    /// [`Require::check`] and [`Require::detail`]. They get the token that a handler would get, so an opaque
    /// token may be introspected once more. [`Require::still_active`] is not run.
    ///
    /// ```no_run
    /// use http::request::Parts;
    /// use tower_bearer::{BearerAuth, Require};
    ///
    /// async fn explain_order(auth: &BearerAuth, head: &Parts) {
    ///     let route = Require::scope("orders").check(|_, head| head.uri.path().starts_with("/orders/"));
    ///     println!("{}", auth.explain_request_for(head, &route).await);
    /// }
    /// ```
    pub async fn explain_request_for(&self, head: &Parts, route: &Require) -> Explanation {
        Arc::clone(&self.shared.authenticator).explain_request(head, Some(route.requirement())).await
    }
}

#[cfg(feature = "test-util")]
impl BearerAuth {
    /// Validates one token without a request. Never waits for keys or introspection, and needs no proof of a
    /// sender.
    pub(crate) fn access_token(&self, token: &str) -> Result<AccessToken, Rejection> {
        self.shared.authenticator.validated(token.as_bytes()).map_err(|stop| match stop {
            Stop::Rejected(rejection) => rejection,
            Stop::Pending(Pending::Introspection(_)) => RejectionKind::IntrospectionUnavailable.into(),
            Stop::Pending(Pending::Keys { .. }) => RejectionKind::KeysUnavailable.into(),
        })
    }
}

impl<S> Layer<S> for BearerAuth {
    type Service = BearerAuthService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        self.shared.check_issuers_once();
        BearerAuthService::new(inner, Arc::clone(&self.shared))
    }
}

impl fmt::Debug for BearerAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerAuth").field("responder", &self.shared.responder).finish_non_exhaustive()
    }
}
