//! After five failures in a row nothing is asked for ten seconds; then one call finds out.

use std::time::Duration;

use tokio::task::JoinSet;
use tower_bearer::diagnostics::CircuitState;
use tower_bearer::diagnostics::IntrospectionErrorKind;
use tower_bearer::testing::Fault;
use tracing::Level;

use crate::support::events::Log;
use crate::support::introspected::{IssuerIntrospection, SECOND, retry_after, timed};
use crate::support::net::Reply;
use crate::support::protected::{API, at_once};
use crate::support::wire::Act;

const UNAVAILABLE: &str = "introspection_unavailable";
const MILLI: Duration = Duration::from_millis(1);

/// A thousand requests at once, each with a token of its own: what becomes of them.
async fn a_thousand_kinds(of: &IssuerIntrospection) -> Vec<String> {
    let mut requests = JoinSet::new();
    for _ in 0..1000 {
        let (api, token) = (of.api.clone(), of.opaque());
        requests.spawn(async move { api.kind(token).await });
    }
    requests.join_all().await
}

#[tokio::test(start_paused = true)]
async fn after_five_failures_the_answer_comes_at_once_and_without_a_call_for_ten_seconds() {
    for fault in [Fault::Refuse, Fault::Hang, Fault::Status(500), Fault::Status(404)] {
        let of = IssuerIntrospection::new();
        let log = Log::start();
        of.open_the_circuit(fault.clone()).await;
        for tenth in 0..100 {
            let answer = at_once(of.api.get(of.opaque()));
            assert_eq!(answer.kind(), UNAVAILABLE);
            let told = retry_after(&answer).unwrap();
            assert_eq!(told, 10 - tenth / 10, "{fault:?}: after {tenth} tenths of a second");
            of.pass(100 * MILLI).await;
        }
        assert_eq!(of.calls(), 5, "{fault:?}");
        assert_eq!(of.circuit(), CircuitState::HalfOpen, "{fault:?}");
        let opened: Vec<_> =
            log.events().into_iter().filter(|event| event.field("circuit").is_some()).collect();
        assert_eq!(opened.len(), 1, "{fault:?}");
        assert_eq!((opened[0].level, opened[0].field("circuit")), (Level::WARN, Some("open")), "{fault:?}");
        assert_eq!(opened[0].field("issuer"), Some("https://issuer.test"), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_call_finds_out_however_many_requests_come() {
    let of = IssuerIntrospection::new();
    of.open_the_circuit(Fault::Status(500)).await;

    // It fails: ten seconds more, as often as need be.
    for round in 1..=3 {
        of.pass(10 * SECOND).await;
        of.fail(Fault::Hang);
        let (kinds, waited) = timed(a_thousand_kinds(&of)).await;
        assert!(kinds.iter().all(|kind| kind == UNAVAILABLE));
        assert_eq!((of.calls(), of.circuit()), (5 + round, CircuitState::Open));
        assert_eq!(waited, 3 * SECOND, "only the one that finds out waits");
        of.pass(9 * SECOND).await;
        assert_eq!(a_thousand_kinds(&of).await.len(), 1000);
        assert_eq!(of.calls(), 5 + round);
        of.pass(SECOND).await;
        assert_eq!(of.circuit(), CircuitState::HalfOpen);
        of.pass(MILLI).await;
    }

    // It succeeds: closed for all, and five more failures are needed to open it.
    let log = Log::start();
    of.fail(Fault::Delay(SECOND));
    let kinds = a_thousand_kinds(&of).await;
    assert_eq!(kinds.iter().filter(|kind| *kind == "ok").count(), 1);
    assert_eq!((of.calls(), of.circuit()), (9, CircuitState::Closed));
    let closed: Vec<_> = log.events().into_iter().filter(|event| event.field("circuit").is_some()).collect();
    assert_eq!(closed.len(), 1);
    of.fail(None);
    assert_eq!((closed[0].level, closed[0].field("circuit")), (Level::INFO, Some("closed")));
    assert_eq!(a_thousand_kinds(&of).await.iter().filter(|kind| *kind == "ok").count(), 1000);
    of.open_the_circuit(Fault::Status(500)).await;
}

#[tokio::test(start_paused = true)]
async fn while_one_call_finds_out_the_circuit_is_half_open() {
    let of = IssuerIntrospection::new();
    of.open_the_circuit(Fault::Status(500)).await;
    of.pass(10 * SECOND).await;
    of.fail(Fault::Delay(2 * SECOND));
    let (api, token) = (of.api.clone(), of.opaque());
    let first = tokio::spawn(async move { api.kind(token).await });
    of.pass(SECOND).await;
    assert_eq!((of.circuit(), of.status().calls_in_flight()), (CircuitState::HalfOpen, 1));
    assert_eq!(of.api.kind_at_once(of.opaque()), UNAVAILABLE);
    assert_eq!(first.await.unwrap(), "ok");
    assert_eq!(of.circuit(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn failures_that_are_not_in_a_row_do_not_add_up() {
    let of = IssuerIntrospection::new();
    for _ in 0..20 {
        of.idp.set_fault_for(tower_bearer::testing::Endpoint::Introspection, Fault::Status(500), 4);
        for _ in 0..4 {
            assert_eq!(of.kind_of_new().await, UNAVAILABLE);
        }
        assert_eq!(of.kind_of_new().await, "ok");
        assert_eq!(of.circuit(), CircuitState::Closed);
    }
    assert_eq!(of.calls(), 100);
}

/// An odd token can be made up by anybody.
#[tokio::test(start_paused = true)]
async fn what_may_be_due_to_one_token_shuts_nobody_out() {
    let error = |error: &str| Fault::Json(400, format!(r#"{{"error":"{error}"}}"#));
    for fault in [
        Fault::Status(400),
        Fault::Status(403),
        error("invalid_request"),
        error("unsupported_token_type"),
        error("unauthorized_client"),
        error("invalid_client"),
    ] {
        let of = IssuerIntrospection::new();
        of.fail(fault.clone());
        for n in 0..100 {
            assert_ne!(of.kind_of_new().await, "ok", "{fault:?}");
            assert_eq!((of.calls(), of.circuit()), (n + 1, CircuitState::Closed), "{fault:?}");
        }
        of.fail(None);
        assert_eq!(of.kind_of_new().await, "ok", "{fault:?}");
    }
    // Nor does what is said of a token that is not active, or meant for somebody else.
    let of = IssuerIntrospection::new();
    for n in 0..100 {
        assert_eq!(of.api.kind(format!("made-up-{n}")).await, "token_inactive");
        let elsewhere = of.idp.token("https://elsewhere.example.com").opaque();
        assert_eq!(of.api.kind(elsewhere).await, "audience_mismatch");
        assert_eq!(of.circuit(), CircuitState::Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_refused_stays_a_fault_of_the_configuration_while_nothing_is_asked() {
    let of = IssuerIntrospection::new();
    of.fail(Fault::Status(401));
    for n in 1..=20 {
        assert_eq!(of.kind_of_new().await, "introspection_misconfigured");
        assert_eq!(of.calls(), n.min(5));
    }
    assert_eq!(
        (of.circuit(), of.why()),
        (CircuitState::Open, Some(IntrospectionErrorKind::ClientRejected(401)))
    );
    of.fail(None);
    of.pass(10 * SECOND).await;
    assert_eq!(of.kind_of_new().await, "ok");
}

/// Tokens that are remembered need no call.
#[tokio::test(start_paused = true)]
async fn remembered_tokens_pass_while_the_circuit_is_open() {
    let of = IssuerIntrospection::new();
    let (token, jwt) = (of.opaque(), of.idp.token(API).sign());
    assert_eq!(of.api.kind(&token).await, "ok");
    assert_eq!(of.api.kind("made-up").await, "token_inactive");
    of.open_the_circuit(Fault::Status(500)).await;
    assert_eq!(of.api.kind_at_once(&token), "ok");
    assert_eq!(of.api.kind_at_once("made-up"), "token_inactive");
    assert_eq!(of.api.kind(&jwt).await, "ok");
    // For as long as they are, and no longer.
    of.pass(29 * SECOND).await;
    assert_eq!(of.api.kind_at_once(&token), "ok");
    of.pass(SECOND).await;
    assert_eq!(of.api.kind(&token).await, UNAVAILABLE);
}

#[tokio::test(start_paused = true)]
async fn a_route_that_asks_anew_is_shut_while_the_circuit_is_open() {
    let of = IssuerIntrospection::new();
    let route = of.asking_now();
    let token = of.opaque();
    assert_eq!(route.kind(&token).await, "ok");
    of.open_the_circuit(Fault::Status(500)).await;
    assert_eq!(of.api.kind_at_once(&token), "ok");
    assert_eq!(timed(route.kind(&token)).await, (UNAVAILABLE.to_owned(), Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_lost_while_it_finds_out_does_not_keep_the_circuit_open() {
    for act in [Act::Panic, Act::PanicAtOnce] {
        let of = IssuerIntrospection::new();
        of.open_the_circuit(Fault::Status(500)).await;
        of.fail(None);
        of.pass(10 * SECOND).await;
        of.wire.always(act);
        for _ in 0..3 {
            assert_eq!(of.kind_of_new().await, UNAVAILABLE);
            assert_eq!(of.circuit(), CircuitState::HalfOpen);
        }
        of.wire.always(Act::Pass);
        assert_eq!(of.kind_of_new().await, "ok");
        assert_eq!(of.circuit(), CircuitState::Closed);
    }
}

/// With a limit that is longer than the pause, calls from before it end while another finds out.
#[tokio::test(start_paused = true)]
async fn calls_from_before_do_not_let_a_second_one_find_out() {
    for old_ends in ["failing", "panicking", "with another status"] {
        let of = IssuerIntrospection::with(|introspection| introspection.timeout(60 * SECOND));
        let act = match old_ends {
            "failing" => Act::Instead(Reply::status(500)),
            "panicking" => Act::Panic,
            _ => Act::Instead(Reply::status(204)),
        };
        of.wire.once(Act::After(12 * SECOND, Box::new(act)));
        let (api, token) = (of.api.clone(), of.opaque());
        let old = tokio::spawn(async move { api.kind(token).await });
        tokio::task::yield_now().await;
        of.pass(MILLI).await;
        of.open_the_circuit(Fault::Status(500)).await;
        of.pass(11 * SECOND).await;
        of.fail(Fault::Hang);
        let before = of.calls();
        let (api, token) = (of.api.clone(), of.opaque());
        let _finds_out = tokio::spawn(async move { api.kind(token).await });
        of.pass(2 * SECOND).await;
        assert!(old.await.is_ok());
        for _ in 0..10 {
            assert_eq!(of.api.kind(of.opaque()).await, UNAVAILABLE, "{old_ends}");
        }
        assert_eq!(of.calls() - before, 1, "{old_ends}: one finds out");
    }
}

/// Whoever holds a token that the issuer stumbles over must not shut everybody else out.
#[tokio::test(start_paused = true)]
async fn what_one_token_can_cause_does_not_open_the_circuit() {
    let lone_surrogate = r#"{"active":true,"name":"\ud800"}"#;
    for fault in [
        Fault::Body(lone_surrogate.to_owned()),
        Fault::Html,
        Fault::HugeBody(600 * 1024),
        Fault::Status(413),
        Fault::Status(414),
        Fault::Status(422),
        Fault::Status(431),
        Fault::Status(400),
        Fault::Status(403),
        Fault::Redirect("https://blocked.example.com".to_owned()),
    ] {
        let of = IssuerIntrospection::new();
        of.fail(fault.clone());
        for _ in 0..20 {
            assert_ne!(of.kind_of_new().await, "ok", "{fault:?}");
        }
        assert_eq!((of.circuit(), of.calls()), (CircuitState::Closed, 20), "{fault:?}");
        of.fail(None);
        assert_eq!(of.kind_of_new().await, "ok", "{fault:?}");
    }
}
