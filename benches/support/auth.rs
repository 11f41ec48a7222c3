//! The layers that the benches measure.

use std::sync::LazyLock;
use std::time::Duration;

use http::HeaderValue;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tower::{Layer, ServiceExt};
use tower_bearer::dpop::Dpop;
use tower_bearer::testing::TestIssuer;
use tower_bearer::{Algorithm, BearerAuth, BearerAuthBuilder, Issuer, TokenCache};

use super::request::{Empty, bare_request};
use super::token::API;

/// Runs key fetches and introspection requests before the measurement.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime"));

/// A layer with the default token cache.
pub(crate) fn warm(issuer: &TestIssuer, issuers: impl IntoIterator<Item = Issuer>) -> BearerAuth {
    builder(issuer, issuers).build().expect("a valid configuration")
}

/// A layer without a token cache: it verifies every token.
pub(crate) fn cold(issuer: &TestIssuer, issuers: impl IntoIterator<Item = Issuer>) -> BearerAuth {
    builder(issuer, issuers).token_cache(TokenCache::disabled()).build().expect("a valid configuration")
}

/// A layer that accepts DPoP proofs. Its clock is that of the issuer.
pub(crate) fn with_dpop(issuer: &TestIssuer, dpop: Dpop) -> BearerAuth {
    let builder = builder(issuer, [with_static_keys(issuer)]).clock(issuer.clock()).dpop(dpop);
    builder.build().expect("a valid configuration")
}

/// A layer with the default token cache, static keys and further settings.
pub(crate) fn observed(
    issuer: &TestIssuer,
    configure: impl FnOnce(BearerAuthBuilder) -> BearerAuthBuilder,
) -> BearerAuth {
    configure(builder(issuer, [with_static_keys(issuer)])).build().expect("a valid configuration")
}

/// Uses the system clock, as in production. The clock of `TestIssuer` takes a lock.
fn builder(issuer: &TestIssuer, issuers: impl IntoIterator<Item = Issuer>) -> BearerAuthBuilder {
    let builder = BearerAuth::builder(API).http_client(issuer.http_client());
    issuers.into_iter().fold(builder, BearerAuthBuilder::add_issuer)
}

/// The issuer with a static key set.
pub(crate) fn with_static_keys(issuer: &TestIssuer) -> Issuer {
    Issuer::with_static_jwks(issuer.identifier(), issuer.jwks())
}

/// The issuer with introspection of all tokens, JWTs included. Active responses are cached for an hour.
pub(crate) fn with_introspection(issuer: &TestIssuer) -> Issuer {
    let introspection = issuer.introspection().also_jwts().active_ttl(Duration::from_secs(3600));
    with_static_keys(issuer).introspect(introspection)
}

/// `count` issuers in all: this one first, then others with the same keys.
pub(crate) fn with_other_issuers(issuer: &TestIssuer, count: usize) -> impl Iterator<Item = Issuer> {
    let jwks = issuer.jwks();
    let others = (1..count).map(move |number| {
        let identifier = format!("https://issuer-{number}.test");
        Issuer::with_static_jwks(identifier, jwks.clone()).algorithms([Algorithm::ES256])
    });
    std::iter::once(with_static_keys(issuer)).chain(others)
}

/// The issuer with `count` keys in addition to the published ones.
pub(crate) fn with_more_keys(issuer: &TestIssuer, count: usize) -> Issuer {
    let mut jwks: Value = serde_json::from_str(&issuer.jwks()).expect("JSON");
    let keys = jwks["keys"].as_array_mut().expect("keys");
    let first = keys[0].clone();
    keys.extend((0..count).map(|number| {
        let mut key = first.clone();
        key["kid"] = Value::from(format!("other-{number}"));
        key
    }));
    Issuer::with_static_jwks(issuer.identifier(), jwks.to_string())
}

/// Sends each token once, which caches keys, introspection responses and tokens.
pub(crate) fn warm_up(auth: &BearerAuth, headers: &[HeaderValue]) {
    for header in headers {
        let request = bare_request(Some(header.clone()));
        let response = RUNTIME.block_on(auth.layer(Empty).oneshot(request)).expect("infallible");
        assert_eq!(response.status(), 200);
    }
}
