//! One request of each kind for callgrind: `../run`.
//!
//! A count covers the same as the times of the other benches: create a request, pass it to the layer, drop
//! the response.
//!
//! Valgrind emulates a CPU of 2014, without ADX, SHA and AVX-512 instructions. On it, aws-lc uses slower code
//! (`bn_sqr8x_internal`, `bn_mul4x_mont`, `sha256_block_data_order_avx`), which is the same on every machine
//! with AVX2.

use std::array;
use std::convert::Infallible;
use std::future::{Ready, ready};
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use gungraun::Callgrind;
use gungraun::prelude::*;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use serde_json::Value;
use tower::{Layer, Service, service_fn};
use tower_bearer::testing::TestIssuer;
use tower_bearer::{Algorithm, BearerAuth, Issuer};

use self::token::API;

/// The tokens of the other benches.
#[path = "../../support/token.rs"]
#[allow(dead_code, reason = "the benches use all of it")]
mod token;

type Body = Full<Bytes>;

library_benchmark_group!(name = requests, benchmarks = [accepted, rejected, no_layer, signature_check]);
main!(
    config = LibraryBenchmarkConfig::default().tool(Callgrind::with_args(["--cache-sim=no"])),
    library_benchmark_groups = requests
);

#[library_benchmark]
#[bench::uncached(Case::uncached())]
#[bench::cached(Case::cached())]
fn accepted(case: Case) -> Case {
    assert_eq!(case.status(), 200);
    case
}

#[library_benchmark]
#[bench::no_header(Case::no_header())]
#[bench::garbage(Case::garbage())]
#[bench::alg_none(Case::alg_none())]
fn rejected(case: Case) -> Case {
    assert_ne!(case.status(), 200);
    case
}

#[library_benchmark(setup = Case::cached)]
fn no_layer(case: Case) -> Case {
    assert_eq!(status(service_fn(handle), case.counted.as_ref()), 200);
    case
}

#[library_benchmark(setup = SignatureCheck::new)]
fn signature_check(check: SignatureCheck) -> SignatureCheck {
    check.run();
    check
}

/// A request to count, and the requests before it.
struct Case {
    auth: BearerAuth,
    warm_up: [Option<HeaderValue>; 3],
    counted: Option<HeaderValue>,
}

impl Case {
    /// The counted token is not in the cache.
    fn uncached() -> Self {
        Self::prepared(issuer(), |issuer| Some(signed(issuer)))
    }

    /// The counted token is in the cache.
    fn cached() -> Self {
        let issuer = issuer();
        let token = signed(&issuer);
        Self::prepared(issuer, move |_| Some(token.clone()))
    }

    fn no_header() -> Self {
        Self::prepared(issuer(), |_| None)
    }

    fn garbage() -> Self {
        Self::prepared(issuer(), |_| Some("x".repeat(8192)))
    }

    fn alg_none() -> Self {
        Self::prepared(issuer(), |issuer| {
            let token = signed(issuer);
            let (_, rest) = token.split_once('.').expect("a JWS");
            Some(format!("{}.{rest}", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#)))
        })
    }

    /// Sends the warm-up requests. `new` frees its temporary memory before the first of them: otherwise the
    /// allocator would consolidate it during the counted request.
    fn prepared(issuer: TestIssuer, token: impl Fn(&TestIssuer) -> Option<String>) -> Self {
        let case = Self::new(issuer, token);
        for authorization in &case.warm_up {
            status(case.auth.layer(service_fn(handle)), authorization.as_ref());
        }
        case
    }

    fn new(issuer: TestIssuer, token: impl Fn(&TestIssuer) -> Option<String>) -> Self {
        let static_keys = Issuer::with_static_jwks(issuer.identifier(), issuer.jwks());
        let auth = BearerAuth::builder(API).clock(issuer.clock()).issuer(static_keys).build();
        let header = |token| HeaderValue::try_from(format!("Bearer {token}")).expect("a header value");
        let authorization = || token(&issuer).map(header);
        Self {
            auth: auth.expect("a valid configuration"),
            warm_up: array::from_fn(|_| authorization()),
            counted: authorization(),
        }
    }

    fn status(&self) -> u16 {
        status(self.auth.layer(service_fn(handle)), self.counted.as_ref())
    }
}

/// The status of the response, which must be ready at the first poll.
fn status<S, B>(mut service: S, authorization: Option<&HeaderValue>) -> u16
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    let mut request = Request::new(Body::default());
    if let Some(authorization) = authorization {
        request.headers_mut().insert(AUTHORIZATION, authorization.clone());
    }
    match pin!(service.call(request)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(response)) => response.status().as_u16(),
        Poll::Pending => panic!("a request with a cached key completes at the first poll"),
    }
}

fn handle(_: Request<Body>) -> Ready<Result<Response<Body>, Infallible>> {
    ready(Ok(Response::new(Body::default())))
}

/// A signature check without the rest of the validation.
struct SignatureCheck {
    key: ParsedPublicKey,
    input: String,
    signature: Vec<u8>,
}

impl SignatureCheck {
    fn new() -> Self {
        let issuer = issuer();
        let token = signed(&issuer);
        let (input, signature) = token.rsplit_once('.').expect("a JWS");
        let octets = |text: &str| URL_SAFE_NO_PAD.decode(text).expect("base64url");
        let jwks: Value = serde_json::from_str(&issuer.jwks()).expect("JSON");
        let keys = jwks["keys"].as_array().expect("keys");
        let jwk = keys.iter().find(|key| key["kid"] == issuer.key_id()).expect("the signing key");
        let [n, e] = ["n", "e"].map(|name| octets(jwk[name].as_str().expect("a string")));
        let key = RsaPublicKeyComponents { n, e }.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256);
        let check = Self { key: key.expect("a key"), input: input.to_owned(), signature: octets(signature) };
        check.run();
        check
    }

    fn run(&self) {
        assert!(self.key.verify_sig(black_box(self.input.as_bytes()), &self.signature).is_ok());
    }
}

/// An authorization server that signs with RS256.
fn issuer() -> TestIssuer {
    token::issuer(Algorithm::RS256)
}

fn signed(issuer: &TestIssuer) -> String {
    token::token(issuer).sign()
}
