//! Audit events: one per decision, with what was verified and nothing else.

use std::convert::Infallible;
use std::future::pending;
use std::io;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use hmac::{Hmac, Mac};
use http::{Request, Response};
use http_body_util::Full;
use sha2::Sha256;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_bearer::RejectionKind::{Missing, ScopeInsufficient, SignatureMismatch, TokenExpired};
use tower_bearer::audit::Audit;
use tower_bearer::builder::ConfigProblem;
use tower_bearer::testing::{TestIssuer, TokenBuilder};
use tower_bearer::{BearerAuth, Rejection, Require};
use tracing::Level;

use crate::support::log::{Entry, Log};
use crate::support::protected::{ACCEPTED, API, Handler, Protected, anonymous, get, send};

const KEY: &[u8; 32] = b"0123456789abcdef0123456789abcdef";
/// The fields that say whose token it was.
const WHO: [&str; 4] = ["subject", "subject_hash", "client_id", "jti"];

fn bearer_auth(idp: &TestIssuer, audit: Audit) -> BearerAuth {
    idp.bearer_auth(API).audit(audit).build().unwrap()
}

fn token(idp: &TestIssuer) -> TokenBuilder {
    idp.token(API).subject("alice").claim("client_id", "app").claim("jti", "token-1").scope("read")
}

/// The only audit event.
#[track_caller]
fn only(log: &Log) -> Entry {
    let events = log.audited();
    assert_eq!(events.len(), 1, "{events:?}");
    events[0].clone()
}

fn decision(event: &Entry) -> [Option<&str>; 3] {
    ["decision", "kind", "status"].map(|name| event.field(name))
}

#[tokio::test(start_paused = true)]
async fn an_accepted_request_is_audited_with_its_caller() {
    let idp = TestIssuer::new();
    let auth = bearer_auth(&idp, Audit::with_subject().route(|head| head.uri.host().map(str::to_owned)));
    for source in ["uncached", "cached"] {
        let log = Log::start();
        assert_eq!(Protected::by(&auth).outcome(token(&idp).sign()).await, ACCEPTED);
        let event = only(&log);
        assert_eq!(event.level, Level::INFO);
        assert_eq!(event.target, "tower_bearer::audit");
        assert_eq!(decision(&event), [Some("accepted"), Some("accepted"), None], "{source}");
        let shown = ["issuer", "subject", "subject_hash", "client_id", "jti", "method", "route"];
        let expected = [idp.identifier(), "alice", "", "app", "token-1", "GET", "api.example.com"];
        assert_eq!(shown.map(|name| event.field(name).unwrap_or_default()), expected, "{source}");
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_audited_by_default() {
    let idp = TestIssuer::new();
    let log = Log::start();
    let api = Protected::by(&idp.bearer_auth(API).build().unwrap());
    assert_eq!(api.outcome(token(&idp).sign()).await, ACCEPTED);
    assert_eq!(api.send(anonymous("GET")).await.outcome(), Err(Missing));
    assert!(log.audited().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_hashed_subject_is_its_hmac_and_the_plain_one_is_nowhere() {
    let idp = TestIssuer::new();
    let log = Log::start();
    let audit = Audit::with_hashed_subject(*KEY);
    assert!(!format!("{audit:?}").contains("0123"), "{audit:?}");
    let api = Protected::by(&bearer_auth(&idp, audit));
    assert_eq!(api.outcome(token(&idp).subject("alice@example.com").sign()).await, ACCEPTED);
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY).unwrap();
    mac.update(b"alice@example.com");
    let expected = BASE64_URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    assert_eq!(only(&log).field("subject_hash"), Some(expected.as_str()));
    assert!(!log.text().contains("alice"), "{}", log.text());
}

#[test]
fn a_key_of_less_than_32_bytes_is_an_error() {
    for key in [&KEY[..31], b""] {
        let builder = TestIssuer::new().bearer_auth(API).audit(Audit::with_hashed_subject(key));
        let error = builder.build().unwrap_err();
        let [ConfigProblem::SettingUnusable { reason, .. }] = error.problems() else { panic!("{error}") };
        assert_eq!(*reason, format!("has {} bytes, less than 32", key.len()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_that_is_rejected_at_first_is_nobody() {
    let idp = TestIssuer::new();
    let api = Protected::by(&bearer_auth(&idp, Audit::with_subject()));
    let forged = token(&TestIssuer::in_memory(idp.identifier())).sign();
    for (token, kind) in [(token(&idp).expired().sign(), TokenExpired), (forged, SignatureMismatch)] {
        let log = Log::start();
        assert_eq!(api.outcome(token).await, Err(kind));
        let event = only(&log);
        assert_eq!(decision(&event), [Some("rejected"), Some(kind.as_str()), Some("401")]);
        assert_eq!(WHO.map(|name| event.field(name)), [None; 4], "{kind}");
        assert_eq!(event.field("method"), Some("GET"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_rejected_further_in_is_audited_once_as_rejected() {
    let idp = TestIssuer::new();
    let auth = bearer_auth(&idp, Audit::with_subject());
    let by_layer = auth.layer(Require::scope("admin").layer(Handler::default()));
    let by_handler = auth.layer(service_fn(async |_: Request<Full<Bytes>>| {
        let rejection = Rejection::insufficient_scope(["admin"]);
        Ok::<_, Infallible>(rejection.into_http_response().map(Full::new))
    }));
    for name in ["layer", "handler"] {
        let (log, request) = (Log::start(), get(token(&idp).sign()));
        let response = match name {
            "layer" => send(by_layer.clone(), request).await,
            _ => send(by_handler.clone(), request).await,
        };
        assert_eq!(response.outcome(), Err(ScopeInsufficient), "{name}");
        let event = only(&log);
        assert_eq!(decision(&event), [Some("rejected"), Some("scope_insufficient"), Some("403")], "{name}");
        assert_eq!(WHO.map(|name| event.field(name).is_some()), [true, false, true, true], "{name}");
        assert_eq!([event.field("client_id"), event.field("jti")], [Some("app"), Some("token-1")], "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn each_of_nested_layers_audits_its_own_decision_once() {
    let idp = TestIssuer::new();
    let outer = bearer_auth(&idp, Audit::with_subject());
    let inner = bearer_auth(&idp, Audit::with_hashed_subject(*KEY));
    let nested = outer.layer(inner.layer(Require::scope("admin").layer(Handler::default())));
    let log = Log::start();
    assert_eq!(send(nested, get(token(&idp).sign())).await.outcome(), Err(ScopeInsufficient));
    let events = log.audited();
    assert_eq!(events.iter().map(|event| decision(event)[0]).collect::<Vec<_>>(), [Some("rejected"); 2]);
    for field in ["subject", "subject_hash"] {
        assert_eq!(events.iter().filter(|event| event.field(field).is_some()).count(), 1, "{field}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejection_by_an_inner_layer_is_one_of_the_outer_layer_with_its_caller() {
    let (outer_idp, inner_idp) = (TestIssuer::new(), TestIssuer::new());
    let outer = bearer_auth(&outer_idp, Audit::with_subject());
    let inner = inner_idp.bearer_auth(API).build().unwrap();
    let log = Log::start();
    let response = send(outer.layer(inner.layer(Handler::default())), get(token(&outer_idp).sign())).await;
    assert_eq!(response.status(), 401);
    let event = only(&log);
    assert_eq!((decision(&event)[0], event.field("subject")), (Some("rejected"), Some("alice")));
}

#[tokio::test(start_paused = true)]
async fn an_accepted_request_is_audited_if_the_handler_fails_or_the_client_leaves() {
    let idp = TestIssuer::new();
    let auth = bearer_auth(&idp, Audit::with_subject());
    let token = token(&idp).sign();
    assert_eq!(Protected::by(&auth).outcome(&token).await, ACCEPTED, "and cached from now on");
    let fails =
        service_fn(async |_: Request<Full<Bytes>>| Err::<Response<Full<Bytes>>, _>(io::Error::other("")));
    let log = Log::start();
    assert!(auth.layer(fails).oneshot(get(&token)).await.is_err());
    assert_eq!(decision(&only(&log))[0], Some("accepted"));

    let hangs = service_fn(async |_: Request<Full<Bytes>>| {
        pending::<Result<Response<Full<Bytes>>, Infallible>>().await
    });
    let log = Log::start();
    let mut service = auth.layer(hangs);
    let response = service.ready().await.unwrap().call(get(&token));
    assert!(log.audited().is_empty());
    drop(response);
    assert_eq!(decision(&only(&log))[0], Some("accepted"));
}

#[tokio::test(start_paused = true)]
async fn an_anonymous_request_is_audited_without_a_caller() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).optional().audit(Audit::with_subject()).build().unwrap();
    let log = Log::start();
    assert_eq!(Protected::by(&auth).send(anonymous("DELETE")).await.status(), 200);
    let event = only(&log);
    assert_eq!(decision(&event), [Some("accepted"), Some("anonymous"), None]);
    assert_eq!((WHO.map(|name| event.field(name)), event.field("method")), ([None; 4], Some("DELETE")));
}

#[tokio::test(start_paused = true)]
async fn the_path_and_the_query_are_not_audited() {
    let idp = TestIssuer::new();
    let auth = bearer_auth(&idp, Audit::with_subject());
    let mut request = get(token(&idp).sign());
    *request.uri_mut() = "https://api.example.com/people/4711?name=smith".parse().unwrap();
    let log = Log::start();
    assert_eq!(Protected::by(&auth).send(request).await.outcome(), ACCEPTED);
    let shown = format!("{:?}", only(&log));
    assert!(!shown.contains("4711") && !shown.contains("smith"), "{shown}");
}

#[tokio::test(start_paused = true)]
async fn audited_values_are_escaped_and_shortened() {
    let idp = TestIssuer::new();
    let auth = bearer_auth(&idp, Audit::with_subject().route(|_| Some("\n".repeat(100))));
    let long = format!("a\n{}", "b".repeat(100));
    let token = idp.token(API).subject(&long).claim("client_id", &*long).claim("jti", &*long);
    let log = Log::start();
    assert_eq!(Protected::by(&auth).outcome(token.sign()).await, ACCEPTED);
    let event = only(&log);
    let expected = format!("a\\n{}...", "b".repeat(61));
    for name in ["subject", "client_id", "jti"] {
        assert_eq!(event.field(name), Some(expected.as_str()), "{name}");
    }
    assert_eq!(event.field("route"), Some(format!("{}...", "\\n".repeat(32)).as_str()));
}

#[tokio::test(start_paused = true)]
async fn audit_events_are_not_limited() {
    let api = Protected::by(&bearer_auth(&TestIssuer::new(), Audit::with_subject()));
    let log = Log::start();
    for _ in 0..100 {
        assert!(api.outcome("a.b.c").await.is_err());
    }
    assert_eq!(log.audited().len(), 100);
    assert!(log.requests().len() < 100);
}

#[tokio::test(start_paused = true)]
async fn a_token_outside_of_a_request_is_audited_too() {
    let idp = TestIssuer::new();
    let auth = bearer_auth(&idp, Audit::with_subject());
    for (token, decision, subject) in
        [(token(&idp).sign(), "accepted", Some("alice")), (token(&idp).expired().sign(), "rejected", None)]
    {
        let log = Log::start();
        auth.authenticate(&token).await.ok();
        let event = only(&log);
        assert_eq!((event.field("decision"), event.field("subject")), (Some(decision), subject));
        assert_eq!((event.field("method"), event.field("route")), (None, None));
    }
}
