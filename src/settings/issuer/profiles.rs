//! Profiles: the settings of an issuer for the tokens of well-known authorization servers.
//!
//! Why: each profile only calls setters that users can call as well, so later calls replace its settings, and
//! `Debug` of the issuer prints them.

use super::Issuer;
use super::check_profiles::{host_fault, pool_fault, realm_fault, slash_fault, tenant_fault};
use crate::crypto::Algorithm;

/// Profiles of authorization servers: ordinary settings, which later calls replace. An argument that no
/// token could match, such as a URL where a host name belongs, is a [`ConfigError`](crate::ConfigError).
///
/// ```
/// use tower_bearer::Issuer;
///
/// let issuer = Issuer::keycloak("https://login.example.com/realms/acme").allowed_clients(["web"]);
/// println!("{issuer:?}"); // prints every setting that differs from its default
/// # assert!(format!("{issuer:?}").contains("/realm_access/roles"));
/// ```
impl Issuer {
    /// Keycloak: the realm at this URL, such as `https://login.example.com/realms/acme`.
    ///
    /// Settings: [`discover`](Self::discover), and [`role_claims`](Self::role_claims)
    /// `["/realm_access/roles"]`, the roles of the realm. For the roles of a client `orders`, set
    /// `["/resource_access/orders/roles"]`. The client of a token is in `azp`.
    ///
    /// ```
    /// use tower_bearer::{Issuer, Require};
    ///
    /// let issuer = Issuer::keycloak("https://login.example.com/realms/acme");
    /// let route = Require::role("admin");
    /// ```
    pub fn keycloak(realm_url: impl Into<String>) -> Self {
        let url: String = realm_url.into();
        let fault = realm_fault(&url);
        Self::discover(url.as_str())
            .role_claims(["/realm_access/roles"])
            .report_argument("keycloak", &url, fault)
    }

    /// Entra ID, one tenant by its ID, for APIs with `requestedAccessTokenVersion` 2. The audience is the
    /// client ID of the API.
    ///
    /// Settings: [`discover`](Self::discover) `https://login.microsoftonline.com/TENANT/v2.0`,
    /// [`scope_claims`](Self::scope_claims) `["scp"]`, [`role_claims`](Self::role_claims) `["/roles"]` for
    /// application roles and permissions, [`require_claim`](Self::require_claim)`("azp")`, which ID tokens of
    /// Entra ID do not have, and [`require_claim_value`](Self::require_claim_value)`("tid", TENANT)`. The
    /// `tid` of a guest is the tenant that the guest signed in to.
    ///
    /// The tenant ID may have upper-case digits. A domain such as `contoso.onmicrosoft.com` is a
    /// [`ConfigError`](crate::ConfigError), because `iss` has the ID. For many tenants, see
    /// [`shared_metadata`](Self::shared_metadata) and [`IssuerResolver`](crate::issuers::IssuerResolver).
    ///
    /// ```
    /// use tower_bearer::Issuer;
    ///
    /// let issuer = Issuer::entra("11111111-2222-3333-4444-555555555555");
    /// ```
    pub fn entra(tenant: &str) -> Self {
        let tenant = tenant.to_ascii_lowercase();
        Self::discover(format!("https://login.microsoftonline.com/{tenant}/v2.0"))
            .scope_claims(["scp"])
            .role_claims(["/roles"])
            .require_claim("azp")
            .require_claim_value("tid", tenant.as_str())
            .report_argument("entra", &tenant, tenant_fault(&tenant))
    }

    /// Entra ID, one tenant by its ID, for version 1 tokens, the default of API registrations. The audience
    /// is `api://CLIENT_ID` or the application ID URI of the API.
    ///
    /// Settings: [`with_jwks_url`](Self::with_jwks_url) with `https://sts.windows.net/TENANT/` and its keys,
    /// [`client_claims`](Self::client_claims) `["appid"]`, [`scope_claims`](Self::scope_claims) `["scp"]`,
    /// [`role_claims`](Self::role_claims) `["/roles"]`, [`require_claim`](Self::require_claim)`("appid")`,
    /// which ID tokens do not have, and [`require_claim_value`](Self::require_claim_value)`("tid", TENANT)`.
    /// The tenant ID is that of [`entra`](Self::entra).
    ///
    /// ```
    /// use tower_bearer::{BearerAuth, Issuer};
    ///
    /// let tenant = "11111111-2222-3333-4444-555555555555";
    /// let builder = BearerAuth::builder("api://66666666-7777-8888-9999-000000000000")
    ///     .issuer(Issuer::entra_v1(tenant))
    ///     .add_issuer(Issuer::entra(tenant)); // during a change of the version
    /// ```
    pub fn entra_v1(tenant: &str) -> Self {
        let tenant = tenant.to_ascii_lowercase();
        let keys = format!("https://login.microsoftonline.com/{tenant}/discovery/keys");
        Self::with_jwks_url(format!("https://sts.windows.net/{tenant}/"), keys)
            .client_claims(["appid"])
            .scope_claims(["scp"])
            .role_claims(["/roles"])
            .require_claim("appid")
            .require_claim_value("tid", tenant.as_str())
            .report_argument("entra_v1", &tenant, tenant_fault(&tenant))
    }

    /// Auth0: the tenant or custom domain, such as `acme.eu.auth0.com`, without scheme and slash.
    ///
    /// Settings: [`discover`](Self::discover) `https://DOMAIN/`, with the slash that Auth0 writes in `iss`,
    /// and [`role_claims`](Self::role_claims) `["/permissions"]`, which RBAC adds. Permissions are roles and
    /// not scopes, because they belong to the user, whatever the client was allowed.
    ///
    /// ```
    /// use tower_bearer::{Issuer, Require};
    ///
    /// let issuer = Issuer::auth0("acme.eu.auth0.com");
    /// let route = Require::role("read:orders");
    /// ```
    pub fn auth0(domain: &str) -> Self {
        let issuer = Self::discover(format!("https://{domain}/")).role_claims(["/permissions"]);
        issuer.report_argument("auth0", domain, host_fault(domain))
    }

    /// Okta: a custom authorization server, such as `https://acme.okta.com/oauth2/default`. Tokens of the org
    /// authorization server (without `/oauth2/...`) are for Okta alone.
    ///
    /// Settings: [`discover`](Self::discover), [`client_claims`](Self::client_claims) `["cid"]`,
    /// [`scope_claims`](Self::scope_claims) `["scp"]`, [`role_claims`](Self::role_claims) `["/groups"]`, and
    /// [`require_claim`](Self::require_claim)`("cid")`, which ID tokens of Okta do not have.
    ///
    /// ```
    /// use tower_bearer::Issuer;
    ///
    /// let issuer = Issuer::okta("https://acme.okta.com/oauth2/default");
    /// ```
    pub fn okta(issuer: impl Into<String>) -> Self {
        let url: String = issuer.into();
        Self::discover(url.as_str())
            .client_claims(["cid"])
            .scope_claims(["scp"])
            .role_claims(["/groups"])
            .require_claim("cid")
            .report_argument("okta", &url, slash_fault(&url))
    }

    /// Amazon Cognito: a user pool, for access tokens, which have no `aud` unless the client requests a
    /// resource. [`allowed_clients`](Self::allowed_clients) must follow.
    ///
    /// Settings: [`discover`](Self::discover) `https://cognito-idp.REGION.amazonaws.com/POOL`,
    /// [`audience_claim`](Self::audience_claim)`("client_id")`, and [`role_claims`](Self::role_claims)
    /// `["/cognito:groups"]`.
    ///
    /// ```
    /// use tower_bearer::{BearerAuth, Issuer};
    ///
    /// let issuer = Issuer::cognito("eu-central-1", "eu-central-1_AbCdEfGhI")
    ///     .allowed_clients(["1example23456789"]); // the app clients of this API
    /// let auth = BearerAuth::builder("orders-api").issuer(issuer).build();
    /// # #[cfg(feature = "reqwest")]
    /// assert!(auth.is_ok());
    /// ```
    ///
    /// # Risk
    /// That of [`audience_claim`](Self::audience_claim).
    pub fn cognito(region: &str, pool: &str) -> Self {
        let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
        Self::discover(format!("https://cognito-idp.{region}.{domain}/{pool}"))
            .audience_claim("client_id")
            .role_claims(["/cognito:groups"])
            .report_argument("cognito", pool, pool_fault(region, pool))
    }

    /// Google: identity tokens of service accounts, whose `aud` is the API that they call (Cloud Run, Cloud
    /// Functions). Access tokens of Google are opaque, and Google has no introspection endpoint for them.
    ///
    /// Settings: [`discover`](Self::discover) `https://accounts.google.com`,
    /// [`algorithms`](Self::algorithms) RS256, and [`client_claims`](Self::client_claims) `["azp"]`.
    /// [`require_claim_value`](Self::require_claim_value), [`allowed_clients`](Self::allowed_clients) or
    /// [`validate`](Self::validate) must follow. Otherwise [`build`](crate::BearerAuthBuilder::build) returns
    /// a [`ConfigError`](crate::ConfigError).
    ///
    /// ```
    /// use tower_bearer::{BearerAuth, Issuer};
    ///
    /// let issuer =
    ///     Issuer::google().require_claim_value("email", "caller@acme.iam.gserviceaccount.com");
    /// let auth = BearerAuth::builder("https://orders-x7k2.a.run.app").issuer(issuer).build();
    /// # #[cfg(feature = "reqwest")]
    /// assert!(auth.is_ok());
    /// ```
    ///
    /// # Risk
    /// Any Google customer can create such a token with any `aud`, so `aud` tells nothing about the caller.
    /// The required value, the list of clients or the function must name the callers of this API. For a
    /// service account, the client is its unique ID.
    ///
    /// ID tokens of users have the same issuer and keys. They are rejected if they have `at_hash` or `nonce`.
    /// Those of Sign in with Google may have neither, and are accepted if `aud` names this API and they pass
    /// this check of the caller.
    pub fn google() -> Self {
        Self::discover("https://accounts.google.com").algorithms([Algorithm::RS256]).client_claims(["azp"])
    }

    /// ZITADEL: an instance, such as `https://acme.zitadel.cloud`, for applications whose token type is JWT.
    /// The audience is the project ID.
    ///
    /// Settings: [`discover`](Self::discover), [`role_claims`](Self::role_claims)
    /// `["/urn:zitadel:iam:org:project:roles"]`, an object of objects whose member names are the roles, and
    /// [`require_claim`](Self::require_claim)`("jti")`, which ID tokens of ZITADEL do not have.
    ///
    /// ```
    /// use tower_bearer::Issuer;
    ///
    /// let issuer = Issuer::zitadel("https://acme.zitadel.cloud");
    /// ```
    pub fn zitadel(url: impl Into<String>) -> Self {
        let url: String = url.into();
        Self::discover(url.as_str())
            .role_claims(["/urn:zitadel:iam:org:project:roles"])
            .require_claim("jti")
            .report_argument("zitadel", &url, slash_fault(&url))
    }

    /// Ory Hydra: the issuer URL, for `strategies.access_token: jwt`. For opaque tokens, add
    /// [`introspect`](Self::introspect).
    ///
    /// Settings: [`discover`](Self::discover), and [`require_claim`](Self::require_claim)`("client_id")`,
    /// which ID tokens of Hydra do not have.
    ///
    /// ```
    /// use tower_bearer::Issuer;
    ///
    /// let issuer = Issuer::hydra("https://hydra.example.com");
    /// ```
    pub fn hydra(url: impl Into<String>) -> Self {
        Self::discover(url).require_claim("client_id")
    }

    /// Dex: the issuer URL. The audience is a client ID: clients request it with the scope
    /// `audience:server:client_id:CLIENT_ID`.
    ///
    /// Settings: [`discover`](Self::discover),
    /// [`dangerous_accept_id_token_claims`](Self::dangerous_accept_id_token_claims), and
    /// [`role_claims`](Self::role_claims) `["/groups"]`. Tokens of Dex have no scopes.
    ///
    /// ```
    /// use tower_bearer::{BearerAuth, Issuer, Require};
    ///
    /// let builder = BearerAuth::builder("orders-api").issuer(Issuer::dex("https://dex.example.com"));
    /// let route = Require::role("acme:admins");
    /// ```
    ///
    /// # Risk
    /// That of [`dangerous_accept_id_token_claims`](Self::dangerous_accept_id_token_claims): Dex writes
    /// access tokens and ID tokens in one form. An ID token that came with an authorization code has `c_hash`
    /// and is rejected; one that came with a refresh token and has this audience is accepted.
    pub fn dex(url: impl Into<String>) -> Self {
        Self::discover(url).dangerous_accept_id_token_claims().role_claims(["/groups"])
    }

    /// AD FS 2016 and later: the host of the federation service, such as `adfs.example.com`. The audience is
    /// the identifier of the Web API.
    ///
    /// Settings: [`with_jwks_url`](Self::with_jwks_url) with `http://HOST/adfs/services/trust`, the
    /// identifier in access tokens, and the keys at `https://HOST/adfs/discovery/keys`;
    /// [`client_claims`](Self::client_claims) `["appid"]`, [`scope_claims`](Self::scope_claims) `["scp"]`,
    /// and [`require_claim`](Self::require_claim)`("appid")`. For roles, name the claim of your issuance
    /// rules in [`role_claims`](Self::role_claims).
    ///
    /// ```
    /// use tower_bearer::Issuer;
    ///
    /// let issuer = Issuer::adfs("adfs.example.com").role_claims(["/role"]);
    /// ```
    pub fn adfs(host: &str) -> Self {
        let keys = format!("https://{host}/adfs/discovery/keys");
        Self::with_jwks_url(format!("http://{host}/adfs/services/trust"), keys)
            .client_claims(["appid"])
            .scope_claims(["scp"])
            .require_claim("appid")
            .report_argument("adfs", host, host_fault(host))
    }

    /// Kubernetes: projected service account tokens of a cluster, with the keys of its API server. `issuer`
    /// is the `--service-account-issuer` of the cluster, such as
    /// `https://kubernetes.default.svc.cluster.local`.
    ///
    /// Settings: [`with_jwks_url`](Self::with_jwks_url) with
    /// `https://kubernetes.default.svc/openid/v1/jwks`, and
    /// [`require_claim`](Self::require_claim)`("kubernetes.io")`. The API server needs an HTTP client that
    /// trusts the CA of the cluster and, unless anonymous callers may read the keys, sends a token. If the
    /// issuer is reachable without both, as on managed clusters, use [`discover`](Self::discover).
    ///
    /// ```
    /// use tower_bearer::{Issuer, Require};
    ///
    /// let issuer = Issuer::kubernetes("https://kubernetes.default.svc.cluster.local");
    /// let route = Require::claim("/kubernetes.io/namespace", |name| name.as_str() == Some("shop"));
    /// ```
    pub fn kubernetes(issuer: impl Into<String>) -> Self {
        Self::with_jwks_url(issuer, "https://kubernetes.default.svc/openid/v1/jwks")
            .require_claim("kubernetes.io")
    }
}
