//! The supported signature algorithms (RFC 7518 section 3.1, RFC 8037 section 3.1, RFC 9864).
//!
//! Deliberately not supported: `none` and HMAC, because a published key set cannot contain their keys;
//! `ES256K`; and names that only COSE uses (`ESP256`, `RS1`).

use std::fmt;

/// A signature algorithm of JOSE, named as in the `alg` of a token or of a JWK.
///
/// `EdDSA` and `Ed25519` are two names of the same algorithm: both require an Ed25519 key. RFC 9864
/// deprecates `EdDSA`, but most authorization servers still use it.
/// [`Issuer::algorithms`](crate::Issuer::algorithms) takes each name separately.
///
/// There is no variant for `none` or for HMAC, so no configuration can accept such tokens.
///
/// ```
/// use tower_bearer::{Algorithm, Issuer};
///
/// # #[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))] {
/// // Accept nothing but ECDSA on P-256 and Ed25519. Default: all algorithms.
/// let issuer = Issuer::discover("https://login.example.com/realms/acme").algorithms([
///     Algorithm::ES256,
///     Algorithm::EdDSA,
///     Algorithm::Ed25519,
/// ]);
/// # drop(issuer);
/// # }
/// assert_eq!(Algorithm::ES256.to_string(), "ES256");
/// ```
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
    /// Ed25519 by its older name (RFC 8037 section 3.1).
    EdDSA,
    /// Ed25519 by its fully specified name (RFC 9864 section 2.2).
    Ed25519,
}

impl Algorithm {
    /// Every algorithm, in the order of [`bit`](Self::bit).
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

    /// The name in the IANA registry "JSON Web Signature and Encryption Algorithms", as used in `alg`.
    ///
    /// ```
    /// use tower_bearer::Algorithm;
    ///
    /// assert_eq!(Algorithm::PS256.as_str(), "PS256");
    /// assert_eq!(Algorithm::EdDSA.as_str(), "EdDSA");
    /// ```
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

    /// Parses a name exactly: `alg` is case-sensitive (RFC 7515 section 4.1.1).
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.as_str() == name)
    }

    /// The fully specified name (RFC 9864 section 2): `Ed25519` for `EdDSA`, otherwise the algorithm itself.
    pub(super) fn fully_specified(self) -> Self {
        if self == Self::EdDSA { Self::Ed25519 } else { self }
    }

    /// The bit of this algorithm in an [`AlgorithmSet`].
    #[expect(clippy::as_conversions, reason = "only a cast reads the discriminant, and it is less than 11")]
    const fn bit(self) -> u16 {
        1 << self as u16
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of algorithms: those allowed for an issuer, or those that fit a key.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub(crate) struct AlgorithmSet(u16);

impl AlgorithmSet {
    /// Every algorithm. The default of an issuer.
    pub(crate) const ALL: Self = Self((1 << Algorithm::ALL.len()) - 1);
    /// The algorithms of the FAPI 2.0 Security Profile, section 5.4.1.
    pub(crate) const FAPI2: Self = Self(
        Algorithm::PS256.bit() | Algorithm::ES256.bit() | Algorithm::EdDSA.bit() | Algorithm::Ed25519.bit(),
    );
    /// No algorithm.
    pub(crate) const EMPTY: Self = Self(0);

    /// Whether the set contains `algorithm`.
    pub(crate) fn contains(self, algorithm: Algorithm) -> bool {
        self.0 & algorithm.bit() != 0
    }

    /// Whether the set is empty.
    pub(crate) fn is_empty(self) -> bool {
        self == Self::EMPTY
    }

    /// The algorithms that both sets contain.
    pub(crate) fn intersection(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The algorithms of the set, in the order of [`Algorithm`].
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

/// The algorithms that the keys of an issuer may be used with.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct KeyAlgorithms {
    pub(crate) allowed: AlgorithmSet,
    /// The algorithm of keys without `alg`, if it fits their type. `None`: every allowed one that fits.
    pub(crate) default: Option<Algorithm>,
}

impl From<AlgorithmSet> for KeyAlgorithms {
    fn from(allowed: AlgorithmSet) -> Self {
        Self { allowed, default: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsupported_and_misspelled_names_do_not_parse() {
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
    fn every_algorithm_parses_from_its_name_and_has_a_distinct_bit() {
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
    fn a_set_contains_exactly_the_algorithms_it_was_collected_from() {
        let set: AlgorithmSet = [Algorithm::ES256, Algorithm::EdDSA, Algorithm::ES256].into_iter().collect();
        assert!(set.contains(Algorithm::EdDSA) && !set.contains(Algorithm::Ed25519));
        assert_eq!(format!("{set:?}"), "{ES256, EdDSA}");
        assert!(AlgorithmSet::EMPTY.is_empty() && !set.is_empty());
        assert!(set.intersection([Algorithm::RS256].into_iter().collect()).is_empty());
    }
}
