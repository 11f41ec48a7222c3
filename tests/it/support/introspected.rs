//! An API that introspects tokens at a test issuer, over a network that can fail.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tower::Layer;
use tower_bearer::diagnostics::{
    CircuitState, IntrospectionError, IntrospectionErrorKind, IntrospectionStatus,
};
use tower_bearer::middleware::{BearerAuthService, RequireService};
use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
use tower_bearer::time::Clock;
use tower_bearer::{BearerAuth, ClientAuth, Introspection, RejectionKind, Require};

use super::log::enable_all_events;
use super::net::Net;
use super::protected::{API, ApiResponse, Handler, Outcome, Protected, get, send};

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// How many failures of distinct trusted tokens open the circuit breaker if nothing else is introspected.
pub(crate) const TRUSTED_FAILURES: usize = 10;

/// Introspection with the client that every test issuer knows.
pub(crate) fn introspection() -> Introspection {
    Introspection::with(ClientAuth::secret_basic(TestIssuer::CLIENT_ID, TestIssuer::CLIENT_SECRET))
}

/// A test issuer in memory, an API that introspects its tokens, and the network between them.
#[derive(Clone)]
pub(crate) struct IssuerIntrospection {
    pub(crate) idp: TestIssuer,
    pub(crate) net: Net,
    pub(crate) auth: BearerAuth,
    pub(crate) api: Protected,
}

/// A service whose route introspects the token at every request.
#[derive(Clone)]
pub(crate) struct StillActiveRoute {
    pub(crate) handler: Handler,
    service: BearerAuthService<RequireService<Handler>>,
}

impl IssuerIntrospection {
    /// Configures the endpoint; all other settings have their defaults.
    pub(crate) fn new() -> Self {
        Self::with(|introspection| introspection)
    }

    /// Configures the endpoint and changes other settings.
    pub(crate) fn with(configure: impl FnOnce(Introspection) -> Introspection) -> Self {
        Self::discovered(|idp, introspection| configure(introspection.endpoint(idp.introspection_url())))
    }

    /// Changes the settings. The endpoint is discovered unless they name it.
    pub(crate) fn discovered(configure: impl FnOnce(&TestIssuer, Introspection) -> Introspection) -> Self {
        Self::of(TestIssuer::new(), configure)
    }

    /// Like [`Self::discovered`], for this issuer.
    pub(crate) fn of(
        idp: TestIssuer,
        configure: impl FnOnce(&TestIssuer, Introspection) -> Introspection,
    ) -> Self {
        let net = Net::to(&idp);
        let issuer = idp.issuer().introspect(configure(&idp, introspection()));
        let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(net.clone());
        // The tests count requests.
        let auth = builder.issuer(issuer).skip_start_check().build().unwrap();
        Self { api: Protected::by(&auth), idp, net, auth }
    }

    /// A new active opaque token.
    pub(crate) fn opaque(&self) -> String {
        self.idp.token(API).subject("alice").opaque()
    }

    /// The outcome of a request with a new active opaque token.
    pub(crate) async fn outcome_of_new(&self) -> Outcome {
        self.api.outcome(self.opaque()).await
    }

    /// The number of introspection requests.
    pub(crate) fn calls(&self) -> usize {
        self.idp.requests(Endpoint::Introspection)
    }

    /// Makes the endpoint fail, or work again.
    pub(crate) fn fail(&self, fault: impl Into<Option<Fault>>) {
        self.idp.set_fault(Endpoint::Introspection, fault.into());
    }

    pub(crate) fn status(&self) -> IntrospectionStatus {
        self.auth.status()[0].introspection().unwrap().clone()
    }

    pub(crate) fn circuit(&self) -> CircuitState {
        self.status().circuit()
    }

    /// The kind of the last error.
    pub(crate) fn last_error(&self) -> Option<IntrospectionErrorKind> {
        self.status().last_error().map(IntrospectionError::kind)
    }

    /// A new valid JWT, which passes every local check.
    pub(crate) fn jwt(&self) -> String {
        self.idp.token(API).subject("alice").sign()
    }

    /// Introspects ten distinct trusted tokens at once. All of them fail, which opens the circuit breaker.
    pub(crate) async fn open_the_circuit(&self, fault: Fault) {
        self.fail(fault);
        assert_eq!(self.circuit(), CircuitState::Closed);
        let route = self.still_active_route();
        let mut requests = JoinSet::new();
        for _ in 0..TRUSTED_FAILURES {
            let (route, jwt) = (route.clone(), self.jwt());
            requests.spawn(async move { route.outcome(jwt).await });
        }
        for outcome in requests.join_all().await {
            assert_eq!(outcome, Err(RejectionKind::IntrospectionUnavailable));
        }
        run_pending_tasks().await;
        assert_eq!(self.circuit(), CircuitState::Open);
    }

    /// Advances both tokio's time and the clock of the issuer.
    pub(crate) async fn pass(&self, time: Duration) {
        self.idp.clock().advance(time);
        sleep(time).await;
    }

    /// A route that requires `still_active`.
    pub(crate) fn still_active_route(&self) -> StillActiveRoute {
        self.requiring(&Require::token().still_active())
    }

    pub(crate) fn requiring(&self, require: &Require) -> StillActiveRoute {
        enable_all_events();
        let handler = Handler::default();
        StillActiveRoute { service: self.auth.layer(require.layer(handler.clone())), handler }
    }
}

impl StillActiveRoute {
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> ApiResponse {
        send(self.service.clone(), request).await
    }

    pub(crate) async fn outcome(&self, token: impl AsRef<str>) -> Outcome {
        self.send(get(token)).await.outcome()
    }
}

/// Yields, so that calls cancelled just now can end.
pub(crate) async fn run_pending_tasks() {
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
}

/// The output of a future, and the time it took.
pub(crate) async fn timed<F: Future>(future: F) -> (F::Output, Duration) {
    let start = Instant::now();
    let output = future.await;
    (output, start.elapsed())
}

/// The seconds in `Retry-After`.
pub(crate) fn retry_after(response: &ApiResponse) -> Option<u64> {
    response.header("retry-after").map(|secs| secs.parse().unwrap())
}

/// The time on the clock of `idp` plus `ahead`, as an HTTP date.
pub(crate) fn http_date(idp: &TestIssuer, ahead: Duration) -> String {
    httpdate::fmt_http_date(idp.clock().now() + ahead)
}
