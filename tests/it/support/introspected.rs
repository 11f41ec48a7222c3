//! A protected service that asks its issuer about tokens, and what it says when that fails.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use tokio::time::{Instant, sleep};
use tower::Layer;
use tower_bearer::diagnostics::{CircuitState, IntrospectionStatus};
use tower_bearer::diagnostics::{IntrospectionError, IntrospectionErrorKind};
use tower_bearer::middleware::{BearerAuthService, RequireService};
use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
use tower_bearer::time::Clock;
use tower_bearer::{BearerAuth, ClientAuth, Introspection, Require};

use super::events::keep_events;
use super::protected::{API, Answer, Handler, Protected, get, send};
use super::wire::Wire;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

/// How the client that the test issuer knows introspects.
pub(crate) fn introspection() -> Introspection {
    Introspection::with(ClientAuth::secret_basic(TestIssuer::CLIENT_ID, TestIssuer::CLIENT_SECRET))
}

/// An issuer in memory, the wire to it, and a service that asks over it.
#[derive(Clone)]
pub(crate) struct IssuerIntrospection {
    pub(crate) idp: TestIssuer,
    pub(crate) wire: Wire,
    pub(crate) auth: BearerAuth,
    pub(crate) api: Protected,
}

/// A service whose route asks whether the token is active now.
#[derive(Clone)]
pub(crate) struct AskingNow {
    pub(crate) handler: Handler,
    service: BearerAuthService<RequireService<Handler>>,
}

impl IssuerIntrospection {
    /// With the defaults; where the endpoint is, is known.
    pub(crate) fn new() -> Self {
        Self::with(|introspection| introspection)
    }

    /// With other settings.
    pub(crate) fn with(configure: impl FnOnce(Introspection) -> Introspection) -> Self {
        Self::discovered(|idp, introspection| configure(introspection.endpoint(idp.introspection_url())))
    }

    /// With other settings; where the endpoint is, is looked up unless they say it.
    pub(crate) fn discovered(configure: impl FnOnce(&TestIssuer, Introspection) -> Introspection) -> Self {
        Self::of(TestIssuer::new(), configure)
    }

    /// The same for this issuer.
    pub(crate) fn of(
        idp: TestIssuer,
        configure: impl FnOnce(&TestIssuer, Introspection) -> Introspection,
    ) -> Self {
        let wire = Wire::to(&idp);
        let issuer = idp.issuer().introspect(configure(&idp, introspection()));
        let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(wire.clone());
        let auth = builder.issuer(issuer).build().unwrap();
        Self { api: Protected::by(&auth), idp, wire, auth }
    }

    /// A good opaque token.
    pub(crate) fn opaque(&self) -> String {
        self.idp.token(API).subject("alice").opaque()
    }

    /// The kind of the answer to a new good opaque token.
    pub(crate) async fn kind_of_new(&self) -> String {
        self.api.kind(self.opaque()).await
    }

    /// How often the endpoint was asked.
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

    /// Why the last call failed.
    pub(crate) fn why(&self) -> Option<IntrospectionErrorKind> {
        self.status().last_error().map(IntrospectionError::kind)
    }

    /// Fails five calls in a row, so that the circuit is open.
    pub(crate) async fn open_the_circuit(&self, fault: Fault) {
        self.fail(fault);
        for failure in 1..=5 {
            assert_eq!(self.circuit(), CircuitState::Closed, "before failure {failure}");
            assert_eq!(self.kind_of_new().await, "introspection_unavailable");
            settle().await;
        }
        assert_eq!(self.circuit(), CircuitState::Open);
    }

    /// Lets the time go by, for the clock of the issuer as well.
    pub(crate) async fn pass(&self, time: Duration) {
        self.idp.clock().advance(time);
        sleep(time).await;
    }

    /// The same with a route that asks whether the token is active now.
    pub(crate) fn asking_now(&self) -> AskingNow {
        self.requiring(&Require::token().still_active())
    }

    pub(crate) fn requiring(&self, require: &Require) -> AskingNow {
        keep_events();
        let handler = Handler::default();
        AskingNow { service: self.auth.layer(require.layer(handler.clone())), handler }
    }
}

impl AskingNow {
    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        send(self.service.clone(), request).await
    }

    pub(crate) async fn kind(&self, token: impl AsRef<str>) -> String {
        self.send(get(token)).await.kind()
    }
}

/// Lets calls come to their end that were given up at this moment.
pub(crate) async fn settle() {
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
}

/// What comes of a future, and how long it takes.
pub(crate) async fn timed<F: Future>(future: F) -> (F::Output, Duration) {
    let start = Instant::now();
    let output = future.await;
    (output, start.elapsed())
}

/// The seconds in `Retry-After`.
pub(crate) fn retry_after(answer: &Answer) -> Option<u64> {
    answer.header("retry-after").map(|secs| secs.parse().unwrap())
}

/// The time of day on the clock of `idp`, as HTTP writes it.
pub(crate) fn http_date(idp: &TestIssuer, ahead: Duration) -> String {
    httpdate::fmt_http_date(idp.clock().now() + ahead)
}
