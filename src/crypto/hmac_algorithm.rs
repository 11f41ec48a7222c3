//! The MAC algorithms of client assertions (RFC 7518 section 3.2).
//!
//! Why apart from `Algorithm`: a resource server never accepts an access token with HMAC, because a published
//! key set cannot contain the key.

use std::fmt;

/// A MAC algorithm of JOSE, for [`ClientAuth::secret_jwt`](crate::ClientAuth::secret_jwt).
///
/// It signs the assertions of this API. Access tokens with HMAC are always rejected; see
/// [`Algorithm`](super::Algorithm).
///
/// ```
/// use tower_bearer::crypto::HmacAlgorithm;
///
/// assert_eq!(HmacAlgorithm::HS256.to_string(), "HS256");
/// assert_eq!(HmacAlgorithm::HS256.min_secret_bytes(), 32);
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum HmacAlgorithm {
    /// HMAC with SHA-256.
    HS256,
    /// HMAC with SHA-384.
    HS384,
    /// HMAC with SHA-512.
    HS512,
}

#[cfg(any(feature = "config", feature = "test-util"))]
impl HmacAlgorithm {
    pub(crate) const ALL: [Self; 3] = [Self::HS256, Self::HS384, Self::HS512];

    /// The algorithm with this name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }
}

impl HmacAlgorithm {
    /// The name in the IANA registry "JSON Web Signature and Encryption Algorithms", as used in `alg`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HS256 => "HS256",
            Self::HS384 => "HS384",
            Self::HS512 => "HS512",
        }
    }

    /// The minimum length of the secret in bytes: that of the hash (RFC 7518 section 3.2).
    #[must_use]
    pub fn min_secret_bytes(self) -> usize {
        match self {
            Self::HS256 => 32,
            Self::HS384 => 48,
            Self::HS512 => 64,
        }
    }
}

impl fmt::Display for HmacAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
