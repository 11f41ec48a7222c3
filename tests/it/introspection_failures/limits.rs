//! How much the server is asked at most.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tower_bearer::testing::{Fault, TestIssuer};
use tower_bearer::{BearerAuth, Introspection};

use crate::support::introspected::{IssuerIntrospection, SECOND, introspection, retry_after, timed};
use crate::support::net::Asked;
use crate::support::protected::API;
use crate::support::wire::Act;

const UNAVAILABLE: &str = "introspection_unavailable";

/// So many requests at once, each with a token of its own: the kinds, and how long each waited.
async fn at_once(of: &IssuerIntrospection, requests: usize) -> Vec<(String, Duration)> {
    let mut tasks = JoinSet::new();
    for _ in 0..requests {
        let (api, token) = (of.api.clone(), of.opaque());
        tasks.spawn(async move { timed(api.kind(token)).await });
    }
    tasks.join_all().await
}

#[tokio::test(start_paused = true)]
async fn no_more_calls_are_under_way_at_once_than_allowed() {
    for fault in [Fault::Hang, Fault::Delay(SECOND), Fault::Delay(SECOND / 10)] {
        let of = IssuerIntrospection::with(|introspection| introspection.max_concurrent_calls(2));
        of.fail(fault.clone());
        let answers = at_once(&of, 500).await;
        assert_eq!(of.wire.most_under_way(), 2, "{fault:?}");
        assert!(answers.iter().all(|(_, waited)| *waited <= 3 * SECOND), "{fault:?}");
        let accepted = answers.iter().filter(|(kind, _)| kind == "ok").count();
        sleep(Duration::from_millis(1)).await;
        println!("500 tokens at once, 2 calls at once, {fault:?}: {accepted} accepted");
        assert_eq!(of.status().calls_in_flight(), 0, "{fault:?}");
        match fault {
            // The others give up before the first two do.
            Fault::Hang => assert_eq!((accepted, of.calls()), (0, 2)),
            Fault::Delay(delay) if delay == SECOND => assert!((4..=6).contains(&accepted)),
            _ => assert!((28..=34).contains(&accepted), "{accepted}"),
        }
        of.fail(None);
        of.pass(10 * SECOND).await;
        assert_eq!(of.kind_of_new().await, "ok", "{fault:?}: turns are given back");
    }
}

#[tokio::test(start_paused = true)]
async fn beyond_those_that_may_wait_the_answer_comes_at_once() {
    let of =
        IssuerIntrospection::with(|introspection| introspection.max_concurrent_calls(2).max_queued_calls(5));
    of.fail(Fault::Delay(SECOND));
    let answers = at_once(&of, 100).await;
    let refused_at_once =
        answers.iter().filter(|(kind, waited)| kind == UNAVAILABLE && waited.is_zero()).count();
    let accepted = answers.iter().filter(|(kind, _)| kind == "ok").count();
    assert_eq!(refused_at_once, 93);
    assert!(accepted >= 4, "{accepted}");
    of.fail(None);
    assert_eq!(of.kind_of_new().await, "ok");
    // None may wait.
    let of =
        IssuerIntrospection::with(|introspection| introspection.max_concurrent_calls(1).max_queued_calls(0));
    of.fail(Fault::Delay(SECOND));
    assert_eq!(at_once(&of, 10).await.iter().filter(|(kind, _)| kind == "ok").count(), 1);
    // Those who share a call count once.
    let token = of.opaque();
    let mut requests = JoinSet::new();
    for _ in 0..50 {
        let (api, token) = (of.api.clone(), token.clone());
        requests.spawn(async move { api.kind(token).await });
    }
    assert!(requests.join_all().await.iter().all(|kind| kind == "ok"));
}

/// The most requests in any 60 s.
fn most_in_a_minute(asked: &[Asked]) -> usize {
    let minute = Duration::from_secs(60);
    let in_minute_from =
        |from: Instant| asked.iter().filter(|asked| asked.at >= from && asked.at < from + minute).count();
    asked.iter().map(|asked| in_minute_from(asked.at)).max().unwrap_or_default()
}

#[tokio::test(start_paused = true)]
async fn no_minute_sees_more_requests_than_allowed() {
    for calls in [5_u32, 6, 10, 60] {
        for (name, lost, moved) in
            [("all is well", false, false), ("connections die", true, false), ("it moves", false, true)]
        {
            let of =
                IssuerIntrospection::discovered(|_, introspection| introspection.max_calls_per_minute(calls));
            let start = Instant::now();
            let mut accepted = 0;
            let mut n = 0_u32;
            while start.elapsed() < Duration::from_secs(200) {
                n += 1;
                if lost && n.is_multiple_of(3) {
                    of.wire.once(Act::Lost);
                }
                if moved && n.is_multiple_of(5) {
                    of.wire.once(Act::Instead(crate::support::net::Reply::status(404)));
                }
                let answer = of.api.get(of.opaque()).await;
                accepted += usize::from(answer.kind() == "ok");
                assert!(retry_after(&answer).is_none_or(|secs| (1..=60).contains(&secs)), "{calls} {name}");
                sleep(SECOND / 4).await;
            }
            let most = most_in_a_minute(&of.wire.asked());
            println!("{calls} a minute, {name}: {most} at most, {accepted} of {n} accepted in 200 s");
            assert!(most <= calls as usize, "{calls} {name}: {most}");
            assert!(accepted > 0, "{calls} {name}");
            if !lost && !moved {
                // Half of them at once; then those of the other half, and one, in each minute.
                let expected = (calls.div_ceil(2) + (calls / 2 + 1) * 3) as usize;
                assert!(accepted + 3 >= expected, "{calls} {name}: {accepted} of {n}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_limit_of_a_minute_is_told_at_once_and_is_no_failure_of_the_server() {
    let of = IssuerIntrospection::with(|introspection| introspection.max_calls_per_minute(10));
    let token = of.opaque();
    assert_eq!(of.api.kind(&token).await, "ok");
    let answers = at_once(&of, 1000).await;
    // Five at once, of which one is kept for tokens that were active before.
    assert_eq!(answers.iter().filter(|(kind, _)| kind == "ok").count(), 3);
    assert!(answers.iter().all(|(_, waited)| waited.is_zero()));
    assert_eq!((of.calls(), of.circuit()), (4, tower_bearer::diagnostics::CircuitState::Closed));
    let answer = of.api.get(of.opaque()).await;
    assert_eq!((answer.kind().as_str(), retry_after(&answer)), (UNAVAILABLE, Some(11)));
    assert_eq!(of.api.kind_at_once(&token), "ok", "what is remembered costs nothing");
    of.pass(10 * SECOND).await;
    of.pass(Duration::from_millis(1)).await;
    assert_eq!(of.kind_of_new().await, "ok");
}

fn bounds(configure: impl FnOnce(Introspection) -> Introspection) -> Option<u32> {
    let idp = TestIssuer::new();
    let issuer = tower_bearer::Issuer::without_keys(idp.identifier()).introspect(configure(introspection()));
    let builder = BearerAuth::builder(API).http_client(idp.http_client()).issuer(issuer);
    builder.build().unwrap().bounds().max_calls_per_minute().value()
}

#[test]
fn the_bounds_say_what_the_limit_is_and_that_there_is_none() {
    assert_eq!(bounds(|introspection| introspection), None);
    assert_eq!(bounds(|introspection| introspection.max_concurrent_calls(1).max_queued_calls(0)), None);
    assert_eq!(bounds(|introspection| introspection.max_calls_per_minute(60)), Some(60));
    assert_eq!(bounds(|introspection| introspection.max_calls_per_minute(u32::MAX)), Some(u32::MAX));
}

/// Half of them go at once, and a lookup takes two.
#[test]
fn fewer_calls_than_a_lookup_and_one_call_need_are_no_configuration() {
    let build = |calls: u32, endpoint: bool| {
        let idp = TestIssuer::new();
        let asks = introspection().max_calls_per_minute(calls);
        let asks = if endpoint { asks.endpoint(idp.introspection_url()) } else { asks };
        let issuer = idp.issuer().introspect(asks);
        BearerAuth::builder(API).http_client(idp.http_client()).issuer(issuer).build().map(drop)
    };
    for calls in 1..=4 {
        let told = build(calls, false).unwrap_err().to_string();
        assert!(told.contains("max_calls_per_minute") && told.contains(".endpoint("), "{calls}: {told}");
        assert!(build(calls, true).is_ok(), "{calls}");
    }
    assert!(build(5, false).is_ok());
}

/// Requests keep coming, each of which could pay for a part of the lookup.
#[tokio::test(start_paused = true)]
async fn a_lookup_that_cannot_be_paid_yet_is_made_when_it_can() {
    let of = IssuerIntrospection::discovered(|_, introspection| introspection.max_calls_per_minute(5));
    assert_eq!(of.kind_of_new().await, "ok");
    of.wire.once(Act::Instead(crate::support::net::Reply::status(404)));
    let start = Instant::now();
    while of.wire.total() < 3 {
        assert_eq!(of.kind_of_new().await, UNAVAILABLE);
        sleep(SECOND / 10).await;
    }
    while of.kind_of_new().await != "ok" {
        assert!(start.elapsed() < Duration::from_secs(120), "it is never looked up");
        sleep(SECOND / 10).await;
    }
    println!("moved, with 5 calls a minute: found again after {:?}", start.elapsed());
}

/// A server that takes 1.2 s for an answer, as it always does.
#[tokio::test(start_paused = true)]
async fn more_tokens_at_once_than_there_are_turns_for_do_not_open_the_circuit() {
    for tokens in [100, 193, 300, 1000] {
        let of = IssuerIntrospection::new();
        of.fail(Fault::Delay(Duration::from_millis(1200)));
        let answers = at_once(&of, tokens).await;
        let accepted = answers.iter().filter(|(kind, _)| kind == "ok").count();
        sleep(Duration::from_millis(1)).await;
        println!("{tokens} tokens at once, 1.2 s each: {accepted} accepted, then {:?}", of.circuit());
        assert_eq!(of.circuit(), tower_bearer::diagnostics::CircuitState::Closed, "{tokens}");
        assert_eq!(of.kind_of_new().await, "ok", "{tokens}");
    }
}

/// Made-up tokens use up all that is limited but for a part, which good tokens get by with.
#[tokio::test(start_paused = true)]
async fn tokens_that_were_good_before_get_through_a_flood_of_made_up_ones() {
    let limited = |introspection: Introspection| {
        introspection.max_calls_per_minute(240).max_concurrent_calls(8).max_queued_calls(40)
    };
    let of = IssuerIntrospection::with(limited);
    let good: Vec<String> =
        (0..5).map(|_| of.idp.token(API).lifetime(Duration::from_secs(3600)).opaque()).collect();
    for token in &good {
        assert_eq!(of.api.kind(token).await, "ok");
    }
    of.fail(Fault::Delay(SECOND / 5));
    let api = of.api.clone();
    let flood = tokio::spawn(async move {
        for number in 0_u32.. {
            let api = api.clone();
            tokio::spawn(async move { api.kind(format!("made-up-{number}")).await });
            sleep(Duration::from_millis(20)).await;
        }
    });
    for minute in 0..10 {
        of.pass(31 * SECOND).await;
        for token in &good {
            assert_eq!(of.api.kind(token).await, "ok", "{minute}");
        }
    }
    flood.abort();
}
