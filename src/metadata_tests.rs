//! Where metadata is looked for, and what of it is believed.

use std::sync::Mutex;
use std::time::Duration;

use http::Response;

use super::*;
use crate::transport::FetchFuture;

const ISSUER: &str = "https://h.example/t1";
const LIMITS: FetchLimits = FetchLimits { timeout: Duration::from_secs(5), body: 1024 };

fn url(text: &str) -> FetchUrl {
    FetchUrl::parse(text, PlainHttp::Loopback).unwrap()
}

fn issuer(plain_http: PlainHttp) -> Discoverable {
    Discoverable { identifier: ISSUER.into(), url: url(ISSUER), plain_http }
}

fn find_keys(document: &[u8]) -> Result<FetchUrl, FetchError> {
    find(Endpoint::Jwks, document, &issuer(PlainHttp::Loopback))
}

#[test]
fn the_well_known_part_goes_before_the_path_and_then_behind_it() {
    for (name, text, inserted, appended) in [
        ("no path", "https://h.example", "", ""),
        ("a slash only", "https://h.example/", "", ""),
        ("a path", "https://h.example/t1", "/t1", "/t1"),
        ("a slash at the end", "https://h.example/t1/", "/t1", "/t1"),
        ("two segments", "https://h.example/realms/a", "/realms/a", "/realms/a"),
    ] {
        let expected = [
            format!("https://h.example/.well-known/oauth-authorization-server{inserted}"),
            format!("https://h.example{appended}/.well-known/openid-configuration"),
        ];
        assert_eq!(well_known_urls(&url(text)), expected, "{name}");
    }
    let [first, _] = well_known_urls(&url("http://127.0.0.1:9000/t1"));
    assert_eq!(first, "http://127.0.0.1:9000/.well-known/oauth-authorization-server/t1");
}

#[test]
fn a_document_that_is_not_the_issuers_metadata_is_refused() {
    use FetchErrorKind::{EndpointMissing, IssuerMismatch, Unreadable};
    for (name, document, expected) in [
        ("empty", "", Unreadable),
        ("HTML", "<html>", Unreadable),
        ("an array", "[]", Unreadable),
        ("a string", r#""https://h.example/t1""#, Unreadable),
        ("no issuer", r#"{"jwks_uri":"https://h.example/k"}"#, Unreadable),
        ("issuer a number", r#"{"issuer":1,"jwks_uri":"https://h.example/k"}"#, Unreadable),
        ("issuer an array", r#"{"issuer":["https://h.example/t1"]}"#, Unreadable),
        ("issuer twice", r#"{"issuer":"https://h.example/t1","issuer":"https://h.example/t1"}"#, Unreadable),
        (
            "another host",
            r#"{"issuer":"https://x.example/t1","jwks_uri":"https://h.example/k"}"#,
            IssuerMismatch,
        ),
        (
            "a slash more",
            r#"{"issuer":"https://h.example/t1/","jwks_uri":"https://h.example/k"}"#,
            IssuerMismatch,
        ),
        (
            "another case",
            r#"{"issuer":"https://H.example/t1","jwks_uri":"https://h.example/k"}"#,
            IssuerMismatch,
        ),
        ("a default port", r#"{"issuer":"https://h.example:443/t1"}"#, IssuerMismatch),
        ("an escape", r#"{"issuer":"https://h.example/%74%31"}"#, IssuerMismatch),
        ("another issuer, ill-typed", r#"{"issuer":"https://x.example","jwks_uri":1}"#, IssuerMismatch),
        ("no jwks_uri", r#"{"issuer":"https://h.example/t1"}"#, EndpointMissing),
        ("jwks_uri null", r#"{"issuer":"https://h.example/t1","jwks_uri":null}"#, Unreadable),
        ("jwks_uri relative", r#"{"issuer":"https://h.example/t1","jwks_uri":"/k"}"#, EndpointMissing),
        (
            "jwks_uri http",
            r#"{"issuer":"https://h.example/t1","jwks_uri":"http://h.example/k"}"#,
            EndpointMissing,
        ),
        ("jwks_uri a file", r#"{"issuer":"https://h.example/t1","jwks_uri":"file:///k"}"#, EndpointMissing),
    ] {
        let error = find_keys(document.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), expected, "{name}");
    }
}

#[test]
fn an_error_does_not_quote_the_document() {
    for document in [r#""topsecret""#, r#"{"issuer":topsecret}"#, r#"{"issuer":"topsecret"}"#, "topsecret"] {
        let error = find_keys(document.as_bytes()).unwrap_err();
        assert!(!format!("{error:?}").contains("topsecret"), "{document}");
    }
}

#[test]
fn keys_may_be_on_another_host_and_an_escaped_issuer_is_the_same_issuer() {
    let document =
        br#"{"issuer":"https:\/\/h.example\/t1","jwks_uri":"https://keys.example/k?v=3","jwks":5}"#;
    assert_eq!(find_keys(document).unwrap(), url("https://keys.example/k?v=3"));
    let document = br#"{"issuer":"https://h.example/t1","jwks_uri":"http://keycloak:8080/k"}"#;
    assert!(find(Endpoint::Jwks, document, &issuer(PlainHttp::Anywhere)).is_ok());
}

#[test]
fn the_introspection_endpoint_is_found_and_its_alias_only_by_clients_with_a_certificate() {
    use Endpoint::{Introspection, IntrospectionOverMtls};
    let alias = r#""mtls_endpoint_aliases":{"introspection_endpoint":"https://mtls.h.example/i"}"#;
    let plain = r#""introspection_endpoint":"https://h.example/i""#;
    let named = |endpoint, members: &str| {
        let document = format!(r#"{{"issuer":"{ISSUER}",{members}}}"#);
        find(endpoint, document.as_bytes(), &issuer(PlainHttp::Loopback)).map_err(|error| error.kind())
    };
    let both = format!("{plain},{alias}");
    assert_eq!(named(Introspection, &both), Ok(url("https://h.example/i")));
    assert_eq!(named(IntrospectionOverMtls, &both), Ok(url("https://mtls.h.example/i")));
    assert_eq!(named(IntrospectionOverMtls, plain), Ok(url("https://h.example/i")));
    let missing = Err(FetchErrorKind::EndpointMissing);
    assert_eq!(named(Introspection, alias), missing);
    assert_eq!(named(Introspection, r#""jwks_uri":"https://h.example/k""#), missing);
    assert_eq!(named(Introspection, r#""introspection_endpoint":"http://h.example/i""#), missing);
    assert_eq!(named(Introspection, r#""introspection_endpoint":1"#), Err(FetchErrorKind::Unreadable));
}

/// Two answers, the first for the form of RFC 8414, the second for the other.
struct Forms {
    answers: [(u16, &'static str); 2],
    asked: Mutex<Vec<String>>,
}

impl HttpClient for Forms {
    fn fetch(&self, request: Request<Bytes>, _: usize) -> FetchFuture {
        assert_eq!(request.method(), "GET");
        let mut asked = self.asked.lock().unwrap();
        let (status, body) = self.answers[asked.len()];
        asked.push(request.uri().path().to_owned());
        let answer = match status {
            0 => Err(FetchError::transport("refused")),
            _ => Ok(Response::builder().status(status).body(Bytes::from_static(body.as_bytes())).unwrap()),
        };
        Box::pin(std::future::ready(answer))
    }
}

const GOOD: &str = r#"{"issuer":"https://h.example/t1","jwks_uri":"https://h.example/k"}"#;
const OTHER: &str = r#"{"issuer":"https://x.example","jwks_uri":"https://x.example/k"}"#;

#[tokio::test]
async fn both_forms_are_tried_and_the_more_telling_failure_is_told() {
    use FetchErrorKind::{IssuerMismatch, Redirected, Status, Transport, Unreadable};
    for (name, answers, asked, expected) in [
        ("the first form", [(200, GOOD), (500, "")], 1, None),
        ("the second form", [(404, ""), (200, GOOD)], 2, None),
        ("the second form, the first out of order", [(500, ""), (200, GOOD)], 2, None),
        ("another issuer's, then the right one", [(200, OTHER), (200, GOOD)], 2, None),
        ("neither", [(404, ""), (404, "")], 2, Some(Status(404))),
        ("no content", [(204, ""), (404, "")], 2, Some(Status(204))),
        ("not modified, unasked", [(304, ""), (404, "")], 2, Some(Status(304))),
        ("a redirect", [(302, ""), (404, "")], 2, Some(Redirected)),
        ("another issuer's, then nothing", [(200, OTHER), (404, "")], 2, Some(IssuerMismatch)),
        ("nothing, then another issuer's", [(404, ""), (200, OTHER)], 2, Some(IssuerMismatch)),
        ("HTML, then nothing", [(200, "<html>"), (404, "")], 2, Some(Unreadable)),
        ("nothing, then an outage", [(404, ""), (503, "")], 2, Some(Status(503))),
        ("an outage, then nothing", [(0, ""), (404, "")], 2, Some(Transport)),
    ] {
        let client = Forms { answers, asked: Mutex::default() };
        let found = discover(Endpoint::Jwks, &issuer(PlainHttp::Loopback), &client, LIMITS).await;
        assert_eq!(found.err().map(|error| error.kind()), expected, "{name}");
        assert_eq!(client.asked.lock().unwrap().len(), asked, "{name}");
    }
}
