//! The certificate that a client has presented in the TLS handshake.

use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::access_token::Thumbprint;
use crate::crypto::sha256;
use crate::encoding::base64url;

/// The certificate that a client has presented in the TLS handshake, in the extensions of its requests.
///
/// Create one per connection and insert a clone into each request: clones share the bytes and the thumbprint,
/// which is computed once.
///
/// ```
/// use http::Request;
/// use tower_bearer::certificates::ClientCertificate;
///
/// # let der: &[u8] = &[0x30, 0x00];
/// let certificate = ClientCertificate::from_der(der); // when the connection is accepted
///
/// let mut request = Request::get("/orders").body(())?; // for each of its requests
/// request.extensions_mut().insert(certificate.clone());
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone)]
pub struct ClientCertificate(Arc<Shared>);

struct Shared {
    der: Vec<u8>,
    thumbprint: OnceLock<Thumbprint>,
}

impl ClientCertificate {
    /// The certificate with this DER encoding: the first one that the client has sent, without its chain.
    ///
    /// The bytes are hashed and not parsed. They must be those of the handshake.
    ///
    /// With rustls:
    ///
    /// ```
    /// use tokio_rustls::rustls::ServerConnection;
    /// use tower_bearer::certificates::ClientCertificate;
    ///
    /// fn client_certificate(connection: &ServerConnection) -> Option<ClientCertificate> {
    ///     let der = connection.peer_certificates()?.first()?;
    ///     Some(ClientCertificate::from_der(der.to_vec()))
    /// }
    /// ```
    #[must_use]
    pub fn from_der(der: impl Into<Vec<u8>>) -> Self {
        Self(Arc::new(Shared { der: der.into(), thumbprint: OnceLock::new() }))
    }

    /// Returns the DER encoding.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.0.der
    }

    /// Returns the SHA-256 thumbprint in base64url, as in `x5t#S256` (RFC 8705 section 3.1).
    ///
    /// It equals
    /// [`Confirmation::certificate_thumbprint`](crate::access_token::Confirmation::certificate_thumbprint) of
    /// a token that is bound to this certificate.
    #[must_use]
    pub fn thumbprint(&self) -> String {
        base64url::encode(self.digest())
    }

    /// The SHA-256 digest of the DER encoding.
    pub(super) fn digest(&self) -> &Thumbprint {
        self.0.thumbprint.get_or_init(|| sha256(&[&self.0.der]))
    }
}

/// Shows the thumbprint only.
impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientCertificate").field("thumbprint", &self.thumbprint()).finish_non_exhaustive()
    }
}

#[cfg(all(test, any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod tests {
    use super::*;
    use crate::binding::certificates::tests::vectors::{RFC8705_THUMBPRINT, rfc8705_der};

    #[test]
    fn the_thumbprint_is_that_of_rfc_8705_appendix_a() {
        assert_eq!(ClientCertificate::from_der(rfc8705_der()).thumbprint(), RFC8705_THUMBPRINT);
    }

    #[test]
    fn clones_share_the_thumbprint() {
        let certificate = ClientCertificate::from_der(rfc8705_der());
        let clone = certificate.clone();
        assert!(clone.0.thumbprint.get().is_none());
        certificate.digest();
        assert!(clone.0.thumbprint.get().is_some());
        assert_eq!(clone.der(), rfc8705_der());
    }

    #[test]
    fn debug_shows_the_thumbprint_only() {
        let shown = format!("{:?}", ClientCertificate::from_der(rfc8705_der()));
        assert_eq!(shown, format!("ClientCertificate {{ thumbprint: {RFC8705_THUMBPRINT:?}, .. }}"));
    }
}
