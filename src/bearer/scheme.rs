//! The authentication schemes under which a request can present an access token (RFC 9110 section 11.1).

use http::HeaderName;

/// The field of a DPoP proof (RFC 9449 section 4.1).
pub(crate) const DPOP: HeaderName = HeaderName::from_static("dpop");

/// The field in which a resource server gives clients a nonce for their proofs (RFC 9449 section 8).
pub(crate) const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// A scheme of the `Authorization` header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Scheme {
    /// RFC 6750. Also the scheme of a token that is not in the `Authorization` header.
    Bearer,
    /// RFC 9449 section 7.1.
    Dpop,
}

/// The schemes that are accepted: at least one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Schemes {
    Bearer,
    Dpop,
    BearerAndDpop,
}

impl Scheme {
    /// The registered name. Compared without case (RFC 9110 section 11.1).
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::Dpop => "DPoP",
        }
    }
}

impl Schemes {
    /// The schemes, in the order of their challenges.
    pub(crate) fn iter(self) -> impl Iterator<Item = Scheme> {
        let all: &[Scheme] = match self {
            Self::Bearer => &[Scheme::Bearer],
            Self::Dpop => &[Scheme::Dpop],
            Self::BearerAndDpop => &[Scheme::Bearer, Scheme::Dpop],
        };
        all.iter().copied()
    }

    pub(crate) fn contains(self, scheme: Scheme) -> bool {
        self.iter().any(|accepted| accepted == scheme)
    }
}
