//! The settings for the tokens of an issuer: audience, type, required claims, age, lifetime and clients.
//! `claims.rs` has those that say which claims are read.

use std::time::Duration;

use super::Issuer;
use crate::jwt::claims::RequiredValue;

/// Rules for the tokens of this issuer.
impl Issuer {
    /// Sets the name of this API in the `aud` of its tokens, in place of the names given to the builder.
    ///
    /// ```
    /// use tower_bearer::Issuer;
    ///
    /// let issuer = Issuer::discover("https://login.partner.example").audience("orders-api");
    /// ```
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// Adds a name of this API in the `aud` of its tokens, beside those given to the builder or to
    /// [`audience`](Self::audience).
    ///
    /// ```
    /// use tower_bearer::Issuer;
    ///
    /// let issuer = Issuer::discover("https://login.partner.example")
    ///     .audience("orders-api")
    ///     .add_audience("urn:example:orders"); // its previous name
    /// ```
    pub fn add_audience(mut self, audience: impl Into<String>) -> Self {
        self.added_audiences.push(audience.into());
        self
    }

    /// Requires a claim that is present and not `null`, in JWTs and in introspection responses about opaque
    /// tokens. `iss`, `aud` and `exp` are always required.
    ///
    /// ```
    /// use tower_bearer::Issuer;
    ///
    /// let issuer =
    ///     Issuer::discover("https://login.example.com").require_claim("sub").require_claim("tenant");
    /// ```
    pub fn require_claim(mut self, name: impl Into<String>) -> Self {
        self.required_claims.push(name.into());
        self
    }

    /// Requires a claim with this value, in JWTs and in introspection responses about opaque tokens. Each
    /// call adds one; two values for one claim are a [`ConfigError`](crate::ConfigError).
    ///
    /// `claim` is the name of a claim, or a JSON Pointer (RFC 6901) that begins with `/`. `value` is a
    /// string, an integer, a boolean, or a list of these, of which the claim must have one; [`RequiredValue`]
    /// says how they are compared. Otherwise the token is rejected with 401 `invalid_token`: `claim_missing`,
    /// `claim_ill_typed`, or `claims_rejected` for another value of the right type. For any other rule, see
    /// [`validate`](Self::validate).
    ///
    /// An empty list, an empty string, and two calls that no value satisfies are a
    /// [`ConfigError`](crate::ConfigError).
    ///
    /// ```
    /// use tower_bearer::Issuer;
    ///
    /// let issuer = Issuer::discover("https://login.example.com")
    ///     .require_claim_value("tenant", "acme")
    ///     .require_claim_value("email_verified", true)
    ///     .require_claim_value("/org/region", ["eu", "us"]);
    /// ```
    pub fn require_claim_value(mut self, claim: impl Into<String>, value: impl Into<RequiredValue>) -> Self {
        self.required_values.push((claim.into(), value.into()));
        self
    }

    /// Accepts only JWTs that conform to RFC 9068: `typ` is `at+jwt`, and `sub`, `client_id`, `iat` and `jti`
    /// are present.
    ///
    /// Default: `typ` is `at+jwt`, `JWT` or absent, because many authorization servers do not set `at+jwt`.
    /// Tokens that look like ID tokens are rejected either way. Types from
    /// [`dangerous_accept_type`](Self::dangerous_accept_type) are accepted as well, in any order of calls.
    ///
    /// ```
    /// use tower_bearer::Issuer;
    ///
    /// let issuer = Issuer::discover("https://login.example.com").strict_rfc9068();
    /// ```
    pub fn strict_rfc9068(mut self) -> Self {
        self.strict_rfc9068 = true;
        self
    }

    /// Rejects tokens that were issued (`iat`) longer ago than `age` plus the leeway. Default: no limit but
    /// `exp`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_bearer::Issuer;
    ///
    /// // Its tokens live for a day. This API wants a newer one every hour.
    /// let issuer = Issuer::discover("https://login.example.com").max_age(Duration::from_secs(3600));
    /// ```
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Rejects tokens with a lifetime, from `iat` to `exp`, longer than `lifetime`. Default: no limit.
    ///
    /// For JWTs that are not introspected, the lifetime plus twice the leeway is also the upper bound on the
    /// revocation delay.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_bearer::Issuer;
    ///
    /// let issuer = Issuer::discover("https://login.example.com").max_lifetime(Duration::from_secs(3600));
    /// ```
    pub fn max_lifetime(mut self, lifetime: Duration) -> Self {
        self.max_lifetime = Some(lifetime);
        self
    }

    /// Sets the only clients whose tokens are accepted, compared with
    /// [`AccessToken::client_id`](crate::AccessToken::client_id). Default: all clients.
    ///
    /// ```
    /// use tower_bearer::Issuer;
    ///
    /// let issuer = Issuer::discover("https://login.example.com").allowed_clients(["web-app", "mobile-app"]);
    /// ```
    pub fn allowed_clients<C: Into<String>>(mut self, clients: impl IntoIterator<Item = C>) -> Self {
        self.allowed_clients = Some(clients.into_iter().map(Into::into).collect());
        self
    }

    /// Accepts one more `typ` of JWTs (RFC 7515 section 4.1.9), in any case, with or without `application/`.
    ///
    /// ```
    /// use tower_bearer::Issuer;
    ///
    /// let issuer =
    ///     Issuer::discover("https://login.example.com").dangerous_accept_type("vnd.acme.access+jwt");
    /// ```
    ///
    /// # Risk
    /// `typ` separates access tokens from other JWTs that the same key signs (RFC 8725 section 3.11). A JWT
    /// that was issued for another purpose with this `typ` can be used as an access token.
    pub fn dangerous_accept_type(mut self, typ: impl Into<String>) -> Self {
        self.added_types.push(typ.into());
        self
    }
}
