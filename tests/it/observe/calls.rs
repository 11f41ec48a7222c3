//! Calls to authorization servers.

use std::convert::Infallible;

use tower_bearer::issuers::IssuerResolver;
use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
use tower_bearer::{BearerAuth, Issuer};

use super::Recorder;
use crate::support::introspected::{IssuerIntrospection, SECOND, introspection};
use crate::support::protected::{ACCEPTED, API, Protected};

#[tokio::test(start_paused = true)]
async fn key_fetches_are_reported_with_their_outcome() {
    let (idp, recorder) = (TestIssuer::new(), Recorder::default());
    let auth = idp.bearer_auth(API).skip_start_check().observer(recorder.clone()).build().unwrap();
    idp.set_fault(Endpoint::Jwks, Some(Fault::Status(500)));
    assert!(auth.ready().await.is_err());
    assert_eq!(recorder.take(), ["fetched https://issuer.test failed 0 1 None"]);
    idp.set_fault(Endpoint::Jwks, None);
    idp.clock().advance(SECOND * 60);
    tokio::time::sleep(SECOND * 60).await;
    auth.ready().await.unwrap();
    let reports = recorder.take();
    assert!(reports.last().unwrap().starts_with("fetched https://issuer.test loaded"), "{reports:?}");
}

#[tokio::test(start_paused = true)]
async fn issuers_of_a_resolver_are_reported_with_its_pattern() {
    const PATTERN: &str = "https://{tenant}.login.test";
    let (idp, recorder) = (TestIssuer::in_memory("https://acme.login.test"), Recorder::default());
    let resolver = IssuerResolver::new(PATTERN, async |request| {
        Ok::<_, Infallible>(Some(Issuer::discover(request.issuer())))
    });
    let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(idp.http_client());
    let auth = builder.resolve_issuers(resolver).observer(recorder.clone()).build().unwrap();
    assert_eq!(Protected::by(&auth).outcome(idp.token(API).sign()).await, ACCEPTED);
    let reports = recorder.take();
    let pattern = format!("{:?}", Some(PATTERN));
    assert!(reports[0].starts_with("fetched https://acme.login.test loaded"), "{reports:?}");
    assert!(reports[0].ends_with(&pattern), "{reports:?}");
}

#[tokio::test(start_paused = true)]
async fn introspection_requests_and_changes_of_the_circuit_breaker_are_reported() {
    let recorder = Recorder::default();
    let idp = TestIssuer::new();
    let mut setup = IssuerIntrospection::of(idp, |idp, it| it.endpoint(idp.introspection_url()));
    let issuer = setup.idp.issuer().introspect(introspection().endpoint(setup.idp.introspection_url()));
    let builder = BearerAuth::builder(API).clock(setup.idp.clock()).http_client(setup.net.clone());
    setup.auth = builder.issuer(issuer).skip_start_check().observer(recorder.clone()).build().unwrap();
    setup.api = Protected::by(&setup.auth);
    assert_eq!(setup.outcome_of_new().await, ACCEPTED);
    let calls = |lines: Vec<String>| -> Vec<String> {
        lines.into_iter().filter(|line| !line.starts_with("decided ")).collect()
    };
    assert_eq!(calls(recorder.take()), ["introspected https://issuer.test responded"]);
    setup.open_the_circuit(Fault::Status(500)).await;
    let reports = calls(recorder.take());
    let failed = |line: &&String| *line == "introspected https://issuer.test failed";
    // The breaker opens after ten calls, and one has succeeded.
    assert_eq!(reports.iter().filter(failed).count(), 9, "{reports:?}");
    assert!(reports.contains(&"circuit https://issuer.test true".to_owned()), "{reports:?}");
}
