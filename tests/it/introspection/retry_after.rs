//! `Retry-After` of the introspection endpoint (RFC 9110 section 10.2.3, RFC 6585 section 4).

use std::time::Duration;

use tower_bearer::diagnostics::CircuitState;
use tower_bearer::testing::Fault;

use super::UNAVAILABLE;
use crate::support::introspected::{IssuerIntrospection, SECOND, http_date, retry_after};
use crate::support::net::{Act, Reply};
use crate::support::protected::ACCEPTED;

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
        assert_eq!((response.outcome(), setup.circuit()), (UNAVAILABLE, CircuitState::Open));
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
            ("two minutes", "120".to_owned(), 120),
            ("the maximum", "300".to_owned(), 300),
            ("above the maximum", "301".to_owned(), 300),
            ("far above the maximum", "99999999999".to_owned(), 300),
            ("u64::MAX", u64::MAX.to_string(), 300),
            ("spaces around", " 7 ".to_owned(), 7),
        ] {
            let measured = paused_for(&setup, retry_in(status, &text)).await;
            assert_eq!(measured, (expected, expected), "{status} {name}");
        }
        for (name, ahead, most) in [("a date", 30, 30), ("a date in a year", 31_536_000, 300)] {
            let date = in_future(&setup, ahead);
            let (secs, paused) = paused_for(&setup, retry_in(status, &date)).await;
            assert_eq!(secs, paused, "{status} {name}");
            assert!((most - 1..=most).contains(&paused), "{status} {name}: {paused}");
        }
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
