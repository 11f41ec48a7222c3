//! The headers in which a proxy that terminates TLS sends the certificate of the client.
//!
//! Checks: one line of at most 16 KiB with one certificate, in the strict form of its encoding. Two readers
//! of a header must not find two certificates in it.
//! Does not check: what is in the certificate. The proxy has done that in the handshake.

mod base64;
mod hex;
mod pem;
mod xfcc;

use http::{HeaderMap, HeaderName};

use crate::access_token::Thumbprint;
use crate::crypto::sha256;

/// The chain that a proxy may send beside `Client-Cert` (RFC 9440 section 2.3). It is never read.
const CLIENT_CERT_CHAIN: HeaderName = HeaderName::from_static("client-cert-chain");

/// The longest value of a header that is read, in bytes.
pub(super) const MAX_VALUE_BYTES: usize = 16 * 1024;

/// Why a header is malformed, for the log.
pub(super) type Reason = &'static str;

/// How the certificate is written in the header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Encoding {
    /// A byte sequence of a structured field: base64 DER between colons (RFC 9440 section 2.1).
    ByteSequence,
    /// Base64 DER.
    Der,
    /// PEM, percent-encoded.
    Pem,
    /// The `Hash` or the `Cert` of an element of Envoy's `x-forwarded-client-cert`.
    Xfcc,
}

/// A header with a certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct CertificateHeader {
    pub(super) name: HeaderName,
    pub(super) encoding: Encoding,
}

impl CertificateHeader {
    /// Whether the request has the header.
    pub(super) fn is_in(&self, headers: &HeaderMap) -> bool {
        headers.contains_key(&self.name)
    }

    /// The thumbprint of the certificate in the header. `None` if the header is absent or empty.
    ///
    /// # Errors
    /// Why the header is malformed.
    pub(super) fn thumbprint(&self, headers: &HeaderMap) -> Result<Option<Thumbprint>, Reason> {
        let mut lines = headers.get_all(&self.name).into_iter();
        let Some(line) = lines.next() else { return Ok(None) };
        if lines.next().is_some() {
            return Err("it has several lines");
        }
        let value = line.as_bytes();
        if value.len() > MAX_VALUE_BYTES {
            return Err("it is longer than 16 KiB");
        }
        if self.encoding.is_empty(value) {
            return Ok(None);
        }
        self.encoding.thumbprint(value).map(Some)
    }

    /// Removes the header, and the chain that belongs to it.
    pub(super) fn remove_from(&self, headers: &mut HeaderMap) {
        headers.remove(&self.name);
        if self.encoding == Encoding::ByteSequence {
            headers.remove(CLIENT_CERT_CHAIN);
        }
    }
}

impl Encoding {
    /// Whether `value` is what a proxy writes if there is no certificate to put into its template.
    fn is_empty(self, value: &[u8]) -> bool {
        value.is_empty() || (self == Self::ByteSequence && value == b"::")
    }

    fn thumbprint(self, value: &[u8]) -> Result<Thumbprint, Reason> {
        let der = match self {
            Self::ByteSequence => base64::decode_byte_sequence(value)?,
            Self::Der => base64::decode(value)?,
            Self::Pem => pem::decode(value)?,
            Self::Xfcc => return xfcc::thumbprint(value),
        };
        Ok(sha256(&[&der]))
    }
}

#[cfg(all(test, any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod tests;
