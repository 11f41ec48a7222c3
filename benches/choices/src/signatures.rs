//! An uncached token: the raw signature check, `jsonwebtoken::decode`, and the whole layer without its token
//! cache.
//!
//! Where `jsonwebtoken` 11.1 spends time beyond the signature check, with a `DecodingKey` that is built once:
//!
//! - The key is parsed for every token. `DecodingKey` (`src/decoding.rs`) stores bytes. For RSA, `verify_rsa`
//!   in `src/crypto/aws_lc/rsa.rs` calls `RsaPublicKeyComponents::verify`, which builds the key. For ECDSA
//!   and EdDSA, `Verifier::verify` in `src/crypto/aws_lc/{ecdsa,eddsa}.rs` calls `verify_sig` with those
//!   bytes.
//! - The key is cloned and a verifier is boxed for every token: the `new` functions of these three files
//!   clone the `DecodingKey` (zeroized when dropped), and `new_verifier` in `src/crypto/aws_lc/mod.rs` boxes
//!   the verifier.
//! - The header is decoded and deserialized twice: `decode` in `src/decoding.rs` calls `decode_header`, then
//!   `verify_signature`, and both call `Header::from_encoded` (`src/header.rs`).
//! - The claims are deserialized twice: `decode` calls `DecodedJwtPartClaims::deserialize`
//!   (`src/serialization.rs`) for the caller's type and again for `ClaimsForValidation`
//!   (`src/validation.rs`).
//!
//! A custom `CryptoProvider` (`src/crypto/mod.rs`) cannot keep parsed keys either: its `verifier_factory` is
//! a plain function pointer that receives the `DecodingKey`, so parsed keys would need a global table.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use aws_lc_rs::signature::{
    self, ParsedPublicKey, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use jsonwebtoken::dangerous::insecure_decode_claims;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde::Deserialize;
use serde_json::Value;
use tower::{Layer, Service, service_fn};
use tower_bearer::testing::TestIssuer;
use tower_bearer::{Algorithm, BearerAuth, Issuer, TokenCache};

use crate::rounds::{Candidate, run};
use crate::table::Table;
use crate::token::{API, bearer, issuer, token};

/// Different tokens, so that no candidate sees the same token in every call.
const TOKENS: usize = 64;

/// The claims that a typical API reads.
#[derive(Deserialize)]
#[allow(dead_code, reason = "only deserialized")]
struct Claims {
    iss: String,
    sub: String,
    aud: String,
    exp: u64,
    iat: u64,
    jti: String,
    azp: String,
    scope: String,
}

/// One token in the form that each candidate takes.
struct Sample {
    jwt: String,
    signing_input: String,
    signature: Vec<u8>,
    authorization: HeaderValue,
}

/// Prints the rows of all three algorithms.
pub(crate) fn measure(table: &Table) {
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        measure_algorithm(table, algorithm);
    }
}

fn measure_algorithm(table: &Table, algorithm: Algorithm) {
    let issuer = issuer(algorithm);
    let samples: Vec<Sample> = (0..TOKENS).map(|_| Sample::new(&token(&issuer).sign())).collect();
    let jwk = signing_jwk(&issuer);
    let (parsed, unparsed) = (parse(&jwk, algorithm), Unparsed::new(&jwk, algorithm));
    let decoding_key = decoding_key(&jwk);
    let validation = validation(&issuer, algorithm);
    let mut layer = layer_without_cache(&issuer).layer(service_fn(respond));
    let mut open = service_fn(respond);

    let candidates = [
        calls("signature check, parsed key", &samples, |token| {
            assert!(parsed.verify_sig(token.signing_input.as_bytes(), &token.signature).is_ok());
        }),
        calls("signature check, key parsed for each token", &samples, |token| {
            assert!(unparsed.verify(token.signing_input.as_bytes(), &token.signature));
        }),
        calls("`jsonwebtoken::decode`", &samples, |token| {
            black_box(decode::<Claims>(&token.jwt, &decoding_key, &validation).expect("a valid token"));
        }),
        calls("whole layer, uncached", &samples, |token| {
            assert_eq!(status(&mut layer, &token.authorization), 200);
        }),
        calls("no layer", &samples, |token| {
            assert_eq!(status(&mut open, &token.authorization), 200);
        }),
        calls("`jsonwebtoken`: header read once", &samples, |token| {
            black_box(decode_header(&token.jwt).expect("a valid header"));
        }),
        calls("`jsonwebtoken`: claims read once", &samples, |token| {
            black_box(insecure_decode_claims::<Claims>(&token.jwt).expect("valid claims"));
        }),
    ];
    let [raw, reparsed, jsonwebtoken, layer, open, header, claims] = run(table.rounds, candidates);
    let group = algorithm.to_string();
    table.compare(&group, &reparsed, &raw);
    table.compare(&group, &jsonwebtoken, &raw);
    table.compare(&group, &layer, &raw);
    table.compare(&group, &jsonwebtoken, &layer);
    for part in [&header, &claims, &open] {
        table.share(&group, part, &raw);
    }
}

/// A candidate that takes the tokens in turn.
fn calls<'a>(name: &str, samples: &'a [Sample], mut call: impl FnMut(&Sample) + 'a) -> Candidate<'a> {
    let mut turns = samples.iter().cycle();
    Candidate::calls(name, move || call(black_box(turns.next().expect("at least one token"))))
}

impl Sample {
    fn new(jwt: &str) -> Self {
        let (signing_input, signature) = jwt.rsplit_once('.').expect("a JWS");
        let authorization = bearer(jwt);
        // The first clone allocates, later ones do not.
        drop(authorization.clone());
        Self {
            jwt: jwt.to_owned(),
            signing_input: signing_input.to_owned(),
            signature: octets(signature),
            authorization,
        }
    }
}

/// A key that is parsed in each check.
enum Unparsed {
    Rsa(RsaPublicKeyComponents<Vec<u8>>),
    Other(UnparsedPublicKey<Vec<u8>>),
}

impl Unparsed {
    fn new(jwk: &Value, algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::RS256 => Self::Rsa(rsa_components(jwk)),
            Algorithm::ES256 => {
                Self::Other(UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point(jwk)))
            }
            _ => Self::Other(UnparsedPublicKey::new(&signature::ED25519, octets(member(jwk, "x")))),
        }
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Rsa(key) => key.verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok(),
            Self::Other(key) => key.verify(message, signature).is_ok(),
        }
    }
}

fn parse(jwk: &Value, algorithm: Algorithm) -> ParsedPublicKey {
    let parse = |by: &'static dyn VerificationAlgorithm, key: Vec<u8>| ParsedPublicKey::new(by, key);
    let key = match algorithm {
        Algorithm::RS256 => rsa_components(jwk).to_parsed_public_key(&signature::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::ES256 => parse(&signature::ECDSA_P256_SHA256_FIXED, point(jwk)),
        _ => parse(&signature::ED25519, octets(member(jwk, "x"))),
    };
    key.expect("a valid key")
}

/// Built once, outside the measured calls. Selecting it by `kid` is not measured either; a real caller of
/// `jsonwebtoken` reads the header once more for that.
fn decoding_key(jwk: &Value) -> DecodingKey {
    let jwk = serde_json::from_value(jwk.clone()).expect("a valid JWK");
    DecodingKey::from_jwk(&jwk).expect("a valid key")
}

fn validation(issuer: &TestIssuer, algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(match algorithm {
        Algorithm::RS256 => jsonwebtoken::Algorithm::RS256,
        Algorithm::ES256 => jsonwebtoken::Algorithm::ES256,
        _ => jsonwebtoken::Algorithm::EdDSA,
    });
    validation.set_audience(&[API]);
    validation.set_issuer(&[issuer.identifier()]);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    validation.validate_nbf = true;
    validation
}

fn layer_without_cache(issuer: &TestIssuer) -> BearerAuth {
    let trusted = Issuer::with_static_jwks(issuer.identifier(), issuer.jwks());
    let auth = BearerAuth::builder(API).issuer(trusted).token_cache(TokenCache::disabled()).build();
    auth.expect("a valid configuration")
}

/// Sends one request and returns the status of the response, which is ready at the first poll.
fn status<S, B>(service: &mut S, authorization: &HeaderValue) -> u16
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible>,
{
    let mut request = Request::new(Full::default());
    request.headers_mut().insert(AUTHORIZATION, authorization.clone());
    match pin!(service.call(request)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(response)) => black_box(response).status().as_u16(),
        Poll::Pending => panic!("static keys are available at the first poll"),
    }
}

fn respond(_: Request<Full<Bytes>>) -> Ready<Result<Response<Full<Bytes>>, Infallible>> {
    ready(Ok(Response::new(Full::default())))
}

fn signing_jwk(issuer: &TestIssuer) -> Value {
    let jwks: Value = serde_json::from_str(&issuer.jwks()).expect("JSON");
    let keys = jwks["keys"].as_array().expect("keys");
    keys.iter().find(|key| key["kid"] == issuer.key_id()).expect("the signing key").clone()
}

fn rsa_components(jwk: &Value) -> RsaPublicKeyComponents<Vec<u8>> {
    RsaPublicKeyComponents { n: octets(member(jwk, "n")), e: octets(member(jwk, "e")) }
}

/// The uncompressed point (SEC 1, section 2.3.3).
fn point(jwk: &Value) -> Vec<u8> {
    [vec![4], octets(member(jwk, "x")), octets(member(jwk, "y"))].concat()
}

fn member<'a>(jwk: &'a Value, name: &str) -> &'a str {
    jwk[name].as_str().expect("a string")
}

fn octets(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).expect("base64url")
}
