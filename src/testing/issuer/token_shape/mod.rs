//! Gives a token the claims and the header that an authorization server documents for its access tokens.

mod layout;
mod shape;

use serde_json::{Map, Value, json};

use self::layout::{Audience, Layout, Roles, Scope};
pub use self::shape::TokenShape;
use super::token::TokenBuilder;

impl TokenBuilder {
    /// Sets `roles`, an array (RFC 9068 section 2.2.3.1). Default: no `roles`.
    ///
    /// ```
    /// use tower_bearer::testing::TestIssuer;
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let token = TestIssuer::new().token("my-api").roles(["admin"]).access_token().unwrap();
    /// assert!(token.claims_json().contains(r#""roles":["admin"]"#));
    /// # }
    /// ```
    pub fn roles<I>(self, roles: I) -> Self
    where
        I: IntoIterator,
        I::Item: Into<String>,
    {
        let roles: Vec<String> = roles.into_iter().map(Into::into).collect();
        self.claim("roles", roles)
    }

    /// Gives the token the shape of the access tokens of this authorization server: `typ`, and the claims for
    /// the audience, the client, scopes and roles, as the server documents them.
    ///
    /// It moves `aud`, `client_id`, `scope` and `roles` to where the server writes them, and removes what the
    /// server does not write. So set these before, and change single claims after. The key and the algorithm
    /// stay those of the issuer.
    ///
    /// An issuer with default settings rejects some shapes, such as that of Dex, or finds no client in them.
    /// Test with the settings that you use for the server. A profile works if the identifier of the
    /// [`TestIssuer`](crate::testing::TestIssuer) is the `iss` of the profile; see
    /// [`publish_jwks_at`](crate::testing::TestIssuer::publish_jwks_at) if the keys are on another host.
    ///
    /// ```
    /// use tower_bearer::testing::{TestIssuer, TokenShape};
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::in_memory("https://acme.okta.test/oauth2/default");
    /// let token = idp.token("api://default").scope("orders:read").shaped_like(TokenShape::Okta);
    /// assert!(token.access_token().unwrap().scopes().contains("orders:read"));
    /// # }
    /// ```
    pub fn shaped_like(self, shape: TokenShape) -> Self {
        let Layout { typ, client, scope, roles, audience, has_jti, has_nbf } = shape.layout();
        let mut token = self.header("typ", typ);
        let claims = &mut token.token.claims;
        let constant = shape.constant_claims(claims.get("iss").and_then(Value::as_str).unwrap_or_default());
        let client_id = claims.remove("client_id");
        move_audience(claims, &audience, client_id.as_ref());
        if let Some((name, client_id)) = client.zip(client_id) {
            claims.insert(name.to_owned(), client_id);
        }
        move_scope(claims, &scope);
        move_roles(claims, &roles);
        if !has_jti {
            claims.remove("jti");
        }
        if let Some(issued_at) = claims.get("iat").cloned().filter(|_| has_nbf) {
            claims.insert("nbf".to_owned(), issued_at);
        }
        if let Value::Object(constant) = constant {
            claims.extend(constant);
        }
        token
    }
}

fn move_audience(claims: &mut Map<String, Value>, place: &Audience, client: Option<&Value>) {
    let Some(audience) = claims.remove("aud") else { return };
    let audience = match place {
        Audience::Absent => return,
        Audience::Unchanged => audience,
        Audience::Array => array(audience),
        Audience::WithClient => client.cloned().into_iter().chain(elements(audience)).collect(),
    };
    claims.insert("aud".to_owned(), audience);
}

fn move_scope(claims: &mut Map<String, Value>, place: &Scope) {
    let Some(scope) = claims.remove("scope") else { return };
    match place {
        Scope::Absent => {}
        Scope::Text(name) => drop(claims.insert((*name).to_owned(), scope)),
        Scope::Array(name) => {
            let scopes: Value = scope.as_str().unwrap_or_default().split(' ').collect();
            claims.insert((*name).to_owned(), scopes);
        }
    }
}

fn move_roles(claims: &mut Map<String, Value>, place: &Roles) {
    let Some(roles) = claims.remove("roles") else { return };
    let (name, value) = match place {
        Roles::Absent => return,
        Roles::Array(name) => (name, roles),
        Roles::Within(name) => (name, json!({ "roles": roles })),
        Roles::Names(name) => {
            let names = elements(roles).filter_map(|role| role.as_str().map(str::to_owned));
            (name, names.map(|role| (role, json!({ "organization-1": "acme.example.com" }))).collect())
        }
    };
    claims.insert((*name).to_owned(), value);
}

fn array(value: Value) -> Value {
    elements(value).collect()
}

/// The elements of an array, or the value itself.
fn elements(value: Value) -> impl Iterator<Item = Value> {
    let elements = if let Value::Array(elements) = value { elements } else { vec![value] };
    elements.into_iter()
}
