//! The key material of a JWK (RFC 7518 section 6, RFC 8037 section 2).
//!
//! Checks: an RSA modulus is odd and has 2048 to 8192 bits; an RSA exponent is odd, at least 3 and at most 33
//! bits long; EC coordinates have the length of their curve; an Ed25519 point is on the curve, canonically
//! encoded and not of small order.
//!
//! Does not check: that an EC point is on its curve. The backend checks that when it parses the key.

use curve25519_dalek::edwards::CompressedEdwardsY;

use super::fault::JwkFault;
use crate::crypto::algorithm::{Algorithm, AlgorithmSet};

/// The numbers of a public key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum KeyMaterial {
    /// Modulus and exponent, big-endian, without leading zero octets.
    Rsa { n: Box<[u8]>, e: Box<[u8]> },
    /// Coordinates, big-endian, padded to the length of the field.
    Ec { curve: Curve, x: Box<[u8]>, y: Box<[u8]> },
    /// The compressed point (RFC 8032 section 5.1.2).
    Ed25519 { x: [u8; 32] },
}

/// A curve for ECDSA.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

impl KeyMaterial {
    /// An RSA key from its modulus and exponent, with or without leading zero octets.
    pub(super) fn rsa(n: &[u8], e: &[u8]) -> Result<Self, JwkFault> {
        let (n, e) = (without_leading_zeros(n), without_leading_zeros(e));
        check_modulus(&n)?;
        check_exponent(&e)?;
        Ok(Self::Rsa { n, e })
    }

    /// An EC key from its coordinates.
    pub(super) fn ec(curve: Curve, x: Vec<u8>, y: Vec<u8>) -> Result<Self, JwkFault> {
        if [&x, &y].iter().any(|coordinate| coordinate.len() != curve.coordinate_len()) {
            return Err(JwkFault::CoordinateLength);
        }
        Ok(Self::Ec { curve, x: x.into(), y: y.into() })
    }

    /// An Ed25519 key from its compressed point.
    pub(super) fn ed25519(x: Vec<u8>) -> Result<Self, JwkFault> {
        let x = x.try_into().map_err(|_| JwkFault::CoordinateLength)?;
        check_edwards_point(x)?;
        Ok(Self::Ed25519 { x })
    }

    /// The type of key with its curve, and its numbers.
    pub(super) fn fields(&self) -> (&'static str, &[u8], &[u8]) {
        match self {
            Self::Rsa { n, e } => ("RSA", n, e),
            Self::Ec { curve, x, y } => (curve.name(), x, y),
            Self::Ed25519 { x } => ("Ed25519", x, &[]),
        }
    }

    /// The algorithms that fit this type of key.
    pub(crate) fn algorithms(&self) -> AlgorithmSet {
        use Algorithm::{Ed25519, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
        match self {
            Self::Rsa { .. } => [RS256, RS384, RS512, PS256, PS384, PS512].into_iter().collect(),
            Self::Ec { curve, .. } => [curve.algorithm()].into_iter().collect(),
            Self::Ed25519 { .. } => [EdDSA, Ed25519].into_iter().collect(),
        }
    }
}

impl Curve {
    pub(super) fn parse(name: &str) -> Option<Self> {
        [Self::P256, Self::P384, Self::P521].into_iter().find(|curve| curve.name() == name)
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
        }
    }

    /// The only algorithm for this curve (RFC 7518 section 3.4).
    fn algorithm(self) -> Algorithm {
        match self {
            Self::P256 => Algorithm::ES256,
            Self::P384 => Algorithm::ES384,
            Self::P521 => Algorithm::ES512,
        }
    }

    /// The length of a coordinate in octets (RFC 7518 section 6.2.1.2).
    fn coordinate_len(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

/// The uncompressed encoding of a point (SEC 1 section 2.3.3), which the backends parse.
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
pub(in crate::crypto) fn sec1_point(x: &[u8], y: &[u8]) -> Vec<u8> {
    [&[4], x, y].concat()
}

/// Some authorization servers prepend a zero octet (RFC 7518 section 6.3.1.1). It does not count as part of
/// the number.
fn without_leading_zeros(octets: &[u8]) -> Box<[u8]> {
    octets.iter().copied().skip_while(|octet| *octet == 0).collect()
}

fn check_modulus(n: &[u8]) -> Result<(), JwkFault> {
    match (n.len(), n.first()) {
        (0..=255, _) | (256, Some(0..=0x7f)) => return Err(JwkFault::ModulusTooSmall),
        (1025.., _) => return Err(JwkFault::ModulusTooLarge),
        _ => {}
    }
    if n.last().is_some_and(|octet| octet % 2 == 0) {
        return Err(JwkFault::ModulusEven);
    }
    Ok(())
}

fn check_exponent(e: &[u8]) -> Result<(), JwkFault> {
    let value = e.iter().try_fold(0_u64, |value, octet| value.checked_mul(256)?.checked_add((*octet).into()));
    match value {
        Some(value) if value % 2 == 1 && (3..1 << 33).contains(&value) => Ok(()),
        _ => Err(JwkFault::ExponentUnfit),
    }
}

fn check_edwards_point(x: [u8; 32]) -> Result<(), JwkFault> {
    let encoded = CompressedEdwardsY(x);
    let point = encoded.decompress().ok_or(JwkFault::MaterialInvalid)?;
    if point.compress() != encoded {
        return Err(JwkFault::MaterialInvalid);
    }
    if point.is_small_order() { Err(JwkFault::SmallOrder) } else { Ok(()) }
}
