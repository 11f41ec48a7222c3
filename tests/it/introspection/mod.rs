//! Introspection: the request, the response and its checks, the cache, and every fault (RFC 7662, RFC 9701).

mod cache;
mod circuit_breaker;
mod client;
mod client_auth;
mod cold_start;
mod configuration;
mod credentials;
mod credentials_check;
mod dispatch;
mod endpoint;
mod faults;
mod fresh_connections;
mod goodput;
mod http_client;
mod limits;
mod load;
#[cfg(feature = "reqwest")]
mod mtls;
#[cfg(feature = "reqwest")]
mod over_http;
mod poison_tokens;
mod refresh_ahead;
mod request;
mod response;
mod retry_after;
mod revocable_jwts;
mod signed;
mod single_flight;
mod stale;
mod still_active;
mod without_expiry;

use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;
use tower::Layer;
use tower_bearer::diagnostics::{CheckResult, Explanation, IntrospectionStatus};
use tower_bearer::testing::{Endpoint, TestIssuer, TokenBuilder};
use tower_bearer::time::Clock;
use tower_bearer::{BearerAuth, BearerAuthBuilder, Introspection, Issuer, RejectionKind, Require};

use crate::support::introspected::introspection;
use crate::support::protected::{API, ApiResponse, Handler, Outcome, Protected, get, send};

const INACTIVE: Outcome = Err(RejectionKind::TokenInactive);
const UNAVAILABLE: Outcome = Err(RejectionKind::IntrospectionUnavailable);
const MISCONFIGURED: Outcome = Err(RejectionKind::IntrospectionMisconfigured);

/// A route that needs the scope `a` and a token that is still active.
fn payments() -> Require {
    Require::scope("a").still_active()
}

/// An API and the issuer that introspects its tokens.
struct Api {
    idp: TestIssuer,
    auth: BearerAuth,
    protected: Protected,
}

impl Api {
    /// Introspects opaque tokens; all settings have their defaults.
    fn new() -> Self {
        Self::introspecting(introspection())
    }

    fn introspecting(introspection: Introspection) -> Self {
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
        let auth = build(builder.issuer(configure(idp.issuer()))).skip_start_check().build().unwrap();
        Self { protected: Protected::by(&auth), auth, idp }
    }

    /// A valid token, before it is issued.
    fn token(&self) -> TokenBuilder {
        self.idp.token(API).subject("alice").scope("a b")
    }

    /// The outcome of a request with this token.
    async fn outcome(&self, token: impl AsRef<str>) -> Outcome {
        self.protected.outcome(token).await
    }

    /// The response of a route with further requirements.
    async fn on_route(&self, route: &Require, token: impl AsRef<str>) -> ApiResponse {
        send(self.auth.layer(route.layer(Handler::default())), get(token)).await
    }

    /// Sets a member of every introspection response, or removes it if `value` is `None`.
    fn set_member(&self, member: &'static str, value: Option<Value>) {
        self.idp.alter_introspection(move |response| {
            match &value {
                Some(value) => response.insert(member.to_owned(), value.clone()),
                None => response.remove(member),
            };
        });
    }

    /// The number of introspection requests.
    fn calls(&self) -> usize {
        self.idp.requests(Endpoint::Introspection)
    }

    fn status(&self) -> IntrospectionStatus {
        self.auth.status().remove(0).introspection().unwrap().clone()
    }

    fn now(&self) -> u64 {
        self.idp.clock().now().duration_since(UNIX_EPOCH).unwrap().as_secs()
    }

    /// Advances both tokio's time and the clock of the issuer.
    async fn pass(&self, time: Duration) {
        self.idp.clock().advance(time);
        tokio::time::sleep(time).await;
    }
}

/// The checks that failed, and the kind of each failure.
fn failing(explanation: &Explanation) -> Vec<(&str, RejectionKind)> {
    let failing = explanation.findings().iter().filter_map(|finding| match finding.result() {
        CheckResult::Failed(kind) => Some((finding.check(), kind)),
        _ => None,
    });
    failing.collect()
}
