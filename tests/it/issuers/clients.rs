//! The HTTP client of one issuer, and the header that only its origin sees.

use std::fs;

use http::{HeaderName, HeaderValue};
use serde_json::json;
use tower_bearer::RejectionKind::KeysUnavailable;
use tower_bearer::transport::OriginHeader;
use tower_bearer::{BearerAuth, Issuer};

use super::TwoIssuers;
use crate::support::introspected::introspection;
use crate::support::net::Net;
use crate::support::protected::{ACCEPTED, API, Protected};

#[tokio::test(start_paused = true)]
async fn an_issuer_is_reached_with_its_own_client_and_the_others_are_not() {
    let TwoIssuers { first, second, .. } = TwoIssuers::new();
    let (net, own) = (Net::to(&first), Net::to(&second));
    let introspected = second.issuer().http_client(own.clone()).introspect(introspection());
    let builder = BearerAuth::builder(API).clock(first.clock()).http_client(net.clone());
    let auth = builder.issuer(first.issuer()).add_issuer(introspected).build().unwrap();
    let api = Protected::by(&auth);
    for token in [first.token(API).sign(), second.token(API).sign(), second.token(API).opaque()] {
        assert_eq!(api.outcome(token).await, ACCEPTED);
    }
    assert!(net.urls().iter().all(|url| url.starts_with("https://first.test/")), "{:?}", net.urls());
    assert!(own.urls().iter().all(|url| url.starts_with("https://second.test/")), "{:?}", own.urls());
    assert!(own.urls().iter().any(|url| url.ends_with("/introspect")), "{:?}", own.urls());
}

/// The value of this header in each request to `net`.
fn sent(net: &Net, name: &str) -> Vec<(String, Option<String>)> {
    let value = |headers: &http::HeaderMap| headers.get(name).map(|value| value.to_str().unwrap().to_owned());
    net.sent().iter().map(|sent| (sent.url.clone(), value(&sent.headers))).collect()
}

#[tokio::test(start_paused = true)]
async fn a_header_is_sent_to_its_origin_only_and_never_with_introspection() {
    let TwoIssuers { first, second, .. } = TwoIssuers::new();
    let net = Net::over(first.http_client().and(second.http_client()));
    // The metadata of the first issuer sends the fetch of its keys to the second one.
    first.set_metadata(Some(
        json!({
            "issuer": "https://first.test",
            "jwks_uri": "https://second.test/jwks",
            "introspection_endpoint": first.introspection_url(),
        })
        .to_string(),
    ));
    let (name, key) = (HeaderName::from_static("x-api-key"), HeaderValue::from_static("secret"));
    let client = OriginHeader::fixed(net.clone(), "https://FIRST.test:443/", name, key).unwrap();
    let issuer = first.issuer().http_client(client).introspect(introspection());
    let auth = BearerAuth::builder(API).clock(first.clock()).issuer(issuer).build().unwrap();
    let api = Protected::by(&auth);
    api.outcome(first.token(API).sign()).await.unwrap_err();
    assert_eq!(api.outcome(first.token(API).opaque()).await, ACCEPTED);
    let sent = sent(&net, "x-api-key");
    assert!(
        sent.iter().any(|(url, key)| url.starts_with("https://first.test/.well-known/") && key.is_some())
    );
    for (url, key) in sent {
        let is_metadata = url.starts_with("https://first.test/.well-known/");
        assert_eq!(key.as_deref(), is_metadata.then_some("secret"), "{url}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_bearer_file_is_read_for_each_request_and_a_missing_one_is_an_outage() {
    let TwoIssuers { first, .. } = TwoIssuers::new();
    let path = std::env::temp_dir().join(format!("tower-bearer-token-{}", std::process::id()));
    fs::write(&path, "one\n").unwrap();
    let net = Net::to(&first);
    let client = OriginHeader::bearer_file(net.clone(), "https://first.test", &path).unwrap();
    let issuer = || Issuer::with_jwks_url("https://first.test", first.jwks_url()).http_client(client.clone());
    let auth = BearerAuth::builder(API).clock(first.clock()).issuer(issuer()).build().unwrap();
    let api = Protected::by(&auth);
    assert_eq!(api.outcome(first.token(API).sign()).await, ACCEPTED);
    fs::write(&path, "two").unwrap();
    first.rotate_key();
    assert_eq!(api.outcome(first.token(API).sign()).await, ACCEPTED);
    let authorizations: Vec<Option<String>> =
        sent(&net, "authorization").into_iter().map(|(_, value)| value).collect();
    assert_eq!(authorizations, ["Bearer one", "Bearer two"].map(|value| Some(value.to_owned())));
    fs::remove_file(&path).unwrap();
    let auth = BearerAuth::builder(API).clock(first.clock()).issuer(issuer()).build().unwrap();
    let outcome = Protected::by(&auth).outcome(first.token(API).sign()).await;
    assert_eq!(outcome, Err(KeysUnavailable));
    assert_eq!(net.total(), 2, "no request without the header");
}

#[test]
fn a_header_for_something_else_than_an_origin_is_an_error() {
    for (origin, reason) in [
        ("https://first.test/realms/acme", "has a path or a query"),
        ("https://first.test?x=1", "has a path or a query"),
        ("https://first.test/?", "has a path or a query"),
        ("https://user:pass@first.test", "has a fragment, a user name or a password"),
        ("https://first.test#x", "has a fragment, a user name or a password"),
        ("ftp://first.test", "has another scheme than https and http"),
        ("https://first.test:99999", "has an invalid host or port"),
        ("first.test", "is not an absolute ASCII URL"),
        ("", "is not an absolute ASCII URL"),
    ] {
        let (name, key) = (HeaderName::from_static("x-api-key"), HeaderValue::from_static("secret"));
        let error = OriginHeader::fixed((), origin, name, key).unwrap_err().to_string();
        assert!(error.contains(reason) && !error.contains("pass@"), "{origin}: {error}");
        assert!(OriginHeader::bearer_file((), origin, "/token").is_err(), "{origin}");
    }
}
