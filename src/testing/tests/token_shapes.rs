//! The shapes of tokens after the documentation of authorization servers.

use serde_json::json;

use super::*;
use crate::encoding::base64url;
use crate::rejection::RejectionKind;
use crate::testing::{TokenBuilder, TokenShape};

const ENTRA: &str = "https://login.microsoftonline.test/11111111-2222-3333-4444-555555555555/v2.0";

fn token() -> TokenBuilder {
    let token = TestIssuer::in_memory(ENTRA).token("orders-api").subject("alice").claim("client_id", "web");
    token.scope("openid orders").roles(["admin", "clerk"])
}

/// The header and the claims of a signed token.
fn decoded(token: &TokenBuilder) -> [Value; 2] {
    let jwt = token.sign();
    let mut parts = jwt.split('.').map(|part| base64url::decode(part).unwrap_or_default());
    [(); 2].map(|()| serde_json::from_slice(&parts.next().unwrap()).unwrap())
}

#[test]
fn each_shape_has_type_audience_client_scopes_and_roles_where_its_server_documents_them() {
    use TokenShape as S;
    let (roles, scopes) = (json!(["admin", "clerk"]), json!(["openid", "orders"]));
    let (api, text) = (json!("orders-api"), json!("openid orders"));
    let organization = json!({ "organization-1": "acme.example.com" });
    let project = json!({ "admin": organization, "clerk": organization });
    let none = Value::Null;
    // The type of the header, `aud`, and pointers to the client, the scopes and the roles.
    for (shape, typ, audience, client, scope, role) in [
        (S::Adfs, "JWT", &api, "/appid", ("/scp", &text), ("/roles", &none)),
        (S::Auth0, "JWT", &api, "/azp", ("/scope", &text), ("/permissions", &roles)),
        (S::Cognito, "", &none, "/client_id", ("/scope", &text), ("/cognito:groups", &roles)),
        (S::Dex, "", &json!(["web", "orders-api"]), "/azp", ("/scope", &none), ("/groups", &roles)),
        (S::Entra, "JWT", &api, "/azp", ("/scp", &text), ("/roles", &roles)),
        (S::EntraV1, "JWT", &api, "/appid", ("/scp", &text), ("/roles", &roles)),
        (S::Google, "JWT", &api, "/azp", ("/scope", &none), ("/roles", &none)),
        (S::Hydra, "JWT", &json!(["orders-api"]), "/client_id", ("/scp", &scopes), ("/roles", &none)),
        (S::Keycloak, "JWT", &api, "/azp", ("/scope", &text), ("/realm_access/roles", &roles)),
        (S::Kubernetes, "", &json!(["orders-api"]), "", ("/scope", &none), ("/roles", &none)),
        (S::Okta, "", &api, "/cid", ("/scp", &scopes), ("/groups", &roles)),
        (
            S::Zitadel,
            "JWT",
            &json!(["orders-api"]),
            "/client_id",
            ("/scope", &none),
            ("/urn:zitadel:iam:org:project:roles", &project),
        ),
    ] {
        let [header, claims] = decoded(&token().shaped_like(shape));
        assert_eq!(header["typ"].as_str().unwrap_or_default(), typ, "{shape:?}");
        assert_eq!(&claims["aud"], audience, "{shape:?}");
        let at = |pointer| claims.pointer(pointer).unwrap_or(&Value::Null);
        let clients = ["/azp", "/appid", "/cid", "/client_id"].into_iter().filter(|name| *at(name) == "web");
        assert_eq!(clients.collect::<String>(), client, "{shape:?}");
        assert_eq!([at(scope.0), at(role.0)], [scope.1, role.1], "{shape:?}");
        let scopes = ["/scope", "/scp"].into_iter().filter(|name| !at(name).is_null());
        assert_eq!(scopes.count(), usize::from(!scope.1.is_null()), "{shape:?}");
        assert_eq!([&claims["iss"], &claims["sub"]], [&json!(ENTRA), &json!("alice")], "{shape:?}");
    }
}

#[test]
fn marks_of_single_servers_are_there() {
    for (shape, pointer, expected) in [
        (TokenShape::Adfs, "/auth_time", json!("2026-01-01T08:00:00.000Z")),
        (TokenShape::Cognito, "/token_use", json!("access")),
        (TokenShape::Entra, "/tid", json!("11111111-2222-3333-4444-555555555555")),
        (TokenShape::EntraV1, "/ver", json!("1.0")),
        (TokenShape::Keycloak, "/typ", json!("Bearer")),
        (TokenShape::Kubernetes, "/kubernetes.io/serviceaccount/name", json!("web")),
        (TokenShape::Okta, "/ver", json!(1)),
    ] {
        let [_, claims] = decoded(&token().shaped_like(shape));
        assert_eq!(claims.pointer(pointer), Some(&expected), "{shape:?}");
    }
    let [_, claims] = decoded(&token().shaped_like(TokenShape::Dex));
    assert!(claims["at_hash"].is_string());
}

#[test]
fn what_a_test_has_not_set_or_removed_is_not_added() {
    let bare = TestIssuer::new().token(API).without("client_id").without("iat").without("aud");
    for shape in [TokenShape::Auth0, TokenShape::Dex, TokenShape::Entra, TokenShape::Zitadel] {
        let [_, claims] = decoded(&bare.clone().shaped_like(shape));
        for name in ["aud", "azp", "client_id", "nbf", "scope", "scp", "roles", "permissions", "groups"] {
            assert!(claims[name].is_null(), "{shape:?}: {name}");
        }
    }
}

#[test]
fn claims_that_are_set_after_the_shape_replace_it() {
    let token = token().shaped_like(TokenShape::Okta).claim("scp", vec!["orders:read"]).without("cid");
    let [_, claims] = decoded(&token);
    assert_eq!((&claims["scp"], &claims["cid"]), (&json!(["orders:read"]), &Value::Null));
}

#[test]
fn an_api_with_default_settings_accepts_the_shapes_that_it_can_read() {
    for shape in [TokenShape::Auth0, TokenShape::Hydra, TokenShape::Keycloak, TokenShape::Okta] {
        // Without an audience as text, `access_token` expects the audience `api`.
        let token = TestIssuer::new().token("api").scope("orders").shaped_like(shape);
        let token = token.access_token().unwrap();
        assert!(token.scopes().contains("orders"), "{shape:?}");
    }
    let dex = TestIssuer::new().token("api").shaped_like(TokenShape::Dex);
    assert_eq!(dex.access_token().unwrap_err().kind(), RejectionKind::IdTokenPresented);
    let cognito = TestIssuer::new().token("api").shaped_like(TokenShape::Cognito);
    assert_eq!(cognito.access_token().unwrap_err().kind(), RejectionKind::ClaimMissing);
}
