//! Tokens that their issuer is asked about (RFC 7662, RFC 9701).

mod asking;
mod dispatch;
mod judging;
mod remembering;
mod revocable_jwts;
mod signed;

use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;
use tower::Layer;
use tower_bearer::diagnostics::{CheckResult, Explanation, IntrospectionStatus};
use tower_bearer::testing::{Endpoint, TestIssuer, TokenBuilder};
use tower_bearer::time::Clock;
use tower_bearer::{BearerAuth, BearerAuthBuilder, ClientAuth, Introspection, Issuer, Require};

use crate::support::protected::{API, Answer, Handler, Protected, get, send};

const SECOND: Duration = Duration::from_secs(1);

/// Introspection by the client that every test issuer knows.
fn introspection() -> Introspection {
    Introspection::with(ClientAuth::secret_basic(TestIssuer::CLIENT_ID, TestIssuer::CLIENT_SECRET))
}

/// An API, and the issuer that it asks.
struct Api {
    idp: TestIssuer,
    auth: BearerAuth,
    protected: Protected,
}

impl Api {
    /// With the defaults.
    fn new() -> Self {
        Self::asking(introspection())
    }

    fn asking(introspection: Introspection) -> Self {
        Self::with(|issuer| issuer.introspect(introspection))
    }

    fn with(configure: impl FnOnce(Issuer) -> Issuer) -> Self {
        Self::of(TestIssuer::new(), configure, |builder| builder)
    }

    fn of(
        idp: TestIssuer,
        configure: impl FnOnce(Issuer) -> Issuer,
        build: impl FnOnce(BearerAuthBuilder) -> BearerAuthBuilder,
    ) -> Self {
        let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(idp.http_client());
        let auth = build(builder.issuer(configure(idp.issuer()))).build().unwrap();
        Self { protected: Protected::by(&auth), auth, idp }
    }

    /// A good token, before it is issued.
    fn token(&self) -> TokenBuilder {
        self.idp.token(API).subject("alice").scope("a b")
    }

    /// The kind of the answer to a request with this token.
    async fn kind(&self, token: impl AsRef<str>) -> String {
        self.protected.kind(token).await
    }

    /// The answer on a route that needs more.
    async fn on_route(&self, route: &Require, token: impl AsRef<str>) -> Answer {
        send(self.auth.layer(route.layer(Handler::default())), get(token)).await
    }

    /// Has the endpoint say this in a member of its answers, or with `None` leave it out.
    fn tell(&self, member: &'static str, value: Option<Value>) {
        self.idp.alter_introspection(move |answer| {
            match &value {
                Some(value) => answer.insert(member.to_owned(), value.clone()),
                None => answer.remove(member),
            };
        });
    }

    /// How often the endpoint was asked.
    fn asked(&self) -> usize {
        self.idp.requests(Endpoint::Introspection)
    }

    fn status(&self) -> IntrospectionStatus {
        self.auth.status().remove(0).introspection().unwrap().clone()
    }

    fn now(&self) -> u64 {
        self.idp.clock().now().duration_since(UNIX_EPOCH).unwrap().as_secs()
    }

    /// Lets so much time pass, by every clock.
    async fn pass(&self, time: Duration) {
        self.idp.clock().advance(time);
        tokio::time::sleep(time).await;
    }
}

/// What fails, by the check.
fn failing(explanation: &Explanation) -> Vec<(&str, &str)> {
    let failing = explanation.findings().iter().filter_map(|finding| match finding.result() {
        CheckResult::Failed(kind) => Some((finding.check(), kind.as_str())),
        _ => None,
    });
    failing.collect()
}
