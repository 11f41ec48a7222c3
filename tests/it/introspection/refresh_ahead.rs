//! A token in use is introspected again in the background, before its cached response is too old.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;
use tower_bearer::testing::{Endpoint, Fault};

use super::{Api, INACTIVE, UNAVAILABLE};
use crate::support::figure::figure;
use crate::support::introspected::{SECOND, introspection, timed};
use crate::support::protected::ACCEPTED;

#[tokio::test(start_paused = true)]
async fn no_request_with_a_token_in_use_waits_after_the_first() {
    for jwt in [false, true] {
        let api = Api::introspecting(introspection().also_jwts());
        api.idp.set_fault(Endpoint::Introspection, Some(Fault::Delay(SECOND / 2)));
        let token = api.token().lifetime(3600 * SECOND);
        let token = if jwt { token.sign() } else { token.opaque() };
        let (start, mut waits) = (Instant::now(), 0);
        while start.elapsed() < 300 * SECOND {
            let (outcome, waited) = timed(api.outcome(&token)).await;
            assert_eq!(outcome, ACCEPTED);
            waits += usize::from(!waited.is_zero());
            api.pass(SECOND / 4).await;
        }
        let token = if jwt { "JWT" } else { "opaque token" };
        figure("1.8", format_args!("waits in 300 s of requests with one {token}"), waits, 1);
        let quantity = format!("introspection requests in 300 s about one {token}");
        figure("1.8", quantity, api.calls(), "10 to 14");
        assert_eq!(waits, 1, "only the first");
        assert!((10..=14).contains(&api.calls()), "{}", api.calls());
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_not_used_is_not_refreshed() {
    let api = Api::new();
    let token = api.token().opaque();
    for _ in 0..3 {
        assert_eq!(api.outcome(&token).await, ACCEPTED);
        // 22 s: just before the last quarter of the TTL.
        api.pass(11 * SECOND).await;
    }
    api.pass(600 * SECOND).await;
    assert_eq!(api.calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_never_extends_the_life_of_a_revoked_token() {
    let mut longest = Duration::ZERO;
    for revoked_after in [0, 1, 10, 22, 23, 25, 27, 29, 30, 40] {
        for delay in [Duration::ZERO, SECOND, 2 * SECOND] {
            let api = Api::new();
            let token = api.token().lifetime(3600 * SECOND).opaque();
            api.idp.set_fault(Endpoint::Introspection, Some(Fault::Delay(delay)));
            assert_eq!(api.outcome(&token).await, ACCEPTED);
            let start = Instant::now();
            let mut revoked_at = None;
            loop {
                if revoked_at.is_none() && start.elapsed() >= revoked_after * SECOND {
                    api.idp.revoke(&token);
                    revoked_at = Some(Instant::now());
                }
                if api.outcome(&token).await == INACTIVE {
                    break;
                }
                api.pass(SECOND / 10).await;
            }
            let accepted_for = revoked_at.unwrap().elapsed();
            let bound = api.auth.bounds().revoked_introspected_token().value().unwrap();
            assert!(accepted_for <= bound, "{revoked_after} {delay:?}: {accepted_for:?}");
            longest = longest.max(accepted_for);
        }
    }
    let bound = Api::new().auth.bounds().revoked_introspected_token().value().unwrap();
    let bound = format!("at most {bound:?}");
    figure("bounds", "revoked_introspected_token: token in use", format_args!("{longest:?}"), bound);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_hits_start_one_refresh() {
    let api = Api::new();
    let token = api.token().opaque();
    assert_eq!(api.outcome(&token).await, ACCEPTED);
    api.idp.set_fault(Endpoint::Introspection, Some(Fault::Delay(SECOND)));
    api.pass(28 * SECOND).await;
    let mut requests = JoinSet::new();
    for _ in 0..1_000 {
        let (protected, token) = (api.protected.clone(), token.clone());
        requests.spawn(async move { timed(protected.outcome(token)).await });
    }
    assert!(requests.join_all().await.into_iter().all(|result| result == (ACCEPTED, Duration::ZERO)));
    assert_eq!(api.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_stays_within_the_rate_limit() {
    let endpoint = Api::new().idp.introspection_url();
    let api = Api::introspecting(introspection().endpoint(endpoint).max_calls_per_minute(4));
    let token = api.token().opaque();
    assert_eq!(api.outcome(&token).await, ACCEPTED);
    api.pass(28 * SECOND).await;
    // Exhausts the burst of two, of which one was refilled.
    let mut outcomes = Vec::new();
    for number in 0..4 {
        outcomes.push(api.outcome(format!("unknown-{number}")).await);
    }
    assert_eq!(outcomes.last(), Some(&UNAVAILABLE));
    let calls = api.calls();
    assert_eq!(api.outcome(&token).await, ACCEPTED);
    api.pass(SECOND / 10).await;
    assert_eq!(api.calls(), calls);
}

#[tokio::test(start_paused = true)]
async fn a_refresh_that_fails_rejects_no_request_before_the_ttl_ends() {
    let api = Api::new();
    let token = api.token().opaque();
    assert_eq!(api.outcome(&token).await, ACCEPTED);
    api.idp.set_fault(Endpoint::Introspection, Some(Fault::Status(500)));
    for _ in 0..29 {
        api.pass(SECOND).await;
        assert_eq!(timed(api.outcome(&token)).await, (ACCEPTED, Duration::ZERO));
    }
    assert_eq!(api.calls(), 2);
    api.pass(SECOND).await;
    assert_eq!(api.outcome(&token).await, UNAVAILABLE);
}
