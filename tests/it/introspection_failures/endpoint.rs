//! Where the endpoint is: found once, found again when it moves (RFC 8414 section 3).

use serde_json::{Value, json};
use tokio::task::JoinSet;
use tower_bearer::diagnostics::CircuitState;
use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
use tower_bearer::transport::{FetchError, FetchErrorKind};
use tower_bearer::{BearerAuth, Issuer};

use crate::support::introspected::{IssuerIntrospection, SECOND, introspection, timed};
use crate::support::net::{Net, Reply};
use crate::support::protected::{API, Protected};
use crate::support::wire::{Act, Wire};

const UNAVAILABLE: &str = "introspection_unavailable";

/// A service that has to look the endpoint up, and needs no keys.
fn looking_up(idp: &TestIssuer) -> (BearerAuth, Protected, Wire) {
    let wire = Wire::to(idp);
    let issuer = Issuer::without_keys(idp.identifier()).introspect(introspection());
    let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(wire.clone());
    let auth = builder.issuer(issuer).build().unwrap();
    (auth.clone(), Protected::by(&auth), wire)
}

fn why(auth: &BearerAuth) -> Option<FetchErrorKind> {
    auth.status()[0].introspection()?.last_error().map(FetchError::kind)
}

/// The metadata of `idp` with a member set, or with `null` removed.
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
async fn it_is_looked_up_once() {
    let idp = TestIssuer::new();
    let (_, api, _) = looking_up(&idp);
    for _ in 0..100 {
        assert_eq!(api.kind(idp.token(API).opaque()).await, "ok");
    }
    assert_eq!((idp.requests(Endpoint::Metadata), idp.requests(Endpoint::Introspection)), (1, 100));
    assert_eq!(idp.requests(Endpoint::Jwks), 0);
}

#[tokio::test(start_paused = true)]
async fn many_first_requests_look_it_up_once() {
    let idp = TestIssuer::new();
    let (_, api, _) = looking_up(&idp);
    idp.set_fault(Endpoint::Metadata, Some(Fault::Delay(SECOND)));
    let mut requests = JoinSet::new();
    for _ in 0..60 {
        let (api, token) = (api.clone(), idp.token(API).opaque());
        requests.spawn(async move { api.kind(token).await });
    }
    assert!(requests.join_all().await.iter().all(|kind| kind == "ok"));
    assert_eq!((idp.requests(Endpoint::Metadata), idp.requests(Endpoint::Introspection)), (1, 60));
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_configured_is_not_looked_up() {
    let of = IssuerIntrospection::new();
    of.idp.set_fault(Endpoint::Metadata, Some(Fault::Hang));
    assert_eq!(of.kind_of_new().await, "ok");
    assert_eq!(of.idp.requests(Endpoint::Metadata), 0);
}

#[tokio::test(start_paused = true)]
async fn while_the_metadata_is_out_of_reach_it_is_an_outage_and_recovers() {
    for fault in [Fault::Refuse, Fault::Hang, Fault::Status(500), Fault::Html, Fault::HugeBody(1 << 20)] {
        let idp = TestIssuer::new();
        let (auth, api, _) = looking_up(&idp);
        idp.set_fault(Endpoint::Metadata, Some(fault.clone()));
        for _ in 0..3 {
            let (kind, waited) = timed(api.kind(idp.token(API).opaque())).await;
            assert_eq!(kind, UNAVAILABLE, "{fault:?}");
            assert!(waited <= 3 * SECOND, "{fault:?}: {waited:?}");
        }
        let error = auth.ready().await.unwrap_err();
        assert_eq!(error.issuers().count(), 1, "{fault:?}");
        assert_eq!(idp.requests(Endpoint::Introspection), 0, "{fault:?}");
        idp.set_fault(Endpoint::Metadata, None);
        assert!(auth.ready().await.is_ok(), "{fault:?}");
        assert_eq!(api.kind(idp.token(API).opaque()).await, "ok", "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_moves_is_found_again() {
    for status in [404, 410] {
        let idp = TestIssuer::new();
        let (auth, api, wire) = looking_up(&idp);
        let old = "https://issuer.test/old/introspect";
        idp.set_metadata(Some(metadata(&idp, "introspection_endpoint", old.into())));
        wire.script(move |asked| match asked.url.as_str() {
            "https://issuer.test/old/introspect" => Act::Instead(Reply::status(status)),
            _ => Act::Pass,
        });
        assert_eq!(api.kind(idp.token(API).opaque()).await, UNAVAILABLE);
        assert_eq!(why(&auth), Some(FetchErrorKind::Status(status)));
        idp.set_metadata(None);
        assert_eq!(api.kind(idp.token(API).opaque()).await, "ok", "{status}");
        assert_eq!(api.kind(idp.token(API).opaque()).await, "ok", "{status}");
        assert_eq!(idp.requests(Endpoint::Metadata), 2, "{status}");
    }
}

/// The old place may go on to answer. After an hour the metadata is read again; should that fail, the
/// old place will do.
#[tokio::test(start_paused = true)]
async fn after_an_hour_it_is_looked_up_again() {
    let idp = TestIssuer::new();
    let (_, api, _) = looking_up(&idp);
    let ask = async || api.kind(idp.token(API).opaque()).await;
    assert_eq!(ask().await, "ok");
    tokio::time::sleep(3599 * SECOND).await;
    assert_eq!((ask().await.as_str(), idp.requests(Endpoint::Metadata)), ("ok", 1));
    tokio::time::sleep(SECOND).await;
    assert_eq!((ask().await.as_str(), idp.requests(Endpoint::Metadata)), ("ok", 2));
    tokio::time::sleep(3600 * SECOND).await;
    idp.set_fault(Endpoint::Metadata, Some(Fault::Refuse));
    assert_eq!((ask().await.as_str(), idp.requests(Endpoint::Metadata)), ("ok", 4));
    assert_eq!((ask().await.as_str(), idp.requests(Endpoint::Metadata)), ("ok", 4));
}

#[tokio::test(start_paused = true)]
async fn metadata_that_hangs_when_it_is_read_again_costs_nobody_the_answer() {
    let idp = TestIssuer::new();
    let (_, api, _) = looking_up(&idp);
    assert_eq!(api.kind(idp.token(API).opaque()).await, "ok");
    tokio::time::sleep(3600 * SECOND).await;
    idp.set_fault(Endpoint::Metadata, Some(Fault::Hang));
    let mut requests = JoinSet::new();
    for _ in 0..60 {
        let (api, token) = (api.clone(), idp.token(API).opaque());
        requests.spawn(async move { timed(api.kind(token)).await });
    }
    let answers = requests.join_all().await;
    assert!(answers.iter().all(|(kind, waited)| kind == "ok" && *waited <= 2 * SECOND));
    assert_eq!(
        answers.iter().filter(|(_, waited)| waited.is_zero()).count(),
        59,
        "one looks, the others go on"
    );
    assert_eq!(idp.requests(Endpoint::Metadata), 2);
}

#[tokio::test(start_paused = true)]
async fn metadata_that_does_not_name_it_says_so() {
    use FetchErrorKind::{EndpointMissing, IssuerMismatch, Unreadable};
    for (name, member, value, expected) in [
        ("no endpoint", "introspection_endpoint", Value::Null, EndpointMissing),
        ("a number", "introspection_endpoint", json!(1), Unreadable),
        ("plain http", "introspection_endpoint", json!("http://issuer.test/introspect"), EndpointMissing),
        ("no URL", "introspection_endpoint", json!("introspect"), EndpointMissing),
        (
            "a password in it",
            "introspection_endpoint",
            json!("https://a:b@issuer.test/introspect"),
            EndpointMissing,
        ),
        ("another issuer", "issuer", json!("https://mallory.example.com"), IssuerMismatch),
        ("almost the issuer", "issuer", json!("https://issuer.test/"), IssuerMismatch),
        ("no issuer", "issuer", Value::Null, Unreadable),
    ] {
        let idp = TestIssuer::new();
        let (auth, api, _) = looking_up(&idp);
        idp.set_metadata(Some(metadata(&idp, member, value)));
        let log = crate::support::events::Log::start();
        assert_eq!(api.kind(idp.token(API).opaque()).await, UNAVAILABLE, "{name}");
        assert_eq!(why(&auth), Some(expected), "{name}");
        let cause = log.requests()[0].field("cause").unwrap().to_owned();
        assert!(cause.contains(&expected.to_string()), "{name}: {cause}");
        let error = auth.ready().await.unwrap_err();
        let not_ready = error.issuers().map(|(issuer, error)| (issuer, error.downcast_ref::<FetchError>()));
        let told: Vec<_> = not_ready.map(|(issuer, error)| (issuer, error.unwrap().kind())).collect();
        assert_eq!(told, [("https://issuer.test", expected)], "{name}");
        assert!(error.to_string().contains("https://issuer.test"), "{name}");
        assert_eq!(idp.requests(Endpoint::Introspection), 0, "{name}: nothing of it is used");
    }
}

/// A document that names another issuer and an endpoint of its own gets no token.
#[tokio::test(start_paused = true)]
async fn metadata_of_another_issuer_is_shown_no_token() {
    let idp = TestIssuer::in_memory("https://login.example.com");
    let net = Net::of(&idp);
    let elsewhere = "https://mallory.example.com/introspect";
    let told = json!({"issuer": "https://mallory.example.com", "introspection_endpoint": elsewhere});
    for form in ["oauth-authorization-server", "openid-configuration"] {
        let url = format!("https://login.example.com/.well-known/{form}");
        net.set(&url, Reply::body(told.to_string()));
    }
    net.set(elsewhere, Reply::body(r#"{"active":true,"aud":"https://api.example.com","exp":9999999999}"#));
    let issuer = Issuer::without_keys("https://login.example.com").introspect(introspection());
    let builder = BearerAuth::builder(API).clock(idp.clock()).http_client(net.clone()).issuer(issuer);
    let api = Protected::by(&builder.build().unwrap());
    assert_eq!(api.kind("opaque-token").await, UNAVAILABLE);
    assert!(net.urls().iter().all(|url| url != elsewhere));
    assert!(net.asked().iter().all(|asked| asked.body.is_empty()), "no token left the house");
}

#[tokio::test(start_paused = true)]
async fn the_endpoint_for_clients_with_a_certificate_is_found_where_it_is_named() {
    let idp = TestIssuer::new();
    idp.register_mtls_client("orders");
    let wire = Wire::to(&idp);
    let alias = "https://issuer.test/introspect?over=mtls";
    idp.set_metadata(Some(metadata(&idp, "mtls_endpoint_aliases", json!({"introspection_endpoint": alias}))));
    let asks = tower_bearer::Introspection::with(tower_bearer::ClientAuth::mtls("orders"));
    let issuer = Issuer::without_keys(idp.identifier()).introspect(asks.http_client(wire.clone()));
    let auth = BearerAuth::builder(API).clock(idp.clock()).http_client(idp.http_client()).issuer(issuer);
    let api = Protected::by(&auth.build().unwrap());
    assert_eq!(api.kind(idp.token(API).opaque()).await, "ok");
    assert_eq!(wire.asked().last().unwrap().url, alias);
}

/// Whatever the metadata is answered with: no token has to do with it.
#[tokio::test(start_paused = true)]
async fn metadata_that_cannot_be_used_is_looked_at_once_for_all_and_opens_the_circuit() {
    for fault in [Fault::Status(403), Fault::Html, Fault::Status(404), Fault::Status(500)] {
        let of = IssuerIntrospection::discovered(|_, introspection| introspection);
        of.idp.set_fault(Endpoint::Metadata, Some(fault.clone()));
        let mut requests = JoinSet::new();
        for _ in 0..60 {
            let (api, token) = (of.api.clone(), of.opaque());
            requests.spawn(async move { api.kind(token).await });
        }
        assert!(requests.join_all().await.iter().all(|kind| kind == "introspection_unavailable"));
        let looks = of.idp.requests(Endpoint::Metadata);
        assert!(looks <= 10, "{fault:?}: two each for five failures, and not {looks}");
        assert_eq!(of.circuit(), CircuitState::Open, "{fault:?}");
        of.idp.set_fault(Endpoint::Metadata, None);
        of.pass(10 * SECOND).await;
        assert_eq!(of.kind_of_new().await, "ok", "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_while_another_looks_in_vain_does_not_look_again() {
    let of = IssuerIntrospection::discovered(|_, introspection| introspection);
    of.wire.always(Act::After(SECOND / 4, Box::new(Act::Instead(Reply::status(500)))));
    let mut requests = JoinSet::new();
    for _ in 0..40 {
        let (api, token) = (of.api.clone(), of.opaque());
        requests.spawn(async move { api.kind(token).await });
    }
    assert!(requests.join_all().await.iter().all(|kind| kind == "introspection_unavailable"));
    assert_eq!(of.wire.total(), 2, "one look, at both places");
}
