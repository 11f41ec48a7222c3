//! Lost connections, faulty HTTP clients, and runtimes that shut down.

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tower_bearer::diagnostics::{CircuitState, IntrospectionErrorKind};
use tower_bearer::testing::{Endpoint, Fault};
use tower_bearer::transport::FetchErrorKind;

use super::UNAVAILABLE;
use crate::support::introspected::{IssuerIntrospection, SECOND, run_pending_tasks, timed};
use crate::support::net::{Act, Reply};
use crate::support::protected::{ACCEPTED, API, at_once, get};

#[tokio::test(start_paused = true)]
async fn a_connection_lost_before_the_response_is_retried_once_and_is_no_failure() {
    let setup = IssuerIntrospection::new();
    for round in 1..=10 {
        setup.net.once(Act::Lost);
        assert_eq!(setup.outcome_of_new().await, ACCEPTED);
        assert_eq!(setup.net.total(), 2 * round);
    }
    assert_eq!(setup.circuit(), CircuitState::Closed);
    let sent = setup.net.sent();
    assert_eq!(sent[0].body, sent[1].body, "the retry sends the same body");
}

#[tokio::test(start_paused = true)]
async fn a_call_sends_at_most_two_requests() {
    let setup = IssuerIntrospection::new();
    setup.net.always(Act::Lost);
    for round in 1..=5 {
        assert_eq!(setup.outcome_of_new().await, UNAVAILABLE);
        assert_eq!(setup.net.total(), 2 * round);
    }
    assert_eq!(
        (setup.circuit(), setup.last_error()),
        (CircuitState::Closed, Some(IntrospectionErrorKind::Fetch(FetchErrorKind::ConnectionLost)))
    );
    let setup = IssuerIntrospection::new();
    setup.net.then(vec![Act::Lost, Act::Instead(Reply::status(500))]);
    assert_eq!(setup.outcome_of_new().await, UNAVAILABLE);
    assert_eq!(
        (setup.net.total(), setup.last_error()),
        (2, Some(IntrospectionErrorKind::Fetch(FetchErrorKind::Status(500))))
    );
}

#[tokio::test(start_paused = true)]
async fn only_a_lost_connection_is_retried() {
    for act in [
        Act::Instead(Reply::Refused),
        Act::Instead(Reply::Hang),
        Act::Instead(Reply::status(500)),
        Act::Instead(Reply::status(503)),
        Act::Instead(Reply::body("{")),
        Act::Instead(Reply::redirect(302, "https://issuer.test/introspect")),
        Act::Panic,
        Act::PanicAtOnce,
    ] {
        let setup = IssuerIntrospection::new();
        setup.net.once(act);
        assert_eq!(setup.outcome_of_new().await, UNAVAILABLE);
        assert_eq!(setup.net.total(), 1);
    }
}

/// Both requests share one timeout.
#[tokio::test(start_paused = true)]
async fn a_retry_shares_the_timeout_of_the_first_request() {
    let setup = IssuerIntrospection::new();
    setup.net.then(vec![Act::After(2 * SECOND, Box::new(Act::Lost)), Act::Instead(Reply::Hang)]);
    let (outcome, waited) = timed(setup.outcome_of_new()).await;
    assert_eq!((outcome, waited, setup.net.total()), (UNAVAILABLE, 3 * SECOND, 2));
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_client_fails_only_that_call() {
    for act in [Act::Panic, Act::PanicAtOnce] {
        let setup = IssuerIntrospection::new();
        let jwt = setup.idp.token(API).sign();
        assert_eq!(setup.api.outcome(&jwt).await, ACCEPTED);
        setup.net.always(act);
        let token = setup.opaque();
        let (outcome, waited) = timed(setup.api.outcome(&token)).await;
        assert_eq!((outcome, waited), (UNAVAILABLE, Duration::ZERO));
        assert_eq!((setup.status().calls_in_flight(), setup.api.outcome_at_once(&jwt)), (0, ACCEPTED));
        setup.net.always(Act::Pass);
        assert_eq!(setup.api.outcome(&token).await, ACCEPTED);
    }
}

/// Discovery holds a lock while it fetches the metadata.
#[tokio::test(start_paused = true)]
async fn a_panic_during_endpoint_discovery_fails_only_that_call() {
    let setup = IssuerIntrospection::discovered(|_, introspection| introspection);
    setup.net.then(vec![Act::Panic, Act::PanicAtOnce]);
    assert_eq!(setup.outcome_of_new().await, UNAVAILABLE);
    assert_eq!(setup.outcome_of_new().await, UNAVAILABLE);
    assert_eq!(setup.outcome_of_new().await, ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_resolves_times_out() {
    let setup = IssuerIntrospection::with(|introspection| introspection.timeout(SECOND / 2));
    setup.net.always(Act::Instead(Reply::Hang));
    let (outcome, waited) = timed(setup.outcome_of_new()).await;
    assert_eq!((outcome, waited), (UNAVAILABLE, SECOND / 2));
    run_pending_tasks().await;
    assert_eq!(setup.last_error(), Some(IntrospectionErrorKind::Fetch(FetchErrorKind::TimedOut)));
    assert_eq!(setup.status().calls_in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_body_over_the_size_limit_is_not_parsed() {
    let setup = IssuerIntrospection::new();
    let good = r#"{"active":true,"aud":"https://api.example.com","exp":9999999999,"sub":"mallory","pad":""#;
    let padded = format!("{good}{}\"}}", "x".repeat(512 << 10));
    setup.net.always(Act::Instead(Reply::body(padded)));
    assert_eq!(setup.outcome_of_new().await, UNAVAILABLE);
    assert_eq!(setup.last_error(), Some(IntrospectionErrorKind::Fetch(FetchErrorKind::TooLarge)));
    setup.net.always(Act::Instead(Reply::body(format!("{good}\"}}"))));
    assert_eq!(setup.outcome_of_new().await, ACCEPTED);
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

#[test]
fn a_runtime_shut_down_during_a_call_leaks_no_state() {
    for configured in [true, false] {
        let setup = match configured {
            true => IssuerIntrospection::new(),
            false => IssuerIntrospection::discovered(|_, introspection| introspection),
        };
        let token = setup.opaque();
        setup.idp.set_outage(Some(Fault::Hang));
        for _ in 0..20 {
            let first = runtime();
            let (api, same) = (setup.api.clone(), token.clone());
            first.spawn(async move { api.outcome(same).await });
            first.block_on(async { tokio::time::sleep(SECOND).await });
            drop(first);
            assert_eq!(setup.status().calls_in_flight(), 0);
        }
        setup.idp.set_outage(None);
        assert_eq!(runtime().block_on(setup.api.outcome(&token)), ACCEPTED, "the next runtime introspects");
        assert_eq!(setup.circuit(), CircuitState::Closed);
    }
}

#[test]
fn a_runtime_shut_down_during_the_probe_does_not_block_the_circuit_breaker() {
    let setup = IssuerIntrospection::new();
    let first = runtime();
    first.block_on(setup.open_the_circuit(Fault::Status(500)));
    setup.fail(Fault::Hang);
    first.block_on(setup.pass(10 * SECOND));
    let (api, token) = (setup.api.clone(), setup.opaque());
    first.spawn(async move { api.outcome(token).await });
    first.block_on(async { tokio::time::sleep(SECOND).await });
    assert_eq!((setup.circuit(), setup.calls()), (CircuitState::HalfOpen, 11));
    drop(first);
    setup.fail(None);
    // The paused time of the second runtime starts at the system time, so the circuit may stay open for up to
    // ten more seconds.
    let second = runtime();
    second.block_on(setup.pass(30 * SECOND));
    assert_eq!(second.block_on(setup.outcome_of_new()), ACCEPTED);
    assert_eq!(setup.circuit(), CircuitState::Closed);
}

/// The waiter runs on another runtime than the call.
#[test]
fn a_waiter_gets_503_when_the_runtime_of_the_shared_call_shuts_down() {
    let setup = IssuerIntrospection::new();
    setup.fail(Fault::Hang);
    let token = setup.opaque();
    let (first, second) = (runtime(), runtime());
    let (api, same) = (setup.api.clone(), token.clone());
    first.spawn(async move { api.outcome(same).await });
    first.block_on(tokio::task::yield_now());
    let api = setup.api.clone();
    let waiter = second.spawn(async move { api.outcome(token).await });
    second.block_on(tokio::task::yield_now());
    drop(first);
    assert_eq!(second.block_on(timed(waiter)).0.unwrap(), UNAVAILABLE);
    assert_eq!(setup.calls(), 1);
}

#[test]
fn without_a_runtime_requests_get_503_and_nothing_panics() {
    let setup = IssuerIntrospection::new();
    let token = setup.opaque();
    assert_eq!(at_once(setup.api.get(&token)).outcome(), UNAVAILABLE);
    assert_eq!(setup.calls(), 0);
    // A cached response needs no runtime. Afterwards a runtime works as usual.
    assert_eq!(runtime().block_on(setup.api.outcome(&token)), ACCEPTED);
    assert_eq!(setup.api.outcome_at_once(&token), ACCEPTED);
    assert_eq!(at_once(setup.still_active_route().send(get(&token))).outcome(), UNAVAILABLE);
    assert_eq!(setup.idp.requests(Endpoint::Introspection), 1);
    assert_eq!((setup.circuit(), setup.status().calls_in_flight()), (CircuitState::Closed, 0));
}

#[test]
fn without_a_runtime_ready_and_explain_fail() {
    let setup = IssuerIntrospection::discovered(|_, introspection| introspection);
    assert!(at_once(setup.auth.ready()).is_err());
    assert!(!at_once(setup.auth.explain(&setup.opaque())).is_accepted());
    assert_eq!(setup.net.total(), 0);
}
