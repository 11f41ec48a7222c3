//! Pooled connections that are dead: the server is healthy, but does not receive what is sent over them.

use std::time::Duration;

use tokio::task::JoinSet;
use tower_bearer::diagnostics::CircuitState;
use tower_bearer::testing::Fault;

use super::UNAVAILABLE;
use crate::support::figure::figure;
use crate::support::introspected::{IssuerIntrospection, SECOND, run_pending_tasks, timed};
use crate::support::net::{Act, Reply};
use crate::support::protected::ACCEPTED;

/// From now on every pooled connection is silent.
fn lose_pooled_connections(setup: &IssuerIntrospection) {
    setup.net.script(|sent| if sent.fresh_connection { Act::Pass } else { Act::Instead(Reply::Hang) });
}

#[tokio::test(start_paused = true)]
async fn hung_pooled_connections_reject_no_request() {
    let setup = IssuerIntrospection::new();
    for _ in 0..10 {
        assert_eq!(setup.outcome_of_new().await, ACCEPTED);
    }
    lose_pooled_connections(&setup);
    let mut requests = JoinSet::new();
    for _ in 0..100 {
        let (api, token) = (setup.api.clone(), setup.opaque());
        requests.spawn(async move { timed(api.outcome(token)).await });
        setup.pass(SECOND).await;
    }
    let results = requests.join_all().await;
    let rejected = results.iter().filter(|(outcome, _)| *outcome != ACCEPTED).count();
    let late = results.iter().filter(|(_, waited)| !waited.is_zero()).count();
    let longest = results.iter().map(|(_, waited)| *waited).max().unwrap();
    let requests = "100 requests in 100 s, pooled connections hang";
    figure("1.6", format_args!("rejected of {requests}"), rejected, 0);
    figure("1.6", format_args!("late of {requests}"), late, "at most 20");
    figure("1.6", format_args!("longest wait of {requests}"), format_args!("{longest:?}"), "at most 1.5 s");
    assert_eq!(rejected, 0);
    assert!(late <= 20 && longest <= SECOND * 3 / 2, "{late}");
}

/// The calls that are late at the same time wait for the one that checks the pool.
#[tokio::test(start_paused = true)]
async fn hung_pooled_connections_reject_no_concurrent_request() {
    let setup = IssuerIntrospection::new();
    assert_eq!(setup.outcome_of_new().await, ACCEPTED);
    lose_pooled_connections(&setup);
    let mut requests = JoinSet::new();
    for _ in 0..20 {
        let (api, token) = (setup.api.clone(), setup.opaque());
        requests.spawn(async move { timed(api.outcome(token)).await });
    }
    for (outcome, waited) in requests.join_all().await {
        assert_eq!(outcome, ACCEPTED);
        assert!(waited < 2 * SECOND, "{waited:?}");
    }
}

/// Before the first response, nobody knows when a response is late.
#[tokio::test(start_paused = true)]
async fn the_call_after_a_timeout_uses_a_new_connection() {
    let setup = IssuerIntrospection::new();
    lose_pooled_connections(&setup);
    assert_eq!(timed(setup.outcome_of_new()).await, (UNAVAILABLE, 3 * SECOND));
    run_pending_tasks().await;
    assert_eq!(timed(setup.outcome_of_new()).await, (ACCEPTED, Duration::ZERO));
    assert_eq!(timed(setup.outcome_of_new()).await, (ACCEPTED, SECOND * 3 / 2), "tries the pool");
    for _ in 0..9 {
        assert_eq!(timed(setup.outcome_of_new()).await, (ACCEPTED, Duration::ZERO));
        setup.pass(SECOND).await;
    }
    let fresh: Vec<bool> = setup.net.sent().iter().map(|sent| sent.fresh_connection).collect();
    assert_eq!(fresh[..4], [false, true, false, true]);
    assert!(fresh[4..].iter().all(|fresh| *fresh));
    // After ten seconds one call tries the pool, which works again.
    setup.net.always(Act::Pass);
    setup.pass(SECOND).await;
    for _ in 0..3 {
        assert_eq!(setup.outcome_of_new().await, ACCEPTED);
        assert!(setup.net.sent().last().is_some_and(|sent| !sent.fresh_connection));
    }
}

#[tokio::test(start_paused = true)]
async fn a_retry_and_a_probe_use_new_connections() {
    let setup = IssuerIntrospection::new();
    setup.net.once(Act::Lost);
    assert_eq!(setup.outcome_of_new().await, ACCEPTED);
    let fresh = |setup: &IssuerIntrospection| -> Vec<bool> {
        setup.net.sent().iter().map(|sent| sent.fresh_connection).collect()
    };
    assert_eq!(fresh(&setup), [false, true]);
    let setup = IssuerIntrospection::new();
    setup.open_the_circuit(Fault::Status(500)).await;
    setup.fail(None);
    setup.pass(2 * SECOND).await;
    assert_eq!(setup.circuit(), CircuitState::HalfOpen);
    assert_eq!(setup.outcome_of_new().await, ACCEPTED);
    assert_eq!(setup.outcome_of_new().await, ACCEPTED);
    let fresh = fresh(&setup);
    assert_eq!(fresh[fresh.len() - 2..], [true, false], "the probe, and the next call");
}

/// A second request for every late one would double the load of a server that is already overloaded.
#[tokio::test(start_paused = true)]
async fn a_server_that_becomes_slow_gets_one_request_more_at_a_time() {
    let setup = IssuerIntrospection::new();
    for _ in 0..10 {
        assert_eq!(setup.outcome_of_new().await, ACCEPTED);
    }
    setup.fail(Fault::Delay(2 * SECOND));
    let before = setup.net.total();
    let mut requests = JoinSet::new();
    for _ in 0..20 {
        let (api, token) = (setup.api.clone(), setup.opaque());
        requests.spawn(async move { api.outcome(token).await });
    }
    assert!(requests.join_all().await.iter().all(Result::is_ok));
    assert_eq!(setup.net.total() - before, 21);
    assert_eq!(setup.net.sent().iter().filter(|sent| sent.fresh_connection).count(), 1);
}

/// The request over the new connection needs a place in the rate limit.
#[tokio::test(start_paused = true)]
async fn a_late_call_without_rate_limit_for_another_request_waits_for_the_first() {
    let setup = IssuerIntrospection::with(|introspection| introspection.max_calls_per_minute(6));
    assert_eq!(setup.outcome_of_new().await, ACCEPTED);
    assert_eq!(setup.outcome_of_new().await, ACCEPTED);
    setup.fail(Fault::Delay(2 * SECOND));
    assert_eq!(timed(setup.outcome_of_new()).await, (ACCEPTED, 2 * SECOND));
    assert_eq!(setup.net.total(), 3);
}
