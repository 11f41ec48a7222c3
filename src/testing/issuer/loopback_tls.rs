//! TLS for a test issuer on a loopback port (feature `test-tls`).

use super::loopback_builder::LoopbackBuilder;
use super::test_issuer::TestIssuer;
use crate::testing::loopback::{Security, Tls};
use crate::testing::test_ca::TestCa;

impl LoopbackBuilder {
    /// Serves over TLS, with a certificate of this authority (feature `test-tls`). Default: plain HTTP.
    ///
    /// The server requests a certificate from its clients. A client may present one of
    /// [`TestCa::client_pem`], to authenticate as
    /// [registered](crate::testing::TestIssuer::register_mtls_client), or none. The server speaks TLS 1.2 and
    /// 1.3, and HTTP/1.1. [`TestCa`] has an example.
    pub fn tls(self, ca: &TestCa) -> Self {
        self.security(Security::Tls(Tls::new(ca.clone(), false)))
    }

    /// Serves over TLS like [`tls`](Self::tls), and fails the handshake of a client without a certificate of
    /// this authority, on every endpoint.
    ///
    /// ```
    /// # #[cfg(all(feature = "reqwest", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use tower_bearer::testing::{TestCa, TestIssuer};
    /// use tower_bearer::transport::{ReqwestClient, reqwest};
    /// use tower_bearer::{BearerAuth, ClientAuth, Introspection};
    ///
    /// let ca = TestCa::new();
    /// let idp = TestIssuer::loopback().mutual_tls(&ca).start().await?;
    /// idp.register_mtls_client("orders-api");
    ///
    /// let root = reqwest::Certificate::from_pem(ca.pem().as_bytes())?;
    /// let identity = reqwest::Identity::from_pem(ca.client_pem("orders-api").as_bytes())?;
    /// let client = ReqwestClient::build(move |client| {
    ///     client.tls_certs_only([root.clone()]).identity(identity.clone())
    /// })?;
    /// let client_auth = ClientAuth::mtls("orders-api");
    /// let introspection = Introspection::with(client_auth).http_client(client.clone());
    /// let auth = BearerAuth::builder("my-api")
    ///     .issuer(idp.issuer().introspect(introspection))
    ///     .http_client(client)
    ///     .build()?;
    /// auth.ready().await?;
    /// assert!(auth.explain(&idp.token("my-api").opaque()).await.is_accepted());
    /// # Ok(())
    /// # }
    /// # #[cfg(not(all(feature = "reqwest", any(feature = "aws-lc-rs", feature = "rust-crypto"))))]
    /// # fn main() {}
    /// ```
    pub fn mutual_tls(self, ca: &TestCa) -> Self {
        self.security(Security::Tls(Tls::new(ca.clone(), true)))
    }
}

impl TestIssuer {
    /// Whether the [token endpoint](Self::token_url) binds access tokens to the certificate that the
    /// connection has presented (RFC 8705 section 3, feature `test-tls`). Default: `false`.
    ///
    /// The metadata has the same value in `tls_client_certificate_bound_access_tokens`. Without a
    /// certificate, the endpoint issues bearer tokens. [`TokenBuilder::bound_to_certificate`] binds a token
    /// without a request.
    ///
    /// ```
    /// use tower_bearer::testing::{TestCa, TestIssuer};
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> std::io::Result<()> {
    /// let idp = TestIssuer::loopback().tls(&TestCa::new()).start().await?;
    /// idp.set_certificate_bound_tokens(true);
    /// # Ok(())
    /// # }
    /// # #[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
    /// # fn main() {}
    /// ```
    ///
    /// [`TokenBuilder::bound_to_certificate`]: crate::testing::TokenBuilder::bound_to_certificate
    pub fn set_certificate_bound_tokens(&self, is_bound: bool) {
        self.state.lock().binds_to_certificates = is_bound;
    }
}
