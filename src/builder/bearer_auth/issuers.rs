//! The settings for issuers: those that are configured, and those that come and go while requests are served.

use super::BearerAuthBuilder;
use crate::settings::{Issuer, IssuerResolver};

/// Issuers, fixed and at run time.
impl BearerAuthBuilder {
    /// Sets the issuer, in place of the one from an earlier call. Issuers from
    /// [`add_issuer`](Self::add_issuer) stay.
    ///
    /// ```
    /// use tower_bearer::{BearerAuth, Issuer};
    ///
    /// let builder = BearerAuth::builder("https://api.example.com")
    ///     .issuer(Issuer::discover("https://login.example.com").strict_rfc9068());
    /// ```
    pub fn issuer(mut self, issuer: Issuer) -> Self {
        self.issuer = Some(issuer);
        self
    }

    /// Adds an issuer. A token is validated with the settings of the issuer that its `iss` names, and no
    /// other.
    ///
    /// ```
    /// use tower_bearer::{BearerAuth, Issuer};
    ///
    /// let builder = BearerAuth::builder("https://api.example.com")
    ///     .issuer(Issuer::discover("https://login.example.com"))
    ///     .add_issuer(Issuer::discover("https://login.partner.example").audience("orders-api"));
    /// ```
    pub fn add_issuer(mut self, issuer: Issuer) -> Self {
        self.added_issuers.push(issuer);
        self
    }

    /// Lets [`build`](Self::build) succeed without an issuer. Default: that is a
    /// [`ConfigError`](crate::ConfigError), because no token could be accepted.
    ///
    /// For an API that adds every issuer later, with [`BearerAuth::issuers`](crate::BearerAuth::issuers).
    /// Until then every token is rejected with 401.
    ///
    /// ```
    /// # #[cfg(feature = "reqwest")] {
    /// use tower_bearer::{BearerAuth, Issuer};
    ///
    /// let auth = BearerAuth::builder("https://api.example.com").allow_no_issuer().build()?;
    /// auth.issuers().add(Issuer::discover("https://login.example.com/realms/acme"))?;
    /// # }
    /// # Ok::<(), tower_bearer::ConfigError>(())
    /// ```
    pub fn allow_no_issuer(mut self) -> Self {
        self.allow_no_issuer = true;
        self
    }

    /// Sets a function that finds issuers when a token names them. Default: only configured issuers, and
    /// those added at run time.
    ///
    /// See [`IssuerResolver`] for an example, its checks and its limits. No other issuer is needed then.
    /// [`BearerAuth::bounds`](crate::BearerAuth::bounds) covers the issuers that are resolved at the time of
    /// the call.
    pub fn resolve_issuers(mut self, resolver: IssuerResolver) -> Self {
        self.resolver = Some(resolver);
        self
    }
}
