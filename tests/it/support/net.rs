//! An HTTP client in memory. It records requests, and responds, fails or hangs as a test has scripted it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Response};
use serde_json::json;
use tokio::time::{Instant, sleep};
use tower_bearer::testing::{InMemoryClient, TestIssuer};
use tower_bearer::transport::{FetchError, FetchFuture, FetchRequest, FetchResponse, HttpClient};

/// A network in memory. Clones share its hosts, its script and its log.
///
/// The script decides first. Without one, or when it returns [`Act::Pass`], the client returns the response
/// that was set for the URL, else the response of the test issuers. All other URLs refuse the connection.
#[derive(Clone, Default)]
pub(crate) struct Net(Arc<Inner>);

#[derive(Default)]
struct Inner {
    issuers: Option<InMemoryClient>,
    replies: Mutex<HashMap<String, Reply>>,
    script: Mutex<Option<Script>>,
    log: Mutex<Vec<Sent>>,
    in_flight: AtomicUsize,
    max_in_flight: AtomicUsize,
}

type Script = Arc<dyn Fn(&Sent) -> Act + Send + Sync>;

/// One request that was sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) method: Method,
    pub(crate) url: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) at: Instant,
    /// Whether it was sent over a new connection.
    pub(crate) fresh_connection: bool,
}

/// The action for a request.
#[derive(Clone)]
pub(crate) enum Act {
    /// Sends the response of the host.
    Pass,
    /// Sends this response instead.
    Instead(Reply),
    /// Waits, then acts.
    After(Duration, Box<Self>),
    /// Loses the established connection before the response.
    Lost,
    /// Panics while the caller waits.
    Panic,
    /// Panics when the client is called.
    PanicAtOnce,
}

/// The response of a URL.
#[derive(Clone)]
pub(crate) enum Reply {
    /// This status, these headers, and this body of any size.
    With(u16, Vec<(&'static str, String)>, Bytes),
    /// No response, ever.
    Hang,
    /// The connection is refused.
    Refused,
}

impl Reply {
    /// 200 with this body and no headers.
    pub(crate) fn body(body: impl Into<Bytes>) -> Self {
        Self::With(200, Vec::new(), body.into())
    }

    /// This status with an HTML body.
    pub(crate) fn status(status: u16) -> Self {
        Self::With(status, vec![("content-type", "text/html".to_owned())], "<h1>no</h1>".into())
    }

    /// This status with a `Location`.
    pub(crate) fn redirect(status: u16, to: &str) -> Self {
        Self::With(status, vec![("location", to.to_owned())], Bytes::new())
    }

    /// Adds a header.
    pub(crate) fn header(self, name: &'static str, value: impl Into<String>) -> Self {
        match self {
            Self::With(status, mut headers, body) => {
                headers.push((name, value.into()));
                Self::With(status, headers, body)
            }
            other => other,
        }
    }

    async fn perform(self) -> Result<FetchResponse, FetchError> {
        match self {
            Self::With(status, headers, body) => {
                let response = headers
                    .into_iter()
                    .fold(Response::builder().status(status), |response, (name, value)| {
                        response.header(name, value)
                    });
                Ok(response.body(body).unwrap().into())
            }
            Self::Hang => std::future::pending().await,
            Self::Refused => Err(FetchError::transport("connection refused")),
        }
    }
}

impl Net {
    /// A network on which `issuer` publishes its metadata (RFC 8414) and its current keys, and nothing else.
    pub(crate) fn of(issuer: &TestIssuer) -> Self {
        let net = Self::default();
        let metadata = json!({"issuer": issuer.identifier(), "jwks_uri": issuer.jwks_url()});
        net.set(
            &format!("{}/.well-known/oauth-authorization-server", issuer.identifier()),
            Reply::body(metadata.to_string()),
        );
        net.set(&issuer.jwks_url(), Reply::body(issuer.jwks()));
        net
    }

    /// A network on which every endpoint of `issuer` is reachable.
    pub(crate) fn to(issuer: &TestIssuer) -> Self {
        Self::over(issuer.http_client())
    }

    /// A network on which every issuer of `client` is reachable.
    pub(crate) fn over(client: InMemoryClient) -> Self {
        Self(Arc::new(Inner { issuers: Some(client), ..Inner::default() }))
    }

    /// Sets the response of `url`.
    pub(crate) fn set(&self, url: &str, reply: Reply) {
        self.0.replies.lock().unwrap().insert(url.to_owned(), reply);
    }

    /// Does this with every request from now on.
    pub(crate) fn always(&self, act: Act) {
        self.script(move |_| act.clone());
    }

    /// Does this with the next request; later ones pass.
    pub(crate) fn once(&self, act: Act) {
        self.then(vec![act]);
    }

    /// Does these with the next requests, in order; later ones pass.
    pub(crate) fn then(&self, acts: Vec<Act>) {
        let acts = Mutex::new(acts.into_iter());
        self.script(move |_| acts.lock().unwrap().next().unwrap_or(Act::Pass));
    }

    /// Lets `script` decide about every request from now on.
    pub(crate) fn script(&self, script: impl Fn(&Sent) -> Act + Send + Sync + 'static) {
        *self.0.script.lock().unwrap() = Some(Arc::new(script));
    }

    /// Every request so far.
    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.0.log.lock().unwrap().clone()
    }

    /// The values of the form parameter `name` in all requests so far.
    pub(crate) fn sent_params(&self, name: &str) -> Vec<String> {
        let requests = self.sent();
        let params = requests.iter().flat_map(|sent| form_urlencoded::parse(&sent.body));
        params.filter(|(param, _)| param == name).map(|(_, value)| value.into_owned()).collect()
    }

    /// The URL of every request so far.
    pub(crate) fn urls(&self) -> Vec<String> {
        self.0.log.lock().unwrap().iter().map(|sent| sent.url.clone()).collect()
    }

    /// The number of requests to `url`.
    pub(crate) fn count(&self, url: &str) -> usize {
        self.0.log.lock().unwrap().iter().filter(|sent| sent.url == url).count()
    }

    /// The number of requests.
    pub(crate) fn total(&self) -> usize {
        self.0.log.lock().unwrap().len()
    }

    /// The largest number of requests in flight at the same time.
    pub(crate) fn max_in_flight(&self) -> usize {
        self.0.max_in_flight.load(Ordering::Relaxed)
    }

    fn act(&self, sent: &Sent) -> Act {
        let script = self.0.script.lock().unwrap().clone();
        match script.map_or(Act::Pass, |script| script(sent)) {
            Act::Pass => {
                self.0.replies.lock().unwrap().get(&sent.url).cloned().map_or(Act::Pass, Act::Instead)
            }
            act => act,
        }
    }
}

impl HttpClient for Net {
    fn fetch(&self, request: FetchRequest) -> FetchFuture {
        let sent = Sent::new(&request);
        let act = self.act(&sent);
        self.0.log.lock().unwrap().push(sent);
        assert!(!matches!(act, Act::PanicAtOnce), "panic requested by the test");
        let in_flight = InFlight::enter(&self.0);
        let pass = self.0.issuers.as_ref().map(|issuers| issuers.fetch(request));
        Box::pin(async move {
            let _in_flight = in_flight;
            let act = match act {
                Act::After(delay, act) => {
                    sleep(delay).await;
                    *act
                }
                act => act,
            };
            match (act, pass) {
                (Act::Pass, Some(response)) => response.await,
                (Act::Pass, None) => Reply::Refused.perform().await,
                (Act::Instead(reply), _) => reply.perform().await,
                (Act::Lost, _) => Err(FetchError::connection_lost("closed by the server")),
                (Act::After(..) | Act::Panic | Act::PanicAtOnce, _) => panic!("panic requested by the test"),
            }
        })
    }
}

impl Sent {
    fn new(fetch: &FetchRequest) -> Self {
        let request = fetch.request();
        Self {
            fresh_connection: fetch.needs_fresh_connection(),
            method: request.method().clone(),
            url: request.uri().to_string(),
            headers: request.headers().clone(),
            body: request.body().clone(),
            at: Instant::now(),
        }
    }
}

/// Counts as one request in flight until it is dropped.
struct InFlight(Arc<Inner>);

impl InFlight {
    fn enter(inner: &Arc<Inner>) -> Self {
        let now = inner.in_flight.fetch_add(1, Ordering::Relaxed) + 1;
        inner.max_in_flight.fetch_max(now, Ordering::Relaxed);
        Self(Arc::clone(inner))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
