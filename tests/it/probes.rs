//! The services for probes and operators: `/ready` and `/status`.

use std::io;
use std::time::Duration;

use http::{Method, Request};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use tower_bearer::issuers::IssuerResolver;
use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
use tower_bearer::{BearerAuth, BearerAuthBuilder, Issuer};

use crate::support::introspected::introspection;
use crate::support::net::{Net, Reply};
use crate::support::protected::{ACCEPTED, API, ApiResponse, Protected, send};

const MINUTE: Duration = Duration::from_secs(60);

/// A `BearerAuth` that fetches nothing until it is used.
fn auth(idp: &TestIssuer) -> BearerAuth {
    built(idp.bearer_auth(API))
}

fn built(builder: BearerAuthBuilder) -> BearerAuth {
    builder.skip_start_check().build().unwrap()
}

fn request(method: Method) -> Request<String> {
    Request::builder().method(method).uri("/ready").body(String::new()).unwrap()
}

/// The status of a probe.
async fn probe(auth: &BearerAuth) -> u16 {
    send(auth.ready_service(), request(Method::GET)).await.status()
}

async fn status(auth: &BearerAuth) -> ApiResponse {
    send(auth.status_service(), request(Method::GET)).await
}

fn text(response: &ApiResponse) -> &str {
    std::str::from_utf8(&response.body).unwrap()
}

fn unready(issuer: &str, reason: &str) -> Value {
    json!({"ready": false, "issuers": [{"issuer": issuer, "reason": reason}]})
}

#[tokio::test(start_paused = true)]
async fn the_probe_is_503_until_the_keys_were_fetched_and_200_in_an_outage() {
    let idp = TestIssuer::new();
    let auth = auth(&idp);
    let service = auth.ready_service();
    let response = send(service.clone(), request(Method::GET)).await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.json(), unready(idp.identifier(), "keys_pending"));
    sleep(MINUTE).await;
    let response = send(service.clone(), request(Method::GET)).await;
    assert_eq!((response.status(), response.json()), (200, json!({"ready": true, "issuers": []})));
    idp.set_outage(Some(Fault::Refuse));
    for _ in 0..6 {
        sleep(10 * MINUTE).await;
        assert_eq!(send(service.clone(), request(Method::GET)).await.status(), 200);
    }
}

#[tokio::test(start_paused = true)]
async fn the_probe_is_503_while_the_keys_are_answered_with_a_failure() {
    let faults = [
        Fault::Refuse,
        Fault::Hang,
        Fault::Status(500),
        Fault::Status(404),
        Fault::Html,
        Fault::Body("{}".to_owned()),
    ];
    for fault in faults {
        let idp = TestIssuer::new();
        let service = auth(&idp).ready_service();
        idp.set_outage(Some(fault.clone()));
        for _ in 0..10 {
            assert_eq!(send(service.clone(), request(Method::GET)).await.status(), 503, "{fault:?}");
            sleep(Duration::from_secs(30)).await;
        }
        let response = send(service.clone(), request(Method::GET)).await;
        assert_eq!(response.json(), unready(idp.identifier(), "keys_unavailable"), "{fault:?}");
        idp.set_outage(None);
        for _ in 0..20 {
            send(service.clone(), request(Method::GET)).await;
            sleep(Duration::from_secs(30)).await;
        }
        assert_eq!(send(service, request(Method::GET)).await.status(), 200, "{fault:?}");
    }
}

/// As many as one call of `ready` that waits for the same hanging server.
#[tokio::test(start_paused = true)]
async fn a_hundred_probes_do_not_wait_and_fetch_no_more_than_one_ready() {
    let fetches = |idp: &TestIssuer| idp.requests(Endpoint::Metadata) + idp.requests(Endpoint::Jwks);
    let (idp, other) = (TestIssuer::new(), TestIssuer::new());
    idp.set_outage(Some(Fault::Hang));
    other.set_outage(Some(Fault::Hang));
    let (service, waiting) = (auth(&idp).ready_service(), auth(&other));
    let waiting = tokio::spawn(async move { waiting.ready().await });
    let start = Instant::now();
    for _ in 0..100 {
        assert_eq!(send(service.clone(), request(Method::GET)).await.status(), 503);
        tokio::task::yield_now().await;
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    sleep(Duration::from_secs(1)).await;
    assert!(fetches(&idp) > 0);
    assert_eq!(fetches(&idp), fetches(&other));
    waiting.abort();
}

#[tokio::test(start_paused = true)]
async fn probes_keep_the_keys_of_an_idle_service_usable() {
    let idp = TestIssuer::new();
    let auth = auth(&idp);
    auth.ready_all().await.unwrap();
    for _ in 0..24 * 6 {
        assert_eq!(probe(&auth).await, 200);
        sleep(10 * MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn the_probe_names_only_the_issuers_that_are_not_ready() {
    let (idp, dead) = (TestIssuer::new(), TestIssuer::in_memory("https://dead.example"));
    dead.set_outage(Some(Fault::Refuse));
    let client = idp.http_client().and(dead.http_client());
    let auth = built(idp.bearer_auth(API).add_issuer(dead.issuer()).http_client(client));
    auth.ready().await.unwrap();
    let response = send(auth.ready_service(), request(Method::GET)).await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.json(), unready("https://dead.example", "keys_unavailable"));
}

/// Clients choose these issuers, and must not be able to take the API out of service.
#[tokio::test(start_paused = true)]
async fn issuers_that_a_resolver_finds_do_not_count() {
    let tenant = TestIssuer::in_memory("https://acme.login.test");
    let resolver = IssuerResolver::new("https://{tenant}.login.test", async |request| {
        Ok::<_, io::Error>(Some(Issuer::discover(request.issuer())))
    });
    let builder = BearerAuth::builder(API).clock(tenant.clock()).http_client(tenant.http_client());
    let auth = built(builder.resolve_issuers(resolver));
    tenant.set_outage(Some(Fault::Refuse));
    assert_ne!(Protected::by(&auth).outcome(tenant.token(API).sign()).await, ACCEPTED);
    assert_eq!(auth.issuers().list(), ["https://acme.login.test"]);
    assert_eq!(probe(&auth).await, 200);
    auth.issuers().replace(tenant.issuer()).unwrap();
    assert_eq!(probe(&auth).await, 503);
}

#[tokio::test(start_paused = true)]
async fn without_keys_the_probe_is_200_after_an_introspection_response() {
    for (fault, is_ready) in [
        (None, true),
        // The server may reject only the token of the check.
        (Some(Fault::Status(400)), true),
        (Some(Fault::Status(401)), false),
        (Some(Fault::Status(404)), false),
        (Some(Fault::Status(500)), false),
        (Some(Fault::Refuse), false),
        (Some(Fault::Hang), false),
        (Some(Fault::Html), false),
    ] {
        let idp = TestIssuer::new();
        let issuer = Issuer::without_keys(idp.identifier()).introspect(introspection());
        let service = built(idp.bearer_auth(API).issuer(issuer)).ready_service();
        idp.set_fault(Endpoint::Introspection, fault.clone());
        let response = send(service.clone(), request(Method::GET)).await;
        assert_eq!(response.json(), unready(idp.identifier(), "introspection_unavailable"), "{fault:?}");
        sleep(MINUTE).await;
        let expected = if is_ready { 200 } else { 503 };
        assert_eq!(send(service.clone(), request(Method::GET)).await.status(), expected, "{fault:?}");
        // It remains ready in an outage, and recovers from one.
        idp.set_fault(Endpoint::Introspection, if is_ready { Some(Fault::Refuse) } else { None });
        for _ in 0..20 {
            send(service.clone(), request(Method::GET)).await;
            sleep(Duration::from_secs(30)).await;
        }
        assert_eq!(send(service, request(Method::GET)).await.status(), 200, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn probes_send_at_most_one_introspection_request_in_5_seconds() {
    let idp = TestIssuer::new();
    let issuer = Issuer::without_keys(idp.identifier()).introspect(introspection());
    let service = built(idp.bearer_auth(API).issuer(issuer)).ready_service();
    idp.set_fault(Endpoint::Introspection, Some(Fault::Status(401)));
    for _ in 0..300 {
        send(service.clone(), request(Method::GET)).await;
        sleep(Duration::from_millis(200)).await;
    }
    assert!((2..=13).contains(&idp.requests(Endpoint::Introspection)));
}

#[tokio::test(start_paused = true)]
async fn introspection_counts_only_where_every_token_needs_it() {
    let cases = [
        (introspection(), 200),
        (introspection().also_jwts_when(|_| true), 200),
        (introspection().also_jwts(), 503),
    ];
    for (index, (introspection, expected)) in cases.into_iter().enumerate() {
        let idp = TestIssuer::new();
        let auth = built(idp.bearer_auth(API).issuer(idp.issuer().introspect(introspection)));
        idp.set_fault(Endpoint::Introspection, Some(Fault::Refuse));
        auth.ready_all().await.unwrap_err();
        assert_eq!(probe(&auth).await, expected, "{index}");
    }
}

#[tokio::test(start_paused = true)]
async fn probes_and_the_status_page_respond_to_get_and_head_only() {
    let auth = auth(&TestIssuer::new());
    auth.ready_all().await.unwrap();
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS, Method::PATCH] {
        let ready = send(auth.ready_service(), request(method.clone())).await;
        for response in [ready, send(auth.status_service(), request(method.clone())).await] {
            assert_eq!((response.status(), response.header("allow")), (405, Some("GET, HEAD")), "{method}");
            assert_eq!(response.header("cache-control"), Some("no-store"), "{method}");
            assert!(response.body.is_empty(), "{method}");
        }
    }
    let get = send(auth.ready_service(), request(Method::GET)).await;
    let head = send(auth.ready_service(), request(Method::HEAD)).await;
    assert_eq!(get.header("content-type"), Some("application/json"));
    assert_eq!((head.status(), head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), Some(&*get.body.len().to_string()));
    assert_eq!(
        (get.header("cache-control"), head.header("cache-control")),
        (Some("no-store"), Some("no-store"))
    );
}

#[tokio::test(start_paused = true)]
async fn the_status_page_has_the_members_that_the_docs_promise() {
    let idp = TestIssuer::new();
    let auth = built(idp.bearer_auth(API).issuer(idp.issuer().introspect(introspection())));
    let token = idp.token(API).subject("alice").sign();
    assert_eq!(Protected::by(&auth).outcome(&token).await, ACCEPTED);
    sleep(Duration::from_millis(1500)).await;
    let response = status(&auth).await;
    assert_eq!((response.status(), response.header("content-type")), (200, Some("application/json")));
    let mut page = response.json();
    let next_refresh = page["issuers"][0]["keys"]["next_refresh_secs"].take();
    assert!(next_refresh.as_u64().is_some_and(|secs| secs > 0), "{next_refresh}");
    let keys = json!({
        "usable": true, "key_ids": [idp.key_id()], "skipped_keys": [], "age_secs": 1,
        "next_refresh_secs": null, "last_error": null, "metadata_error": null,
    });
    let introspection = json!({
        "circuit": "closed", "paused_until": null, "calls_in_flight": 0, "queued_calls": 0,
        "active_tokens": 0, "inactive_tokens": 0, "last_error": null,
    });
    let issuer = json!({"issuer": idp.identifier(), "keys": keys, "introspection": introspection});
    assert_eq!(page, json!({"issuers": [issuer], "cached_tokens": 1}));
    let text = text(&response);
    assert!(!text.contains("alice") && !text.contains(&token));
}

#[tokio::test(start_paused = true)]
async fn errors_are_texts_without_the_query_of_a_url() {
    const URL: &str = "https://login.example.com/keys?code=zq";
    let net = Net::default();
    net.set(URL, Reply::status(500));
    let issuer = Issuer::with_jwks_url("https://login.example.com", URL);
    let auth = built(BearerAuth::builder(API).issuer(issuer).http_client(net));
    auth.ready_all().await.unwrap_err();
    let (page, probe) = (status(&auth).await, send(auth.ready_service(), request(Method::GET)).await);
    let error = page.json()["issuers"][0]["keys"]["last_error"].clone();
    assert!(error.as_str().is_some_and(|text| text.contains("500")), "{error}");
    for response in [page, probe] {
        assert!(!text(&response).contains("zq"), "{}", text(&response));
    }
}
