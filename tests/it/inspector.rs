//! The page for operators: its responses, its data, and the explanation of a token.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::time::advance;
use tower_bearer::BearerAuth;
use tower_bearer::inspector::{Inspector, InspectorService};
use tower_bearer::testing::{Fault, TestIssuer};

use crate::support::log::{Log, assert_holds_no_piece};
use crate::support::protected::{API, ApiResponse, Protected, send};

const MINUTE: Duration = Duration::from_secs(60);

struct Observed {
    idp: TestIssuer,
    auth: BearerAuth,
    inspector: Inspector,
}

fn observed() -> Observed {
    let (idp, inspector) = (TestIssuer::new(), Inspector::new());
    let builder = idp.bearer_auth(API).skip_start_check().add_observer(inspector.clone());
    Observed { auth: builder.build().unwrap(), idp, inspector }
}

impl Observed {
    fn page(&self) -> InspectorService {
        self.inspector.service(&self.auth)
    }

    async fn data(&self) -> Value {
        let response = get(self.page(), "/inspector?data").await;
        assert_eq!(response.status(), 200);
        response.json()
    }

    async fn explain(&self, content_type: &str, body: impl Into<Bytes>) -> ApiResponse {
        let request = Request::post("/inspector?explain").header("content-type", content_type);
        send(self.page(), request.body(Full::new(body.into())).unwrap()).await
    }
}

async fn get(page: InspectorService, uri: &str) -> ApiResponse {
    send(page, Request::get(uri).body(String::new()).unwrap()).await
}

fn text(response: &ApiResponse) -> &str {
    std::str::from_utf8(&response.body).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_page_and_its_files_are_served_under_any_path() {
    let page = observed().page();
    let files = [("", "text/html"), ("?page.css", "text/css"), ("?page.js", "text/javascript")];
    for (query, content_type) in files.into_iter().chain([("?icon.svg", "image/svg+xml")]) {
        for path in ["/", "/inspector", "/inspector/", "/a/b/"] {
            let response = get(page.clone(), &format!("{path}{query}")).await;
            assert_eq!(response.status(), 200, "{path}{query}");
            assert!(response.header("content-type").unwrap().starts_with(content_type), "{path}{query}");
        }
    }
    let html = get(page, "/").await;
    // References are relative to any path.
    assert!(text(&html).contains(r#"src="?page.js""#) && !text(&html).contains("<style"));
}

#[tokio::test(start_paused = true)]
async fn every_response_forbids_caches_frames_and_other_origins() {
    let observed = observed();
    let mut responses = vec![observed.explain("text/plain", "x").await];
    for uri in ["/", "/?page.css", "/?page.js", "/?icon.svg", "/?data", "/?explain", "/?other"] {
        responses.push(get(observed.page(), uri).await);
    }
    for response in responses {
        let policy = response.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none'; ") && policy.ends_with("frame-ancestors 'none'"));
        assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("http"));
        assert_eq!(response.header("cache-control"), Some("no-store"));
        assert_eq!(response.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(response.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(response.header("cross-origin-resource-policy"), Some("same-origin"));
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_queries_get_404_and_other_methods_405() {
    let page = observed().page();
    for query in ["x", "data=1", "DATA", "data&x", "page", "explain=1", "token=x"] {
        assert_eq!(get(page.clone(), &format!("/?{query}")).await.status(), 404, "{query}");
    }
    for method in [Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS, Method::PATCH] {
        for query in ["", "?data", "?page.js"] {
            let request = Request::builder().method(&method).uri(format!("/{query}"));
            let response = send(page.clone(), request.body(String::new()).unwrap()).await;
            assert_eq!((response.status(), response.header("allow")), (405, Some("GET, HEAD")), "{method}");
        }
    }
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::OPTIONS] {
        let request = Request::builder().method(&method).uri("/?explain").body(String::new()).unwrap();
        let response = send(page.clone(), request).await;
        assert_eq!((response.status(), response.header("allow")), (405, Some("POST")), "{method}");
    }
}

#[tokio::test(start_paused = true)]
async fn head_has_the_length_of_the_body_that_it_omits() {
    let page = observed().page();
    let length = get(page.clone(), "/").await.body.len().to_string();
    let head = send(page, Request::head("/").body(String::new()).unwrap()).await;
    assert_eq!((head.status(), head.header("content-length")), (200, Some(&*length)));
    assert!(head.body.is_empty());
}

#[tokio::test(start_paused = true)]
async fn decisions_are_counted_by_kind_and_minute() {
    let observed = observed();
    let api = Protected::by(&observed.auth);
    let token = observed.idp.token(API).sign();
    let expired = observed.idp.token(API).expired().sign();
    for token in [&token, &token, &expired, &expired] {
        api.get(token).await;
    }
    advance(MINUTE).await;
    api.get("x").await;
    advance(Duration::from_secs(5)).await;

    let data = observed.data().await;
    assert_eq!(data["minutes"].as_array().unwrap().len(), 30);
    assert_eq!(data["minutes"][0], json!({"token_opaque": 1}));
    assert_eq!(data["minutes"][1], json!({"accepted": 2, "token_expired": 2}));
    assert_eq!(data["current_minute_secs"], 5);
    let reason = "The access token expired";
    assert_eq!(data["kinds"]["token_expired"], json!({"status": 401, "reason": reason}));
    assert_eq!(data["kinds"]["accepted"], Value::Null);
    assert_eq!(data["cached_tokens"], 1);
    let issuer = observed.idp.identifier();
    assert_eq!(
        data["rejections"],
        json!([
            {"kind": "token_opaque", "status": 401, "reason": "The access token is not a signed JWT",
                "issuer": null, "count": 1, "secs_ago": 5},
            {"kind": "token_expired", "status": 401, "reason": reason, "issuer": issuer, "count": 2,
                "secs_ago": 65},
        ])
    );
}

#[tokio::test(start_paused = true)]
async fn the_data_has_the_state_of_issuers_and_the_bounds() {
    let observed = observed();
    observed.idp.set_outage(Some(Fault::Refuse));
    observed.auth.ready_all().await.unwrap_err();
    let data = observed.data().await;
    assert_eq!(data["issuers"], serde_json::to_value(observed.auth.status()).unwrap());
    assert!(data["issuers"][0]["keys"]["last_error"].is_string());
    let bounds: Vec<String> = serde_json::from_value(data["bounds"].clone()).unwrap();
    assert_eq!(bounds.join("\n"), observed.auth.bounds().to_string());
}

#[tokio::test(start_paused = true)]
async fn an_inspector_keeps_its_counts_when_its_bearer_auth_is_replaced() {
    let mut observed = observed();
    Protected::by(&observed.auth).get("x").await;
    let builder = observed.idp.bearer_auth(API).skip_start_check().add_observer(observed.inspector.clone());
    observed.auth = builder.build().unwrap();
    Protected::by(&observed.auth).get("x").await;
    assert_eq!(observed.data().await["minutes"][0], json!({"token_opaque": 2}));
}

#[tokio::test(start_paused = true)]
async fn a_token_in_the_body_is_explained_and_not_counted() {
    let observed = observed();
    let token = observed.idp.token("https://other.example.com").sign();
    let response = observed.explain("application/json; charset=utf-8", json!({"token": token}).to_string());
    let response = response.await;
    assert_eq!(response.status(), 200);
    let expected = serde_json::to_value(observed.auth.explain(&token).await).unwrap();
    assert_eq!(response.json(), expected);
    assert_eq!(expected["rejection"], "audience_mismatch");
    assert_eq!(observed.data().await["minutes"][0], json!({}));
}

#[tokio::test(start_paused = true)]
async fn only_a_json_body_of_at_most_64_kib_is_read() {
    let observed = observed();
    let token = json!({"token": "x"}).to_string();
    for content_type in ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "json"]
    {
        assert_eq!(observed.explain(content_type, token.clone()).await.status(), 415, "{content_type}");
    }
    for body in ["", "{", "[]", "\"x\"", "{}", r#"{"token":1}"#, r#"{"token":null}"#, "{\"token\":\"\u{1}\"}"]
    {
        let response = observed.explain("application/json", body).await;
        assert_eq!((response.status(), response.body.len()), (400, 0), "{body}");
    }
    let padded = |len: usize| format!("{token}{}", " ".repeat(len - token.len()));
    assert_eq!(observed.explain("application/json", padded(64 * 1024)).await.status(), 200);
    assert_eq!(observed.explain("application/json", padded(64 * 1024 + 1)).await.status(), 413);
}

/// A body that never ends.
struct Pending;

impl http_body::Body for Pending {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, Infallible>>> {
        Poll::Pending
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_end_gets_408_after_10_s() {
    let start = tokio::time::Instant::now();
    let request = Request::post("/?explain").header("content-type", "application/json");
    let response = send(observed().page(), request.body(Pending).unwrap()).await;
    assert_eq!((response.status(), start.elapsed().as_secs()), (408, 10));
}

#[tokio::test(start_paused = true)]
async fn no_piece_of_a_token_is_in_a_log_or_in_a_response() {
    let log = Log::start();
    let observed = observed();
    let token = observed.idp.token("https://other.example.com").sign();
    let explanation = observed.explain("application/json", json!({"token": token}).to_string()).await;
    let broken = observed.explain("application/json", format!("{{\"token\":\"{token}")).await;
    Protected::by(&observed.auth).get(&token).await;
    let data = get(observed.page(), "/?data").await;
    let secret = token.rsplit('.').next().unwrap();
    for (name, text) in [("log", log.text()), ("explanation", text(&explanation).to_owned())] {
        assert_holds_no_piece(&text, secret, 8, name);
    }
    for (name, response) in [("error", broken), ("data", data)] {
        assert_holds_no_piece(text(&response), &token, 8, name);
    }
}
