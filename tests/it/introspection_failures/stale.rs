//! What was active is taken for active a while longer where that is configured, and the server out of reach.

use std::time::Duration;

use tower_bearer::Introspection;
use tower_bearer::diagnostics::CircuitState;
use tower_bearer::testing::Fault;

use crate::support::introspected::{IssuerIntrospection, SECOND, timed};
use crate::support::protected::API;

const UNAVAILABLE: &str = "introspection_unavailable";
const MINUTE: Duration = Duration::from_secs(60);

/// Ten minutes longer than the usual 30 s.
fn stale(introspection: Introspection) -> Introspection {
    introspection.serve_stale(10 * MINUTE)
}

#[tokio::test(start_paused = true)]
async fn a_token_that_was_active_passes_that_much_longer_and_not_longer() {
    for fault in [Fault::Refuse, Fault::Hang, Fault::Status(500), Fault::Html, Fault::RetryAfter(503, SECOND)]
    {
        let of = IssuerIntrospection::with(stale);
        let token = of.idp.token(API).lifetime(60 * MINUTE).opaque();
        let (start, _) = (tokio::time::Instant::now(), assert_eq!(of.api.kind(&token).await, "ok"));
        of.fail(fault.clone());
        // A request that waits in vain for three seconds must find it good after them.
        while start.elapsed() < 27 * SECOND + 10 * MINUTE {
            let (kind, waited) = timed(of.api.kind(&token)).await;
            assert_eq!(kind, "ok", "{fault:?}: after {:?}", start.elapsed());
            assert!(waited <= 3 * SECOND, "{fault:?}: {waited:?}");
            assert_eq!(of.kind_of_new().await, UNAVAILABLE, "{fault:?}");
            of.pass(7 * SECOND).await;
        }
        of.pass(3 * SECOND).await;
        assert_eq!(of.api.kind(&token).await, UNAVAILABLE, "{fault:?}: after {:?}", start.elapsed());
        of.fail(None);
        of.pass(10 * SECOND).await;
        assert_eq!(of.api.kind(&token).await, "ok", "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_it_an_outage_is_one_for_every_token() {
    let of = IssuerIntrospection::new();
    let token = of.idp.token(API).lifetime(60 * MINUTE).opaque();
    assert_eq!(of.api.kind(&token).await, "ok");
    of.fail(Fault::Refuse);
    of.pass(30 * SECOND).await;
    assert_eq!(of.api.kind(&token).await, UNAVAILABLE);
}

#[tokio::test(start_paused = true)]
async fn nothing_passes_beyond_its_end() {
    let of = IssuerIntrospection::with(stale);
    let token = of.idp.token(API).lifetime(2 * MINUTE).opaque();
    assert_eq!(of.api.kind(&token).await, "ok");
    of.fail(Fault::Refuse);
    // Up to the leeway that the claims have.
    let mut accepted = Duration::ZERO;
    while of.api.kind(&token).await == "ok" {
        accepted += SECOND;
        of.pass(SECOND).await;
        assert!(accepted <= 4 * MINUTE, "no end");
    }
    println!("a token of 120 s passed for {accepted:?} in an outage");
    assert!(accepted <= 2 * MINUTE, "{accepted:?}");
}

#[tokio::test(start_paused = true)]
async fn what_the_server_calls_inactive_is_never_revived() {
    for ttl in [10 * SECOND, Duration::ZERO] {
        let of = IssuerIntrospection::with(|introspection| stale(introspection).inactive_ttl(ttl));
        let token = of.idp.token(API).lifetime(60 * MINUTE).opaque();
        assert_eq!(of.api.kind(&token).await, "ok");
        of.idp.revoke(&token);
        of.pass(30 * SECOND).await;
        assert_eq!(of.api.kind(&token).await, "token_inactive");
        of.fail(Fault::Refuse);
        of.pass(11 * SECOND).await;
        for _ in 0..10 {
            assert_eq!(of.api.kind(&token).await, UNAVAILABLE);
        }
    }
}

/// Nor what fits no more: the server has told what the token is good for now.
#[tokio::test(start_paused = true)]
async fn what_the_server_said_last_counts() {
    let of = IssuerIntrospection::with(stale);
    let token = of.idp.token(API).lifetime(60 * MINUTE).opaque();
    assert_eq!(of.api.kind(&token).await, "ok");
    of.idp.alter_introspection(|answer| {
        answer.insert("aud".to_owned(), "https://elsewhere.example.com".into());
    });
    of.pass(30 * SECOND).await;
    assert_eq!(of.api.kind(&token).await, "audience_mismatch");
    of.fail(Fault::Refuse);
    of.pass(11 * SECOND).await;
    assert_eq!(of.api.kind(&token).await, UNAVAILABLE);
}

#[tokio::test(start_paused = true)]
async fn a_route_that_asks_anew_takes_nothing_stale() {
    let of = IssuerIntrospection::with(stale);
    let route = of.asking_now();
    let token = of.idp.token(API).lifetime(60 * MINUTE).opaque();
    assert_eq!(route.kind(&token).await, "ok");
    of.fail(Fault::Refuse);
    for _ in 0..10 {
        of.pass(20 * SECOND).await;
        assert_eq!(of.api.kind(&token).await, "ok");
        assert_eq!(route.kind(&token).await, UNAVAILABLE);
    }
    assert_eq!(route.handler.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_refused_takes_nothing_stale() {
    for fault in
        [Fault::Status(401), Fault::Status(403), Fault::Json(400, r#"{"error":"invalid_client"}"#.into())]
    {
        let of = IssuerIntrospection::with(stale);
        let token = of.idp.token(API).lifetime(60 * MINUTE).opaque();
        assert_eq!(of.api.kind(&token).await, "ok");
        of.fail(fault.clone());
        of.pass(30 * SECOND).await;
        for _ in 0..8 {
            assert_eq!(of.api.kind(&token).await, "introspection_misconfigured", "{fault:?}");
        }
    }
}

/// Once the circuit is open nobody waits for what is stale.
#[tokio::test(start_paused = true)]
async fn with_the_circuit_open_stale_tokens_pass_at_once() {
    let of = IssuerIntrospection::with(stale);
    let token = of.idp.token(API).lifetime(60 * MINUTE).opaque();
    assert_eq!(of.api.kind(&token).await, "ok");
    of.pass(30 * SECOND).await;
    of.open_the_circuit(Fault::Hang).await;
    let asked = of.calls();
    for _ in 0..9 {
        let (kind, waited) = timed(of.api.kind(&token)).await;
        assert_eq!((kind.as_str(), waited, of.circuit()), ("ok", Duration::ZERO, CircuitState::Open));
        of.pass(SECOND).await;
    }
    assert_eq!(of.calls(), asked);
}

#[tokio::test]
async fn the_bounds_say_how_long_a_revoked_token_passes_in_an_outage() {
    let bounds = |configure: fn(Introspection) -> Introspection| {
        let of = IssuerIntrospection::with(|introspection| configure(introspection.also_jwts()));
        (of.auth.bounds().revoked_token().value(), of.auth.bounds().revoked_token_in_outage().value())
    };
    assert_eq!(bounds(|introspection| introspection), (Some(30 * SECOND), Some(30 * SECOND)));
    assert_eq!(bounds(stale), (Some(30 * SECOND), Some(30 * SECOND + 10 * MINUTE)));
    let longest = bounds(|introspection| introspection.serve_stale(Duration::MAX));
    assert_eq!(longest, (Some(30 * SECOND), Some(Duration::MAX)));
}

/// Somebody makes up tokens so that nobody can be asked about one that was revoked.
#[tokio::test(start_paused = true)]
async fn a_limit_that_is_reached_is_no_outage() {
    for full in ["the minute", "those who wait"] {
        let of = IssuerIntrospection::with(|introspection| match full {
            "the minute" => stale(introspection).max_calls_per_minute(10),
            _ => stale(introspection).max_concurrent_calls(1).max_queued_calls(0),
        });
        let token = of.idp.token(API).lifetime(60 * MINUTE).opaque();
        assert_eq!(of.api.kind(&token).await, "ok");
        of.idp.revoke(&token);
        of.fail(Fault::Delay(SECOND));
        let start = tokio::time::Instant::now();
        let mut made_up = tokio::task::JoinSet::new();
        while start.elapsed() < 2 * MINUTE {
            let (api, other) = (of.api.clone(), format!("made-up-{:?}", start.elapsed()));
            made_up.spawn(async move { api.kind(other).await });
            tokio::task::yield_now().await;
            let kind = of.api.kind(&token).await;
            assert!(kind != "ok" || start.elapsed() <= 31 * SECOND, "{full}: after {:?}", start.elapsed());
            of.pass(SECOND / 4).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_has_too_much_to_do_is_not_out_of_reach() {
    let of = IssuerIntrospection::with(stale);
    let token = of.idp.token(API).lifetime(60 * MINUTE).opaque();
    assert_eq!(of.api.kind(&token).await, "ok");
    of.idp.revoke(&token);
    of.fail(Fault::RetryAfter(429, SECOND));
    of.pass(31 * SECOND).await;
    for _ in 0..10 {
        assert_eq!(of.api.kind(&token).await, UNAVAILABLE);
        of.pass(SECOND / 4).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_for_anew_each_time_is_good_for_an_outage_as_well() {
    let of = IssuerIntrospection::with(|introspection| stale(introspection).active_ttl(Duration::ZERO));
    let token = of.idp.token(API).lifetime(60 * MINUTE).opaque();
    assert_eq!(of.api.kind(&token).await, "ok");
    assert_eq!((of.api.kind(&token).await.as_str(), of.calls()), ("ok", 2));
    of.fail(Fault::Refuse);
    of.pass(9 * MINUTE).await;
    assert_eq!(of.api.kind(&token).await, "ok");
    of.pass(MINUTE).await;
    assert_eq!(of.api.kind(&token).await, UNAVAILABLE);
}

/// A server that answers everything, and takes long: who waits behind a flood must not take that for an outage.
#[tokio::test(start_paused = true)]
async fn waiting_behind_made_up_tokens_revives_no_revoked_one() {
    let of = IssuerIntrospection::with(stale);
    let token = of.idp.token(API).lifetime(60 * MINUTE).opaque();
    assert_eq!(of.api.kind(&token).await, "ok");
    of.idp.revoke(&token);
    of.pass(31 * SECOND).await;
    of.fail(Fault::Delay(2 * SECOND));
    for round in 0..40_u32 {
        for number in 0..48 {
            let api = of.api.clone();
            tokio::spawn(async move { api.kind(format!("made-up-{round}-{number}")).await });
        }
        of.pass(SECOND / 3).await;
        assert_eq!(of.circuit(), CircuitState::Closed, "{round}");
        let (api, revoked) = (of.api.clone(), token.clone());
        tokio::spawn(async move { assert_ne!(api.kind(revoked).await, "ok") });
    }
    of.pass(10 * SECOND).await;
    assert_eq!(of.api.kind(&token).await, "token_inactive");
}

/// What ends while the server asks for a pause does not make an outage of the pause.
#[tokio::test(start_paused = true)]
async fn a_pause_stays_one_whatever_ends_in_it() {
    let of = IssuerIntrospection::with(stale);
    let token = of.idp.token(API).lifetime(60 * MINUTE).opaque();
    assert_eq!(of.api.kind(&token).await, "ok");
    of.idp.revoke(&token);
    of.pass(31 * SECOND).await;
    of.fail(Fault::Hang);
    let (api, other) = (of.api.clone(), of.opaque());
    let hangs = tokio::spawn(async move { api.kind(other).await });
    of.pass(SECOND).await;
    of.fail(Fault::RetryAfter(429, 60 * SECOND));
    assert_eq!(of.kind_of_new().await, UNAVAILABLE);
    assert_eq!(hangs.await.unwrap(), UNAVAILABLE);
    for _ in 0..50 {
        assert_eq!(of.api.kind(&token).await, UNAVAILABLE);
        of.pass(SECOND).await;
    }
}
