//! One table of token shapes: as servers write them, and how they mean them.
//!
//! Written after the documentation or the source of each server, not run against it.

use serde_json::{Value, json};
use tower_bearer::RejectionKind::{
    AudienceMismatch, ClaimMissing, ClaimsRejected, ClientNotAllowed, IdTokenPresented, SenderNotProven,
    TokenOpaque, TypeMismatch,
};
use tower_bearer::{Issuer, RejectionKind};

use super::{Unsigned, api, published, seen};

const TENANT: &str = "11111111-2222-3333-4444-555555555555";
const API: &str = "orders-api";
const POOL: &str = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI";

/// How a server means a token: for an API, with this client, these roles and these scopes; or not.
enum Means {
    Access { client: Option<&'static str>, roles: &'static [&'static str], scopes: &'static str },
    Other(RejectionKind),
}

use Means::{Access, Other};

/// A row: the name, the settings, the header without `kid`, and the claims.
type Shape = (&'static str, Issuer, Value, Value, Means);

fn access(client: &'static str, roles: &'static [&'static str], scopes: &'static str) -> Means {
    Access { client: Some(client), roles, scopes }
}

fn rs256(typ: &str) -> Value {
    json!({"alg": "RS256", "typ": typ})
}

fn untyped() -> Value {
    json!({"alg": "RS256"})
}

/// The claims that are in nearly every token, and more.
fn claims(iss: &str, aud: &Value, sub: &str, more: &Value) -> Value {
    let mut claims = json!({"iss": iss, "aud": aud, "sub": sub, "iat": 0, "exp": 0});
    let more = more.as_object().unwrap().clone();
    claims.as_object_mut().unwrap().extend(more);
    claims
}

/// Google, for the service accounts of one project.
fn google_callers() -> Issuer {
    let is_ours = |email: &str| email.ends_with("@b.iam.gserviceaccount.com");
    Issuer::google()
        .validate(move |claims| claims.get("email").and_then(|email| email.as_str()).is_some_and(is_ours))
}

fn entra_adfs_and_google() -> Vec<Shape> {
    let entra = format!("https://login.microsoftonline.com/{TENANT}/v2.0");
    let entra_v1 = format!("https://sts.windows.net/{TENANT}/");
    let b2c = format!("https://acme.b2clogin.com/{TENANT}/v2.0/");
    let adfs = "http://adfs.example.com/adfs/services/trust";
    let google = "https://accounts.google.com";
    vec![
        (
            "Entra ID v2, application",
            Issuer::entra(TENANT),
            rs256("JWT"),
            claims(
                &entra,
                &json!(API),
                "s",
                &json!({"nbf": 0, "azp": "daemon", "azpacr": "1", "idtyp": "app",
                "oid": "s", "roles": ["Orders.Read.All"], "tid": TENANT, "ver": "2.0"}),
            ),
            access("daemon", &["Orders.Read.All"], ""),
        ),
        (
            "Entra ID v2, ID token of an app that is its own API",
            Issuer::entra(TENANT),
            rs256("JWT"),
            claims(&entra, &json!(API), "s", &json!({"nbf": 0, "oid": "s", "tid": TENANT, "ver": "2.0"})),
            Other(ClaimMissing),
        ),
        (
            "Entra ID v1, application",
            Issuer::entra_v1(TENANT),
            rs256("JWT"),
            claims(
                &entra_v1,
                &json!(API),
                "s",
                &json!({"nbf": 0, "appid": "daemon", "appidacr": "1",
                "idp": entra_v1, "roles": ["Orders.Read.All"], "tid": TENANT, "ver": "1.0"}),
            ),
            access("daemon", &["Orders.Read.All"], ""),
        ),
        (
            "Entra ID B2C",
            Issuer::discover(&b2c),
            rs256("JWT"),
            claims(
                &b2c,
                &json!(API),
                "s",
                &json!({"nbf": 0, "auth_time": 0, "azp": "spa", "nonce": "n",
                "idp": "local", "scp": "read write", "tfp": "B2C_1_signin", "ver": "1.0"}),
            ),
            access("spa", &[], "read write"),
        ),
        (
            "AD FS, ISO auth_time",
            Issuer::adfs("adfs.example.com").role_claims(["/role"]),
            rs256("JWT"),
            claims(
                adfs,
                &json!(API),
                "s",
                &json!({"appid": "web", "apptype": "Public", "scp": "openid",
                "authmethod": "urn:x", "auth_time": "2026-11-26T18:55:03.123Z", "role": "Clerk"}),
            ),
            access("web", &["Clerk"], "openid"),
        ),
        (
            "AD FS, another Web API",
            Issuer::adfs("adfs.example.com"),
            rs256("JWT"),
            claims(adfs, &json!("urn:microsoft:userinfo"), "s", &json!({"appid": "web", "scp": "openid"})),
            Other(AudienceMismatch),
        ),
        (
            "Google, service account",
            google_callers(),
            rs256("JWT"),
            claims(
                google,
                &json!(API),
                "1137",
                &json!({"azp": "1137", "email": "a@b.iam.gserviceaccount.com",
                "email_verified": true}),
            ),
            access("1137", &[], ""),
        ),
        (
            "Google, service account of another customer",
            google_callers(),
            rs256("JWT"),
            claims(
                google,
                &json!(API),
                "1138",
                &json!({"azp": "1138", "email": "a@evil.iam.gserviceaccount.com", "email_verified": true}),
            ),
            Other(ClaimsRejected),
        ),
        (
            "Google, Sign in with Google, without at_hash and nonce",
            google_callers(),
            rs256("JWT"),
            claims(google, &json!(API), "1076", &json!({"azp": "web", "email": "a@example.com"})),
            Other(ClaimsRejected),
        ),
        (
            "Google, ID token of a user",
            google_callers(),
            rs256("JWT"),
            claims(
                google,
                &json!(API),
                "1076",
                &json!({"azp": "web", "at_hash": "HK6E", "email_verified": "true"}),
            ),
            Other(IdTokenPresented),
        ),
    ]
}

fn cognito_okta_and_auth0() -> Vec<Shape> {
    let cognito = || Issuer::cognito("eu-central-1", "eu-central-1_AbCdEfGhI").allowed_clients(["app"]);
    let okta = "https://acme.okta.com/oauth2/default";
    let auth0 = "https://acme.eu.auth0.com/";
    let without_aud = |more: &Value| {
        let mut claims = claims(POOL, &json!(API), "user", more);
        claims.as_object_mut().unwrap().remove("aud");
        claims
    };
    vec![
        (
            "Cognito, access token",
            cognito(),
            untyped(),
            without_aud(
                &json!({"token_use": "access", "client_id": "app", "version": 2, "username": "alice",
                "scope": "aws.cognito.signin.user.admin", "cognito:groups": ["clerk"], "auth_time": 0}),
            ),
            access("app", &["clerk"], "aws.cognito.signin.user.admin"),
        ),
        (
            "Cognito, another app client",
            cognito(),
            untyped(),
            without_aud(&json!({"token_use": "access", "client_id": "other", "scope": "orders/read"})),
            Other(ClientNotAllowed),
        ),
        (
            "Cognito, client credentials",
            cognito(),
            untyped(),
            without_aud(
                &json!({"token_use": "access", "client_id": "app", "scope": "orders/read", "version": 2}),
            ),
            access("app", &[], "orders/read"),
        ),
        (
            "Cognito, resource binding",
            Issuer::discover(POOL),
            untyped(),
            claims(POOL, &json!(API), "user", &json!({"token_use": "access", "client_id": "any"})),
            access("any", &[], ""),
        ),
        (
            "Cognito, ID token",
            cognito(),
            untyped(),
            claims(POOL, &json!("app"), "user", &json!({"token_use": "id", "cognito:username": "alice"})),
            Other(IdTokenPresented),
        ),
        (
            "Okta, client credentials",
            Issuer::okta(okta),
            untyped(),
            claims(
                okta,
                &json!(API),
                "0oa1",
                &json!({"ver": 1, "jti": "AT.x", "cid": "0oa1", "scp": ["orders"]}),
            ),
            access("0oa1", &[], "orders"),
        ),
        (
            "Okta, org authorization server",
            Issuer::okta("https://acme.okta.com"),
            untyped(),
            claims(
                "https://acme.okta.com",
                &json!("https://acme.okta.com"),
                "a@b.c",
                &json!({"ver": 1,
                "cid": "0oa1", "uid": "00u1", "scp": ["openid"]}),
            ),
            Other(AudienceMismatch),
        ),
        (
            "Okta, ID token",
            Issuer::okta(okta),
            untyped(),
            claims(
                okta,
                &json!(API),
                "00u1",
                &json!({"ver": 1, "jti": "ID.x", "amr": ["pwd"], "idp": "00o1"}),
            ),
            Other(ClaimMissing),
        ),
        (
            "Auth0, RFC 9068 profile",
            Issuer::auth0("acme.eu.auth0.com").strict_rfc9068(),
            rs256("at+jwt"),
            claims(
                auth0,
                &json!(API),
                "auth0|1",
                &json!({"jti": "j", "client_id": "web", "scope": "read:orders",
                "permissions": ["read:orders"]}),
            ),
            access("web", &["read:orders"], "read:orders"),
        ),
        (
            "Auth0, machine to machine",
            Issuer::auth0("acme.eu.auth0.com"),
            rs256("JWT"),
            claims(
                auth0,
                &json!(API),
                "m2m@clients",
                &json!({"azp": "m2m", "gty": "client-credentials",
                "scope": "read:orders"}),
            ),
            access("m2m", &[], "read:orders"),
        ),
        (
            "Auth0, ID token",
            Issuer::auth0("acme.eu.auth0.com"),
            rs256("JWT"),
            claims(auth0, &json!("web"), "auth0|1", &json!({"sid": "s", "nonce": "n", "name": "Alice"})),
            Other(IdTokenPresented),
        ),
    ]
}

fn keycloak() -> Vec<Shape> {
    let realm = "https://login.example.com/realms/acme";
    let keycloak = || Issuer::keycloak(realm);
    let roles = json!({"roles": ["admin", "clerk"]});
    vec![
        (
            "Keycloak before 19, with nonce",
            keycloak(),
            rs256("JWT"),
            claims(
                realm,
                &json!([API, "account"]),
                "u",
                &json!({"typ": "Bearer", "azp": "web", "nonce": "n",
                "session_state": "s", "acr": "1", "auth_time": 0, "realm_access": roles, "scope": "openid"}),
            ),
            access("web", &["admin", "clerk"], "openid"),
        ),
        (
            "Keycloak, service account",
            keycloak(),
            rs256("JWT"),
            claims(
                realm,
                &json!(API),
                "u",
                &json!({"typ": "Bearer", "azp": "batch", "client_id": "batch",
                "clientHost": "192.0.2.1", "clientAddress": "192.0.2.1", "scope": "", "realm_access": roles}),
            ),
            access("batch", &["admin", "clerk"], ""),
        ),
        (
            "Keycloak, roles of a client",
            keycloak().role_claims(["/resource_access/orders/roles"]),
            rs256("JWT"),
            claims(
                realm,
                &json!(API),
                "u",
                &json!({"typ": "Bearer", "azp": "web", "scope": "email",
                "realm_access": roles, "resource_access": {"orders": {"roles": ["seller"]}}}),
            ),
            access("web", &["seller"], "email"),
        ),
        (
            "Keycloak, lightweight",
            keycloak(),
            rs256("JWT"),
            claims(
                realm,
                &json!(API),
                "u",
                &json!({"typ": "Bearer", "azp": "web", "sid": "s", "scope": "profile"}),
            ),
            access("web", &[], "profile"),
        ),
        (
            "Keycloak, no audience mapper",
            keycloak(),
            rs256("JWT"),
            claims(
                realm,
                &json!("account"),
                "u",
                &json!({"typ": "Bearer", "azp": "web", "realm_access": roles}),
            ),
            Other(AudienceMismatch),
        ),
        (
            "Keycloak, DPoP",
            keycloak(),
            rs256("JWT"),
            claims(
                realm,
                &json!(API),
                "u",
                &json!({"typ": "DPoP", "azp": "web", "cnf": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}}),
            ),
            Other(SenderNotProven),
        ),
        (
            "Keycloak, ID token",
            keycloak(),
            rs256("JWT"),
            claims(realm, &json!(API), "u", &json!({"typ": "ID", "azp": "web", "sid": "s"})),
            Other(IdTokenPresented),
        ),
        (
            "Keycloak, refresh token",
            keycloak(),
            rs256("JWT"),
            claims(realm, &json!(API), "u", &json!({"typ": "Refresh", "azp": "web", "scope": "openid"})),
            Other(TypeMismatch),
        ),
    ]
}

fn cloud_native() -> Vec<Shape> {
    let (dex, hydra, zitadel) =
        ("https://dex.example.com", "https://hydra.example.com", "https://acme.zitadel.cloud");
    let cluster = "https://kubernetes.default.svc.cluster.local";
    let (gitlab, github) = ("https://gitlab.example.com", "https://token.actions.githubusercontent.com");
    let roles = json!({"admin": {"1": "acme.zitadel.cloud"}});
    vec![
        (
            "Dex, at_hash",
            Issuer::dex(dex),
            untyped(),
            claims(
                dex,
                &json!(API),
                "Cg",
                &json!({"at_hash": "x", "email_verified": true, "groups": ["acme:a"]}),
            ),
            Access { client: None, roles: &["acme:a"], scopes: "" },
        ),
        (
            "Dex without its profile",
            Issuer::discover(dex),
            untyped(),
            claims(dex, &json!(API), "Cg", &json!({"at_hash": "x", "email_verified": true})),
            Other(IdTokenPresented),
        ),
        (
            "Hydra, scp",
            Issuer::hydra(hydra),
            rs256("JWT"),
            claims(
                hydra,
                &json!([API]),
                "alice",
                &json!({"client_id": "web", "ext": {}, "jti": "j", "nbf": 0,
                "scp": ["orders", "offline"]}),
            ),
            access("web", &[], "orders offline"),
        ),
        (
            "Hydra, scope as text, client credentials",
            Issuer::hydra(hydra),
            rs256("JWT"),
            claims(
                hydra,
                &json!([API]),
                "batch",
                &json!({"client_id": "batch", "scope": "orders", "jti": "j"}),
            ),
            access("batch", &[], "orders"),
        ),
        (
            "Hydra, no audience",
            Issuer::hydra(hydra),
            rs256("JWT"),
            claims(hydra, &json!([]), "alice", &json!({"client_id": "web", "scp": ["orders"]})),
            Other(AudienceMismatch),
        ),
        (
            "ZITADEL, service user",
            Issuer::zitadel(zitadel),
            rs256("JWT"),
            claims(
                zitadel,
                &json!([API]),
                "2592",
                &json!({"client_id": "bot", "jti": "V2", "nbf": 0,
                "urn:zitadel:iam:org:project:roles": roles}),
            ),
            access("bot", &["admin"], ""),
        ),
        (
            "ZITADEL, ID token of a refresh",
            Issuer::zitadel(zitadel),
            rs256("JWT"),
            claims(
                zitadel,
                &json!(["web", API]),
                "2592",
                &json!({"azp": "web", "client_id": "web", "amr": ["pwd"]}),
            ),
            Other(ClaimMissing),
        ),
        (
            "Kubernetes, service account",
            Issuer::kubernetes(cluster),
            untyped(),
            claims(
                cluster,
                &json!([API]),
                "system:serviceaccount:shop:web",
                &json!({"jti": "j", "nbf": 0,
                "kubernetes.io": {"namespace": "shop", "serviceaccount": {"name": "web", "uid": "u"}}}),
            ),
            Access { client: None, roles: &[], scopes: "" },
        ),
        (
            "GitLab, CI job",
            Issuer::discover(gitlab).validate(|claims| {
                claims.get("project_path").is_some_and(|path| path.as_str() == Some("acme/shop"))
            }),
            rs256("JWT"),
            claims(
                gitlab,
                &json!(API),
                "project_path:acme/shop:ref_type:branch:ref:main",
                &json!({"jti": "j",
                "nbf": 0, "project_id": "20", "project_path": "acme/shop", "ref_protected": "true"}),
            ),
            Access { client: None, roles: &[], scopes: "" },
        ),
        (
            "GitHub, Actions job",
            Issuer::discover(github),
            rs256("JWT"),
            claims(
                github,
                &json!(API),
                "repo:acme/shop:ref:refs/heads/main",
                &json!({"jti": "j", "nbf": 0,
                "repository": "acme/shop", "run_attempt": "1"}),
            ),
            Access { client: None, roles: &[], scopes: "" },
        ),
    ]
}

fn packages() -> Vec<Shape> {
    let iss = "https://op.example.com";
    let op = || Issuer::discover(iss);
    let slash = "https://auth.example.com/";
    let glewlwyd = "https://op.example.com/glewlwyd/api/oidc";
    vec![
        (
            "node oidc-provider",
            op().strict_rfc9068(),
            rs256("at+jwt"),
            claims(iss, &json!(API), "u", &json!({"jti": "j", "client_id": "web", "scope": "orders"})),
            access("web", &[], "orders"),
        ),
        (
            "node oidc-provider, bare ID token: strict settings tell",
            op().strict_rfc9068(),
            rs256("JWT"),
            claims(iss, &json!(API), "u", &json!({})),
            Other(TypeMismatch),
        ),
        (
            "node oidc-provider, bare ID token: nothing else tells",
            op(),
            untyped(),
            claims(iss, &json!(API), "u", &json!({})),
            Access { client: None, roles: &[], scopes: "" },
        ),
        (
            "Authlib",
            op(),
            rs256("at+jwt"),
            claims(
                iss,
                &json!(API),
                "u",
                &json!({"jti": "j", "client_id": "web", "scope": "orders",
                "auth_time": null, "acr": null, "amr": null}),
            ),
            access("web", &[], "orders"),
        ),
        (
            "better-auth",
            op(),
            json!({"alg": "EdDSA"}),
            claims(
                iss,
                &json!([API, "https://op.example.com/userinfo"]),
                "u",
                &json!({"azp": "web", "sid": "s",
                "scope": "openid orders"}),
            ),
            access("web", &[], "openid orders"),
        ),
        (
            "a12n-server, no kid",
            op(),
            json!({"alg": "RS256", "typ": "at+jwt", "kid": null}),
            claims(
                iss,
                &json!(API),
                "https://op.example.com/user/1",
                &json!({"jti": "j", "client_id": "web",
                "scope": "orders"}),
            ),
            access("web", &[], "orders"),
        ),
        (
            "LemonLDAP::NG",
            Issuer::discover(slash),
            rs256("JWT"),
            claims(
                slash,
                &json!(["web", API]),
                "dwho",
                &json!({"jti": "j", "client_id": "web", "sid": "s",
                "scope": "openid orders"}),
            ),
            access("web", &[], "openid orders"),
        ),
        (
            "Glewlwyd",
            Issuer::discover(glewlwyd),
            rs256("at+jwt"),
            claims(
                glewlwyd,
                &json!(API),
                "u",
                &json!({"jti": "j", "client_id": "web", "type": "access_token",
                "scope": "orders", "salt": "x", "username": "alice"}),
            ),
            access("web", &[], "orders"),
        ),
        (
            "Glewlwyd, refresh token",
            Issuer::discover(glewlwyd),
            rs256("rt+jwt"),
            claims(glewlwyd, &json!(API), "u", &json!({"type": "refresh_token", "client_id": "web"})),
            Other(TypeMismatch),
        ),
        (
            "canaille",
            op(),
            rs256("JWT"),
            claims(
                iss,
                &json!([API]),
                "user",
                &json!({"jti": "j", "client_id": "web", "scope": "openid groups"}),
            ),
            access("web", &[], "openid groups"),
        ),
        (
            "Authelia",
            op(),
            rs256("at+jwt"),
            claims(
                iss,
                &json!([API]),
                "u",
                &json!({"jti": "j", "client_id": "web", "nbf": 0, "scp": ["orders"]}),
            ),
            access("web", &[], "orders"),
        ),
    ]
}

fn products() -> Vec<Shape> {
    let iss = "https://sso.example.com";
    let sso = || Issuer::discover(iss);
    vec![
        (
            "FusionAuth",
            sso().role_claims(["/roles"]),
            json!({"alg": "RS256", "typ": "JWT", "gty": ["authorization_code"]}),
            claims(
                iss,
                &json!(API),
                "u",
                &json!({"jti": "j", "authenticationType": "PASSWORD", "applicationId": API,
                "email_verified": true, "roles": ["admin"], "auth_time": 0, "tid": "t", "scope": "openid"}),
            ),
            Access { client: None, roles: &["admin"], scopes: "openid" },
        ),
        (
            "PingFederate",
            sso(),
            json!({"alg": "RS256", "pi.atm": "1"}),
            json!({"scope": ["openid", "orders"], "client_id": "web", "iss": iss, "aud": API, "exp": 0,
                "Username": "alice", "OrgName": "acme"}),
            access("web", &[], "openid orders"),
        ),
        (
            "Curity",
            sso(),
            rs256("JWT"),
            claims(
                iss,
                &json!([API]),
                "u",
                &json!({"jti": "P$1", "delegationId": "d", "nbf": 0,
                "purpose": "access_token", "scope": "orders"}),
            ),
            Access { client: None, roles: &[], scopes: "orders" },
        ),
        (
            "Duende IdentityServer",
            sso().strict_rfc9068(),
            rs256("at+jwt"),
            claims(
                iss,
                &json!([API]),
                "u",
                &json!({"jti": "A1", "client_id": "web", "nbf": 0, "auth_time": 0,
                "idp": "local", "amr": ["pwd"], "scope": ["openid", "orders"], "cnf_hint": null}),
            ),
            access("web", &[], "openid orders"),
        ),
        (
            "IdentityServer4, user of an older version",
            sso().role_claims(["/role"]),
            rs256("at+jwt"),
            claims(
                iss,
                &json!([API, "https://sso.example.com/resources"]),
                "u",
                &json!({"client_id": "web",
                "role": ["clerk", "admin"], "scope": ["orders"]}),
            ),
            access("web", &["clerk", "admin"], "orders"),
        ),
        (
            "Spring Authorization Server",
            sso(),
            untyped(),
            claims(iss, &json!("web"), "u", &json!({"nbf": 0, "jti": "j", "scope": ["orders"]})),
            Other(AudienceMismatch),
        ),
        (
            "authentik",
            sso().role_claims(["/groups"]),
            rs256("JWT"),
            claims(
                iss,
                &json!(API),
                "u",
                &json!({"auth_time": 0, "acr": "goauthentik.io/providers/oauth2/default",
                "azp": API, "uid": "x", "scope": "openid", "groups": ["authentik Admins"], "nonce": "n"}),
            ),
            access(API, &["authentik Admins"], "openid"),
        ),
        (
            "Logto",
            sso(),
            json!({"alg": "ES384", "typ": "at+jwt"}),
            claims(iss, &json!(API), "u", &json!({"jti": "j", "client_id": "web", "scope": "read:orders"})),
            access("web", &[], "read:orders"),
        ),
        (
            "WSO2",
            sso(),
            rs256("at+jwt"),
            claims(
                iss,
                &json!(["web", API]),
                "u",
                &json!({"aut": "APPLICATION_USER", "nbf": 0, "azp": "web",
                "client_id": "web", "scope": "orders", "jti": "j", "binding_type": "sso-session"}),
            ),
            access("web", &[], "orders"),
        ),
        (
            "Salesforce",
            sso(),
            rs256("JWT"),
            claims(
                iss,
                &json!([API]),
                "uid:005",
                &json!({"scp": "api refresh_token", "client_id": "3MVG", "mty": "oauth",
                "sfi": "x", "roles": []}),
            ),
            access("3MVG", &[], "api refresh_token"),
        ),
        (
            "a logout token",
            sso(),
            rs256("logout+jwt"),
            claims(
                iss,
                &json!(API),
                "u",
                &json!({"jti": "j", "sid": "s",
                "events": {"http://schemas.openid.net/event/backchannel-logout": {}}}),
            ),
            Other(TypeMismatch),
        ),
        (
            "numbers where strings belong",
            sso(),
            rs256("JWT"),
            claims(
                iss,
                &json!(API),
                "u",
                &json!({"jti": 17, "acr": 0, "auth_time": "yesterday", "azp": 3,
                "client_id": "web", "scope": "orders"}),
            ),
            access("web", &[], "orders"),
        ),
    ]
}

#[tokio::test(start_paused = true)]
async fn every_shape_is_judged_as_its_server_means_it() {
    let shapes: Vec<Shape> = [
        entra_adfs_and_google(),
        cognito_okta_and_auth0(),
        keycloak(),
        cloud_native(),
        packages(),
        products(),
    ]
    .into_iter()
    .flatten()
    .collect();
    assert!(shapes.len() >= 50, "{} shapes", shapes.len());
    for (name, issuer, header, claims, means) in shapes {
        let iss = claims["iss"].as_str().unwrap().to_owned();
        let mut header = header;
        let kid = header.get("kid").is_none().then_some("2026-11");
        if let Some(kid) = kid {
            header["kid"] = json!(kid);
        }
        let token = Unsigned::new(&header, &claims);
        let shape = kid.map_or_else(|| json!({}), |kid| json!({"kid": kid, "use": "sig"}));
        let jwks = json!({"keys": [published(&shape, token.algorithm())]}).to_string();
        let metadata = json!({"issuer": iss, "jwks_uri": "https://keys.example.com/jwks"}).to_string();
        let api = api(API, issuer, move |url| {
            let is_metadata = url.contains("/.well-known/");
            Some(if is_metadata { metadata.clone() } else { jwks.clone() })
        });
        let response = api.get(token.sign()).await;
        match means {
            Other(kind) => response
                .outcome()
                .err()
                .map_or_else(|| panic!("{name}: accepted"), |rejected| assert_eq!(rejected, kind, "{name}")),
            Access { client, roles, scopes } => {
                let (seen_client, seen_roles, seen_scopes) = seen(&response, name);
                assert_eq!(seen_client.as_deref(), client, "{name}: client");
                assert_eq!(seen_roles, roles, "{name}: roles");
                assert_eq!(seen_scopes, scopes, "{name}: scopes");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_opaque_access_token_of_google_is_rejected_as_opaque() {
    let api = api(API, google_callers(), |_| None);
    assert_eq!(api.outcome("ya29.a0AfB_byC-1example").await, Err(TokenOpaque));
}
