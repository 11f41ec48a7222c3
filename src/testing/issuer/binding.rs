//! Binds the tokens of a test issuer to the key or the certificate of a client.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

use super::test_issuer::TestIssuer;
use super::token::TokenBuilder;
use crate::testing::dpop::DpopKey;
use crate::testing::thumbprint;

impl TestIssuer {
    /// Generates the ES256 key of a DPoP client. Its proofs have the time of the [`clock`](Self::clock).
    ///
    /// For another algorithm, see [`DpopKey::with_algorithm`].
    pub fn dpop_key(&self) -> DpopKey {
        DpopKey::new().clock(self.clock())
    }
}

impl TokenBuilder {
    /// Binds the token to the key of a DPoP client: sets `cnf.jkt` (RFC 9449 section 6.1).
    ///
    /// Introspection responses about the token have `cnf` and the `token_type` `DPoP`.
    ///
    /// ```
    /// use tower_bearer::testing::TestIssuer;
    ///
    /// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
    /// let idp = TestIssuer::new();
    /// let key = idp.dpop_key();
    /// let token = idp.token("https://api.example.com").bound_to_key(&key).sign();
    /// let request = key.proof("GET", "https://api.example.com/me").token(&token).request();
    /// # drop(request);
    /// # }
    /// ```
    pub fn bound_to_key(mut self, key: &DpopKey) -> Self {
        self.token.bind("jkt", key.thumbprint());
        self
    }

    /// Binds the token to the certificate of a client: sets `cnf` to its `x5t#S256` (RFC 8705 section 3.1).
    ///
    /// `certificate` is DER, or PEM text. The first certificate in the text counts, such as that of
    /// `TestCa::client_pem` (feature `test-tls`).
    ///
    /// A token can be bound to a key and to a certificate.
    ///
    /// ```
    /// # #[cfg(all(feature = "test-tls", any(feature = "aws-lc-rs", feature = "rust-crypto")))] {
    /// use tower_bearer::testing::{TestCa, TestIssuer};
    ///
    /// let (idp, ca) = (TestIssuer::new(), TestCa::new());
    /// let identity = ca.client_pem("orders-app");
    /// let token = idp.token("https://api.example.com").bound_to_certificate(&identity).sign();
    /// # drop(token);
    /// # }
    /// ```
    pub fn bound_to_certificate(mut self, certificate: impl AsRef<[u8]>) -> Self {
        let certificate = certificate.as_ref();
        let from_pem = CertificateDer::from_pem_slice(certificate).ok();
        self.token.bind("x5t#S256", thumbprint::of_certificate(from_pem.as_deref().unwrap_or(certificate)));
        self
    }
}
