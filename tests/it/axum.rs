//! The extractors for axum handlers.

use std::future::ready;

use axum::body::Body;
use axum::routing::{any, get};
use axum::{Router, middleware};
use http::Request;
use serde::Deserialize;
use tower_bearer::testing::TestIssuer;
use tower_bearer::{AccessToken, Claims, RejectionKind, Require};
use tower_http::cors::CorsLayer;
use tower_http::trace::TraceLayer;
use tracing::Level;

use crate::support::events::Log;
use crate::support::protected::{API, Answer, anonymous, get as with_token, send};

#[derive(Debug, Deserialize)]
struct Tenant {
    tenant: String,
}

fn routes() -> Router {
    Router::new()
        .route("/me", get(async |token: AccessToken| token.subject().unwrap_or_default().to_owned()))
        .route("/tenant", any(async |Claims(claims): Claims<Tenant>| claims.tenant.clone()))
        .route(
            "/",
            get(async |token: Option<AccessToken>| match token {
                Some(token) => token.subject().unwrap_or_default().to_owned(),
                None => "nobody".to_owned(),
            }),
        )
        .route("/orders", any(async || "orders").layer(Require::scope("orders")))
}

async fn ask(app: &Router, path: &str, token: Option<String>) -> Answer {
    let mut request: Request<Body> = token.map_or_else(|| anonymous("GET"), with_token).map(Body::new);
    *request.uri_mut() = path.parse().unwrap();
    send(app.clone(), request).await
}

/// The kind of the refusal, which is as the table of answers says.
fn refused(answer: &Answer) -> String {
    let kind = answer.rejection().expect("it is refused").kind().as_str();
    assert_eq!(answer.kind(), kind);
    kind.to_owned()
}

#[tokio::test(start_paused = true)]
async fn handlers_take_the_token_and_its_claims() {
    let idp = TestIssuer::new();
    let app = routes().layer(idp.bearer_auth(API).build().unwrap());
    let token = idp.token(API).subject("alice").scope("orders").claim("tenant", "acme").sign();
    for (path, expected) in [("/me", "alice"), ("/tenant", "acme"), ("/", "alice"), ("/orders", "orders")] {
        let answer = ask(&app, path, Some(token.clone())).await;
        assert_eq!((answer.status(), &*answer.body), (200, expected.as_bytes()), "{path}");
        assert_eq!(refused(&ask(&app, path, None).await), "missing", "{path}");
        let expired = idp.token(API).expired().sign();
        assert_eq!(refused(&ask(&app, path, Some(expired)).await), "token_expired", "{path}");
    }
    let plain = idp.token(API).sign();
    assert_eq!(refused(&ask(&app, "/tenant", Some(plain.clone())).await), "claims_mismatch");
    assert_eq!(refused(&ask(&app, "/orders", Some(plain.clone())).await), "scope_insufficient");
    assert_eq!(ask(&app, "/nowhere", Some(plain)).await.status(), 404);
    assert_eq!(refused(&ask(&app, "/nowhere", None).await), "missing", "what is not there is not told");
}

#[tokio::test(start_paused = true)]
async fn under_optional_only_handlers_that_need_a_token_refuse() {
    let idp = TestIssuer::new();
    let app = routes().layer(idp.bearer_auth(API).realm("orders api").optional().build().unwrap());
    let answer = ask(&app, "/", None).await;
    assert_eq!((answer.status(), &*answer.body), (200, &b"nobody"[..]));
    for path in ["/me", "/tenant", "/orders"] {
        let answer = ask(&app, path, None).await;
        assert_eq!(refused(&answer), "missing", "{path}");
        assert_eq!(answer.challenge().unwrap().param("realm"), Some("orders api"), "as configured: {path}");
    }
    let token = idp.token(API).subject("alice").sign();
    assert_eq!(&*ask(&app, "/", Some(token)).await.body, b"alice");
    assert_eq!(refused(&ask(&app, "/", Some("garbage".to_owned())).await), "token_opaque");
}

#[tokio::test(start_paused = true)]
async fn a_route_that_is_not_covered_is_a_server_error_and_never_open() {
    let log = Log::start();
    let idp = TestIssuer::new();
    let token = idp.token(API).claim("tenant", "acme").scope("orders").sign();
    for path in ["/me", "/tenant", "/", "/orders"] {
        for token in [None, Some(token.clone())] {
            assert_eq!(refused(&ask(&routes(), path, token).await), "not_covered", "{path}");
        }
    }
    assert_eq!(log.requests().len(), 8);
    for event in log.requests() {
        assert_eq!((event.level, event.field("kind")), (Level::ERROR, Some("not_covered")));
    }
    // A route added behind the layer's back is open to nobody either.
    let half = Router::new().layer(idp.bearer_auth(API).build().unwrap()).merge(routes());
    assert_eq!(refused(&ask(&half, "/me", Some(token)).await), "not_covered");
}

#[tokio::test(start_paused = true)]
async fn an_extractor_answers_as_the_layer_is_configured() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).omit_error_descriptions().build().unwrap();
    let app = routes().layer(auth);
    let answer = ask(&app, "/tenant", Some(idp.token(API).sign())).await;
    assert_eq!(answer.rejection().unwrap().kind(), RejectionKind::ClaimsMismatch);
    answer.check_refusal("claims_mismatch");
    assert_eq!(answer.json(), serde_json::json!({"error": "invalid_token"}));

    let mut request = with_token(idp.token(API).sign()).map(Body::new);
    *request.uri_mut() = "/tenant".parse().unwrap();
    *request.method_mut() = http::Method::POST;
    request.headers_mut().insert("content-type", "application/grpc".parse().unwrap());
    let answer = send(app, request).await;
    assert_eq!((answer.status(), answer.header("grpc-status")), (200, Some("16")));
}

async fn hand_on(request: Request<Body>, next: middleware::Next) -> axum::response::Response {
    next.run(request).await
}

#[tokio::test(start_paused = true)]
async fn it_stacks_with_the_layers_of_others() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).build().unwrap();
    let layers = tower::ServiceBuilder::new()
        .layer(TraceLayer::new_for_http())
        .layer(middleware::from_fn(hand_on))
        .layer(CorsLayer::permissive())
        .layer(tower_bearer::FormBodyToken::up_to(1024))
        .layer(auth.clone())
        .layer(Require::token());
    let app = routes().layer(layers).fallback(|| ready("nothing here"));
    let token = idp.token(API).subject("alice").sign();
    assert_eq!(&*ask(&app, "/me", Some(token.clone())).await.body, b"alice");
    assert_eq!(refused(&ask(&app, "/me", None).await), "missing");

    // Several routers, one set of keys.
    let other = Router::new()
        .route("/other", get(async |token: AccessToken| token.subject().unwrap_or_default().to_owned()))
        .layer(auth);
    let app = app.merge(other);
    assert_eq!(&*ask(&app, "/other", Some(token)).await.body, b"alice");
    assert_eq!(idp.requests(tower_bearer::testing::Endpoint::Jwks), 1);
}
