//! Concurrent requests with one token share one call.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tower_bearer::Require;
use tower_bearer::testing::Fault;

use super::{INACTIVE, UNAVAILABLE};
use crate::support::figure::figure;
use crate::support::introspected::{IssuerIntrospection, SECOND, timed};
use crate::support::protected::ACCEPTED;

#[tokio::test(start_paused = true)]
async fn a_thousand_requests_with_one_token_share_one_call() {
    for delay in [Duration::ZERO, SECOND] {
        let setup = IssuerIntrospection::new();
        setup.fail(Fault::Delay(delay));
        let token = setup.opaque();
        let mut requests = JoinSet::new();
        for _ in 0..1000 {
            let (api, token) = (setup.api.clone(), token.clone());
            requests.spawn(async move { api.outcome(token).await });
        }
        assert!(requests.join_all().await.iter().all(Result::is_ok));
        assert_eq!((setup.calls(), setup.api.handler.calls()), (1, 1000));
        assert_eq!(setup.status().calls_in_flight(), 0);
        assert_eq!(setup.api.outcome_at_once(&token), ACCEPTED);
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_requests_with_one_inactive_token_share_one_call() {
    let setup = IssuerIntrospection::new();
    setup.fail(Fault::Delay(SECOND));
    let mut requests = JoinSet::new();
    for _ in 0..1000 {
        let api = setup.api.clone();
        requests.spawn(async move { api.outcome("no-such-token").await });
    }
    assert!(requests.join_all().await.iter().all(|outcome| *outcome == INACTIVE));
    assert_eq!((setup.calls(), setup.api.handler.calls()), (1, 0));
    assert_eq!(setup.api.outcome_at_once("no-such-token"), INACTIVE);
}

/// A waiter does not retry after the shared call has failed.
#[tokio::test(start_paused = true)]
async fn a_thousand_requests_share_one_failure() {
    let setup = IssuerIntrospection::new();
    setup.fail(Fault::Hang);
    let token = setup.opaque();
    let mut requests = JoinSet::new();
    for _ in 0..1000 {
        let (api, token) = (setup.api.clone(), token.clone());
        requests.spawn(async move { api.outcome(token).await });
    }
    assert!(requests.join_all().await.iter().all(|outcome| *outcome == UNAVAILABLE));
    assert_eq!((setup.calls(), setup.api.handler.calls()), (1, 0));
}

/// One permit, which another call holds for 1.5 s. The time in the queue is 1 s.
#[tokio::test(start_paused = true)]
async fn a_request_that_joins_a_queued_call_has_its_own_time_in_the_queue() {
    let setup = IssuerIntrospection::with(|introspection| introspection.max_concurrent_calls(1));
    setup.fail(Fault::Delay(SECOND * 3 / 2));
    let (holder, token) = (setup.opaque(), setup.opaque());
    let spawn = |token: &String| {
        let (api, token) = (setup.api.clone(), token.clone());
        tokio::spawn(async move { timed(api.outcome(token)).await })
    };
    let holding = spawn(&holder);
    sleep(Duration::from_millis(1)).await;
    let first = spawn(&token);
    sleep(Duration::from_millis(900)).await;
    let joined = spawn(&token);
    assert_eq!(first.await.unwrap(), (UNAVAILABLE, SECOND));
    assert_eq!(holding.await.unwrap().0, ACCEPTED);
    let (outcome, waited) = joined.await.unwrap();
    assert_eq!(outcome, ACCEPTED);
    assert!(waited < SECOND * 5 / 2, "{waited:?}");
    assert_eq!(setup.calls(), 2, "the first call was not sent");
}

#[tokio::test(start_paused = true)]
async fn a_call_continues_when_its_waiters_are_cancelled() {
    for (name, kept) in [
        ("the first is cancelled", 1..10),
        ("all but the last are cancelled", 9..10),
        ("all are cancelled", 0..0),
    ] {
        let setup = IssuerIntrospection::new();
        setup.fail(Fault::Delay(SECOND));
        let token = setup.opaque();
        let mut requests: Vec<_> = (0..10)
            .map(|_| {
                let (api, token) = (setup.api.clone(), token.clone());
                tokio::spawn(async move { api.outcome(token).await })
            })
            .collect();
        sleep(SECOND / 2).await;
        for (n, request) in requests.iter().enumerate() {
            if !kept.contains(&n) {
                request.abort();
            }
        }
        for request in requests.drain(kept) {
            assert_eq!(request.await.unwrap(), ACCEPTED, "{name}");
        }
        sleep(SECOND).await;
        assert_eq!(setup.api.outcome_at_once(&token), ACCEPTED, "{name}: the response is cached");
        assert_eq!(setup.calls(), 1, "{name}");
    }
}

/// `BearerAuth` makes the first call and the first `still_active` the second. All other requests arrive
/// during the second and share the third.
#[tokio::test(start_paused = true)]
async fn a_thousand_still_active_requests_share_three_calls() {
    for delay in [Duration::ZERO, SECOND / 2] {
        let setup = IssuerIntrospection::new();
        let route = setup.still_active_route();
        setup.fail(Fault::Delay(delay));
        let token = setup.opaque();
        let mut requests = JoinSet::new();
        for _ in 0..1000 {
            let (route, token) = (route.clone(), token.clone());
            requests.spawn(async move { route.outcome(token).await });
        }
        assert!(requests.join_all().await.iter().all(Result::is_ok));
        assert_eq!((setup.calls(), route.handler.calls()), (3, 1000), "{delay:?}");
    }
}

/// One request arrives per millisecond and each call takes 100 ms, so every call serves the requests that
/// arrived during the previous one.
#[tokio::test(start_paused = true)]
async fn still_active_requests_share_the_call_after_the_one_in_flight() {
    let setup = IssuerIntrospection::new();
    let route = setup.still_active_route();
    let token = setup.opaque();
    assert_eq!(route.outcome(&token).await, ACCEPTED);
    let before = setup.calls();
    setup.fail(Fault::Delay(Duration::from_millis(100)));
    let mut requests = JoinSet::new();
    for _ in 0..1000 {
        let (route, token) = (route.clone(), token.clone());
        requests.spawn(async move {
            let start = Instant::now();
            assert_eq!(route.outcome(token).await, ACCEPTED);
            start.elapsed()
        });
        sleep(Duration::from_millis(1)).await;
    }
    let longest = requests.join_all().await.into_iter().max().unwrap();
    let calls = setup.calls() - before;
    let requests = "1000 still_active requests in 1 s";
    figure("single-flight", format_args!("introspection requests of {requests}"), calls, "10 to 12");
    let waited = format_args!("{longest:?}");
    figure("single-flight", format_args!("longest wait of {requests}"), waited, "at most 205 ms");
    assert!((10..=12).contains(&calls), "{calls}");
    assert!(longest <= Duration::from_millis(205), "{longest:?}");
}

/// The server forms its response when the call starts and sends it 100 ms later. The call in flight at the
/// revocation therefore reports "active" after it.
#[tokio::test(start_paused = true)]
async fn still_active_accepts_no_request_that_arrives_after_the_revocation() {
    for revoked_after in [0, 1, 50, 99, 100, 101, 150, 555] {
        let setup = IssuerIntrospection::new();
        let route = setup.still_active_route();
        let token = setup.opaque();
        assert_eq!(route.outcome(&token).await, ACCEPTED);
        setup.fail(Fault::Delay(Duration::from_millis(100)));
        let revoked = Arc::new(AtomicBool::new(false));
        let mut requests = JoinSet::new();
        for millis in 0..700 {
            if millis == revoked_after {
                setup.idp.revoke(&token);
                revoked.store(true, Ordering::SeqCst);
            }
            let (route, token, revoked) = (route.clone(), token.clone(), Arc::clone(&revoked));
            requests.spawn(async move {
                let arrived_late = revoked.load(Ordering::SeqCst);
                (arrived_late, route.outcome(token).await)
            });
            sleep(Duration::from_millis(1)).await;
        }
        for (arrived_late, outcome) in requests.join_all().await {
            assert!(
                outcome == INACTIVE || (outcome == ACCEPTED && !arrived_late),
                "{revoked_after}: {outcome:?}"
            );
        }
        assert_eq!(setup.api.outcome_at_once(&token), INACTIVE, "the response is cached");
    }
}

/// The maximum age is 50 ms.
#[tokio::test(start_paused = true)]
async fn still_active_within_accepts_no_older_response() {
    let setup = IssuerIntrospection::new();
    let age = Duration::from_millis(50);
    let route = setup.requiring(&Require::token().still_active_within(age));
    let token = setup.opaque();
    setup.fail(Fault::Delay(Duration::from_millis(30)));
    let mut requests = JoinSet::new();
    let mut revoked_at = None;
    for millis in 0..600 {
        if millis == 333 {
            setup.idp.revoke(&token);
            revoked_at = Some(Instant::now());
        }
        let (route, token) = (route.clone(), token.clone());
        requests.spawn(async move {
            let late = revoked_at.is_some_and(|at: Instant| at.elapsed() > age);
            (late, route.outcome(token).await)
        });
        sleep(Duration::from_millis(1)).await;
    }
    for (late, outcome) in requests.join_all().await {
        assert!(outcome == INACTIVE || (outcome == ACCEPTED && !late), "{outcome:?}");
    }
    let quantity = "introspection requests of 600 requests in 0.6 s, maximum age 50 ms";
    figure("single-flight", quantity, setup.calls(), "at most 14");
    assert!(setup.calls() <= 14, "{}", setup.calls());
}

#[tokio::test(start_paused = true)]
async fn the_response_to_still_active_updates_the_cache_of_all_routes() {
    let setup = IssuerIntrospection::new();
    let route = setup.still_active_route();
    let token = setup.opaque();
    assert_eq!(setup.api.outcome(&token).await, ACCEPTED);
    setup.idp.revoke(&token);
    assert_eq!(setup.api.outcome_at_once(&token), ACCEPTED, "cached");
    assert_eq!(route.outcome(&token).await, INACTIVE);
    assert_eq!(setup.api.outcome_at_once(&token), INACTIVE);
    assert_eq!(setup.calls(), 2);
}

/// Two threads, changing faults, and a third of the requests cancelled.
#[test]
fn requests_cancelled_at_any_moment_leak_no_calls() {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let setup = IssuerIntrospection::with(|introspection| {
            let introspection = introspection.timeout(Duration::from_millis(200)).max_concurrent_calls(4);
            introspection.active_ttl(Duration::from_millis(5)).inactive_ttl(Duration::from_millis(5))
        });
        let (route, tokens) = (setup.still_active_route(), Vec::from_iter((0..20).map(|_| setup.opaque())));
        let mut random = fastrand::Rng::with_seed(9110);
        let mut requests = JoinSet::new();
        for n in 0..4000 {
            if n % 100 == 0 {
                let delay = Duration::from_millis(random.u64(0..4));
                let faults = [Fault::Delay(delay), Fault::Status(400), Fault::Html, Fault::Delay(delay)];
                setup.fail(random.choice(faults));
                sleep(Duration::from_millis(2)).await;
            }
            let (api, route, token) = (setup.api.clone(), route.clone(), tokens[random.usize(..20)].clone());
            let still_active = random.bool();
            let request = requests.spawn(async move {
                if still_active { route.outcome(token).await } else { api.outcome(token).await }
            });
            if random.u8(..3) == 0 {
                tokio::task::yield_now().await;
                request.abort();
            }
        }
        let (mut ended, start) = (0, Instant::now());
        while let Some(request) = requests.join_next().await {
            match request {
                Ok(outcome) => assert!(outcome == ACCEPTED || outcome == UNAVAILABLE, "{outcome:?}"),
                Err(error) => assert!(error.is_cancelled(), "{error}"),
            }
            ended += 1;
        }
        assert_eq!(ended, 4000);
        assert!(start.elapsed() < 20 * SECOND, "{:?}", start.elapsed());
        assert!(setup.net.max_in_flight() <= 4, "{}", setup.net.max_in_flight());
        while setup.status().calls_in_flight() > 0 {
            assert!(start.elapsed() < 20 * SECOND, "calls are still in flight");
            sleep(Duration::from_millis(1)).await;
        }
    });
}
