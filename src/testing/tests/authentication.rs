//! Client authentication at every endpoint.

use http::Method;
use http::header::{ALLOW, AUTHORIZATION, WWW_AUTHENTICATE};
use serde_json::{Value, json};

use super::*;
use crate::crypto::{Algorithm, SigningKey};
use crate::testing::server::compact;

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

fn urls(idp: &TestIssuer) -> [String; 3] {
    [idp.introspection_url(), idp.token_url(), idp.revocation_url()]
}

fn invalid_client() -> (u16, String) {
    (401, "invalid_client".to_owned())
}

#[tokio::test]
async fn every_endpoint_rejects_unknown_clients_and_wrong_credentials() {
    let idp = TestIssuer::new();
    let token = idp.token(API).opaque();
    for url in urls(&idp) {
        for (name, fields, form) in [
            ("no credentials", &[][..], &[][..]),
            // Base64 of `test-api:wrong` and of `other:test-secret`.
            ("a wrong secret", &[(AUTHORIZATION, "Basic dGVzdC1hcGk6d3Jvbmc=")], &[]),
            ("an unknown client", &[(AUTHORIZATION, "Basic b3RoZXI6dGVzdC1zZWNyZXQ=")], &[]),
            ("a wrong secret in the form", &[], &[("client_id", "test-api"), ("client_secret", "wrong")]),
            ("an unknown bearer token", &[(AUTHORIZATION, "Bearer abc")], &[]),
            ("a client without a certificate", &[], &[("client_id", "test-api")]),
            (
                "a malformed assertion",
                &[],
                &[("client_assertion_type", JWT_BEARER), ("client_assertion", "a.b.c")],
            ),
        ] {
            let form: Vec<_> = form.iter().copied().chain([("token", token.as_str())]).collect();
            let reply = post_with(&idp, &url, fields, &form).await;
            assert_eq!(reply.error(), invalid_client(), "{name} {url}");
            assert!(reply.header(WWW_AUTHENTICATE).starts_with("Basic "), "{name} {url}");
        }
        let both = [("client_id", "test-api"), ("client_secret", "test-secret")];
        let reply = post_with(&idp, &url, &[(AUTHORIZATION, BASIC)], &both).await;
        assert_eq!(reply.error(), (400, "invalid_request".to_owned()), "{url}");
    }
    assert!(is_active(&idp, &token).await, "the token is not revoked");
}

#[tokio::test]
async fn every_endpoint_accepts_only_posted_forms() {
    let idp = TestIssuer::new();
    for url in urls(&idp) {
        for method in [Method::GET, Method::PUT, Method::HEAD] {
            let mut request = form_request(&format!("{url}?token=t"), &[(AUTHORIZATION, BASIC)], &[]);
            *request.method_mut() = method;
            let reply = send(&idp.http_client(), request).await.unwrap();
            assert_eq!((reply.status, reply.header(ALLOW)), (405, "POST"), "{url}");
        }
        let mut json = form_request(&url, &[(AUTHORIZATION, BASIC)], &[("token", "t")]);
        json.headers_mut().insert(CONTENT_TYPE, "application/json".parse().unwrap());
        let reply = send(&idp.http_client(), json).await.unwrap();
        assert_eq!(reply.error(), (400, "invalid_request".to_owned()), "{url}");
    }
}

#[tokio::test]
async fn a_registered_client_authenticates_with_its_registered_credentials() {
    let idp = TestIssuer::new();
    idp.register_client("a:b", "c+ \u{e9}");
    idp.register_mtls_client("certified");
    idp.register_bearer("abc");
    let token = idp.token(API).opaque();
    for (name, fields, form) in [
        ("basic", &[(AUTHORIZATION, BASIC)][..], &[][..]),
        ("basic, form-encoded", &[(AUTHORIZATION, "Basic YSUzQWI6YyUyQislQzMlQTk=")], &[]),
        ("post", &[], &[("client_id", "a:b"), ("client_secret", "c+ \u{e9}")]),
        ("bearer", &[(AUTHORIZATION, "Bearer abc")], &[]),
        ("certificate", &[], &[("client_id", "certified")]),
    ] {
        let form: Vec<_> = form.iter().copied().chain([("token", token.as_str())]).collect();
        let reply = post_with(&idp, &idp.introspection_url(), fields, &form).await;
        assert_eq!(reply.json()["active"], true, "{name}");
    }
    idp.register_client("a:b", "new");
    let old = [("client_id", "a:b"), ("client_secret", "c+ \u{e9}"), ("token", "t")];
    assert_eq!(post_with(&idp, &idp.introspection_url(), &[], &old).await.error(), invalid_client());
}

/// A client with a registered key.
struct KeyClient {
    idp: TestIssuer,
    key: SigningKey,
}

impl KeyClient {
    fn new(algorithm: Algorithm) -> Self {
        let (idp, key) = (TestIssuer::new(), SigningKey::generate(algorithm));
        idp.register_client_key("orders-api", &key.public_jwk("client-key").to_string()).unwrap();
        Self { idp, key }
    }

    fn claims(&self, jti: &str) -> Value {
        let now = self.idp.state.now();
        let issuer = self.idp.identifier();
        json!({
            "iss": "orders-api", "sub": "orders-api", "aud": issuer,
            "iat": now, "exp": now + 60, "jti": jti,
        })
    }

    fn sign(&self, claims: &Value) -> String {
        let header = json!({"alg": self.key.algorithm().as_str(), "typ": "JWT"}).to_string();
        compact(&self.key, header.as_bytes(), claims.to_string().as_bytes())
    }

    async fn introspect_with(&self, assertion: &str, more: &[(&str, &str)]) -> Reply {
        let form = [("token", "t"), ("client_assertion", assertion)];
        let form: Vec<_> = form.into_iter().chain(more.iter().copied()).collect();
        post_with(&self.idp, &self.idp.introspection_url(), &[], &form).await
    }
}

const TYPE: (&str, &str) = ("client_assertion_type", JWT_BEARER);

#[tokio::test]
async fn an_assertion_with_a_wrong_claim_is_rejected() {
    let client = KeyClient::new(Algorithm::Ed25519);
    let issuer = client.idp.identifier();
    for (name, claim, value) in [
        ("aud is the endpoint", "aud", json!(client.idp.introspection_url())),
        ("aud is an array", "aud", json!([issuer])),
        ("aud has two values", "aud", json!([issuer, "other"])),
        ("aud with a trailing slash", "aud", json!(format!("{issuer}/"))),
        ("no aud", "aud", Value::Null),
        ("iss is another client", "iss", json!("other")),
        ("no iss", "iss", Value::Null),
        ("sub is an unknown client", "sub", json!("other")),
        ("sub is a client without a key", "sub", json!("test-api")),
        ("exp is now", "exp", json!(client.idp.state.now())),
        ("exp is not a number", "exp", json!("soon")),
        ("no exp", "exp", Value::Null),
        ("no jti", "jti", Value::Null),
        ("jti is a number", "jti", json!(1)),
    ] {
        let mut claims = client.claims("once");
        claims[claim] = value;
        assert_eq!(
            client.introspect_with(&client.sign(&claims), &[TYPE]).await.error(),
            invalid_client(),
            "{name}"
        );
    }
    let valid = client.sign(&client.claims("once"));
    assert_eq!(
        client.introspect_with(&valid, &[TYPE]).await.status,
        200,
        "rejected assertions do not use up the jti"
    );
}

#[tokio::test]
async fn an_assertion_can_be_used_once() {
    let client = KeyClient::new(Algorithm::ES256);
    let assertion = client.sign(&client.claims("once"));
    assert_eq!(client.introspect_with(&assertion, &[TYPE, ("client_id", "orders-api")]).await.status, 200);
    assert_eq!(client.introspect_with(&assertion, &[TYPE]).await.error(), invalid_client());
    let same_jti = client.sign(&client.claims("once"));
    assert_eq!(
        client.introspect_with(&same_jti, &[TYPE]).await.error(),
        invalid_client(),
        "the same jti with a new signature"
    );
    assert_eq!(client.introspect_with(&client.sign(&client.claims("twice")), &[TYPE]).await.status, 200);
}

#[tokio::test]
async fn an_assertion_without_a_valid_signature_or_type_is_rejected() {
    let client = KeyClient::new(Algorithm::ES256);
    let untrusted = KeyClient::new(Algorithm::ES256);
    let valid = client.sign(&client.claims("once"));
    let (input, _) = valid.rsplit_once('.').unwrap();
    let unsigned = compact(&client.key, br#"{"alg":"none"}"#, client.claims("once").to_string().as_bytes());
    for (name, assertion, more) in [
        ("another key", untrusted.sign(&untrusted.claims("once")), &[TYPE][..]),
        ("no signature", format!("{input}."), &[TYPE]),
        ("alg none", unsigned, &[TYPE]),
        ("no client_assertion_type", valid.clone(), &[]),
        ("another client_assertion_type", valid.clone(), &[("client_assertion_type", "urn:example")]),
        ("another client_id", valid.clone(), &[TYPE, ("client_id", "test-api")]),
    ] {
        assert_eq!(client.introspect_with(&assertion, more).await.error(), invalid_client(), "{name}");
    }
}

#[test]
fn an_unusable_client_key_is_not_registered() {
    let idp = TestIssuer::new();
    for jwk in ["", "[]", "{}", r#"{"kty":"oct","k":"AAAA"}"#] {
        let error = idp.register_client_key("orders-api", jwk).unwrap_err();
        assert!(error.to_string().starts_with("the key of the client is unusable: "), "{jwk}");
    }
}
