//! One public key of a key set, read from its JSON (RFC 7517 section 4, RFC 7518 section 6, RFC 8037 section 2).
//!
//! Checks: no member stands twice; `kty` and `crv` are known; the members of the key are there and
//! strict base64url of the right length; `use`, `key_ops` and `alg`, where given, allow it to check
//! signatures with an algorithm that fits; no private half; RSA of 2048 to 8192 bits with an odd
//! exponent of 3 or more; an Ed25519 key is a point, spelled canonically, not of small order.
//!
//! Does not check: that an EC point is on its curve (the backend does when it takes the key), `x5c`
//! and the other certificate members, which are never read.
//!
//! Why: a key whose private half is published can be anybody's, so it is no key at all.

use std::collections::HashSet;
use std::fmt;

use curve25519_dalek::edwards::CompressedEdwardsY;
use serde_json::{Map, Value};

use super::{Algorithm, AlgorithmSet};
use crate::encoding::{base64url, json};

/// A public key and what it says about itself.
#[derive(Clone, Debug)]
pub(crate) struct Jwk {
    /// `kid`, as it stands.
    pub(crate) kid: Option<Box<str>>,
    /// `alg`: the only algorithm the key may be used with.
    pub(crate) alg: Option<Algorithm>,
    /// The key itself.
    pub(crate) material: KeyMaterial,
}

/// The numbers that make the key.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum KeyMaterial {
    /// Modulus and exponent, big-endian, without leading zero octets.
    Rsa { n: Box<[u8]>, e: Box<[u8]> },
    /// Coordinates, big-endian, each as long as the field.
    Ec { curve: Curve, x: Box<[u8]>, y: Box<[u8]> },
    /// The compressed point.
    Ed25519 { x: [u8; 32] },
}

/// A curve for ECDSA.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

/// Why a JWK cannot check the signature of a token.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum JwkFault {
    /// It is no JSON that can be read, or a member stands twice.
    Unreadable,
    /// It is JSON, but no object.
    NotAnObject,
    /// A member that must be there is not.
    MemberMissing,
    /// A member has another type than it should.
    MemberIllTyped,
    /// A member of the key is not strict base64url.
    NotBase64url,
    /// `kty` is none of RSA, EC and OKP.
    KeyTypeUnknown,
    /// `kty` is `oct`: a secret, which a published key set cannot hold.
    SymmetricKey,
    /// The private half is in it.
    PrivateKey,
    /// `use` is not `sig`.
    UseNotSignature,
    /// `key_ops` does not name `verify`.
    VerifyNotInOperations,
    /// `key_ops` names one operation twice.
    OperationTwice,
    /// `alg` is no signature algorithm of this crate.
    AlgorithmUnknown,
    /// `alg` does not fit `kty` and `crv`.
    AlgorithmMismatch,
    /// `crv` is none of P-256, P-384, P-521 and Ed25519, or does not fit `kty`.
    CurveUnknown,
    /// A coordinate is not as long as the field of its curve.
    CoordinateLength,
    /// RSA of less than 2048 bits.
    ModulusTooSmall,
    /// RSA of more than 8192 bits.
    ModulusTooLarge,
    /// An even RSA modulus.
    ModulusEven,
    /// An RSA exponent that is even, less than 3 or longer than 33 bits.
    ExponentUnfit,
    /// The numbers make no key: the point is not on its curve, most often.
    MaterialInvalid,
    /// An Ed25519 point of small order, under which anybody can sign.
    SmallOrder,
    /// The issuer is not allowed any algorithm that the key fits.
    NotAllowed,
}

impl fmt::Display for JwkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreadable => "it cannot be read as JSON without duplicate members",
            Self::NotAnObject => "it is no JSON object",
            Self::MemberMissing => "a required member is missing",
            Self::MemberIllTyped => "a member has the wrong type",
            Self::NotBase64url => "a member is not base64url without padding",
            Self::KeyTypeUnknown => "its kty is not known",
            Self::SymmetricKey => "it is a symmetric key",
            Self::PrivateKey => "it has its private half with it",
            Self::UseNotSignature => "its use is not sig",
            Self::VerifyNotInOperations => "its key_ops does not name verify",
            Self::OperationTwice => "its key_ops names an operation twice",
            Self::AlgorithmUnknown => "its alg is no known signature algorithm",
            Self::AlgorithmMismatch => "its alg does not fit its kty and crv",
            Self::CurveUnknown => "its crv is not known for its kty",
            Self::CoordinateLength => "a coordinate has the wrong length for its curve",
            Self::ModulusTooSmall => "its RSA modulus is shorter than 2048 bits",
            Self::ModulusTooLarge => "its RSA modulus is longer than 8192 bits",
            Self::ModulusEven => "its RSA modulus is even",
            Self::ExponentUnfit => "its RSA exponent is even, under 3 or over 33 bits",
            Self::MaterialInvalid => "it is no valid key (a point that is not on its curve, most often)",
            Self::SmallOrder => "its point is of small order",
            Self::NotAllowed => "no algorithm that it fits is allowed",
        })
    }
}

impl Jwk {
    /// Reads one JWK from its JSON text.
    ///
    /// # Errors
    /// The first [`JwkFault`], in the order: JSON, `kty`, private half, `use`, `key_ops`, `alg`,
    /// `kid`, the key itself.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, JwkFault> {
        let members = match json::parse(text).map_err(|_| JwkFault::Unreadable)? {
            Value::Object(members) => Members(members),
            _ => return Err(JwkFault::NotAnObject),
        };
        let key_type = members.key_type()?;
        members.check_public(key_type)?;
        members.check_use()?;
        members.check_operations()?;
        let alg = members.algorithm()?;
        let kid = members.text("kid")?.map(Box::from);
        let material = members.material(key_type)?;
        if alg.is_some_and(|alg| !material.algorithms().contains(alg)) {
            return Err(JwkFault::AlgorithmMismatch);
        }
        Ok(Self { kid, alg, material })
    }

    /// The algorithms that the key may be used with: the one it names, or all that fit.
    ///
    /// `EdDSA` and `Ed25519` are one algorithm with two names: a key that names one has both.
    pub(crate) fn algorithms(&self) -> AlgorithmSet {
        match (self.alg, &self.material) {
            (Some(alg), KeyMaterial::Rsa { .. } | KeyMaterial::Ec { .. }) => [alg].into_iter().collect(),
            (_, material) => material.algorithms(),
        }
    }
}

impl KeyMaterial {
    /// The algorithms that this kind of key can be used with.
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
    fn parse(name: &str) -> Option<Self> {
        match name {
            "P-256" => Some(Self::P256),
            "P-384" => Some(Self::P384),
            "P-521" => Some(Self::P521),
            _ => None,
        }
    }

    /// The one algorithm that goes with the curve (RFC 7518 section 3.4).
    fn algorithm(self) -> Algorithm {
        match self {
            Self::P256 => Algorithm::ES256,
            Self::P384 => Algorithm::ES384,
            Self::P521 => Algorithm::ES512,
        }
    }

    /// Octets of a coordinate (RFC 7518 section 6.2.1.2).
    fn coordinate_len(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

/// The uncompressed form of a point (SEC 1 section 2.3.3), which is what the backends read.
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
pub(super) fn sec1_point(x: &[u8], y: &[u8]) -> Vec<u8> {
    [&[4], x, y].concat()
}

#[derive(Clone, Copy)]
enum KeyType {
    Rsa,
    Ec,
    Okp,
}

/// The members of a JWK. Those that nobody asks for are ignored (RFC 7517 section 4).
struct Members(Map<String, Value>);

impl Members {
    fn key_type(&self) -> Result<KeyType, JwkFault> {
        match self.required("kty")? {
            "RSA" => Ok(KeyType::Rsa),
            "EC" => Ok(KeyType::Ec),
            "OKP" => Ok(KeyType::Okp),
            "oct" => Err(JwkFault::SymmetricKey),
            _ => Err(JwkFault::KeyTypeUnknown),
        }
    }

    fn check_public(&self, key_type: KeyType) -> Result<(), JwkFault> {
        let private: &[&str] = match key_type {
            KeyType::Rsa => &["d", "p", "q", "dp", "dq", "qi", "oth"],
            KeyType::Ec | KeyType::Okp => &["d"],
        };
        if private.iter().any(|name| self.0.contains_key(*name)) {
            return Err(JwkFault::PrivateKey);
        }
        Ok(())
    }

    fn check_use(&self) -> Result<(), JwkFault> {
        match self.text("use")? {
            None | Some("sig") => Ok(()),
            Some(_) => Err(JwkFault::UseNotSignature),
        }
    }

    fn check_operations(&self) -> Result<(), JwkFault> {
        let Some(operations) = self.0.get("key_ops") else { return Ok(()) };
        let operations = operations.as_array().ok_or(JwkFault::MemberIllTyped)?;
        let mut seen = HashSet::new();
        for operation in operations {
            if !seen.insert(operation.as_str().ok_or(JwkFault::MemberIllTyped)?) {
                return Err(JwkFault::OperationTwice);
            }
        }
        if seen.contains("verify") { Ok(()) } else { Err(JwkFault::VerifyNotInOperations) }
    }

    fn algorithm(&self) -> Result<Option<Algorithm>, JwkFault> {
        let name = self.text("alg")?;
        name.map(|name| Algorithm::parse(name).ok_or(JwkFault::AlgorithmUnknown)).transpose()
    }

    fn material(&self, key_type: KeyType) -> Result<KeyMaterial, JwkFault> {
        match key_type {
            KeyType::Rsa => self.rsa(),
            KeyType::Ec => self.ec(),
            KeyType::Okp => self.ed25519(),
        }
    }

    fn rsa(&self) -> Result<KeyMaterial, JwkFault> {
        let n = without_leading_zeros(&self.octets("n")?);
        let e = without_leading_zeros(&self.octets("e")?);
        check_modulus(&n)?;
        check_exponent(&e)?;
        Ok(KeyMaterial::Rsa { n, e })
    }

    fn ec(&self) -> Result<KeyMaterial, JwkFault> {
        let curve = Curve::parse(self.required("crv")?).ok_or(JwkFault::CurveUnknown)?;
        let (x, y) = (self.octets("x")?, self.octets("y")?);
        if [&x, &y].iter().any(|coordinate| coordinate.len() != curve.coordinate_len()) {
            return Err(JwkFault::CoordinateLength);
        }
        Ok(KeyMaterial::Ec { curve, x: x.into(), y: y.into() })
    }

    fn ed25519(&self) -> Result<KeyMaterial, JwkFault> {
        if self.required("crv")? != "Ed25519" {
            return Err(JwkFault::CurveUnknown);
        }
        let x = self.octets("x")?.try_into().map_err(|_| JwkFault::CoordinateLength)?;
        check_edwards_point(x)?;
        Ok(KeyMaterial::Ed25519 { x })
    }

    fn octets(&self, name: &str) -> Result<Vec<u8>, JwkFault> {
        base64url::decode(self.required(name)?).ok_or(JwkFault::NotBase64url)
    }

    fn required(&self, name: &str) -> Result<&str, JwkFault> {
        self.text(name)?.ok_or(JwkFault::MemberMissing)
    }

    /// A text, if the member is there. A `null` is there, and is no text.
    fn text(&self, name: &str) -> Result<Option<&str>, JwkFault> {
        let member = self.0.get(name);
        member.map(|value| value.as_str().ok_or(JwkFault::MemberIllTyped)).transpose()
    }
}

/// Some issuers put a zero octet in front (RFC 7518 section 6.3.1.1 warns of it); it is no part of the number.
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
    let spelled = CompressedEdwardsY(x);
    let point = spelled.decompress().ok_or(JwkFault::MaterialInvalid)?;
    if point.compress() != spelled {
        return Err(JwkFault::MaterialInvalid);
    }
    if point.is_small_order() { Err(JwkFault::SmallOrder) } else { Ok(()) }
}
