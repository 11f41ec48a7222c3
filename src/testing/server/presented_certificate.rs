//! The client certificate of a connection, in the extensions of its requests.

/// The client certificate that a connection has presented.
#[derive(Clone, Debug)]
pub(crate) struct PresentedCertificate {
    is_tls: bool,
    client: Option<String>,
    thumbprint: Option<String>,
}

impl PresentedCertificate {
    /// The connection has no TLS, so it cannot present a certificate.
    pub(crate) fn over_plain_http() -> Self {
        Self { is_tls: false, client: None, thumbprint: None }
    }

    /// The `client_id` in the certificate, and its thumbprint. `client` is `None` if there is no certificate
    /// of a client, `thumbprint` if there is no certificate at all.
    #[cfg(feature = "test-tls")]
    pub(crate) fn over_tls(client: Option<String>, thumbprint: Option<String>) -> Self {
        Self { is_tls: true, client, thumbprint }
    }

    /// Whether a request of this client may come over the connection. Without TLS, the certificate of every
    /// client counts as presented.
    pub(crate) fn is_of(&self, client: &str) -> bool {
        !self.is_tls || self.client.as_deref() == Some(client)
    }

    /// The thumbprint of the certificate (RFC 8705 section 3.1). `None` without one.
    pub(crate) fn thumbprint(&self) -> Option<&str> {
        self.thumbprint.as_deref()
    }
}
