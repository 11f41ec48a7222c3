//! Client authentication at every endpoint.

use http::Method;
use http::header::{ALLOW, AUTHORIZATION, WWW_AUTHENTICATE};

use super::*;

fn urls(idp: &TestIssuer) -> [String; 3] {
    [idp.introspection_url(), idp.token_url(), idp.revocation_url()]
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
            ("a malformed assertion", &[], &[ASSERTION_TYPE, ("client_assertion", "a.b.c")]),
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

#[test]
fn an_unusable_client_key_is_not_registered() {
    let idp = TestIssuer::new();
    for jwk in ["", "[]", "{}", r#"{"kty":"oct","k":"AAAA"}"#] {
        let error = idp.register_client_key("orders-api", jwk).unwrap_err();
        assert!(error.to_string().starts_with("the key of the client is unusable: "), "{jwk}");
    }
}
