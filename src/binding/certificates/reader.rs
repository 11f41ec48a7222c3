//! Finds the client certificate of a request and compares it with the token's (RFC 8705 section 3).

use http::HeaderMap;
use http::request::Parts;

use super::client_certificate::ClientCertificate;
use super::fault::CertificateFault;
use super::proxy_header::{IgnoredHeader, ProxyHeader};
use super::settings::CertificateFn;
use crate::access_token::Thumbprint;

/// Finds the client certificate of a request.
pub(crate) struct CertificateReader {
    pub(super) connection: Option<ConnectionSource>,
    pub(super) header: Option<ProxyHeader>,
}

/// Where to find the certificate that the peer itself has presented.
pub(super) enum ConnectionSource {
    /// The [`ClientCertificate`] in the extensions.
    Extension,
    /// A function of the user.
    Function(CertificateFn),
}

impl CertificateReader {
    /// Checks that the client has presented the certificate with the thumbprint `expected`.
    ///
    /// # Errors
    /// [`CertificateFault`], if it has not.
    pub(crate) fn check(&self, head: &Parts, expected: &Thumbprint) -> Result<(), CertificateFault> {
        let presented = self.thumbprint(head)?.ok_or(CertificateFault::Missing)?;
        compare(&presented, expected)
    }

    /// The thumbprint of the client certificate. `None` if the client has presented none.
    ///
    /// # Errors
    /// [`CertificateFault`], if that cannot be told.
    pub(crate) fn thumbprint(&self, head: &Parts) -> Result<Option<Thumbprint>, CertificateFault> {
        let of_header = match &self.header {
            Some(header) => header.thumbprint(head)?,
            None => None,
        };
        let of_connection = self.connection.as_ref().and_then(|connection| connection.thumbprint(head));
        match (of_header, of_connection) {
            (Some(one), Some(other)) if one != other => {
                Err(CertificateFault::HeaderMalformed("the connection has another client certificate"))
            }
            (of_header, of_connection) => Ok(of_header.or(of_connection)),
        }
    }

    /// The header of a peer that is no trusted proxy, if the request has one.
    pub(crate) fn ignored_header(&self, head: &Parts) -> Option<IgnoredHeader<'_>> {
        self.header.as_ref()?.ignored(head)
    }

    /// Removes the header of the proxy before the inner service sees the request.
    pub(crate) fn remove_headers(&self, headers: &mut HeaderMap) {
        if let Some(header) = &self.header {
            header.remove_from(headers);
        }
    }
}

/// Checks that the certificate of the client is that of the token.
pub(super) fn compare(presented: &Thumbprint, expected: &Thumbprint) -> Result<(), CertificateFault> {
    if presented == expected { Ok(()) } else { Err(CertificateFault::Mismatch) }
}

impl ConnectionSource {
    pub(super) fn thumbprint(&self, head: &Parts) -> Option<Thumbprint> {
        match self {
            Self::Extension => head.extensions.get::<ClientCertificate>().map(|found| *found.digest()),
            Self::Function(function) => function(head).map(|found| *found.digest()),
        }
    }
}
