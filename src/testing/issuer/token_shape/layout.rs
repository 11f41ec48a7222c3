//! Where each authorization server writes the parts of an access token, by its documentation.
//!
//! Why a table: a shape is data. The code that moves the claims is the same for all.

use serde_json::{Value, json};

use super::shape::TokenShape;

/// Where a server writes the parts of a token.
pub(super) struct Layout {
    /// The `typ` of the header.
    pub(super) typ: Option<&'static str>,
    pub(super) client: Option<&'static str>,
    pub(super) scope: Scope,
    pub(super) roles: Roles,
    pub(super) audience: Audience,
    pub(super) has_jti: bool,
    pub(super) has_nbf: bool,
}

pub(super) enum Scope {
    Absent,
    /// A space-delimited text.
    Text(&'static str),
    Array(&'static str),
}

pub(super) enum Roles {
    Absent,
    Array(&'static str),
    /// The array `roles` in this object.
    Within(&'static str),
    /// The names of the members of this object.
    Names(&'static str),
}

pub(super) enum Audience {
    Absent,
    /// As the test has set it.
    Unchanged,
    Array,
    /// An array with the client and the audience.
    WithClient,
}

impl TokenShape {
    pub(super) fn layout(self) -> Layout {
        let base = Layout {
            typ: Some("JWT"),
            client: Some("azp"),
            scope: Scope::Text("scope"),
            roles: Roles::Absent,
            audience: Audience::Unchanged,
            has_jti: true,
            has_nbf: false,
        };
        let scp = || Scope::Text("scp");
        match self {
            Self::Adfs => {
                Layout { client: Some("appid"), scope: scp(), has_jti: false, has_nbf: true, ..base }
            }
            Self::Auth0 => Layout { roles: Roles::Array("permissions"), has_jti: false, ..base },
            Self::Cognito => Layout {
                typ: None,
                client: Some("client_id"),
                roles: Roles::Array("cognito:groups"),
                audience: Audience::Absent,
                ..base
            },
            Self::Dex => Layout {
                typ: None,
                scope: Scope::Absent,
                roles: Roles::Array("groups"),
                audience: Audience::WithClient,
                has_jti: false,
                ..base
            },
            Self::Entra | Self::EntraV1 => Layout {
                client: Some(if self == Self::Entra { "azp" } else { "appid" }),
                scope: scp(),
                roles: Roles::Array("roles"),
                has_jti: false,
                has_nbf: true,
                ..base
            },
            Self::Google => Layout { scope: Scope::Absent, has_jti: false, ..base },
            Self::Hydra => Layout {
                client: Some("client_id"),
                scope: Scope::Array("scp"),
                audience: Audience::Array,
                has_nbf: true,
                ..base
            },
            Self::Keycloak => Layout { roles: Roles::Within("realm_access"), ..base },
            Self::Kubernetes => Layout {
                typ: None,
                client: None,
                scope: Scope::Absent,
                audience: Audience::Array,
                has_nbf: true,
                ..base
            },
            Self::Okta => Layout {
                typ: None,
                client: Some("cid"),
                scope: Scope::Array("scp"),
                roles: Roles::Array("groups"),
                ..base
            },
            Self::Zitadel => Layout {
                client: Some("client_id"),
                scope: Scope::Absent,
                roles: Roles::Names("urn:zitadel:iam:org:project:roles"),
                audience: Audience::Array,
                has_nbf: true,
                ..base
            },
        }
    }

    /// The claims that are the same in every token of the server, or that decide nothing.
    pub(super) fn constant_claims(self, issuer: &str) -> Value {
        let tenant = || issuer.split('/').nth(3).unwrap_or_default();
        match self {
            Self::Adfs => json!({
                "apptype": "Confidential", "auth_time": "2026-01-01T08:00:00.000Z", "ver": "1.0",
                "authmethod": "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport",
            }),
            Self::Cognito => json!({
                "token_use": "access", "version": 2, "username": "alice", "event_id": "event-1",
                "origin_jti": "origin-1",
            }),
            Self::Dex => json!({
                "at_hash": "MTIzNDU2Nzg5MDEyMzQ1Ng", "email": "alice@example.com", "email_verified": true,
                "name": "Alice",
            }),
            Self::Entra => json!({ "azpacr": "1", "oid": "object-1", "tid": tenant(), "ver": "2.0" }),
            Self::EntraV1 => json!({ "appidacr": "1", "oid": "object-1", "tid": tenant(), "ver": "1.0" }),
            Self::Google => json!({ "email": "caller@acme.iam.gserviceaccount.com", "email_verified": true }),
            Self::Hydra => json!({ "ext": {} }),
            Self::Keycloak => json!({
                "typ": "Bearer", "acr": "1", "sid": "session-1", "preferred_username": "alice",
                "allowed-origins": ["https://web.example.com"],
            }),
            Self::Kubernetes => json!({
                "kubernetes.io": {
                    "namespace": "default", "pod": { "name": "web-0", "uid": "pod-1" },
                    "serviceaccount": { "name": "web", "uid": "account-1" },
                },
            }),
            Self::Okta => json!({ "ver": 1, "uid": "user-1" }),
            Self::Auth0 | Self::Zitadel => json!({}),
        }
    }
}
