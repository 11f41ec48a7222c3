//! A server that asks for a pause gets it (RFC 9110 section 10.2.3, RFC 6585 section 4).

use std::time::Duration;

use tower_bearer::diagnostics::CircuitState;
use tower_bearer::testing::Fault;

use crate::support::introspected::{IssuerIntrospection, SECOND, http_date, retry_after};
use crate::support::net::Reply;
use crate::support::wire::Act;

const UNAVAILABLE: &str = "introspection_unavailable";

fn asking_for(status: u16, retry_after: &str) -> Act {
    Act::Instead(Reply::status(status).header("retry-after", retry_after))
}

/// What the first request is told, and for how many seconds nothing is asked then.
async fn paused_for(of: &IssuerIntrospection, act: Act) -> (u64, u64) {
    of.wire.once(act);
    let first = of.api.get(of.opaque()).await;
    assert_eq!(first.kind(), UNAVAILABLE);
    let asked = of.wire.total();
    let mut seconds = 0;
    loop {
        let answer = of.api.get(of.opaque()).await;
        if answer.kind() == "ok" {
            assert_eq!(of.wire.total(), asked + 1);
            return (retry_after(&first).unwrap(), seconds);
        }
        assert_eq!((answer.kind().as_str(), of.circuit()), (UNAVAILABLE, CircuitState::Open));
        assert_eq!(of.wire.total(), asked, "asked after {seconds} s");
        let told = retry_after(&answer).unwrap();
        of.pass(SECOND).await;
        seconds += 1;
        assert!(seconds <= 400, "told {told}, and no end");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_before_the_time_that_the_server_names_and_clients_are_told_it() {
    for status in [429, 503] {
        let in_future = |of: &IssuerIntrospection, secs| http_date(&of.idp, Duration::from_secs(secs));
        let of = IssuerIntrospection::new();
        for (name, text, expected) in [
            ("seconds", "7".to_owned(), 7),
            ("more of them", "120".to_owned(), 120),
            ("the most", "300".to_owned(), 300),
            ("too many", "301".to_owned(), 300),
            ("absurdly many", "99999999999".to_owned(), 300),
            ("all there are", u64::MAX.to_string(), 300),
            ("spaces around", " 7 ".to_owned(), 7),
        ] {
            let told = paused_for(&of, asking_for(status, &text)).await;
            assert_eq!(told, (expected, expected), "{status} {name}");
        }
        for (name, ahead, most) in [("a date", 30, 30), ("a date in a year", 31_536_000, 300)] {
            let date = in_future(&of, ahead);
            let (told, paused) = paused_for(&of, asking_for(status, &date)).await;
            assert_eq!(told, paused, "{status} {name}");
            assert!((most - 1..=most).contains(&paused), "{status} {name}: {paused}");
        }
    }
}

/// 429 says "not now" by itself; 503 without a time is one failure like any other.
#[tokio::test(start_paused = true)]
async fn a_time_that_is_none_counts_as_none() {
    for text in
        ["", "soon", "-1", "1.5", "7 s", "0x10", "18446744073709551616", "Wed, 99 Nov 2026 00:00:00 GMT"]
    {
        let of = IssuerIntrospection::new();
        assert_eq!(paused_for(&of, asking_for(429, text)).await, (1, 1), "{text}");
        assert_eq!(paused_for(&of, asking_for(503, text)).await, (1, 0), "{text}");
    }
    let of = IssuerIntrospection::new();
    for past in ["0", "Thu, 01 Jan 1970 00:00:00 GMT"] {
        assert_eq!(paused_for(&of, asking_for(429, past)).await, (1, 0), "{past}");
    }
    assert_eq!(paused_for(&of, Act::Instead(Reply::status(429))).await, (1, 1));
    // With other statuses it means something else.
    for status in [400, 404, 500, 502] {
        let of = IssuerIntrospection::new();
        assert_eq!(paused_for(&of, asking_for(status, "60")).await, (1, 0), "{status}");
    }
}

/// A pause does not end early because the answer of a call from before it comes in.
#[tokio::test(start_paused = true)]
async fn a_pause_is_kept_whatever_other_calls_bring() {
    let of = IssuerIntrospection::new();
    of.fail(Fault::Delay(SECOND));
    let (api, token) = (of.api.clone(), of.opaque());
    let other = tokio::spawn(async move { api.kind(token).await });
    tokio::task::yield_now().await;
    of.fail(Fault::RetryAfter(429, 20 * SECOND));
    assert_eq!(of.kind_of_new().await, UNAVAILABLE);
    of.fail(None);
    assert_eq!(other.await.unwrap(), "ok");
    let asked = of.calls();
    for _ in 0..19 {
        assert_eq!(of.api.kind_at_once(of.opaque()), UNAVAILABLE);
        of.pass(SECOND).await;
    }
    assert_eq!(of.calls(), asked);
    of.pass(SECOND).await;
    assert_eq!(of.kind_of_new().await, "ok");
}

#[tokio::test(start_paused = true)]
async fn remembered_tokens_pass_during_a_pause() {
    let of = IssuerIntrospection::new();
    let token = of.opaque();
    assert_eq!(of.api.kind(&token).await, "ok");
    of.fail(Fault::RetryAfter(429, 200 * SECOND));
    assert_eq!(of.kind_of_new().await, UNAVAILABLE);
    assert_eq!(of.api.kind_at_once(&token), "ok");
}
