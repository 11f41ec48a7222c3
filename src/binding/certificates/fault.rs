//! Why the client certificate of a request does not prove that the token is the client's own.

use std::error::Error;
use std::fmt;

/// A failed check of a client certificate.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CertificateFault {
    /// The request has no client certificate.
    Missing,
    /// The token is bound to another certificate.
    Mismatch,
    /// The header of the trusted proxy is malformed, for this reason.
    HeaderMalformed(&'static str),
    /// The request has the header, and nothing tells the address of the peer that sent it.
    PeerAddressUnknown,
}

impl fmt::Display for CertificateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("the request has no client certificate"),
            Self::Mismatch => f.write_str("the access token is bound to another client certificate"),
            Self::HeaderMalformed(reason) => {
                write!(f, "the client certificate header is malformed: {reason}")
            }
            Self::PeerAddressUnknown => {
                f.write_str("the address of the peer that sent the client certificate header is unknown")
            }
        }
    }
}

impl Error for CertificateFault {}
