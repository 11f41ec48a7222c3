//! axum: the same routes for callers with an API key and for callers with an access token.
//!
//! The routes are mounted twice: behind a valid API key, and behind `BearerAuth`. The header `X-API-Key`
//! selects the mount. Neither of them is optional, so handlers never see a request without a caller.
//!
//! ```text
//! # Prints curl lines, then serves until Ctrl-C.
//! cargo run -p tower-bearer-examples --example api_key_or_jwt
//! ```

use std::error::Error;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Extension, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header::AUTHORIZATION};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tower::ServiceExt;
use tower_bearer::testing::TestIssuer;
use tower_bearer::{AccessToken, BearerAuth, BearerAuthBuilder, ConfigError, Rejection};
use tower_bearer_examples::{listen, print_curl};

/// The audience: tokens for this API have it in `aud`.
const API: &str = "https://api.example.com";

/// A key for this example. A real one is random and appears nowhere in the source: `openssl rand -hex 32`.
const EXAMPLE_KEY: &str = "key-of-the-nightly-export";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let idp = TestIssuer::start().await?;
    let app = app(BearerAuth::builder(API).issuer(idp.issuer()), keys())?;
    let (listener, origin) = listen().await?;

    let url = format!("{origin}/orders");
    let reader = idp.token(API).scope("orders.read").sign();
    print_curl("401: neither", None, &url);
    print_curl("403: the scope is missing", Some(&idp.token(API).sign()), &url);
    print_curl("200: access token", Some(&reader), &url);
    println!("# 200: API key\ncurl -i -H 'X-API-Key: {EXAMPLE_KEY}' {url}\n");
    println!(
        "# 400: both\ncurl -i -H 'X-API-Key: {EXAMPLE_KEY}' -H 'Authorization: Bearer {reader}' {url}\n"
    );
    axum::serve(listener, app).await?;
    Ok(())
}

/// The keys, from a database or a file in a real API.
fn keys() -> Vec<ApiKey> {
    vec![ApiKey {
        client: "nightly-export",
        sha256: Sha256::digest(EXAMPLE_KEY).into(),
        scopes: &["orders.read"],
    }]
}

fn app(auth: BearerAuthBuilder, keys: Vec<ApiKey>) -> Result<Router, ConfigError> {
    // Handlers read the `Caller`, whichever way it came.
    let auth = auth.on_accept(|token, head| {
        head.extensions.insert(Caller::Token(token.clone()));
    });
    let routes = Router::new().route("/orders", get(orders));
    let mounts = Mounts { keys, by_key: routes.clone(), by_token: routes.layer(auth.build()?) };
    Ok(Router::new().fallback(select_mount).with_state(Arc::new(mounts)))
}

async fn orders(Extension(caller): Extension<Caller>) -> Result<String, Rejection> {
    caller.require("orders.read")?;
    Ok(format!("orders for {}\n", caller.name()))
}

/// An authenticated caller of this API.
#[derive(Clone)]
enum Caller {
    Key(ApiKey),
    Token(AccessToken),
}

impl Caller {
    /// The prefix keeps keys, users and clients of the same name apart. With several authorization servers,
    /// add `token.issuer()`.
    fn name(&self) -> String {
        match self {
            Self::Key(key) => format!("key {}", key.client),
            Self::Token(token) => match token.subject() {
                Some(subject) => format!("user {subject}"),
                None => format!("client {}", token.client_id().unwrap_or_default()),
            },
        }
    }

    /// `Require::scope` reads tokens only, so handlers check scopes here.
    fn require(&self, scope: &'static str) -> Result<(), Rejection> {
        match self {
            Self::Key(key) if key.scopes.contains(&scope) => Ok(()),
            Self::Key(_) => Err(Rejection::insufficient_scope([scope])),
            Self::Token(token) => token.require(scope),
        }
    }
}

/// The hash of a key and what it may do. A plain hash is enough for random keys, but not for passwords.
#[derive(Clone)]
struct ApiKey {
    client: &'static str,
    sha256: [u8; 32],
    scopes: &'static [&'static str],
}

/// The routes, once for each kind of credentials.
struct Mounts {
    keys: Vec<ApiKey>,
    by_key: Router,
    by_token: Router,
}

async fn select_mount(State(mounts): State<Arc<Mounts>>, mut request: Request) -> Response {
    let response = match take_api_key(request.headers_mut()) {
        Err(reason) => return (StatusCode::BAD_REQUEST, reason).into_response(),
        Ok(Some(key)) => match find(&mounts.keys, key.as_bytes()) {
            Some(key) => {
                request.extensions_mut().insert(Caller::Key(key));
                mounts.by_key.clone().oneshot(request).await
            }
            // No Authorization header here, so BearerAuth responds with 401 and its challenge. Do not add
            // other token sources.
            None => mounts.by_token.clone().oneshot(request).await,
        },
        Ok(None) => mounts.by_token.clone().oneshot(request).await,
    };
    response.into_response()
}

/// Removes `X-API-Key`, so that no layer of the routes logs it, and returns its value. Two credentials are an
/// error: an intermediary may have read the other one.
fn take_api_key(headers: &mut HeaderMap) -> Result<Option<HeaderValue>, &'static str> {
    let mut keys = headers.get_all("x-api-key").iter();
    let key = keys.next();
    if keys.next().is_some() {
        return Err("more than one X-API-Key header\n");
    }
    if key.is_some() && headers.contains_key(AUTHORIZATION) {
        return Err("send either X-API-Key or Authorization\n");
    }
    Ok(headers.remove("x-api-key"))
}

/// Compares in constant time, and with every key, so that the time tells nothing about the stored hashes.
fn find(keys: &[ApiKey], key: &[u8]) -> Option<ApiKey> {
    let hash: [u8; 32] = Sha256::digest(key).into();
    let mut found = None;
    for key in keys {
        if key.sha256.ct_eq(&hash).into() {
            found = Some(key.clone());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::header::WWW_AUTHENTICATE;
    use http_body_util::BodyExt;

    use super::*;

    const UNSCOPED_KEY: &str = "key-without-scopes";

    fn api(idp: &TestIssuer) -> Router {
        let mut keys = keys();
        keys.push(ApiKey { client: "unscoped", sha256: Sha256::digest(UNSCOPED_KEY).into(), scopes: &[] });
        app(idp.bearer_auth(API), keys).unwrap()
    }

    async fn send(app: &Router, headers: &[(&str, &str)]) -> Response {
        let mut request = Request::get("/orders");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    }

    #[tokio::test]
    async fn a_request_without_valid_credentials_gets_401_with_a_challenge() {
        let idp = TestIssuer::new();
        let app = api(&idp);
        let expired = format!("Bearer {}", idp.token(API).scope("orders.read").expired().sign());
        let hash: String = Sha256::digest(EXAMPLE_KEY).iter().map(|byte| format!("{byte:02x}")).collect();
        let cases = [
            &[][..],
            &[("x-api-key", "")],
            &[("x-api-key", "another-key")],
            &[("x-api-key", &hash)],
            &[("authorization", &expired)],
            &[("authorization", "Bearer key-of-the-nightly-export")],
        ];
        for headers in cases {
            let response = send(&app, headers).await;
            assert_eq!(response.status(), StatusCode::UNAUTHORIZED, "{headers:?}");
            let challenge = response.headers()[WWW_AUTHENTICATE].to_str().unwrap();
            assert!(challenge.starts_with("Bearer realm=\"https://api.example.com\""), "{challenge}");
        }
    }

    #[tokio::test]
    async fn two_credentials_get_400_even_if_both_are_valid() {
        let idp = TestIssuer::new();
        let app = api(&idp);
        let token = format!("Bearer {}", idp.token(API).scope("orders.read").sign());
        let key = ("x-api-key", EXAMPLE_KEY);
        for second in
            [("authorization", &*token), ("authorization", "Basic Og=="), key, ("x-api-key", "wrong")]
        {
            assert_eq!(send(&app, &[key, second]).await.status(), StatusCode::BAD_REQUEST, "{second:?}");
        }
    }

    #[tokio::test]
    async fn a_caller_without_the_scope_gets_403() {
        let idp = TestIssuer::new();
        let app = api(&idp);
        let token = format!("Bearer {}", idp.token(API).sign());
        for header in [("x-api-key", UNSCOPED_KEY), ("authorization", &*token)] {
            let response = send(&app, &[header]).await;
            assert_eq!(response.status(), StatusCode::FORBIDDEN, "{header:?}");
            let challenge = response.headers()[WWW_AUTHENTICATE].to_str().unwrap();
            assert!(challenge.contains("scope=\"orders.read\""), "{challenge}");
        }
    }

    #[tokio::test]
    async fn a_key_and_a_token_reach_the_same_handler() {
        let idp = TestIssuer::new();
        let app = api(&idp);
        let token =
            |subject: &str| format!("Bearer {}", idp.token(API).subject(subject).scope("orders.read").sign());
        let cases = [
            ("x-api-key", EXAMPLE_KEY, "orders for key nightly-export\n"),
            ("authorization", &token("alice"), "orders for user alice\n"),
            ("authorization", &token("nightly-export"), "orders for user nightly-export\n"),
        ];
        for (name, value, expected) in cases {
            let response = send(&app, &[(name, value)]).await;
            assert_eq!(response.status(), StatusCode::OK, "{name}");
            let body = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(body, expected);
        }
    }

    #[test]
    fn the_routes_do_not_see_the_key() {
        let mut headers = HeaderMap::new();
        headers.insert("x-api-key", HeaderValue::from_static(EXAMPLE_KEY));
        assert_eq!(take_api_key(&mut headers).unwrap().unwrap(), EXAMPLE_KEY);
        assert!(headers.is_empty());
    }
}
