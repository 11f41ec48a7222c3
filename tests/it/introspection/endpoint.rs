//! Discovery of the introspection endpoint (RFC 8414 section 3).

use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tower_bearer::diagnostics::{CircuitState, IntrospectionError, IntrospectionErrorKind};
use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
use tower_bearer::transport::FetchErrorKind;
use tower_bearer::{BearerAuth, Issuer};
use tower_bearer::{ClientAuth, Introspection};

use super::{MISCONFIGURED, UNAVAILABLE};
use crate::support::figure::figure;
use crate::support::introspected::{IssuerIntrospection, SECOND, introspection, timed};
use crate::support::log::Log;
use crate::support::net::{Act, Net, Reply};
use crate::support::protected::{ACCEPTED, API, Protected, verdict};

/// An API without keys that discovers the endpoint.
fn discovering(idp: &TestIssuer) -> (BearerAuth, Protected, Net) {
    let net = Net::to(idp);
    let issuer = Issuer::without_keys(idp.identifier()).introspect(introspection());
    let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(net.clone());
    let auth = builder.issuer(issuer).build().unwrap();
    (auth.clone(), Protected::by(&auth), net)
}

fn last_error(auth: &BearerAuth) -> Option<IntrospectionErrorKind> {
    auth.status()[0].introspection()?.last_error().map(IntrospectionError::kind)
}

/// The metadata of `idp` with one member set, or removed if `value` is `null`.
fn metadata(idp: &TestIssuer, name: &str, value: Value) -> String {
    let mut document = json!({
        "issuer": idp.identifier(),
        "jwks_uri": idp.jwks_url(),
        "introspection_endpoint": idp.introspection_url(),
    });
    match value {
        Value::Null => document.as_object_mut().unwrap().remove(name),
        value => document.as_object_mut().unwrap().insert(name.to_owned(), value),
    };
    document.to_string()
}

#[tokio::test(start_paused = true)]
async fn the_endpoint_is_discovered_once() {
    let idp = TestIssuer::new();
    let (_, api, _) = discovering(&idp);
    for _ in 0..100 {
        assert_eq!(api.outcome(idp.token(API).opaque()).await, ACCEPTED);
    }
    assert_eq!((idp.requests(Endpoint::Metadata), idp.requests(Endpoint::Introspection)), (1, 100));
    assert_eq!(idp.requests(Endpoint::Jwks), 0);
}

#[tokio::test(start_paused = true)]
async fn concurrent_first_requests_share_one_discovery() {
    let idp = TestIssuer::new();
    let (_, api, _) = discovering(&idp);
    // Twelve of the requests are queued, for at most a second.
    idp.set_fault(Endpoint::Metadata, Some(Fault::Delay(SECOND / 2)));
    let mut requests = JoinSet::new();
    for _ in 0..60 {
        let (api, token) = (api.clone(), idp.token(API).opaque());
        requests.spawn(async move { api.outcome(token).await });
    }
    assert!(requests.join_all().await.iter().all(Result::is_ok));
    // Both well-known URLs, because the first takes long.
    assert_eq!((idp.requests(Endpoint::Metadata), idp.requests(Endpoint::Introspection)), (2, 60));
}

#[tokio::test(start_paused = true)]
async fn a_configured_endpoint_is_not_discovered() {
    let setup = IssuerIntrospection::new();
    setup.idp.set_fault(Endpoint::Metadata, Some(Fault::Hang));
    assert_eq!(setup.outcome_of_new().await, ACCEPTED);
    assert_eq!(setup.idp.requests(Endpoint::Metadata), 0);
}

#[tokio::test(start_paused = true)]
async fn unavailable_metadata_gives_503_and_recovers() {
    for fault in [Fault::Refuse, Fault::Hang, Fault::Status(500), Fault::Html, Fault::HugeBody(1 << 20)] {
        let idp = TestIssuer::new();
        let (auth, api, _) = discovering(&idp);
        idp.set_fault(Endpoint::Metadata, Some(fault.clone()));
        for _ in 0..3 {
            let (outcome, waited) = timed(api.outcome(idp.token(API).opaque())).await;
            assert_eq!(outcome, UNAVAILABLE, "{fault:?}");
            assert!(waited <= 3 * SECOND, "{fault:?}: {waited:?}");
        }
        let error = auth.ready().await.unwrap_err();
        assert_eq!(error.issuers().count(), 1, "{fault:?}");
        assert_eq!(idp.requests(Endpoint::Introspection), 0, "{fault:?}");
        idp.set_fault(Endpoint::Metadata, None);
        assert!(auth.ready().await.is_ok(), "{fault:?}");
        assert_eq!(api.outcome(idp.token(API).opaque()).await, ACCEPTED, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_moved_endpoint_is_discovered_again() {
    for status in [404, 410] {
        let idp = TestIssuer::new();
        let (auth, api, net) = discovering(&idp);
        let old = "https://issuer.test/old/introspect";
        idp.set_metadata(Some(metadata(&idp, "introspection_endpoint", old.into())));
        net.script(move |sent| match sent.url.as_str() {
            "https://issuer.test/old/introspect" => Act::Instead(Reply::status(status)),
            _ => Act::Pass,
        });
        assert_eq!(api.outcome(idp.token(API).opaque()).await, UNAVAILABLE);
        assert_eq!(last_error(&auth), Some(IntrospectionErrorKind::Fetch(FetchErrorKind::Status(status))));
        idp.set_metadata(None);
        assert_eq!(api.outcome(idp.token(API).opaque()).await, ACCEPTED, "{status}");
        assert_eq!(api.outcome(idp.token(API).opaque()).await, ACCEPTED, "{status}");
        assert_eq!(idp.requests(Endpoint::Metadata), 2, "{status}");
    }
}

/// One token may be enough to get a 404, for example from a firewall.
#[tokio::test(start_paused = true)]
async fn responses_that_the_endpoint_is_gone_cause_one_discovery_per_minute_and_the_url_stays_in_use() {
    let idp = TestIssuer::new();
    let (_, api, _) = discovering(&idp);
    assert_eq!(api.outcome(idp.token(API).opaque()).await, ACCEPTED);
    for (discoveries, fault) in [(2, None), (4, Some(Fault::Refuse))] {
        idp.set_fault(Endpoint::Metadata, fault);
        for _ in 0..59 {
            idp.set_fault_for(Endpoint::Introspection, Fault::Status(404), 1);
            assert_eq!(api.outcome(idp.token(API).opaque()).await, UNAVAILABLE);
            assert_eq!(api.outcome(idp.token(API).opaque()).await, ACCEPTED, "{discoveries}");
            assert_eq!(idp.requests(Endpoint::Metadata), discoveries);
            tokio::time::sleep(SECOND).await;
        }
        tokio::time::sleep(SECOND).await;
    }
}

/// The old endpoint may still respond. If the second discovery fails, it stays in use.
#[tokio::test(start_paused = true)]
async fn the_endpoint_is_discovered_again_after_an_hour() {
    let idp = TestIssuer::new();
    let (_, api, _) = discovering(&idp);
    let introspect = async || api.outcome(idp.token(API).opaque()).await;
    assert_eq!(introspect().await, ACCEPTED);
    tokio::time::sleep(3599 * SECOND).await;
    assert_eq!((introspect().await, idp.requests(Endpoint::Metadata)), (ACCEPTED, 1));
    tokio::time::sleep(SECOND).await;
    assert_eq!((introspect().await, idp.requests(Endpoint::Metadata)), (ACCEPTED, 2));
    tokio::time::sleep(3600 * SECOND).await;
    idp.set_fault(Endpoint::Metadata, Some(Fault::Refuse));
    assert_eq!((introspect().await, idp.requests(Endpoint::Metadata)), (ACCEPTED, 4));
    assert_eq!((introspect().await, idp.requests(Endpoint::Metadata)), (ACCEPTED, 4));
}

#[tokio::test(start_paused = true)]
async fn a_hanging_rediscovery_fails_no_request() {
    let idp = TestIssuer::new();
    let (_, api, _) = discovering(&idp);
    assert_eq!(api.outcome(idp.token(API).opaque()).await, ACCEPTED);
    tokio::time::sleep(3600 * SECOND).await;
    idp.set_fault(Endpoint::Metadata, Some(Fault::Hang));
    let mut requests = JoinSet::new();
    for _ in 0..60 {
        let (api, token) = (api.clone(), idp.token(API).opaque());
        requests.spawn(async move { timed(api.outcome(token)).await });
    }
    let responses = requests.join_all().await;
    assert!(responses.iter().all(|(outcome, waited)| outcome.is_ok() && *waited <= 2 * SECOND));
    assert_eq!(
        responses.iter().filter(|(_, waited)| waited.is_zero()).count(),
        59,
        "one request discovers, the others use the old endpoint"
    );
    assert_eq!(idp.requests(Endpoint::Metadata), 3, "the first time one, then both well-known URLs");
}

#[tokio::test(start_paused = true)]
async fn a_well_known_url_that_hangs_delays_the_first_token_by_a_quarter_of_a_second() {
    let idp = TestIssuer::new();
    let (_, api, net) = discovering(&idp);
    net.script(|sent| match sent.url.ends_with("/.well-known/oauth-authorization-server") {
        true => Act::Instead(Reply::Hang),
        false => Act::Pass,
    });
    let (outcome, waited) = timed(api.outcome(idp.token(API).opaque())).await;
    let quantity = "wait of the first opaque token, the first well-known URL hangs";
    figure("1.7", quantity, format_args!("{}, {waited:?}", verdict(outcome)), "accepted after 250 ms");
    assert_eq!((outcome, waited), (ACCEPTED, SECOND / 4));
    // An hour later, the URL that answered is tried first.
    tokio::time::sleep(3600 * SECOND).await;
    assert_eq!(timed(api.outcome(idp.token(API).opaque())).await, (ACCEPTED, Duration::ZERO));
    assert_eq!(net.urls().iter().filter(|url| url.contains("oauth-authorization-server")).count(), 1);
}

#[tokio::test(start_paused = true)]
async fn unusable_metadata_is_reported_with_its_reason() {
    use IntrospectionErrorKind::{EndpointUnusable, IssuerMismatch, MetadataUnreadable};
    for (name, member, value, expected) in [
        ("no endpoint", "introspection_endpoint", Value::Null, EndpointUnusable),
        ("a number", "introspection_endpoint", json!(1), MetadataUnreadable),
        ("plain http", "introspection_endpoint", json!("http://issuer.test/introspect"), EndpointUnusable),
        ("no URL", "introspection_endpoint", json!("introspect"), EndpointUnusable),
        (
            "a URL with a password",
            "introspection_endpoint",
            json!("https://a:b@issuer.test/introspect"),
            EndpointUnusable,
        ),
        ("another issuer", "issuer", json!("https://mallory.example.com"), IssuerMismatch),
        ("almost the issuer", "issuer", json!("https://issuer.test/"), IssuerMismatch),
        ("no issuer", "issuer", Value::Null, MetadataUnreadable),
    ] {
        let idp = TestIssuer::new();
        let (auth, api, _) = discovering(&idp);
        idp.set_metadata(Some(metadata(&idp, member, value)));
        let log = Log::start();
        let outcome = if expected == EndpointUnusable { MISCONFIGURED } else { UNAVAILABLE };
        assert_eq!(api.outcome(idp.token(API).opaque()).await, outcome, "{name}");
        assert_eq!(last_error(&auth), Some(expected), "{name}");
        let cause = log.requests()[0].field("cause").unwrap().to_owned();
        assert!(cause.contains(&expected.to_string()), "{name}: {cause}");
        let error = auth.ready().await.unwrap_err();
        let reported: Vec<_> = error
            .issuers()
            .map(|(issuer, error)| (issuer, error.downcast_ref().map(IntrospectionError::kind)))
            .collect();
        assert_eq!(reported, [("https://issuer.test", Some(expected))], "{name}");
        assert!(error.to_string().contains("https://issuer.test"), "{name}");
        assert_eq!(idp.requests(Endpoint::Introspection), 0, "{name}: no part of the metadata is used");
    }
}

/// django-oauth-toolkit has an introspection endpoint, but does not name it in its metadata.
#[tokio::test(start_paused = true)]
async fn metadata_without_an_endpoint_is_a_misconfiguration_that_is_reported_at_the_start() {
    let idp = TestIssuer::new();
    let (auth, api, _) = discovering(&idp);
    idp.set_metadata(Some(metadata(&idp, "introspection_endpoint", Value::Null)));
    let log = Log::start();
    assert!(auth.ready().await.unwrap_err().to_string().contains("Introspection::endpoint(url)"));
    let warning = log.events().pop().unwrap();
    assert_eq!((warning.level, warning.field("issuer")), (tracing::Level::WARN, Some("https://issuer.test")));
    assert!(warning.field("cause").unwrap().contains("Introspection::endpoint(url)"));
    // More requests than failures that open the circuit breaker.
    for n in 0..10 {
        let response = api.get(idp.token(API).opaque()).await;
        if n == 0 {
            let shown = format!("{}, {}", response.status(), verdict(response.outcome()));
            figure("1.12", "metadata without an endpoint", shown, "500, introspection_misconfigured");
        }
        assert_eq!((response.status(), response.outcome()), (500, MISCONFIGURED));
        assert!(!String::from_utf8_lossy(&response.body).contains("endpoint"));
    }
    assert_eq!(idp.requests(Endpoint::Metadata), 2, "both well-known URLs, once");
    let rejected = log.requests().pop().unwrap();
    assert_eq!(rejected.level, tracing::Level::ERROR);
    let cause = rejected.field("cause").unwrap();
    figure("1.12", "cause in the log", cause, "names Introspection::endpoint(url)");
    assert!(cause.contains("Introspection::endpoint(url)"));
    // The server is configured, and its metadata is fetched again.
    idp.set_metadata(None);
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!(api.outcome(idp.token(API).opaque()).await, ACCEPTED);
    let endpoint = introspection().endpoint(idp.introspection_url());
    let remedy = Issuer::without_keys(idp.identifier()).introspect(endpoint);
    let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(idp.http_client()).issuer(remedy);
    assert_eq!(Protected::by(&builder.build().unwrap()).outcome(idp.token(API).opaque()).await, ACCEPTED);
}

/// The metadata names another issuer and its endpoint.
#[tokio::test(start_paused = true)]
async fn no_token_is_sent_to_the_endpoint_of_another_issuer() {
    let idp = TestIssuer::in_memory("https://login.example.com");
    let net = Net::of(&idp);
    let elsewhere = "https://mallory.example.com/introspect";
    let metadata = json!({"issuer": "https://mallory.example.com", "introspection_endpoint": elsewhere});
    for form in ["oauth-authorization-server", "openid-configuration"] {
        let url = format!("https://login.example.com/.well-known/{form}");
        net.set(&url, Reply::body(metadata.to_string()));
    }
    net.set(elsewhere, Reply::body(r#"{"active":true,"aud":"https://api.example.com","exp":9999999999}"#));
    let issuer = Issuer::without_keys("https://login.example.com").introspect(introspection());
    let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(net.clone()).issuer(issuer);
    let api = Protected::by(&builder.build().unwrap());
    assert_eq!(api.outcome("opaque-token").await, UNAVAILABLE);
    assert!(net.urls().iter().all(|url| url != elsewhere));
    assert!(net.sent().iter().all(|sent| sent.body.is_empty()), "a token was sent");
}

#[tokio::test(start_paused = true)]
async fn the_endpoint_of_mtls_clients_is_discovered_in_mtls_endpoint_aliases() {
    let idp = TestIssuer::new();
    idp.register_mtls_client("orders");
    let net = Net::to(&idp);
    let alias = "https://issuer.test/introspect?over=mtls";
    idp.set_metadata(Some(metadata(&idp, "mtls_endpoint_aliases", json!({"introspection_endpoint": alias}))));
    let introspection = Introspection::with(ClientAuth::mtls("orders"));
    let issuer = Issuer::without_keys(idp.identifier()).introspect(introspection.http_client(net.clone()));
    let auth = BearerAuth::builder(API).clock(idp.clock()).http_client(idp.http_client()).issuer(issuer);
    let api = Protected::by(&auth.build().unwrap());
    assert_eq!(api.outcome(idp.token(API).opaque()).await, ACCEPTED);
    assert_eq!(net.sent().last().unwrap().url, alias);
}

/// No token can cause a failure of the metadata, so every failure counts.
#[tokio::test(start_paused = true)]
async fn unusable_metadata_is_fetched_once_for_all_requests_and_opens_the_circuit() {
    for fault in [Fault::Status(403), Fault::Html, Fault::Status(404), Fault::Status(500)] {
        let setup = IssuerIntrospection::discovered(|_, introspection| introspection);
        setup.idp.set_fault(Endpoint::Metadata, Some(fault.clone()));
        let mut requests = JoinSet::new();
        for _ in 0..60 {
            let (api, token) = (setup.api.clone(), setup.opaque());
            requests.spawn(async move { api.outcome(token).await });
        }
        assert!(requests.join_all().await.iter().all(|outcome| *outcome == UNAVAILABLE));
        let fetches = setup.idp.requests(Endpoint::Metadata);
        assert!(fetches <= 20, "{fault:?}: {fetches} fetches, at most two for each of ten failures");
        assert_eq!(setup.circuit(), CircuitState::Open, "{fault:?}");
        setup.idp.set_fault(Endpoint::Metadata, None);
        setup.pass(10 * SECOND).await;
        assert_eq!(setup.outcome_of_new().await, ACCEPTED, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_wait_for_a_failed_discovery_share_its_error() {
    let setup = IssuerIntrospection::discovered(|_, introspection| introspection);
    setup.net.always(Act::After(SECOND / 4, Box::new(Act::Instead(Reply::status(500)))));
    let mut requests = JoinSet::new();
    for _ in 0..20 {
        let (api, token) = (setup.api.clone(), setup.opaque());
        requests.spawn(async move { api.outcome(token).await });
    }
    assert!(requests.join_all().await.iter().all(|outcome| *outcome == UNAVAILABLE));
    assert_eq!(setup.net.total(), 2, "one discovery fetches two URLs");
}
