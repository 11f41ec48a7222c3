//! The token endpoint.

use std::time::Duration;

use http::header::CACHE_CONTROL;
use serde_json::json;

use super::*;
use crate::testing::TokenSet;

async fn grant(idp: &TestIssuer, form: &[(&str, &str)]) -> Reply {
    post(idp, &idp.token_url(), form).await
}

async fn refresh(idp: &TestIssuer, refresh_token: &str) -> Reply {
    grant(idp, &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await
}

fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name].as_str().unwrap_or_default()
}

#[tokio::test]
async fn an_invalid_grant_request_is_rejected() {
    const CLIENT: (&str, &str) = ("grant_type", "client_credentials");
    const REFRESH: (&str, &str) = ("grant_type", "refresh_token");
    let idp = TestIssuer::new();
    let set = idp.token(API).scope("a b").sign_in_opaque();
    let refresh_token = ("refresh_token", set.refresh_token());
    for (name, form, error) in [
        ("no grant type", &[][..], "invalid_request"),
        ("another grant type", &[("grant_type", "password")], "unsupported_grant_type"),
        ("a duplicate grant type", &[CLIENT, CLIENT], "invalid_request"),
        ("no resource", &[CLIENT], "invalid_target"),
        ("a malformed scope", &[CLIENT, ("resource", API), ("scope", "a  b")], "invalid_scope"),
        ("no refresh token", &[REFRESH], "invalid_request"),
        ("an unknown refresh token", &[REFRESH, ("refresh_token", "x")], "invalid_grant"),
        ("an access token", &[REFRESH, ("refresh_token", set.access_token())], "invalid_grant"),
        ("more scope than granted", &[REFRESH, refresh_token, ("scope", "a c")], "invalid_scope"),
    ] {
        let reply = grant(&idp, form).await;
        assert_eq!(reply.error(), (400, error.to_owned()), "{name}");
        assert_eq!(reply.header(CACHE_CONTROL), "no-store", "{name}");
    }
    assert_eq!(
        refresh(&idp, set.refresh_token()).await.status,
        200,
        "rejected requests do not use up the refresh token"
    );
}

#[tokio::test]
async fn a_client_gets_a_token_for_itself_and_no_refresh_token() {
    let idp = TestIssuer::new();
    let form = [("grant_type", "client_credentials"), ("resource", API), ("scope", "a b")];
    let reply = grant(&idp, &form).await;
    assert_eq!((reply.status, reply.header(CACHE_CONTROL)), (200, "no-store"));
    let body = reply.json();
    assert_eq!(body["expires_in"], 300);
    assert_eq!((text(&body, "token_type"), text(&body, "scope")), ("Bearer", "a b"));
    assert_eq!(body.get("refresh_token"), None);
    let claims = introspect(&idp, text(&body, "access_token")).await;
    assert_eq!((text(&claims, "sub"), text(&claims, "client_id")), ("test-api", "test-api"));
    assert_eq!((text(&claims, "aud"), text(&claims, "scope")), (API, "a b"));
    let auth = idp.bearer_auth(API).build().unwrap();
    auth.ready().await.unwrap();
    assert!(
        auth.access_token(text(&body, "access_token")).is_ok_and(|token| token.subject() == Some("test-api"))
    );
}

#[tokio::test]
async fn resource_and_audience_name_one_audience_or_several() {
    let idp = TestIssuer::new();
    for (name, targets, expected) in [
        ("audience", &[("audience", "a")][..], json!("a")),
        ("two resources", &[("resource", "a"), ("resource", "b")], json!(["a", "b"])),
        ("resource and audience", &[("audience", "b"), ("resource", "a")], json!(["a", "b"])),
    ] {
        let form: Vec<_> = [("grant_type", "client_credentials")].iter().chain(targets).copied().collect();
        let body = grant(&idp, &form).await.json();
        assert_eq!(body.get("scope"), None, "{name}");
        assert_eq!(introspect(&idp, text(&body, "access_token")).await["aud"], expected, "{name}");
    }
}

async fn assert_refreshes(idp: &TestIssuer, set: &TokenSet) -> Value {
    let before = introspect(idp, set.access_token()).await;
    idp.clock().advance(Duration::from_secs(60));
    let body = refresh(idp, set.refresh_token()).await.json();
    assert_eq!(body["expires_in"], 900);
    assert_eq!((text(&body, "token_type"), text(&body, "scope")), ("Bearer", "a b"));
    assert_ne!(text(&body, "access_token"), set.access_token());
    assert_ne!(text(&body, "refresh_token"), set.refresh_token());
    let mut after = introspect(idp, text(&body, "access_token")).await;
    assert_ne!(after["jti"], before["jti"]);
    assert_eq!((&after["iat"], &after["exp"]), (&json!(idp.state.now()), &json!(idp.state.now() + 900)));
    for name in ["jti", "iat", "exp"] {
        after[name] = before[name].clone();
    }
    assert_eq!(after, before);
    body
}

#[tokio::test]
async fn a_refresh_token_gets_new_tokens_with_the_same_claims() {
    let idp = TestIssuer::new();
    let builder = idp.token(API).subject("alice").scope("a b").lifetime(Duration::from_secs(900));
    let (jwt, opaque) = (builder.sign_in(), builder.sign_in_opaque());
    let body = assert_refreshes(&idp, &jwt).await;
    assert_eq!(text(&body, "access_token").split('.').count(), 3);
    let body = assert_refreshes(&idp, &opaque).await;
    assert_eq!(text(&body, "access_token").len(), 43);
    assert!(is_active(&idp, opaque.access_token()).await, "the old access token stays active");
}

#[tokio::test]
async fn a_narrower_scope_applies_to_one_access_token() {
    let idp = TestIssuer::new();
    let set = idp.token(API).scope("a b").sign_in_opaque();
    let form = [("grant_type", "refresh_token"), ("refresh_token", set.refresh_token()), ("scope", "b")];
    let body = grant(&idp, &form).await.json();
    assert_eq!(text(&body, "scope"), "b");
    assert_eq!(introspect(&idp, text(&body, "access_token")).await["scope"], "b");
    assert_eq!(refresh(&idp, text(&body, "refresh_token")).await.json()["scope"], "a b");
}

#[tokio::test]
async fn a_reused_refresh_token_revokes_every_token_of_its_family() {
    let idp = TestIssuer::new();
    let (set, other) = (idp.token(API).sign_in(), idp.token(API).sign_in());
    let second = refresh(&idp, set.refresh_token()).await.json();
    let third = refresh(&idp, text(&second, "refresh_token")).await.json();
    let access = [set.access_token(), text(&second, "access_token"), text(&third, "access_token")];
    for token in access {
        assert!(is_active(&idp, token).await);
    }
    assert_eq!(refresh(&idp, set.refresh_token()).await.error(), (400, "invalid_grant".to_owned()));
    for token in access {
        assert!(!is_active(&idp, token).await);
    }
    let rejected = refresh(&idp, text(&third, "refresh_token")).await;
    assert_eq!(
        rejected.error(),
        (400, "invalid_grant".to_owned()),
        "the newest refresh token is revoked, too"
    );
    assert!(is_active(&idp, other.access_token()).await);
    assert_eq!(refresh(&idp, other.refresh_token()).await.status, 200);
}

#[tokio::test]
async fn refreshing_an_expired_token_returns_a_valid_one() {
    let idp = TestIssuer::new();
    let set = idp.token(API).expired().sign_in_opaque();
    assert!(!is_active(&idp, set.access_token()).await);
    let body = refresh(&idp, set.refresh_token()).await.json();
    assert!(is_active(&idp, text(&body, "access_token")).await);
}

#[tokio::test]
async fn sign_ins_never_share_a_token_even_with_a_deterministic_algorithm() {
    let idp = TestIssuer::new();
    idp.rotate_key_to(crate::crypto::Algorithm::Ed25519);
    let builder = idp.token(API);
    let (one, two) = (builder.sign_in(), builder.sign_in());
    idp.revoke(one.refresh_token());
    assert!(!is_active(&idp, one.access_token()).await && is_active(&idp, two.access_token()).await);
    idp.revoke(&idp.token(API).sign());
    assert!(is_active(&idp, &idp.token(API).sign()).await);
}

#[test]
fn debug_of_a_token_set_shows_no_token() {
    let set = TestIssuer::new().token(API).sign_in();
    assert_eq!(format!("{set:?}"), "TokenSet { .. }");
}
