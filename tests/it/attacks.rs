//! Attacks on the crate as a whole that once succeeded, each held off by a test.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::{Request, Response};
use serde_json::json;
use tower::{Layer, ServiceExt, service_fn};
use tower_bearer::middleware::ResponseBody;
use tower_bearer::testing::{Endpoint, Fault, TestIssuer};
use tower_bearer::time::Clock;
use tower_bearer::transport::{FetchFuture, FetchRequest, HttpClient};
use tower_bearer::{BearerAuth, Issuer, Rejection, TokenSource};

const API: &str = "https://api.example";

async fn send(auth: &BearerAuth, request: Request<()>) -> Response<ResponseBody<Body>> {
    let inner =
        service_fn(async |_: Request<()>| Ok::<_, std::convert::Infallible>(Response::new(Body::empty())));
    auth.layer(inner).oneshot(request).await.unwrap()
}

fn with(token: &str) -> Request<()> {
    Request::get("/").header("authorization", format!("Bearer {token}")).body(()).unwrap()
}

async fn outcome(auth: &BearerAuth, token: &str) -> String {
    let response = send(auth, with(token)).await;
    match response.extensions().get::<Rejection>() {
        None => "accepted".to_owned(),
        Some(rejection) => format!("{} {:?}", rejection.kind(), rejection.claim()),
    }
}

fn sign(idp: &TestIssuer, claims: &serde_json::Value) -> String {
    idp.token(API).header("typ", serde_json::Value::Null).sign_claims(claims.to_string())
}

fn now(idp: &TestIssuer) -> u64 {
    idp.clock().now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

#[tokio::test]
async fn an_id_token_that_says_so_in_token_use_is_refused() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth("app-client-id").build().unwrap();
    let t = now(&idp);
    let id = json!({"sub":"u","aud":"app-client-id","email_verified":true,"event_id":"e","token_use":"id",
        "auth_time":t,"iss":idp.identifier(),"cognito:username":"u","exp":t+3600,"iat":t,"email":"a@b"});
    assert_ne!(outcome(&auth, &sign(&idp, &id)).await, "accepted");
}
#[tokio::test]
async fn an_id_token_that_says_so_in_a_typ_claim_is_refused() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth("app").build().unwrap();
    let t = now(&idp);
    let id = json!({"exp":t+300,"iat":t,"auth_time":t,"jti":"j","iss":idp.identifier(),"aud":"app","sub":"u",
        "typ":"ID","azp":"app","sid":"s","acr":"1"});
    assert_ne!(outcome(&auth, &sign(&idp, &id)).await, "accepted");
}
#[tokio::test]
async fn a_refresh_token_that_is_a_jwt_is_refused() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).build().unwrap();
    for (name, kind) in [("typ", "Refresh"), ("typ", "Offline"), ("token_use", "refresh_token")] {
        let token = idp.token(API).claim(name, kind).sign();
        assert_eq!(outcome(&auth, &token).await, "type_mismatch None", "{name} {kind}");
    }
    for (name, kind) in [("typ", "Bearer"), ("token_use", "access"), ("token_use", "access_token")] {
        let token = idp.token(API).claim(name, kind).sign();
        assert_eq!(outcome(&auth, &token).await, "accepted", "{name} {kind}");
    }
}

#[tokio::test]
async fn a_refusal_of_a_get_is_no_200() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).build().unwrap();
    for ct in ["application/grpc", "application/grpcx"] {
        let r = send(&auth, Request::get("/").header("content-type", ct).body(()).unwrap()).await;
        assert_ne!(r.status(), 200, "{ct}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_endless_ttl_is_no_endless_fetching() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).jwks_ttl(Duration::MAX).build().unwrap();
    assert_eq!(outcome(&auth, &idp.token(API).sign()).await, "accepted");
    for _ in 0..2000 {
        tokio::task::yield_now().await;
    }
    let n = idp.requests(Endpoint::Jwks);
    assert!(
        n <= 2,
        "{n} fetches without a second gone by; promised {}/min",
        auth.bounds().max_calls_per_minute().unwrap()
    );
}
#[tokio::test(start_paused = true)]
async fn an_endless_wait_is_no_zero_wait() {
    let idp = TestIssuer::new();
    idp.set_fault(Endpoint::Jwks, Some(Fault::Delay(Duration::from_millis(100))));
    let auth = idp.bearer_auth(API).max_key_wait(Duration::MAX).build().unwrap();
    assert_eq!(outcome(&auth, &idp.token(API).sign()).await, "accepted");
}
#[tokio::test(start_paused = true)]
async fn an_endless_grace_is_no_zero_grace() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).jwks_stale_for(Duration::MAX).build().unwrap();
    assert_eq!(outcome(&auth, &idp.token(API).sign()).await, "accepted");
    idp.set_outage(Some(Fault::Refuse));
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(outcome(&auth, &idp.token(API).sign()).await, "accepted");
}
#[test]
fn a_request_outside_tokio_does_not_panic() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).build().unwrap();
    let rt = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    rt.block_on(auth.ready()).unwrap();
    idp.rotate_key();
    let mut fut = Box::pin(owned_outcome(auth, idp.token(API).sign()));
    let waker = std::task::Waker::noop();
    let mut cx = std::task::Context::from_waker(waker);
    let _ = fut.as_mut().poll(&mut cx);
}
async fn owned_outcome(auth: BearerAuth, token: String) -> String {
    outcome(&auth, &token).await
}
#[tokio::test(start_paused = true)]
async fn waiting_for_keys_holds_no_place_in_the_inner_service() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).build().unwrap();
    assert_eq!(outcome(&auth, &idp.token(API).sign()).await, "accepted");
    idp.set_fault(Endpoint::Jwks, Some(Fault::Hang));
    let inner = tower::limit::ConcurrencyLimit::new(
        service_fn(async |_: Request<()>| Ok::<_, std::convert::Infallible>(Response::new(Body::empty()))),
        1,
    );
    let service = auth.layer(inner);
    let forged = idp.token(API).header("kid", "nope").sign();
    let mut attacker = Box::pin(service.clone().oneshot(with(&forged)));
    assert!(futures_poll(&mut attacker).await);
    let good =
        tokio::time::timeout(Duration::from_secs(1), service.clone().oneshot(with(&idp.token(API).sign())))
            .await;
    assert!(good.is_ok(), "a good token waits for a forged one");
}
async fn futures_poll<F: Future + Unpin>(f: &mut F) -> bool {
    std::future::poll_fn(|cx| std::task::Poll::Ready(std::pin::Pin::new(&mut *f).poll(cx).is_pending())).await
}

#[tokio::test(start_paused = true)]
async fn a_rotation_without_kids_in_an_outage_is_no_invalid_token() {
    let idp = TestIssuer::new();
    let strip = |idp: &TestIssuer| {
        let mut v: serde_json::Value = serde_json::from_str(&idp.jwks()).unwrap();
        v["keys"].as_array_mut().unwrap().iter_mut().for_each(|k| {
            k.as_object_mut().unwrap().remove("kid");
        });
        v.to_string()
    };
    idp.set_jwks(Some(strip(&idp)));
    let auth = idp.bearer_auth(API).build().unwrap();
    let token = |idp: &TestIssuer| idp.token(API).header("kid", serde_json::Value::Null).sign();
    assert_eq!(outcome(&auth, &token(&idp)).await, "accepted");
    idp.set_outage(Some(Fault::Hang));
    idp.replace_key();
    let o = outcome(&auth, &token(&idp)).await;
    assert!(o.starts_with("keys_unavailable"), "slow: {o}");
    idp.set_outage(Some(Fault::Refuse));
    tokio::time::sleep(Duration::from_secs(60)).await;
    let o = outcome(&auth, &token(&idp)).await;
    assert!(o.starts_with("keys_unavailable"), "down: {o}");
}
#[tokio::test]
async fn add_audience_on_an_issuer_adds() {
    let idp = TestIssuer::new();
    let auth = BearerAuth::builder(API)
        .http_client(idp.http_client())
        .clock(idp.clock())
        .issuer(idp.issuer().add_audience("second"))
        .build()
        .unwrap();
    assert_eq!(outcome(&auth, &idp.token("second").sign()).await, "accepted");
    assert_eq!(outcome(&auth, &idp.token(API).sign()).await, "accepted");
}
#[tokio::test]
async fn require_claim_of_a_presence_claim_can_be_met() {
    let idp = TestIssuer::new();
    let auth = BearerAuth::builder(API)
        .http_client(idp.http_client())
        .clock(idp.clock())
        .issuer(idp.issuer().require_claim("nonce"))
        .build()
        .unwrap();
    assert_eq!(outcome(&auth, &idp.token(API).claim("nonce", "n").sign()).await, "accepted");
}

/// A server whose answers are scripted by URL.
type Script = dyn Fn(&Request<Bytes>) -> Response<Bytes> + Send + Sync;

/// Answers as a test says.
struct Scripted(Box<Script>);
impl HttpClient for Scripted {
    fn fetch(&self, request: FetchRequest) -> FetchFuture {
        let response = (self.0)(request.request());
        Box::pin(async move { Ok(response.into()) })
    }
}
fn not_found() -> Response<Bytes> {
    Response::builder().status(404).body(Bytes::new()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_jwks_uri_that_moves_is_followed() {
    let idp = TestIssuer::new();
    let old = idp.jwks();
    let moved = Arc::new(AtomicUsize::new(0));
    let (m, i, o) = (Arc::clone(&moved), idp.clone(), old.clone());
    let client = Scripted(Box::new(move |r| {
        let path = if m.load(Ordering::SeqCst) == 0 { "/jwks" } else { "/new" };
        match r.uri().path() {
            "/.well-known/openid-configuration" => Response::new(
                json!({"issuer": i.identifier(), "jwks_uri": format!("{}{path}", i.identifier())})
                    .to_string()
                    .into(),
            ),
            "/jwks" => Response::new(o.clone().into()), // still there, with the old keys
            "/new" => Response::new(i.jwks().into()),
            _ => not_found(),
        }
    }));
    let auth =
        BearerAuth::builder(API).issuer(idp.issuer()).clock(idp.clock()).http_client(client).build().unwrap();
    assert_eq!(outcome(&auth, &idp.token(API).sign()).await, "accepted");
    moved.store(1, Ordering::SeqCst);
    idp.rotate_key();
    for _ in 0..48 {
        tokio::time::sleep(Duration::from_secs(1800)).await;
        if outcome(&auth, &idp.token(API).sign()).await == "accepted" {
            return;
        }
    }
    panic!("a day later still {}", outcome(&auth, &idp.token(API).sign()).await);
}
#[tokio::test(start_paused = true)]
async fn a_constant_etag_does_not_hide_a_rotation_for_ever() {
    let idp = TestIssuer::new();
    let i = idp.clone();
    let client = Scripted(Box::new(move |r| match r.uri().path() {
        "/jwks" if r.headers().contains_key("if-none-match") => {
            Response::builder().status(304).body(Bytes::new()).unwrap()
        }
        "/jwks" => Response::builder().header("etag", "\"1\"").body(i.jwks().into()).unwrap(),
        "/.well-known/openid-configuration" => Response::new(
            json!({"issuer": i.identifier(), "jwks_uri": format!("{}/jwks", i.identifier())})
                .to_string()
                .into(),
        ),
        _ => not_found(),
    }));
    let auth =
        BearerAuth::builder(API).issuer(idp.issuer()).clock(idp.clock()).http_client(client).build().unwrap();
    assert_eq!(outcome(&auth, &idp.token(API).sign()).await, "accepted");
    idp.rotate_key();
    for _ in 0..48 {
        tokio::time::sleep(Duration::from_secs(1800)).await;
        if outcome(&auth, &idp.token(API).sign()).await == "accepted" {
            return;
        }
    }
    panic!("a day later still {}", outcome(&auth, &idp.token(API).sign()).await);
}

#[test]
fn a_password_in_a_url_is_not_in_the_error() {
    let e = BearerAuth::builder(API)
        .issuer(Issuer::with_jwks_url("i", "https://admin:hunter2@h.example/k?x=1"))
        .build()
        .unwrap_err();
    assert!(!e.to_string().contains("hunter2"), "{e}");
}
#[tokio::test]
async fn a_token_in_a_header_of_its_own_is_sensitive() {
    let idp = TestIssuer::new();
    let auth = idp
        .bearer_auth(API)
        .add_token_source(TokenSource::header(http::HeaderName::from_static("x-token")))
        .build()
        .unwrap();
    let inner = service_fn(async |r: Request<()>| {
        assert!(!format!("{:?}", r.headers()).contains("eyJ"), "the token shows");
        Ok::<_, std::convert::Infallible>(Response::new(Body::empty()))
    });
    let r = auth
        .layer(inner)
        .oneshot(Request::get("/").header("x-token", idp.token(API).sign()).body(()).unwrap())
        .await
        .unwrap();
    assert_eq!(r.status(), 200);
}
#[tokio::test]
async fn strip_credentials_strips_the_token() {
    let idp = TestIssuer::new();
    let auth = idp
        .bearer_auth(API)
        .strip_credentials()
        .add_token_source(TokenSource::header(http::HeaderName::from_static("x-token")))
        .build()
        .unwrap();
    let inner = service_fn(async |r: Request<()>| {
        assert!(r.headers().get("x-token").is_none(), "the token is passed on");
        Ok::<_, std::convert::Infallible>(Response::new(Body::empty()))
    });
    let r = auth
        .layer(inner)
        .oneshot(Request::get("/").header("x-token", idp.token(API).sign()).body(()).unwrap())
        .await
        .unwrap();
    assert_eq!(r.status(), 200);
}
#[tokio::test]
async fn explain_shows_no_control_characters_of_a_key_set() {
    let idp = TestIssuer::new();
    let mut v: serde_json::Value = serde_json::from_str(&idp.jwks()).unwrap();
    v["keys"][0]["kid"] = json!("\u{1b}[2Jall good");
    idp.set_jwks(Some(v.to_string()));
    let auth = idp.bearer_auth(API).build().unwrap();
    let text = auth.explain(&idp.token(API).sign()).await.to_string();
    assert!(!text.contains('\u{1b}'), "{text:?}");
}

#[tokio::test]
async fn the_stated_bound_of_a_revoked_token_holds() {
    let idp = TestIssuer::new();
    let auth = BearerAuth::builder(API)
        .http_client(idp.http_client())
        .clock(idp.clock())
        .issuer(idp.issuer().max_lifetime(Duration::from_secs(300)))
        .build()
        .unwrap();
    let t = now(&idp);
    let token = idp.token(API).claim("iat", t + 30).claim("exp", t + 330).sign();
    assert_eq!(outcome(&auth, &token).await, "accepted"); // and revoked now
    idp.clock().advance(auth.bounds().revoked_token().unwrap() + Duration::from_secs(1));
    assert_ne!(outcome(&auth, &token).await, "accepted");
}
#[tokio::test]
async fn max_age_bounds_a_revoked_token() {
    let idp = TestIssuer::new();
    let auth = BearerAuth::builder(API)
        .http_client(idp.http_client())
        .clock(idp.clock())
        .issuer(idp.issuer().max_age(Duration::from_secs(300)))
        .build()
        .unwrap();
    assert!(auth.bounds().revoked_token().is_some());
}
#[tokio::test]
async fn a_date_with_a_fraction_is_a_date() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).build().unwrap();
    let t = now(&idp) as f64;
    assert_eq!(
        outcome(&auth, &idp.token(API).claim("iat", t + 0.25).claim("exp", t + 300.5).sign()).await,
        "accepted"
    );
}
