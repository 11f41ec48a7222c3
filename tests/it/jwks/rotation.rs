//! Keys that are not cached: rotations, the rate limit, and the request that fetches them.

use super::*;
use crate::support::log::Log;

#[tokio::test(start_paused = true)]
async fn one_bad_token_after_the_start_leaves_room_for_a_rotation() {
    let idp = TestIssuer::new();
    let api = Protected::by(&idp.bearer_auth(API).build().unwrap());
    assert_eq!(api.outcome(unknown_kid(idp.identifier(), "bad")).await, Err(KeyUnknown));
    idp.rotate_key();
    let mut rejected = 0;
    for _ in 0..29 {
        rejected += usize::from(api.outcome(idp.token(API).sign()).await != ACCEPTED);
        sleep(SECOND).await;
    }
    figure("2.7", "rejected of 29 after a rotation, one bad token at the start", rejected, 0);
    assert_eq!(rejected, 0, "of 29");
}

#[tokio::test(start_paused = true)]
async fn a_good_token_is_never_401_because_the_rate_limit_is_used_up() {
    let idp = TestIssuer::new();
    let api = Protected::by(&idp.bearer_auth(API).build().unwrap());
    for n in 0..10 {
        api.outcome(unknown_kid(idp.identifier(), &n.to_string())).await.unwrap_err();
    }
    idp.rotate_key();
    let token = idp.token(API).sign();
    let response = api.get(&token).await;
    assert_eq!((response.status(), response.outcome()), (503.try_into().unwrap(), Err(KeyUnconfirmed)));
    let retry_after = response.rejection().unwrap().retry_after().unwrap();
    let shown = format!("{}, Retry-After {retry_after:?}", verdict(response.outcome()));
    figure("2.7", "token of a new key, rate limit used up", shown, "key_unconfirmed, 25 s to 30 s");
    assert!(retry_after <= 30 * SECOND && retry_after >= 25 * SECOND, "{retry_after:?}");
    sleep(retry_after).await;
    assert_eq!(api.outcome(&token).await, ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn a_fetch_for_an_unknown_key_bypasses_caches_and_every_fetch_names_both_media_types() {
    let idp = TestIssuer::in_memory(ISSUER);
    let net = Net::of(&idp);
    let api = Protected::by(&discovering(&idp, &net));
    assert_eq!(api.outcome(idp.token(API).sign()).await, ACCEPTED);
    assert_eq!(api.outcome(unknown_kid(ISSUER, "unknown")).await, Err(KeyUnknown));
    let fetches: Vec<_> = net.sent().into_iter().filter(|sent| sent.url == JWKS).collect();
    let bypasses: Vec<_> = fetches.iter().map(|sent| sent.headers.get("cache-control").cloned()).collect();
    let quantity = "Cache-Control of the first fetch and of the one for an unknown kid";
    figure("2.7", quantity, format_args!("{bypasses:?}"), "None, no-cache");
    assert_eq!(bypasses, [None, Some("no-cache".parse().unwrap())]);
    figure("2.7", "Accept", format_args!("{:?}", fetches[0].headers["accept"]), "both media types");
    for sent in fetches {
        assert_eq!(sent.headers["accept"], "application/json, application/jwk-set+json");
    }
}

#[tokio::test(start_paused = true)]
async fn metadata_that_hangs_does_not_delay_a_rotation() {
    let idp = TestIssuer::new();
    let api = Protected::by(&idp.bearer_auth(API).build().unwrap());
    assert_eq!(api.outcome(idp.token(API).sign()).await, ACCEPTED);
    idp.set_fault(Endpoint::Metadata, Some(Fault::Hang));
    for rotation in 1..=3 {
        sleep(2 * HOUR).await;
        idp.rotate_key();
        let start = Instant::now();
        let outcome = api.outcome(idp.token(API).sign()).await;
        let waited = start.elapsed();
        let shown = format!("{} after {waited:?}", verdict(outcome));
        let quantity = format!("request at rotation {rotation}, metadata hangs");
        figure("2.5", quantity, shown, "accepted, less than 1 s");
        assert_eq!(outcome, ACCEPTED);
        assert!(waited < SECOND, "{waited:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn metadata_is_read_at_most_once_a_minute_while_the_keys_cannot_be_fetched() {
    let idp = TestIssuer::new();
    let api = Protected::by(&idp.bearer_auth(API).build().unwrap());
    let token = idp.token(API).lifetime(100 * HOUR).sign();
    assert_eq!(api.outcome(&token).await, ACCEPTED);
    idp.set_outage(Some(Fault::Status(503)));
    for _ in 0..3600 {
        api.outcome(&token).await.unwrap();
        sleep(SECOND).await;
    }
    // Each read tries two well-known URLs.
    let requests = idp.requests(Endpoint::Metadata);
    figure("2.5", "metadata requests in an outage of 1 h", requests, "at most 121");
    assert!(requests <= 1 + 2 * 60, "{requests}");
}

#[tokio::test(start_paused = true)]
async fn keys_that_move_are_followed_within_a_minute_of_the_first_failure() {
    let idp = TestIssuer::in_memory(ISSUER);
    let net = Net::of(&idp);
    let api = Protected::by(&discovering(&idp, &net));
    assert_eq!(api.outcome(idp.token(API).sign()).await, ACCEPTED);
    rotate_to_a_new_url(&idp, &net);
    net.set(JWKS, Reply::status(404));
    sleep(2 * MINUTE).await;
    assert_eq!(api.outcome(idp.token(API).sign()).await, ACCEPTED, "the request stays for the new URL");
}

#[tokio::test(start_paused = true)]
async fn a_failed_read_of_the_metadata_is_reported_with_both_issuers() {
    let idp = TestIssuer::in_memory(ISSUER);
    let net = Net::of(&idp);
    let auth = discovering(&idp, &net);
    let api = Protected::by(&auth);
    assert_eq!(api.outcome(idp.token(API).sign()).await, ACCEPTED);
    assert!(auth.status()[0].keys().unwrap().metadata_error().is_none());
    let metadata = json!({"issuer": "https://other.example\nforged", "jwks_uri": JWKS}).to_string();
    for path in ["oauth-authorization-server", "openid-configuration"] {
        net.set(&format!("{ISSUER}/.well-known/{path}"), Reply::body(metadata.clone()));
    }
    let log = Log::start();
    sleep(2 * HOUR).await;
    assert_eq!(api.outcome(idp.token(API).sign()).await, ACCEPTED, "the known URL stays in use");
    run_pending_tasks().await;
    let status = auth.status().remove(0);
    let error = status.keys().unwrap().metadata_error().unwrap().to_string();
    let events = log.events();
    let event = events.iter().find(|event| event.field("cause").is_some()).expect("an event");
    figure("2.5", "metadata_error in the status", &error, "names both issuers, escaped");
    for text in [error.as_str(), event.field("cause").unwrap()] {
        assert!(text.contains(r#""https://other.example\nforged""#) && text.contains(ISSUER), "{text}");
    }
}
