//! The confirmation claim: which key or certificate the sender of a token must have (RFC 7800 section 3).

use std::fmt;

use crate::encoding::base64url;

/// A SHA-256 digest, as the confirmation methods `jkt` and `x5t#S256` hold it.
pub(crate) type Thumbprint = [u8; 32];

/// The key or the certificate that a token is bound to (`cnf`, RFC 7800 section 3):
/// [`AccessToken::bound_to`](super::AccessToken::bound_to).
///
/// ```
/// use tower_bearer::AccessToken;
///
/// /// How the client of this token has proven that the token is its own.
/// fn proof(token: &AccessToken) -> &'static str {
///     match token.bound_to() {
///         Some(bound_to) if bound_to.jwk_thumbprint().is_some() => "DPoP",
///         Some(_) => "client certificate",
///         None => "none",
///     }
/// }
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Confirmation {
    /// `jkt` (RFC 9449 section 6.1).
    pub(crate) jkt: Option<Thumbprint>,
    /// `x5t#S256` (RFC 8705 section 3.1).
    pub(crate) x5t_s256: Option<Thumbprint>,
}

impl Confirmation {
    /// Returns the thumbprint of the client's public key (`jkt`, RFC 9449 section 6.1, RFC 7638), in
    /// base64url. `None` if the token is not bound to a key.
    #[must_use]
    pub fn jwk_thumbprint(&self) -> Option<String> {
        self.jkt.as_ref().map(|thumbprint| base64url::encode(thumbprint))
    }

    /// Returns the thumbprint of the client's certificate (`x5t#S256`, RFC 8705 section 3.1), in base64url.
    /// `None` if the token is not bound to a certificate.
    #[must_use]
    pub fn certificate_thumbprint(&self) -> Option<String> {
        self.x5t_s256.as_ref().map(|thumbprint| base64url::encode(thumbprint))
    }
}

/// The names of the methods, for a terminal.
impl fmt::Display for Confirmation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (&self.jkt, &self.x5t_s256) {
            (Some(_), Some(_)) => "jkt, x5t#S256",
            (Some(_), None) => "jkt",
            (None, Some(_)) => "x5t#S256",
            (None, None) => "only unknown methods",
        })
    }
}

/// Decodes a thumbprint. `None` if `text` is not the canonical base64url of 32 octets.
pub(crate) fn thumbprint(text: &str) -> Option<Thumbprint> {
    base64url::decode(text)?.try_into().ok()
}
