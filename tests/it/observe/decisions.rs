//! Each request is decided once, whatever becomes of it.

use std::convert::Infallible;
use std::future::{pending, ready};
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tokio::time::{sleep, timeout};
use tower::util::{MapResponse, Then};
use tower::{Layer, ServiceExt, service_fn};
use tower_bearer::RejectionKind::TokenExpired;
use tower_bearer::observe::{Decision, Observer};
use tower_bearer::testing::TestIssuer;
use tower_bearer::{AccessToken, BearerAuth, Require};

use super::Recorder;
use crate::support::introspected::{IssuerIntrospection, introspection};
use crate::support::log::Log;
use crate::support::protected::{ACCEPTED, API, Handler, Protected, anonymous, get, send};

const ACCEPTED_UNCACHED: &str = "accepted accepted 0 uncached Some(false)";
const ACCEPTED_CACHED: &str = "accepted accepted 0 cached Some(true)";
const SCOPE: &str = "rejected scope_insufficient 403 cached Some(true)";

/// An observed API whose keys are cached.
struct Observed {
    idp: TestIssuer,
    recorder: Recorder,
    auth: BearerAuth,
    /// A cached token without scopes.
    token: String,
}

impl Observed {
    async fn new() -> Self {
        let (idp, recorder) = (TestIssuer::new(), Recorder::default());
        let auth = idp.bearer_auth(API).observer(recorder.clone()).build().unwrap();
        let token = idp.token(API).sign();
        assert_eq!(Protected::by(&auth).outcome(&token).await, ACCEPTED);
        assert_eq!(recorder.decisions(), [ACCEPTED_UNCACHED]);
        Self { idp, recorder, auth, token }
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejected_request_is_reported_once_with_its_kind() {
    let api = Observed::new().await;
    let protected = Protected::by(&api.auth);
    let other = TestIssuer::new();
    for (token, expected) in [
        (None, "rejected missing 401 uncached None"),
        (Some("a b".to_owned()), "rejected malformed_request 400 uncached Some(false)"),
        (Some("x".repeat(20_000)), "rejected token_too_large 400 uncached None"),
        (Some("opaque".to_owned()), "rejected token_opaque 401 uncached Some(false)"),
        (Some(api.idp.token(API).expired().sign()), "rejected token_expired 401 uncached Some(false)"),
        (Some(other.token(API).sign()), "rejected signature_mismatch 401 uncached Some(false)"),
    ] {
        let request = token.map_or_else(|| anonymous("GET"), get);
        assert!(protected.send(request).await.outcome().is_err());
        assert_eq!(api.recorder.decisions(), [expected]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_a_route_or_a_handler_rejects_is_not_reported_as_accepted_too() {
    let api = Observed::new().await;
    let route = api.auth.layer(Require::scope("orders").layer(Handler::default()));
    assert!(send(route, get(&api.token)).await.outcome().is_err());
    assert_eq!(api.recorder.decisions(), [SCOPE], "a layer");
    let handler = api.auth.layer(service_fn(async |request: Request<Full<Bytes>>| {
        let token = request.extensions().get::<AccessToken>().unwrap();
        Ok::<_, Infallible>(token.require("orders").unwrap_err().into_http_response().map(Full::new))
    }));
    assert!(send(handler, get(&api.token)).await.outcome().is_err());
    assert_eq!(api.recorder.decisions(), [SCOPE], "a handler");
    let route = Require::scope("orders").layer(Handler::default());
    let without_extensions =
        MapResponse::new(route, |response: Response<_>| Response::new(response.into_body()));
    send(api.auth.layer(without_extensions), get(&api.token)).await;
    assert_eq!(api.recorder.decisions(), [SCOPE], "a layer in between drops the extensions");
}

#[tokio::test(start_paused = true)]
async fn a_request_that_a_route_rejects_is_reported_once_if_the_client_leaves() {
    let api = Observed::new().await;
    let route = Require::scope("orders").layer(Handler::default());
    let delayed = Then::new(route, async |response: Result<_, Infallible>| {
        sleep(Duration::from_secs(60)).await;
        response
    });
    let response = api.auth.layer(delayed).oneshot(get(&api.token));
    assert!(timeout(Duration::from_secs(1), response).await.is_err());
    assert_eq!(api.recorder.decisions(), [SCOPE]);
}

#[tokio::test(start_paused = true)]
async fn an_accepted_request_is_reported_even_if_there_is_no_response() {
    type Answer = Result<Response<Full<Bytes>>, io::Error>;
    let (api, log) = (Observed::new().await, Log::start());
    let failing = api.auth.layer(service_fn(|_: Request<Full<Bytes>>| {
        ready(Answer::Err(io::Error::other("the database is down")))
    }));
    assert!(failing.oneshot(get(&api.token)).await.is_err());
    assert_eq!(api.recorder.decisions(), [ACCEPTED_CACHED], "the service failed");
    assert_eq!(log.text().matches("request accepted").count(), 1);
    let slow = api.auth.layer(service_fn(|_: Request<Full<Bytes>>| pending::<Answer>()));
    assert!(timeout(Duration::from_secs(1), slow.oneshot(get(&api.token))).await.is_err());
    assert_eq!(api.recorder.decisions(), [ACCEPTED_CACHED], "the client left");
    let panicking = api.auth.layer(service_fn(async |_: Request<Full<Bytes>>| -> Answer { panic!("a bug") }));
    assert!(tokio::spawn(panicking.oneshot(get(&api.token))).await.is_err());
    assert_eq!(api.recorder.decisions(), [ACCEPTED_CACHED], "the service panicked");
    assert_eq!(log.text().matches("request accepted").count(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_request_without_a_token_is_reported_as_anonymous() {
    let (idp, recorder) = (TestIssuer::new(), Recorder::default());
    let auth = idp.bearer_auth(API).optional().observer(recorder.clone()).build().unwrap();
    assert_eq!(Protected::by(&auth).send(anonymous("GET")).await.outcome(), ACCEPTED);
    assert_eq!(recorder.decisions(), ["anonymous anonymous 0 uncached None"]);
    let route = auth.layer(Require::token().layer(Handler::default()));
    assert!(send(route, anonymous("GET")).await.outcome().is_err());
    assert_eq!(recorder.decisions(), ["rejected missing 401 uncached None"]);
}

#[tokio::test(start_paused = true)]
async fn the_source_says_what_decided_about_the_token() {
    let (setup, recorder) = (IssuerIntrospection::new(), Recorder::default());
    let issuer = setup.idp.issuer().introspect(introspection().endpoint(setup.idp.introspection_url()));
    let builder = BearerAuth::builder(API).clock(setup.idp.clock()).http_client(setup.net.clone());
    let auth = builder.issuer(issuer).skip_start_check().observer(recorder.clone()).build().unwrap();
    let (api, token) = (Protected::by(&auth), setup.opaque());
    assert_eq!(api.outcome(&token).await, ACCEPTED);
    assert_eq!(recorder.decisions(), ["accepted accepted 0 introspected Some(false)"]);
    for expected in [ACCEPTED_UNCACHED, ACCEPTED_CACHED] {
        // An opaque token is cached once the cached response accepts it.
        assert_eq!(api.outcome(&token).await, ACCEPTED);
        assert_eq!(recorder.decisions(), [expected]);
    }
    setup.pass(Duration::from_secs(31)).await;
    assert!(auth.authenticate(&token).await.is_ok());
    assert_eq!(recorder.decisions(), ["accepted accepted 0 introspected Some(true)"]);
    assert!(auth.authenticate("").await.is_err());
    assert_eq!(recorder.decisions(), ["rejected malformed_request 400 uncached Some(false)"]);
}

/// Records issuers, key ids and algorithms.
#[derive(Clone, Default)]
struct Keys(Arc<Mutex<Vec<[Option<String>; 3]>>>);

impl Observer for Keys {
    fn decided(&self, decision: &Decision<'_>) {
        let key = [decision.issuer(), decision.key_id(), decision.algorithm()];
        self.0.lock().unwrap().push(key.map(|text| text.map(str::to_owned)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_report_names_the_key_only_if_it_verified_the_signature() {
    let (idp, keys) = (TestIssuer::new(), Keys::default());
    let auth = idp.bearer_auth(API).observer(keys.clone()).build().unwrap();
    let unknown_key = idp.token(API).header("kid", "<script>").sign();
    assert!(Protected::by(&auth).outcome(unknown_key).await.is_err());
    assert_eq!(Protected::by(&auth).outcome(idp.token(API).expired().sign()).await, Err(TokenExpired));
    let token = idp.token(API).sign();
    assert_eq!(Protected::by(&auth).outcome(&token).await, ACCEPTED);
    let route = auth.layer(Require::scope("orders").layer(Handler::default()));
    assert!(send(route, get(&token)).await.outcome().is_err());
    let status = auth.status();
    let key_id = status[0].keys().unwrap().key_ids().first().cloned();
    let issuer = || Some("https://issuer.test".to_owned());
    let verified = [issuer(), key_id, Some("ES256".to_owned())];
    let unverified = [issuer(), None, None];
    assert_eq!(*keys.0.lock().unwrap(), [unverified.clone(), unverified, verified.clone(), verified]);
}

struct Panicking;

impl Observer for Panicking {
    fn decided(&self, _: &Decision<'_>) {
        panic!("a bug in an observer");
    }
}

#[tokio::test(start_paused = true)]
async fn an_observer_that_panics_changes_no_decision_and_stops_no_other_observer() {
    let (idp, recorder) = (TestIssuer::new(), Recorder::default());
    let auth = idp.bearer_auth(API).observer(Panicking).add_observer(recorder.clone()).build().unwrap();
    assert_eq!(Protected::by(&auth).outcome(idp.token(API).sign()).await, ACCEPTED);
    assert_eq!(Protected::by(&auth).outcome(idp.token(API).expired().sign()).await, Err(TokenExpired));
    let expected = [ACCEPTED_UNCACHED, "rejected token_expired 401 uncached Some(false)"];
    assert_eq!(recorder.decisions(), expected);
}
