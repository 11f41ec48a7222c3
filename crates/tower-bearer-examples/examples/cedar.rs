//! Cedar: policies decide about each request, with the user, roles and scopes of its token.
//!
//! `BearerAuth` says who sends a request. `cedar/orders.cedar` says who may do what with an order.
//!
//! ```text
//! cargo run -p tower-bearer-examples --example cedar    # prints curl lines, then serves until Ctrl-C
//! ```

use std::collections::{HashMap, HashSet};
use std::error::Error;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use cedar_policy::{
    Authorizer, Context, Decision, Entities, Entity, EntityId, EntityUid, PolicySet, RestrictedExpression,
    Schema, ValidationMode, Validator,
};
use serde_json::json;
use tower_bearer::testing::TestIssuer;
use tower_bearer::{AccessToken, BearerAuth};
use tower_bearer_examples::{listen, print_curl};

type BoxError = Box<dyn Error + Send + Sync>;

/// The audience: tokens for this API have it in `aud`.
const API: &str = "https://api.example.com";

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let idp = TestIssuer::start().await?;
    let app = app(&idp)?;
    let (listener, origin) = listen().await?;

    let order = format!("{origin}/orders/1");
    let token = |subject: &str| idp.token(API).subject(subject).scope("orders:read");
    print_curl("200: alice owns the order", Some(&token("alice").sign()), &order);
    print_curl("403: bob does not", Some(&token("bob").sign()), &order);
    print_curl("200: bob has the role support", Some(&token("bob").roles(["support"]).sign()), &order);
    print_curl("403: the scope is missing", Some(&idp.token(API).subject("alice").sign()), &order);
    axum::serve(listener, app).await?;
    Ok(())
}

fn app(idp: &TestIssuer) -> Result<Router, BoxError> {
    let auth = BearerAuth::builder(API).issuer(idp.issuer().role_claims(["/roles"])).build()?;
    let alice = user_id(idp.identifier(), "alice");
    let orders =
        [(1, Order { owner: alice.clone(), shipped: false }), (2, Order { owner: alice, shipped: true })];
    let shop = Arc::new(Shop { policies: Policies::load()?, orders: orders.into() });
    // The policies are inside, because they need the token, and on the route, because they need its path.
    let router =
        Router::new().route("/orders/{id}", get(async || "the order\n").delete(async || "cancelled\n"));
    Ok(router.route_layer(from_fn_with_state(shop, authorize)).route_layer(auth))
}

struct Shop {
    policies: Policies,
    orders: HashMap<u32, Order>,
}

struct Order {
    owner: String,
    shipped: bool,
}

/// Sends on the requests that a policy permits.
async fn authorize(
    State(shop): State<Arc<Shop>>,
    token: AccessToken,
    Path(id): Path<u32>,
    request: Request,
    next: Next,
) -> Response {
    let action = match *request.method() {
        Method::GET | Method::HEAD => "read",
        Method::DELETE => "cancel",
        _ => return problem(StatusCode::FORBIDDEN),
    };
    // The same response for an unknown order, so that the status does not reveal which orders exist.
    let Some(order) = shop.orders.get(&id) else {
        return problem(StatusCode::FORBIDDEN);
    };
    match shop.policies.decide(&token, action, id, order) {
        Ok(Decision::Allow) => next.run(request).await,
        Ok(Decision::Deny) => problem(StatusCode::FORBIDDEN),
        Err(error) => {
            tracing::error!(error, "the policies cannot decide");
            problem(StatusCode::INTERNAL_SERVER_ERROR)
        }
    }
}

/// Problem details (RFC 9457).
fn problem(status: StatusCode) -> Response {
    let body = json!({ "status": status.as_u16(), "title": status.canonical_reason() });
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
}

struct Policies {
    policies: PolicySet,
    schema: Schema,
}

impl Policies {
    /// Fails if a policy does not fit the schema, for example because of a misspelt attribute.
    fn load() -> Result<Self, BoxError> {
        let policies: PolicySet = include_str!("cedar/orders.cedar").parse()?;
        let schema: Schema = include_str!("cedar/orders.cedarschema").parse()?;
        let validation = Validator::new(schema.clone()).validate(&policies, ValidationMode::default());
        if !validation.validation_passed() {
            return Err(validation.to_string().into());
        }
        Ok(Self { policies, schema })
    }

    fn decide(
        &self,
        token: &AccessToken,
        action: &str,
        id: u32,
        order: &Order,
    ) -> Result<Decision, BoxError> {
        // The policies are about users. A token without `sub` belongs to a client.
        let Some(subject) = token.subject() else { return Ok(Decision::Deny) };
        let principal = uid("User", &user_id(token.issuer(), subject))?;
        let roles = token.roles().map(|role| uid("Role", role)).collect::<Result<_, BoxError>>()?;
        let user = Entity::new_no_attrs(principal.clone(), roles);

        let resource = uid("Order", &id.to_string())?;
        let attributes = HashMap::from([
            ("owner".to_owned(), RestrictedExpression::new_entity_uid(uid("User", &order.owner)?)),
            ("shipped".to_owned(), RestrictedExpression::new_bool(order.shipped)),
        ]);
        let order = Entity::new(resource.clone(), attributes, HashSet::new())?;

        let scopes = token.scopes().iter().map(|scope| RestrictedExpression::new_string(scope.to_owned()));
        let scopes = RestrictedExpression::new_set(scopes);
        let context = Context::from_pairs([("scopes".to_owned(), scopes)])?;

        let schema = Some(&self.schema);
        let request =
            cedar_policy::Request::new(principal, uid("Action", action)?, resource, context, schema)?;
        let entities = Entities::from_entities([user, order], schema)?;
        let response = Authorizer::new().is_authorized(&request, &self.policies, &entities);
        // Cedar skips a policy that fails, even if it forbids.
        match response.diagnostics().errors().next() {
            Some(error) => Err(error.to_string().into()),
            None => Ok(response.decision()),
        }
    }
}

/// A user is the subject of one issuer: others may have the same subject. The first `#` ends the issuer,
/// which has no fragment (RFC 8414 section 2).
fn user_id(issuer: &str, subject: &str) -> String {
    format!("{issuer}#{subject}")
}

fn uid(kind: &str, id: &str) -> Result<EntityUid, BoxError> {
    Ok(EntityUid::from_type_name_and_id(kind.parse()?, EntityId::new(id)))
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use tower::ServiceExt;
    use tower_bearer::testing::TokenBuilder;

    use super::*;

    const OPEN: &str = "/orders/1";
    const SHIPPED: &str = "/orders/2";

    #[tokio::test]
    async fn request_without_a_token_does_not_reach_the_policies() {
        assert_eq!(Api::start().await.status("GET", OPEN, None).await, StatusCode::UNAUTHORIZED);
    }

    #[tokio::test]
    async fn owner_reads_and_cancels() {
        let api = Api::start().await;
        let alice = api.token("alice", "orders:read orders:cancel");
        assert_eq!(api.status("GET", OPEN, Some(&alice)).await, StatusCode::OK);
        assert_eq!(api.status("DELETE", OPEN, Some(&alice)).await, StatusCode::OK);
    }

    #[tokio::test]
    async fn owner_cannot_cancel_a_shipped_order() {
        let api = Api::start().await;
        let alice = api.token("alice", "orders:read orders:cancel");
        assert_eq!(api.status("GET", SHIPPED, Some(&alice)).await, StatusCode::OK);
        assert_eq!(api.status("DELETE", SHIPPED, Some(&alice)).await, StatusCode::FORBIDDEN);
    }

    #[tokio::test]
    async fn owner_needs_the_scope_of_the_action() {
        let api = Api::start().await;
        let (reader, canceller) = (api.token("alice", "orders:read"), api.token("alice", "orders:cancel"));
        assert_eq!(api.status("DELETE", OPEN, Some(&reader)).await, StatusCode::FORBIDDEN);
        assert_eq!(api.status("GET", OPEN, Some(&canceller)).await, StatusCode::FORBIDDEN);
    }

    #[tokio::test]
    async fn another_user_is_denied_with_a_problem() {
        let api = Api::start().await;
        let bob = api.token("bob", "orders:read orders:cancel");
        let response = api.send("GET", OPEN, Some(&bob)).await;
        assert_eq!(response.status(), StatusCode::FORBIDDEN);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        assert_eq!(api.status("DELETE", OPEN, Some(&bob)).await, StatusCode::FORBIDDEN);
        assert_eq!(api.status("GET", "/orders/3", Some(&bob)).await, StatusCode::FORBIDDEN, "does not exist");
    }

    #[tokio::test]
    async fn subject_that_looks_like_another_user_is_denied() {
        let api = Api::start().await;
        let owner = user_id(api.idp.identifier(), "alice");
        let token = api.token(&owner, "orders:read");
        assert_eq!(api.status("GET", OPEN, Some(&token)).await, StatusCode::FORBIDDEN);
    }

    #[tokio::test]
    async fn token_without_a_subject_is_denied() {
        let api = Api::start().await;
        let token = api.token("alice", "orders:read").without("sub").roles(["support"]);
        assert_eq!(api.status("GET", OPEN, Some(&token)).await, StatusCode::FORBIDDEN);
    }

    #[tokio::test]
    async fn support_reads_every_order_and_cancels_none() {
        let api = Api::start().await;
        let bob = api.token("bob", "orders:read orders:cancel").roles(["support"]);
        assert_eq!(api.status("GET", OPEN, Some(&bob)).await, StatusCode::OK);
        assert_eq!(api.status("DELETE", OPEN, Some(&bob)).await, StatusCode::FORBIDDEN);
    }

    struct Api {
        idp: TestIssuer,
        app: Router,
    }

    impl Api {
        async fn start() -> Self {
            let idp = TestIssuer::start().await.unwrap();
            Self { app: app(&idp).unwrap(), idp }
        }

        fn token(&self, subject: &str, scopes: &str) -> TokenBuilder {
            self.idp.token(API).subject(subject).scope(scopes)
        }

        async fn status(&self, method: &str, path: &str, token: Option<&TokenBuilder>) -> StatusCode {
            self.send(method, path, token).await.status()
        }

        async fn send(&self, method: &str, path: &str, token: Option<&TokenBuilder>) -> Response {
            let mut request = Request::builder().method(method).uri(path);
            if let Some(token) = token {
                request = request.header("Authorization", format!("Bearer {}", token.sign()));
            }
            self.app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
        }
    }
}
