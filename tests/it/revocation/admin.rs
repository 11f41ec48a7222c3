//! The service that revokes tokens over HTTP.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use http_body::{Body, Frame};
use http_body_util::Full;
use serde_json::{Value, json};
use tower::{Layer, ServiceExt};
use tower_bearer::RejectionKind::ScopeInsufficient;
use tower_bearer::Require;
use tower_bearer::revocation::Revocations;

use super::{Api, REVOKED};
use crate::support::log::Log;
use crate::support::protected::{ACCEPTED, get, send};

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

async fn call<B>(revocations: &Revocations, request: Request<B>) -> Answer
where
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Send,
{
    let (head, body) = revocations.admin_service().oneshot(request).await.unwrap().into_parts();
    assert_eq!(head.headers["cache-control"], "no-store");
    Answer { status: head.status, headers: head.headers, body }
}

fn request(method: &str, content_type: &str, body: impl Into<Bytes>) -> Request<Full<Bytes>> {
    let request = Request::builder().method(method).uri("/").header("content-type", content_type);
    request.body(Full::new(body.into())).unwrap()
}

async fn post(revocations: &Revocations, body: &Value) -> Answer {
    call(revocations, request("POST", "application/json", body.to_string())).await
}

#[tokio::test(start_paused = true)]
async fn a_posted_revocation_takes_effect_on_the_next_request() {
    for target in [
        json!({"token": "j"}),
        json!({"session": "s"}),
        json!({"subject": "alice"}),
        json!({"client": "app"}),
        json!({"all": true}),
    ] {
        let api = Api::new();
        let token = api.token().sign();
        assert_eq!(api.api.outcome(&token).await, ACCEPTED);
        let mut body = target.clone();
        body["issuer"] = api.issuer().into();
        let answer = post(&api.revocations, &body).await;
        assert_eq!((answer.status.as_u16(), &*answer.body), (204, ""), "{target}");
        assert_eq!(api.api.outcome_at_once(&token), REVOKED, "{target}");
        let answer = call(&api.revocations, request("GET", "text/plain", "")).await;
        assert_eq!(
            serde_json::from_str::<Value>(&answer.body).unwrap(),
            json!({"entries": 1, "max_entries": 100_000})
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_no_revocation_revokes_nothing_and_is_not_quoted() {
    let api = Api::new();
    let log = Log::start();
    let valid = json!({"issuer": api.issuer(), "subject": "secret-alice"}).to_string();
    let padded = format!("{valid}{}", " ".repeat(16 * 1024));
    for (name, request, expected) in [
        ("no JSON", request("POST", "application/json", "secret-alice"), 400),
        ("no body", request("POST", "application/json", ""), 400),
        ("cut short", request("POST", "application/json", valid[..valid.len() - 1].to_owned()), 400),
        ("unknown member", request("POST", "application/json", valid.replace("subject", "sub")), 400),
        ("another type", request("POST", "text/plain", valid.clone()), 415),
        ("a longer type", request("POST", "application/json-seq", valid.clone()), 415),
        ("a form", request("POST", "application/x-www-form-urlencoded", valid.clone()), 415),
        ("too large", request("POST", "application/json", padded), 413),
        ("PUT", request("PUT", "application/json", valid.clone()), 405),
        ("DELETE", request("DELETE", "application/json", valid.clone()), 405),
    ] {
        let answer = call(&api.revocations, request).await;
        assert_eq!(answer.status.as_u16(), expected, "{name}");
        assert!(!answer.body.contains("secret"), "{name}: {}", answer.body);
        match expected {
            405 => assert_eq!(answer.headers["allow"], "GET, HEAD, POST", "{name}"),
            _ => assert_eq!(
                serde_json::from_str::<Value>(&answer.body).unwrap()["error"],
                "invalid_request",
                "{name}"
            ),
        }
    }
    assert_eq!(api.revocations.status().entries(), 0);
    let with_charset = request("POST", "Application/JSON; charset=utf-8", valid);
    assert_eq!(call(&api.revocations, with_charset).await.status.as_u16(), 204);
    assert_eq!(api.revocations.status().entries(), 1);
    assert!(!log.text().contains("secret"), "{}", log.text());
}

/// A body that has these bytes and then an error.
struct Breaking(Option<Bytes>);

impl Body for Breaking {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        Poll::Ready(Some(self.0.take().map(Frame::data).ok_or("broken")))
    }
}

/// A body that never ends.
struct Endless;

impl Body for Endless {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
        Poll::Pending
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_does_not_end_gets_408() {
    let api = Api::new();
    let request = Request::post("/").header("content-type", "application/json").body(Endless).unwrap();
    assert_eq!(call(&api.revocations, request).await.status.as_u16(), 408);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_breaks_off_revokes_nothing() {
    let api = Api::new();
    let json = json!({"issuer": api.issuer(), "all": true}).to_string();
    let body = Breaking(Some(json.into()));
    let request = Request::post("/").header("content-type", "application/json").body(body).unwrap();
    assert_eq!(call(&api.revocations, request).await.status.as_u16(), 400);
    assert_eq!(api.revocations.status().entries(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_full_store_gets_503_with_the_time_until_there_is_room() {
    let api = Api::new();
    let revocations = api.revocations.clone().max_entries(1);
    let body = |jti: &str| json!({"issuer": api.issuer(), "token": jti, "expires_at": api.secs() + 60});
    assert_eq!(post(&revocations, &body("one")).await.status.as_u16(), 204);
    let answer = post(&revocations, &body("two")).await;
    assert_eq!((answer.status.as_u16(), &answer.headers["retry-after"]), (503, &"661".parse().unwrap()));
    assert_eq!(post(&revocations, &body("one")).await.status.as_u16(), 204, "the same target again");
    api.idp.clock().advance(Duration::from_secs(661));
    assert_eq!(post(&revocations, &body("two")).await.status.as_u16(), 204);
}

#[tokio::test(start_paused = true)]
async fn the_service_can_be_behind_its_own_requirement() {
    let api = Api::new();
    let admin = Require::scope("tokens:revoke").layer(api.revocations.admin_service());
    let without = send(api.auth.layer(admin), get(api.token().sign())).await;
    assert_eq!(without.outcome(), Err(ScopeInsufficient));
}
