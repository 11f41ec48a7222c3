//! `serve_stale`: stale responses are used during an outage.

use std::time::Duration;

use tower_bearer::Introspection;
use tower_bearer::RejectionKind::AudienceMismatch;
use tower_bearer::diagnostics::CircuitState;
use tower_bearer::testing::Fault;

use super::{INACTIVE, MISCONFIGURED, UNAVAILABLE};
use crate::support::figure::figure;
use crate::support::introspected::{IssuerIntrospection, SECOND, timed};
use crate::support::protected::{ACCEPTED, API};

const MINUTE: Duration = Duration::from_secs(60);

/// Ten minutes after the default TTL of 30 s.
fn stale(introspection: Introspection) -> Introspection {
    introspection.serve_stale(10 * MINUTE)
}

#[tokio::test(start_paused = true)]
async fn serve_stale_extends_an_active_token_by_its_duration_and_no_longer() {
    for fault in [Fault::Refuse, Fault::Hang, Fault::Status(500), Fault::Html, Fault::RetryAfter(503, SECOND)]
    {
        let setup = IssuerIntrospection::with(stale);
        let token = setup.idp.token(API).lifetime(60 * MINUTE).opaque();
        let start = tokio::time::Instant::now();
        assert_eq!(setup.api.outcome(&token).await, ACCEPTED);
        setup.fail(fault.clone());
        // The response must still be usable after a request that waited three seconds for a timeout.
        while start.elapsed() < 27 * SECOND + 10 * MINUTE {
            let (outcome, waited) = timed(setup.api.outcome(&token)).await;
            assert_eq!(outcome, ACCEPTED, "{fault:?}: after {:?}", start.elapsed());
            assert!(waited <= 3 * SECOND, "{fault:?}: {waited:?}");
            assert_eq!(setup.outcome_of_new().await, UNAVAILABLE, "{fault:?}");
            setup.pass(7 * SECOND).await;
        }
        setup.pass(3 * SECOND).await;
        assert_eq!(setup.api.outcome(&token).await, UNAVAILABLE, "{fault:?}: after {:?}", start.elapsed());
        setup.fail(None);
        setup.pass(10 * SECOND).await;
        assert_eq!(setup.api.outcome(&token).await, ACCEPTED, "{fault:?}");
    }
}

/// 200 requests per second, each with another token, exceed the limits on calls within seconds.
#[tokio::test(start_paused = true)]
async fn tokens_known_to_be_active_pass_while_the_server_hangs_or_is_overdue() {
    const TOKENS: u32 = 1_000;
    let mut failed = Vec::new();
    for fault in [Fault::Hang, Fault::Delay(4 * SECOND), Fault::Delay(SECOND * 8 / 5)] {
        let setup = IssuerIntrospection::with(stale);
        let token = || setup.idp.token(API).lifetime(60 * MINUTE).opaque();
        let tokens: Vec<String> = (0..TOKENS).map(|_| token()).collect();
        for token in &tokens {
            assert_eq!(setup.api.outcome(token).await, ACCEPTED);
        }
        setup.pass(30 * SECOND).await;
        setup.fail(fault.clone());
        let mut requests = tokio::task::JoinSet::new();
        for token in tokens {
            let api = setup.api.clone();
            requests.spawn(async move { timed(api.outcome(token)).await });
            setup.pass(SECOND / 200).await;
        }
        let results = requests.join_all().await;
        let accepted = results.iter().filter(|(outcome, _)| *outcome == ACCEPTED).count();
        let longest = results.iter().map(|(_, waited)| *waited).max().unwrap();
        let tokens = format!("tokens known to be active, {fault:?}");
        figure("1.2", format_args!("accepted of {TOKENS}, {tokens}"), accepted, TOKENS);
        figure("1.2", format_args!("longest wait, {tokens}"), format_args!("{longest:?}"), "at most 1 s");
        if accepted < results.len() || longest > SECOND {
            failed.push(fault);
        }
    }
    assert_eq!(failed, []);
}

#[tokio::test(start_paused = true)]
async fn a_call_continues_after_its_stale_response_was_served() {
    let setup = IssuerIntrospection::with(stale);
    let token = setup.idp.token(API).lifetime(60 * MINUTE).opaque();
    assert_eq!(setup.api.outcome(&token).await, ACCEPTED);
    setup.idp.revoke(&token);
    setup.pass(30 * SECOND).await;
    setup.fail(Fault::Delay(2 * SECOND));
    let (outcome, waited) = timed(setup.api.outcome(&token)).await;
    assert!(outcome == ACCEPTED && waited <= SECOND, "{outcome:?} after {waited:?}");
    setup.pass(2 * SECOND).await;
    // The late call also tried a fresh connection.
    assert_eq!((setup.api.outcome(&token).await, setup.calls()), (INACTIVE, 3));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_recovers_is_seen_at_the_next_request() {
    let setup = IssuerIntrospection::with(stale);
    let (token, revoked) = (setup.opaque(), setup.opaque());
    for token in [&token, &revoked] {
        assert_eq!(setup.api.outcome(token).await, ACCEPTED);
    }
    setup.idp.revoke(&revoked);
    setup.pass(30 * SECOND).await;
    setup.fail(Fault::Hang);
    assert_eq!(setup.api.outcome(&token).await, ACCEPTED);
    setup.fail(None);
    // One request is served the stale response. Its call finds the server healthy.
    assert_eq!(setup.api.outcome(&revoked).await, ACCEPTED);
    setup.pass(SECOND / 10).await;
    assert_eq!(setup.api.outcome(&revoked).await, INACTIVE);
}

#[tokio::test(start_paused = true)]
async fn without_serve_stale_an_expired_ttl_gives_503_during_an_outage() {
    let setup = IssuerIntrospection::new();
    let token = setup.idp.token(API).lifetime(60 * MINUTE).opaque();
    assert_eq!(setup.api.outcome(&token).await, ACCEPTED);
    setup.fail(Fault::Refuse);
    setup.pass(30 * SECOND).await;
    assert_eq!(setup.api.outcome(&token).await, UNAVAILABLE);
}

#[tokio::test(start_paused = true)]
async fn no_stale_token_is_accepted_beyond_its_exp() {
    let setup = IssuerIntrospection::with(stale);
    let token = setup.idp.token(API).lifetime(2 * MINUTE).opaque();
    assert_eq!(setup.api.outcome(&token).await, ACCEPTED);
    setup.fail(Fault::Refuse);
    // The leeway of the claims does not extend the token's lifetime.
    let mut accepted = Duration::ZERO;
    while setup.api.outcome(&token).await == ACCEPTED {
        accepted += SECOND;
        setup.pass(SECOND).await;
        assert!(accepted <= 4 * MINUTE, "the token is still accepted");
    }
    let quantity = "time for which a token of 120 s is accepted in an outage";
    figure("1.2", quantity, format_args!("{accepted:?}"), "at most 120 s");
    assert!(accepted <= 2 * MINUTE, "{accepted:?}");
}

#[tokio::test(start_paused = true)]
async fn an_inactive_token_never_becomes_stale() {
    for ttl in [10 * SECOND, Duration::ZERO] {
        let setup = IssuerIntrospection::with(|introspection| stale(introspection).inactive_ttl(ttl));
        let token = setup.idp.token(API).lifetime(60 * MINUTE).opaque();
        assert_eq!(setup.api.outcome(&token).await, ACCEPTED);
        setup.idp.revoke(&token);
        setup.pass(30 * SECOND).await;
        assert_eq!(setup.api.outcome(&token).await, INACTIVE);
        setup.fail(Fault::Refuse);
        setup.pass(11 * SECOND).await;
        for _ in 0..10 {
            assert_eq!(setup.api.outcome(&token).await, UNAVAILABLE);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_response_replaces_the_stale_one() {
    let setup = IssuerIntrospection::with(stale);
    let token = setup.idp.token(API).lifetime(60 * MINUTE).opaque();
    assert_eq!(setup.api.outcome(&token).await, ACCEPTED);
    setup.idp.alter_introspection(|response| {
        response.insert("aud".to_owned(), "https://elsewhere.example.com".into());
    });
    setup.pass(30 * SECOND).await;
    assert_eq!(setup.api.outcome(&token).await, Err(AudienceMismatch));
    setup.fail(Fault::Refuse);
    setup.pass(11 * SECOND).await;
    assert_eq!(setup.api.outcome(&token).await, UNAVAILABLE);
}

#[tokio::test(start_paused = true)]
async fn still_active_never_accepts_a_stale_response() {
    let setup = IssuerIntrospection::with(stale);
    let route = setup.still_active_route();
    let token = setup.idp.token(API).lifetime(60 * MINUTE).opaque();
    assert_eq!(route.outcome(&token).await, ACCEPTED);
    setup.fail(Fault::Refuse);
    for _ in 0..10 {
        setup.pass(20 * SECOND).await;
        assert_eq!(setup.api.outcome(&token).await, ACCEPTED);
        assert_eq!(route.outcome(&token).await, UNAVAILABLE);
    }
    assert_eq!(route.handler.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_rejected_client_never_gets_a_stale_response() {
    for fault in
        [Fault::Status(401), Fault::Status(403), Fault::Json(400, r#"{"error":"invalid_client"}"#.into())]
    {
        let setup = IssuerIntrospection::with(stale);
        let token = setup.idp.token(API).lifetime(60 * MINUTE).opaque();
        assert_eq!(setup.api.outcome(&token).await, ACCEPTED);
        setup.fail(fault.clone());
        setup.pass(30 * SECOND).await;
        for _ in 0..8 {
            assert_eq!(setup.api.outcome(&token).await, MISCONFIGURED, "{fault:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn stale_tokens_are_accepted_at_once_while_the_circuit_is_open() {
    let setup = IssuerIntrospection::with(stale);
    let token = setup.idp.token(API).lifetime(60 * MINUTE).opaque();
    assert_eq!(setup.api.outcome(&token).await, ACCEPTED);
    setup.pass(30 * SECOND).await;
    setup.open_the_circuit(Fault::Hang).await;
    let calls = setup.calls();
    for _ in 0..9 {
        let (outcome, waited) = timed(setup.api.outcome(&token)).await;
        assert_eq!((outcome, waited, setup.circuit()), (ACCEPTED, Duration::ZERO, CircuitState::Open));
        setup.pass(SECOND / 50).await;
    }
    assert_eq!(setup.calls(), calls);
}

#[tokio::test]
async fn the_bounds_report_how_long_a_revoked_token_is_accepted_during_an_outage() {
    let bounds = |configure: fn(Introspection) -> Introspection| {
        let setup = IssuerIntrospection::with(|introspection| configure(introspection.also_jwts()));
        (setup.auth.bounds().revoked_token().value(), setup.auth.bounds().revoked_token_in_outage().value())
    };
    assert_eq!(bounds(|introspection| introspection), (Some(30 * SECOND), Some(30 * SECOND)));
    assert_eq!(bounds(stale), (Some(30 * SECOND), Some(30 * SECOND + 10 * MINUTE)));
    let longest = bounds(|introspection| introspection.serve_stale(Duration::MAX));
    assert_eq!(longest, (Some(30 * SECOND), Some(Duration::MAX)));
}

/// The token is revoked right after it was introspected, and the server fails at the same time.
#[tokio::test(start_paused = true)]
async fn the_bound_on_a_revoked_token_during_an_outage_holds() {
    for fault in [Fault::Refuse, Fault::Hang] {
        for jwt in [false, true] {
            let setup = IssuerIntrospection::with(|introspection| stale(introspection.also_jwts()));
            let token = setup.idp.token(API).lifetime(60 * MINUTE);
            let (name, token) = if jwt { ("JWT", token.sign()) } else { ("opaque token", token.opaque()) };
            assert_eq!(setup.api.outcome(&token).await, ACCEPTED);
            let start = tokio::time::Instant::now();
            setup.idp.revoke(&token);
            setup.fail(fault.clone());
            let mut accepted_for = Duration::ZERO;
            while setup.api.outcome(&token).await == ACCEPTED {
                accepted_for = start.elapsed();
                setup.pass(SECOND).await;
            }
            let bound = setup.auth.bounds().revoked_token_in_outage().value().unwrap();
            let quantity = format!("revoked_token_in_outage: {name}, {fault:?}");
            figure("bounds", quantity, format_args!("{accepted_for:?}"), format_args!("at most {bound:?}"));
            assert!(accepted_for <= bound && accepted_for >= bound - 10 * SECOND, "{name}: {accepted_for:?}");
        }
    }
}

/// An attacker exhausts the limit with unknown tokens to keep a revoked token accepted.
#[tokio::test(start_paused = true)]
async fn an_exhausted_limit_never_serves_stale_responses() {
    for exhausted in ["rate limit", "queue"] {
        let setup = IssuerIntrospection::with(|introspection| match exhausted {
            "rate limit" => stale(introspection).max_calls_per_minute(10),
            _ => stale(introspection).max_concurrent_calls(1).max_queued_calls(0),
        });
        let token = setup.idp.token(API).lifetime(60 * MINUTE).opaque();
        assert_eq!(setup.api.outcome(&token).await, ACCEPTED);
        setup.idp.revoke(&token);
        setup.fail(Fault::Delay(SECOND));
        let start = tokio::time::Instant::now();
        let mut flood = tokio::task::JoinSet::new();
        while start.elapsed() < 2 * MINUTE {
            let (api, other) = (setup.api.clone(), format!("unknown-{:?}", start.elapsed()));
            flood.spawn(async move { api.outcome(other).await });
            tokio::task::yield_now().await;
            let outcome = setup.api.outcome(&token).await;
            assert!(
                outcome != ACCEPTED || start.elapsed() <= 31 * SECOND,
                "{exhausted}: after {:?}",
                start.elapsed()
            );
            setup.pass(SECOND / 4).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn status_429_never_serves_stale_responses() {
    let setup = IssuerIntrospection::with(stale);
    let token = setup.idp.token(API).lifetime(60 * MINUTE).opaque();
    assert_eq!(setup.api.outcome(&token).await, ACCEPTED);
    setup.idp.revoke(&token);
    setup.fail(Fault::RetryAfter(429, SECOND));
    setup.pass(31 * SECOND).await;
    for _ in 0..10 {
        assert_eq!(setup.api.outcome(&token).await, UNAVAILABLE);
        setup.pass(SECOND / 4).await;
    }
}

#[tokio::test(start_paused = true)]
async fn with_a_ttl_of_zero_stale_responses_are_served_during_an_outage() {
    let setup = IssuerIntrospection::with(|introspection| stale(introspection).active_ttl(Duration::ZERO));
    let token = setup.idp.token(API).lifetime(60 * MINUTE).opaque();
    assert_eq!(setup.api.outcome(&token).await, ACCEPTED);
    assert_eq!((setup.api.outcome(&token).await, setup.calls()), (ACCEPTED, 2));
    setup.fail(Fault::Refuse);
    setup.pass(9 * MINUTE).await;
    assert_eq!(setup.api.outcome(&token).await, ACCEPTED);
    setup.pass(MINUTE).await;
    assert_eq!(setup.api.outcome(&token).await, UNAVAILABLE);
}

/// The server responds to every request in time (0.7 s), so a timeout in the queue is no outage.
#[tokio::test(start_paused = true)]
async fn queueing_behind_unknown_tokens_never_serves_a_revoked_token() {
    let setup = IssuerIntrospection::with(stale);
    let token = setup.idp.token(API).lifetime(60 * MINUTE).opaque();
    assert_eq!(setup.api.outcome(&token).await, ACCEPTED);
    setup.idp.revoke(&token);
    setup.pass(31 * SECOND).await;
    setup.fail(Fault::Delay(SECOND * 7 / 10));
    let mut outcomes = tokio::task::JoinSet::new();
    for round in 0..40_u32 {
        for number in 0..48 {
            let api = setup.api.clone();
            tokio::spawn(async move { api.outcome(format!("unknown-{round}-{number}")).await });
        }
        setup.pass(SECOND / 3).await;
        assert_eq!(setup.circuit(), CircuitState::Closed, "{round}");
        let (api, revoked) = (setup.api.clone(), token.clone());
        outcomes.spawn(async move { api.outcome(revoked).await });
    }
    assert!(outcomes.join_all().await.iter().all(|outcome| *outcome != ACCEPTED));
    setup.pass(10 * SECOND).await;
    assert_eq!(setup.api.outcome(&token).await, INACTIVE);
}

/// A call that times out during a pause does not turn the pause into an outage.
#[tokio::test(start_paused = true)]
async fn a_pause_never_serves_stale_responses_when_a_call_times_out() {
    let setup = IssuerIntrospection::with(stale);
    let token = setup.idp.token(API).lifetime(60 * MINUTE).opaque();
    assert_eq!(setup.api.outcome(&token).await, ACCEPTED);
    setup.idp.revoke(&token);
    setup.pass(31 * SECOND).await;
    setup.fail(Fault::Hang);
    let (api, other) = (setup.api.clone(), setup.opaque());
    let hanging = tokio::spawn(async move { api.outcome(other).await });
    setup.pass(SECOND).await;
    setup.fail(Fault::RetryAfter(429, 60 * SECOND));
    assert_eq!(setup.outcome_of_new().await, UNAVAILABLE);
    assert_eq!(hanging.await.unwrap(), UNAVAILABLE);
    for _ in 0..50 {
        assert_eq!(setup.api.outcome(&token).await, UNAVAILABLE);
        setup.pass(SECOND).await;
    }
}
