//! The hook after acceptance: what it sees, what it may change, and when it is not called.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::HeaderValue;
use tower::Layer;
use tower_bearer::AccessToken;
use tower_bearer::RejectionKind::{Missing, RequirementUnmet, TokenExpired};
use tower_bearer::Require;
use tower_bearer::testing::TestIssuer;

use crate::support::introspected::IssuerIntrospection;
use crate::support::protected::{ACCEPTED, API, Handler, Protected, anonymous, get, send};

#[derive(Clone, Debug, PartialEq)]
struct User(String);

#[tokio::test(start_paused = true)]
async fn on_accept_is_called_once_for_each_accepted_request_with_a_token() {
    let idp = TestIssuer::new();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let auth = idp.bearer_auth(API).optional().on_accept(move |_, _| {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    let auth = auth.build().unwrap();
    let api = Protected::by(&auth);
    assert_eq!(api.send(anonymous("GET")).await.outcome(), ACCEPTED);
    assert_eq!(api.outcome(idp.token(API).expired().sign()).await, Err(TokenExpired));
    assert!(auth.authenticate(&idp.token(API).sign()).await.is_ok());
    assert_eq!(calls.load(Ordering::Relaxed), 0, "anonymous, rejected, and outside of a request");
    let token = idp.token(API).sign();
    for expected in 1..=3 {
        assert_eq!(api.outcome(&token).await, ACCEPTED);
        assert_eq!(calls.load(Ordering::Relaxed), expected, "fetched keys, then cached");
    }
    let view = auth.view().build().unwrap();
    assert_eq!(Protected::by(&view).outcome(&token).await, ACCEPTED);
    assert_eq!(calls.load(Ordering::Relaxed), 4, "a view has the same function");
}

#[tokio::test(start_paused = true)]
async fn on_accept_prepares_the_head_that_routes_and_handlers_see() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).on_accept(|token, head| {
        assert!(head.extensions.get::<AccessToken>().is_some());
        assert!(head.headers["authorization"].is_sensitive());
        let subject = token.subject().unwrap().to_owned();
        head.headers.insert("x-user", HeaderValue::try_from(&subject).unwrap());
        head.extensions.insert(User(subject));
    });
    let auth = auth.build().unwrap();
    let is_alice = |_: &AccessToken, head: &http::request::Parts| {
        head.extensions.get() == Some(&User("alice".to_owned()))
    };
    let route = auth.layer(Require::token().check(is_alice).layer(Handler::default()));
    let mut request = get(idp.token(API).subject("alice").sign());
    request.headers_mut().append("x-user", HeaderValue::from_static("root"));
    request.headers_mut().append("x-user", HeaderValue::from_static("admin"));
    let response = send(route.clone(), request).await;
    assert_eq!(response.outcome(), ACCEPTED);
    let users: Vec<_> = response.received().head.headers.get_all("x-user").iter().collect();
    assert_eq!(users, ["alice"], "the headers of the client are replaced");
    let other = get(idp.token(API).subject("bob").sign());
    assert_eq!(send(route, other).await.outcome(), Err(RequirementUnmet));
}

#[tokio::test(start_paused = true)]
async fn on_accept_sees_introspected_tokens_and_stripped_heads() {
    let api = IssuerIntrospection::new();
    let issuer = api.idp.issuer().introspect(crate::support::introspected::introspection());
    let auth = tower_bearer::BearerAuth::builder(API).clock(api.idp.clock()).http_client(api.net.clone());
    let auth = auth.issuer(issuer).strip_credentials().on_accept(|token, head| {
        assert!(!head.headers.contains_key("authorization"));
        head.extensions.insert(User(token.subject().unwrap().to_owned()));
    });
    let protected = Protected::by(&auth.build().unwrap());
    let response = protected.get(api.opaque()).await;
    assert_eq!(response.outcome(), ACCEPTED);
    assert_eq!(response.received().head.extensions.get(), Some(&User("alice".to_owned())));
}

#[tokio::test(start_paused = true)]
async fn a_route_whose_token_on_accept_removed_rejects_the_request() {
    let idp = TestIssuer::new();
    let auth = idp.bearer_auth(API).on_accept(|_, head| {
        head.extensions.remove::<AccessToken>();
    });
    let route = auth.build().unwrap().layer(Require::token().layer(Handler::default()));
    assert_eq!(send(route, get(idp.token(API).sign())).await.outcome(), Err(Missing));
}
