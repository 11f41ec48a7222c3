//! Tokens that are bound to a key or a certificate: how they are built, introspected, granted and refreshed.

use std::time::Duration;

use http::header::HeaderName;
use serde_json::json;

use super::*;
use crate::crypto::{Algorithm, sha256};
use crate::encoding::base64url;
use crate::testing::{DpopKey, ProofBuilder};

const DPOP: HeaderName = HeaderName::from_static("dpop");

fn proof(idp: &TestIssuer, key: &DpopKey) -> ProofBuilder {
    key.proof("POST", &idp.token_url())
}

/// Requests a token for this client, with these proofs.
async fn grant(idp: &TestIssuer, proofs: &[&str]) -> Reply {
    let fields: Vec<_> = proofs.iter().map(|proof| (DPOP, *proof)).chain([(AUTHORIZATION, BASIC)]).collect();
    let form = [("grant_type", "client_credentials"), ("resource", API)];
    post_with(idp, &idp.token_url(), &fields, &form).await
}

async fn refresh(idp: &TestIssuer, refresh_token: &str, proof: Option<&str>) -> Value {
    let fields: Vec<_> =
        proof.map(|proof| (DPOP, proof)).into_iter().chain([(AUTHORIZATION, BASIC)]).collect();
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
    post_with(idp, &idp.token_url(), &fields, &form).await.json()
}

/// The `token_type` and the `cnf` of the introspection response about the token in a token response.
async fn introspected(idp: &TestIssuer, response: &Value) -> (Value, Value) {
    let response = introspect(idp, response["access_token"].as_str().unwrap()).await;
    assert_eq!(response["active"], true);
    (response["token_type"].clone(), response["cnf"].clone())
}

fn bound_to(key: &DpopKey) -> (Value, Value) {
    (json!("DPoP"), json!({"jkt": key.thumbprint()}))
}

#[tokio::test]
async fn a_token_is_bound_to_a_key_a_certificate_or_both_and_introspection_says_so() {
    let idp = TestIssuer::new();
    let (key, der) = (idp.dpop_key(), b"\x30\x03\x02\x01\x07");
    let pem = "Bag Attributes\n-----BEGIN CERTIFICATE-----\nMAMCAQc=\n-----END CERTIFICATE-----\n";
    let (jkt, x5t) = (key.thumbprint(), base64url::encode(&sha256(&[der])));
    let token = || idp.token(API);
    for (name, token, token_type, cnf) in [
        ("none", token(), "Bearer", Value::Null),
        ("key", token().bound_to_key(&key), "DPoP", json!({"jkt": jkt})),
        ("DER", token().bound_to_certificate(der), "Bearer", json!({"x5t#S256": x5t})),
        ("PEM", token().bound_to_certificate(pem), "Bearer", json!({"x5t#S256": x5t})),
        (
            "both",
            token().bound_to_certificate(der).bound_to_key(&key),
            "DPoP",
            json!({"jkt": jkt, "x5t#S256": x5t}),
        ),
        ("twice", token().bound_to_key(&idp.dpop_key()).bound_to_key(&key), "DPoP", json!({"jkt": jkt})),
        ("after an ill-typed cnf", token().claim("cnf", "x").bound_to_key(&key), "DPoP", json!({"jkt": jkt})),
    ] {
        for text in [token.sign(), token.opaque()] {
            let response = introspect(&idp, &text).await;
            assert_eq!(response["token_type"], token_type, "{name}");
            assert_eq!(response["cnf"], cnf, "{name}");
        }
    }
}

#[tokio::test]
async fn the_token_endpoint_binds_a_token_to_the_key_of_the_proof() {
    let idp = TestIssuer::new();
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA, Algorithm::PS256] {
        let key = DpopKey::with_algorithm(algorithm).clock(idp.clock());
        let response = grant(&idp, &[&proof(&idp, &key).sign()]).await.json();
        assert_eq!(response["token_type"], "DPoP", "{algorithm}");
        assert_eq!(introspected(&idp, &response).await, bound_to(&key), "{algorithm}");
    }
    let response = grant(&idp, &[]).await.json();
    assert_eq!(introspected(&idp, &response).await, (json!("Bearer"), Value::Null));
}

#[tokio::test]
async fn the_token_endpoint_rejects_an_invalid_proof_and_does_not_use_it_up() {
    let idp = TestIssuer::new();
    let (key, other) = (idp.dpop_key(), idp.dpop_key());
    let good = proof(&idp, &key);
    let with = |change: fn(ProofBuilder) -> ProofBuilder| change(good.clone()).sign();
    let mut private = key.jwk();
    private["d"] = "AA".into();
    let damaged = good.sign().replace('.', "");
    for (name, proof) in [
        ("not a JWS", damaged),
        ("empty", String::new()),
        ("another type", with(|proof| proof.header("typ", "JWT"))),
        ("no type", with(|proof| proof.header("typ", Value::Null))),
        ("alg none", with(|proof| proof.header("alg", "none"))),
        ("an algorithm that does not fit", with(|proof| proof.header("alg", "ES384"))),
        ("no key", with(|proof| proof.header("jwk", Value::Null))),
        ("a key that is no object", with(|proof| proof.header("jwk", "key"))),
        ("a private key", good.clone().header("jwk", private).sign()),
        ("the key of another client", good.clone().header("jwk", other.jwk()).sign()),
        ("the signature of another client", good.clone().signed_by(&other).sign()),
        ("another method", with(|proof| proof.claim("htm", "GET"))),
        ("no method", with(|proof| proof.without("htm"))),
        ("another URL", with(|proof| proof.claim("htu", "https://issuer.test/introspect"))),
        ("no URL", with(|proof| proof.without("htu"))),
        ("too old", with(|proof| proof.issued_ago(Duration::from_secs(61)))),
        ("from the future", with(|proof| proof.issued_ahead(Duration::from_secs(61)))),
        ("a date that is no number", with(|proof| proof.claim("iat", "now"))),
        ("no date", with(|proof| proof.without("iat"))),
        ("a jti that is no string", with(|proof| proof.claim("jti", 1))),
        ("no jti", with(|proof| proof.without("jti"))),
    ] {
        let reply = grant(&idp, &[&proof]).await;
        assert_eq!(reply.error(), (400, "invalid_dpop_proof".to_owned()), "{name}");
    }
    let two = grant(&idp, &[&good.sign(), &proof(&idp, &key).sign()]).await;
    assert_eq!(two.error(), (400, "invalid_dpop_proof".to_owned()));
    assert_eq!(grant(&idp, &[&good.sign()]).await.status, 200);
}

#[tokio::test]
async fn a_proof_for_the_token_endpoint_can_be_used_once_by_each_key_and_within_a_minute() {
    let idp = TestIssuer::new();
    let (key, other) = (idp.dpop_key(), idp.dpop_key());
    let status = async |proof: ProofBuilder| grant(&idp, &[&proof.sign()]).await.status;
    let minute = Duration::from_secs(60);
    assert_eq!(status(proof(&idp, &key).issued_ago(minute)).await, 200);
    assert_eq!(status(proof(&idp, &key).issued_ahead(minute)).await, 200);
    for (key, expected) in [(&key, 200), (&key, 400), (&other, 200)] {
        assert_eq!(status(proof(&idp, key).claim("jti", "a")).await, expected);
    }
}

#[tokio::test]
async fn a_refreshed_token_keeps_its_binding_unless_the_request_has_a_proof_of_another_key() {
    let idp = TestIssuer::new();
    let (key, other) = (idp.dpop_key(), idp.dpop_key());
    let set = idp.token(API).bound_to_key(&key).sign_in_opaque();
    let kept = refresh(&idp, set.refresh_token(), None).await;
    assert_eq!(kept["token_type"], "DPoP");
    assert_eq!(introspected(&idp, &kept).await, bound_to(&key));
    let refresh_token = kept["refresh_token"].as_str().unwrap();
    let invalid = proof(&idp, &other).without("jti").sign();
    assert_eq!(refresh(&idp, refresh_token, Some(&invalid)).await["error"], "invalid_dpop_proof");
    let changed = refresh(&idp, refresh_token, Some(&proof(&idp, &other).sign())).await;
    assert_eq!(introspected(&idp, &changed).await, bound_to(&other));
}

#[tokio::test]
async fn the_metadata_lists_the_algorithms_of_proofs() {
    let idp = TestIssuer::new();
    let url = format!("{}/.well-known/oauth-authorization-server", idp.identifier());
    let metadata =
        send(&idp.http_client(), Request::get(url).body(Bytes::new()).unwrap()).await.unwrap().json();
    let algorithms = metadata["dpop_signing_alg_values_supported"].as_array().unwrap();
    assert!(algorithms.contains(&json!("ES256")) && !algorithms.contains(&json!("HS256")));
    assert_eq!(metadata["tls_client_certificate_bound_access_tokens"], false);
}
