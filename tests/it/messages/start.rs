//! The start event, and the check of the issuers that nobody has to ask for.

use std::time::Duration;

use tokio::time::sleep;
use tower::Layer;
use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
use tower_bearer::{BearerAuth, Issuer, TokenSource};

use crate::support::introspected::introspection;
use crate::support::log::{Entry, Log};
use crate::support::net::Net;
use crate::support::protected::{ACCEPTED, API, Handler, ISSUER, Protected, anonymous};

const SECOND: Duration = Duration::from_secs(1);

fn start_event(log: &Log) -> Entry {
    log.events().into_iter().find(|event| event.field("bounds").is_some()).expect("a start event")
}

fn failed_fetches(log: &Log) -> usize {
    log.events().iter().filter(|event| event.field("outcome") == Some("failed")).count()
}

#[test]
fn the_start_event_names_issuers_audiences_and_what_is_turned_on() {
    let (log, net) = (Log::start(), Net::default());
    let built = BearerAuth::builder(API)
        .issuer(Issuer::discover(ISSUER).introspect(introspection()))
        .add_issuer(Issuer::discover("https://partner.example").audience("orders"))
        .optional()
        .log_token_details()
        .add_token_source(TokenSource::query())
        .http_client(net.clone())
        .build();
    assert!(built.is_ok());
    let event = start_event(&log);
    assert_eq!(event.field("issuers"), Some("https://login.example.com, https://partner.example"));
    assert_eq!(event.field("audiences"), Some("https://api.example.com, orders"));
    let enabled = event.field("enabled").unwrap();
    assert_eq!(
        enabled,
        "introspection, optional, token in query parameter access_token, log_token_details, token cache"
    );
    assert!(event.field("bounds").unwrap().contains("a retired key is used for at most"));

    let log = Log::start();
    let tenants = (0..100).map(|n| Issuer::discover(format!("https://login.example.com/{n:03}")));
    let builder = BearerAuth::builder(API).http_client(net.clone());
    assert!(tenants.fold(builder, tower_bearer::BearerAuthBuilder::add_issuer).build().is_ok());
    let event = start_event(&log);
    let issuers = event.field("issuers").unwrap();
    assert!(
        issuers.starts_with("https://login.example.com/000, ") && issuers.ends_with(" and 95 more"),
        "{issuers}"
    );
    assert_eq!(event.field("enabled"), Some("token cache"));
    assert_eq!(net.total(), 0, "no request to the network");
}

#[tokio::test(start_paused = true)]
async fn a_wrong_issuer_is_in_the_log_a_second_after_the_layer_is_applied() {
    let (log, net) = (Log::start(), Net::default());
    let auth =
        BearerAuth::builder(API).issuer(Issuer::discover(ISSUER)).http_client(net.clone()).build().unwrap();
    let service = auth.layer(Handler::default());
    sleep(SECOND / 2).await;
    assert_eq!((net.total(), failed_fetches(&log)), (0, 0), "`ready` or a request may come first");
    sleep(SECOND).await;
    let event = log.events().into_iter().find(|event| event.field("outcome") == Some("failed")).unwrap();
    assert!(event.field("hint").unwrap().contains("DNS"), "{event:?}");
    assert_eq!(log.requests().len(), 0);
    drop(service);
}

#[tokio::test(start_paused = true)]
async fn a_wrong_introspection_endpoint_is_in_the_log_before_the_first_request() {
    let idp = TestIssuer::in_memory(ISSUER);
    idp.set_fault(Endpoint::Metadata, Some(Fault::Status(500)));
    let log = Log::start();
    let issuer = Issuer::without_keys(ISSUER).introspect(introspection());
    let auth = BearerAuth::builder(API).issuer(issuer).http_client(idp.http_client()).build().unwrap();
    let api = Protected::by(&auth);
    sleep(2 * SECOND).await;
    let event = log.events().pop().unwrap();
    assert_eq!((event.level, event.field("issuer")), (tracing::Level::WARN, Some(ISSUER)));
    assert!(event.field("cause").unwrap().contains("the response status is 500"), "{event:?}");
    assert_eq!(idp.requests(Endpoint::Introspection), 0);
    drop(api);
}

#[tokio::test(start_paused = true)]
async fn the_check_fetches_nothing_that_a_request_or_ready_has_fetched() {
    let idp = TestIssuer::in_memory(ISSUER);
    for by_request in [true, false] {
        let net = Net::of(&idp);
        let auth = BearerAuth::builder(API).issuer(idp.issuer()).clock(idp.clock()).http_client(net.clone());
        let auth = auth.build().unwrap();
        let api = Protected::by(&auth);
        if by_request {
            assert_eq!(api.outcome(idp.token(API).sign()).await, ACCEPTED);
        } else {
            auth.ready().await.unwrap();
        }
        let fetches = net.total();
        sleep(10 * SECOND).await;
        assert_eq!(net.total(), fetches, "by a request: {by_request}");
    }
}

#[tokio::test(start_paused = true)]
async fn skip_start_check_turns_the_check_off() {
    let (idp, net) = (TestIssuer::in_memory(ISSUER), Net::default());
    let builder = BearerAuth::builder(API).issuer(idp.issuer()).http_client(net.clone());
    let api = Protected::by(&builder.skip_start_check().build().unwrap());
    assert_eq!(api.send(anonymous("GET")).await.status(), 401);
    sleep(10 * SECOND).await;
    assert_eq!(net.total(), 0);
}

#[test]
fn without_a_runtime_the_first_request_starts_the_check() {
    let (idp, net) = (TestIssuer::in_memory(ISSUER), Net::default());
    let auth = BearerAuth::builder(API).issuer(idp.issuer()).http_client(net.clone()).build().unwrap();
    let api = Protected::by(&auth);
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        sleep(3 * SECOND).await;
        assert_eq!(net.total(), 0, "the layer was applied outside of a runtime");
        assert_eq!(api.send(anonymous("GET")).await.status(), 401);
        sleep(3 * SECOND).await;
        assert!(net.total() > 0);
    });
}

#[tokio::test(start_paused = true)]
async fn at_most_32_issuers_are_checked_and_none_after_the_last_clone_is_dropped() {
    let net = Net::default();
    let build = || {
        let tenants = (0..100).map(|n| {
            let issuer = format!("https://login.example.com/{n}");
            Issuer::with_jwks_url(issuer.clone(), format!("{issuer}/keys"))
        });
        let builder = BearerAuth::builder(API).http_client(net.clone());
        tenants.fold(builder, tower_bearer::BearerAuthBuilder::add_issuer).build().unwrap()
    };
    drop(build().layer(Handler::default()));
    sleep(3 * SECOND).await;
    assert_eq!(net.total(), 0, "the check of a dropped layer");
    let auth = build();
    let service: tower_bearer::middleware::BearerAuthService<Handler> = auth.layer(Handler::default());
    sleep(SECOND + SECOND / 8).await;
    let asked: std::collections::BTreeSet<String> = net.urls().into_iter().collect();
    assert_eq!(asked.len(), 32);
    drop((auth, service));
}
