//! `Retry-After` of the introspection endpoint (RFC 9110 section 10.2.3, RFC 6585 section 4).

use std::time::Duration;

use tower_bearer::diagnostics::CircuitState;
use tower_bearer::testing::{Endpoint, Fault};
use tower_bearer::time::Clock;
use tracing::Level;

use super::UNAVAILABLE;
use crate::support::figure::figure;
use crate::support::introspected::{IssuerIntrospection, SECOND, http_date, retry_after};
use crate::support::log::Log;
use crate::support::net::{Act, Reply};
use crate::support::protected::{ACCEPTED, verdict};

fn retry_in(status: u16, retry_after: &str) -> Act {
    Act::Instead(Reply::status(status).header("retry-after", retry_after))
}

/// The `Retry-After` of the first request, and the seconds without a call that follow.
async fn paused_for(setup: &IssuerIntrospection, act: Act) -> (u64, u64) {
    setup.net.once(act);
    let first = setup.api.get(setup.opaque()).await;
    assert_eq!(first.outcome(), UNAVAILABLE);
    let sent = setup.net.total();
    let mut seconds = 0;
    loop {
        let response = setup.api.get(setup.opaque()).await;
        if response.outcome() == ACCEPTED {
            assert_eq!(setup.net.total(), sent + 1);
            return (retry_after(&first).unwrap(), seconds);
        }
        assert_eq!(response.outcome(), UNAVAILABLE);
        assert!(setup.status().paused_until().is_some());
        assert_eq!(setup.net.total(), sent, "a request was sent after {seconds} s");
        let secs = retry_after(&response).unwrap();
        setup.pass(SECOND).await;
        seconds += 1;
        assert!(seconds <= 400, "Retry-After is {secs}, and the pause does not end");
    }
}

#[tokio::test(start_paused = true)]
async fn no_request_is_sent_before_retry_after_ends_and_clients_get_the_remaining_time() {
    for status in [429, 503] {
        let in_future = |setup: &IssuerIntrospection, secs| http_date(&setup.idp, Duration::from_secs(secs));
        let setup = IssuerIntrospection::new();
        for (name, text, expected) in [
            ("seconds", "7".to_owned(), 7),
            ("the maximum", "30".to_owned(), 30),
            ("above the maximum", "31".to_owned(), 30),
            ("two minutes", "120".to_owned(), 30),
            ("far above the maximum", "99999999999".to_owned(), 30),
            ("u64::MAX", u64::MAX.to_string(), 30),
            ("spaces around", " 7 ".to_owned(), 7),
        ] {
            let measured = paused_for(&setup, retry_in(status, &text)).await;
            assert_eq!(measured, (expected, expected), "{status} {name}");
        }
        for (name, ahead, most) in [("a date", 20, 20), ("a date in a year", 31_536_000, 30)] {
            let date = in_future(&setup, ahead);
            let (secs, paused) = paused_for(&setup, retry_in(status, &date)).await;
            assert_eq!(secs, paused, "{status} {name}");
            assert!((most - 1..=most).contains(&paused), "{status} {name}: {paused}");
        }
    }
}

/// A replica that is shut down answers one request, while the others are healthy.
#[tokio::test(start_paused = true)]
async fn one_503_with_retry_after_300_stops_introspection_for_at_most_30_s() {
    let setup = IssuerIntrospection::new();
    let route = setup.still_active_route();
    setup.idp.set_fault_for(Endpoint::Introspection, Fault::RetryAfter(503, 300 * SECOND), 1);
    let mut rejected = 0;
    for _ in 0..600 {
        rejected += usize::from(route.outcome(setup.jwt()).await != ACCEPTED);
        setup.pass(SECOND).await;
    }
    let quantity = "rejected of 600 requests in 600 s, one 503 with Retry-After: 300";
    figure("1.5", quantity, rejected, 30);
    assert_eq!(rejected, 30);
}

#[tokio::test(start_paused = true)]
async fn a_pause_that_the_next_request_confirms_lasts_up_to_five_minutes() {
    let setup = IssuerIntrospection::new();
    let route = setup.still_active_route();
    for (calls, secs) in [(1, 30), (2, 300), (3, 300)] {
        setup.fail(Fault::RetryAfter(503, 1000 * SECOND));
        assert_eq!(route.outcome(setup.jwt()).await, UNAVAILABLE);
        setup.fail(None);
        assert_eq!(setup.circuit(), CircuitState::Open);
        for _ in 0..secs {
            assert_eq!(route.outcome(setup.jwt()).await, UNAVAILABLE);
            setup.pass(SECOND).await;
        }
        assert_eq!((setup.calls(), setup.circuit()), (calls, CircuitState::Closed));
    }
    assert_eq!(route.outcome(setup.jwt()).await, ACCEPTED);
}

/// Any client can cause a 429 with forged tokens.
#[tokio::test(start_paused = true)]
async fn a_429_holds_back_untrusted_tokens_first() {
    let setup = IssuerIntrospection::new();
    let route = setup.still_active_route();
    setup.idp.set_fault_for(Endpoint::Introspection, Fault::RetryAfter(429, 20 * SECOND), 1);
    assert_eq!(setup.outcome_of_new().await, UNAVAILABLE);
    let (trusted, untrusted) = (route.outcome(setup.jwt()).await, setup.outcome_of_new().await);
    let quantity = "trusted and untrusted token after a 429 about an untrusted one";
    let both = format!("{}, {}", verdict(trusted), verdict(untrusted));
    figure("1.5", quantity, both, "the trusted one accepted");
    assert_eq!((trusted, untrusted, setup.circuit()), (ACCEPTED, UNAVAILABLE, CircuitState::Closed));
    // That did not help: trusted tokens reach the rate limit, too.
    setup.idp.set_fault_for(Endpoint::Introspection, Fault::RetryAfter(429, 5 * SECOND), 1);
    assert_eq!(route.outcome(setup.jwt()).await, UNAVAILABLE);
    assert_eq!((route.outcome(setup.jwt()).await, setup.circuit()), (UNAVAILABLE, CircuitState::Open));
    assert_eq!(setup.calls(), 3);
    setup.pass(5 * SECOND).await;
    assert_eq!(route.outcome(setup.jwt()).await, ACCEPTED);
    assert_eq!(setup.outcome_of_new().await, UNAVAILABLE, "untrusted tokens wait for 20 s");
    setup.pass(15 * SECOND).await;
    assert_eq!(setup.outcome_of_new().await, ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_reported_by_an_event_and_by_the_status() {
    for (trusted, paused) in [(true, "all_tokens"), (false, "untrusted_tokens")] {
        let setup = IssuerIntrospection::new();
        let route = setup.still_active_route();
        let log = Log::start();
        assert_eq!(setup.status().paused_until(), None);
        setup.idp.set_fault_for(Endpoint::Introspection, Fault::RetryAfter(503, 9 * SECOND), 1);
        let token = if trusted { setup.jwt() } else { setup.opaque() };
        assert_eq!(route.outcome(token).await, UNAVAILABLE);
        assert_eq!(setup.status().paused_until(), Some(setup.idp.clock().now() + 9 * SECOND));
        let events: Vec<_> =
            log.events().into_iter().filter(|event| event.field("paused").is_some()).collect();
        assert_eq!((events.len(), events[0].level), (1, Level::WARN));
        assert_eq!(events[0].field("paused"), Some(paused));
        assert_eq!((events[0].field("status"), events[0].field("duration_ms")), (Some("503"), Some("9000")));
        setup.pass(9 * SECOND).await;
        assert_eq!(setup.status().paused_until(), None);
    }
}

/// A 429 without `Retry-After` pauses for one second. A 503 without it is an ordinary failure.
#[tokio::test(start_paused = true)]
async fn an_invalid_retry_after_is_ignored() {
    for text in
        ["", "soon", "-1", "1.5", "7 s", "0x10", "18446744073709551616", "Wed, 99 Nov 2026 00:00:00 GMT"]
    {
        let setup = IssuerIntrospection::new();
        assert_eq!(paused_for(&setup, retry_in(429, text)).await, (1, 1), "{text}");
        assert_eq!(paused_for(&setup, retry_in(503, text)).await, (1, 0), "{text}");
    }
    let setup = IssuerIntrospection::new();
    for past in ["0", "Thu, 01 Jan 1970 00:00:00 GMT"] {
        assert_eq!(paused_for(&setup, retry_in(429, past)).await, (1, 0), "{past}");
    }
    assert_eq!(paused_for(&setup, Act::Instead(Reply::status(429))).await, (1, 1));
    // `Retry-After` is ignored with other statuses.
    for status in [400, 404, 500, 502] {
        let setup = IssuerIntrospection::new();
        assert_eq!(paused_for(&setup, retry_in(status, "60")).await, (1, 0), "{status}");
    }
}

/// The other call started before the pause.
#[tokio::test(start_paused = true)]
async fn a_pause_does_not_end_when_other_calls_complete() {
    let setup = IssuerIntrospection::new();
    setup.fail(Fault::Delay(SECOND));
    let (api, token) = (setup.api.clone(), setup.opaque());
    let other = tokio::spawn(async move { api.outcome(token).await });
    tokio::task::yield_now().await;
    setup.fail(Fault::RetryAfter(429, 20 * SECOND));
    assert_eq!(setup.outcome_of_new().await, UNAVAILABLE);
    setup.fail(None);
    assert_eq!(other.await.unwrap(), ACCEPTED);
    let calls = setup.calls();
    for _ in 0..19 {
        assert_eq!(setup.api.outcome_at_once(setup.opaque()), UNAVAILABLE);
        setup.pass(SECOND).await;
    }
    assert_eq!(setup.calls(), calls);
    setup.pass(SECOND).await;
    assert_eq!(setup.outcome_of_new().await, ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn cached_tokens_are_accepted_during_a_pause() {
    let setup = IssuerIntrospection::new();
    let token = setup.opaque();
    assert_eq!(setup.api.outcome(&token).await, ACCEPTED);
    setup.fail(Fault::RetryAfter(429, 200 * SECOND));
    assert_eq!(setup.outcome_of_new().await, UNAVAILABLE);
    assert_eq!(setup.api.outcome_at_once(&token), ACCEPTED);
}
