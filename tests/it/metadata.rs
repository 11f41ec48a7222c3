//! Discovery of the `jwks_uri` from the metadata of the issuer (RFC 8414, OpenID Connect Discovery 1.0).

use std::time::Duration;

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};
use tower_bearer::RejectionKind::KeysUnavailable;
use tower_bearer::builder::ConfigProblem;
use tower_bearer::diagnostics::{KeysError, KeysErrorKind};
use tower_bearer::testing::TestIssuer;
use tower_bearer::transport::FetchErrorKind;
use tower_bearer::{BearerAuth, Issuer};

use crate::support::figure::figure;
use crate::support::net::{Net, Reply};
use crate::support::protected::{ACCEPTED, API, ISSUER, Protected, verdict};

const RFC_8414: &str = "https://login.example.com/.well-known/oauth-authorization-server";
const OPENID: &str = "https://login.example.com/.well-known/openid-configuration";
const JWKS: &str = "https://login.example.com/jwks";

/// A `BearerAuth` that discovers the keys of `idp` on `net`.
fn discovering(idp: &TestIssuer, net: &Net) -> BearerAuth {
    let builder = BearerAuth::builder(API).issuer(idp.issuer()).http_client(net.clone());
    builder.clock(idp.clock()).build().unwrap()
}

fn last_error_kind(auth: &BearerAuth) -> Option<KeysErrorKind> {
    auth.status()[0].keys().unwrap().last_error().map(KeysError::kind)
}

#[tokio::test(start_paused = true)]
async fn metadata_is_fetched_from_the_well_known_urls_of_both_specifications() {
    for (issuer, rfc_8414, openid) in [
        (
            "https://h",
            "https://h/.well-known/oauth-authorization-server",
            "https://h/.well-known/openid-configuration",
        ),
        (
            "https://h/",
            "https://h/.well-known/oauth-authorization-server",
            "https://h/.well-known/openid-configuration",
        ),
        (
            "https://h/t1",
            "https://h/.well-known/oauth-authorization-server/t1",
            "https://h/t1/.well-known/openid-configuration",
        ),
        (
            "https://h/t1/",
            "https://h/.well-known/oauth-authorization-server/t1",
            "https://h/t1/.well-known/openid-configuration",
        ),
        (
            "https://h:8443/a/b",
            "https://h:8443/.well-known/oauth-authorization-server/a/b",
            "https://h:8443/a/b/.well-known/openid-configuration",
        ),
    ] {
        let idp = TestIssuer::in_memory(issuer);
        let document = Reply::body(json!({"issuer": issuer, "jwks_uri": "https://h/keys"}).to_string());
        for (published, expected) in
            [(rfc_8414, vec![rfc_8414, "https://h/keys"]), (openid, vec![rfc_8414, openid, "https://h/keys"])]
        {
            let net = Net::default();
            net.set(published, document.clone());
            net.set("https://h/keys", Reply::body(idp.jwks()));
            net.set(if published == openid { rfc_8414 } else { openid }, Reply::status(404));
            let api = Protected::by(&discovering(&idp, &net));
            assert_eq!(api.outcome(idp.token(API).sign()).await, ACCEPTED, "{issuer} at {published}");
            assert_eq!(net.urls(), expected, "{issuer} at {published}");
            for sent in net.sent() {
                assert_eq!(sent.method, Method::GET);
                assert!(sent.body.is_empty());
                let credentials = ["authorization", "cookie"].map(|name| sent.headers.contains_key(name));
                assert_eq!(credentials, [false, false]);
            }
        }
    }
}

/// The third URL that MCP names for an issuer with a path.
#[tokio::test(start_paused = true)]
async fn metadata_is_found_where_openid_configuration_is_inserted_before_the_path() {
    let idp = TestIssuer::in_memory("https://h/t1");
    let inserted = "https://h/.well-known/openid-configuration/t1";
    let net = Net::default();
    net.set(
        inserted,
        Reply::body(json!({"issuer": "https://h/t1", "jwks_uri": "https://h/keys"}).to_string()),
    );
    net.set("https://h/keys", Reply::body(idp.jwks()));
    let api = Protected::by(&discovering(&idp, &net));
    assert_eq!(api.outcome(idp.token(API).sign()).await, ACCEPTED);
    assert_eq!(net.urls()[2..], [inserted, "https://h/keys"]);
}

#[tokio::test(start_paused = true)]
async fn a_well_known_url_that_hangs_does_not_keep_the_others_from_being_tried() {
    let idp = TestIssuer::in_memory(ISSUER);
    let net = Net::of(&idp);
    net.set(OPENID, Reply::body(json!({"issuer": ISSUER, "jwks_uri": JWKS}).to_string()));
    net.set(RFC_8414, Reply::Hang);
    let start = tokio::time::Instant::now();
    let api = Protected::by(&discovering(&idp, &net));
    let outcome = api.outcome(idp.token(API).sign()).await;
    let waited = start.elapsed();
    let quantity = "wait of the first JWT, the first well-known URL hangs";
    figure("1.7", quantity, format_args!("{}, {waited:?}", verdict(outcome)), "accepted after 250 ms");
    assert_eq!((outcome, waited), (ACCEPTED, Duration::from_millis(250)));
}

#[tokio::test(start_paused = true)]
async fn metadata_of_another_issuer_is_not_used() {
    for (name, issuer) in [
        ("a trailing slash", json!("https://login.example.com/")),
        ("upper case", json!("https://ISSUER.example.com")),
        ("another host", json!("https://evil.example")),
        ("plain http", json!("http://login.example.com")),
        ("a port", json!("https://login.example.com:443")),
        ("a suffix", json!("https://login.example.com.evil.example")),
        ("absent", Value::Null),
        ("a number", json!(1)),
        ("a list", json!([ISSUER])),
    ] {
        let idp = TestIssuer::in_memory(ISSUER);
        let net = Net::of(&idp);
        let mut document = json!({"issuer": issuer, "jwks_uri": JWKS});
        if name == "absent" {
            document.as_object_mut().unwrap().remove("issuer");
        }
        net.set(RFC_8414, Reply::body(document.to_string()));
        net.set(OPENID, Reply::body(document.to_string()));
        let auth = discovering(&idp, &net);
        assert_eq!(Protected::by(&auth).outcome(idp.token(API).sign()).await, Err(KeysUnavailable), "{name}");
        assert_eq!(net.count(JWKS), 0, "{name}");
        let expected = if issuer.is_string() {
            KeysErrorKind::IssuerMismatch
        } else {
            KeysErrorKind::MetadataUnreadable
        };
        assert_eq!(last_error_kind(&auth), Some(expected), "{name}");
    }
    for (name, configured, document) in [
        ("no trailing slash", "https://login.example.com/", "https://login.example.com"),
        ("Unicode for punycode", "https://xn--bcher-kva.example", "https://b\u{fc}cher.example"),
        ("a trailing slash after a path", "https://login.example.com/a", "https://login.example.com/a/"),
    ] {
        let (idp, net) = (TestIssuer::in_memory(configured), Net::default());
        let text = json!({"issuer": document, "jwks_uri": JWKS}).to_string();
        let origin = configured.trim_end_matches('/').trim_end_matches("/a");
        let path = configured.strip_prefix(origin).unwrap().trim_end_matches('/');
        net.set(&format!("{origin}/.well-known/oauth-authorization-server{path}"), Reply::body(text));
        let auth = discovering(&idp, &net);
        assert_eq!(Protected::by(&auth).outcome(idp.token(API).sign()).await, Err(KeysUnavailable), "{name}");
        assert_eq!(last_error_kind(&auth), Some(KeysErrorKind::IssuerMismatch), "{name}");
        assert_eq!(net.count(JWKS), 0, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_issuer_is_compared_after_unescaping() {
    let idp = TestIssuer::in_memory(ISSUER);
    let net = Net::of(&idp);
    let text = r#"{"\u0069ssuer":"https:\/\/login.ex\u0061mple.com","jwks_uri":"https:\/\/login.example.com\/jwks"}"#;
    net.set(RFC_8414, Reply::body(text));
    assert_eq!(Protected::by(&discovering(&idp, &net)).outcome(idp.token(API).sign()).await, ACCEPTED);
    net.set(RFC_8414, Reply::body(text.replacen('{', r#"{"issuer":"https://login.example.com","#, 1)));
    let api = Protected::by(&discovering(&idp, &net));
    assert_eq!(api.outcome(idp.token(API).sign()).await, Err(KeysUnavailable), "two issuer members");
}

/// Responses that are not usable as metadata.
fn unusable() -> Vec<(&'static str, Reply)> {
    let document = |document: Value| Reply::body(document.to_string());
    vec![
        ("204", Reply::With(204, Vec::new(), Bytes::new())),
        ("301", Reply::redirect(301, OPENID)),
        ("302", Reply::redirect(302, "https://elsewhere.example/")),
        ("404", Reply::status(404)),
        ("500", Reply::status(500)),
        ("304 to an unconditional request", Reply::With(304, Vec::new(), Bytes::new())),
        ("HTML", Reply::body("<html></html>").header("content-type", "text/html")),
        ("a list", Reply::body("[]")),
        ("plain text", Reply::body("metadata")),
        ("an empty body", Reply::body("")),
        ("a truncated document", Reply::body(r#"{"issuer":"https://login.example.com","jwks_uri""#)),
        ("no jwks_uri", document(json!({"issuer": ISSUER}))),
        ("jwks_uri is a number", document(json!({"issuer": ISSUER, "jwks_uri": 1}))),
        ("jwks_uri is null", document(json!({"issuer": ISSUER, "jwks_uri": null}))),
        ("10 MB", document(json!({"issuer": ISSUER, "jwks_uri": JWKS, "x": "a".repeat(10_000_000)}))),
        ("no response", Reply::Hang),
        ("connection refused", Reply::Refused),
    ]
}

#[tokio::test(start_paused = true)]
async fn unusable_metadata_is_an_outage() {
    for (name, reply) in unusable() {
        let idp = TestIssuer::in_memory(ISSUER);
        let net = Net::of(&idp);
        net.set(RFC_8414, reply.clone());
        net.set(OPENID, reply.clone());
        let api = Protected::by(&discovering(&idp, &net));
        let start = tokio::time::Instant::now();
        assert_eq!(api.outcome(idp.token(API).sign()).await, Err(KeysUnavailable), "cold: {name}");
        assert!(start.elapsed() <= Duration::from_secs(3), "cold: {name}");
        assert_eq!(net.count(JWKS), 0, "cold: {name}");

        // With cached keys it rejects no request. While the key set fails too, the metadata is fetched again.
        let net = Net::of(&idp);
        let auth = discovering(&idp, &net);
        let api = Protected::by(&auth);
        assert_eq!(api.outcome(idp.token(API).sign()).await, ACCEPTED);
        for url in [RFC_8414, OPENID] {
            net.set(url, reply.clone());
        }
        net.set(JWKS, Reply::status(500));
        for _ in 0..15 {
            tokio::time::sleep(Duration::from_secs(60)).await;
            assert_eq!(api.outcome(idp.token(API).sign()).await, ACCEPTED, "warm: {name}");
        }
        assert!(net.count(RFC_8414) > 1, "warm: {name}");
        net.set(JWKS, Reply::body(idp.jwks()));
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert!(
            auth.status()[0].keys().unwrap().last_error().is_none(),
            "the keys are fetched from the known URL: {name}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn only_https_urls_are_accepted_in_the_configuration_and_in_metadata() {
    let idp = TestIssuer::in_memory(ISSUER);
    let build =
        |issuer: Issuer| BearerAuth::builder(API).issuer(issuer).http_client(idp.http_client()).build();
    for text in [
        "http://login.example.com",
        "ftp://login.example.com",
        "file:///etc/passwd",
        "data:application/json,{}",
        "login.example.com",
        "/keys",
        "",
        "https://user:password@login.example.com",
        "https://login.example.com/#x",
        "https://login.example.com/?x=1",
        "http://169.254.169.254/",
        "http://localhost.example.com/",
    ] {
        // The error does not show the parts that may be secret.
        let shown = text.replace("user:password@", "");
        let shown = shown.split(['?', '#']).next().unwrap();
        let error = build(Issuer::discover(text)).unwrap_err();
        assert!(
            matches!(error.problems(), [ConfigProblem::IssuerUnusable { issuer, reason, .. }]
            if issuer == shown && !reason.is_empty()),
            "{text}: {error}"
        );
        let is_shown = error.to_string().contains(&format!("{text:?}"));
        assert_eq!(is_shown, !text.contains(['@', '?', '#']), "{error}");
        if text.contains('?') {
            continue;
        }
        let error = build(Issuer::with_jwks_url(ISSUER, text)).unwrap_err();
        assert!(
            matches!(error.problems(), [ConfigProblem::JwksUrlUnusable { issuer, url, .. }]
            if issuer == ISSUER && url == shown),
            "{text}: {error}"
        );
    }
    for text in ["http://127.0.0.1:1", "http://localhost:1", "http://[::1]:1", ISSUER] {
        assert!(build(Issuer::discover(text)).is_ok(), "{text}");
        assert!(build(Issuer::with_jwks_url(ISSUER, text)).is_ok(), "{text}");
    }
    assert!(build(Issuer::with_jwks_url(ISSUER, "https://login.example.com/keys?tenant=1")).is_ok());

    for jwks_uri in [
        "http://login.example.com/jwks",
        "file:///etc/passwd",
        "data:application/json,{}",
        "http://169.254.169.254/",
        "/jwks",
        "https://user@login.example.com/jwks",
    ] {
        let net = Net::of(&idp);
        let document = json!({"issuer": ISSUER, "jwks_uri": jwks_uri}).to_string();
        net.set(RFC_8414, Reply::body(document.clone()));
        net.set(OPENID, Reply::body(document));
        net.set(jwks_uri, Reply::body(idp.jwks()));
        let auth = discovering(&idp, &net);
        assert_eq!(
            Protected::by(&auth).outcome(idp.token(API).sign()).await,
            Err(KeysUnavailable),
            "{jwks_uri}"
        );
        assert!(net.urls().iter().all(|url| url == RFC_8414 || url == OPENID), "{jwks_uri}");
        assert_eq!(last_error_kind(&auth), Some(KeysErrorKind::JwksUriUnusable), "{jwks_uri}");
    }

    let net = Net::of(&idp);
    let signed = "eyJhbGciOiJub25lIn0.eyJqd2tzX3VyaSI6Imh0dHBzOi8vZXZpbC5leGFtcGxlIn0.";
    let document = json!({"issuer": ISSUER, "jwks_uri": JWKS, "signed_metadata": signed});
    net.set(RFC_8414, Reply::body(document.to_string()));
    assert_eq!(Protected::by(&discovering(&idp, &net)).outcome(idp.token(API).sign()).await, ACCEPTED);
    assert_eq!(net.urls(), [RFC_8414, JWKS]);
}

#[tokio::test(start_paused = true)]
async fn the_jwks_uri_may_name_another_host_but_no_redirect_is_followed() {
    let idp = TestIssuer::in_memory(ISSUER);
    let net = Net::of(&idp);
    let elsewhere = "https://keys.example.net/login/jwks?v=2";
    let document = json!({"issuer": ISSUER, "jwks_uri": elsewhere});
    net.set(RFC_8414, Reply::body(document.to_string()));
    net.set(elsewhere, Reply::body(idp.jwks()));
    assert_eq!(Protected::by(&discovering(&idp, &net)).outcome(idp.token(API).sign()).await, ACCEPTED);
    assert_eq!(net.urls(), [RFC_8414, elsewhere]);

    for status in [301, 302, 303, 307, 308] {
        for target in [
            "https://login.example.com/other",
            "https://elsewhere.example/other",
            "http://login.example.com/other",
        ] {
            let net = Net::of(&idp);
            net.set(target, Reply::body(idp.jwks()));
            net.set(JWKS, Reply::redirect(status, target));
            let auth = discovering(&idp, &net);
            let api = Protected::by(&auth);
            assert_eq!(api.outcome(idp.token(API).sign()).await, Err(KeysUnavailable), "{status} {target}");
            assert_eq!(net.count(target), 0, "{status} {target}");
            assert_eq!(
                last_error_kind(&auth),
                Some(KeysErrorKind::Fetch(FetchErrorKind::Redirected)),
                "{status} {target}"
            );

            let metadata = json!({"issuer": ISSUER, "jwks_uri": JWKS}).to_string();
            let net = Net::of(&idp);
            net.set(target, Reply::body(metadata));
            for url in [RFC_8414, OPENID] {
                net.set(url, Reply::redirect(status, target));
            }
            let api = Protected::by(&discovering(&idp, &net));
            assert_eq!(api.outcome(idp.token(API).sign()).await, Err(KeysUnavailable), "{status} {target}");
            assert_eq!((net.count(target), net.count(JWKS)), (0, 0), "{status} {target}");
        }
    }
}
