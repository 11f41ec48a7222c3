//! The authorization servers whose tokens a test can imitate.

/// The shape of the access tokens of an authorization server, as its documentation describes it.
/// [`TokenBuilder::shaped_like`](crate::testing::TokenBuilder::shaped_like) applies it.
///
/// ```
/// use tower_bearer::testing::{TestIssuer, TokenShape};
///
/// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
/// let idp = TestIssuer::in_memory("https://login.example.com/realms/acme");
/// let token = idp.token("orders-api").claim("client_id", "web").scope("orders:read").roles(["admin"]);
/// let token = token.shaped_like(TokenShape::Keycloak).access_token().unwrap();
/// assert!(token.claims_json().contains(r#""azp":"web""#));
/// assert!(token.claims_json().contains(r#""realm_access":{"roles":["admin"]}"#));
/// # }
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum TokenShape {
    /// AD FS: client in `appid`, scopes in `scp`, `auth_time` as an ISO 8601 text.
    Adfs,
    /// Auth0: client in `azp`, roles in `permissions`.
    Auth0,
    /// Amazon Cognito: no `aud`, and `token_use` is `access`. Roles are in `cognito:groups`.
    Cognito,
    /// Dex: `at_hash`, the client in `azp` and in `aud`, roles in `groups`, no scopes.
    Dex,
    /// Entra ID, version 2: client in `azp`, scopes in `scp`, roles in `roles`. The tenant in `tid` is the
    /// first segment of the path of the issuer.
    Entra,
    /// Entra ID, version 1: client in `appid`, scopes in `scp`, roles in `roles`, tenant as in version 2.
    EntraV1,
    /// Google identity tokens of service accounts: client in `azp`, no scopes and no roles. `Issuer::google`
    /// accepts only RS256; see [`rotate_key_to`](crate::testing::TestIssuer::rotate_key_to).
    Google,
    /// Ory Hydra: scopes in the array `scp`, no roles.
    Hydra,
    /// Keycloak: client in `azp`, roles in `realm_access.roles`.
    Keycloak,
    /// Kubernetes service accounts: the array `aud` and the object `kubernetes.io`. No client, no scopes and
    /// no roles.
    Kubernetes,
    /// Okta custom authorization servers: client in `cid`, scopes in the array `scp`, roles in `groups`.
    Okta,
    /// ZITADEL: the array `aud`, and the roles as members of `urn:zitadel:iam:org:project:roles`. No scopes.
    Zitadel,
}
