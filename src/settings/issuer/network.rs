//! The settings of an issuer for the network: its HTTP client, and where else its keys are.

use std::any::Any;
use std::sync::Arc;

use super::Issuer;
use crate::fetch_url::AddressPolicy;
use crate::transport::HttpClient;

/// How to reach this issuer.
impl Issuer {
    /// Sets the HTTP client for the metadata, the keys and the introspection of this issuer. Default: that of
    /// the builder, [`BearerAuthBuilder::http_client`](crate::BearerAuthBuilder::http_client).
    ///
    /// For an authorization server with a CA of its own, behind a proxy, or with a header that no other may
    /// see; see [`OriginHeader`](crate::transport::OriginHeader) for the latter.
    /// [`Introspection::http_client`](crate::Introspection::http_client) replaces it for introspection.
    ///
    /// ```
    /// # #[cfg(feature = "reqwest")]
    /// # fn example(pem: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
    /// use tower_bearer::Issuer;
    /// use tower_bearer::transport::ReqwestClient;
    /// use tower_bearer::transport::reqwest::Certificate;
    ///
    /// let ca = Certificate::from_pem(pem)?; // the CA that signed the certificate of this server only
    /// let client = ReqwestClient::build(move |client| client.tls_certs_only([ca.clone()]))?;
    /// let issuer = Issuer::discover("https://login.internal.example").http_client(client);
    /// # drop(issuer);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Issuers share the fetches of their keys only if they have the same client: pass clones of one
    /// `Arc<dyn HttpClient>`. Any other type counts as a new client, even a clone.
    pub fn http_client(mut self, client: impl HttpClient) -> Self {
        let erased: &dyn Any = &client;
        let shared = erased.downcast_ref::<Arc<dyn HttpClient>>().cloned();
        self.client = Some(shared.unwrap_or_else(|| Arc::new(client)));
        self
    }

    /// Restricts all requests for this issuer to [public addresses](crate::transport::is_public_address).
    /// Default: any address, except for the issuers of an
    /// [`IssuerResolver`](crate::issuers::IssuerResolver::allow_private_addresses).
    ///
    /// For issuers whose URL a tenant has chosen, for example in a form that ends in
    /// [`Issuers::add`](crate::issuers::Issuers::add). A host that resolves to an address of your own network
    /// then gets no request, whether the identifier, the metadata or a setting names it. The fetch fails with
    /// [`FetchErrorKind::AddressNotAllowed`](crate::transport::FetchErrorKind::AddressNotAllowed).
    ///
    /// [`ReqwestClient`](crate::transport::ReqwestClient#public-addresses) checks the addresses that it
    /// connects to. Another HTTP client has to do the same; see
    /// [`FetchRequest::requires_public_address`](crate::transport::FetchRequest::requires_public_address).
    ///
    /// ```
    /// use tower_bearer::{BearerAuth, ConfigError, Issuer};
    ///
    /// /// `identifier` comes from a form that a customer has filled in.
    /// fn onboard(auth: &BearerAuth, identifier: &str) -> Result<(), ConfigError> {
    ///     auth.issuers().add(Issuer::discover(identifier).require_public_addresses())
    /// }
    /// ```
    pub fn require_public_addresses(mut self) -> Self {
        self.addresses = AddressPolicy::PublicOnly;
        self
    }

    /// Adds a fallback URL for the key set. Default: none.
    ///
    /// `BearerAuth` tries the fallback URLs in order after each failed fetch from the primary URL. A key set
    /// without usable keys is not a failure: it retires the keys.
    ///
    /// ```
    /// use tower_bearer::Issuer;
    ///
    /// let issuer = Issuer::with_jwks_url("https://login.example.com", "https://login.example.com/jwks")
    ///     .add_fallback_jwks_url("https://keys.example.net/login.example.com/jwks");
    /// ```
    ///
    /// # Risk
    /// The keys at this URL can sign any token of the issuer.
    pub fn add_fallback_jwks_url(mut self, url: impl Into<String>) -> Self {
        self.fallback_urls.push(url.into());
        self
    }
}
