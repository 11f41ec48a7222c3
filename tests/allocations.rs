//! Limits on the allocations of a request, and on the memory of cached tokens.
//!
//! Only allocations of the test thread are counted.
#![cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]

#[path = "it/support/figure.rs"]
mod figure;

use std::convert::Infallible;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use allocation_counter::AllocationInfo;
use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_bearer::revocation::{Revocations, Revoke};
use tower_bearer::testing::TestIssuer;
use tower_bearer::transport::{FetchFuture, FetchRequest, FetchResponse, HttpClient, UrlKind};
use tower_bearer::{Algorithm, BearerAuth, ClientAuth, Introspection, Issuer, Require, TokenCache};

use figure::figure;

type Body = Full<Bytes>;

const API: &str = "https://api.example.com";

#[test]
fn an_uncached_token_costs_at_most_24_allocations_and_a_rejected_one_16() {
    let issuer = TestIssuer::new();
    let auth = auth(&issuer, TokenCache::new());
    let token =
        issuer.token(API).scope("orders:read orders:write").claim("azp", "frontend").claim("acr", "1");
    let expired_token = token.clone().expired().sign();
    let mut service = auth.layer(service_fn(handle));
    let mut count = |token: &str, expected: u16| {
        let header = format!("Bearer {token}");
        let bare = allocations(|| {
            status(&mut service_fn(handle), &header);
        });
        let cost = allocations(|| {
            assert_eq!(status(&mut service, &header), expected);
        });
        cost.count_total.saturating_sub(bare.count_total)
    };
    // The first request allocates what all requests share.
    count(&token.clone().claim("jti", "first").sign(), 200);
    let (expired, malformed) = (count(&expired_token, 401), count("", 400));
    let accepted = count(&token.sign(), 200);
    figure("memory", "allocations for an uncached token", accepted, "at most 24");
    figure("memory", "allocations for an expired token", expired, "at most 16");
    figure("memory", "allocations for a malformed token", malformed, "at most 5");
    assert_eq!(auth.cached_tokens(), 2);
    assert!(accepted <= 24, "{accepted}");
    assert!(expired <= 16, "{expired}");
    assert!(malformed <= 5, "{malformed}");
}

#[test]
fn a_cached_token_costs_at_most_3_allocations() {
    let issuer = TestIssuer::new();
    let auth = auth(&issuer, TokenCache::new());
    let header = format!("Bearer {}", issuer.token(API).scope("orders:read orders:write").sign());
    let more = added_allocations(&auth, &header);
    figure("memory", "allocations for a cached token", more, "at most 3");
    assert!(more <= 3, "{more}");
}

#[test]
fn a_step_up_requirement_costs_a_cached_token_no_allocation() {
    let issuer = TestIssuer::new();
    let auth = auth(&issuer, TokenCache::new());
    let token = issuer.token(API).claim("acr", "mfa").authenticated_ago(Duration::from_secs(60));
    let header = format!("Bearer {}", token.sign());
    let cost = |require: Require| {
        let mut service = auth.layer(require.layer(service_fn(handle)));
        for _ in 0..2 {
            assert_eq!(status(&mut service, &header), 200);
        }
        allocations(|| assert_eq!(status(&mut service, &header), 200)).count_total
    };
    let any_token = cost(Require::token());
    let step_up = cost(Require::token().acr_any(["mfa"]).authenticated_within(Duration::from_secs(300)));
    figure("memory", "allocations for a step-up requirement", step_up - any_token, "0");
    assert_eq!(step_up, any_token);
}

#[tokio::test]
async fn an_introspected_token_with_a_cached_response_costs_at_most_3_allocations() {
    let issuer = TestIssuer::new();
    let trusted = issuer.issuer().introspect(issuer.introspection().also_jwts());
    let builder = BearerAuth::builder(API).clock(issuer.clock()).http_client(issuer.http_client());
    let auth = builder.issuer(trusted).build().unwrap();
    let token = issuer.token(API).scope("orders:read orders:write");
    for (name, token) in [("opaque", token.opaque()), ("JWT", token.sign())] {
        let header = format!("Bearer {token}");
        let request = Request::builder().header(AUTHORIZATION, &header).body(Body::default()).unwrap();
        assert_eq!(auth.layer(service_fn(handle)).oneshot(request).await.unwrap().status(), 200);
        let more = added_allocations(&auth, &header);
        let quantity = format!("allocations for a token with a cached response, {name}");
        figure("memory", quantity, more, "at most 3");
        assert!(more <= 3, "{name}: {more}");
    }
}

/// An authorization server whose introspection response is always the same.
struct AlwaysResponds(&'static str);

impl HttpClient for AlwaysResponds {
    fn fetch(&self, _: FetchRequest) -> FetchFuture {
        let response = Response::new(Bytes::from_static(self.0.as_bytes()));
        Box::pin(async { Ok(FetchResponse::new(response)) })
    }
}

#[test]
fn the_first_introspected_token_of_each_of_100_issuers_takes_at_most_8_kb() {
    let active = r#"{"active":true,"aud":"https://api.example.com","exp":9999999999}"#;
    for (name, response, expected) in [("untrusted", r#"{"active":false}"#, 401), ("active", active, 200)] {
        let each = bytes_of_the_first_token(response, expected);
        figure("1.10", format_args!("bytes per issuer of its first {name} token"), each, "at most 8192");
        assert!(each <= 8 * 1024, "{name}: {each}");
    }
}

/// The memory that the first token of each of 100 issuers takes. The response about it is `response`.
fn bytes_of_the_first_token(response: &'static str, expected: u16) -> i64 {
    const ISSUERS: i64 = 100;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut builder = BearerAuth::builder(API).http_client(AlwaysResponds(response));
    for number in 0..ISSUERS {
        let url = format!("https://issuer-{number}.test");
        let introspection = Introspection::with(ClientAuth::secret_basic("api", "secret"))
            .endpoint(format!("{url}/introspect"))
            .opaque_prefix(format!("{number}_"));
        builder = builder.add_issuer(Issuer::without_keys(url).introspect(introspection));
    }
    let service = builder.build().unwrap().layer(service_fn(handle));
    let send = |token: String| {
        let request = Request::builder().header(AUTHORIZATION, format!("Bearer {token}"));
        let request = request.body(Body::default()).unwrap();
        assert_eq!(runtime.block_on(service.clone().oneshot(request)).unwrap().status(), expected);
    };
    let held = allocations(|| (0..ISSUERS).for_each(|number| send(format!("{number}_made-up"))));
    held.bytes_current / ISSUERS
}

/// An authorization server with one key set for every URL.
struct KeysEverywhere(Bytes);

impl HttpClient for KeysEverywhere {
    fn fetch(&self, request: FetchRequest) -> FetchFuture {
        let url = format!("{}/jwks", request.issuer());
        let metadata = format!(r#"{{"issuer":"{}","jwks_uri":"{url}"}}"#, request.issuer());
        let body = if request.url_kind() == UrlKind::Jwks { self.0.clone() } else { metadata.into() };
        Box::pin(async { Ok(FetchResponse::new(Response::new(body))) })
    }
}

/// Allocations of the backend in C are not counted.
#[test]
fn an_idle_issuer_takes_at_most_8_kb() {
    const ISSUERS: usize = 1_000;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    let (runtime, idp) = (runtime.unwrap(), TestIssuer::new());
    idp.rotate_key_to(Algorithm::RS256);
    let builder = BearerAuth::builder(API).http_client(KeysEverywhere(idp.jwks().into()));
    let auth = builder.allow_no_issuer().build().unwrap();
    let issuers = auth.issuers();
    let url = |number: usize| format!("https://login.example.com/realms/tenant-{number}");
    let each = |info: AllocationInfo| info.bytes_current / i64::try_from(ISSUERS).unwrap();
    let added = each(allocations(|| {
        (0..ISSUERS).for_each(|number| issuers.add(Issuer::discover(url(number))).unwrap());
    }));
    let used = each(allocations(|| {
        runtime.block_on(async {
            auth.ready_all().await.unwrap();
            // Nobody uses the keys, so the refresh tasks end.
            tokio::time::sleep(Duration::from_secs(3600)).await;
        });
    }));
    let both = format!("{added} + {used}");
    figure("memory", "bytes of an issuer that was added, and of its keys", both, "at most 8192");
    assert!(added + used <= 8 * 1024, "{added} + {used}");
    let left = each(allocations(|| {
        (0..ISSUERS).for_each(|number| assert!(issuers.remove(&url(number))));
    }));
    figure("memory", "bytes of an issuer that was removed", added + used + left, "at most 512");
    assert!(added + used + left <= 512, "{added} + {used} {left}");
}

/// Tokens of an attacker take no memory.
#[test]
fn a_cached_token_of_1_kb_takes_at_most_2_kb_and_a_rejected_one_nothing() {
    const TOKENS: i64 = 300;
    /// Their slots are allocated before the measurement: 32 bytes for each token that the cache has room for.
    const EARLIER_TOKENS: i64 = 200;
    const SLOT_BYTES: i64 = 32;
    let issuer = TestIssuer::new();
    issuer.rotate_key_to(Algorithm::RS256);
    let auth = auth(&issuer, TokenCache::new().max_tokens(2_000));
    let mut service = auth.layer(service_fn(handle));
    let mut held = |tokens: &[String], expected: u16| {
        let headers: Vec<String> = tokens.iter().map(|token| format!("Bearer {token}")).collect();
        allocations(|| {
            for header in &headers {
                assert_eq!(status(&mut service, header), expected);
            }
        })
        .bytes_current
    };
    let token =
        |number: i64| issuer.token(API).scope("orders:read").claim("n", number).claim("x", "x".repeat(255));
    let earlier: Vec<String> = (1..=EARLIER_TOKENS).map(|number| token(-number).sign()).collect();
    held(&earlier, 200);
    let tokens: Vec<String> = (0..TOKENS).map(|number| token(number).sign()).collect();
    let mean = tokens.iter().map(String::len).sum::<usize>() / tokens.len();
    assert!((1_000..=1_024).contains(&mean), "{mean}");
    let each = held(&tokens, 200) / TOKENS + SLOT_BYTES;
    let quantity = format!("bytes of a cached token of {mean} bytes, with its slot");
    figure("memory", quantity, each, "at most 2048");
    assert_eq!(auth.cached_tokens(), 500);
    assert!(each <= 2_048, "{each}");
    let forged: Vec<String> = tokens.iter().map(|token| token.replacen('.', ".e", 1)).collect();
    assert_eq!(held(&forged, 401), 0);
    assert_eq!(auth.cached_tokens(), 500);
}

#[test]
fn a_revocation_takes_at_most_256_bytes_and_no_allocation_of_a_request() {
    const ENTRIES: u32 = 10_000;
    let issuer = TestIssuer::new();
    let revocations = Revocations::new();
    let trusted = Issuer::with_static_jwks(issuer.identifier(), issuer.jwks());
    let builder = BearerAuth::builder(API).clock(issuer.clock()).issuer(trusted);
    let auth = builder.revocations(revocations.clone()).build().unwrap();
    let mut service = auth.layer(service_fn(handle));
    let header = format!("Bearer {}", issuer.token(API).subject("alice").claim("sid", "s").sign());
    let mut count = || {
        assert_eq!(status(&mut service, &header), 200);
        allocations(|| assert_eq!(status(&mut service, &header), 200)).count_total
    };
    let empty = count();
    let held = allocations(|| {
        for number in 0..ENTRIES {
            let sub = format!("user-{number}");
            revocations.revoke(Revoke::subject(issuer.identifier(), sub)).unwrap();
        }
    });
    let each = held.bytes_current / i64::from(ENTRIES);
    figure("memory", "bytes of a revocation", each, "at most 256");
    revocations.revoke(Revoke::session(issuer.identifier(), "other")).unwrap();
    assert_eq!(count(), empty);
    assert!(each <= 256, "{each}");
}

/// With 4 KB more of claims, the memory may grow by one copy of the decoded claims and one of the encoded
/// token.
#[test]
fn the_claims_are_decoded_and_copied_once() {
    let issuer = TestIssuer::new();
    let auth = auth(&issuer, TokenCache::disabled());
    let mut service = auth.layer(service_fn(handle));
    let mut measure = |bytes: usize| {
        let token = issuer.token(API).claim("ext", "x".repeat(bytes)).sign();
        let header = format!("Bearer {token}");
        assert_eq!(status(&mut service, &header), 200);
        // The header value is a copy of the token that the test makes.
        let copies = u64::try_from(header.len()).unwrap();
        let info = allocation_counter::measure(|| {
            status(&mut service, &header);
        });
        (info.count_total, info.bytes_total - copies, u64::try_from(token.len()).unwrap() * 3 / 4)
    };
    let (small, large) = (measure(1024), measure(5 * 1024));
    let more = |part: fn((u64, u64, u64)) -> u64| part(large) - part(small);
    let (claims, token) = (more(|(_, _, claims)| claims), more(|(_, _, claims)| claims) * 4 / 3);
    let (bytes, most) = (more(|(_, bytes, _)| bytes), (claims + token) * 11 / 10);
    figure("memory", "bytes allocated more for 4 KB more of claims", bytes, format_args!("at most {most}"));
    assert!(bytes <= most, "{small:?} {large:?}");
}

fn auth(issuer: &TestIssuer, cache: TokenCache) -> BearerAuth {
    let trusted = Issuer::with_static_jwks(issuer.identifier(), issuer.jwks());
    let builder = BearerAuth::builder(API).clock(issuer.clock()).token_cache(cache);
    builder.issuer(trusted).build().unwrap()
}

/// The allocations that `BearerAuth` adds to a request with a cached token.
fn added_allocations(auth: &BearerAuth, header: &str) -> u64 {
    let bare = allocations(|| {
        status(&mut service_fn(handle), header);
    });
    let mut service = auth.layer(service_fn(handle));
    for _ in 0..2 {
        assert_eq!(status(&mut service, header), 200);
    }
    let cost = allocations(|| {
        status(&mut service, header);
    });
    cost.count_total.saturating_sub(bare.count_total)
}

fn allocations(call: impl FnOnce()) -> AllocationInfo {
    allocation_counter::measure(call)
}

fn status<S, B>(service: &mut S, authorization: &str) -> u16
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible>,
{
    let mut request = Request::new(Body::default());
    if !authorization.is_empty() {
        request.headers_mut().insert(AUTHORIZATION, HeaderValue::try_from(authorization).unwrap());
    }
    match pin!(service.call(request)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(response)) => response.status().as_u16(),
        Poll::Pending => panic!("with cached keys, a request completes in one poll"),
    }
}

async fn handle(_: Request<Body>) -> Result<Response<Body>, Infallible> {
    Ok(Response::new(Body::default()))
}
