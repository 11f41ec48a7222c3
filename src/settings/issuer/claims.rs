//! The settings that say which claims hold the scopes and the client of a token.

use super::Issuer;

/// The claims that are read from tokens of this issuer.
impl Issuer {
    /// Sets the claims that contain scopes. Default: `scope` and `scp`.
    ///
    /// Each is a space-delimited string (RFC 8693 section 4.2) or an array of strings. A token is granted the
    /// scopes of all of them.
    ///
    /// ```
    /// use tower_bearer::Issuer;
    ///
    /// let auth0 = Issuer::discover("https://acme.eu.auth0.com/").scope_claims(["scope", "permissions"]);
    /// ```
    pub fn scope_claims<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.scope_claims = names.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the claims that can name the client of a token. The first one that a token has counts. Default:
    /// `client_id` (RFC 9068 section 2.2), then `azp` (OpenID Connect Core section 2).
    ///
    /// Okta names the client in `cid`, version 1 tokens of Entra ID and ADFS in `appid`. In tokens of other
    /// servers these names may mean anything, so no other issuer reads them. Introspection responses name the
    /// client in `client_id` whatever the setting (RFC 7662 section 2.2).
    ///
    /// ```
    /// use tower_bearer::Issuer;
    ///
    /// let okta = Issuer::discover("https://acme.okta.com/oauth2/default")
    ///     .client_claims(["cid"])
    ///     .allowed_clients(["0oa1b2c3d4e5f6g7h8i9"]);
    /// ```
    pub fn client_claims<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.client_claims = names.into_iter().map(Into::into).collect();
        self
    }
}
