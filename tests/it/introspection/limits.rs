//! The concurrency limit, the queue and the rate limit of introspection requests.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tower_bearer::Issuer;
use tower_bearer::diagnostics::CircuitState;
use tower_bearer::testing::{Fault, TestIssuer};
use tower_bearer::{BearerAuth, Introspection};

use super::UNAVAILABLE;
use crate::support::figure::figure;
use crate::support::introspected::{IssuerIntrospection, SECOND, introspection, retry_after, timed};
use crate::support::net::{Act, Reply, Sent};
use crate::support::protected::{ACCEPTED, API, Outcome};

/// The outcome and the duration of each of `requests` concurrent requests, each with a new token.
async fn concurrently(setup: &IssuerIntrospection, requests: usize) -> Vec<(Outcome, Duration)> {
    let mut tasks = JoinSet::new();
    for _ in 0..requests {
        let (api, token) = (setup.api.clone(), setup.opaque());
        tasks.spawn(async move { timed(api.outcome(token)).await });
    }
    tasks.join_all().await
}

#[tokio::test(start_paused = true)]
async fn max_concurrent_calls_limits_the_requests_in_flight() {
    for fault in [Fault::Hang, Fault::Delay(SECOND), Fault::Delay(SECOND / 10)] {
        let setup = IssuerIntrospection::with(|introspection| introspection.max_concurrent_calls(2));
        setup.fail(fault.clone());
        let responses = concurrently(&setup, 500).await;
        assert_eq!(setup.net.max_in_flight(), 2, "{fault:?}");
        assert!(responses.iter().all(|(_, waited)| *waited <= 3 * SECOND), "{fault:?}");
        let accepted = responses.iter().filter(|(outcome, _)| outcome.is_ok()).count();
        sleep(Duration::from_millis(1)).await;
        let quantity = format!("accepted of 500 concurrent tokens, 2 permits, {fault:?}");
        let asserted = match fault {
            Fault::Hang => "0",
            Fault::Delay(delay) if delay == SECOND => "4 to 6",
            _ => "18 to 22",
        };
        figure("limits", quantity, accepted, asserted);
        assert_eq!(setup.status().calls_in_flight(), 0, "{fault:?}");
        match fault {
            // The queued requests time out before the two calls do.
            Fault::Hang => assert_eq!((accepted, setup.calls()), (0, 2)),
            Fault::Delay(delay) if delay == SECOND => assert!((4..=6).contains(&accepted)),
            // Queued for at most a second.
            _ => assert!((18..=22).contains(&accepted), "{accepted}"),
        }
        setup.fail(None);
        setup.pass(10 * SECOND).await;
        assert_eq!(setup.outcome_of_new().await, ACCEPTED, "{fault:?}: the permits are released");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_beyond_max_queued_calls_get_503_at_once() {
    let setup =
        IssuerIntrospection::with(|introspection| introspection.max_concurrent_calls(2).max_queued_calls(5));
    setup.fail(Fault::Delay(SECOND));
    let responses = concurrently(&setup, 100).await;
    let rejected_at_once =
        responses.iter().filter(|(outcome, waited)| *outcome == UNAVAILABLE && waited.is_zero()).count();
    let accepted = responses.iter().filter(|(outcome, _)| outcome.is_ok()).count();
    assert_eq!(rejected_at_once, 93);
    assert!(accepted >= 4, "{accepted}");
    setup.fail(None);
    assert_eq!(setup.outcome_of_new().await, ACCEPTED);
    // Without a queue.
    let setup =
        IssuerIntrospection::with(|introspection| introspection.max_concurrent_calls(1).max_queued_calls(0));
    setup.fail(Fault::Delay(SECOND));
    assert_eq!(concurrently(&setup, 10).await.iter().filter(|(outcome, _)| outcome.is_ok()).count(), 1);
    // Requests that share a call need one permit.
    let token = setup.opaque();
    let mut requests = JoinSet::new();
    for _ in 0..50 {
        let (api, token) = (setup.api.clone(), token.clone());
        requests.spawn(async move { api.outcome(token).await });
    }
    assert!(requests.join_all().await.iter().all(Result::is_ok));
}

/// The largest number of requests in any 60 s.
fn max_per_minute(requests: &[Sent]) -> usize {
    let minute = Duration::from_secs(60);
    let in_minute_from =
        |from: Instant| requests.iter().filter(|sent| sent.at >= from && sent.at < from + minute).count();
    requests.iter().map(|sent| in_minute_from(sent.at)).max().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn max_calls_per_minute_limits_every_minute() {
    for calls in [5_u32, 6, 10, 60] {
        for (name, lost, moved) in
            [("no fault", false, false), ("lost connections", true, false), ("moved endpoint", false, true)]
        {
            let setup =
                IssuerIntrospection::discovered(|_, introspection| introspection.max_calls_per_minute(calls));
            let start = Instant::now();
            let mut accepted = 0;
            let mut n = 0_u32;
            while start.elapsed() < Duration::from_secs(140) {
                n += 1;
                if lost && n.is_multiple_of(3) {
                    setup.net.once(Act::Lost);
                }
                if moved && n.is_multiple_of(5) {
                    setup.net.once(Act::Instead(Reply::status(404)));
                }
                let response = setup.api.get(setup.opaque()).await;
                accepted += usize::from(response.outcome() == ACCEPTED);
                assert!(retry_after(&response).is_none_or(|secs| (1..=60).contains(&secs)), "{calls} {name}");
                sleep(SECOND / 2).await;
            }
            let most = max_per_minute(&setup.net.sent());
            let setting = format!("limit {calls}, {name}");
            let quantity = format!("max_calls_per_minute, introspection, {setting}");
            figure("bounds", quantity, most, format_args!("at most {calls}"));
            figure("limits", format_args!("accepted of {n} in 140 s, {setting}"), accepted, "more than 0");
            assert!(most <= calls as usize, "{calls} {name}: {most}");
            assert!(accepted > 0, "{calls} {name}");
            if !lost && !moved {
                // The burst is half of the limit. Each minute refills the other half plus one.
                let expected = (calls.div_ceil(2) + (calls / 2 + 1) * 2) as usize;
                assert!(accepted + 3 >= expected, "{calls} {name}: {accepted} of {n}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_exhausted_rate_limit_gives_503_at_once_and_does_not_open_the_circuit() {
    let setup = IssuerIntrospection::with(|introspection| introspection.max_calls_per_minute(10));
    let token = setup.opaque();
    assert_eq!(setup.api.outcome(&token).await, ACCEPTED);
    let responses = concurrently(&setup, 1000).await;
    // The burst is five, with a reserve of one for tokens accepted before.
    assert_eq!(responses.iter().filter(|(outcome, _)| outcome.is_ok()).count(), 3);
    assert!(responses.iter().all(|(_, waited)| waited.is_zero()));
    assert_eq!((setup.calls(), setup.circuit()), (4, CircuitState::Closed));
    let response = setup.api.get(setup.opaque()).await;
    assert_eq!((response.outcome(), retry_after(&response)), (UNAVAILABLE, Some(11)));
    assert_eq!(setup.api.outcome_at_once(&token), ACCEPTED, "a cached token needs no call");
    setup.pass(10 * SECOND).await;
    setup.pass(Duration::from_millis(1)).await;
    assert_eq!(setup.outcome_of_new().await, ACCEPTED);
}

fn bounds(configure: impl FnOnce(Introspection) -> Introspection) -> Option<u32> {
    let idp = TestIssuer::new();
    let issuer = Issuer::without_keys(idp.identifier()).introspect(configure(introspection()));
    let builder = BearerAuth::builder(API).http_client(idp.http_client()).issuer(issuer);
    builder.build().unwrap().bounds().max_calls_per_minute().value()
}

#[test]
fn the_bounds_report_the_rate_limit_or_its_absence() {
    assert_eq!(bounds(|introspection| introspection), None);
    assert_eq!(bounds(|introspection| introspection.max_concurrent_calls(1).max_queued_calls(0)), None);
    assert_eq!(bounds(|introspection| introspection.max_calls_per_minute(60)), Some(60));
    assert_eq!(bounds(|introspection| introspection.max_calls_per_minute(u32::MAX)), Some(u32::MAX));
}

/// The burst is half of the limit, and discovery takes two requests.
#[test]
fn a_rate_limit_below_discovery_plus_one_call_is_a_config_error() {
    let build = |calls: u32, endpoint: bool| {
        let idp = TestIssuer::new();
        let settings = introspection().max_calls_per_minute(calls);
        let settings = if endpoint { settings.endpoint(idp.introspection_url()) } else { settings };
        let issuer = idp.issuer().introspect(settings);
        BearerAuth::builder(API).http_client(idp.http_client()).issuer(issuer).build().map(drop)
    };
    for calls in 1..=4 {
        let error = build(calls, false).unwrap_err().to_string();
        assert!(error.contains("max_calls_per_minute") && error.contains(".endpoint("), "{calls}: {error}");
        assert!(build(calls, true).is_ok(), "{calls}");
    }
    assert!(build(5, false).is_ok());
}

/// Requests keep arriving, and each could take rate-limit tokens that discovery needs.
#[tokio::test(start_paused = true)]
async fn a_discovery_delayed_by_the_rate_limit_is_made_later() {
    let setup = IssuerIntrospection::discovered(|_, introspection| introspection.max_calls_per_minute(5));
    assert_eq!(setup.outcome_of_new().await, ACCEPTED);
    setup.net.once(Act::Instead(Reply::status(404)));
    let start = Instant::now();
    while setup.net.total() < 3 {
        assert_eq!(setup.outcome_of_new().await, UNAVAILABLE);
        sleep(SECOND / 10).await;
    }
    while setup.outcome_of_new().await != ACCEPTED {
        assert!(start.elapsed() < Duration::from_secs(120), "the endpoint was not discovered again");
        sleep(SECOND / 10).await;
    }
    let quantity = "time until a moved endpoint is discovered again, 5 calls per minute";
    figure("limits", quantity, format_args!("{:?}", start.elapsed()), "at most 120 s");
}

/// The server responds after 1.2 s, which is below the timeout.
#[tokio::test(start_paused = true)]
async fn more_concurrent_tokens_than_permits_do_not_open_the_circuit() {
    for tokens in [100, 193, 300, 1000] {
        let setup = IssuerIntrospection::new();
        setup.fail(Fault::Delay(Duration::from_millis(1200)));
        let responses = concurrently(&setup, tokens).await;
        let accepted = responses.iter().filter(|(outcome, _)| outcome.is_ok()).count();
        sleep(Duration::from_millis(1)).await;
        let quantity = format!("accepted of {tokens} concurrent tokens, 1.2 s per response");
        let measured = format!("{accepted}, circuit breaker {:?}", setup.circuit());
        figure("limits", quantity, measured, "circuit breaker Closed");
        assert_eq!(setup.circuit(), CircuitState::Closed, "{tokens}");
        assert_eq!(setup.outcome_of_new().await, ACCEPTED, "{tokens}");
    }
}

/// `BearerAuth` and `still_active` share 4 s, and a response takes 2.5 s.
#[tokio::test(start_paused = true)]
async fn a_request_that_cannot_get_a_response_in_time_sends_nothing() {
    let setup = IssuerIntrospection::new();
    setup.fail(Fault::Delay(SECOND * 5 / 2));
    let route = setup.still_active_route();
    assert_eq!(timed(route.outcome(setup.opaque())).await, (UNAVAILABLE, SECOND * 5 / 2));
    assert_eq!(setup.calls(), 1);
}

/// The oldest request times out in the queue: its client has given up first.
#[tokio::test(start_paused = true)]
async fn the_newest_queued_request_is_sent_first() {
    let setup = IssuerIntrospection::with(|introspection| introspection.max_concurrent_calls(1));
    setup.fail(Fault::Delay(SECOND / 2));
    let mut requests = Vec::new();
    for _ in 0..4 {
        let (api, token) = (setup.api.clone(), setup.opaque());
        requests.push(tokio::spawn(async move { timed(api.outcome(token)).await }));
        sleep(SECOND / 10).await;
    }
    let mut results = Vec::new();
    for request in requests {
        results.push(request.await.unwrap());
    }
    let millis = Duration::from_millis;
    // The second request waits for a second. Until then the fourth and the third get the permit.
    assert_eq!(results[0], (ACCEPTED, millis(500)));
    assert_eq!(results[1], (UNAVAILABLE, millis(1000)));
    assert_eq!(results[2], (ACCEPTED, millis(1300)));
    assert_eq!(results[3], (ACCEPTED, millis(700)));
}

/// Each limit has a reserve that only tokens accepted before can use.
#[tokio::test(start_paused = true)]
async fn tokens_accepted_before_are_introspected_during_a_flood_of_unknown_ones() {
    let limited = |introspection: Introspection| {
        introspection.max_calls_per_minute(240).max_concurrent_calls(8).max_queued_calls(40)
    };
    let setup = IssuerIntrospection::with(limited);
    let accepted_before: Vec<String> =
        (0..5).map(|_| setup.idp.token(API).lifetime(Duration::from_secs(3600)).opaque()).collect();
    for token in &accepted_before {
        assert_eq!(setup.api.outcome(token).await, ACCEPTED);
    }
    setup.fail(Fault::Delay(SECOND / 5));
    let api = setup.api.clone();
    let flood = tokio::spawn(async move {
        for number in 0_u32.. {
            let api = api.clone();
            tokio::spawn(async move { api.outcome(format!("unknown-{number}")).await });
            sleep(Duration::from_millis(50)).await;
        }
    });
    for minute in 0..5 {
        setup.pass(31 * SECOND).await;
        for token in &accepted_before {
            assert_eq!(setup.api.outcome(token).await, ACCEPTED, "{minute}");
        }
    }
    flood.abort();
}
