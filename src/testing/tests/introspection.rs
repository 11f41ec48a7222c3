//! The introspection endpoint.

use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION, CACHE_CONTROL};
use serde_json::{Map, Value, json};

use super::*;
use crate::crypto::{AlgorithmSet, Jwk, VerifyingKey};
use crate::jwt::compact::Compact;

const SIGNED: &str = "application/token-introspection+jwt";

fn inactive() -> Value {
    json!({"active": false})
}

#[tokio::test]
async fn the_response_about_an_unusable_token_is_only_active_false() {
    let idp = TestIssuer::new();
    let now = idp.state.now();
    let (revoked, revoked_jwt) = (idp.token(API).opaque(), idp.token(API).sign());
    idp.revoke(&revoked);
    idp.revoke(&revoked_jwt);
    let set = idp.token(API).sign_in();
    for (name, token) in [
        ("unknown", "unknown".to_owned()),
        ("of another issuer", TestIssuer::in_memory("https://other.test").token(API).sign()),
        ("revoked", revoked),
        ("a revoked JWT", revoked_jwt),
        ("expired", idp.token(API).expired().opaque()),
        ("expires now", idp.token(API).claim("exp", now).opaque()),
        ("negative exp", idp.token(API).claim("exp", -1).opaque()),
        ("an expired JWT", idp.token(API).expired().sign()),
        ("not yet valid", idp.token(API).claim("nbf", now + 1).opaque()),
        ("a JWT from sign_claims", idp.token(API).sign_claims("{}")),
        ("a refresh token", set.refresh_token().to_owned()),
        ("a JWT with another signature", format!("{}A", set.access_token())),
    ] {
        assert_eq!(introspect(&idp, &token).await, inactive(), "{name}");
    }
}

#[tokio::test]
async fn a_request_without_exactly_one_token_in_the_form_is_rejected() {
    let idp = TestIssuer::new();
    let token = idp.token(API).opaque();
    let url = idp.introspection_url();
    for (name, url, form) in [
        ("no token", url.clone(), &[][..]),
        ("in the query", format!("{url}?token={token}"), &[]),
        ("empty", url.clone(), &[("token", "")]),
        ("two tokens", url.clone(), &[("token", "a"), ("token", "b")]),
    ] {
        assert_eq!(post(&idp, &url, form).await.error(), (400, "invalid_request".to_owned()), "{name}");
    }
}

#[tokio::test]
async fn the_response_about_an_active_token_contains_its_claims() {
    let idp = TestIssuer::new();
    let builder = idp.token(API).subject("alice").scope("a b").claim("active", "no").claim("jti", "one");
    let opaque = builder.opaque();
    assert_eq!(opaque.len(), 43);
    assert_ne!(opaque, builder.opaque());
    for prefixed in ["ory_at_abc", "a.b.c.d.e", "e30.e30."] {
        builder.opaque_as(prefixed);
    }
    let now = idp.state.now();
    let expected = json!({
        "active": true, "token_type": "Bearer", "iss": idp.identifier(), "aud": API, "sub": "alice",
        "client_id": "client", "iat": now, "exp": now + 300, "jti": "one", "scope": "a b",
    });
    for token in
        [opaque, builder.sign(), "ory_at_abc".to_owned(), "a.b.c.d.e".to_owned(), "e30.e30.".to_owned()]
    {
        let form = [("token", token.as_str()), ("token_type_hint", "refresh_token")];
        let reply = post(&idp, &idp.introspection_url(), &form).await;
        assert_eq!(reply.json(), expected, "{token}");
        assert_eq!((reply.status, reply.header(CACHE_CONTROL)), (200, "no-store"));
        assert_eq!(reply.header(CONTENT_TYPE), "application/json");
    }
    assert_eq!(idp.requests(crate::testing::Endpoint::Introspection), 5);
}

#[tokio::test]
async fn a_token_expires_by_the_clock_and_never_without_exp() {
    let idp = TestIssuer::new();
    let (token, without_exp) = (idp.token(API).opaque(), idp.token(API).without("exp").opaque());
    let malformed_exp = idp.token(API).claim("exp", "soon").opaque();
    idp.clock().advance(Duration::from_secs(299));
    assert!(is_active(&idp, &token).await);
    idp.clock().advance(Duration::from_secs(1));
    assert_eq!(introspect(&idp, &token).await, inactive());
    assert!(is_active(&idp, &without_exp).await);
    assert_eq!(
        introspect(&idp, &malformed_exp).await["exp"],
        "soon",
        "a malformed exp is returned unchanged"
    );
}

#[tokio::test]
async fn alterations_apply_to_active_tokens_until_they_are_cleared() {
    let idp = TestIssuer::new();
    let token = idp.token(API).opaque();
    idp.alter_introspection(|response| {
        response.insert("active".to_owned(), "true".into());
        response.remove("iss");
    });
    let altered = introspect(&idp, &token).await;
    assert_eq!(
        (&altered["active"], altered.get("iss"), &altered["sub"]),
        (&json!("true"), None, &json!("user"))
    );
    assert_eq!(introspect(&idp, "unknown").await, inactive());
    idp.clear_alterations();
    assert!(is_active(&idp, &token).await);
}

#[tokio::test]
async fn an_alteration_may_call_the_issuer() {
    let idp = TestIssuer::new();
    let token = idp.token(API).opaque();
    let (issuer, revoked) = (idp.clone(), token.clone());
    idp.alter_introspection(move |_| issuer.revoke(&revoked));
    assert!(is_active(&idp, &token).await);
    assert!(!is_active(&idp, &token).await);
    idp.clear_alterations();
}

async fn introspect_accepting(idp: &TestIssuer, accept: &str, token: &str) -> Reply {
    let fields = [(AUTHORIZATION, BASIC), (ACCEPT, accept)];
    post_with(idp, &idp.introspection_url(), &fields, &[("token", token)]).await
}

/// The header and claims of a signed response, and whether the first published key verifies it.
fn open(idp: &TestIssuer, reply: &Reply) -> (Value, Value, bool) {
    assert_eq!(reply.header(CONTENT_TYPE), SIGNED);
    let body = std::str::from_utf8(&reply.body).unwrap();
    let jws = Compact::parse(body).unwrap();
    let keys: Value = serde_json::from_str(&idp.jwks()).unwrap();
    let jwk = Jwk::parse(keys["keys"][0].to_string().as_bytes()).unwrap();
    let key = VerifyingKey::new(&jwk, AlgorithmSet::ALL).unwrap();
    let is_verified = key.verify(jwk.alg.unwrap(), jws.signing_input(), &jws.signature().unwrap()).is_ok();
    let [header, claims] = [jws.header().unwrap(), jws.claims().unwrap().into_bytes()]
        .map(|part| serde_json::from_slice(&part).unwrap());
    (header, claims, is_verified)
}

#[tokio::test]
async fn a_response_is_signed_if_the_client_accepts_it_or_the_test_requires_it() {
    let idp = TestIssuer::new();
    let token = idp.token(API).opaque();
    for (name, accept, signed, expected) in [
        ("json accepted", "application/json", None, "application/json"),
        ("jwt accepted", SIGNED, None, SIGNED),
        (
            "jwt accepted among others",
            "application/json;q=0.5, application/token-introspection+jwt",
            None,
            SIGNED,
        ),
        ("always", "application/json", Some(true), SIGNED),
        ("never", SIGNED, Some(false), "application/json"),
    ] {
        idp.set_signed_introspection(signed);
        assert_eq!(introspect_accepting(&idp, accept, &token).await.header(CONTENT_TYPE), expected, "{name}");
    }
    idp.set_signed_introspection(true);
    assert_eq!(
        post(&idp, &idp.introspection_url(), &[("token", "unknown")]).await.header(CONTENT_TYPE),
        SIGNED
    );
}

#[tokio::test]
async fn a_signed_response_names_the_issuer_and_the_client() {
    let idp = TestIssuer::new();
    let token = idp.token(API).subject("alice").opaque();
    let (header, claims, is_verified) = open(&idp, &introspect_accepting(&idp, SIGNED, &token).await);
    assert!(is_verified);
    assert_eq!(header, json!({"alg": "ES256", "kid": idp.key_id(), "typ": "token-introspection+jwt"}));
    let plain = introspect(&idp, &token).await;
    let expected = json!({
        "iss": idp.identifier(), "aud": TestIssuer::CLIENT_ID, "iat": idp.state.now(),
        "token_introspection": plain,
    });
    assert_eq!(claims, expected);
    let (_, claims, is_verified) = open(&idp, &introspect_accepting(&idp, SIGNED, "unknown").await);
    assert!(is_verified);
    assert_eq!(claims["token_introspection"], inactive());
}

#[tokio::test]
async fn a_signed_response_is_altered_before_it_is_signed() {
    let idp = TestIssuer::new();
    let token = idp.token(API).opaque();
    idp.alter_signed_introspection(|header: &mut Map<String, Value>, claims| {
        header.insert("typ".to_owned(), "JWT".into());
        claims.insert("aud".to_owned(), "other".into());
        claims.remove("iat");
    });
    let (header, claims, is_verified) = open(&idp, &introspect_accepting(&idp, SIGNED, &token).await);
    assert!(is_verified);
    assert_eq!((&header["typ"], &claims["aud"], claims.get("iat")), (&json!("JWT"), &json!("other"), None));
    idp.rotate_key();
    let (_, _, is_verified) = open(&idp, &introspect_accepting(&idp, SIGNED, &token).await);
    assert!(!is_verified, "the new key has signed it");
}
