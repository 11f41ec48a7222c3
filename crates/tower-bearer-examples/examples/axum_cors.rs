//! axum: CORS for a web page of another origin. The CORS layer goes outside of `BearerAuth`.
//!
//! There, it responds to preflight requests, which browsers send without a token. It also gives its headers
//! to 401 and 403 responses, so that the page sees their status instead of a network error.
//!
//! ```text
//! cargo run -p tower-bearer-examples --example axum_cors    # prints curl lines, then serves until Ctrl-C
//! ```

use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Method};
use axum::routing::{get, post};
use tower_bearer::testing::TestIssuer;
use tower_bearer::{AccessToken, BearerAuth, Require};
use tower_bearer_examples::{listen, print_curl};
use tower_http::cors::CorsLayer;

/// The audience: tokens for this API have it in `aud`.
const API: &str = "https://api.example.com";

/// The origin of the page that calls this API.
const PAGE: HeaderValue = HeaderValue::from_static("https://shop.example.com");

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let idp = TestIssuer::start().await?;
    let auth = BearerAuth::builder(API).issuer(idp.issuer()).build()?;
    let (listener, origin) = listen().await?;

    println!("# 200: a preflight request needs no token");
    println!("curl -i -X OPTIONS -H 'Origin: https://shop.example.com' \\");
    println!("  -H 'Access-Control-Request-Method: GET' \\");
    println!("  -H 'Access-Control-Request-Headers: authorization' {origin}/orders\n");
    print_curl("401, with headers for the page", None, &format!("{origin}/orders"));
    print_curl("200", Some(&idp.token(API).sign()), &format!("{origin}/orders"));
    axum::serve(listener, app(auth)).await?;
    Ok(())
}

fn app(auth: BearerAuth) -> Router {
    let orders = get(orders).merge(post(create).layer(Require::scope("orders.write")));
    // In axum, the layer that is added last is the outermost.
    Router::new().route("/orders", orders).layer(auth).layer(cors())
}

/// Tokens travel in a header that scripts set, not in a cookie: `allow_credentials` stays off.
fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin([PAGE])
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([AUTHORIZATION, CONTENT_TYPE])
        // Lets scripts read why a token was rejected, and which scope is missing.
        .expose_headers([WWW_AUTHENTICATE])
        .max_age(Duration::from_secs(3600))
}

async fn orders(token: AccessToken) -> String {
    format!("orders of {}\n", token.subject().unwrap_or("the client"))
}

async fn create() -> &'static str {
    "created\n"
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::header::{
        ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_ORIGIN,
        ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD,
        HeaderName, ORIGIN,
    };
    use axum::http::{Request, Response, StatusCode};
    use tower::ServiceExt;

    use super::*;

    async fn send(app: &Router, request: Request<Body>) -> Response<Body> {
        app.clone().oneshot(request).await.unwrap()
    }

    fn preflight(origin: HeaderValue) -> Request<Body> {
        Request::options("/orders")
            .header(ORIGIN, origin)
            .header(ACCESS_CONTROL_REQUEST_METHOD, "POST")
            .header(ACCESS_CONTROL_REQUEST_HEADERS, "authorization")
            .body(Body::empty())
            .unwrap()
    }

    fn from_page(method: Method, token: Option<String>) -> Request<Body> {
        let mut request = Request::builder().method(method).uri("/orders").header(ORIGIN, PAGE);
        if let Some(token) = token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        request.body(Body::empty()).unwrap()
    }

    fn header(response: &Response<Body>, name: HeaderName) -> Option<&str> {
        response.headers().get(name).map(|value| value.to_str().unwrap())
    }

    #[tokio::test]
    async fn rejections_have_headers_that_let_the_page_read_them() {
        let idp = TestIssuer::new();
        let app = app(idp.bearer_auth(API).build().unwrap());
        let cases = [
            (from_page(Method::GET, None), StatusCode::UNAUTHORIZED, "Bearer realm="),
            (
                from_page(Method::GET, Some(idp.token(API).expired().sign())),
                StatusCode::UNAUTHORIZED,
                "error=\"invalid_token\"",
            ),
            (
                from_page(Method::POST, Some(idp.token(API).sign())),
                StatusCode::FORBIDDEN,
                "scope=\"orders.write\"",
            ),
        ];
        for (request, status, challenge) in cases {
            let response = send(&app, request).await;
            assert_eq!(response.status(), status);
            assert_eq!(header(&response, ACCESS_CONTROL_ALLOW_ORIGIN), Some("https://shop.example.com"));
            assert_eq!(header(&response, ACCESS_CONTROL_EXPOSE_HEADERS), Some("www-authenticate"));
            assert!(header(&response, WWW_AUTHENTICATE).unwrap().contains(challenge), "{challenge}");
        }
    }

    #[tokio::test]
    async fn a_preflight_request_passes_without_a_token() {
        let idp = TestIssuer::new();
        let app = app(idp.bearer_auth(API).build().unwrap());
        let response = send(&app, preflight(PAGE)).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(header(&response, ACCESS_CONTROL_ALLOW_ORIGIN), Some("https://shop.example.com"));
        assert_eq!(header(&response, ACCESS_CONTROL_ALLOW_HEADERS), Some("authorization,content-type"));
        assert_eq!(header(&response, ACCESS_CONTROL_ALLOW_CREDENTIALS), None);
    }

    #[tokio::test]
    async fn another_origin_is_not_allowed() {
        let idp = TestIssuer::new();
        let app = app(idp.bearer_auth(API).build().unwrap());
        let response = send(&app, preflight(HeaderValue::from_static("https://evil.example"))).await;
        assert_eq!(header(&response, ACCESS_CONTROL_ALLOW_ORIGIN), None);
    }

    /// The mistake that this example avoids.
    #[tokio::test]
    async fn inside_of_the_layer_cors_would_never_see_a_preflight_request() {
        let idp = TestIssuer::new();
        let auth = idp.bearer_auth(API).build().unwrap();
        let app = Router::new().route("/orders", get(orders)).layer(cors()).layer(auth);
        let response = send(&app, preflight(PAGE)).await;
        assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
        assert_eq!(header(&response, ACCESS_CONTROL_ALLOW_ORIGIN), None);
    }

    #[tokio::test]
    async fn a_valid_token_is_accepted() {
        let idp = TestIssuer::new();
        let app = app(idp.bearer_auth(API).build().unwrap());
        let response = send(&app, from_page(Method::GET, Some(idp.token(API).sign()))).await;
        assert_eq!(response.status(), StatusCode::OK);
    }
}
