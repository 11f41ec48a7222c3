//! Routes that require `still_active` or `still_active_within`.

use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use serde_json::json;
use tokio::sync::Notify;
use tower::limit::ConcurrencyLimitLayer;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_bearer::BearerAuthBuilder;
use tower_bearer::RejectionKind::{Missing, NotCovered, RequirementUnmet, ScopeInsufficient};
use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
use tower_bearer::{BearerAuth, FormBodyToken, Require, TokenSource};
use tracing::Level;

use super::{Api, INACTIVE, MISCONFIGURED, UNAVAILABLE, payments};
use crate::support::introspected::{SECOND, introspection};
use crate::support::log::{Entry, Log};
use crate::support::protected::{ACCEPTED, API, Handler, anonymous, get, send};

#[tokio::test(start_paused = true)]
async fn still_active_rejects_a_token_right_after_its_revocation() {
    for (name, api) in
        [("opaque tokens", Api::new()), ("JWTs too", Api::introspecting(introspection().also_jwts()))]
    {
        for (form, token) in [("opaque", api.token().opaque()), ("JWT", api.token().sign())] {
            let name = format!("{name}: {form}");
            assert_eq!(api.outcome(&token).await, ACCEPTED, "{name}");
            let calls = api.calls();
            let response = api.on_route(&payments(), &token).await;
            assert_eq!((response.outcome(), api.calls()), (ACCEPTED, calls + 1), "{name}: one more call");
            assert_eq!(response.token().unwrap().subject(), Some("alice"), "{name}");
            api.idp.revoke(&token);
            assert_eq!(api.on_route(&payments(), &token).await.outcome(), INACTIVE, "{name}");
            // All routes share the result.
            let introspected_by_the_route_only = form == "JWT" && name.starts_with("opaque");
            let outcome = if introspected_by_the_route_only { ACCEPTED } else { INACTIVE };
            assert_eq!(api.outcome(&token).await, outcome, "{name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn still_active_within_accepts_a_recent_response() {
    let api = Api::new();
    let route = Require::scope("a").still_active_within(5 * SECOND);
    let token = api.token().opaque();
    for (name, wait, calls) in [
        ("new", Duration::ZERO, 1),
        ("at once", Duration::ZERO, 1),
        ("as old as allowed", 5 * SECOND, 1),
        ("older", Duration::from_millis(1), 2),
        ("young again", 4 * SECOND, 2),
    ] {
        api.pass(wait).await;
        assert_eq!(api.on_route(&route, &token).await.outcome(), ACCEPTED, "{name}");
        assert_eq!(api.calls(), calls, "{name}");
    }
    api.idp.revoke(&token);
    api.pass(2 * SECOND).await;
    assert_eq!(api.outcome(&token).await, ACCEPTED, "the response is cached");
    assert_eq!(api.on_route(&route, &token).await.outcome(), INACTIVE);

    // An age beyond the TTL has no effect.
    let long = Require::token().still_active_within(Duration::MAX);
    let token = api.token().opaque();
    assert_eq!(api.on_route(&long, &token).await.outcome(), ACCEPTED);
    api.idp.revoke(&token);
    api.pass(30 * SECOND).await;
    assert_eq!(api.on_route(&long, &token).await.outcome(), INACTIVE);
}

#[tokio::test(start_paused = true)]
async fn a_route_checks_the_scopes_of_the_new_response() {
    let api = Api::new();
    let token = api.token().opaque();
    assert_eq!(api.on_route(&payments(), &token).await.outcome(), ACCEPTED);
    api.idp.alter_introspection(|response| {
        response.insert("scope".to_owned(), json!("b"));
    });
    assert_eq!(
        api.on_route(&Require::scope("a"), &token).await.outcome(),
        ACCEPTED,
        "the cached response has the scope"
    );
    assert_eq!(api.on_route(&payments(), &token).await.outcome(), Err(ScopeInsufficient));
    assert_eq!(api.on_route(&Require::scope("a"), &token).await.outcome(), Err(ScopeInsufficient));
    let route = Require::token().check(|token, _| token.scopes().contains("a")).still_active();
    assert_eq!(api.on_route(&route, &token).await.outcome(), Err(RequirementUnmet));

    // A missing scope is rejected before a call.
    let calls = api.calls();
    let route = Require::scope("z").still_active();
    assert_eq!(api.on_route(&route, &token).await.outcome(), Err(ScopeInsufficient));
    assert_eq!(api.calls(), calls);
}

#[tokio::test(start_paused = true)]
async fn still_active_without_introspection_gives_500() {
    let api = Api::with(|issuer| issuer);
    let token = api.token().sign();
    assert_eq!(api.outcome(&token).await, ACCEPTED);
    let response = api.on_route(&payments(), &token).await;
    assert_eq!((response.outcome(), response.status()), (MISCONFIGURED, 500));
    assert!(response.rejection().unwrap().description().contains("as configured"));
    let uncovered = send(payments().layer(Handler::default()), get(&token)).await;
    assert_eq!(uncovered.outcome(), Err(NotCovered));
}

#[tokio::test(start_paused = true)]
async fn still_active_without_introspection_is_reported_once_with_a_hint() {
    let api = Api::with(|issuer| issuer);
    let log = Log::start();
    for _ in 0..3 {
        assert_eq!(api.on_route(&payments(), api.token().sign()).await.outcome(), MISCONFIGURED);
    }
    let events = log.events();
    let is_report = |event: &&Entry| event.field("message").is_some_and(|text| text.starts_with("a route"));
    let reports: Vec<_> = events.iter().filter(is_report).collect();
    let [report] = reports[..] else { panic!("{reports:?}") };
    assert_eq!((report.level, report.field("issuer")), (Level::ERROR, Some(api.idp.identifier())));
    assert!(report.field("hint").is_some_and(|hint| hint.contains("still_active")), "{report:?}");
    assert_eq!(log.requests().iter().filter(|event| event.level == Level::ERROR).count(), 3);
}

#[tokio::test(start_paused = true)]
async fn still_active_works_with_tokens_from_every_source() {
    let sources = |builder: BearerAuthBuilder| {
        builder.add_token_source(TokenSource::cookie("__Host-token")).add_token_source(TokenSource::query())
    };
    for (name, api) in [
        ("forwarded", Api::of(TestIssuer::new(), |issuer| issuer.introspect(introspection()), sources)),
        (
            "stripped",
            Api::of(
                TestIssuer::new(),
                |issuer| issuer.introspect(introspection()),
                |builder| sources(builder).strip_credentials(),
            ),
        ),
    ] {
        for place in ["header", "cookie", "query", "form"] {
            for token in [api.token().sign(), api.token().opaque()] {
                let request = || {
                    let mut request = anonymous("POST");
                    match place {
                        "header" => return get(&token),
                        "cookie" => {
                            let cookie = format!("__Host-token={token}").parse().unwrap();
                            request.headers_mut().insert("cookie", cookie);
                        }
                        "query" => {
                            let uri = format!("https://api.example.com/?access_token={token}");
                            *request.uri_mut() = uri.parse().unwrap();
                        }
                        _ => {
                            let form = "application/x-www-form-urlencoded".parse().unwrap();
                            request.headers_mut().insert("content-type", form);
                            *request.body_mut() = Full::new(Bytes::from(format!("access_token={token}")));
                        }
                    }
                    request
                };
                let call = async || {
                    let guarded = api.auth.layer(payments().layer(Handler::default()));
                    send(FormBodyToken::up_to(1 << 16).layer(guarded), request()).await.outcome()
                };
                assert_eq!(call().await, ACCEPTED, "{name} {place}");
                let calls = api.calls();
                assert_eq!(call().await, ACCEPTED, "{name} {place}");
                assert_eq!(api.calls(), calls + 1, "{name} {place}");
                api.idp.revoke(&token);
                assert_eq!(call().await, INACTIVE, "{name} {place}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn still_active_requires_a_token_under_optional() {
    let api =
        Api::of(TestIssuer::new(), |issuer| issuer.introspect(introspection()), BearerAuthBuilder::optional);
    assert_eq!(api.protected.send(anonymous("GET")).await.outcome(), ACCEPTED);
    let guarded = || api.auth.layer(Require::token().still_active().layer(Handler::default()));
    assert_eq!(send(guarded(), anonymous("GET")).await.outcome(), Err(Missing));
    assert_eq!(send(guarded(), get(api.token().opaque())).await.outcome(), ACCEPTED);
    assert_eq!(send(guarded(), get("never-issued")).await.outcome(), INACTIVE);
}

#[tokio::test(start_paused = true)]
async fn still_active_gives_503_during_an_outage() {
    let api = Api::introspecting(introspection().also_jwts().serve_stale(3600 * SECOND));
    assert_eq!(api.auth.bounds().revoked_token_in_outage().value(), Some(3630 * SECOND));
    let tokens = [api.token().lifetime(3600 * SECOND).opaque(), api.token().lifetime(3600 * SECOND).sign()];
    for token in &tokens {
        assert_eq!(api.on_route(&payments(), token).await.outcome(), ACCEPTED);
    }
    api.idp.set_fault(Endpoint::Introspection, Some(Fault::Refuse));
    for wait in [0, 10, 25] {
        api.pass(wait * SECOND).await;
        for token in &tokens {
            let response = api.on_route(&payments(), token).await;
            assert_eq!((response.outcome(), response.status()), (UNAVAILABLE, 503));
            assert_eq!(api.outcome(token).await, ACCEPTED, "other routes accept a stale response");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn concurrent_requests_share_a_call_that_started_after_they_arrived() {
    let api = Api::new();
    let token = api.token().opaque();
    assert_eq!(api.outcome(&token).await, ACCEPTED);
    api.idp.set_fault(Endpoint::Introspection, Some(Fault::Delay(SECOND)));
    let route = payments();
    let call = || api.on_route(&route, &token);
    let calls = api.calls();
    let ((a, b), (c, d)) = tokio::join!(async { tokio::join!(call(), call()) }, async {
        // The call of the first two is in flight, and started before these two arrived.
        tokio::time::sleep(SECOND / 2).await;
        api.idp.revoke(&token);
        tokio::join!(call(), call())
    });
    assert_eq!(a.outcome(), ACCEPTED);
    assert_eq!([b.outcome(), c.outcome(), d.outcome()], [INACTIVE; 3]);
    assert_eq!(api.calls(), calls + 2);
}

/// `ConcurrencyLimit` is the inner service. A permit is acquired only after introspection.
#[tokio::test(start_paused = true)]
async fn a_request_that_waits_for_introspection_holds_no_permit_of_the_inner_service() {
    let api = Api::new();
    let release = Arc::new(Notify::new());
    let slow = {
        let release = Arc::clone(&release);
        service_fn(move |_: Request<Full<Bytes>>| {
            let release = Arc::clone(&release);
            async move {
                release.notified().await;
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"done"))))
            }
        })
    };
    let limited = ConcurrencyLimitLayer::new(1).layer(slow);
    let service = api.auth.layer(payments().layer(limited));
    let token = api.token().opaque();
    let call = || {
        let mut service = service.clone();
        let request = get(&token);
        async move { service.ready().await.unwrap().call(request).await.unwrap().status() }
    };
    let (mut first, mut second) = (tokio::spawn(call()), tokio::spawn(call()));
    // One request is in the handler, the other waits for a permit.
    tokio::time::sleep(60 * SECOND).await;
    assert!(!first.is_finished() && !second.is_finished());
    release.notify_one();
    tokio::select! {
        status = &mut first => assert_eq!(status.unwrap(), 200),
        status = &mut second => assert_eq!(status.unwrap(), 200),
    }
    release.notify_one();
    let rest = async { if first.is_finished() { second.await } else { first.await } };
    assert_eq!(bounded(rest).await.unwrap(), 200);
}

async fn bounded<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(60 * SECOND, future).await.expect("the request completes")
}

/// `poll_ready` reserves a permit. A waiting request whose clone needs the same permit must not deadlock.
#[tokio::test(start_paused = true)]
async fn still_active_releases_the_permit_reserved_by_poll_ready() {
    let api = Api::new();
    let limited = ConcurrencyLimitLayer::new(1).layer(Handler::default());
    let buffered = tower::buffer::Buffer::new(payments().layer(limited), 8);
    let service = api.auth.layer(buffered);
    let token = api.token().opaque();
    for round in 0..3 {
        let mut service = service.clone();
        let response = async { service.ready().await.unwrap().call(get(&token)).await.unwrap().status() };
        assert_eq!(bounded(response).await, 200, "{round}");
    }
}

#[tokio::test(start_paused = true)]
async fn still_active_within_never_accepts_a_stale_response() {
    let api = Api::introspecting(introspection().serve_stale(3600 * SECOND));
    let token = api.token().scope("payments:write").lifetime(3600 * SECOND).opaque();
    for age in [Duration::MAX, 3000 * SECOND] {
        let route = Require::token().still_active_within(age);
        assert_eq!(api.on_route(&route, &token).await.outcome(), ACCEPTED);
        let before = api.calls();
        assert_eq!(api.on_route(&route, &token).await.outcome(), ACCEPTED);
        assert_eq!(api.calls(), before, "{age:?}: the response is cached");
        api.idp.set_fault(Endpoint::Introspection, Some(Fault::Refuse));
        api.pass(40 * SECOND).await;
        assert_eq!(api.on_route(&route, &token).await.outcome(), UNAVAILABLE, "{age:?}");
        assert_eq!(api.outcome(&token).await, ACCEPTED, "other routes accept a stale response");
        api.idp.set_fault(Endpoint::Introspection, None);
        api.pass(20 * SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_revoked_token_cannot_trigger_unlimited_requests() {
    let api = Api::introspecting(introspection().opaque_none());
    let token = api.token().sign();
    let route = Require::token().still_active();
    assert_eq!(api.on_route(&route, &token).await.outcome(), ACCEPTED);
    api.idp.revoke(&token);
    for _ in 0..50 {
        assert_eq!(api.on_route(&route, &token).await.outcome(), INACTIVE);
        api.pass(SECOND / 10).await;
    }
    assert_eq!(api.calls(), 2);
    api.pass(10 * SECOND).await;
    assert_eq!((api.on_route(&route, &token).await.outcome(), api.calls()), (INACTIVE, 3));
}

/// Both introspect the token, but the request waits no longer than for one: 1 s in the queue and 3 s.
#[tokio::test(start_paused = true)]
async fn bearer_auth_and_still_active_share_one_deadline() {
    let api = Api::new();
    let token = api.token().opaque();
    for (halves, outcome, within, then) in [(2, ACCEPTED, 2, 30), (5, UNAVAILABLE, 4, 2), (5, ACCEPTED, 2, 0)]
    {
        let delay = halves * SECOND / 2;
        api.idp.set_fault(Endpoint::Introspection, Some(Fault::Delay(delay)));
        let start = tokio::time::Instant::now();
        assert_eq!(api.on_route(&payments(), &token).await.outcome(), outcome, "{delay:?}");
        assert_eq!(start.elapsed().as_secs(), within, "{delay:?}");
        // Ends the TTL, or the call that the request did not wait for.
        api.pass(then * SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn nested_layers_and_still_active_share_one_deadline() {
    let api = Api::new();
    let token = api.token().opaque();
    assert_eq!(api.outcome(&token).await, ACCEPTED, "the inner layer caches the response");
    let builder = BearerAuth::builder(API).clock(api.idp.clock()).http_client(api.idp.http_client());
    let outer = builder.issuer(api.idp.issuer().introspect(introspection())).build().unwrap();
    let service = outer.layer(api.auth.layer(payments().layer(Handler::default())));
    api.idp.set_fault(Endpoint::Introspection, Some(Fault::Delay(SECOND * 5 / 2)));
    let start = tokio::time::Instant::now();
    assert_eq!(send(service, get(&token)).await.outcome(), UNAVAILABLE);
    assert_eq!(start.elapsed(), 4 * SECOND);
}
