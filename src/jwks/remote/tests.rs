//! The handle and its task, on a paused clock and without a socket.

#![allow(clippy::arithmetic_side_effects, clippy::as_conversions, reason = "a test that overflows fails")]

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::Response;
use http::header::{CACHE_CONTROL, ETAG, IF_NONE_MATCH};
use tokio::time::sleep;

use super::wait::Awaited;
use super::*;
use crate::fetch_url::{FetchUrl, PlainHttp};
use crate::jwks::error::KeysErrorKind;
use crate::metadata::Discoverable;
use crate::transport::{FetchError, FetchErrorKind, FetchFuture, FetchRequest, FetchResponse};

const JWKS: &str = "https://h.example/keys";
const MIN: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// What the server does with a request.
#[derive(Clone)]
enum Reply {
    /// Answers at once with this status, these headers and this body.
    With(u16, Vec<(&'static str, &'static str)>, Bytes),
    /// Is out of reach.
    Down,
    /// Takes the request and never answers.
    Hang,
    /// Answers later.
    After(Duration, Box<Self>),
    /// A client with a fault.
    Panic,
}

impl Reply {
    fn keys(kids: &[&str]) -> Self {
        Self::With(200, Vec::new(), key_set(kids))
    }

    fn status(status: u16) -> Self {
        Self::With(status, Vec::new(), Bytes::new())
    }

    fn body(body: &'static str) -> Self {
        Self::With(200, Vec::new(), Bytes::from_static(body.as_bytes()))
    }

    fn header(self, name: &'static str, value: &'static str) -> Self {
        match self {
            Self::With(status, mut headers, body) => {
                headers.push((name, value));
                Self::With(status, headers, body)
            }
            other => other,
        }
    }

    fn after(self, delay: Duration) -> Self {
        Self::After(delay, Box::new(self))
    }

    async fn perform(self) -> Result<FetchResponse, FetchError> {
        match self {
            Self::With(status, headers, body) => {
                let answer = Response::builder().status(status);
                let answer =
                    headers.into_iter().fold(answer, |answer, (name, value)| answer.header(name, value));
                Ok(answer.body(body).unwrap().into())
            }
            Self::Down => Err(FetchError::transport("connection refused")),
            Self::Hang => std::future::pending().await,
            Self::After(delay, reply) => {
                sleep(delay).await;
                Box::pin(reply.perform()).await
            }
            Self::Panic => panic!("the client has a fault"),
        }
    }
}

/// A key of RFC 8037 appendix A.2, under many names.
fn key_set(kids: &[&str]) -> Bytes {
    let key = |kid: &&str| {
        format!(
            r#"{{"kty":"OKP","crv":"Ed25519","kid":"{kid}","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}"#
        )
    };
    let keys: Vec<String> = kids.iter().map(key).collect();
    format!(r#"{{"keys":[{}]}}"#, keys.join(",")).into()
}

/// One request, as it came.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Asked {
    url: String,
    etag: Option<String>,
}

type Script = Box<dyn FnMut(&Asked) -> Reply + Send>;

/// An authorization server: answers by its script and keeps a log.
struct Server {
    script: Mutex<Script>,
    log: Mutex<Vec<Asked>>,
    /// Requests that were neither answered nor given up.
    open: Arc<AtomicUsize>,
}

impl Server {
    fn new(script: impl FnMut(&Asked) -> Reply + Send + 'static) -> Arc<Self> {
        Arc::new(Self { script: Mutex::new(Box::new(script)), log: Mutex::default(), open: Arc::default() })
    }

    fn always(reply: Reply) -> Arc<Self> {
        Self::new(move |_| reply.clone())
    }

    fn now(&self, reply: Reply) {
        self.new_script(move |_| reply.clone());
    }

    fn new_script(&self, script: impl FnMut(&Asked) -> Reply + Send + 'static) {
        *self.script.lock().unwrap() = Box::new(script);
    }

    fn requests(&self) -> usize {
        self.log.lock().unwrap().len()
    }

    fn asked(&self) -> Vec<Asked> {
        self.log.lock().unwrap().clone()
    }

    fn urls(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.url).collect()
    }

    fn config(self: &Arc<Self>) -> RemoteConfig {
        let url = FetchUrl::parse(JWKS, PlainHttp::Loopback).unwrap();
        RemoteConfig::new("https://h.example", KeySource::Url(url), Arc::clone(self) as Arc<dyn HttpClient>)
    }

    fn keys(self: &Arc<Self>) -> RemoteKeys {
        RemoteKeys::new(self.config(), None)
    }
}

/// Counts a request as open for as long as it lives.
struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl HttpClient for Server {
    fn fetch(&self, request: FetchRequest) -> FetchFuture {
        let request = request.into_request();
        let etag = request.headers().get(IF_NONE_MATCH);
        let etag = etag.map(|etag| etag.to_str().unwrap().to_owned());
        let asked = Asked { url: request.uri().to_string(), etag };
        let reply = (self.script.lock().unwrap())(&asked);
        self.log.lock().unwrap().push(asked);
        self.open.fetch_add(1, Ordering::SeqCst);
        let open = Open(Arc::clone(&self.open));
        Box::pin(async move {
            let _open = open;
            reply.perform().await
        })
    }
}

/// What became of a request that looks for a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Outcome {
    Found,
    Refused,
    Unavailable,
    TimedOut,
}

/// What `authenticate` does: look, demand, wait, look again.
async fn seek(keys: &RemoteKeys, kid: &str) -> Outcome {
    let mut wait_budget = WaitBudget::default();
    loop {
        let set = keys.current(now());
        if set.as_ref().is_some_and(|set| set.key_ids().any(|id| id == kid)) {
            return Outcome::Found;
        }
        let want = if set.is_some() { KeyQuery::Kid(kid) } else { KeyQuery::AnyKey };
        match keys.demand(want, set.as_ref(), &mut wait_budget) {
            KeyLookup::Wait(awaited) => match awaited.await {
                Awaited::Ended => {}
                Awaited::TimedOut => return Outcome::TimedOut,
            },
            KeyLookup::Unavailable { retry_after, .. } => {
                assert!(retry_after >= Duration::from_secs(1));
                return Outcome::Unavailable;
            }
            KeyLookup::Refuse => return Outcome::Refused,
        }
    }
}

fn kids(keys: &RemoteKeys) -> Vec<String> {
    keys.status().key_ids
}

fn kind(result: Result<(), Arc<KeysError>>) -> Option<KeysErrorKind> {
    result.err().map(|error| error.kind())
}

#[test]
fn construction_needs_no_runtime_and_sends_nothing() {
    let server = Server::always(Reply::keys(&["a"]));
    let keys = server.keys();
    assert!(keys.current(now()).is_none());
    assert_eq!(server.requests(), 0);
}

#[test]
fn without_a_runtime_keys_are_unavailable_rather_than_a_panic() {
    let keys = Server::always(Reply::keys(&["a"])).keys();
    let demanded = keys.demand(KeyQuery::AnyKey, None, &mut WaitBudget::default());
    assert!(matches!(demanded, KeyLookup::Unavailable { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_thousand_concurrent_first_requests_cause_one_fetch() {
    let server = Server::always(Reply::keys(&["a"]).after(Duration::from_millis(100)));
    let keys = server.keys();
    let seeker = |_| {
        let keys = keys.clone();
        tokio::spawn(async move { seek(&keys, "a").await })
    };
    let seekers: Vec<_> = (0..1000).map(seeker).collect();
    for seeker in seekers {
        assert_eq!(seeker.await.unwrap(), Outcome::Found);
    }
    assert_eq!(server.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_down_at_start_is_unavailable_and_then_recovers_by_itself() {
    let server = Server::always(Reply::Down);
    let keys = server.keys();
    assert_eq!(seek(&keys, "a").await, Outcome::Unavailable);
    assert_eq!(seek(&keys, "a").await, Outcome::Unavailable);
    assert_eq!(keys.status().last_error.unwrap().kind(), KeysErrorKind::Fetch(FetchErrorKind::Transport));
    server.now(Reply::keys(&["a"]));
    sleep(Duration::from_secs(1)).await;
    assert!(keys.current(now()).is_some());
    assert_eq!(seek(&keys, "a").await, Outcome::Found);
    assert!(keys.status().last_error.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_releases_those_who_wait_after_three_seconds_and_is_given_up_after_five() {
    let server = Server::always(Reply::Hang);
    let keys = server.keys();
    let start = now();
    assert_eq!(seek(&keys, "a").await, Outcome::TimedOut);
    assert_eq!(now() - start, Duration::from_secs(3));
    assert_eq!(server.requests(), 1);
    sleep(Duration::from_millis(2100)).await;
    assert_eq!(keys.status().last_error.unwrap().kind(), KeysErrorKind::Fetch(FetchErrorKind::TimedOut));
    server.now(Reply::keys(&["a"]));
    sleep(Duration::from_secs(5)).await;
    assert_eq!(seek(&keys, "a").await, Outcome::Found);
}

#[tokio::test(start_paused = true)]
async fn one_request_waits_three_seconds_in_all() {
    let server = Server::always(Reply::keys(&["a"]).after(Duration::from_secs(2)));
    let keys = server.keys();
    let start = now();
    assert_eq!(seek(&keys, "unknown").await, Outcome::TimedOut);
    assert_eq!(now() - start, Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_rotated_key_is_found_on_first_use_and_a_withdrawn_one_is_gone_from_the_refresh_on() {
    let server = Server::always(Reply::keys(&["old"]));
    let keys = server.keys();
    assert_eq!(seek(&keys, "old").await, Outcome::Found);
    server.now(Reply::keys(&["old", "new"]));
    assert_eq!(seek(&keys, "new").await, Outcome::Found);
    server.now(Reply::keys(&["new"]));
    sleep(10 * MIN).await;
    assert_eq!(kids(&keys), ["new"]);
    assert_eq!(seek(&keys, "old").await, Outcome::Refused);
}

#[tokio::test(start_paused = true)]
async fn an_idle_service_keeps_its_keys_fresh() {
    let server = Server::always(Reply::keys(&["a"]));
    let keys = server.keys();
    keys.ready().await.unwrap();
    sleep(HOUR).await;
    assert!((6..=8).contains(&server.requests()), "{}", server.requests());
    assert!(keys.status().age.unwrap() < 10 * MIN);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_does_not_cancel_the_fetch() {
    let server = Server::always(Reply::keys(&["a"]).after(Duration::from_secs(1)));
    let keys = server.keys();
    let gone = tokio::time::timeout(Duration::from_millis(10), seek(&keys, "a")).await;
    assert!(gone.is_err());
    sleep(Duration::from_secs(1)).await;
    assert!(keys.current(now()).is_some());
    assert_eq!(server.requests(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_last_handle_ends_the_task_and_a_fetch_in_flight() {
    let server = Server::always(Reply::Hang);
    let keys = server.keys();
    let other = keys.clone();
    let waiting = tokio::spawn(async move { seek(&other, "a").await });
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
fn a_runtime_that_dies_is_survived() {
    let server = Server::always(Reply::Hang);
    let keys = server.keys();
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let first = runtime();
    first.block_on(async {
        let gone = tokio::time::timeout(Duration::from_millis(1), seek(&keys, "a")).await;
        assert!(gone.is_err());
    });
    drop(first);
    assert_eq!(server.open.load(Ordering::SeqCst), 0);
    server.now(Reply::keys(&["a"]));
    assert_eq!(runtime().block_on(seek(&keys, "a")), Outcome::Found);
    assert_eq!(runtime().block_on(seek(&keys, "a")), Outcome::Found);
    assert_eq!(server.requests(), 2);
}

#[test]
fn stale_keys_bring_the_task_back_after_its_runtime_died() {
    let server = Server::always(Reply::keys(&["a"]));
    let keys = server.keys();
    let runtime =
        || tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime().block_on(keys.ready()).unwrap();
    runtime().block_on(async {
        sleep(HOUR).await;
        assert_eq!(server.requests(), 1);
        assert!(keys.current(now()).is_some());
        sleep(Duration::from_secs(1)).await;
        assert_eq!(server.requests(), 2);
    });
}

#[tokio::test(start_paused = true)]
async fn an_etag_is_sent_back_and_a_304_keeps_the_keys() {
    let first = Reply::keys(&["a"]).header(ETAG.as_str(), "\"v1\"");
    let server = Server::new(move |asked| match asked.etag {
        Some(_) => Reply::status(304).header(CACHE_CONTROL.as_str(), "max-age=3600"),
        None => first.clone(),
    });
    let keys = server.keys();
    keys.ready().await.unwrap();
    let set = keys.current(now()).unwrap();
    sleep(10 * MIN).await;
    let etags: Vec<_> = server.asked().into_iter().map(|asked| asked.etag).collect();
    assert_eq!(etags, [None, Some("\"v1\"".to_owned())]);
    assert!(Arc::ptr_eq(&set, &keys.current(now()).unwrap()));
    sleep(30 * MIN).await;
    assert_eq!(server.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_304_that_nobody_asked_for_is_a_failure() {
    let server = Server::always(Reply::status(304));
    assert_eq!(kind(server.keys().ready().await), Some(KeysErrorKind::Fetch(FetchErrorKind::Status(304))));
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_keys_never_replaces_the_keys() {
    use KeysErrorKind as Kind;
    let huge = Reply::With(200, Vec::new(), Bytes::from(vec![b' '; 600 * 1024]));
    for (name, reply, outage, expected) in [
        ("down", Reply::Down, true, Kind::Fetch(FetchErrorKind::Transport)),
        ("hanging", Reply::Hang, true, Kind::Fetch(FetchErrorKind::TimedOut)),
        ("500", Reply::status(500), true, Kind::Fetch(FetchErrorKind::Status(500))),
        ("429", Reply::status(429), true, Kind::Fetch(FetchErrorKind::Status(429))),
        ("HTML", Reply::body("<html>"), true, Kind::KeySetUnreadable),
        ("half a document", Reply::body(r#"{"keys":["#), true, Kind::KeySetUnreadable),
        ("huge", huge, true, Kind::Fetch(FetchErrorKind::TooLarge)),
        ("404", Reply::status(404), false, Kind::Fetch(FetchErrorKind::Status(404))),
        ("204", Reply::status(204), false, Kind::Fetch(FetchErrorKind::Status(204))),
        ("a redirect", Reply::status(302), false, Kind::Fetch(FetchErrorKind::Redirected)),
        ("an empty set", Reply::body(r#"{"keys":[]}"#), false, Kind::NoUsableKey),
    ] {
        let server = Server::always(Reply::keys(&["a"]));
        let keys = server.keys();
        keys.ready().await.unwrap();
        server.now(reply);
        sleep(10 * MIN - Duration::from_secs(1)).await;
        assert_eq!(seek(&keys, "a").await, Outcome::Found, "{name}");
        assert_eq!(keys.status().last_error.unwrap().kind(), expected, "{name}");
        sleep(3 * HOUR).await;
        assert_eq!(keys.current(now()).is_some(), outage, "{name}");
        sleep(HOUR + MIN).await;
        assert!(keys.current(now()).is_none(), "{name}");
        let found = seek(&keys, "a").await;
        assert!(matches!(found, Outcome::Unavailable | Outcome::TimedOut), "{name}: {found:?}");
        server.now(Reply::keys(&["a"]));
        sleep(MIN).await;
        assert_eq!(seek(&keys, "a").await, Outcome::Found, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_panics_is_an_outage_and_not_tried_at_once() {
    let server = Server::always(Reply::Panic);
    let keys = server.keys();
    for _ in 0..100 {
        assert_eq!(seek(&keys, "a").await, Outcome::Unavailable);
    }
    assert_eq!(server.requests(), 1);
    server.now(Reply::keys(&["a"]));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(seek(&keys, "a").await, Outcome::Found);
}

#[tokio::test(start_paused = true)]
async fn random_kids_cost_four_requests_a_minute_and_a_good_kid_is_served_throughout() {
    let server = Server::always(Reply::keys(&["good"]));
    let keys = server.keys();
    for burst in 0..1000 {
        for n in 0..100 {
            assert_eq!(seek(&keys, &format!("random-{burst}-{n}")).await, Outcome::Refused);
        }
        assert!(keys.current(now()).unwrap().key_ids().any(|kid| kid == "good"));
        sleep(Duration::from_millis(60)).await;
    }
    assert!(server.requests() <= 4, "{}", server.requests());
}

#[tokio::test(start_paused = true)]
async fn keys_that_came_between_the_look_and_the_demand_are_looked_at_first() {
    let server = Server::always(Reply::keys(&["old"]));
    let keys = server.keys();
    keys.ready().await.unwrap();
    let seen = keys.current(now()).unwrap();
    server.now(Reply::keys(&["new"]));
    sleep(10 * MIN).await;
    let before = server.requests();
    match keys.demand(KeyQuery::Kid("new"), Some(&seen), &mut WaitBudget::default()) {
        KeyLookup::Wait(awaited) => assert_eq!(awaited.await, Awaited::Ended),
        _ => panic!("the new keys were not looked at"),
    }
    assert_eq!(server.requests(), before);
    assert_eq!(seek(&keys, "new").await, Outcome::Found);
}

#[tokio::test(start_paused = true)]
async fn a_mismatch_causes_one_fetch_and_is_then_refused() {
    let server = Server::always(Reply::keys(&["a"]));
    let keys = server.keys();
    keys.ready().await.unwrap();
    let set = keys.current(now()).unwrap();
    let mut wait_budget = WaitBudget::default();
    let KeyLookup::Wait(awaited) = keys.demand(KeyQuery::Mismatch(Some("a")), Some(&set), &mut wait_budget)
    else {
        panic!("no fetch");
    };
    assert_eq!(awaited.await, Awaited::Ended);
    let set = keys.current(now()).unwrap();
    let again = keys.demand(KeyQuery::Mismatch(Some("a")), Some(&set), &mut wait_budget);
    assert!(matches!(again, KeyLookup::Refuse));
    assert_eq!(server.requests(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_seed_serves_while_the_server_is_down_and_is_replaced_when_it_is_up() {
    let server = Server::always(Reply::Down);
    let seed = KeySet::parse(&key_set(&["seed"]), AlgorithmSet::ALL).unwrap();
    let keys = RemoteKeys::new(server.config(), Some(seed));
    assert_eq!(seek(&keys, "seed").await, Outcome::Found);
    sleep(4 * HOUR - MIN).await;
    assert!(server.requests() > 1);
    assert_eq!(seek(&keys, "seed").await, Outcome::Found);
    sleep(MIN).await;
    assert_eq!(seek(&keys, "seed").await, Outcome::Unavailable);
    server.now(Reply::keys(&["a"]));
    sleep(MIN).await;
    assert_eq!(seek(&keys, "a").await, Outcome::Found);
    assert_eq!(kids(&keys), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn ready_says_why_there_are_no_keys_and_then_that_there_are() {
    let server = Server::always(Reply::Down);
    let keys = server.keys();
    assert_eq!(kind(keys.ready().await), Some(KeysErrorKind::Fetch(FetchErrorKind::Transport)));
    server.now(Reply::status(404));
    assert_eq!(kind(keys.ready().await), Some(KeysErrorKind::Fetch(FetchErrorKind::Status(404))));
    server.now(Reply::keys(&["a"]));
    assert_eq!(kind(keys.ready().await), None);
    assert_eq!(server.requests(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_status_tells_an_operator_what_is_there() {
    let odd = r#"{"kty":"oct","kid":"odd","k":"AA"}"#;
    let body = String::from_utf8(key_set(&["b", "a"]).to_vec()).unwrap().replace("]}", &format!(",{odd}]}}"));
    let server = Server::always(Reply::With(200, Vec::new(), body.into()));
    let keys = server.keys();
    let status = keys.status();
    assert!(!status.usable && status.key_ids.is_empty() && status.age.is_none());
    keys.ready().await.unwrap();
    sleep(MIN).await;
    let status = keys.status();
    assert!(status.usable);
    assert_eq!(status.key_ids, ["a", "b"]);
    assert_eq!(status.skipped.len(), 1);
    assert_eq!(status.skipped_keys()[0].key_id(), Some("odd"));
    assert_eq!(status.age, Some(MIN));
    assert!(status.next_refresh.is_some_and(|due| due > 6 * MIN && due <= 8 * MIN));
}

const WELL_KNOWN: &str = "https://h.example/.well-known/oauth-authorization-server";

/// An issuer that is discovered, whose metadata names the key set that `keys_at` says.
fn discovered(
    keys_at: &Arc<Mutex<Option<&'static str>>>,
    kids: &'static [&'static str],
) -> (Arc<Server>, RemoteKeys) {
    let at = Arc::clone(keys_at);
    let server = Server::new(move |asked| {
        let at = *at.lock().unwrap();
        match at {
            Some(url) if asked.url == WELL_KNOWN => {
                let body = format!(r#"{{"issuer":"https://h.example","jwks_uri":"{url}"}}"#);
                Reply::With(200, Vec::new(), body.into())
            }
            Some(url) if asked.url == url => Reply::keys(kids),
            None if asked.url == JWKS => Reply::keys(kids),
            _ => Reply::status(404),
        }
    });
    let source = by_metadata();
    let keys = RemoteKeys::new(RemoteConfig { source, ..server.config() }, None);
    (server, keys)
}

fn by_metadata() -> KeySource {
    let url = FetchUrl::parse("https://h.example", PlainHttp::Loopback).unwrap();
    let identifier = "https://h.example".into();
    KeySource::Discovered(Discoverable { identifier, url, plain_http: PlainHttp::Loopback })
}

#[tokio::test(start_paused = true)]
async fn metadata_is_read_once_and_again_when_the_keys_have_moved() {
    let keys_at = Arc::new(Mutex::new(Some(JWKS)));
    let (server, keys) = discovered(&keys_at, &["a"]);
    keys.ready().await.unwrap();
    sleep(10 * MIN).await;
    assert_eq!(server.urls(), [WELL_KNOWN, JWKS, JWKS]);
    let moved = "https://keys.example/v2";
    *keys_at.lock().unwrap() = Some(moved);
    sleep(10 * MIN).await;
    assert_eq!(server.urls()[3..6], [JWKS, WELL_KNOWN, moved]);
    assert!(keys.status().last_error.is_none());
}

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_from_where_they_were_while_the_metadata_is_out_of_reach() {
    let keys_at = Arc::new(Mutex::new(Some(JWKS)));
    let (server, keys) = discovered(&keys_at, &["a"]);
    keys.ready().await.unwrap();
    *keys_at.lock().unwrap() = Some("https://keys.example/v2");
    server.now(Reply::Down);
    sleep(10 * MIN).await;
    assert!(keys.status().last_error.is_some());
    server.new_script(|asked| if asked.url == JWKS { Reply::keys(&["b"]) } else { Reply::Down });
    sleep(MIN).await;
    assert_eq!(kids(&keys), ["b"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_of_another_issuers_metadata_is_used() {
    let body = r#"{"issuer":"https://x.example","jwks_uri":"https://x.example/keys"}"#;
    let server = Server::always(Reply::body(body));
    let source = by_metadata();
    let keys = RemoteKeys::new(RemoteConfig { source, ..server.config() }, None);
    assert_eq!(kind(keys.ready().await), Some(KeysErrorKind::IssuerMismatch));
    assert!(server.urls().iter().all(|url| url.contains("/.well-known/")));
}

#[tokio::test(start_paused = true)]
async fn an_attack_on_a_flapping_server_stays_within_the_guaranteed_requests() {
    let mut random = fastrand::Rng::with_seed(7);
    let server = Server::new(move |_| if random.u8(0..4) == 0 { Reply::keys(&["a"]) } else { Reply::Down });
    let keys = server.keys();
    let (mut seen, mut per_second) = (0, Vec::new());
    for second in 0..30 * 60 {
        seek(&keys, &second.to_string()).await;
        sleep(Duration::from_secs(1)).await;
        per_second.push(server.requests() - seen);
        seen = server.requests();
    }
    let busiest = per_second.windows(60).map(|minute| minute.iter().sum::<usize>()).max().unwrap();
    assert!(busiest <= keys.bounds().max_calls_per_minute as usize, "{busiest}");
}
