//! A certificate authority for tests: it certifies loopback servers and the clients that authenticate with a
//! certificate.
//!
//! Why: each process generates its own keys, so a program that trusts a test authority by mistake trusts
//! nobody else.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair};
use rcgen::{ExtendedKeyUsagePurpose, KeyUsagePurpose};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// A certificate authority for tests (feature `test-tls`).
///
/// [`LoopbackBuilder::tls`](super::LoopbackBuilder::tls) serves a test issuer with a certificate of it, and
/// an HTTP client that trusts [`pem`](Self::pem) reaches that issuer. Clones are the same authority. Its keys
/// are new in each process, and its certificates do not expire.
///
/// ```
/// # #[cfg(all(feature = "reqwest", any(feature = "aws-lc-rs", feature = "rust-crypto")))]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tower_bearer::BearerAuth;
/// use tower_bearer::testing::{TestCa, TestIssuer};
/// use tower_bearer::transport::{ReqwestClient, reqwest};
///
/// let ca = TestCa::new();
/// let idp = TestIssuer::loopback().tls(&ca).start().await?;
/// assert!(idp.identifier().starts_with("https://127.0.0.1:"));
///
/// let root = reqwest::Certificate::from_pem(ca.pem().as_bytes())?;
/// let client = ReqwestClient::build(move |client| client.tls_certs_only([root.clone()]))?;
/// let auth = BearerAuth::builder("my-api").issuer(idp.issuer()).http_client(client).build()?;
/// auth.ready().await?;
/// # Ok(())
/// # }
/// # #[cfg(not(all(feature = "reqwest", any(feature = "aws-lc-rs", feature = "rust-crypto"))))]
/// # fn main() {}
/// ```
#[derive(Clone)]
pub struct TestCa(Arc<Authority>);

struct Authority {
    issuer: rcgen::Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
    /// The certificates of clients, with their `client_id`.
    clients: Mutex<HashMap<Vec<u8>, String>>,
}

/// A certificate and its private key.
pub(super) struct Certified {
    pub(super) certificate: CertificateDer<'static>,
    pub(super) key: PrivateKeyDer<'static>,
}

impl TestCa {
    /// Creates an authority with a new key.
    #[must_use]
    pub fn new() -> Self {
        let (key, mut params) = (generate_key(), CertificateParams::default());
        params.distinguished_name.push(DnType::CommonName, "tower-bearer test CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let certificate = valid(params.self_signed(&key)).der().clone();
        let issuer = rcgen::Issuer::new(params, key);
        Self(Arc::new(Authority { issuer, certificate, clients: Mutex::default() }))
    }

    /// The certificate of the authority as PEM, for the trusted roots of an HTTP client.
    #[must_use]
    pub fn pem(&self) -> String {
        pem("CERTIFICATE", &self.0.certificate)
    }

    /// Issues a client certificate for this `client_id`, as PEM: the certificate, then its private key.
    ///
    /// A test issuer on a port with TLS accepts it as the credentials of the client
    /// [registered](super::TestIssuer::register_mtls_client) with that id (RFC 8705 section 2.1).
    /// [`TokenBuilder::bound_to_certificate`](super::TokenBuilder::bound_to_certificate) binds a token to it.
    ///
    /// ```
    /// # #[cfg(feature = "reqwest")] {
    /// use tower_bearer::testing::TestCa;
    /// use tower_bearer::transport::reqwest::Identity;
    ///
    /// let identity = Identity::from_pem(TestCa::new().client_pem("orders-api").as_bytes())?;
    /// # drop(identity);
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn client_pem(&self, client_id: &str) -> String {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, client_id);
        let Certified { certificate, key } = self.certify(params, ExtendedKeyUsagePurpose::ClientAuth);
        let mut clients = self.0.clients.lock().unwrap_or_else(PoisonError::into_inner);
        clients.insert(certificate.to_vec(), client_id.to_owned());
        pem("CERTIFICATE", &certificate) + &pem("PRIVATE KEY", key.secret_der())
    }

    /// A certificate for servers on the loopback interface.
    pub(super) fn certify_server(&self) -> Certified {
        let names = ["localhost", "127.0.0.1"].map(str::to_owned);
        self.certify(valid(CertificateParams::new(names)), ExtendedKeyUsagePurpose::ServerAuth)
    }

    /// The `client_id` in a certificate of this authority.
    pub(super) fn client_of(&self, certificate: &[u8]) -> Option<String> {
        self.0.clients.lock().unwrap_or_else(PoisonError::into_inner).get(certificate).cloned()
    }

    pub(super) fn certificate(&self) -> &CertificateDer<'static> {
        &self.0.certificate
    }

    fn certify(&self, mut params: CertificateParams, usage: ExtendedKeyUsagePurpose) -> Certified {
        let key = generate_key();
        params.extended_key_usages = vec![usage];
        params.use_authority_key_identifier_extension = true;
        let certificate = valid(params.signed_by(&key, &self.0.issuer)).der().clone();
        Certified { certificate, key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())) }
    }
}

impl Default for TestCa {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TestCa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestCa").finish_non_exhaustive()
    }
}

#[expect(clippy::expect_used, reason = "for tests only; fails only without random numbers")]
fn generate_key() -> KeyPair {
    KeyPair::generate().expect("the random number generator of the operating system works")
}

/// The result of an operation on parameters that are known to be valid.
#[expect(clippy::expect_used, reason = "for tests only; the parameters are constant but for a common name")]
fn valid<T>(result: Result<T, rcgen::Error>) -> T {
    result.expect("the parameters of the certificate are valid")
}

/// The textual encoding of RFC 7468.
fn pem(label: &str, der: &[u8]) -> String {
    let base64 = base64_simd::STANDARD.encode_to_string(der);
    let lines: Vec<_> = base64.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}
