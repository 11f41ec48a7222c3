//! Connections that die, clients that misbehave, and runtimes that end.

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tower_bearer::diagnostics::CircuitState;
use tower_bearer::diagnostics::IntrospectionErrorKind;
use tower_bearer::testing::{Endpoint, Fault};
use tower_bearer::transport::FetchErrorKind;

use crate::support::introspected::{IssuerIntrospection, SECOND, settle, timed};
use crate::support::net::Reply;
use crate::support::protected::{at_once, get};
use crate::support::wire::Act;

const UNAVAILABLE: &str = "introspection_unavailable";

#[tokio::test(start_paused = true)]
async fn a_connection_that_died_before_the_answer_costs_one_more_request_and_no_failure() {
    let of = IssuerIntrospection::new();
    for round in 1..=10 {
        of.wire.once(Act::Lost);
        assert_eq!(of.kind_of_new().await, "ok");
        assert_eq!(of.wire.total(), 2 * round);
    }
    assert_eq!(of.circuit(), CircuitState::Closed);
    let asked = of.wire.asked();
    assert_eq!(asked[0].body, asked[1].body, "the same question");
}

#[tokio::test(start_paused = true)]
async fn a_question_is_asked_twice_at_most() {
    let of = IssuerIntrospection::new();
    of.wire.always(Act::Lost);
    for round in 1..=5 {
        assert_eq!(of.kind_of_new().await, UNAVAILABLE);
        assert_eq!(of.wire.total(), 2 * round);
    }
    assert_eq!(
        (of.circuit(), of.why()),
        (CircuitState::Open, Some(IntrospectionErrorKind::Fetch(FetchErrorKind::ConnectionLost)))
    );
    let of = IssuerIntrospection::new();
    of.wire.then(vec![Act::Lost, Act::Instead(Reply::status(500))]);
    assert_eq!(of.kind_of_new().await, UNAVAILABLE);
    assert_eq!(
        (of.wire.total(), of.why()),
        (2, Some(IntrospectionErrorKind::Fetch(FetchErrorKind::Status(500))))
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_but_a_dead_connection_is_asked_again() {
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
        let of = IssuerIntrospection::new();
        of.wire.once(act);
        assert_eq!(of.kind_of_new().await, UNAVAILABLE);
        assert_eq!(of.wire.total(), 1);
    }
}

/// Both requests share the time that one may take.
#[tokio::test(start_paused = true)]
async fn a_second_request_gets_what_time_is_left() {
    let of = IssuerIntrospection::new();
    of.wire.then(vec![Act::After(2 * SECOND, Box::new(Act::Lost)), Act::Instead(Reply::Hang)]);
    let (kind, waited) = timed(of.kind_of_new()).await;
    assert_eq!((kind.as_str(), waited, of.wire.total()), (UNAVAILABLE, 3 * SECOND, 2));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_panics_costs_that_answer_only() {
    for act in [Act::Panic, Act::PanicAtOnce] {
        let of = IssuerIntrospection::new();
        let jwt = of.idp.token(crate::support::protected::API).sign();
        assert_eq!(of.api.kind(&jwt).await, "ok");
        of.wire.always(act);
        let token = of.opaque();
        let (kind, waited) = timed(of.api.kind(&token)).await;
        assert_eq!((kind.as_str(), waited), (UNAVAILABLE, Duration::ZERO));
        assert_eq!((of.status().calls_in_flight(), of.api.kind_at_once(&jwt)), (0, "ok".to_owned()));
        of.wire.always(Act::Pass);
        assert_eq!(of.api.kind(&token).await, "ok");
    }
}

/// In the look at the metadata as well, where a lock is held.
#[tokio::test(start_paused = true)]
async fn a_client_that_panics_while_the_endpoint_is_looked_up_costs_that_answer_only() {
    let of = IssuerIntrospection::discovered(|_, introspection| introspection);
    of.wire.then(vec![Act::Panic, Act::PanicAtOnce]);
    assert_eq!(of.kind_of_new().await, UNAVAILABLE);
    assert_eq!(of.kind_of_new().await, UNAVAILABLE);
    assert_eq!(of.kind_of_new().await, "ok");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_resolves_is_given_up_in_time() {
    let of = IssuerIntrospection::with(|introspection| introspection.timeout(SECOND / 2));
    of.wire.always(Act::Instead(Reply::Hang));
    let (kind, waited) = timed(of.kind_of_new()).await;
    assert_eq!((kind.as_str(), waited), (UNAVAILABLE, SECOND / 2));
    settle().await;
    assert_eq!(of.why(), Some(IntrospectionErrorKind::Fetch(FetchErrorKind::TimedOut)));
    assert_eq!(of.status().calls_in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_body_larger_than_asked_for_is_not_read() {
    let of = IssuerIntrospection::new();
    let good = r#"{"active":true,"aud":"https://api.example.com","exp":9999999999,"sub":"mallory","pad":""#;
    let padded = format!("{good}{}\"}}", "x".repeat(512 << 10));
    of.wire.always(Act::Instead(Reply::body(padded)));
    assert_eq!(of.kind_of_new().await, UNAVAILABLE);
    assert_eq!(of.why(), Some(IntrospectionErrorKind::Fetch(FetchErrorKind::TooLarge)));
    of.wire.always(Act::Instead(Reply::body(format!("{good}\"}}"))));
    assert_eq!(of.kind_of_new().await, "ok");
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

#[test]
fn a_runtime_that_ends_within_a_call_leaves_nothing_behind() {
    for found in [true, false] {
        let of = match found {
            true => IssuerIntrospection::new(),
            false => IssuerIntrospection::discovered(|_, introspection| introspection),
        };
        let token = of.opaque();
        of.idp.set_outage(Some(Fault::Hang));
        for _ in 0..20 {
            let first = runtime();
            let (api, asked) = (of.api.clone(), token.clone());
            first.spawn(async move { api.kind(asked).await });
            first.block_on(async { tokio::time::sleep(SECOND).await });
            drop(first);
            assert_eq!(of.status().calls_in_flight(), 0);
        }
        of.idp.set_outage(None);
        assert_eq!(runtime().block_on(of.api.kind(&token)), "ok", "the next runtime goes on");
        assert_eq!(of.circuit(), CircuitState::Closed);
    }
}

#[test]
fn a_runtime_that_ends_within_the_call_that_finds_out_does_not_jam_it() {
    let of = IssuerIntrospection::new();
    let first = runtime();
    first.block_on(of.open_the_circuit(Fault::Status(500)));
    of.fail(Fault::Hang);
    first.block_on(of.pass(10 * SECOND));
    let (api, token) = (of.api.clone(), of.opaque());
    first.spawn(async move { api.kind(token).await });
    first.block_on(async { tokio::time::sleep(SECOND).await });
    assert_eq!((of.circuit(), of.calls()), (CircuitState::HalfOpen, 6));
    drop(first);
    of.fail(None);
    // The other's time begins anew at the time of the machine; ten seconds of it may be to come.
    let second = runtime();
    second.block_on(of.pass(30 * SECOND));
    assert_eq!(second.block_on(of.kind_of_new()), "ok");
    assert_eq!(of.circuit(), CircuitState::Closed);
}

/// A request that waits on one runtime for a call that another runs is answered when that ends.
#[test]
fn who_waits_for_a_call_of_a_runtime_that_ends_is_answered_at_once() {
    let of = IssuerIntrospection::new();
    of.fail(Fault::Hang);
    let token = of.opaque();
    let (first, second) = (runtime(), runtime());
    let (api, asked) = (of.api.clone(), token.clone());
    first.spawn(async move { api.kind(asked).await });
    first.block_on(tokio::task::yield_now());
    let api = of.api.clone();
    let waits = second.spawn(async move { api.kind(token).await });
    second.block_on(tokio::task::yield_now());
    drop(first);
    assert_eq!(second.block_on(timed(waits)).0.unwrap(), UNAVAILABLE);
    assert_eq!(of.calls(), 1);
}

#[test]
fn without_a_runtime_it_is_an_outage_and_no_panic() {
    let of = IssuerIntrospection::new();
    let token = of.opaque();
    assert_eq!(at_once(of.api.get(&token)).kind(), UNAVAILABLE);
    assert_eq!(of.calls(), 0);
    // What is remembered needs none, and afterwards a runtime does its work.
    assert_eq!(runtime().block_on(of.api.kind(&token)), "ok");
    assert_eq!(of.api.kind_at_once(&token), "ok");
    assert_eq!(at_once(of.asking_now().send(get(&token))).kind(), UNAVAILABLE);
    assert_eq!(of.idp.requests(Endpoint::Introspection), 1);
    assert_eq!((of.circuit(), of.status().calls_in_flight()), (CircuitState::Closed, 0));
}

#[test]
fn without_a_runtime_nobody_is_ready_and_nothing_can_be_explained() {
    let of = IssuerIntrospection::discovered(|_, introspection| introspection);
    assert!(at_once(of.auth.ready()).is_err());
    assert!(!at_once(of.auth.explain(&of.opaque())).is_accepted());
    assert_eq!(of.wire.total(), 0);
}
