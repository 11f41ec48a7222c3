//! Lookups of keys that are not cached, and how long requests wait for them.

use super::*;

#[test]
fn construction_needs_no_runtime_and_sends_no_request() {
    let server = Server::always(Reply::keys(&["a"]));
    let keys = server.keys();
    assert!(keys.current().is_none());
    assert_eq!(server.requests(), 0);
}

#[test]
fn lookup_without_a_runtime_is_unavailable_and_does_not_panic() {
    let keys = Server::always(Reply::keys(&["a"])).keys();
    let lookup = keys.lookup(KeyQuery::AnyKey, None, &mut WaitBudget::default());
    assert!(matches!(lookup, KeyLookup::Unavailable { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_thousand_concurrent_lookups_cause_one_fetch() {
    let server = Server::always(Reply::keys(&["a"]).after(Duration::from_millis(100)));
    let keys = server.keys();
    let lookup = |_| {
        let keys = keys.clone();
        tokio::spawn(async move { find(&keys, "a").await })
    };
    let lookups: Vec<_> = (0..1000).map(lookup).collect();
    for lookup in lookups {
        assert_eq!(lookup.await.unwrap(), Outcome::Found);
    }
    assert_eq!(server.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn lookup_times_out_after_3_s_and_a_hanging_fetch_after_5_s() {
    let server = Server::always(Reply::Hang);
    let keys = server.keys();
    let start = now();
    assert_eq!(find(&keys, "a").await, Outcome::TimedOut);
    assert_eq!(now() - start, Duration::from_secs(3));
    assert_eq!(server.requests(), 1);
    sleep(Duration::from_millis(2100)).await;
    assert_eq!(
        keys.status(&issuer()).last_error.unwrap().kind(),
        KeysErrorKind::Fetch(FetchErrorKind::TimedOut)
    );
    server.set_reply(Reply::keys(&["a"]));
    sleep(Duration::from_secs(5)).await;
    assert_eq!(find(&keys, "a").await, Outcome::Found);
}

#[tokio::test(start_paused = true)]
async fn one_request_waits_at_most_3_s_in_total() {
    let server = Server::always(Reply::keys(&["a"]).after(Duration::from_secs(2)));
    let keys = server.keys();
    let start = now();
    assert_eq!(find(&keys, "unknown").await, Outcome::TimedOut);
    assert_eq!(now() - start, Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn new_key_is_found_on_first_use_and_a_retired_key_is_dropped_by_the_refresh() {
    let server = Server::always(Reply::keys(&["old"]));
    let keys = server.keys();
    assert_eq!(find(&keys, "old").await, Outcome::Found);
    server.set_reply(Reply::keys(&["old", "new"]));
    assert_eq!(find(&keys, "new").await, Outcome::Found);
    server.set_reply(Reply::keys(&["new"]));
    sleep_in_use(&keys, 10 * MIN).await;
    assert_eq!(kids(&keys), ["new"]);
    assert_eq!(find(&keys, "old").await, Outcome::NotFound);
}

#[tokio::test(start_paused = true)]
async fn random_kids_cause_four_requests_a_minute_and_evict_no_key() {
    let server = Server::always(Reply::keys(&["good"]));
    let keys = server.keys();
    for burst in 0..1000 {
        for n in 0..100 {
            let found = find(&keys, &format!("random-{burst}-{n}")).await;
            assert!(matches!(found, Outcome::NotFound | Outcome::RateLimited), "{found:?}");
        }
        assert!(keys.current().unwrap().of(&issuer()).key_ids().any(|kid| kid == "good"));
        sleep(Duration::from_millis(60)).await;
    }
    assert!(server.requests() <= 4, "{}", server.requests());
}

#[tokio::test(start_paused = true)]
async fn keys_that_arrived_before_the_lookup_cause_no_fetch() {
    let server = Server::always(Reply::keys(&["old"]));
    let keys = server.keys();
    keys.ready().await.unwrap();
    let seen = keys.current().unwrap();
    server.set_reply(Reply::keys(&["new"]));
    sleep_in_use(&keys, 10 * MIN).await;
    let before = server.requests();
    match keys.lookup(KeyQuery::Kid("new"), Some(&seen), &mut WaitBudget::default()) {
        KeyLookup::Pending(pending) => assert_eq!(pending.await, WaitOutcome::FetchEnded),
        _ => panic!("the lookup did not return to the new keys"),
    }
    assert_eq!(server.requests(), before);
    assert_eq!(find(&keys, "new").await, Outcome::Found);
}

#[tokio::test(start_paused = true)]
async fn mismatch_causes_one_fetch_and_is_then_not_found() {
    let server = Server::always(Reply::keys(&["a"]));
    let keys = server.keys();
    keys.ready().await.unwrap();
    let set = keys.current().unwrap();
    let mut wait_budget = WaitBudget::default();
    let KeyLookup::Pending(pending) =
        keys.lookup(KeyQuery::Mismatch(Some("a")), Some(&set), &mut wait_budget)
    else {
        panic!("the mismatch caused no fetch");
    };
    assert_eq!(pending.await, WaitOutcome::FetchEnded);
    let set = keys.current().unwrap();
    let again = keys.lookup(KeyQuery::Mismatch(Some("a")), Some(&set), &mut wait_budget);
    assert!(matches!(again, KeyLookup::NotFound));
    assert_eq!(server.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn random_kids_on_a_flapping_server_stay_within_the_request_bound() {
    let mut random = fastrand::Rng::with_seed(7);
    let server = Server::new(move |_| if random.u8(0..4) == 0 { Reply::keys(&["a"]) } else { Reply::Down });
    let keys = server.keys();
    let (mut seen, mut per_second) = (0, Vec::new());
    for second in 0..30 * 60 {
        find(&keys, &second.to_string()).await;
        sleep(Duration::from_secs(1)).await;
        per_second.push(server.requests() - seen);
        seen = server.requests();
    }
    let busiest = per_second.windows(60).map(|minute| minute.iter().sum::<usize>()).max().unwrap();
    assert!(busiest <= keys.bounds().max_calls_per_minute as usize, "{busiest}");
}
