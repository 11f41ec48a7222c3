//! Discovery: the well-known URLs, the validation of the document, and the failure that is reported.

use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use tokio::time::{Instant, sleep};

use super::discoverable::well_known_urls;
use super::document::find_endpoint;
use super::*;
use crate::fetch_url::{AddressPolicy, EndpointHosts, FetchUrl, PlainHttp, UrlFault};
use crate::transport::{
    FetchError, FetchErrorKind, FetchFuture, FetchLimits, FetchRequest, FetchResponse, HttpClient, UrlKind,
};

const ISSUER: &str = "https://h.example/t1";
const LIMITS: FetchLimits =
    FetchLimits { timeout: Duration::from_secs(5), max_body_bytes: 1024, addresses: AddressPolicy::Any };

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
        MetadataError::EndpointMissing(_) => Kind::EndpointMissing,
        MetadataError::EndpointUnusable(endpoint) => Kind::EndpointUnusable(endpoint.fault()),
        MetadataError::Fetch(error) => Kind::Fetch(error.kind()),
        MetadataError::IssuerMismatch(_) => Kind::IssuerMismatch,
        MetadataError::Unreadable(_) => Kind::Unreadable,
    }
}

fn url(text: &str) -> FetchUrl {
    FetchUrl::parse(text, PlainHttp::Loopback).unwrap()
}

fn issuer(plain_http: PlainHttp) -> Discoverable {
    Discoverable::new(ISSUER.into(), url(ISSUER), plain_http, EndpointHosts::any())
}

fn failed_kind(failed: &FailedDiscovery) -> Kind {
    kind(&failed.error)
}

fn find_jwks_uri(document: &[u8]) -> Result<FetchUrl, MetadataError> {
    find_endpoint(Endpoint::Jwks, document, &issuer(PlainHttp::Loopback))
}

#[test]
fn well_known_part_is_inserted_before_the_path_and_then_appended() {
    for (name, text, path) in [
        ("no path", "https://h.example", ""),
        ("only a slash", "https://h.example/", ""),
        ("a path", "https://h.example/t1", "/t1"),
        ("a trailing slash", "https://h.example/t1/", "/t1"),
        ("two segments", "https://h.example/realms/a", "/realms/a"),
    ] {
        let mut expected = vec![
            format!("https://h.example/.well-known/oauth-authorization-server{path}"),
            format!("https://h.example{path}/.well-known/openid-configuration"),
        ];
        if !path.is_empty() {
            expected.push(format!("https://h.example/.well-known/openid-configuration{path}"));
        }
        assert_eq!(well_known_urls(&url(text)), expected, "{name}");
    }
    let urls = well_known_urls(&url("http://127.0.0.1:9000/t1"));
    assert_eq!(urls[0], "http://127.0.0.1:9000/.well-known/oauth-authorization-server/t1");
}

#[test]
fn shared_metadata_names_the_template_and_nothing_else() {
    let template = "https://h.example/{tenantid}/v2.0";
    let tenant = || issuer(PlainHttp::Loopback).with_template(template.into());
    let found = |named: &str| {
        let document = format!(r#"{{"issuer":"{named}","jwks_uri":"https://h.example/k"}}"#);
        find_endpoint(Endpoint::Jwks, document.as_bytes(), &tenant())
    };
    assert_eq!(found(template).unwrap(), url("https://h.example/k"));
    for named in [ISSUER, "https://h.example/t1/v2.0", "https://x.example/{tenantid}/v2.0"] {
        let MetadataError::IssuerMismatch(mismatch) = found(named).unwrap_err() else { panic!("{named}") };
        assert!(mismatch.hint().starts_with("shared_metadata needs"), "{named}: {}", mismatch.hint());
    }
    let mismatch = IssuerMismatch::new(template, &ISSUER.into());
    assert!(mismatch.hint().contains("configure a tenant by its ID"), "{}", mismatch.hint());
}

#[test]
fn metadata_is_shared_if_its_url_and_its_template_are_the_same() {
    const URL: &str = "https://h.example/organizations";
    const TEMPLATE: &str = "https://h.example/{tenantid}";
    let tenant = |identifier: &str, at: &str| {
        Discoverable::new(identifier.into(), url(at), PlainHttp::Loopback, EndpointHosts::any())
    };
    let shared = |at: &str, template: &str| tenant(ISSUER, at).with_template(template.into()).id();
    let second = tenant("https://h.example/t2", URL).with_template(TEMPLATE.into());
    assert!(shared(URL, TEMPLATE) == second.id());
    for other in [
        shared("https://h.example/common", TEMPLATE),
        shared(URL, "https://h.example/{tenantid}/v2.0"),
        tenant(ISSUER, ISSUER).id(),
        tenant(TEMPLATE, URL).id(),
    ] {
        assert!(shared(URL, TEMPLATE) != other, "{other:?}");
    }
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
fn error_quotes_nothing_of_the_document_but_issuers_and_urls() {
    let url = r#"{"issuer":"https://h.example/t1","jwks_uri":"topsecret"}"#;
    for document in [r#""topsecret""#, r#"{"issuer":topsecret}"#, url, "topsecret"] {
        let error = find_jwks_uri(document.as_bytes()).unwrap_err();
        assert!(!format!("{error:?}").contains("topsecret"), "{document}");
    }
}

#[test]
fn error_names_both_issuers_shortened() {
    let named = format!("https://x.example/{}", "a".repeat(1000));
    let error = find_jwks_uri(format!(r#"{{"issuer":"{named}"}}"#).as_bytes()).unwrap_err().to_string();
    assert!(error.contains("https://x.example/aaa") && error.contains("\"https://h.example/t1\""), "{error}");
    assert!(error.len() < 320, "{error}");
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

/// A client that sends one response per well-known URL, in their order. Each takes some time.
struct Responses {
    responses: [(u64, u16, &'static str); 3],
    requests: Mutex<Vec<String>>,
}

impl Responses {
    fn new(responses: [(u64, u16, &'static str); 3]) -> Self {
        Self { responses, requests: Mutex::default() }
    }

    /// At once.
    fn at_once(responses: [(u16, &'static str); 3]) -> Self {
        Self::new(responses.map(|(status, body)| (0, status, body)))
    }

    /// The numbers of the URLs that were requested since the last call.
    fn requested(&self) -> Vec<usize> {
        let urls = well_known_urls(&url(ISSUER));
        let requests = std::mem::take(&mut *self.requests.lock().unwrap());
        requests.iter().map(|request| urls.iter().position(|url| url == request).unwrap()).collect()
    }
}

impl HttpClient for Responses {
    fn fetch(&self, request: FetchRequest) -> FetchFuture {
        assert_eq!((request.url_kind(), request.issuer()), (UrlKind::Metadata, ISSUER));
        assert_eq!(request.max_body_bytes(), LIMITS.max_body_bytes);
        let request = request.request();
        assert_eq!(request.method(), "GET");
        assert_eq!(request.headers()["accept"], "application/json");
        let uri = request.uri().to_string();
        let number = well_known_urls(&url(ISSUER)).iter().position(|url| *url == uri).unwrap();
        self.requests.lock().unwrap().push(uri);
        let (millis, status, body) = self.responses[number];
        Box::pin(async move {
            sleep(Duration::from_millis(millis)).await;
            match status {
                0 => Err(FetchError::transport("connection refused")),
                _ => {
                    let response = Response::builder().status(status);
                    Ok(FetchResponse::new(response.body(Bytes::from_static(body.as_bytes())).unwrap()))
                }
            }
        })
    }
}

const METADATA: &str = r#"{"issuer":"https://h.example/t1","jwks_uri":"https://h.example/k"}"#;
const OTHER_METADATA: &str = r#"{"issuer":"https://x.example","jwks_uri":"https://x.example/k"}"#;

#[tokio::test(start_paused = true)]
async fn all_well_known_urls_are_tried_and_the_most_specific_failure_is_reported() {
    use FetchErrorKind::{Redirected, Status, Transport};
    use Kind::{Fetch, IssuerMismatch, Unreadable};
    let missing = (404, "");
    for (name, responses, requests, expected) in [
        ("first URL", [(200, METADATA), (500, ""), missing], 1, None),
        ("second URL", [missing, (200, METADATA), missing], 2, None),
        ("third URL", [missing, missing, (200, METADATA)], 3, None),
        ("second URL after a 500", [(500, ""), (200, METADATA), missing], 2, None),
        ("another issuer, then the right one", [(200, OTHER_METADATA), (200, METADATA), missing], 2, None),
        ("only 404", [missing, missing, missing], 3, Some(Fetch(Status(404)))),
        ("204", [(204, ""), missing, missing], 3, Some(Fetch(Status(204)))),
        ("304 to an unconditional request", [(304, ""), missing, missing], 3, Some(Fetch(Status(304)))),
        ("a redirect", [(302, ""), missing, missing], 3, Some(Fetch(Redirected))),
        ("404, then a redirect", [missing, (302, ""), missing], 3, Some(Fetch(Redirected))),
        ("another issuer, then 404", [(200, OTHER_METADATA), missing, missing], 3, Some(IssuerMismatch)),
        ("404, then another issuer", [missing, missing, (200, OTHER_METADATA)], 3, Some(IssuerMismatch)),
        ("HTML, then 404", [(200, "<html>"), missing, missing], 3, Some(Unreadable)),
        ("404, then an outage", [missing, (503, ""), missing], 3, Some(Fetch(Status(503)))),
        ("an outage, then 404", [(0, ""), missing, missing], 3, Some(Fetch(Transport))),
    ] {
        let client = Responses::at_once(responses);
        let found = discover_endpoint(Endpoint::Jwks, &issuer(PlainHttp::Loopback), &client, LIMITS).await;
        assert_eq!(found.as_ref().err().map(failed_kind), expected, "{name}");
        assert_eq!(client.requested(), (0..requests).collect::<Vec<_>>(), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_failure_names_the_url_at_which_it_happened() {
    let missing = (404, "");
    for (responses, number) in [
        ([missing, (200, OTHER_METADATA), missing], 1),
        ([missing, missing, (200, "<html>")], 2),
        ([missing, missing, missing], 0),
    ] {
        let client = Responses::at_once(responses);
        let found = discover_endpoint(Endpoint::Jwks, &issuer(PlainHttp::Loopback), &client, LIMITS).await;
        assert_eq!(found.unwrap_err().urls.url.to_string(), well_known_urls(&url(ISSUER))[number]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_url_that_hangs_delays_the_others_by_a_quarter_of_a_second() {
    let hangs = (u64::MAX, 200, METADATA);
    let good = (10, 200, METADATA);
    for (name, responses, millis, requests) in [
        ("the first responds", [(240, 200, METADATA), good, good], 240, 1),
        ("the first hangs", [hangs, good, good], 260, 2),
        ("two hang", [hangs, hangs, good], 510, 3),
        ("the first hangs, the second fails", [hangs, (10, 404, ""), good], 270, 3),
        ("the first is late", [(300, 200, METADATA), hangs, hangs], 300, 2),
    ] {
        let (client, start) = (Responses::new(responses), Instant::now());
        let found = discover_endpoint(Endpoint::Jwks, &issuer(PlainHttp::Loopback), &client, LIMITS).await;
        assert!(found.is_ok(), "{name}");
        assert_eq!(start.elapsed(), Duration::from_millis(millis), "{name}");
        assert_eq!(client.requested().len(), requests, "{name}");
    }
    let (client, start) = (Responses::new([hangs; 3]), Instant::now());
    let found = discover_endpoint(Endpoint::Jwks, &issuer(PlainHttp::Loopback), &client, LIMITS).await;
    assert_eq!(found.as_ref().err().map(failed_kind), Some(Kind::Fetch(FetchErrorKind::TimedOut)));
    assert_eq!(start.elapsed(), LIMITS.timeout, "one time limit for all");
}

#[tokio::test(start_paused = true)]
async fn the_url_that_answered_is_tried_first() {
    let issuer = issuer(PlainHttp::Loopback);
    let client = Responses::at_once([(404, ""), (404, ""), (200, METADATA)]);
    for expected in [vec![0, 1, 2], vec![2], vec![2]] {
        assert!(discover_endpoint(Endpoint::Jwks, &issuer, &client, LIMITS).await.is_ok());
        assert_eq!(client.requested(), expected);
    }
    let client = Responses::at_once([(200, METADATA), (404, ""), (404, "")]);
    for expected in [vec![2, 0], vec![0]] {
        assert!(discover_endpoint(Endpoint::Jwks, &issuer, &client, LIMITS).await.is_ok());
        assert_eq!(client.requested(), expected, "after a move");
    }
}
