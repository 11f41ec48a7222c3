//! axum: roles, claims of your own type, and nested routers with a requirement each.
//!
//! ```text
//! cargo run -p tower-bearer-examples --example axum_roles    # prints curl lines, then serves until Ctrl-C
//! ```

use std::error::Error;

use axum::Router;
use axum::routing::{get, post};
use serde::Deserialize;
use serde_json::json;
use tower_bearer::testing::TestIssuer;
use tower_bearer::{AccessToken, BearerAuth, Claims, Require};
use tower_bearer_examples::{listen, print_curl};

/// The audience: tokens for this API have it in `aud`.
const API: &str = "https://api.example.com";

/// The claims that contain roles, as JSON Pointers. Keycloak writes them here.
const ROLES: [&str; 1] = ["/realm_access/roles"];

/// The claims that handlers read, beside the registered ones.
#[derive(Deserialize)]
struct Member {
    tenant: String,
    department: Option<String>,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let idp = TestIssuer::start().await?;
    let auth = BearerAuth::builder(API).issuer(idp.issuer().role_claims(ROLES)).build()?;
    let (listener, origin) = listen().await?;

    let user = idp.token(API).claim("tenant", "acme").sign();
    let auditor = idp.token(API).claim("realm_access", json!({ "roles": ["auditor"] })).sign();
    print_curl("401: no token", None, &format!("{origin}/api/me"));
    print_curl("401: the claim tenant is missing", Some(&auditor), &format!("{origin}/api/me"));
    print_curl("200", Some(&user), &format!("{origin}/api/me"));
    print_curl("403: not an auditor", Some(&user), &format!("{origin}/api/billing/invoices"));
    print_curl("200", Some(&auditor), &format!("{origin}/api/billing/invoices"));
    print_curl("403: not an admin", Some(&auditor), &format!("{origin}/api/admin/users"));
    axum::serve(listener, app(auth)).await?;
    Ok(())
}

fn app(auth: BearerAuth) -> Router {
    let billing = Router::new()
        // A requirement of a single route adds to that of its router.
        .route("/invoices", get(invoices).merge(post(pay).layer(Require::scope("invoices.pay"))))
        .route_layer(Require::any_role(["auditor", "admin"]));
    let admin = Router::new().route("/users", get(users)).route_layer(Require::role("admin"));

    // One `BearerAuth` around all of them: the routers share its keys and its token cache.
    let api =
        Router::new().route("/me", get(me)).nest("/billing", billing).nest("/admin", admin).route_layer(auth);
    Router::new().route("/health", get(async || "ok\n")).nest("/api", api)
}

/// Claims that do not fit `Member` get 401. To reject such tokens on every route, call
/// `Issuer::require_claim("tenant")`.
async fn me(token: AccessToken, Claims(member): Claims<Member>) -> String {
    let subject = token.subject().unwrap_or("the client");
    let department = member.department.as_deref().unwrap_or("no department");
    format!("{subject} of {}, {department}\n", member.tenant)
}

async fn invoices(token: AccessToken) -> String {
    // For decisions within a handler.
    let detail = if token.has_role("admin") { "with account numbers" } else { "without account numbers" };
    format!("all invoices, {detail}\n")
}

async fn pay() -> &'static str {
    "paid\n"
}

async fn users() -> &'static str {
    "all users\n"
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::{Method, Request, StatusCode};
    use http_body_util::BodyExt;
    use tower::ServiceExt;
    use tower_bearer::testing::TokenBuilder;

    use super::*;

    struct Api {
        idp: TestIssuer,
        app: Router,
    }

    impl Api {
        fn new() -> Self {
            let idp = TestIssuer::new();
            let auth = idp.bearer_auth(API).issuer(idp.issuer().role_claims(ROLES)).build().unwrap();
            Self { app: app(auth), idp }
        }

        fn token_with_roles(&self, roles: &[&str]) -> TokenBuilder {
            self.idp.token(API).claim("realm_access", json!({ "roles": roles }))
        }

        async fn send(
            &self,
            method: Method,
            path: &str,
            token: Option<TokenBuilder>,
        ) -> (StatusCode, String) {
            let mut request = Request::builder().method(method).uri(path);
            if let Some(token) = token {
                request = request.header("Authorization", format!("Bearer {}", token.sign()));
            }
            let request = request.body(Body::empty()).unwrap();
            let response = self.app.clone().oneshot(request).await.unwrap();
            let status = response.status();
            let body = response.into_body().collect().await.unwrap().to_bytes();
            (status, String::from_utf8(body.to_vec()).unwrap())
        }

        async fn status(&self, path: &str, token: Option<TokenBuilder>) -> StatusCode {
            self.send(Method::GET, path, token).await.0
        }
    }

    #[tokio::test]
    async fn every_nested_route_needs_a_valid_token() {
        let api = Api::new();
        for path in ["/api/me", "/api/billing/invoices", "/api/admin/users"] {
            assert_eq!(api.status(path, None).await, StatusCode::UNAUTHORIZED, "{path}");
            let expired = api.token_with_roles(&["admin"]).claim("tenant", "acme").expired();
            assert_eq!(api.status(path, Some(expired)).await, StatusCode::UNAUTHORIZED, "{path}");
        }
    }

    #[tokio::test]
    async fn unknown_paths_stay_404_without_a_token() {
        let api = Api::new();
        for path in ["/unknown", "/api/unknown", "/api/billing/unknown", "/api/admin/unknown"] {
            assert_eq!(api.status(path, None).await, StatusCode::NOT_FOUND, "{path}");
        }
        assert_eq!(api.status("/health", None).await, StatusCode::OK);
    }

    #[tokio::test]
    async fn each_router_requires_its_roles() {
        let api = Api::new();
        let cases = [
            ("/api/billing/invoices", &["user"][..], StatusCode::FORBIDDEN),
            ("/api/billing/invoices", &["Auditor"], StatusCode::FORBIDDEN),
            ("/api/billing/invoices", &["auditor"], StatusCode::OK),
            ("/api/billing/invoices", &["admin"], StatusCode::OK),
            ("/api/admin/users", &["auditor"], StatusCode::FORBIDDEN),
            ("/api/admin/users", &["admin"], StatusCode::OK),
        ];
        for (path, roles, expected) in cases {
            let token = api.token_with_roles(roles);
            assert_eq!(api.status(path, Some(token)).await, expected, "{path} {roles:?}");
        }
    }

    #[tokio::test]
    async fn roles_count_only_in_the_configured_claim() {
        let api = Api::new();
        let elsewhere = api.idp.token(API).roles(["admin"]).claim("groups", json!(["admin"]));
        assert_eq!(api.status("/api/admin/users", Some(elsewhere)).await, StatusCode::FORBIDDEN);
        let ill_typed = api.idp.token(API).claim("realm_access", json!({ "roles": { "admin": true } }));
        assert_eq!(api.status("/api/admin/users", Some(ill_typed)).await, StatusCode::UNAUTHORIZED);
    }

    #[tokio::test]
    async fn a_route_requires_its_scope_beside_the_role_of_its_router() {
        let api = Api::new();
        let pay = async |token| api.send(Method::POST, "/api/billing/invoices", Some(token)).await.0;
        assert_eq!(pay(api.token_with_roles(&["admin"])).await, StatusCode::FORBIDDEN);
        assert_eq!(pay(api.idp.token(API).scope("invoices.pay")).await, StatusCode::FORBIDDEN);
        let both = api.token_with_roles(&["admin"]).scope("invoices.pay");
        assert_eq!(pay(both).await, StatusCode::OK);
    }

    #[tokio::test]
    async fn claims_must_fit_the_type() {
        let api = Api::new();
        let status = async |token| api.status("/api/me", Some(token)).await;
        assert_eq!(status(api.idp.token(API)).await, StatusCode::UNAUTHORIZED);
        assert_eq!(status(api.idp.token(API).claim("tenant", 7)).await, StatusCode::UNAUTHORIZED);

        let member = api.idp.token(API).subject("alice").claim("tenant", "acme");
        let (status, body) = api.send(Method::GET, "/api/me", Some(member)).await;
        assert_eq!((status, &*body), (StatusCode::OK, "alice of acme, no department\n"));
    }
}
