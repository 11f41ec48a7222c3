//! The settings that say which claims hold the scopes, the roles, the client and the audience of a token, and
//! which claims are accepted.

use super::Issuer;
use crate::access_token::{ClaimValue, ScopeImplies};
use crate::jwt::claims::Validator;

/// The claims that are read from tokens of this issuer.
impl Issuer {
    /// Sets the claims that contain scopes. Default: `scope` and `scp`.
    ///
    /// Each is the name of a claim, or a JSON Pointer (RFC 6901) that begins with `/`. Its value is a
    /// space-delimited string (RFC 8693 section 4.2) or an array of strings. A token is granted the scopes of
    /// all of them. A name with a dot, such as `realm_access.roles`, is a
    /// [`ConfigError`](crate::ConfigError): the pointer is `/realm_access/roles`.
    ///
    /// Introspection responses state scopes in `scope` whatever the setting (RFC 7662 section 2.2): those of
    /// an opaque token, and those to which an introspected JWT is narrowed.
    ///
    /// ```
    /// use tower_bearer::Issuer;
    ///
    /// let issuer = Issuer::discover("https://login.example.com").scope_claims(["scope", "/api/scopes"]);
    /// ```
    pub fn scope_claims<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.scope_claims = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the claims that can name the client of a token. The first one that a token has counts. Default:
    /// `client_id` (RFC 9068 section 2.2), then `azp` (OpenID Connect Core section 2).
    ///
    /// If every caller is a client, as in Kubernetes, use `sub`. Some servers name the client in a claim of
    /// their own, such as `cid` or `appid`. Others may use these names for something else, so they are read
    /// only if this setting, or the profile of a provider, names them. Introspection responses name the
    /// client in `client_id` whatever the setting (RFC 7662 section 2.2). A claim that never names a client,
    /// such as `aud`, is a [`ConfigError`](crate::ConfigError).
    ///
    /// ```
    /// use tower_bearer::Issuer;
    ///
    /// let issuer = Issuer::kubernetes("https://kubernetes.default.svc.cluster.local")
    ///     .client_claims(["sub"])
    ///     .allowed_clients(["system:serviceaccount:shop:web"]);
    /// ```
    pub fn client_claims<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.client_claims = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the claims that contain roles, as JSON Pointers (RFC 6901). Default: none.
    ///
    /// [`Require::role`](crate::Require::role) and [`AccessToken::roles`](crate::AccessToken::roles) read
    /// them. A value is a string, which is one role, or an array of strings, or an object of objects, whose
    /// member names are the roles. Any other value, such as `{"admin": false}`, rejects the token
    /// (`claim_ill_typed`). A token has the roles of all claims together: give roles of different meaning
    /// different names, or name only one claim.
    ///
    /// ```
    /// use tower_bearer::Issuer;
    ///
    /// let issuer = Issuer::discover("https://login.example.com")
    ///     .role_claims(["/groups", "/https:~1~1api.example.com~1roles"]); // `/` in a name is `~1`
    /// ```
    pub fn role_claims<P: Into<String>>(mut self, pointers: impl IntoIterator<Item = P>) -> Self {
        self.role_claims = pointers.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the claim that names the audience in tokens without `aud`: the name of a claim, or a JSON Pointer
    /// (RFC 6901). Default: tokens without `aud` are rejected.
    ///
    /// A token that has `aud` is still checked by `aud` alone. If the claim names the client (`client_id`,
    /// `azp`, `cid`, `appid`, or one of [`client_claims`](Self::client_claims)), the list of
    /// [`allowed_clients`](Self::allowed_clients) replaces the audience check. `build` returns a
    /// [`ConfigError`](crate::ConfigError) if `allowed_clients` is not set. Any other claim must name this
    /// API, as `aud` would.
    ///
    /// ```
    /// use tower_bearer::Issuer;
    ///
    /// // An authorization server whose access tokens have no `aud`.
    /// let issuer = Issuer::discover("https://login.example.com")
    ///     .audience_claim("client_id")
    ///     .allowed_clients(["web-app", "mobile-app"]);
    /// ```
    ///
    /// # Risk
    /// A client is no audience: a token that an allowed client obtained for another API is accepted here, too
    /// (RFC 9068 section 4). Require scopes that only this API uses.
    pub fn audience_claim(mut self, claim: impl Into<String>) -> Self {
        self.audience_claim = Some(claim.into());
        self
    }

    /// Adds a function that must return `true` for the claims of every token of this issuer. Otherwise the
    /// token is rejected: 401 `invalid_token`, kind `claims_rejected`. Each call adds one.
    ///
    /// It runs once per uncached token, after every other check, for JWTs and for the responses about opaque
    /// tokens. It must depend on nothing but the claims, since its result is cached with the token, and must
    /// not block. For rules of one route, see [`Require::claim`](crate::Require::claim).
    ///
    /// ```
    /// use tower_bearer::Issuer;
    ///
    /// let issuer = Issuer::discover("https://login.example.com")
    ///     .validate(|claims| claims.get("org").is_some_and(|org| org.as_str() == Some("acme")))
    ///     .validate(|claims| claims.get("/act").is_none());
    /// ```
    pub fn validate<F>(mut self, accepts: F) -> Self
    where
        F: Fn(ClaimValue<'_>) -> bool + Send + Sync + 'static,
    {
        self.validators.push(Validator::new(accepts));
        self
    }

    /// Sets the rule by which a granted scope includes others: the function receives a granted scope and the
    /// needed one. Default: scopes are compared exactly (RFC 6749 section 3.3).
    ///
    /// [`Require::scope`](crate::Require::scope) and [`AccessToken::require`](crate::AccessToken::require)
    /// use it. [`AccessToken::scopes`](crate::AccessToken::scopes) still has only what the token says. The
    /// function runs on each request that lacks the exact scope, for each granted scope. It must not block.
    ///
    /// ```
    /// use tower_bearer::Issuer;
    ///
    /// // "orders" includes "orders:read" and "orders:write".
    /// let issuer = Issuer::discover("https://login.example.com").scope_implies(|granted, needed| {
    ///     needed.strip_prefix(granted).is_some_and(|rest| rest.starts_with(':'))
    /// });
    /// ```
    pub fn scope_implies<F>(mut self, rule: F) -> Self
    where
        F: Fn(&str, &str) -> bool + Send + Sync + 'static,
    {
        self.scope_implies = Some(ScopeImplies::new(rule));
        self
    }

    /// Accepts access tokens with the claims of ID tokens: `at_hash`, and `nonce` without `scope` and
    /// `client_id`. Default: such tokens are rejected as ID tokens (`id_token_presented`).
    ///
    /// Access tokens of Dex have these claims. `c_hash`, `s_hash`, and a token that says that it is an ID
    /// token (`token_use` or `typ`) are rejected all the same.
    ///
    /// ```
    /// use tower_bearer::Issuer;
    ///
    /// let issuer = Issuer::discover("https://dex.example.com").dangerous_accept_id_token_claims();
    /// ```
    ///
    /// # Risk
    /// An ID token whose `aud` is this API is accepted as an access token. ID tokens are for the client: they
    /// pass through browsers and logs, and grant nothing (RFC 9068 section 5). Give this API an audience that
    /// is not the client ID of an application.
    pub fn dangerous_accept_id_token_claims(mut self) -> Self {
        self.accepts_id_token_claims = true;
        self
    }
}
