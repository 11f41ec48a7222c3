//! The axum extractors `AccessToken`, `Option<AccessToken>` and `Claims<T>`.

use std::future::ready;

use axum::body::Body;
use axum::routing::{any, get};
use axum::{Router, middleware};
use http::Request;
use serde::Deserialize;
use tower_bearer::RejectionKind::{
    ClaimsMismatch, Missing, NotCovered, ScopeInsufficient, TokenExpired, TokenOpaque,
};
use tower_bearer::testing::TestIssuer;
use tower_bearer::{AccessToken, Claims, Require};
use tower_http::cors::CorsLayer;
use tower_http::trace::TraceLayer;
use tracing::Level;

use crate::support::log::Log;
use crate::support::protected::{API, ApiResponse, anonymous, as_grpc, get as with_token, send};

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
        .route(
            "/home",
            get(async |claims: Option<Claims<Tenant>>| {
                claims.map_or_else(|| "nobody".to_owned(), |Claims(claims)| claims.tenant.clone())
            }),
        )
        .route("/orders", any(async || "orders").layer(Require::scope("orders")))
}

/// Sends a GET to `path`, with or without a token.
async fn request(app: &Router, path: &str, token: Option<String>) -> ApiResponse {
    let mut request: Request<Body> = token.map_or_else(|| anonymous("GET"), with_token).map(Body::new);
    *request.uri_mut() = path.parse().unwrap();
    send(app.clone(), request).await
}

#[tokio::test(start_paused = true)]
async fn handlers_take_the_token_and_its_claims() {
    let idp = TestIssuer::new();
    let app = routes().layer(idp.bearer_auth(API).build().unwrap());
    let token = idp.token(API).subject("alice").scope("orders").claim("tenant", "acme").sign();
    for (path, expected) in [("/me", "alice"), ("/tenant", "acme"), ("/", "alice"), ("/orders", "orders")] {
        let response = request(&app, path, Some(token.clone())).await;
        assert_eq!((response.status(), &*response.body), (200, expected.as_bytes()), "{path}");
        assert_eq!(request(&app, path, None).await.outcome(), Err(Missing), "{path}");
        let expired = idp.token(API).expired().sign();
        assert_eq!(request(&app, path, Some(expired)).await.outcome(), Err(TokenExpired), "{path}");
    }
    let plain = idp.token(API).sign();
    assert_eq!(request(&app, "/tenant", Some(plain.clone())).await.outcome(), Err(ClaimsMismatch));
    assert_eq!(request(&app, "/orders", Some(plain.clone())).await.outcome(), Err(ScopeInsufficient));
    assert_eq!(request(&app, "/nowhere", Some(plain)).await.status(), 404);
    assert_eq!(
        request(&app, "/nowhere", None).await.outcome(),
        Err(Missing),
        "an anonymous client does not learn which routes exist"
    );
}

#[tokio::test(start_paused = true)]
async fn under_optional_only_handlers_that_need_a_token_reject_anonymous_requests() {
    let idp = TestIssuer::new();
    let app = routes().layer(idp.bearer_auth(API).realm("orders api").optional().build().unwrap());
    let response = request(&app, "/", None).await;
    assert_eq!((response.status(), &*response.body), (200, &b"nobody"[..]));
    for path in ["/me", "/tenant", "/orders"] {
        let response = request(&app, path, None).await;
        assert_eq!(response.outcome(), Err(Missing), "{path}");
        assert_eq!(
            response.challenge().unwrap().param("realm"),
            Some("orders api"),
            "{path}: the configured realm"
        );
    }
    assert_eq!(&*request(&app, "/home", None).await.body, b"nobody");
    let token = idp.token(API).subject("alice").sign();
    assert_eq!(
        request(&app, "/home", Some(token.clone())).await.outcome(),
        Err(ClaimsMismatch),
        "claims that do not fit are not the same as no token"
    );
    let tenant = idp.token(API).claim("tenant", "acme").sign();
    assert_eq!(&*request(&app, "/home", Some(tenant)).await.body, b"acme");
    assert_eq!(&*request(&app, "/", Some(token)).await.body, b"alice");
    assert_eq!(request(&app, "/", Some("garbage".to_owned())).await.outcome(), Err(TokenOpaque));
}

#[tokio::test(start_paused = true)]
async fn a_route_that_no_layer_covers_is_a_server_error() {
    let log = Log::start();
    let idp = TestIssuer::new();
    let token = idp.token(API).claim("tenant", "acme").scope("orders").sign();
    for path in ["/me", "/tenant", "/", "/home", "/orders"] {
        for token in [None, Some(token.clone())] {
            assert_eq!(request(&routes(), path, token).await.outcome(), Err(NotCovered), "{path}");
        }
    }
    assert_eq!(log.requests().len(), 10);
    for event in log.requests() {
        assert_eq!((event.level, event.field("kind")), (Level::ERROR, Some("not_covered")));
    }
    // A route that is added after the layer is not covered either.
    let half = Router::new().layer(idp.bearer_auth(API).build().unwrap()).merge(routes());
    assert_eq!(request(&half, "/me", Some(token)).await.outcome(), Err(NotCovered));
}

#[tokio::test(start_paused = true)]
async fn an_extractor_rejects_as_the_layer_is_configured() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).omit_error_descriptions().build().unwrap();
    let app = routes().layer(auth);
    let response = request(&app, "/tenant", Some(idp.token(API).sign())).await;
    assert_eq!(response.rejection().unwrap().kind(), ClaimsMismatch);
    response.check_rejection(ClaimsMismatch);
    assert_eq!(response.json(), serde_json::json!({"error": "invalid_token"}));

    let mut request = with_token(idp.token(API).sign()).map(Body::new);
    *request.uri_mut() = "/tenant".parse().unwrap();
    as_grpc(&mut request);
    let response = send(app, request).await;
    assert_eq!((response.status(), response.header("grpc-status")), (200, Some("16")));
}

async fn pass_through(request: Request<Body>, next: middleware::Next) -> axum::response::Response {
    next.run(request).await
}

#[tokio::test(start_paused = true)]
async fn the_layers_stack_with_those_of_tower_http_and_axum() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).build().unwrap();
    let layers = tower::ServiceBuilder::new()
        .layer(TraceLayer::new_for_http())
        .layer(middleware::from_fn(pass_through))
        .layer(CorsLayer::permissive())
        .layer(tower_bearer::FormBodyToken::up_to(1024))
        .layer(auth.clone())
        .layer(Require::token());
    let app = routes().layer(layers).fallback(|| ready("nothing here"));
    let token = idp.token(API).subject("alice").sign();
    assert_eq!(&*request(&app, "/me", Some(token.clone())).await.body, b"alice");
    assert_eq!(request(&app, "/me", None).await.outcome(), Err(Missing));

    // Two routers share one key cache.
    let other = Router::new()
        .route("/other", get(async |token: AccessToken| token.subject().unwrap_or_default().to_owned()))
        .layer(auth);
    let app = app.merge(other);
    assert_eq!(&*request(&app, "/other", Some(token)).await.body, b"alice");
    assert_eq!(idp.requests(tower_bearer::testing::Endpoint::Jwks), 1);
}
