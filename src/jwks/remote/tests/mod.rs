//! Tests of `RemoteKeys` and its refresh task, with a paused clock and an in-memory server.

#![allow(clippy::arithmetic_side_effects, clippy::as_conversions, reason = "a test that overflows fails")]

mod discovery;
mod fetch;
mod lookup;
mod task;

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::Response;
use http::header::IF_NONE_MATCH;
use tokio::time::sleep;

use super::wait::WaitOutcome;
use super::*;
use crate::fetch_url::{FetchUrl, PlainHttp};
use crate::jwks::error::KeysErrorKind;
use crate::time::now;
use crate::transport::{FetchError, FetchErrorKind, FetchFuture, FetchRequest, FetchResponse, HttpClient};

const JWKS: &str = "https://h.example/keys";
const MIN: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// The behavior of the server for one request.
#[derive(Clone)]
enum Reply {
    /// Responds at once with this status, these headers and this body.
    With(u16, Vec<(&'static str, &'static str)>, Bytes),
    /// Refuses the connection.
    Down,
    /// Closes the connection before the response.
    Lost,
    /// Accepts the request and never responds.
    Hang,
    /// Applies the inner reply after a delay.
    After(Duration, Box<Self>),
    /// Panics in the HTTP client.
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
                let builder = Response::builder().status(status);
                let builder =
                    headers.into_iter().fold(builder, |builder, (name, value)| builder.header(name, value));
                Ok(builder.body(body).unwrap().into())
            }
            Self::Lost => Err(FetchError::connection_lost("closed by the server")),
            Self::Down => Err(FetchError::transport("connection refused")),
            Self::Hang => std::future::pending().await,
            Self::After(delay, reply) => {
                sleep(delay).await;
                Box::pin(reply.perform()).await
            }
            Self::Panic => panic!("the HTTP client panics on purpose"),
        }
    }
}

/// The issuer that uses the keys.
fn issuer() -> Arc<str> {
    "https://h.example".into()
}

/// A key set with the key of RFC 8037 appendix A.2 under each `kid`.
fn key_set(kids: &[&str]) -> Bytes {
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    let key = |kid: &&str| format!(r#"{{"kty":"OKP","crv":"Ed25519","kid":"{kid}","x":"{x}"}}"#);
    let keys: Vec<String> = kids.iter().map(key).collect();
    format!(r#"{{"keys":[{}]}}"#, keys.join(",")).into()
}

/// A request that the server received.
#[derive(Clone, Debug, Eq, PartialEq)]
struct ReceivedRequest {
    url: String,
    etag: Option<String>,
    /// Whether it needs a new connection.
    fresh: bool,
}

type Script = Box<dyn FnMut(&ReceivedRequest) -> Reply + Send>;

/// An authorization server that responds by a script and logs its requests.
struct Server {
    script: Mutex<Script>,
    log: Mutex<Vec<ReceivedRequest>>,
    /// The number of requests that are neither completed nor cancelled.
    open: Arc<AtomicUsize>,
}

impl Server {
    fn new(script: impl FnMut(&ReceivedRequest) -> Reply + Send + 'static) -> Arc<Self> {
        Arc::new(Self { script: Mutex::new(Box::new(script)), log: Mutex::default(), open: Arc::default() })
    }

    fn always(reply: Reply) -> Arc<Self> {
        Self::new(move |_| reply.clone())
    }

    fn set_reply(&self, reply: Reply) {
        self.set_script(move |_| reply.clone());
    }

    fn set_script(&self, script: impl FnMut(&ReceivedRequest) -> Reply + Send + 'static) {
        *self.script.lock().unwrap() = Box::new(script);
    }

    fn requests(&self) -> usize {
        self.log.lock().unwrap().len()
    }

    fn received(&self) -> Vec<ReceivedRequest> {
        self.log.lock().unwrap().clone()
    }

    fn urls(&self) -> Vec<String> {
        self.received().into_iter().map(|request| request.url).collect()
    }

    fn config(self: &Arc<Self>) -> RemoteConfig {
        let url = FetchUrl::parse(JWKS, PlainHttp::Loopback).unwrap();
        RemoteConfig::new("https://h.example", KeySource::Url(url), Arc::clone(self) as Arc<dyn HttpClient>)
    }

    fn keys(self: &Arc<Self>) -> RemoteKeys {
        RemoteKeys::new(self.config(), None)
    }
}

/// Counts a request as open until it is dropped.
struct Open(Arc<AtomicUsize>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl HttpClient for Server {
    fn fetch(&self, request: FetchRequest) -> FetchFuture {
        let fresh = request.needs_fresh_connection();
        let request = request.into_request();
        let etag = request.headers().get(IF_NONE_MATCH);
        let etag = etag.map(|etag| etag.to_str().unwrap().to_owned());
        let received = ReceivedRequest { url: request.uri().to_string(), etag, fresh };
        let reply = (self.script.lock().unwrap())(&received);
        self.log.lock().unwrap().push(received);
        self.open.fetch_add(1, Ordering::SeqCst);
        let open = Open(Arc::clone(&self.open));
        Box::pin(async move {
            let _open = open;
            reply.perform().await
        })
    }
}

/// The result of looking for a key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Outcome {
    Found,
    NotFound,
    RateLimited,
    Unavailable,
    TimedOut,
}

/// Looks for a key and waits for fetches, as `authenticate` does.
async fn find(keys: &RemoteKeys, kid: &str) -> Outcome {
    let mut wait_budget = WaitBudget::default();
    loop {
        let set = keys.current();
        if set.as_ref().is_some_and(|set| set.of(&issuer()).key_ids().any(|id| id == kid)) {
            keys.mark_used();
            return Outcome::Found;
        }
        let query = if set.is_some() { KeyQuery::Kid(kid) } else { KeyQuery::AnyKey };
        match keys.lookup(query, set.as_ref(), &mut wait_budget) {
            KeyLookup::Pending(pending) => match pending.await {
                WaitOutcome::FetchEnded => {}
                WaitOutcome::TimedOut => return Outcome::TimedOut,
            },
            KeyLookup::Unavailable { retry_after, .. } => {
                assert!(retry_after >= Duration::from_secs(1));
                return Outcome::Unavailable;
            }
            KeyLookup::RateLimited { retry_after } => {
                assert!(retry_after >= Duration::from_secs(1));
                return Outcome::RateLimited;
            }
            KeyLookup::NotFound => return Outcome::NotFound,
        }
    }
}

/// Looks for a key for a token with a forged signature, and waits for fetches.
async fn find_unverified(keys: &RemoteKeys) {
    let mut wait_budget = WaitBudget::default();
    while keys.current().is_none() {
        match keys.lookup(KeyQuery::AnyKey, None, &mut wait_budget) {
            KeyLookup::Pending(pending) => drop(pending.await),
            _ => return,
        }
    }
}

/// Sleeps while tokens are verified with the cached keys.
async fn sleep_in_use(keys: &RemoteKeys, time: Duration) {
    let end = now() + time;
    while now() < end {
        keys.mark_used();
        sleep(MIN.min(end - now())).await;
    }
}

fn kids(keys: &RemoteKeys) -> Vec<String> {
    keys.status(&issuer()).key_ids
}

fn error_kind(result: Result<(), Arc<KeysError>>) -> Option<KeysErrorKind> {
    result.err().map(|error| error.kind())
}
