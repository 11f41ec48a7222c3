//! Stale keys are used only because a fetch has failed or hangs, never because nobody has looked.

use tokio::runtime::{Builder, Runtime};

use super::*;

/// A runtime with a paused clock. Nothing drives it between two calls of `block_on`.
fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().start_paused(true).build().unwrap()
}

/// A test issuer, an API with its keys, and a token of a key that was retired right after its fetch.
async fn with_retired_key() -> (TestIssuer, BearerAuth, String) {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).build().unwrap();
    let old = retire_key_of(&idp, &auth).await;
    (idp, auth, old)
}

/// The outcome that the tests assert for a retired key, and the bound.
fn asserted_of_retired_key(bound: Bound) -> String {
    format!("key_unknown, the bound is {:?}", bound.value().unwrap())
}

/// Retires the current key of `idp` right after `auth` has fetched it. Returns a token of that key.
async fn retire_key_of(idp: &TestIssuer, auth: &BearerAuth) -> String {
    let (kid, old) = (idp.key_id(), idp.token(API).lifetime(100 * HOUR).sign());
    assert_eq!(Protected::by(auth).outcome(&old).await, ACCEPTED);
    idp.rotate_key();
    idp.retire_key(&kid);
    old
}

#[test]
fn a_retired_key_is_rejected_although_nothing_drove_the_refresh_task() {
    let first = runtime();
    let (_idp, auth, old) = first.block_on(with_retired_key());
    // The first runtime stands still from here on. The clock of the second one goes on.
    runtime().block_on(async {
        let start = Instant::now();
        sleep(10 * MINUTE - SECOND).await;
        let api = Protected::by(&auth);
        assert_eq!(api.outcome(&old).await, ACCEPTED, "the keys are fresh");
        sleep(2 * SECOND).await;
        let outcome = api.outcome(&old).await;
        let shown = format!("{} after {:?}", verdict(outcome), start.elapsed());
        figure(
            "2.1",
            "retired key, nothing drives the runtime",
            shown,
            asserted_of_retired_key(auth.bounds().retired_key()),
        );
        assert_eq!(outcome, Err(KeyUnknown), "the keys are stale");
    });
}

#[test]
fn bounds_on_retired_keys_hold_although_nothing_drives_the_refresh_task() {
    for (name, max_age, ttl) in [
        ("max-age of ten years", "max-age=315360000", None),
        ("jwks_ttl of 300 s", "max-age=600", Some(300 * SECOND)),
        ("jwks_ttl of 20 s", "max-age=600", Some(20 * SECOND)),
    ] {
        let idp = TestIssuer::new();
        idp.set_cache_control(Some(max_age));
        let builder = idp.bearer_auth(API);
        let auth = ttl.into_iter().fold(builder, |builder, ttl| builder.jwks_ttl(ttl)).build().unwrap();
        let first = runtime();
        let old = first.block_on(retire_key_of(&idp, &auth));
        // The first runtime stands still from here on.
        let accepted_for = runtime().block_on(async {
            let (api, start) = (Protected::by(&auth), Instant::now());
            while api.outcome(&old).await == ACCEPTED {
                sleep(10 * SECOND).await;
            }
            start.elapsed()
        });
        let bound = auth.bounds().retired_key();
        let quantity = format!("retired_key: nothing drives the runtime, {name}");
        figure_of_retired_key(&quantity, accepted_for, bound);
        assert!(accepted_for <= bound.value().unwrap(), "{name}: {accepted_for:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_retired_key_is_rejected_after_the_machine_was_suspended() {
    let (idp, auth, old) = with_retired_key().await;
    let api = Protected::by(&auth);
    assert_eq!(api.outcome_at_once(&old), ACCEPTED);
    let start = idp.clock().now();
    // The monotonic clock stands still meanwhile.
    idp.clock().advance(HOUR);
    let outcome = api.outcome(&old).await;
    let shown = format!("{} after {:?}", verdict(outcome), idp.clock().now().duration_since(start).unwrap());
    figure(
        "2.2",
        "retired key, the machine was suspended",
        shown,
        asserted_of_retired_key(auth.bounds().retired_key()),
    );
    assert_eq!(outcome, Err(KeyUnknown));
    assert_eq!(api.outcome(idp.token(API).sign()).await, ACCEPTED);
    // A wall clock that is set back makes nothing younger.
    idp.clock().set(std::time::SystemTime::now());
    let before = idp.requests(Endpoint::Jwks);
    sleep(11 * MINUTE).await;
    assert_eq!(api.outcome(idp.token(API).sign()).await, ACCEPTED);
    assert!(idp.requests(Endpoint::Jwks) > before);
}

/// The outcomes of two requests with the same token, the second one 500 ms after the first.
async fn outcomes_of_two(api: &Protected, token: &str) -> [Result<(), tower_bearer::RejectionKind>; 2] {
    let second = async {
        sleep(SECOND / 2).await;
        api.outcome(token).await
    };
    let (first, second) = tokio::join!(api.outcome(token), second);
    [first, second]
}

#[tokio::test(start_paused = true)]
async fn a_retired_key_is_rejected_while_the_first_fetch_after_a_pause_is_in_flight() {
    let idp = TestIssuer::new();
    let api = Protected::by(&idp.bearer_auth(API).build().unwrap());
    let (kid, old) = (idp.key_id(), idp.token(API).lifetime(100 * HOUR).sign());
    assert_eq!(api.outcome(&old).await, ACCEPTED);
    // The last refresh takes place. Nobody uses the keys afterwards.
    sleep(10 * MINUTE).await;
    idp.rotate_key();
    idp.retire_key(&kid);
    sleep(3 * HOUR).await;
    idp.set_fault(Endpoint::Jwks, Some(Fault::Delay(SECOND)));
    assert_eq!(outcomes_of_two(&api, &old).await, [Err(KeyUnknown); 2]);
}

#[tokio::test(start_paused = true)]
async fn requests_after_a_pause_are_accepted_with_stale_keys_if_the_server_hangs() {
    let idp = TestIssuer::new();
    let api = Protected::by(&idp.bearer_auth(API).build().unwrap());
    let token = idp.token(API).lifetime(100 * HOUR).sign();
    assert_eq!(api.outcome(&token).await, ACCEPTED);
    sleep(3 * HOUR).await;
    idp.set_outage(Some(Fault::Hang));
    assert_eq!(outcomes_of_two(&api, &token).await, [ACCEPTED; 2]);
    assert_eq!(api.outcome_at_once(&token), ACCEPTED);
}

#[test]
fn stale_keys_are_used_in_an_outage_although_nothing_drove_the_refresh_task() {
    let first = runtime();
    let (idp, auth, old) = first.block_on(with_retired_key());
    for fault in [Fault::Refuse, Fault::Hang] {
        idp.set_outage(Some(fault.clone()));
        runtime().block_on(async {
            sleep(11 * MINUTE).await;
            assert_eq!(Protected::by(&auth).outcome(&old).await, ACCEPTED, "{fault:?}");
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_fetch_on_a_runtime_that_stands_still_is_started_anew_by_a_waiting_request() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).build().unwrap();
    let token = idp.token(API).sign();
    // A fetch starts on another runtime, which nothing drives afterwards.
    let stuck = std::thread::spawn({
        let (auth, token, idp) = (auth.clone(), token.clone(), idp.clone());
        move || {
            idp.set_fault(Endpoint::Jwks, Some(Fault::Hang));
            let stuck = Builder::new_current_thread().enable_all().build().unwrap();
            stuck.block_on(async {
                let api = Protected::by(&auth);
                let request = tokio::time::timeout(Duration::from_millis(50), api.outcome(&token));
                assert!(request.await.is_err());
            });
            stuck
        }
    });
    let stuck = stuck.join().unwrap();
    idp.set_fault(Endpoint::Jwks, None);
    let start = Instant::now();
    let outcome = Protected::by(&auth).outcome(&token).await;
    let waited = start.elapsed();
    let shown = format!("{} after {waited:?}", verdict(outcome));
    figure("2.11", "request while the runtime of the fetch stands still", shown, "accepted, at most 3 s");
    assert_eq!(outcome, ACCEPTED);
    assert!(waited <= 3 * SECOND, "{waited:?}");
    stuck.shutdown_background();
    assert_eq!(Protected::by(&auth).outcome_at_once(&token), ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_sends_no_cache_may_look_like_404_for_an_hour() {
    let idp = TestIssuer::in_memory(ISSUER);
    let net = Net::of(&idp);
    net.set(JWKS, Reply::body(idp.jwks()).header("cache-control", "no-cache"));
    let api = Protected::by(&discovering(&idp, &net));
    let token = idp.token(API).lifetime(100 * HOUR).sign();
    assert_eq!(api.outcome(&token).await, ACCEPTED);
    net.script(|_| Act::Instead(Reply::status(404)));
    let mut rejected = 0;
    for _ in 0..3600 {
        rejected += usize::from(api.outcome(&token).await != ACCEPTED);
        sleep(SECOND).await;
    }
    figure("2.3", "rejected of 3600, `no-cache` and then 404 for 1 h", rejected, 0);
    assert_eq!(rejected, 0, "of 3600");
}

#[tokio::test(start_paused = true)]
async fn jwks_ttl_raises_as_well_as_lowers_the_freshness() {
    for (stated, ttl) in [("max-age=60", HOUR), ("max-age=86400", MINUTE), ("no-store", 30 * MINUTE)] {
        let idp = TestIssuer::new();
        idp.set_cache_control(Some(stated));
        let auth = idp.bearer_auth(API).jwks_ttl(ttl).build().unwrap();
        auth.ready().await.unwrap();
        let next = auth.status()[0].keys().unwrap().next_refresh().unwrap();
        assert!(next >= ttl * 3 / 4 && next <= ttl, "{stated}: {next:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_304_without_cache_control_keeps_the_freshness_of_the_200() {
    let idp = TestIssuer::in_memory(ISSUER);
    let net = Net::of(&idp);
    respond_with_a_constant_etag(&idp, &net, "max-age=7200");
    let auth = discovering(&idp, &net);
    let api = Protected::by(&auth);
    let token = idp.token(API).lifetime(100 * HOUR).sign();
    for _ in 0..3 {
        assert_eq!(api.outcome(&token).await, ACCEPTED);
        let next = auth.status()[0].keys().unwrap().next_refresh().unwrap();
        let quantity = "next refresh, max-age=7200 and then 304 without Cache-Control";
        figure("2.9", quantity, format_args!("{} s", next.as_secs()), "5400 s to 7200 s");
        assert!(next >= 90 * MINUTE && next <= 2 * HOUR, "{next:?}");
        sleep(next + SECOND).await;
    }
    assert_eq!(net.count(JWKS), 4);
}

#[test]
fn the_configured_runtime_fetches_the_keys_unless_it_stands_still() {
    let driven = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let idle = runtime();
    for (name, configured, tasks) in [("driven", &driven, 1), ("idle", &idle, 0)] {
        let idp = TestIssuer::new();
        let auth = idp.bearer_auth(API).runtime(configured.handle().clone()).build().unwrap();
        // Paused time would not wait for the other thread, and real time would be spent on the idle runtime.
        let request = Builder::new_current_thread().enable_all().start_paused(tasks == 0).build().unwrap();
        assert_eq!(request.block_on(Protected::by(&auth).outcome(idp.token(API).sign())), ACCEPTED, "{name}");
        if tasks > 0 {
            assert_eq!(configured.metrics().num_alive_tasks(), tasks, "{name}");
        }
    }
}
