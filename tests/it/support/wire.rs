//! The connection to a test issuer in memory: it keeps a log, and fails where a test says so.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep};
use tower_bearer::testing::{InMemoryClient, TestIssuer};
use tower_bearer::transport::{FetchError, FetchFuture, FetchRequest, HttpClient};

use super::net::{Asked, Reply};

/// What becomes of one request.
#[derive(Clone)]
pub(crate) enum Act {
    /// The issuer answers.
    Pass,
    /// Something else does.
    Instead(Reply),
    /// This, so much later.
    After(Duration, Box<Self>),
    /// The connection was there and dies before the answer.
    Lost,
    /// The client panics while it waits.
    Panic,
    /// The client panics when it is called.
    PanicAtOnce,
}

type Script = Arc<dyn Fn(&Asked) -> Act + Send + Sync>;

/// A client with a log. A clone is the same.
#[derive(Clone)]
pub(crate) struct Wire(Arc<Inner>);

struct Inner {
    client: InMemoryClient,
    script: Mutex<Script>,
    log: Mutex<Vec<Asked>>,
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
}

impl Wire {
    /// A connection on which everything passes.
    pub(crate) fn to(idp: &TestIssuer) -> Self {
        Self(Arc::new(Inner {
            client: idp.http_client(),
            script: Mutex::new(Arc::new(|_: &Asked| Act::Pass)),
            log: Mutex::default(),
            under_way: AtomicUsize::new(0),
            most_under_way: AtomicUsize::new(0),
        }))
    }

    /// Does this with every request from now on.
    pub(crate) fn always(&self, act: Act) {
        self.script(move |_| act.clone());
    }

    /// Does this with the next request, and lets the others pass.
    pub(crate) fn once(&self, act: Act) {
        self.then(vec![act]);
    }

    /// Does these with the next requests, and lets the others pass.
    pub(crate) fn then(&self, acts: Vec<Act>) {
        let acts = Mutex::new(acts.into_iter());
        self.script(move |_| acts.lock().unwrap().next().unwrap_or(Act::Pass));
    }

    /// Does with every request from now on what `script` says.
    pub(crate) fn script(&self, script: impl Fn(&Asked) -> Act + Send + Sync + 'static) {
        *self.0.script.lock().unwrap() = Arc::new(script);
    }

    /// Everything that was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.0.log.lock().unwrap().clone()
    }

    /// How often anything was asked.
    pub(crate) fn total(&self) -> usize {
        self.0.log.lock().unwrap().len()
    }

    /// The most requests that were under way at once.
    pub(crate) fn most_under_way(&self) -> usize {
        self.0.most_under_way.load(Ordering::Relaxed)
    }
}

impl HttpClient for Wire {
    fn fetch(&self, request: FetchRequest) -> FetchFuture {
        let http = request.request();
        let asked = Asked {
            method: http.method().clone(),
            url: http.uri().to_string(),
            headers: http.headers().clone(),
            body: http.body().clone(),
            at: Instant::now(),
        };
        let script = Arc::clone(&self.0.script.lock().unwrap());
        let act = script(&asked);
        self.0.log.lock().unwrap().push(asked);
        assert!(!matches!(act, Act::PanicAtOnce), "the test asked for a panic");
        let under_way = UnderWay::enter(&self.0);
        let answer = self.0.client.fetch(request);
        Box::pin(async move {
            let _under_way = under_way;
            let act = match act {
                Act::After(delay, act) => {
                    sleep(delay).await;
                    *act
                }
                act => act,
            };
            match act {
                Act::Pass => answer.await,
                Act::Instead(reply) => reply.perform().await,
                Act::Lost => Err(FetchError::connection_lost("closed by the server")),
                Act::After(..) | Act::Panic | Act::PanicAtOnce => panic!("the test asked for a panic"),
            }
        })
    }
}

/// Counts as one request until it is dropped.
struct UnderWay(Arc<Inner>);

impl UnderWay {
    fn enter(inner: &Arc<Inner>) -> Self {
        let now = inner.under_way.fetch_add(1, Ordering::Relaxed) + 1;
        inner.most_under_way.fetch_max(now, Ordering::Relaxed);
        Self(Arc::clone(inner))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}
