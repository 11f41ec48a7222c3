//! What handlers, logs and error pages see of a proof, and where else its checks apply.

use std::convert::Infallible;
use std::future::ready;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, service_fn};
use tower_bearer::RejectionKind::{
    MalformedRequest, ProofKeyMismatch, ProofMalformed, ProofMissing, ProofReplayed, ProofSignatureMismatch,
    SenderNotProven,
};
use tower_bearer::dpop::{Dpop, Nonces};
use tower_bearer::testing::ProofBuilder;
use tower_bearer::{AccessToken, BearerAuth, BearerAuthBuilder, Rejection};

use crate::support::dpop::{DpopApi, request, request_of};
use crate::support::log::{Log, assert_holds_no_piece};
use crate::support::protected::{ACCEPTED, API, ApiResponse, get, send};

fn dpop() -> Dpop {
    Dpop::at(API)
}

#[tokio::test(start_paused = true)]
async fn a_handler_sees_the_proof_and_debug_does_not() {
    let api = DpopApi::new();
    let token = api.token();
    let proof = api.proof(&token).sign();
    let response = api.api.send(request(&token, &proof)).await;
    let head = &response.received().head;
    assert_eq!(head.headers["dpop"], *proof);
    assert_hidden(&format!("{head:?}"), &token, &proof);
    assert_hidden(&format!("{:?}", response.token()), &token, &proof);

    // The proofs beside a bearer token are not read.
    let token = api.bearer_token();
    let mut twice = get(&token);
    for _ in 0..2 {
        twice.headers_mut().append("dpop", proof.parse().unwrap());
    }
    let response = api.api.send(twice).await;
    let head = &response.received().head;
    assert_eq!(head.headers.get_all("dpop").iter().count(), 2);
    assert_hidden(&format!("{head:?}"), &token, &proof);
}

#[track_caller]
fn assert_hidden(text: &str, token: &str, proof: &str) {
    assert_holds_no_piece(text, token, 12, "the token");
    assert_holds_no_piece(text, proof, 12, "the proof");
}

#[tokio::test(start_paused = true)]
async fn strip_credentials_removes_the_proof_with_the_token() {
    let api = DpopApi::configured(|_, builder| builder.dpop(dpop()).strip_credentials());
    for response in [api.get(&api.token()).await, {
        let mut request = get(api.bearer_token());
        request.headers_mut().insert("dpop", "x".parse().unwrap());
        api.api.send(request).await
    }] {
        let headers = &response.received().head.headers;
        assert!(!headers.contains_key("dpop") && !headers.contains_key(AUTHORIZATION), "{headers:?}");
        assert!(response.token().is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn on_reject_receives_proofs_that_debug_hides() {
    let write = |_: &Rejection, head: &http::request::Parts| Response::new(Bytes::from(format!("{head:?}")));
    let api = DpopApi::configured(|_, builder| builder.dpop(dpop()).on_reject(write));
    let token = api.token();
    let proof = api.proof(&token).claim("htm", "POST").sign();
    let appended = |name: &'static str, value: String| {
        let mut request = request(&token, &proof);
        request.headers_mut().append(name, value.parse().unwrap());
        request
    };
    for (name, request) in [
        ("one proof", request(&token, &proof)),
        ("two proofs", appended("dpop", proof.clone())),
        ("two tokens", appended("authorization", format!("DPoP {token}"))),
    ] {
        let response = api.api.send(request).await;
        let text = String::from_utf8(response.body.to_vec()).unwrap();
        assert!(text.contains("dpop") && text.contains("authorization"), "{name}: {text}");
        assert_hidden(&text, &token, &proof);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_of_a_proof_is_logged_or_sent_back() {
    let log = Log::start();
    let api = DpopApi::configured(|_, builder| builder.dpop(dpop()).log_token_details());
    let token = api.token();
    let proof = api.proof(&token);
    let thief = api.idp.dpop_key();
    let proofs: Vec<ProofBuilder> = vec![
        proof.clone(),
        proof.clone(),
        proof.clone().signed_by(&thief),
        proof.clone().header("typ", "JWT"),
        proof.clone().header("alg", "none"),
        proof.clone().claim("htm", "POST"),
        proof.clone().claim("htu", "https://secret.example/orders"),
        proof.clone().claim("ath", "A".repeat(43)),
        proof.clone().claim("iat", 1),
        proof.clone().claim("jti", "x".repeat(300)),
        thief.proof("GET", API).token(&token),
    ];
    for proof in proofs {
        let text = proof.sign();
        let response = api.api.send(request(&token, &text)).await;
        let shown = format!("{:?} {:?}", response.headers(), response.body);
        assert_holds_no_piece(&shown, &text, 12, "the response");
        assert_hidden(&log.text(), &token, &text);
    }
    let text = log.text();
    for secret in ["secret.example", "proof-1800000000", &api.key.thumbprint(), &thief.thumbprint()] {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
}

/// The response of a handler that requires a scope.
async fn response_of_handler(auth: &BearerAuth, request: Request<Full<Bytes>>) -> ApiResponse {
    let handler = service_fn(|request: Request<Full<Bytes>>| {
        let token = request.extensions().get::<AccessToken>().unwrap();
        let response = match token.require("orders:write") {
            Ok(()) => Response::new(Bytes::from_static(b"done")),
            Err(rejection) => rejection.into_http_response(),
        };
        ready(Ok::<_, Infallible>(response.map(Full::new)))
    });
    send(auth.layer(handler), request).await
}

#[tokio::test(start_paused = true)]
async fn a_handler_rejects_with_the_challenge_of_the_scheme() {
    let api = DpopApi::new();
    let response = response_of_handler(&api.auth, request_of(&api.proof(&api.token()))).await;
    assert_eq!(response.status(), 403);
    let lines: Vec<_> = response.headers().get_all(WWW_AUTHENTICATE).iter().collect();
    let challenge = response.challenge().unwrap();
    assert_eq!((lines.len(), challenge.scheme()), (1, "DPoP"));
    assert_eq!(challenge.error(), Some("insufficient_scope"));
    assert_eq!(challenge.scope(), Some("orders:write"));
    assert!(challenge.param("algs").is_some_and(|algs| algs.contains("ES256")));
    let response = response_of_handler(&api.auth, get(api.bearer_token())).await;
    assert_eq!(response.challenge().unwrap().scheme(), "Bearer");
}

/// RFC 9449 section 8.2.
#[tokio::test(start_paused = true)]
async fn a_handler_that_rejects_renews_no_nonce() {
    let api = DpopApi::with(|dpop| dpop.nonces(Nonces::required()));
    let token = api.token();
    let response = api.get(&token).await;
    let nonce = response.header("dpop-nonce").unwrap();
    api.idp.clock().advance(Duration::from_secs(60));
    let request = request_of(&api.proof(&token).nonce(nonce));
    let response = response_of_handler(&api.auth, request).await;
    assert_eq!((response.status(), response.header("dpop-nonce")), (403, None));
}

#[tokio::test(start_paused = true)]
async fn a_view_checks_proofs_and_shares_the_used_ones() {
    let api = DpopApi::new();
    let view = api.behind(api.auth.view().require_audience(API).build().unwrap());
    let token = api.token();
    for (one, other) in [(&api, &view), (&view, &api)] {
        let proof = api.proof(&token);
        assert_eq!(one.outcome_of(&proof).await, ACCEPTED);
        assert_eq!(other.outcome_of(&proof).await, Err(ProofReplayed));
        assert_eq!(other.outcome(get(&token)).await, Err(SenderNotProven));
    }
}

#[tokio::test(start_paused = true)]
async fn a_bound_token_is_rejected_outside_of_a_request() {
    let api = DpopApi::new();
    let token = api.token();
    for cached in [false, true] {
        let rejection = api.auth.authenticate(&token).await.unwrap_err();
        assert_eq!(rejection.kind(), SenderNotProven, "cached: {cached}");
    }
    assert!(api.auth.authenticate(&api.bearer_token()).await.is_ok());
}

/// The key of the first proof is cached with the token. The proofs of other keys must not profit from it.
#[tokio::test(start_paused = true)]
async fn the_cached_key_of_a_token_verifies_no_proof_of_another_key() {
    let api = DpopApi::new();
    let token = api.token();
    let thief = api.called_by_another();
    for _ in 0..2 {
        assert_eq!(thief.outcome_of(&thief.proof(&token)).await, Err(ProofKeyMismatch));
        let with_jwk_of_client = thief.proof(&token).header("jwk", api.key.jwk());
        let outcome = api.outcome_of(&with_jwk_of_client).await;
        assert_eq!(outcome, Err(ProofSignatureMismatch));
        assert_eq!(api.outcome_of(&api.proof(&token)).await, ACCEPTED);
        let other_header = api.proof(&token).header("x", "y".repeat(1500));
        assert_eq!(api.outcome_of(&other_header).await, ACCEPTED, "a header that is too long to be cached");
    }
}

#[tokio::test(start_paused = true)]
async fn each_rejection_is_reported_once_with_its_kind() {
    let log = Log::start();
    let api = DpopApi::configured(|_, builder: BearerAuthBuilder| builder.dpop(dpop()));
    let token = api.token();
    let proof = api.proof(&token);
    let mut without_proof = request_of(&proof);
    without_proof.headers_mut().remove("dpop");
    let mut twice = request_of(&proof);
    twice.headers_mut().append(AUTHORIZATION, "DPoP x".parse().unwrap());
    for (request, expected) in [
        (request_of(&proof), None),
        (request_of(&proof), Some(ProofReplayed)),
        (without_proof, Some(ProofMissing)),
        (request(&token, "x"), Some(ProofMalformed)),
        (twice, Some(MalformedRequest)),
    ] {
        let before = log.requests().len();
        let response = api.api.send(request).await;
        assert_eq!(response.rejection().map(Rejection::kind), expected);
        let events: Vec<_> = log.requests().split_off(before);
        let kinds: Vec<_> = events.iter().map(|event| event.field("kind").unwrap()).collect();
        assert_eq!(kinds, [expected.map_or("accepted", |kind| kind.as_str())]);
    }
}
