//! TLS on the loopback port, with client certificates where a client presents one.

use std::fmt;
use std::sync::Arc;

use rustls_pki_types::CertificateDer;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::aws_lc_rs::default_provider;
use tokio_rustls::rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use tokio_rustls::rustls::{Error, RootCertStore, ServerConfig};
use tokio_rustls::server::TlsStream;

use crate::testing::server::PresentedCertificate;
use crate::testing::test_ca::{Certified, TestCa};
use crate::testing::thumbprint;

/// The TLS settings of a server.
#[derive(Clone)]
pub(in crate::testing) struct Tls {
    acceptor: TlsAcceptor,
    ca: TestCa,
}

impl Tls {
    /// A server with a certificate of `ca`, which verifies the certificates of clients. `is_mutual`: every
    /// client must present one.
    #[expect(clippy::expect_used, reason = "for tests only; no setting depends on outside data")]
    pub(in crate::testing) fn new(ca: TestCa, is_mutual: bool) -> Self {
        let config = server_config(&ca, is_mutual).expect("rustls accepts the certificates of the test CA");
        Self { acceptor: TlsAcceptor::from(Arc::new(config)), ca }
    }

    /// Performs the handshake. `None` if it fails, for example without a certificate that is required.
    pub(super) async fn accept(
        &self,
        stream: TcpStream,
    ) -> Option<(TlsStream<TcpStream>, PresentedCertificate)> {
        let stream = self.acceptor.accept(stream).await.ok()?;
        let (_, connection) = stream.get_ref();
        let presented = connection.peer_certificates().and_then(<[CertificateDer<'_>]>::first);
        let client = presented.and_then(|certificate| self.ca.client_of(certificate));
        let thumbprint = presented.map(|certificate| thumbprint::of_certificate(certificate));
        Some((stream, PresentedCertificate::over_tls(client, thumbprint)))
    }
}

fn server_config(ca: &TestCa, is_mutual: bool) -> Result<ServerConfig, Error> {
    let provider = Arc::new(default_provider());
    let mut roots = RootCertStore::empty();
    roots.add(ca.certificate().clone())?;
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
    let verifier = if is_mutual { verifier } else { verifier.allow_unauthenticated() };
    let verifier =
        verifier.build().map_err(|error: VerifierBuilderError| Error::General(error.to_string()))?;
    let Certified { certificate, key } = ca.certify_server();
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    config.with_client_cert_verifier(verifier).with_single_cert(vec![certificate], key)
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("ca", &self.ca).finish_non_exhaustive()
    }
}
