//! axum: public and protected routes in one router, with scopes for some of them.
//!
//! ```text
//! cargo run -p tower-bearer-examples --example axum_routes    # prints curl lines, then serves until Ctrl-C
//! ```

use std::error::Error;

use axum::Router;
use axum::routing::get;
use tower_bearer::testing::TestIssuer;
use tower_bearer::{AccessToken, BearerAuth, Require};
use tower_bearer_examples::{listen, print_curl};

/// The audience: tokens for this API have it in `aud`.
const API: &str = "https://api.example.com";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let idp = TestIssuer::start().await?;
    let auth = BearerAuth::builder(API).issuer(idp.issuer()).build()?;
    let (listener, origin) = listen().await?;

    print_curl("200: public", None, &format!("{origin}/health"));
    print_curl("401: no token", None, &format!("{origin}/orders"));
    print_curl("200", Some(&idp.token(API).sign()), &format!("{origin}/orders"));
    print_curl("403: the scope is missing", Some(&idp.token(API).sign()), &format!("{origin}/reports"));
    axum::serve(listener, app(auth)).await?;
    Ok(())
}

fn app(auth: BearerAuth) -> Router {
    // `route_layer` protects the routes that were added before it. Unknown paths stay 404 without a token.
    let reports = Router::new()
        .route("/reports", get(async || "all reports\n"))
        .route_layer(Require::scope("reports.read"));
    let protected = Router::new().route("/orders", get(orders)).merge(reports).route_layer(auth);
    Router::new().route("/health", get(async || "ok\n")).merge(protected)
}

async fn orders(token: AccessToken) -> String {
    format!("orders of {}\n", token.subject().unwrap_or("the client"))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::{Request, StatusCode};
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn only_protected_routes_need_a_token() {
        let idp = TestIssuer::start().await.unwrap();
        let app = app(BearerAuth::builder(API).issuer(idp.issuer()).build().unwrap());
        let status = async |path: &str, token: Option<String>| {
            let mut request = Request::get(path);
            if let Some(token) = token {
                request = request.header("Authorization", format!("Bearer {token}"));
            }
            app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status()
        };

        assert_eq!(status("/health", None).await, StatusCode::OK);
        assert_eq!(status("/unknown", None).await, StatusCode::NOT_FOUND);
        assert_eq!(status("/orders", None).await, StatusCode::UNAUTHORIZED);
        assert_eq!(status("/orders", Some(idp.token(API).sign())).await, StatusCode::OK);
        assert_eq!(status("/reports", Some(idp.token(API).sign())).await, StatusCode::FORBIDDEN);
        let reader = idp.token(API).scope("reports.read").sign();
        assert_eq!(status("/reports", Some(reader)).await, StatusCode::OK);
    }
}
