//! One call for all who ask about one token.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tower_bearer::Require;
use tower_bearer::testing::Fault;

use crate::support::introspected::{IssuerIntrospection, SECOND};

#[tokio::test(start_paused = true)]
async fn a_thousand_requests_with_one_token_are_one_call() {
    for delay in [Duration::ZERO, SECOND] {
        let of = IssuerIntrospection::new();
        of.fail(Fault::Delay(delay));
        let token = of.opaque();
        let mut requests = JoinSet::new();
        for _ in 0..1000 {
            let (api, token) = (of.api.clone(), token.clone());
            requests.spawn(async move { api.kind(token).await });
        }
        assert!(requests.join_all().await.iter().all(|kind| kind == "ok"));
        assert_eq!((of.calls(), of.api.handler.calls()), (1, 1000));
        assert_eq!(of.status().calls_in_flight(), 0);
        assert_eq!(of.api.kind_at_once(&token), "ok");
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_requests_with_one_token_that_is_not_active_are_one_call() {
    let of = IssuerIntrospection::new();
    of.fail(Fault::Delay(SECOND));
    let mut requests = JoinSet::new();
    for _ in 0..1000 {
        let api = of.api.clone();
        requests.spawn(async move { api.kind("no-such-token").await });
    }
    assert!(requests.join_all().await.iter().all(|kind| kind == "token_inactive"));
    assert_eq!((of.calls(), of.api.handler.calls()), (1, 0));
    assert_eq!(of.api.kind_at_once("no-such-token"), "token_inactive");
}

/// None of those who share the failure makes a call of its own when it ends.
#[tokio::test(start_paused = true)]
async fn a_thousand_requests_share_a_failure() {
    let of = IssuerIntrospection::new();
    of.fail(Fault::Hang);
    let token = of.opaque();
    let mut requests = JoinSet::new();
    for _ in 0..1000 {
        let (api, token) = (of.api.clone(), token.clone());
        requests.spawn(async move { api.kind(token).await });
    }
    assert!(requests.join_all().await.iter().all(|kind| kind == "introspection_unavailable"));
    assert_eq!((of.calls(), of.api.handler.calls()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_call_goes_on_when_those_who_wait_for_it_go_away() {
    for (name, stay) in [("the first goes", 1..10), ("only the last stays", 9..10), ("all go", 0..0)] {
        let of = IssuerIntrospection::new();
        of.fail(Fault::Delay(SECOND));
        let token = of.opaque();
        let mut requests: Vec<_> = (0..10)
            .map(|_| {
                let (api, token) = (of.api.clone(), token.clone());
                tokio::spawn(async move { api.kind(token).await })
            })
            .collect();
        sleep(SECOND / 2).await;
        for (n, request) in requests.iter().enumerate() {
            if !stay.contains(&n) {
                request.abort();
            }
        }
        for request in requests.drain(stay) {
            assert_eq!(request.await.unwrap(), "ok", "{name}");
        }
        sleep(SECOND).await;
        assert_eq!(of.api.kind_at_once(&token), "ok", "{name}: it is remembered");
        assert_eq!(of.calls(), 1, "{name}");
    }
}

/// Three: one for the layer; one for the first to ask anew; one for the others, who came while that was
/// under way.
#[tokio::test(start_paused = true)]
async fn a_thousand_requests_that_ask_anew_are_three_calls() {
    for delay in [Duration::ZERO, SECOND / 2] {
        let of = IssuerIntrospection::new();
        let route = of.asking_now();
        of.fail(Fault::Delay(delay));
        let token = of.opaque();
        let mut requests = JoinSet::new();
        for _ in 0..1000 {
            let (route, token) = (route.clone(), token.clone());
            requests.spawn(async move { route.kind(token).await });
        }
        assert!(requests.join_all().await.iter().all(|kind| kind == "ok"));
        assert_eq!((of.calls(), route.handler.calls()), (3, 1000), "{delay:?}");
    }
}

/// A request a millisecond, each answer 100 ms on its way: every call carries those who came during the last.
#[tokio::test(start_paused = true)]
async fn requests_that_ask_anew_share_the_call_after_the_one_under_way() {
    let of = IssuerIntrospection::new();
    let route = of.asking_now();
    let token = of.opaque();
    assert_eq!(route.kind(&token).await, "ok");
    let before = of.calls();
    of.fail(Fault::Delay(Duration::from_millis(100)));
    let mut requests = JoinSet::new();
    for _ in 0..1000 {
        let (route, token) = (route.clone(), token.clone());
        requests.spawn(async move {
            let start = Instant::now();
            assert_eq!(route.kind(token).await, "ok");
            start.elapsed()
        });
        sleep(Duration::from_millis(1)).await;
    }
    let longest = requests.join_all().await.into_iter().max().unwrap();
    let calls = of.calls() - before;
    println!("1000 requests in 1 s that ask anew: {calls} calls, the longest wait {longest:?}");
    assert!((10..=12).contains(&calls), "{calls}");
    assert!(longest <= Duration::from_millis(205), "{longest:?}");
}

/// The answer of a call is formed when it starts, and comes 100 ms later: that of the call that is under
/// way when the token is revoked says "active" after the revocation.
#[tokio::test(start_paused = true)]
async fn nobody_who_asks_anew_after_a_revocation_passes() {
    for revoked_after in [0, 1, 50, 99, 100, 101, 150, 555] {
        let of = IssuerIntrospection::new();
        let route = of.asking_now();
        let token = of.opaque();
        assert_eq!(route.kind(&token).await, "ok");
        of.fail(Fault::Delay(Duration::from_millis(100)));
        let revoked = Arc::new(AtomicBool::new(false));
        let mut requests = JoinSet::new();
        for millis in 0..1000 {
            if millis == revoked_after {
                of.idp.revoke(&token);
                revoked.store(true, Ordering::SeqCst);
            }
            let (route, token, revoked) = (route.clone(), token.clone(), Arc::clone(&revoked));
            requests.spawn(async move {
                let arrived_late = revoked.load(Ordering::SeqCst);
                (arrived_late, route.kind(token).await)
            });
            sleep(Duration::from_millis(1)).await;
        }
        for (arrived_late, kind) in requests.join_all().await {
            assert!(kind == "token_inactive" || (kind == "ok" && !arrived_late), "{revoked_after}: {kind}");
        }
        assert_eq!(of.api.kind_at_once(&token), "token_inactive", "and it is remembered");
    }
}

/// The same where an answer of the last 50 ms will do: whoever comes later than that does not pass.
#[tokio::test(start_paused = true)]
async fn nobody_passes_by_an_answer_older_than_the_route_takes() {
    let of = IssuerIntrospection::new();
    let age = Duration::from_millis(50);
    let route = of.requiring(&Require::token().still_active_within(age));
    let token = of.opaque();
    of.fail(Fault::Delay(Duration::from_millis(30)));
    let mut requests = JoinSet::new();
    let mut revoked_at = None;
    for millis in 0..600 {
        if millis == 333 {
            of.idp.revoke(&token);
            revoked_at = Some(Instant::now());
        }
        let (route, token) = (route.clone(), token.clone());
        requests.spawn(async move {
            let late = revoked_at.is_some_and(|at: Instant| at.elapsed() > age);
            (late, route.kind(token).await)
        });
        sleep(Duration::from_millis(1)).await;
    }
    for (late, kind) in requests.join_all().await {
        assert!(kind == "token_inactive" || (kind == "ok" && !late), "{kind}");
    }
    println!("600 requests in 0.6 s, an answer of 50 ms will do: {} calls", of.calls());
    assert!(of.calls() <= 14, "{}", of.calls());
}

/// What another request learns in the meantime counts for all.
#[tokio::test(start_paused = true)]
async fn a_route_that_asks_anew_corrects_what_others_remember() {
    let of = IssuerIntrospection::new();
    let route = of.asking_now();
    let token = of.opaque();
    assert_eq!(of.api.kind(&token).await, "ok");
    of.idp.revoke(&token);
    assert_eq!(of.api.kind_at_once(&token), "ok", "remembered");
    assert_eq!(route.kind(&token).await, "token_inactive");
    assert_eq!(of.api.kind_at_once(&token), "token_inactive");
    assert_eq!(of.calls(), 2);
}

/// On two threads, with faults that come and go and a third of the requests given up at any moment.
#[test]
fn nothing_is_left_behind_by_requests_that_go_away_at_any_moment() {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let of = IssuerIntrospection::with(|introspection| {
            let introspection = introspection.timeout(Duration::from_millis(200)).max_concurrent_calls(4);
            introspection.active_ttl(Duration::from_millis(5)).inactive_ttl(Duration::from_millis(5))
        });
        let (route, tokens) = (of.asking_now(), Vec::from_iter((0..20).map(|_| of.opaque())));
        let mut random = fastrand::Rng::with_seed(9110);
        let mut requests = JoinSet::new();
        for n in 0..4000 {
            if n % 100 == 0 {
                let delay = Duration::from_millis(random.u64(0..4));
                let faults = [Fault::Delay(delay), Fault::Status(400), Fault::Html, Fault::Delay(delay)];
                of.fail(random.choice(faults));
                sleep(Duration::from_millis(2)).await;
            }
            let (api, route, token) = (of.api.clone(), route.clone(), tokens[random.usize(..20)].clone());
            let asks_anew = random.bool();
            let request = requests.spawn(async move {
                if asks_anew { route.kind(token).await } else { api.kind(token).await }
            });
            if random.u8(..3) == 0 {
                tokio::task::yield_now().await;
                request.abort();
            }
        }
        let (mut ended, start) = (0, Instant::now());
        while let Some(request) = requests.join_next().await {
            match request {
                Ok(kind) => assert!(kind == "ok" || kind == "introspection_unavailable", "{kind}"),
                Err(error) => assert!(error.is_cancelled(), "{error}"),
            }
            ended += 1;
        }
        assert_eq!(ended, 4000);
        assert!(start.elapsed() < 20 * SECOND, "{:?}", start.elapsed());
        assert!(of.wire.most_under_way() <= 4, "{}", of.wire.most_under_way());
        while of.status().calls_in_flight() > 0 {
            assert!(start.elapsed() < 20 * SECOND, "calls are left behind");
            sleep(Duration::from_millis(1)).await;
        }
    });
}
