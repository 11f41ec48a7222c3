//! Rejections that a handler returns: `AccessToken::require` and `Rejection::insufficient_scope`.

use std::convert::Infallible;

use axum::Router;
use axum::body::Body;
use axum::middleware::map_response;
use axum::routing::post;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH};
use http::{HeaderValue, Method, Request, Response};
use http_body_util::Full;
use tower::{Layer, service_fn};
use tower_bearer::RejectionKind::{Missing, ScopeInsufficient};
use tower_bearer::testing::TestIssuer;
use tower_bearer::{AccessToken, BearerAuthBuilder, Rejection};

use crate::support::log::Log;
use crate::support::protected::{API, ApiResponse, get as with_token, send};

/// Needs the scope that the body names.
async fn operate(token: AccessToken, scope: String) -> Result<&'static str, Rejection> {
    token.require(scope)?;
    Ok("done")
}

async fn add_request_id(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().insert("x-request-id", HeaderValue::from_static("r-17"));
    response
}

/// Sends a request for an operation that needs the scope `needed`, with a token that has `granted`.
async fn operation(
    configure: impl FnOnce(BearerAuthBuilder) -> BearerAuthBuilder,
    granted: &str,
    needed: &'static str,
) -> ApiResponse {
    let idp = TestIssuer::new();
    let auth = configure(idp.bearer_auth(API)).build().unwrap();
    let app = Router::new().route("/", post(operate)).layer(map_response(add_request_id)).layer(auth);
    let mut request = with_token(idp.token(API).scope(granted).sign()).map(|_| Body::from(needed));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = "/".parse().unwrap();
    send(app, request).await
}

#[tokio::test(start_paused = true)]
async fn a_handler_rejects_like_a_layer_does() {
    let log = Log::start();
    let response =
        operation(|builder| builder.realm("orders"), "orders:read", "orders:read orders:write").await;
    assert_eq!(response.outcome(), Err(ScopeInsufficient));
    let challenge = response.challenge().unwrap();
    assert_eq!((challenge.scheme(), challenge.param("realm")), ("Bearer", Some("orders")));
    assert_eq!(challenge.param("error"), Some("insufficient_scope"));
    assert_eq!(challenge.param("scope"), Some("orders:read orders:write"));
    assert_eq!(response.json()["error"], "insufficient_scope");
    assert_eq!(response.header(CACHE_CONTROL), Some("no-store"));
    assert_eq!(response.header("x-request-id"), Some("r-17"), "a layer in between adds headers");
    let kinds: Vec<_> = log.requests().iter().map(|event| event.field("kind").map(str::to_owned)).collect();
    assert_eq!(kinds, [Some("scope_insufficient".to_owned())], "one event, and no `accepted`");
}

#[tokio::test(start_paused = true)]
async fn a_handler_goes_on_when_the_token_has_the_scopes() {
    let response = operation(|builder| builder, "b a", "a b").await;
    assert_eq!((response.status(), &*response.body), (200, &b"done"[..]));
    assert!(response.rejection().is_none());
}

#[tokio::test(start_paused = true)]
async fn the_settings_of_the_layer_apply_to_rejections_of_handlers() {
    let response = operation(BearerAuthBuilder::omit_error_descriptions, "a", "b").await;
    assert_eq!(response.challenge().unwrap().param("error_description"), None);
    assert_eq!(&*response.body, br#"{"error":"insufficient_scope"}"#);
    let length = response.header(CONTENT_LENGTH).map(|length| length.parse::<usize>().unwrap());
    assert!(length.is_none_or(|length| length == response.body.len()), "{length:?}");
}

#[tokio::test(start_paused = true)]
async fn without_axum_a_handler_rejects_as_well() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).build().unwrap();
    let handler = service_fn(async |request: Request<Full<Bytes>>| {
        let token = request.extensions().get::<AccessToken>().unwrap();
        let response = match token.require("admin") {
            Ok(()) => Response::new(Bytes::from_static(b"done")),
            Err(rejection) => rejection.into_http_response(),
        };
        Ok::<_, Infallible>(response.map(Full::new))
    });
    let token = idp.token(API).scope("user").sign();
    let response = send(auth.layer(handler), with_token(token)).await;
    assert_eq!(response.outcome(), Err(ScopeInsufficient));
    assert_eq!(response.challenge().unwrap().param("realm"), Some(API));
    assert_eq!(response.rejection().unwrap().scopes_needed(), Some("admin"));
    let response = send(auth.layer(handler), with_token(idp.token(API).scope("admin").sign())).await;
    assert_eq!(&*response.body, b"done");
}

#[tokio::test(start_paused = true)]
async fn a_rejection_without_a_layer_around_it_has_a_default_realm() {
    let handler = service_fn(async |_: Request<Full<Bytes>>| {
        let rejection = Rejection::insufficient_scope(["a", "b"]);
        Ok::<_, Infallible>(rejection.into_http_response().map(Full::new))
    });
    let response = send(handler, with_token("any")).await;
    assert_eq!(response.status(), 403);
    let challenge = response.challenge().unwrap();
    assert_eq!((challenge.param("realm"), challenge.param("scope")), (Some("api"), Some("a b")));
}

#[tokio::test(start_paused = true)]
async fn a_missing_token_is_rejected_before_the_handler_runs() {
    let idp = TestIssuer::new();
    let app = Router::new().route("/", post(operate)).layer(idp.bearer_auth(API).build().unwrap());
    let request = Request::post("/").body(Body::from("a")).unwrap();
    assert_eq!(send(app, request).await.outcome(), Err(Missing));
}
