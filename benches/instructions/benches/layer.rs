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
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use gungraun::Callgrind;
use gungraun::prelude::*;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use tower::{Layer, Service, service_fn};
use tower_bearer::dpop::Dpop;
use tower_bearer::testing::{DpopKey, TestIssuer};
use tower_bearer::{Algorithm, BearerAuth, Issuer};

use self::signature::{proof_checks, signature_check};
use self::token::API;

/// The tokens of the other benches.
#[path = "../../support/token.rs"]
#[allow(dead_code, reason = "the benches use all of it")]
mod token;

/// The signature checks of the other benches.
#[path = "../../support/signature.rs"]
#[allow(dead_code, reason = "the benches use all of it")]
mod signature;

type Body = Full<Bytes>;

library_benchmark_group!(
    name = requests,
    benchmarks = [accepted, rejected, no_layer, token_signature, proof_signature]
);
main!(
    config = LibraryBenchmarkConfig::default().tool(Callgrind::with_args(["--cache-sim=no"])),
    library_benchmark_groups = requests
);

#[library_benchmark]
#[bench::uncached(Case::uncached())]
#[bench::cached(Case::cached())]
#[bench::dpop_rs256(Case::dpop(Algorithm::RS256))]
#[bench::dpop_es256(Case::dpop(Algorithm::ES256))]
#[bench::dpop_ed25519(Case::dpop(Algorithm::Ed25519))]
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
    assert_eq!(status(service_fn(handle), &case.counted), 200);
    case
}

#[library_benchmark(setup = token_check)]
fn token_signature(check: Check) -> Check {
    check();
    check
}

#[library_benchmark(setup = proof_check)]
#[bench::rs256(Algorithm::RS256)]
#[bench::es256(Algorithm::ES256)]
#[bench::ed25519(Algorithm::Ed25519)]
fn proof_signature(check: Check) -> Check {
    check();
    check
}

/// The number of requests before the counted one.
const WARM_UP: usize = 3;

/// A request to count, and the requests before it.
struct Case {
    auth: BearerAuth,
    warm_up: [Credentials; WARM_UP],
    counted: Credentials,
}

/// The header values of one request.
#[derive(Clone, Default)]
struct Credentials {
    authorization: Option<HeaderValue>,
    proof: Option<HeaderValue>,
}

impl Case {
    /// The counted token is not in the cache.
    fn uncached() -> Self {
        Self::prepared(issuer(), |issuer| bearer(&signed(issuer)))
    }

    /// The counted token is in the cache.
    fn cached() -> Self {
        let issuer = issuer();
        let token = signed(&issuer);
        Self::prepared(issuer, move |_| bearer(&token))
    }

    /// The counted token is in the cache, and each request has a proof of its own.
    fn dpop(algorithm: Algorithm) -> Self {
        let issuer = issuer();
        let (key, token) = client(&issuer, algorithm);
        let header = |text: String| HeaderValue::try_from(text).ok();
        Self::prepared(issuer, move |_| Credentials {
            authorization: header(format!("DPoP {token}")),
            proof: header(proof(&key, &token)),
        })
    }

    fn no_header() -> Self {
        Self::prepared(issuer(), |_| Credentials::default())
    }

    fn garbage() -> Self {
        Self::prepared(issuer(), |_| bearer(&"x".repeat(8192)))
    }

    fn alg_none() -> Self {
        Self::prepared(issuer(), |issuer| {
            let token = signed(issuer);
            let (_, rest) = token.split_once('.').expect("a JWS");
            bearer(&format!("{}.{rest}", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#)))
        })
    }

    /// Sends the warm-up requests. `new` frees its temporary memory before the first of them: otherwise the
    /// allocator would consolidate it during the counted request.
    fn prepared(issuer: TestIssuer, credentials: impl Fn(&TestIssuer) -> Credentials) -> Self {
        let case = Self::new(issuer, credentials);
        for credentials in &case.warm_up {
            status(case.auth.layer(service_fn(handle)), credentials);
        }
        case
    }

    fn new(issuer: TestIssuer, credentials: impl Fn(&TestIssuer) -> Credentials) -> Self {
        let static_keys = Issuer::with_static_jwks(issuer.identifier(), issuer.jwks());
        let builder = BearerAuth::builder(API).clock(issuer.clock()).issuer(static_keys);
        let (warm_up, counted) = (array::from_fn(|_| credentials(&issuer)), credentials(&issuer));
        let builder = if counted.proof.is_some() { builder.dpop(Dpop::at(API)) } else { builder };
        Self { auth: builder.build().expect("a valid configuration"), warm_up, counted }
    }

    fn status(&self) -> u16 {
        status(self.auth.layer(service_fn(handle)), &self.counted)
    }
}

/// The status of the response, which must be ready at the first poll.
fn status<S, B>(mut service: S, credentials: &Credentials) -> u16
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    let mut request = Request::new(Body::default());
    if let Some(authorization) = &credentials.authorization {
        request.headers_mut().insert(AUTHORIZATION, authorization.clone());
    }
    if let Some(proof) = &credentials.proof {
        request.headers_mut().insert("dpop", proof.clone());
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
type Check = Box<dyn Fn()>;

fn token_check() -> Check {
    let issuer = issuer();
    let token = signed(&issuer);
    warmed_up(signature_check(&issuer, &token, Algorithm::RS256))
}

fn proof_check(algorithm: Algorithm) -> Check {
    let (key, token) = client(&issuer(), algorithm);
    let proofs: Vec<_> = (0..=WARM_UP).map(|_| proof(&key, &token)).collect();
    warmed_up(proof_checks(&key, algorithm, &proofs))
}

fn warmed_up(check: impl Fn() + 'static) -> Check {
    (0..WARM_UP).for_each(|_| check());
    Box::new(check)
}

/// An authorization server that signs with RS256.
fn issuer() -> TestIssuer {
    token::issuer(Algorithm::RS256)
}

fn signed(issuer: &TestIssuer) -> String {
    token::token(issuer).sign()
}

/// The key of a DPoP client, and a token that is bound to it.
fn client(issuer: &TestIssuer, algorithm: Algorithm) -> (DpopKey, String) {
    let key = DpopKey::with_algorithm(algorithm).clock(issuer.clock());
    let token = token::token(issuer).bound_to_key(&key).sign();
    (key, token)
}

/// A proof for the counted request, which has the path `/`.
fn proof(key: &DpopKey, token: &str) -> String {
    key.proof("GET", &format!("{API}/")).token(token).sign()
}

fn bearer(token: &str) -> Credentials {
    Credentials { authorization: Some(token::bearer(token)), proof: None }
}
