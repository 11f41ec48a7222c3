//! The circuit breaker: a failure rate of one half opens it for 250 ms, and probes decide.

use std::time::Duration;

use tokio::task::JoinSet;
use tower_bearer::RejectionKind::AudienceMismatch;
use tower_bearer::diagnostics::{CircuitState, IntrospectionErrorKind};
use tower_bearer::testing::{Endpoint, Fault};
use tracing::Level;

use super::{INACTIVE, MISCONFIGURED, UNAVAILABLE};
use crate::support::figure::figure;
use crate::support::introspected::{IssuerIntrospection, SECOND, TRUSTED_FAILURES, run_pending_tasks, timed};
use crate::support::log::Log;
use crate::support::net::{Act, Reply};
use crate::support::protected::{ACCEPTED, Outcome, at_once};

const MILLI: Duration = Duration::from_millis(1);

/// The outcomes of a hundred concurrent requests, each with a new JWT, on a route that introspects it.
async fn hundred_outcomes(setup: &IssuerIntrospection) -> Vec<Outcome> {
    let route = setup.still_active_route();
    let mut requests = JoinSet::new();
    for _ in 0..100 {
        let (route, jwt) = (route.clone(), setup.jwt());
        requests.spawn(async move { route.outcome(jwt).await });
    }
    requests.join_all().await
}

fn accepted(outcomes: &[Outcome]) -> usize {
    outcomes.iter().filter(|outcome| outcome.is_ok()).count()
}

#[tokio::test(start_paused = true)]
async fn ten_failures_of_distinct_trusted_tokens_open_the_circuit_for_a_quarter_of_a_second() {
    for fault in [Fault::Refuse, Fault::Hang, Fault::Status(500), Fault::Status(404)] {
        let setup = IssuerIntrospection::new();
        let log = Log::start();
        setup.open_the_circuit(fault.clone()).await;
        // The jitter shortens the time by at most a quarter.
        for _ in 0..18 {
            let response = at_once(setup.api.get(setup.opaque()));
            assert_eq!((response.outcome(), setup.circuit()), (UNAVAILABLE, CircuitState::Open), "{fault:?}");
            assert_eq!(response.header("retry-after"), Some("1"), "{fault:?}");
            setup.pass(10 * MILLI).await;
        }
        assert_eq!(setup.calls(), TRUSTED_FAILURES, "{fault:?}");
        setup.pass(70 * MILLI).await;
        assert_eq!(setup.circuit(), CircuitState::HalfOpen, "{fault:?}");
        let opened: Vec<_> =
            log.events().into_iter().filter(|event| event.field("circuit").is_some()).collect();
        assert_eq!(opened.len(), 1, "{fault:?}");
        assert_eq!((opened[0].level, opened[0].field("circuit")), (Level::WARN, Some("open")), "{fault:?}");
        assert_eq!(opened[0].field("issuer"), Some("https://issuer.test"), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_half_open_circuit_allows_one_probe_a_second_and_each_failed_probe_doubles_the_open_time() {
    let setup = IssuerIntrospection::new();
    setup.open_the_circuit(Fault::Status(500)).await;
    let mut calls = TRUSTED_FAILURES;
    for open_for in [250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000].map(Duration::from_millis) {
        setup.pass(open_for.mul_f64(0.7)).await;
        assert_eq!((setup.circuit(), setup.calls()), (CircuitState::Open, calls), "{open_for:?}");
        setup.pass(open_for.mul_f64(0.3)).await;
        assert_eq!(setup.circuit(), CircuitState::HalfOpen, "{open_for:?}");
        let outcomes = hundred_outcomes(&setup).await;
        calls += 1;
        assert_eq!((accepted(&outcomes), setup.calls()), (0, calls), "{open_for:?}");
    }

    // A successful probe closes the circuit. Only ten more failures open it again.
    let log = Log::start();
    setup.pass(10 * SECOND).await;
    setup.fail(Fault::Delay(SECOND));
    let outcomes = hundred_outcomes(&setup).await;
    assert_eq!(accepted(&outcomes), 1);
    assert_eq!((setup.calls(), setup.circuit()), (calls + 1, CircuitState::Closed));
    let closed: Vec<_> = log.events().into_iter().filter(|event| event.field("circuit").is_some()).collect();
    assert_eq!(closed.len(), 1);
    assert_eq!((closed[0].level, closed[0].field("circuit")), (Level::INFO, Some("closed")));
    setup.fail(None);
    assert_eq!(accepted(&hundred_outcomes(&setup).await), 100);
}

/// A failure about an untrusted token may be due to the token, but each one is a request to a failing server.
#[tokio::test(start_paused = true)]
async fn probes_with_untrusted_tokens_have_a_backoff_and_delay_no_trusted_one() {
    for fault in [Fault::Status(500), Fault::Hang] {
        let setup = IssuerIntrospection::new();
        setup.open_the_circuit(fault.clone()).await;
        let before = setup.net.total();
        for _ in 0..300 {
            assert_eq!(setup.api.outcome(setup.opaque()).await, UNAVAILABLE, "{fault:?}");
            setup.pass(100 * MILLI).await;
        }
        let probes = setup.net.total() - before;
        assert!((5..=15).contains(&probes), "{fault:?}: {probes}");
        setup.fail(None);
        assert_eq!(setup.still_active_route().outcome(setup.jwt()).await, ACCEPTED, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_circuit_is_half_open_during_the_probe() {
    let setup = IssuerIntrospection::new();
    setup.open_the_circuit(Fault::Status(500)).await;
    setup.pass(10 * SECOND).await;
    setup.fail(Fault::Delay(2 * SECOND));
    let (api, token) = (setup.api.clone(), setup.opaque());
    let first = tokio::spawn(async move { api.outcome(token).await });
    setup.pass(SECOND / 2).await;
    assert_eq!((setup.circuit(), setup.status().calls_in_flight()), (CircuitState::HalfOpen, 1));
    assert_eq!(setup.api.outcome_at_once(setup.opaque()), UNAVAILABLE);
    assert_eq!(first.await.unwrap(), ACCEPTED);
    assert_eq!(setup.circuit(), CircuitState::Closed);
}

/// A probe that was sent before the recovery hangs until it times out.
#[tokio::test(start_paused = true)]
async fn a_second_probe_notices_a_recovery_while_the_first_one_hangs() {
    let setup = IssuerIntrospection::new();
    setup.open_the_circuit(Fault::Hang).await;
    setup.pass(SECOND / 4).await;
    let route = setup.still_active_route();
    let (hanging, jwt) = (route.clone(), setup.jwt());
    let first = tokio::spawn(async move { hanging.outcome(jwt).await });
    setup.pass(SECOND).await;
    setup.fail(None);
    assert_eq!(route.outcome(setup.jwt()).await, ACCEPTED);
    assert_eq!(setup.circuit(), CircuitState::Closed);
    assert_eq!(first.await.unwrap(), UNAVAILABLE);
}

#[tokio::test(start_paused = true)]
async fn five_simultaneous_failures_of_a_healthy_server_reject_no_other_request() {
    let setup = IssuerIntrospection::new();
    let route = setup.still_active_route();
    setup.idp.set_fault_for(Endpoint::Introspection, Fault::Status(500), 5);
    let mut requests = JoinSet::new();
    for _ in 0..5 {
        let (route, jwt) = (route.clone(), setup.jwt());
        requests.spawn(async move { route.outcome(jwt).await });
    }
    assert_eq!(accepted(&requests.join_all().await), 0);
    let mut rejected = 0;
    for _ in 0..1001 {
        rejected += usize::from(route.outcome(setup.jwt()).await != ACCEPTED);
        setup.pass(10 * MILLI).await;
    }
    figure("1.3", "rejected of 1001 requests after five simultaneous failures", rejected, 0);
    assert_eq!(rejected, 0);
}

#[tokio::test(start_paused = true)]
async fn a_restart_that_takes_200_ms_costs_half_a_second() {
    for fault in [Fault::Refuse, Fault::Status(503)] {
        let setup = IssuerIntrospection::new();
        let route = setup.still_active_route();
        let mut rejected = 0;
        for hundredth in 0..700 {
            match hundredth {
                300 => setup.fail(fault.clone()),
                320 => setup.fail(None),
                _ => {}
            }
            rejected += usize::from(route.outcome(setup.jwt()).await != ACCEPTED);
            setup.pass(10 * MILLI).await;
        }
        let quantity = format!("rejected of 700 requests in 7 s, a restart of 200 ms, {fault:?}");
        figure("1.3", quantity, rejected, "at most 50");
        assert!(rejected <= 50, "{fault:?}: {rejected}");
    }
}

#[tokio::test(start_paused = true)]
async fn only_a_failure_rate_of_one_half_opens_the_circuit() {
    let setup = IssuerIntrospection::new();
    let route = setup.still_active_route();
    for _ in 0..20 {
        for _ in 0..5 {
            assert_eq!(route.outcome(setup.jwt()).await, ACCEPTED);
        }
        setup.idp.set_fault_for(Endpoint::Introspection, Fault::Status(500), 4);
        for _ in 0..4 {
            assert_eq!(route.outcome(setup.jwt()).await, UNAVAILABLE);
        }
        assert_eq!(setup.circuit(), CircuitState::Closed);
    }
    assert_eq!(setup.calls(), 180);
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
        assert_eq!(setup.calls(), n.min(10));
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
    let (token, jwt) = (setup.opaque(), setup.jwt());
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
        let route = setup.still_active_route();
        assert_eq!(setup.api.outcome(setup.jwt()).await, ACCEPTED, "fetches the keys");
        let act = match old_ends {
            "failing" => Act::Instead(Reply::status(500)),
            "panicking" => Act::Panic,
            _ => Act::Instead(Reply::status(204)),
        };
        setup.net.once(Act::After(12 * SECOND, Box::new(act)));
        let (old_route, jwt) = (route.clone(), setup.jwt());
        let old = tokio::spawn(async move { old_route.outcome(jwt).await });
        tokio::task::yield_now().await;
        setup.pass(MILLI).await;
        setup.open_the_circuit(Fault::Status(500)).await;
        setup.pass(11_500 * MILLI).await;
        setup.fail(Fault::Hang);
        let before = setup.calls();
        let (probing, jwt) = (route.clone(), setup.jwt());
        let _probe = tokio::spawn(async move { probing.outcome(jwt).await });
        setup.pass(SECOND / 2).await;
        run_pending_tasks().await;
        assert!(old.await.is_ok());
        for _ in 0..10 {
            assert_eq!(timed(route.outcome(setup.jwt())).await, (UNAVAILABLE, Duration::ZERO), "{old_ends}");
        }
        assert_eq!(setup.calls() - before, 1, "{old_ends}: there is one probe");
        assert_eq!(setup.circuit(), CircuitState::HalfOpen, "{old_ends}");
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
