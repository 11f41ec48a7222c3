//! The settings for what an introspection response must contain.

use std::time::Duration;

use super::Introspection;

/// The responses to accept.
impl Introspection {
    /// Accepts introspection responses without `aud`. An `aud` that is present must still name this API.
    /// Default: a response about an opaque token must have `aud`.
    ///
    /// Some authorization servers omit `aud` unless the client requests a resource (django-oauth-toolkit,
    /// node oidc-provider).
    ///
    /// ```
    /// use tower_bearer::{ClientAuth, Introspection, Issuer};
    ///
    /// # let secret = String::new();
    /// let introspection = Introspection::with(ClientAuth::secret_basic("orders-api", secret))
    ///     .dangerous_accept_without_audience();
    /// let issuer = Issuer::discover("https://login.example.com")
    ///     .introspect(introspection)
    ///     .require_claim("token_type"); // see the risk of refresh tokens
    /// ```
    ///
    /// # Risk
    /// - A token issued for any other API of this authorization server is then accepted here. The exception
    ///   is an authorization server that reports to each client only the tokens meant for it; RFC 7662
    ///   section 2.2 allows that, but many do not.
    /// - A refresh token is then accepted as an access token if the authorization server introspects both
    ///   (node oidc-provider does). To reject refresh tokens, add
    ///   [`Issuer::require_claim("token_type")`](crate::Issuer::require_claim). This works if its responses
    ///   have `token_type` for access tokens only, and its access tokens are not JWTs.
    pub fn dangerous_accept_without_audience(mut self) -> Self {
        self.accept_without_audience = true;
        self
    }

    /// Accepts introspection responses without `exp`, or with `null`. Such an opaque token counts as valid
    /// for `lifetime` from the response on. Default: a response about an opaque token must have `exp`.
    /// Maximum: 24 h.
    ///
    /// RFC 7662 section 2.2 makes `exp` optional. Some authorization servers omit it for tokens that do not
    /// expire, or always. An `exp` that is present must still be in the future. Responses about JWTs are not
    /// affected, because a JWT has its own `exp`.
    ///
    /// Each introspection starts a new `lifetime`. So it limits how long a response is used, together with
    /// [`active_ttl`](Self::active_ttl) and [`serve_stale`](Self::serve_stale).
    /// [`AccessToken::expires_at`](crate::AccessToken::expires_at) is the end of `lifetime`: an upper bound
    /// for this response, not the expiry of the token.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_bearer::{ClientAuth, Introspection};
    ///
    /// # let secret = String::new();
    /// let introspection = Introspection::with(ClientAuth::secret_basic("orders-api", secret))
    ///     .dangerous_accept_without_expiry(Duration::from_secs(300));
    /// ```
    ///
    /// # Risk
    /// - Tokens that never expire are accepted. A stolen one works until somebody revokes it.
    /// - If such a token expires, this API notices only by introspection: after `active_ttl`, and during an
    ///   outage after [`serve_stale`](Self::serve_stale). With an `exp`, no cached response outlives it.
    /// - [`Issuer::max_lifetime`](crate::Issuer::max_lifetime) cannot be enforced, so `build` rejects both
    ///   together.
    pub fn dangerous_accept_without_expiry(mut self, lifetime: Duration) -> Self {
        self.lifetime_without_exp = Some(lifetime);
        self
    }

    /// Requires signed responses (RFC 9701), and requests them. Default: requests JSON, and verifies a signed
    /// response if the authorization server sends one.
    ///
    /// The response must be signed with a key and an algorithm of the issuer. Its `typ` is
    /// `token-introspection+jwt`, its `aud` names this API or its client identifier, and its `iat` is less
    /// than 1 min old. An unsigned response is a failure (503).
    ///
    /// ```
    /// use tower_bearer::{ClientAuth, Introspection};
    ///
    /// # let secret = String::new();
    /// let introspection =
    ///     Introspection::with(ClientAuth::secret_basic("orders-api", secret)).require_signed();
    /// ```
    pub fn require_signed(mut self) -> Self {
        self.require_signed = true;
        self
    }
}
