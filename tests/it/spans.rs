//! Spans: one per uncached decision, and one per request to an authorization server, which the HTTP client
//! sees as the current one.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tower_bearer::RejectionKind::{KeysUnavailable, TokenExpired};
use tower_bearer::testing::TestIssuer;
use tower_bearer::transport::{FetchFuture, FetchRequest, HttpClient};
use tracing::Span;

use crate::support::log::Log;
use crate::support::net::{Act, Net, Reply};
use crate::support::protected::{ACCEPTED, API, Protected, anonymous};

const DECISION: &str = "validate access token";
const REQUEST: &str = "authorization server request";

/// An HTTP client that records the name of the current span when it is called, and when it is polled.
#[derive(Clone)]
struct Traced {
    net: Net,
    current: Arc<Mutex<Vec<Option<&'static str>>>>,
}

impl HttpClient for Traced {
    fn fetch(&self, request: FetchRequest) -> FetchFuture {
        let (current, net) = (Arc::clone(&self.current), self.net.clone());
        let record = move || current.lock().unwrap().push(Span::current().metadata().map(|span| span.name()));
        record();
        Box::pin(async move {
            record();
            net.fetch(request).await
        })
    }
}

/// The values of this field of the spans with this name.
fn values(log: &Log, span: &str, field: &str) -> Vec<String> {
    let fields = log.span_fields(span).into_iter().filter(|(name, _)| name == field);
    fields.map(|(_, value)| value).collect()
}

#[tokio::test(start_paused = true)]
async fn an_uncached_decision_is_one_span_with_its_kind_and_a_cached_one_is_none() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).build().unwrap();
    let api = Protected::by(&auth);
    let token = idp.token(API).sign();
    let log = Log::start();
    assert_eq!(api.outcome(&token).await, ACCEPTED, "and the keys are fetched");
    assert_eq!(values(&log, DECISION, "kind"), ["accepted"]);
    assert_eq!(api.outcome(&token).await, ACCEPTED, "cached");
    assert!(api.send(anonymous("GET")).await.outcome().is_err());
    assert!(auth.authenticate(&token).await.is_ok());
    assert_eq!(values(&log, DECISION, "kind"), ["accepted"]);
    assert_eq!(api.outcome(idp.token(API).expired().sign()).await, Err(TokenExpired));
    assert!(auth.authenticate(&idp.token(API).expired().sign()).await.is_err());
    assert_eq!(values(&log, DECISION, "kind"), ["accepted", "token_expired", "token_expired"]);
    assert!(!log.text().contains(&token), "the token is in no span");
}

#[tokio::test(start_paused = true)]
async fn a_request_to_the_authorization_server_is_the_current_span_of_the_client() {
    let idp = TestIssuer::in_memory("https://login.example.com:8443");
    let client = Traced { net: Net::to(&idp), current: Arc::default() };
    let log = Log::start();
    let auth = idp.bearer_auth(API).http_client(client.clone()).build().unwrap();
    assert_eq!(Protected::by(&auth).outcome(idp.token(API).sign()).await, ACCEPTED);
    let current = client.current.lock().unwrap().clone();
    assert!(!current.is_empty());
    assert!(current.iter().all(|name| *name == Some(REQUEST)), "{current:?}");
    for (field, expected) in [
        ("otel.kind", "client"),
        ("http.request.method", "GET"),
        ("server.address", "login.example.com"),
        ("server.port", "8443"),
        ("issuer", idp.identifier()),
    ] {
        let values = values(&log, REQUEST, field);
        assert_eq!(values.len(), current.len() / 2, "{field}");
        assert!(values.iter().all(|value| value == expected), "{field}: {values:?}");
    }
    assert!(values(&log, REQUEST, "http.response.status_code").contains(&"200".to_owned()));
}

#[tokio::test(start_paused = true)]
async fn an_introspection_request_is_a_child_of_the_decision_that_sends_it() {
    let idp = TestIssuer::new();
    let issuer = idp.issuer().introspect(idp.introspection());
    let auth = idp.bearer_auth(API).issuer(issuer).build().unwrap();
    let log = Log::start();
    assert_eq!(Protected::by(&auth).outcome(idp.token(API).opaque()).await, ACCEPTED);
    assert_eq!(values(&log, REQUEST, "parent"), [DECISION]);
}

#[tokio::test(start_paused = true)]
async fn a_failed_request_to_the_authorization_server_has_the_type_of_its_error() {
    for (name, act, expected) in [
        ("refused", Act::Instead(Reply::Refused), "transport"),
        ("no response", Act::Instead(Reply::Hang), "timeout"),
        ("server error", Act::Instead(Reply::status(500)), "500"),
    ] {
        let idp = TestIssuer::in_memory("https://login.example.com");
        let net = Net::to(&idp);
        net.always(act);
        let log = Log::start();
        let builder = idp.bearer_auth(API).http_client(net).max_key_wait(Duration::from_secs(60));
        let api = Protected::by(&builder.build().unwrap());
        assert_eq!(api.outcome(idp.token(API).sign()).await, Err(KeysUnavailable), "{name}");
        let types = values(&log, REQUEST, "error.type");
        assert!(!types.is_empty() && types.iter().all(|value| value == expected), "{name}: {types:?}");
    }
}
