//! Works in a program that enables both backends of `jsonwebtoken`.
//!
//! Why: two dependencies may enable one backend each. `jsonwebtoken` then has no default provider and panics
//! at its first use. This crate does not use it.
#![cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]

use std::panic;

use http::{Request, Response};
use tower::{Layer, ServiceExt, service_fn};
use tower_bearer::testing::TestIssuer;
use tower_bearer::{Algorithm, BearerAuth, Issuer};

const API: &str = "https://api.example.com";

#[tokio::test]
async fn two_backends_of_jsonwebtoken_break_jsonwebtoken_but_not_this_crate() {
    let issuer = TestIssuer::new();
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        issuer.rotate_key_to(algorithm);
        let token = issuer.token(API).sign();

        let key = jsonwebtoken::DecodingKey::from_rsa_components("AQAB", "AQAB").unwrap();
        let validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::RS256);
        let forged = issuer.token(API).sign_header(r#"{"alg":"RS256"}"#);
        let broken = panic::catch_unwind(|| {
            jsonwebtoken::decode::<serde_json::Value>(forged, &key, &validation).is_ok()
        });
        assert!(broken.is_err(), "this test needs both backends of jsonwebtoken");

        let trusted = Issuer::with_static_jwks(issuer.identifier(), issuer.jwks());
        let auth = BearerAuth::builder(API).clock(issuer.clock()).issuer(trusted).build().unwrap();
        let service = auth.layer(service_fn(async |_: Request<String>| {
            Ok::<_, std::convert::Infallible>(Response::new(String::new()))
        }));
        let request =
            Request::builder().header("authorization", format!("Bearer {token}")).body(String::new());
        let response = service.oneshot(request.unwrap()).await.unwrap();
        assert_eq!(response.status(), 200, "{algorithm}");
    }
}
