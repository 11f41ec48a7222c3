//! The layers that are measured.

use std::sync::LazyLock;
use std::time::Duration;

use http::HeaderValue;
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tower::{Layer, ServiceExt};
use tower_bearer::testing::TestIssuer;
use tower_bearer::{Algorithm, BearerAuth, BearerAuthBuilder, Issuer, TokenCache};

use super::request::{Empty, bare_request};
use super::token::API;

/// Where keys are fetched and issuers asked, before anything is timed.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime can be had")
});

/// As a service has it that says nothing else.
pub(crate) fn warm(issuer: &TestIssuer, trusted: impl IntoIterator<Item = Issuer>) -> BearerAuth {
    trusting(issuer, trusted).build().expect("a good configuration")
}

/// Judges every token as one that it has not seen before.
pub(crate) fn cold(issuer: &TestIssuer, trusted: impl IntoIterator<Item = Issuer>) -> BearerAuth {
    trusting(issuer, trusted).token_cache(TokenCache::disabled()).build().expect("a good configuration")
}

/// With the machine's clock, as services have it: that of the issuer takes a lock.
fn trusting(issuer: &TestIssuer, trusted: impl IntoIterator<Item = Issuer>) -> BearerAuthBuilder {
    let builder = BearerAuth::builder(API).http_client(issuer.http_client());
    trusted.into_iter().fold(builder, BearerAuthBuilder::issuer)
}

/// With its keys given beforehand.
pub(crate) fn with_static_keys(issuer: &TestIssuer) -> Issuer {
    Issuer::with_static_jwks(issuer.identifier(), issuer.jwks())
}

/// Asked about every token, JWTs as well; what it says is remembered for an hour.
pub(crate) fn asked_about_tokens(issuer: &TestIssuer) -> Issuer {
    let introspection = issuer.introspection().also_jwts().active_ttl(Duration::from_secs(3600));
    with_static_keys(issuer).introspect(introspection)
}

/// The issuer among others, that many in all. Those have the same keys: only their number counts.
pub(crate) fn among(issuer: &TestIssuer, count: usize) -> impl Iterator<Item = Issuer> {
    let jwks = issuer.jwks();
    let others = (1..count).map(move |number| {
        let identifier = format!("https://issuer-{number}.test");
        Issuer::with_static_jwks(identifier, jwks.clone()).algorithms([Algorithm::ES256])
    });
    std::iter::once(with_static_keys(issuer)).chain(others)
}

/// The issuer with so many keys more than it has published.
pub(crate) fn with_more_keys(issuer: &TestIssuer, count: usize) -> Issuer {
    let mut jwks: Value = serde_json::from_str(&issuer.jwks()).expect("JSON");
    let keys = jwks["keys"].as_array_mut().expect("keys");
    let one = keys[0].clone();
    keys.extend((0..count).map(|number| {
        let mut key = one.clone();
        key["kid"] = Value::from(format!("other-{number}"));
        key
    }));
    Issuer::with_static_jwks(issuer.identifier(), jwks.to_string())
}

/// Shows each token once, so that keys are held, answers are there and tokens are known.
pub(crate) fn show(auth: &BearerAuth, headers: &[HeaderValue]) {
    for header in headers {
        let request = bare_request(Some(header.clone()));
        let response = RUNTIME.block_on(auth.layer(Empty).oneshot(request)).expect("infallible");
        assert_eq!(response.status(), 200);
    }
}
