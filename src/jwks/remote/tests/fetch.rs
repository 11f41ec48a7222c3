//! Fetch results: outages, 304, configured keys, and the status.

use http::header::{CACHE_CONTROL, ETAG};

use super::*;
use crate::crypto::AlgorithmSet;

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_in_the_background_after_an_outage_at_start() {
    let server = Server::always(Reply::Down);
    let keys = server.keys();
    assert_eq!(error_kind(keys.ready().await), Some(KeysErrorKind::Fetch(FetchErrorKind::Transport)));
    assert_eq!(
        keys.status(&issuer()).last_error.unwrap().kind(),
        KeysErrorKind::Fetch(FetchErrorKind::Transport)
    );
    server.set_reply(Reply::keys(&["a"]));
    sleep(Duration::from_secs(1)).await;
    assert!(keys.current().is_some());
    assert_eq!(find(&keys, "a").await, Outcome::Found);
    assert!(keys.status(&issuer()).last_error.is_none());
}

#[tokio::test(start_paused = true)]
async fn etag_is_sent_back_and_a_304_keeps_the_keys() {
    let first = Reply::keys(&["a"]).header(ETAG.as_str(), "\"v1\"");
    let server = Server::new(move |request| match request.etag {
        Some(_) => Reply::status(304).header(CACHE_CONTROL.as_str(), "max-age=3600"),
        None => first.clone(),
    });
    let keys = server.keys();
    keys.ready().await.unwrap();
    let set = keys.current().unwrap();
    sleep_in_use(&keys, 10 * MIN).await;
    let etags: Vec<_> = server.received().into_iter().map(|request| request.etag).collect();
    assert_eq!(etags, [None, Some("\"v1\"".to_owned())]);
    assert!(Arc::ptr_eq(&set, &keys.current().unwrap()));
    sleep(30 * MIN).await;
    assert_eq!(server.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn lost_connection_is_replaced_once_and_retries_use_a_fresh_one() {
    for (name, replies, expected) in [
        ("lost once", vec![Reply::Lost], &[false, true][..]),
        ("lost twice", vec![Reply::Lost, Reply::Lost], &[false, true, true]),
        ("lost at every attempt", vec![Reply::Lost; 3], &[false, true, true, true]),
        ("refused", vec![Reply::Down], &[false, true]),
        ("hanging", vec![Reply::Hang], &[false, true]),
    ] {
        let mut replies = replies.into_iter();
        let server = Server::new(move |_| replies.next().unwrap_or_else(|| Reply::keys(&["a"])));
        let keys = server.keys();
        while keys.ready().await.is_err() {}
        let fresh: Vec<bool> = server.received().into_iter().map(|request| request.fresh).collect();
        assert_eq!(fresh, expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn etag_of_another_key_set_than_the_cached_one_is_not_sent() {
    let server = Server::always(Reply::keys(&["a"]).header(ETAG.as_str(), "\"v1\""));
    let keys = server.keys();
    keys.ready().await.unwrap();
    sleep(HOUR).await;
    // The task has ended. Meanwhile, another one has stored other keys.
    let shared = keys.shared();
    let (validity, refresh_from) = {
        let snapshot = shared.snapshot.load();
        let snapshot = snapshot.as_ref().unwrap();
        (snapshot.validity, snapshot.refresh_from)
    };
    let other = Arc::new(KeySet::parse(&key_set(&["b"]), AlgorithmSet::ALL).unwrap());
    shared.snapshot.store(Some(Arc::new(Snapshot { keys: other, validity, refresh_from })));
    assert_eq!(find(&keys, "a").await, Outcome::Found);
    assert!(server.received().iter().all(|request| request.etag.is_none()));
}

#[tokio::test(start_paused = true)]
async fn unsolicited_304_is_a_failure() {
    let server = Server::always(Reply::status(304));
    assert_eq!(
        error_kind(server.keys().ready().await),
        Some(KeysErrorKind::Fetch(FetchErrorKind::Status(304)))
    );
}

#[tokio::test(start_paused = true)]
async fn response_without_keys_never_replaces_the_cached_keys() {
    use KeysErrorKind as Kind;
    let huge = Reply::With(200, Vec::new(), Bytes::from(vec![b' '; 600 * 1024]));
    for (name, reply, grace, expected) in [
        ("server down", Reply::Down, 4 * HOUR, Kind::Fetch(FetchErrorKind::Transport)),
        ("hanging server", Reply::Hang, 4 * HOUR, Kind::Fetch(FetchErrorKind::TimedOut)),
        ("500", Reply::status(500), 4 * HOUR, Kind::Fetch(FetchErrorKind::Status(500))),
        ("429", Reply::status(429), 4 * HOUR, Kind::Fetch(FetchErrorKind::Status(429))),
        ("HTML", Reply::body("<html>"), HOUR, Kind::KeySetUnreadable),
        ("truncated document", Reply::body(r#"{"keys":["#), HOUR, Kind::KeySetUnreadable),
        ("huge body", huge, HOUR, Kind::Fetch(FetchErrorKind::TooLarge)),
        ("404", Reply::status(404), HOUR, Kind::Fetch(FetchErrorKind::Status(404))),
        ("204", Reply::status(204), HOUR, Kind::Fetch(FetchErrorKind::Status(204))),
        ("redirect", Reply::status(302), HOUR, Kind::Fetch(FetchErrorKind::Redirected)),
        ("empty key set", Reply::body(r#"{"keys":[]}"#), Duration::ZERO, Kind::NoUsableKey),
    ] {
        let server = Server::always(Reply::keys(&["a"]));
        let keys = server.keys();
        keys.ready().await.unwrap();
        server.set_reply(reply);
        sleep_in_use(&keys, 10 * MIN - Duration::from_secs(1)).await;
        assert_eq!(find(&keys, "a").await, Outcome::Found, "{name}");
        assert_eq!(keys.status(&issuer()).last_error.unwrap().kind(), expected, "{name}");
        sleep_in_use(&keys, grace).await;
        assert_eq!(find(&keys, "a").await, Outcome::Found, "{name}");
        sleep_in_use(&keys, MIN).await;
        assert!(keys.current().is_none(), "{name}");
        let found = find(&keys, "a").await;
        assert!(matches!(found, Outcome::Unavailable | Outcome::TimedOut), "{name}: {found:?}");
        server.set_reply(Reply::keys(&["a"]));
        sleep_in_use(&keys, MIN).await;
        assert_eq!(find(&keys, "a").await, Outcome::Found, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn configured_keys_are_used_during_an_outage_and_replaced_afterwards() {
    let server = Server::always(Reply::Down);
    let seed = KeySet::parse(&key_set(&["seed"]), AlgorithmSet::ALL).unwrap();
    let keys = RemoteKeys::new(server.config(), Some(seed));
    assert_eq!(find(&keys, "seed").await, Outcome::Found);
    sleep_in_use(&keys, 4 * HOUR - MIN).await;
    assert!(server.requests() > 1);
    assert_eq!(find(&keys, "seed").await, Outcome::Found);
    sleep_in_use(&keys, MIN).await;
    assert_eq!(find(&keys, "seed").await, Outcome::Unavailable);
    server.set_reply(Reply::keys(&["a"]));
    sleep_in_use(&keys, MIN).await;
    assert_eq!(find(&keys, "a").await, Outcome::Found);
    assert_eq!(kids(&keys), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn ready_returns_the_error_of_each_failed_fetch() {
    let server = Server::always(Reply::Down);
    let keys = server.keys();
    assert_eq!(error_kind(keys.ready().await), Some(KeysErrorKind::Fetch(FetchErrorKind::Transport)));
    server.set_reply(Reply::status(404));
    assert_eq!(error_kind(keys.ready().await), Some(KeysErrorKind::Fetch(FetchErrorKind::Status(404))));
    server.set_reply(Reply::keys(&["a"]));
    assert_eq!(error_kind(keys.ready().await), None);
    assert_eq!(server.requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn ready_brings_the_retry_forward() {
    for minutes in 1..10 {
        let server = Server::always(Reply::Down);
        let keys = server.keys();
        assert!(keys.ready().await.is_err());
        sleep(minutes * MIN).await;
        server.set_reply(Reply::keys(&["a"]));
        let start = now();
        assert_eq!(error_kind(keys.ready().await), None);
        assert!(now() - start <= Duration::from_secs(4), "after {minutes} min: {:?}", now() - start);
    }
}

#[test]
fn ready_outside_of_a_runtime_fails_although_the_task_has_one() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = Server::always(Reply::keys(&["a"]).after(Duration::from_millis(100)));
    let config = RemoteConfig { runtime: Some(runtime.handle().clone()), ..server.config() };
    let keys = RemoteKeys::new(config, None);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let polled = std::pin::pin!(keys.ready()).poll(&mut context);
    assert!(matches!(polled, std::task::Poll::Ready(Err(_))));
}

#[tokio::test(start_paused = true)]
async fn status_reports_keys_skipped_keys_age_and_next_refresh() {
    let unusable = r#"{"kty":"oct","kid":"unusable","k":"AA"}"#;
    let body =
        String::from_utf8(key_set(&["b", "a"]).to_vec()).unwrap().replace("]}", &format!(",{unusable}]}}"));
    let server = Server::always(Reply::With(200, Vec::new(), body.into()));
    let keys = server.keys();
    let status = keys.status(&issuer());
    assert!(!status.usable && status.key_ids.is_empty() && status.age.is_none());
    keys.ready().await.unwrap();
    sleep(MIN).await;
    let status = keys.status(&issuer());
    assert!(status.usable);
    assert_eq!(status.key_ids, ["a", "b"]);
    assert_eq!(status.skipped.len(), 1);
    assert_eq!(status.skipped_keys()[0].key_id(), Some("unusable"));
    assert_eq!(status.age, Some(MIN));
    assert!(status.next_refresh.is_some_and(|due| due > 6 * MIN && due <= 8 * MIN));
}
