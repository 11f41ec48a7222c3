//! The signature algorithms that a token may be signed with (RFC 7518 section 3.1, RFC 8037 section 3.1, RFC 9864).
//!
//! Deliberately not here: `none` and the HMACs, which a key set can never speak for, `ES256K`, and
//! the names that are COSE's alone (`ESP256`, `RS1`).

use std::fmt;

/// A signature algorithm of JOSE, by the name it has in the `alg` of a token or of a JWK.
///
/// `EdDSA` and `Ed25519` are two names for one algorithm here: `EdDSA` is the older one, which
/// RFC 9864 deprecates and most issuers still write. Both are checked with an Ed25519 key only.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Algorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 section 3.3).
    RS256,
    /// RSASSA-PKCS1-v1_5 with SHA-384 (RFC 7518 section 3.3).
    RS384,
    /// RSASSA-PKCS1-v1_5 with SHA-512 (RFC 7518 section 3.3).
    RS512,
    /// RSASSA-PSS with SHA-256 and a salt of 32 octets (RFC 7518 section 3.5).
    PS256,
    /// RSASSA-PSS with SHA-384 and a salt of 48 octets (RFC 7518 section 3.5).
    PS384,
    /// RSASSA-PSS with SHA-512 and a salt of 64 octets (RFC 7518 section 3.5).
    PS512,
    /// ECDSA on P-256 with SHA-256 (RFC 7518 section 3.4).
    ES256,
    /// ECDSA on P-384 with SHA-384 (RFC 7518 section 3.4).
    ES384,
    /// ECDSA on P-521 with SHA-512 (RFC 7518 section 3.4).
    ES512,
    /// Ed25519, by its older name (RFC 8037 section 3.1).
    EdDSA,
    /// Ed25519, by its fully specified name (RFC 9864 section 2.2).
    Ed25519,
}

impl Algorithm {
    /// All of them, in the order of their bits.
    const ALL: [Self; 11] = [
        Self::RS256,
        Self::RS384,
        Self::RS512,
        Self::PS256,
        Self::PS384,
        Self::PS512,
        Self::ES256,
        Self::ES384,
        Self::ES512,
        Self::EdDSA,
        Self::Ed25519,
    ];

    /// The name in the registry, as it stands in `alg`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::ES512 => "ES512",
            Self::EdDSA => "EdDSA",
            Self::Ed25519 => "Ed25519",
        }
    }

    /// The algorithm of that name, to the letter (RFC 7515 section 4.1.1: `alg` is case-sensitive).
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    /// The name that says it all: `Ed25519` for `EdDSA`, any other name for itself (RFC 9864 section 2).
    pub(super) fn fully_specified(self) -> Self {
        if self == Self::EdDSA { Self::Ed25519 } else { self }
    }

    /// One bit of an [`AlgorithmSet`].
    #[expect(clippy::as_conversions, reason = "there is no other way to a discriminant; it is under 11")]
    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Some algorithms: those that an issuer may use, or that a key fits.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub(crate) struct AlgorithmSet(u16);

impl AlgorithmSet {
    /// All eleven, which is the default of an issuer.
    pub(crate) const ALL: Self = Self((1 << Algorithm::ALL.len()) - 1);
    /// None at all.
    pub(crate) const EMPTY: Self = Self(0);

    /// Whether `algorithm` is one of them.
    pub(crate) fn contains(self, algorithm: Algorithm) -> bool {
        self.0 & algorithm.bit() != 0
    }

    /// Whether there is none.
    pub(crate) fn is_empty(self) -> bool {
        self == Self::EMPTY
    }

    /// What is in both sets.
    pub(crate) fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// Each of them once, in the order of [`Algorithm`].
    pub(crate) fn iter(self) -> impl Iterator<Item = Algorithm> {
        Algorithm::ALL.into_iter().filter(move |algorithm| self.contains(*algorithm))
    }
}

impl FromIterator<Algorithm> for AlgorithmSet {
    fn from_iter<I: IntoIterator<Item = Algorithm>>(algorithms: I) -> Self {
        let bits = algorithms.into_iter().fold(0, |bits, algorithm| bits | algorithm.bit());
        Self(bits)
    }
}

impl fmt::Debug for AlgorithmSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_no_signature_algorithm_of_a_key_set_are_unknown() {
        for name in
            ["none", "None", "HS256", "HS512", "ES256K", "ESP256", "RS1", "Ed448", "RSA-OAEP", "ES521"]
        {
            assert_eq!(Algorithm::parse(name), None, "{name}");
        }
        for name in ["", "rs256", "RS256 ", "eddsa", "EDDSA", "ED25519", "RS256\0"] {
            assert_eq!(Algorithm::parse(name), None, "{name}");
        }
    }

    #[test]
    fn every_algorithm_is_read_back_from_its_name_and_has_a_bit_of_its_own() {
        let mut seen: Vec<Algorithm> = Vec::new();
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::parse(&algorithm.to_string()), Some(algorithm));
            assert!(seen.iter().all(|other| other.bit() != algorithm.bit()), "{algorithm}");
            seen.push(algorithm);
        }
        assert_eq!(seen.into_iter().collect::<AlgorithmSet>(), AlgorithmSet::ALL);
        assert_eq!(AlgorithmSet::ALL.iter().collect::<Vec<_>>(), Algorithm::ALL);
    }

    #[test]
    fn a_set_holds_what_was_put_in_and_nothing_else() {
        let set: AlgorithmSet = [Algorithm::ES256, Algorithm::EdDSA, Algorithm::ES256].into_iter().collect();
        assert!(set.contains(Algorithm::EdDSA) && !set.contains(Algorithm::Ed25519));
        assert_eq!(format!("{set:?}"), "{ES256, EdDSA}");
        assert!(AlgorithmSet::EMPTY.is_empty() && !set.is_empty());
        assert!(set.intersection([Algorithm::RS256].into_iter().collect()).is_empty());
    }
}
