//! Moving the clock of a test issuer: which parts of a `BearerAuth` move with it.

use std::time::Duration;

use http::StatusCode;

use super::*;
use crate::testing::{Endpoint, Fault};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn status(auth: &BearerAuth, token: &str) -> StatusCode {
    present(auth, token).await.status()
}

#[tokio::test(start_paused = true)]
async fn keys_are_stale_and_fetched_again_after_the_clock_has_moved_a_day() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).build().unwrap();
    for fetches in 1..=5 {
        assert_eq!(status(&auth, &idp.token(API).sign()).await, 200);
        assert_eq!(idp.requests(Endpoint::Jwks), fetches);
        assert_eq!(status(&auth, &idp.token(API).sign()).await, 200);
        assert_eq!(idp.requests(Endpoint::Jwks), fetches, "the keys are cached");
        idp.clock().advance(DAY);
    }
}

#[tokio::test(start_paused = true)]
async fn keys_cannot_be_used_when_the_clock_has_moved_past_the_grace_period_of_an_outage() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).build().unwrap();
    let token = || idp.token(API).sign();
    assert_eq!(status(&auth, &token()).await, 200);
    idp.set_outage(Some(Fault::Refuse));
    idp.clock().advance(Duration::from_secs(60 * 60));
    assert_eq!(status(&auth, &token()).await, 200, "the keys are stale, and usable");
    idp.clock().advance(DAY);
    assert_eq!(status(&auth, &token()).await, 503);
    idp.set_outage(None);
    tokio::time::advance(Duration::from_secs(60)).await;
    assert_eq!(status(&auth, &token()).await, 200);
}

#[tokio::test(start_paused = true)]
async fn the_rate_limit_on_unknown_keys_moves_with_the_clock_of_the_runtime() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).build().unwrap();
    let mut statuses = Vec::new();
    for rotation in 0..6 {
        idp.rotate_key();
        statuses.push(status(&auth, &idp.token(API).sign()).await);
        idp.clock().advance(Duration::from_secs(1));
        if rotation >= 3 {
            tokio::time::advance(Duration::from_secs(60)).await;
        }
    }
    // The first fetch is not limited, then come a burst of two and one per 30 s.
    assert_eq!(statuses, [200, 200, 200, 503, 200, 200]);
}
