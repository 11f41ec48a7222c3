//! Tokens that do not come in the head of a request: `BearerAuth::authenticate`.

use std::time::Duration;

use tower::Layer;
use tower_bearer::RejectionKind::{
    AudienceMismatch, KeyUnknown, KeysUnavailable, MalformedRequest, NotCovered, SignatureMismatch,
    TokenExpired, TokenInactive, TokenOpaque, TokenTooLarge,
};
use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
use tower_bearer::{BearerAuth, RejectionKind, Require};

use crate::support::introspected::IssuerIntrospection;
use crate::support::log::Log;
use crate::support::protected::{ACCEPTED, API, Handler, Protected, anonymous, at_once, send};

async fn outcome(auth: &BearerAuth, token: impl AsRef<str>) -> Result<(), RejectionKind> {
    auth.authenticate(token.as_ref()).await.map(drop).map_err(|rejection| rejection.kind())
}

#[tokio::test(start_paused = true)]
async fn a_token_outside_of_a_request_is_checked_like_one_in_a_request() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).optional().max_token_bytes(4096).build().unwrap();
    let good = || idp.token(API).subject("alice");
    let stranger = TestIssuer::new();
    for (name, token, expected) in [
        ("empty", String::new(), MalformedRequest),
        ("a space", " ".to_owned(), MalformedRequest),
        ("with its scheme", format!("Bearer {}", good().sign()), MalformedRequest),
        ("a line break at its end", format!("{}\n", good().sign()), MalformedRequest),
        ("two tokens", format!("{0},{0}", good().sign()), MalformedRequest),
        ("too large", "a".repeat(4097), TokenTooLarge),
        ("opaque", "a".repeat(4096), TokenOpaque),
        ("expired", good().expired().sign(), TokenExpired),
        ("another audience", idp.token("x").sign(), AudienceMismatch),
        (
            "another key under its kid",
            stranger.token(API).header("kid", idp.key_id()).sign(),
            SignatureMismatch,
        ),
        ("an unknown kid", good().header("kid", "x").sign(), KeyUnknown),
    ] {
        let result = outcome(&auth, &token).await;
        assert_eq!(result, Err(expected), "{name}");
        if name != "a line break at its end" {
            let same = Protected::by(&auth).outcome(&token).await;
            let is_in_header = !token.contains(' ');
            assert!(!is_in_header || same == result, "{name}: {same:?}");
        }
    }
    assert_eq!(auth.cached_tokens(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_token_outside_of_a_request_uses_the_caches_of_requests() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).build().unwrap();
    let token = idp.token(API).subject("alice").sign();
    let (first, second) = tokio::join!(auth.authenticate(&token), auth.authenticate(&token));
    assert_eq!(first.unwrap().subject(), Some("alice"));
    assert_eq!(second.unwrap().subject(), Some("alice"));
    assert_eq!((auth.cached_tokens(), idp.requests(Endpoint::Jwks)), (1, 1), "both share one fetch");
    assert_eq!(Protected::by(&auth).outcome_at_once(&token), ACCEPTED);
    assert!(at_once(auth.authenticate(&token)).is_ok());
    idp.clock().advance(Duration::from_secs(3600));
    assert_eq!(outcome(&auth, &token).await, Err(TokenExpired), "cached tokens are checked again");
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_not_the_fault_of_a_token_outside_of_a_request() {
    let idp = TestIssuer::new();
    idp.set_outage(Some(Fault::Status(500)));
    let auth = idp.bearer_auth(API).build().unwrap();
    let token = idp.token(API).sign();
    let rejection = auth.authenticate(&token).await.unwrap_err();
    assert_eq!((rejection.kind(), rejection.status().as_u16()), (KeysUnavailable, 503));
    assert!(rejection.retry_after().is_some());
    idp.set_outage(None);
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(outcome(&auth, &token).await, ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn a_token_outside_of_a_request_makes_no_request_covered() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).build().unwrap();
    let mut request = anonymous("GET");
    request.extensions_mut().insert(auth.authenticate(&idp.token(API).sign()).await.unwrap());
    let route = Require::token().layer(Handler::default());
    assert_eq!(send(route, request).await.outcome(), Err(NotCovered));
}

#[tokio::test(start_paused = true)]
async fn a_token_outside_of_a_request_is_introspected_and_reported() {
    let api = IssuerIntrospection::new();
    let log = Log::start();
    let token = api.opaque();
    assert_eq!(api.auth.authenticate(&token).await.unwrap().subject(), Some("alice"));
    assert_eq!(api.auth.authenticate(&token).await.unwrap().subject(), Some("alice"));
    assert_eq!(api.calls(), 1, "the response is cached");
    let revoked = api.opaque();
    api.idp.revoke(&revoked);
    assert_eq!(outcome(&api.auth, &revoked).await, Err(TokenInactive));
    let kinds: Vec<String> =
        log.requests().iter().map(|event| event.field("kind").unwrap().to_owned()).collect();
    assert_eq!(kinds, ["accepted", "accepted", "token_inactive"]);
    for secret in [&token, &revoked] {
        assert!(!log.text().contains(&**secret));
    }
}

#[test]
fn expires_in_is_zero_once_the_token_has_expired() {
    let idp = TestIssuer::new();
    let expiring = idp.token(API).lifetime(Duration::ZERO).access_token().unwrap();
    assert_eq!(expiring.expires_in(), Duration::ZERO, "accepted within the leeway");
    let token = idp.token(API).lifetime(Duration::from_secs(100)).access_token().unwrap();
    assert!((90..=100).contains(&token.expires_in().as_secs()), "{:?}", token.expires_in());
}
