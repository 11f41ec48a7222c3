//! Discovery: the well-known URLs, the validation of the document, and the failure that is reported.

use std::sync::Mutex;
use std::time::Duration;

use http::Response;

use super::*;
use crate::transport::{FetchFuture, FetchResponse};

const ISSUER: &str = "https://h.example/t1";
const LIMITS: FetchLimits = FetchLimits { timeout: Duration::from_secs(5), max_body_bytes: 1024 };

/// The variants of `MetadataError`, comparable.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    EndpointMissing,
    EndpointUnusable(UrlFault),
    Fetch(FetchErrorKind),
    IssuerMismatch,
    Unreadable,
}

fn kind(error: &MetadataError) -> Kind {
    match error {
        MetadataError::EndpointMissing => Kind::EndpointMissing,
        MetadataError::EndpointUnusable(fault) => Kind::EndpointUnusable(*fault),
        MetadataError::Fetch(error) => Kind::Fetch(error.kind()),
        MetadataError::IssuerMismatch => Kind::IssuerMismatch,
        MetadataError::Unreadable(_) => Kind::Unreadable,
    }
}

fn url(text: &str) -> FetchUrl {
    FetchUrl::parse(text, PlainHttp::Loopback).unwrap()
}

fn issuer(plain_http: PlainHttp) -> Discoverable {
    let endpoint_hosts = EndpointHosts::any();
    Discoverable { identifier: ISSUER.into(), url: url(ISSUER), plain_http, endpoint_hosts }
}

fn find_jwks_uri(document: &[u8]) -> Result<FetchUrl, MetadataError> {
    find_endpoint(Endpoint::Jwks, document, &issuer(PlainHttp::Loopback))
}

#[test]
fn well_known_part_is_inserted_before_the_path_and_then_appended() {
    for (name, text, inserted, appended) in [
        ("no path", "https://h.example", "", ""),
        ("only a slash", "https://h.example/", "", ""),
        ("a path", "https://h.example/t1", "/t1", "/t1"),
        ("a trailing slash", "https://h.example/t1/", "/t1", "/t1"),
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
fn document_that_is_not_the_issuers_metadata_is_rejected() {
    use Kind::{EndpointMissing, EndpointUnusable, IssuerMismatch, Unreadable};
    for (name, document, expected) in [
        ("empty", "", Unreadable),
        ("HTML", "<html>", Unreadable),
        ("an array", "[]", Unreadable),
        ("a string", r#""https://h.example/t1""#, Unreadable),
        ("no issuer", r#"{"jwks_uri":"https://h.example/k"}"#, Unreadable),
        ("issuer is a number", r#"{"issuer":1,"jwks_uri":"https://h.example/k"}"#, Unreadable),
        ("issuer is an array", r#"{"issuer":["https://h.example/t1"]}"#, Unreadable),
        (
            "two issuer members",
            r#"{"issuer":"https://h.example/t1","issuer":"https://h.example/t1"}"#,
            Unreadable,
        ),
        (
            "another host",
            r#"{"issuer":"https://x.example/t1","jwks_uri":"https://h.example/k"}"#,
            IssuerMismatch,
        ),
        (
            "an additional slash",
            r#"{"issuer":"https://h.example/t1/","jwks_uri":"https://h.example/k"}"#,
            IssuerMismatch,
        ),
        (
            "another case",
            r#"{"issuer":"https://H.example/t1","jwks_uri":"https://h.example/k"}"#,
            IssuerMismatch,
        ),
        ("the default port", r#"{"issuer":"https://h.example:443/t1"}"#, IssuerMismatch),
        ("a percent-encoded path", r#"{"issuer":"https://h.example/%74%31"}"#, IssuerMismatch),
        (
            "another issuer, ill-typed jwks_uri",
            r#"{"issuer":"https://x.example","jwks_uri":1}"#,
            IssuerMismatch,
        ),
        ("no jwks_uri", r#"{"issuer":"https://h.example/t1"}"#, EndpointMissing),
        ("jwks_uri is null", r#"{"issuer":"https://h.example/t1","jwks_uri":null}"#, Unreadable),
        (
            "jwks_uri is relative",
            r#"{"issuer":"https://h.example/t1","jwks_uri":"/k"}"#,
            EndpointUnusable(UrlFault::Relative),
        ),
        (
            "jwks_uri is plain http",
            r#"{"issuer":"https://h.example/t1","jwks_uri":"http://h.example/k"}"#,
            EndpointUnusable(UrlFault::Insecure),
        ),
        (
            "jwks_uri is plain http on the loopback interface",
            r#"{"issuer":"https://h.example/t1","jwks_uri":"http://127.0.0.1/k"}"#,
            EndpointUnusable(UrlFault::Downgraded),
        ),
        (
            "jwks_uri is a file",
            r#"{"issuer":"https://h.example/t1","jwks_uri":"file:///k"}"#,
            EndpointUnusable(UrlFault::Relative),
        ),
    ] {
        let error = find_jwks_uri(document.as_bytes()).unwrap_err();
        assert_eq!(kind(&error), expected, "{name}");
    }
}

#[test]
fn error_does_not_quote_the_document() {
    for document in [r#""topsecret""#, r#"{"issuer":topsecret}"#, r#"{"issuer":"topsecret"}"#, "topsecret"] {
        let error = find_jwks_uri(document.as_bytes()).unwrap_err();
        assert!(!format!("{error:?}").contains("topsecret"), "{document}");
    }
}

#[test]
fn only_unreadable_metadata_and_failed_fetches_are_outages() {
    let fetch = |kind: FetchErrorKind| MetadataError::from(FetchError::from(kind));
    assert!(fetch(FetchErrorKind::Status(500)).is_outage());
    assert!(!fetch(FetchErrorKind::Status(404)).is_outage());
    for (document, outage) in
        [("<html>", true), (OTHER_METADATA, false), (r#"{"issuer":"https://h.example/t1"}"#, false)]
    {
        let error = find_jwks_uri(document.as_bytes()).unwrap_err();
        assert_eq!(error.is_outage(), outage, "{document}");
    }
}

#[test]
fn keys_may_be_on_another_host_and_json_escapes_do_not_change_the_issuer() {
    let document =
        br#"{"issuer":"https:\/\/h.example\/t1","jwks_uri":"https://keys.example/k?v=3","jwks":5}"#;
    assert_eq!(find_jwks_uri(document).unwrap(), url("https://keys.example/k?v=3"));
    let document = br#"{"issuer":"https://h.example/t1","jwks_uri":"http://keycloak:8080/k"}"#;
    assert!(find_endpoint(Endpoint::Jwks, document, &issuer(PlainHttp::Anywhere)).is_ok());
}

#[test]
fn mtls_alias_of_the_introspection_endpoint_is_used_only_with_a_client_certificate() {
    use Endpoint::{Introspection, IntrospectionOverMtls};
    let alias = r#""mtls_endpoint_aliases":{"introspection_endpoint":"https://mtls.h.example/i"}"#;
    let plain = r#""introspection_endpoint":"https://h.example/i""#;
    let find = |endpoint, members: &str| {
        let document = format!(r#"{{"issuer":"{ISSUER}",{members}}}"#);
        find_endpoint(endpoint, document.as_bytes(), &issuer(PlainHttp::Loopback))
            .map_err(|error| kind(&error))
    };
    let both = format!("{plain},{alias}");
    assert_eq!(find(Introspection, &both), Ok(url("https://h.example/i")));
    assert_eq!(find(IntrospectionOverMtls, &both), Ok(url("https://mtls.h.example/i")));
    assert_eq!(find(IntrospectionOverMtls, plain), Ok(url("https://h.example/i")));
    let missing = Err(Kind::EndpointMissing);
    assert_eq!(find(Introspection, alias), missing);
    assert_eq!(find(Introspection, r#""jwks_uri":"https://h.example/k""#), missing);
    let unusable = |fault| Err(Kind::EndpointUnusable(fault));
    let plain_http = r#""introspection_endpoint":"http://h.example/i""#;
    assert_eq!(find(Introspection, plain_http), unusable(UrlFault::Insecure));
    let plain_alias = r#""mtls_endpoint_aliases":{"introspection_endpoint":"http://localhost/i"}"#;
    let downgraded = find(IntrospectionOverMtls, &format!("{plain},{plain_alias}"));
    assert_eq!(downgraded, unusable(UrlFault::Downgraded));
    assert_eq!(find(Introspection, r#""introspection_endpoint":1"#), Err(Kind::Unreadable));
}

/// A client that sends the first response for the RFC 8414 URL and the second for the OpenID Connect URL.
struct TwoResponses {
    responses: [(u16, &'static str); 2],
    requests: Mutex<Vec<String>>,
}

impl HttpClient for TwoResponses {
    fn fetch(&self, request: FetchRequest) -> FetchFuture {
        assert_eq!((request.url_kind(), request.issuer()), (UrlKind::Metadata, ISSUER));
        assert_eq!(request.max_body_bytes(), LIMITS.max_body_bytes);
        let request = request.request();
        assert_eq!(request.method(), "GET");
        assert_eq!(request.headers()["accept"], "application/json");
        let mut requests = self.requests.lock().unwrap();
        let (status, body) = self.responses[requests.len()];
        requests.push(request.uri().path().to_owned());
        let response = match status {
            0 => Err(FetchError::transport("connection refused")),
            _ => {
                let response = Response::builder().status(status);
                Ok(FetchResponse::new(response.body(Bytes::from_static(body.as_bytes())).unwrap()))
            }
        };
        Box::pin(std::future::ready(response))
    }
}

const METADATA: &str = r#"{"issuer":"https://h.example/t1","jwks_uri":"https://h.example/k"}"#;
const OTHER_METADATA: &str = r#"{"issuer":"https://x.example","jwks_uri":"https://x.example/k"}"#;

#[tokio::test]
async fn both_well_known_urls_are_tried_and_the_more_specific_failure_is_reported() {
    use FetchErrorKind::{Redirected, Status, Transport};
    use Kind::{Fetch, IssuerMismatch, Unreadable};
    for (name, responses, requests, expected) in [
        ("first URL", [(200, METADATA), (500, "")], 1, None),
        ("second URL", [(404, ""), (200, METADATA)], 2, None),
        ("second URL after a 500", [(500, ""), (200, METADATA)], 2, None),
        ("another issuer, then the right one", [(200, OTHER_METADATA), (200, METADATA)], 2, None),
        ("404 twice", [(404, ""), (404, "")], 2, Some(Fetch(Status(404)))),
        ("204", [(204, ""), (404, "")], 2, Some(Fetch(Status(204)))),
        ("304 to an unconditional request", [(304, ""), (404, "")], 2, Some(Fetch(Status(304)))),
        ("a redirect", [(302, ""), (404, "")], 2, Some(Fetch(Redirected))),
        ("another issuer, then 404", [(200, OTHER_METADATA), (404, "")], 2, Some(IssuerMismatch)),
        ("404, then another issuer", [(404, ""), (200, OTHER_METADATA)], 2, Some(IssuerMismatch)),
        ("HTML, then 404", [(200, "<html>"), (404, "")], 2, Some(Unreadable)),
        ("404, then an outage", [(404, ""), (503, "")], 2, Some(Fetch(Status(503)))),
        ("an outage, then 404", [(0, ""), (404, "")], 2, Some(Fetch(Transport))),
    ] {
        let client = TwoResponses { responses, requests: Mutex::default() };
        let found = discover_endpoint(Endpoint::Jwks, &issuer(PlainHttp::Loopback), &client, LIMITS).await;
        assert_eq!(found.as_ref().err().map(kind), expected, "{name}");
        assert_eq!(client.requests.lock().unwrap().len(), requests, "{name}");
    }
}
