//! Random damage to tokens and key sets: damaged tokens are rejected, and nothing panics.
//!
//! The seeds are fixed, so that failures are reproducible.
#![cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]

use std::convert::Infallible;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response};
use tower::{Layer, Service, service_fn};
use tower_bearer::testing::TestIssuer;
use tower_bearer::{Algorithm, BearerAuth, Issuer, Rejection};

const API: &str = "https://api.example.com";

#[test]
fn a_damaged_token_is_rejected_and_never_panics() {
    let issuer = TestIssuer::new();
    let auth = auth(&issuer, issuer.jwks());
    let token = issuer.token(API).scope("a b").sign();
    assert_eq!(status(&auth, format!("Bearer {token}").as_bytes()), Some(200));
    let mut random = fastrand::Rng::with_seed(6750);
    for _ in 0..10_000 {
        let damaged = damage(token.as_bytes(), &mut random);
        let expected = damaged == token.as_bytes();
        let header = [b"Bearer ".as_slice(), &damaged].concat();
        let accepted = status(&auth, &header) == Some(200);
        assert_eq!(accepted, expected, "{}", String::from_utf8_lossy(&damaged));
    }
}

#[test]
fn a_damaged_header_or_damaged_claims_with_a_valid_signature_never_panic() {
    let issuer = TestIssuer::new();
    let auth = auth(&issuer, issuer.jwks());
    let claims = format!(
        r#"{{"iss":"{}","aud":["{API}"],"exp":4000000000,"iat":1,"scope":"a","cnf":{{}},"x":[{{"y":1.5e3}}]}}"#,
        issuer.identifier()
    );
    let header = br#"{"alg":"ES256","kid":"key-1","typ":"at+jwt","crit":["x"]}"#;
    let mut random = fastrand::Rng::with_seed(7519);
    for _ in 0..3_000 {
        let claims = damage(claims.as_bytes(), &mut random);
        let bearer = format!("Bearer {}", issuer.token(API).sign_claims(claims));
        assert!(status(&auth, bearer.as_bytes()).is_some());
        let header = damage(header, &mut random);
        let bearer = format!("Bearer {}", issuer.token(API).sign_header(header));
        assert!(status(&auth, bearer.as_bytes()).is_some());
    }
}

#[test]
fn a_damaged_key_set_never_panics_and_never_accepts_a_foreign_token() {
    let (issuer, other) = (TestIssuer::new(), TestIssuer::new());
    issuer.add_key(Algorithm::Ed25519);
    issuer.add_key(Algorithm::RS256);
    let foreign = format!("Bearer {}", other.token(API).sign());
    let jwks = issuer.jwks();
    let mut random = fastrand::Rng::with_seed(7517);
    for _ in 0..1_000 {
        let damaged = damage(jwks.as_bytes(), &mut random);
        let trusted = Issuer::with_static_jwks(issuer.identifier(), String::from_utf8_lossy(&damaged));
        let built = BearerAuth::builder(API).clock(issuer.clock()).issuer(trusted).build();
        assert!(built.is_err() || built.is_ok_and(|auth| status(&auth, foreign.as_bytes()) == Some(401)));
    }
}

/// Applies one to four changes: alters, removes, inserts or repeats bytes, or truncates the input.
fn damage(octets: &[u8], random: &mut fastrand::Rng) -> Vec<u8> {
    let mut damaged = octets.to_vec();
    for _ in 0..random.usize(1..5) {
        let place = random.usize(..damaged.len().max(1));
        let character = *random.choice(br#"Aaz09-_.=+/ "{}[]:,\e"#).unwrap();
        match random.u8(..6) {
            0 | 1 if place < damaged.len() => damaged[place] = character,
            2 if place < damaged.len() => drop(damaged.remove(place)),
            3 => damaged.insert(place, character),
            4 => damaged.extend_from_within(place..damaged.len().min(place + 20)),
            _ if random.u8(..20) == 0 => damaged.truncate(place),
            _ => damaged.insert(place, random.u8(b' '..=b'~')),
        }
    }
    damaged
}

fn auth(issuer: &TestIssuer, jwks: String) -> BearerAuth {
    let trusted = Issuer::with_static_jwks(issuer.identifier(), jwks);
    BearerAuth::builder(API).clock(issuer.clock()).issuer(trusted).build().unwrap()
}

/// The status of the response. `None` if the bytes are not a valid header value.
fn status(auth: &BearerAuth, authorization: &[u8]) -> Option<u16> {
    let mut request = Request::new(String::new());
    request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_bytes(authorization).ok()?);
    let mut service = auth.layer(service_fn(handle));
    let Poll::Ready(Ok(response)) = pin!(service.call(request)).poll(&mut Context::from_waker(Waker::noop()))
    else {
        panic!("with static keys, a request completes in one poll");
    };
    let is_rejected = response.extensions().get::<Rejection>().is_some();
    assert_eq!(is_rejected, response.status() != 200);
    Some(response.status().as_u16())
}

async fn handle(_: Request<String>) -> Result<Response<String>, Infallible> {
    Ok(Response::new(String::new()))
}
