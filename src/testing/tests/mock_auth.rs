//! Services behind `MockBearerAuth` behave as behind a `BearerAuth` that accepted the token.

use http::StatusCode;
use http::header::WWW_AUTHENTICATE;
use http_body_util::{BodyExt, Full};

use super::*;
use crate::access_token::AccessToken;
use crate::crypto::Algorithm;
use crate::middleware::Require;
use crate::rejection::{Rejection, RejectionKind};
use crate::testing::{Endpoint, MockBearerAuth, TokenBuilder};

fn alice() -> TokenBuilder {
    TestIssuer::new().token(API).subject("alice").scope("orders:read")
}

/// The response of a route behind the layer. The handler responds with the subject of its token.
async fn call(auth: &MockBearerAuth, require: &Require, request: Request<Bytes>) -> Response<Bytes> {
    let response = auth.layer(require.layer(service_fn(subject))).oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    Response::from_parts(head, body.collect().await.unwrap().to_bytes())
}

async fn subject(request: Request<Bytes>) -> Result<Response<Full<Bytes>>, Infallible> {
    let subject = request.extensions().get().and_then(AccessToken::subject).unwrap_or("nobody");
    Ok(Response::new(Full::from(subject.to_owned())))
}

fn request() -> Request<Bytes> {
    Request::get("/orders").body(Bytes::new()).unwrap()
}

fn kind<B>(response: &Response<B>) -> Option<RejectionKind> {
    response.extensions().get().map(Rejection::kind)
}

fn challenge<B>(response: &Response<B>) -> &str {
    response.headers()[WWW_AUTHENTICATE].to_str().unwrap()
}

#[tokio::test]
async fn the_handler_gets_the_given_token_whatever_the_request_presents() {
    let token = alice().access_token().unwrap();
    let auth = MockBearerAuth::accepting(token);
    for credentials in [None, Some("Bearer garbage"), Some("Basic YTpi")] {
        let mut request = request();
        if let Some(credentials) = credentials {
            request.headers_mut().insert(AUTHORIZATION, credentials.parse().unwrap());
        }
        let response = call(&auth, &Require::token(), request).await;
        assert_eq!(response.status(), 200, "{credentials:?}");
        assert_eq!(response.into_body(), "alice", "{credentials:?}");
    }
}

#[tokio::test]
async fn a_route_requirement_that_the_token_does_not_meet_gets_403_with_the_challenge() {
    let auth = MockBearerAuth::accepting(alice().access_token().unwrap());
    let response = call(&auth, &Require::scope("orders:write"), request()).await;
    assert_eq!(response.status(), 403);
    assert_eq!(kind(&response), Some(RejectionKind::ScopeInsufficient));
    let challenge = challenge(&response);
    assert!(challenge.contains("scope=\"orders:write\""), "{challenge}");
    assert!(challenge.contains("realm=\"https://api.example.com\""), "{challenge}");
    assert_eq!(call(&auth, &Require::scope("orders:read"), request()).await.status(), 200);
}

#[tokio::test]
async fn a_route_that_needs_a_token_rejects_an_anonymous_request_with_401() {
    let response = call(&MockBearerAuth::anonymous(), &Require::token(), request()).await;
    assert_eq!(
        (response.status(), kind(&response)),
        (StatusCode::UNAUTHORIZED, Some(RejectionKind::Missing))
    );
    assert_eq!(challenge(&response), "Bearer realm=\"api\"");
}

#[tokio::test]
async fn an_anonymous_mock_removes_the_token_of_an_outer_layer() {
    let inner = MockBearerAuth::anonymous().layer(service_fn(subject));
    let outer = MockBearerAuth::accepting(alice().access_token().unwrap()).layer(inner);
    let body = outer.oneshot(request()).await.unwrap().into_body();
    assert_eq!(body.collect().await.unwrap().to_bytes(), "nobody");
}

#[tokio::test]
async fn the_responses_to_rejections_are_those_of_the_given_bearer_auth() {
    let idp = TestIssuer::new();
    let real = idp.bearer_auth(API).realm("orders").build().unwrap();
    let auth = MockBearerAuth::accepting(idp.token(API).access_token().unwrap()).with_settings_of(&real);
    let response = call(&auth, &Require::scope("orders:write"), request()).await;
    assert!(challenge(&response).contains("realm=\"orders\""), "{}", challenge(&response));
}

#[tokio::test]
async fn still_active_introspects_only_with_the_issuers_of_a_bearer_auth() {
    let idp = TestIssuer::new();
    idp.rotate_key_to(Algorithm::Ed25519); // the same claims give the same token
    let token = idp.token(API).subject("alice");
    let mock = MockBearerAuth::accepting(token.access_token().unwrap());
    let route = Require::token().still_active();
    let response = call(&mock, &route, request()).await;
    assert_eq!(kind(&response), Some(RejectionKind::IssuerUnknown));

    let issuer = idp.issuer().introspect(idp.introspection().also_jwts());
    let builder = BearerAuth::builder(API).issuer(issuer).http_client(idp.http_client());
    let mock = mock.with_settings_of(&builder.clock(idp.clock()).build().unwrap());
    assert_eq!(call(&mock, &route, request()).await.status(), 200);
    assert_eq!(idp.requests(Endpoint::Introspection), 1);
    idp.revoke(&token.sign());
    assert_eq!(call(&mock, &route, request()).await.status(), 401);
}
