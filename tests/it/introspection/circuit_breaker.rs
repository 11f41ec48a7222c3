//! The circuit breaker: five consecutive failures open it for ten seconds, then one probe decides.

use std::time::Duration;

use tokio::task::JoinSet;
use tower_bearer::RejectionKind::AudienceMismatch;
use tower_bearer::diagnostics::{CircuitState, IntrospectionErrorKind};
use tower_bearer::testing::{Endpoint, Fault};
use tracing::Level;

use super::{INACTIVE, MISCONFIGURED, UNAVAILABLE};
use crate::support::introspected::{IssuerIntrospection, SECOND, retry_after, timed};
use crate::support::log::Log;
use crate::support::net::{Act, Reply};
use crate::support::protected::{ACCEPTED, API, Outcome, at_once};

const MILLI: Duration = Duration::from_millis(1);

/// The outcomes of a thousand concurrent requests, each with a new token.
async fn thousand_outcomes(setup: &IssuerIntrospection) -> Vec<Outcome> {
    let mut requests = JoinSet::new();
    for _ in 0..1000 {
        let (api, token) = (setup.api.clone(), setup.opaque());
        requests.spawn(async move { api.outcome(token).await });
    }
    requests.join_all().await
}

#[tokio::test(start_paused = true)]
async fn five_consecutive_failures_open_the_circuit_for_ten_seconds() {
    for fault in [Fault::Refuse, Fault::Hang, Fault::Status(500), Fault::Status(404)] {
        let setup = IssuerIntrospection::new();
        let log = Log::start();
        setup.open_the_circuit(fault.clone()).await;
        for tenth in 0..100 {
            let response = at_once(setup.api.get(setup.opaque()));
            assert_eq!(response.outcome(), UNAVAILABLE);
            let secs = retry_after(&response).unwrap();
            assert_eq!(secs, 10 - tenth / 10, "{fault:?}: after {tenth} tenths of a second");
            setup.pass(100 * MILLI).await;
        }
        assert_eq!(setup.calls(), 5, "{fault:?}");
        assert_eq!(setup.circuit(), CircuitState::HalfOpen, "{fault:?}");
        let opened: Vec<_> =
            log.events().into_iter().filter(|event| event.field("circuit").is_some()).collect();
        assert_eq!(opened.len(), 1, "{fault:?}");
        assert_eq!((opened[0].level, opened[0].field("circuit")), (Level::WARN, Some("open")), "{fault:?}");
        assert_eq!(opened[0].field("issuer"), Some("https://issuer.test"), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_half_open_circuit_allows_one_probe() {
    let setup = IssuerIntrospection::new();
    setup.open_the_circuit(Fault::Status(500)).await;

    // A failed probe opens the circuit for another ten seconds.
    for round in 1..=2 {
        setup.pass(10 * SECOND).await;
        setup.fail(Fault::Hang);
        let (outcomes, waited) = timed(thousand_outcomes(&setup)).await;
        assert!(outcomes.iter().all(|outcome| *outcome == UNAVAILABLE));
        assert_eq!((setup.calls(), setup.circuit()), (5 + round, CircuitState::Open));
        assert_eq!(waited, 3 * SECOND, "only the probe waits");
        setup.pass(9 * SECOND).await;
        assert_eq!(thousand_outcomes(&setup).await.len(), 1000);
        assert_eq!(setup.calls(), 5 + round);
        setup.pass(SECOND).await;
        assert_eq!(setup.circuit(), CircuitState::HalfOpen);
        setup.pass(MILLI).await;
    }

    // A successful probe closes the circuit. Only five more failures open it again.
    let log = Log::start();
    setup.fail(Fault::Delay(SECOND));
    let outcomes = thousand_outcomes(&setup).await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
    assert_eq!((setup.calls(), setup.circuit()), (8, CircuitState::Closed));
    let closed: Vec<_> = log.events().into_iter().filter(|event| event.field("circuit").is_some()).collect();
    assert_eq!(closed.len(), 1);
    setup.fail(None);
    assert_eq!((closed[0].level, closed[0].field("circuit")), (Level::INFO, Some("closed")));
    assert_eq!(thousand_outcomes(&setup).await.iter().filter(|outcome| outcome.is_ok()).count(), 1000);
    setup.open_the_circuit(Fault::Status(500)).await;
}

#[tokio::test(start_paused = true)]
async fn the_circuit_is_half_open_during_the_probe() {
    let setup = IssuerIntrospection::new();
    setup.open_the_circuit(Fault::Status(500)).await;
    setup.pass(10 * SECOND).await;
    setup.fail(Fault::Delay(2 * SECOND));
    let (api, token) = (setup.api.clone(), setup.opaque());
    let first = tokio::spawn(async move { api.outcome(token).await });
    setup.pass(SECOND).await;
    assert_eq!((setup.circuit(), setup.status().calls_in_flight()), (CircuitState::HalfOpen, 1));
    assert_eq!(setup.api.outcome_at_once(setup.opaque()), UNAVAILABLE);
    assert_eq!(first.await.unwrap(), ACCEPTED);
    assert_eq!(setup.circuit(), CircuitState::Closed);
}

#[tokio::test(start_paused = true)]
async fn only_consecutive_failures_open_the_circuit() {
    let setup = IssuerIntrospection::new();
    for _ in 0..20 {
        setup.idp.set_fault_for(Endpoint::Introspection, Fault::Status(500), 4);
        for _ in 0..4 {
            assert_eq!(setup.outcome_of_new().await, UNAVAILABLE);
        }
        assert_eq!(setup.outcome_of_new().await, ACCEPTED);
        assert_eq!(setup.circuit(), CircuitState::Closed);
    }
    assert_eq!(setup.calls(), 100);
}

/// Anybody can send a token that causes these responses.
#[tokio::test(start_paused = true)]
async fn failures_caused_by_one_token_do_not_block_other_tokens() {
    let error = |error: &str| Fault::Json(400, format!(r#"{{"error":"{error}"}}"#));
    for fault in [
        Fault::Status(400),
        Fault::Status(403),
        error("invalid_request"),
        error("unsupported_token_type"),
        error("unauthorized_client"),
        error("invalid_client"),
    ] {
        let setup = IssuerIntrospection::new();
        setup.fail(fault.clone());
        for n in 0..100 {
            assert_ne!(setup.outcome_of_new().await, ACCEPTED, "{fault:?}");
            assert_eq!((setup.calls(), setup.circuit()), (n + 1, CircuitState::Closed), "{fault:?}");
        }
        setup.fail(None);
        assert_eq!(setup.outcome_of_new().await, ACCEPTED, "{fault:?}");
    }
    // Neither do inactive tokens nor tokens for another API.
    let setup = IssuerIntrospection::new();
    for n in 0..100 {
        assert_eq!(setup.api.outcome(format!("unknown-{n}")).await, INACTIVE);
        let elsewhere = setup.idp.token("https://elsewhere.example.com").opaque();
        assert_eq!(setup.api.outcome(elsewhere).await, Err(AudienceMismatch));
        assert_eq!(setup.circuit(), CircuitState::Closed);
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejected_client_gives_500_while_the_circuit_is_open() {
    let setup = IssuerIntrospection::new();
    setup.fail(Fault::Status(401));
    for n in 1..=20 {
        assert_eq!(setup.outcome_of_new().await, MISCONFIGURED);
        assert_eq!(setup.calls(), n.min(5));
    }
    assert_eq!(
        (setup.circuit(), setup.last_error()),
        (CircuitState::Open, Some(IntrospectionErrorKind::ClientRejected(401)))
    );
    setup.fail(None);
    setup.pass(10 * SECOND).await;
    assert_eq!(setup.outcome_of_new().await, ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn cached_tokens_are_accepted_while_the_circuit_is_open() {
    let setup = IssuerIntrospection::new();
    let (token, jwt) = (setup.opaque(), setup.idp.token(API).sign());
    assert_eq!(setup.api.outcome(&token).await, ACCEPTED);
    assert_eq!(setup.api.outcome("made-up").await, INACTIVE);
    setup.open_the_circuit(Fault::Status(500)).await;
    assert_eq!(setup.api.outcome_at_once(&token), ACCEPTED);
    assert_eq!(setup.api.outcome_at_once("made-up"), INACTIVE);
    assert_eq!(setup.api.outcome(&jwt).await, ACCEPTED);
    // Until their TTL ends.
    setup.pass(29 * SECOND).await;
    assert_eq!(setup.api.outcome_at_once(&token), ACCEPTED);
    setup.pass(SECOND).await;
    assert_eq!(setup.api.outcome(&token).await, UNAVAILABLE);
}

#[tokio::test(start_paused = true)]
async fn still_active_gives_503_while_the_circuit_is_open() {
    let setup = IssuerIntrospection::new();
    let route = setup.still_active_route();
    let token = setup.opaque();
    assert_eq!(route.outcome(&token).await, ACCEPTED);
    setup.open_the_circuit(Fault::Status(500)).await;
    assert_eq!(setup.api.outcome_at_once(&token), ACCEPTED);
    assert_eq!(timed(route.outcome(&token)).await, (UNAVAILABLE, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_panics_is_replaced_by_the_next_request() {
    for act in [Act::Panic, Act::PanicAtOnce] {
        let setup = IssuerIntrospection::new();
        setup.open_the_circuit(Fault::Status(500)).await;
        setup.fail(None);
        setup.pass(10 * SECOND).await;
        setup.net.always(act);
        for _ in 0..3 {
            assert_eq!(setup.outcome_of_new().await, UNAVAILABLE);
            assert_eq!(setup.circuit(), CircuitState::HalfOpen);
        }
        setup.net.always(Act::Pass);
        assert_eq!(setup.outcome_of_new().await, ACCEPTED);
        assert_eq!(setup.circuit(), CircuitState::Closed);
    }
}

/// With a timeout above ten seconds, earlier calls can end during the probe.
#[tokio::test(start_paused = true)]
async fn calls_from_before_the_opening_do_not_allow_a_second_probe() {
    for old_ends in ["failing", "panicking", "with another status"] {
        let setup = IssuerIntrospection::with(|introspection| introspection.timeout(60 * SECOND));
        let act = match old_ends {
            "failing" => Act::Instead(Reply::status(500)),
            "panicking" => Act::Panic,
            _ => Act::Instead(Reply::status(204)),
        };
        setup.net.once(Act::After(12 * SECOND, Box::new(act)));
        let (api, token) = (setup.api.clone(), setup.opaque());
        let old = tokio::spawn(async move { api.outcome(token).await });
        tokio::task::yield_now().await;
        setup.pass(MILLI).await;
        setup.open_the_circuit(Fault::Status(500)).await;
        setup.pass(11 * SECOND).await;
        setup.fail(Fault::Hang);
        let before = setup.calls();
        let (api, token) = (setup.api.clone(), setup.opaque());
        let _probe = tokio::spawn(async move { api.outcome(token).await });
        setup.pass(2 * SECOND).await;
        assert!(old.await.is_ok());
        for _ in 0..10 {
            assert_eq!(setup.api.outcome(setup.opaque()).await, UNAVAILABLE, "{old_ends}");
        }
        assert_eq!(setup.calls() - before, 1, "{old_ends}: there is one probe");
    }
}

/// One client must not block all others with a token that the endpoint cannot handle.
#[tokio::test(start_paused = true)]
async fn responses_that_one_token_can_cause_do_not_open_the_circuit() {
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
        let setup = IssuerIntrospection::new();
        setup.fail(fault.clone());
        for _ in 0..20 {
            assert_ne!(setup.outcome_of_new().await, ACCEPTED, "{fault:?}");
        }
        assert_eq!((setup.circuit(), setup.calls()), (CircuitState::Closed, 20), "{fault:?}");
        setup.fail(None);
        assert_eq!(setup.outcome_of_new().await, ACCEPTED, "{fault:?}");
    }
}
