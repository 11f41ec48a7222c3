//! The lifecycle of the refresh task.

use super::*;
use crate::jwks::refresh::Next;

#[tokio::test(start_paused = true)]
async fn keys_in_use_are_refreshed_in_the_background() {
    let server = Server::always(Reply::keys(&["a"]));
    let keys = server.keys();
    keys.ready().await.unwrap();
    sleep_in_use(&keys, HOUR).await;
    assert!((6..=8).contains(&server.requests()), "{}", server.requests());
    assert!(keys.status(&issuer()).age.unwrap() < 10 * MIN);
}

#[tokio::test(start_paused = true)]
async fn keys_that_nobody_uses_are_fetched_once_and_their_task_ends() {
    for reply in [Reply::keys(&["a"]), Reply::Down, Reply::Hang, Reply::status(404)] {
        let server = Server::always(reply);
        let keys = server.keys();
        // One unsigned token: its key is looked up, and it verifies with none.
        find_unverified(&keys).await;
        sleep(24 * HOUR).await;
        assert!(server.requests() <= 6, "{}", server.requests());
        assert_eq!(tokio::runtime::Handle::current().metrics().num_alive_tasks(), 0);
        // The first use fetches them again.
        server.set_reply(Reply::keys(&["a"]));
        assert_eq!(find(&keys, "a").await, Outcome::Found);
    }
}

#[tokio::test(start_paused = true)]
async fn dropping_a_lookup_does_not_cancel_the_fetch() {
    let server = Server::always(Reply::keys(&["a"]).after(Duration::from_secs(1)));
    let keys = server.keys();
    let dropped = timeout(Duration::from_millis(10), find(&keys, "a")).await;
    assert!(dropped.is_err());
    sleep(Duration::from_secs(1)).await;
    assert!(keys.current().is_some());
    assert_eq!(server.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_handle_cancels_the_task_and_its_fetch() {
    let server = Server::always(Reply::Hang);
    let keys = server.keys();
    let other = keys.clone();
    let waiting = tokio::spawn(async move { find(&other, "a").await });
    sleep(Duration::from_millis(10)).await;
    waiting.abort();
    assert!(waiting.await.is_err());
    assert_eq!((server.requests(), server.open.load(Ordering::SeqCst)), (1, 1));
    drop(keys);
    tokio::task::yield_now().await;
    assert_eq!(server.open.load(Ordering::SeqCst), 0);
    assert_eq!(Arc::strong_count(&server), 1);
    sleep(HOUR).await;
    assert_eq!(server.requests(), 1);
}

#[test]
fn lookup_spawns_the_task_again_after_its_runtime_is_dropped() {
    let server = Server::always(Reply::Hang);
    let keys = server.keys();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    first.block_on(async {
        let dropped = timeout(Duration::from_millis(1), find(&keys, "a")).await;
        assert!(dropped.is_err());
    });
    drop(first);
    assert_eq!(server.open.load(Ordering::SeqCst), 0);
    server.set_reply(Reply::keys(&["a"]));
    assert_eq!(runtime().block_on(find(&keys, "a")), Outcome::Found);
    assert_eq!(runtime().block_on(find(&keys, "a")), Outcome::Found);
    assert_eq!(server.requests(), 2);
}

#[test]
fn using_keys_spawns_the_task_again_after_its_runtime_is_dropped() {
    let server = Server::always(Reply::keys(&["a"]));
    let keys = server.keys();
    let runtime =
        || tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime().block_on(keys.ready()).unwrap();
    runtime().block_on(async {
        sleep(9 * MIN).await;
        keys.mark_used();
        sleep(Duration::from_secs(1)).await;
        assert_eq!(server.requests(), 2);
    });
}

#[test]
fn keys_used_before_and_after_their_runtime_is_dropped_are_refreshed_before_they_are_stale() {
    let server = Server::always(Reply::keys(&["a"]));
    let keys = server.keys();
    let runtime =
        || tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime().block_on(async {
        keys.ready().await.unwrap();
        keys.mark_used();
    });
    runtime().block_on(async {
        sleep(MIN).await;
        keys.mark_used();
        sleep(8 * MIN + Duration::from_secs(30)).await;
        assert_eq!(server.requests(), 2);
    });
}

#[tokio::test(start_paused = true)]
async fn panic_in_the_http_client_counts_as_an_outage_with_backoff() {
    let server = Server::always(Reply::Panic);
    let keys = server.keys();
    for _ in 0..100 {
        assert_eq!(find(&keys, "a").await, Outcome::Unavailable);
    }
    // The first request stays for four retries.
    assert_eq!(server.requests(), 5);
    server.set_reply(Reply::keys(&["a"]));
    sleep(Duration::from_secs(4)).await;
    assert_eq!(find(&keys, "a").await, Outcome::Found);
}

/// A clock that calls `hook` each time it is read.
struct HookedClock<F>(F);

impl<F> std::fmt::Debug for HookedClock<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HookedClock")
    }
}

impl<F: Fn() -> std::time::SystemTime + Send + Sync + 'static> crate::time::Clock for HookedClock<F> {
    fn now(&self) -> std::time::SystemTime {
        (self.0)()
    }
}

/// Runs once, when the clock is read.
type Hook = Box<dyn FnOnce() + Send>;

#[tokio::test(start_paused = true)]
async fn use_just_before_the_refresh_is_due_is_not_lost_when_the_driver_looks_meanwhile() {
    let server = Server::always(Reply::keys(&["a"]));
    let (start, offset) = (std::time::SystemTime::now(), Arc::new(Mutex::new(Duration::ZERO)));
    let on_read: Arc<Mutex<Option<Hook>>> = Arc::default();
    let (hook, at) = (Arc::clone(&on_read), Arc::clone(&offset));
    let clock = HookedClock(move || {
        let time = start + *at.lock().unwrap();
        let hook = hook.lock().unwrap().take();
        if let Some(hook) = hook {
            hook();
        }
        time
    });
    let keys = RemoteKeys::new(RemoteConfig { clock: Arc::new(clock), ..server.config() }, None);
    keys.ready().await.unwrap();
    let (shared, seen) = (Arc::clone(keys.shared()), Arc::new(Mutex::new(None)));
    let driver_saw = Arc::clone(&seen);
    // While the use reads the time, the refresh becomes due, and the driver looks for uses.
    *on_read.lock().unwrap() = Some(Box::new(move || {
        *offset.lock().unwrap() = 10 * MIN;
        *driver_saw.lock().unwrap() = shared.next(1);
    }));
    keys.mark_used();
    assert!(matches!(*seen.lock().unwrap(), Some(Next::Fetch { .. })), "the driver ended without this use");
}

#[test]
fn keys_cannot_be_attached_after_the_last_issuer_that_used_them_is_removed() {
    let keys = Server::always(Reply::Down).keys();
    assert!(keys.attach() && keys.attach());
    keys.detach();
    assert!(keys.attach(), "one issuer still uses them");
    keys.detach();
    keys.detach();
    assert!(!keys.attach());
    assert!(keys.downgrade().upgrade().is_none());
}
