//! What the layer costs, as ratios within one run: `cargo bench --bench layer`.
//!
//! Each case is timed in turn with its yardstick, many short batches of both, and the median of
//! the ratios is shown; a slow spell of the machine hits both. Allocations are counted by a test of
//! their own, since counting them takes time.
//! `ROUNDS` in the environment sets the number of batches (400).

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use aws_lc_rs::signature::{self, ParsedPublicKey, RsaPublicKeyComponents, VerificationAlgorithm};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use serde_json::Value;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_bearer::testing::TestIssuer;
use tower_bearer::{Algorithm, BearerAuth, Issuer};

const API: &str = "https://api.example.com";

type Body = Full<Bytes>;

fn main() {
    let issuer = TestIssuer::new();
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        issuer.rotate_key_to(algorithm);
        accepted_and_forged(&issuer, algorithm);
    }
    issuer.rotate_key_to(Algorithm::RS256);
    refused_without_signature(&issuer);
    introspected(&issuer);
    growth(&issuer);
}

/// Against the raw check of the signature, with a key that was parsed once.
fn accepted_and_forged(issuer: &TestIssuer, algorithm: Algorithm) {
    let token = token(issuer);
    let raw = Raw::new(issuer, &token, algorithm);
    let auth = auth(issuer);
    let case = Case::new(&auth, &token);
    compare(&format!("{algorithm}: whole layer / raw check"), || case.accepted(), || raw.verify(), 20);
    let forged = Case::new(&auth, &forge(&token));
    compare(&format!("{algorithm}: bad signature / raw check"), || forged.refused(), || raw.verify(), 20);
}

/// Against the same service without any layer.
fn refused_without_signature(issuer: &TestIssuer) {
    let auth = auth(issuer);
    let token = token(issuer);
    let unsigned = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
    let rest = token.split_once('.').map(|(_, rest)| rest.to_owned()).unwrap_or_default();
    for (name, token) in [
        ("8 KB of garbage", "x".repeat(8192)),
        ("over the size limit", "x".repeat(20_000)),
        ("alg none", format!("{unsigned}.{rest}")),
    ] {
        let case = Case::new(&auth, &token);
        compare(&format!("{name} / no auth"), || case.refused(), no_auth, 500);
    }
    let case = Case { auth, authorization: None };
    compare("no header / no auth", || case.refused(), no_auth, 500);
}

/// One issuer against many, one key against many.
fn introspected(issuer: &TestIssuer) {
    let token = issuer.token(API).scope("openid profile email orders:read orders:write");
    let auth = auth_asking(issuer);
    let opaque = Case::new(&auth, &token.opaque());
    opaque.ask_once();
    compare("opaque token, answer remembered / no auth", || opaque.accepted(), no_auth, 200);
    let jwt = Case::new(&auth, &token.sign());
    jwt.ask_once();
    let alone = Case::new(&self::auth(issuer), &token.sign());
    compare("RS256, answer remembered / not introspected", || jwt.accepted(), || alone.accepted(), 20);
}

fn growth(issuer: &TestIssuer) {
    let token = token(issuer);
    let (few, many) = (auth(issuer), auth_among(issuer, 10_000));
    let (few, many) = (Case::new(&few, &token), Case::new(&many, &token));
    compare("10 000 issuers / 1 issuer", || many.accepted(), || few.accepted(), 20);
    let keys = auth_with_keys(issuer, 1_000);
    let keys = Case::new(&keys, &token);
    compare("1 000 keys / as published", || keys.accepted(), || few.accepted(), 20);
}

/// About 590 bytes of claims, as a common server writes them.
fn token(issuer: &TestIssuer) -> String {
    let roles: Vec<Value> =
        ["offline_access", "uma_authorization", "default-roles-acme"].map(Value::from).into();
    issuer
        .token(API)
        .subject("f1b7c0e2-5a7d-4d0e-9a55-3c1b7d6a8e21")
        .scope("openid profile email orders:read orders:write")
        .claim("azp", "orders-frontend")
        .claim("sid", "8d6fb5a0-0c0e-4a52-93b0-2c55b8a3a1c4")
        .claim("acr", "1")
        .claim("email_verified", true)
        .claim("name", "Ada Lovelace")
        .claim("preferred_username", "ada")
        .claim("email", "ada@example.com")
        .claim("realm_access", serde_json::json!({ "roles": roles }))
        .sign()
}

/// The last character of the signature's first half altered.
fn forge(token: &str) -> String {
    let (input, signature) = token.rsplit_once('.').expect("a JWS");
    let mut octets = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    octets[10] ^= 1;
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(octets))
}

fn auth(issuer: &TestIssuer) -> BearerAuth {
    auth_among(issuer, 1)
}

/// Asks the issuer about every token, and remembers what it says for an hour.
fn auth_asking(issuer: &TestIssuer) -> BearerAuth {
    let introspection = issuer.introspection().also_jwts().active_ttl(Duration::from_secs(3600));
    let trusted = Issuer::with_static_jwks(issuer.identifier(), issuer.jwks()).introspect(introspection);
    let builder = BearerAuth::builder(API).clock(issuer.clock()).http_client(issuer.http_client());
    builder.issuer(trusted).build().expect("a good configuration")
}

fn auth_among(issuer: &TestIssuer, issuers: usize) -> BearerAuth {
    let jwks = issuer.jwks();
    let mut builder = BearerAuth::builder(API).clock(issuer.clock());
    builder = builder.issuer(Issuer::with_static_jwks(issuer.identifier(), jwks.clone()));
    for other in 1..issuers {
        // The same keys will do: only the number of issuers counts here.
        let identifier = format!("https://issuer-{other}.test");
        builder =
            builder.issuer(Issuer::with_static_jwks(identifier, jwks.clone()).algorithms([Algorithm::ES256]));
    }
    builder.build().expect("a good configuration")
}

fn auth_with_keys(issuer: &TestIssuer, keys: usize) -> BearerAuth {
    let mut jwks: Value = serde_json::from_str(&issuer.jwks()).expect("JSON");
    let list = jwks["keys"].as_array_mut().expect("keys");
    let one = list[0].clone();
    for number in 0..keys {
        let mut key = one.clone();
        key["kid"] = Value::from(format!("other-{number}"));
        list.push(key);
    }
    let issuer_of = Issuer::with_static_jwks(issuer.identifier(), jwks.to_string());
    BearerAuth::builder(API).clock(issuer.clock()).issuer(issuer_of).build().expect("a good configuration")
}

/// One request, over and over.
struct Case {
    auth: BearerAuth,
    authorization: Option<HeaderValue>,
}

impl Case {
    fn new(auth: &BearerAuth, token: &str) -> Self {
        let authorization = HeaderValue::try_from(format!("Bearer {token}")).expect("a header value");
        Self { auth: auth.clone(), authorization: Some(authorization) }
    }

    /// Until the issuer has answered.
    fn ask_once(&self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let response = runtime.block_on(self.auth.layer(service_fn(handle)).oneshot(self.request()));
        assert_eq!(response.expect("infallible").status(), 200);
    }

    fn accepted(&self) {
        assert_eq!(self.status(), 200);
    }

    fn refused(&self) {
        assert_ne!(self.status(), 200);
    }

    fn status(&self) -> u16 {
        let mut service = self.auth.layer(service_fn(handle));
        finish(service.call(self.request())).status().as_u16()
    }

    fn request(&self) -> Request<Body> {
        let mut request = Request::new(Body::default());
        if let Some(authorization) = &self.authorization {
            request.headers_mut().insert(AUTHORIZATION, authorization.clone());
        }
        request
    }
}

fn no_auth() {
    let mut service = service_fn(handle);
    let mut request = Request::new(Body::default());
    request.headers_mut().insert(AUTHORIZATION, HeaderValue::from_static("Bearer x"));
    black_box(finish(service.call(request)));
}

fn handle(_: Request<Body>) -> Ready<Result<Response<Body>, Infallible>> {
    ready(Ok(Response::new(Body::default())))
}

/// The response, which must be there at the first poll.
fn finish<B>(future: impl Future<Output = Result<Response<B>, Infallible>>) -> Response<B> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(response)) => response,
        Poll::Pending => panic!("with the key held, one poll finishes the request"),
    }
}

/// The signature check alone.
struct Raw {
    key: ParsedPublicKey,
    input: String,
    signature: Vec<u8>,
}

impl Raw {
    fn new(issuer: &TestIssuer, token: &str, algorithm: Algorithm) -> Self {
        let (input, signature) = token.rsplit_once('.').expect("a JWS");
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
        let jwks: Value = serde_json::from_str(&issuer.jwks()).expect("JSON");
        let keys = jwks["keys"].as_array().expect("keys");
        let jwk = keys.iter().find(|key| key["kid"] == issuer.key_id()).expect("the signing key");
        let octets =
            |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap_or_default()).expect("base64url");
        let parse = |of: &'static dyn VerificationAlgorithm, key: Vec<u8>| {
            ParsedPublicKey::new(of, key).expect("a key")
        };
        let key = match algorithm {
            Algorithm::RS256 => RsaPublicKeyComponents { n: octets("n"), e: octets("e") }
                .to_parsed_public_key(&signature::RSA_PKCS1_2048_8192_SHA256)
                .expect("a key"),
            Algorithm::ES256 => {
                let point = [vec![4], octets("x"), octets("y")].concat();
                parse(&signature::ECDSA_P256_SHA256_FIXED, point)
            }
            _ => parse(&signature::ED25519, octets("x")),
        };
        Self { key, input: input.to_owned(), signature }
    }

    fn verify(&self) {
        assert!(self.key.verify_sig(black_box(self.input.as_bytes()), &self.signature).is_ok());
    }
}

/// Times `measured` and `yardstick` in turn and prints the median of the ratios.
fn compare(name: &str, measured: impl Fn(), yardstick: impl Fn(), batch: u32) {
    let rounds = rounds();
    let mut samples: Vec<(f64, f64, f64)> = (0..rounds)
        .map(|_| {
            let (measured, yardstick) = (time(&measured, batch), time(&yardstick, batch));
            (measured / yardstick, measured, yardstick)
        })
        .collect();
    samples.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (ratio, measured, yardstick) = samples[rounds / 2];
    let (low, high) = (samples[rounds / 10].0, samples[rounds * 9 / 10].0);
    println!("{name}: {ratio:.3} ({low:.3} to {high:.3}); {measured:.0} ns / {yardstick:.0} ns");
}

/// How many batches of each: the environment variable `ROUNDS`, or 400.
fn rounds() -> usize {
    std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(400)
}

/// Nanoseconds of one call, from a batch.
fn time(call: impl Fn(), batch: u32) -> f64 {
    let start = Instant::now();
    (0..batch).for_each(|_| call());
    start.elapsed().as_secs_f64() * 1e9 / f64::from(batch)
}
