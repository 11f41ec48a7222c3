//! Verifies signatures with the RustCrypto crates and ed25519-dalek.
//!
//! Checks: an ECDSA signature has 64, 96 or 132 octets, the salt of a PSS signature is as long as the hash,
//! and a point is on its curve.

use rsa::signature::Verifier;
use rsa::{BigUint, RsaPublicKey, pkcs1v15, pss};
use sha2::{Sha256, Sha384, Sha512};

use crate::crypto::algorithm::Algorithm;
use crate::crypto::jwk::{KeyMaterial, sec1_point};
use crate::crypto::signature_mismatch::SignatureMismatch;

/// The largest RSA modulus in bits, as in aws-lc-rs. The default of the `rsa` crate is 4096.
const MAX_MODULUS_BITS: usize = 8192;

/// A public key for one algorithm.
pub(in crate::crypto) enum BackendKey {
    Rs256(pkcs1v15::VerifyingKey<Sha256>),
    Rs384(pkcs1v15::VerifyingKey<Sha384>),
    Rs512(pkcs1v15::VerifyingKey<Sha512>),
    Ps256(pss::VerifyingKey<Sha256>),
    Ps384(pss::VerifyingKey<Sha384>),
    Ps512(pss::VerifyingKey<Sha512>),
    Es256(p256::ecdsa::VerifyingKey),
    Es384(p384::ecdsa::VerifyingKey),
    Es512(p521::ecdsa::VerifyingKey),
    Ed25519(ed25519_dalek::VerifyingKey),
}

impl BackendKey {
    /// Parses `material` for `algorithm`. `None` if they do not fit or the numbers make no valid key.
    pub(in crate::crypto) fn parse(material: &KeyMaterial, algorithm: Algorithm) -> Option<Self> {
        if !material.algorithms().contains(algorithm) {
            return None;
        }
        match material {
            KeyMaterial::Rsa { n, e } => rsa(n, e, algorithm),
            KeyMaterial::Ec { x, y, .. } => ecdsa(&sec1_point(x, y), algorithm),
            KeyMaterial::Ed25519 { x } => ed25519_dalek::VerifyingKey::from_bytes(x).ok().map(Self::Ed25519),
        }
    }

    /// Verifies the signature of this key over `message`.
    pub(in crate::crypto) fn verify(
        &self,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureMismatch> {
        match self {
            Self::Rs256(key) => verify::<pkcs1v15::Signature>(key, message, signature),
            Self::Rs384(key) => verify::<pkcs1v15::Signature>(key, message, signature),
            Self::Rs512(key) => verify::<pkcs1v15::Signature>(key, message, signature),
            Self::Ps256(key) => verify::<pss::Signature>(key, message, signature),
            Self::Ps384(key) => verify::<pss::Signature>(key, message, signature),
            Self::Ps512(key) => verify::<pss::Signature>(key, message, signature),
            Self::Es256(key) => verify::<p256::ecdsa::Signature>(key, message, signature),
            Self::Es384(key) => verify::<p384::ecdsa::Signature>(key, message, signature),
            Self::Es512(key) => verify::<p521::ecdsa::Signature>(key, message, signature),
            Self::Ed25519(key) => verify_ed25519(key, message, signature),
        }
    }
}

fn rsa(n: &[u8], e: &[u8], algorithm: Algorithm) -> Option<BackendKey> {
    let (n, e) = (BigUint::from_bytes_be(n), BigUint::from_bytes_be(e));
    let key = RsaPublicKey::new_with_max_size(n, e, MAX_MODULUS_BITS).ok()?;
    match algorithm {
        Algorithm::RS256 => Some(BackendKey::Rs256(pkcs1v15::VerifyingKey::new(key))),
        Algorithm::RS384 => Some(BackendKey::Rs384(pkcs1v15::VerifyingKey::new(key))),
        Algorithm::RS512 => Some(BackendKey::Rs512(pkcs1v15::VerifyingKey::new(key))),
        // `new` makes the salt as long as the hash, which RFC 7518 section 3.5 requires.
        Algorithm::PS256 => Some(BackendKey::Ps256(pss::VerifyingKey::new(key))),
        Algorithm::PS384 => Some(BackendKey::Ps384(pss::VerifyingKey::new(key))),
        Algorithm::PS512 => Some(BackendKey::Ps512(pss::VerifyingKey::new(key))),
        _ => None,
    }
}

fn ecdsa(point: &[u8], algorithm: Algorithm) -> Option<BackendKey> {
    match algorithm {
        Algorithm::ES256 => p256::ecdsa::VerifyingKey::from_sec1_bytes(point).ok().map(BackendKey::Es256),
        Algorithm::ES384 => p384::ecdsa::VerifyingKey::from_sec1_bytes(point).ok().map(BackendKey::Es384),
        Algorithm::ES512 => p521::ecdsa::VerifyingKey::from_sec1_bytes(point).ok().map(BackendKey::Es512),
        _ => None,
    }
}

fn verify<'a, S: TryFrom<&'a [u8]>>(
    key: &impl Verifier<S>,
    message: &[u8],
    signature: &'a [u8],
) -> Result<(), SignatureMismatch> {
    let signature = S::try_from(signature).map_err(|_| SignatureMismatch)?;
    key.verify(message, &signature).map_err(|_| SignatureMismatch)
}

/// Strict verification: each signature has exactly one valid encoding, and small-order keys are rejected.
fn verify_ed25519(
    key: &ed25519_dalek::VerifyingKey,
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureMismatch> {
    let signature = ed25519_dalek::Signature::from_slice(signature).map_err(|_| SignatureMismatch)?;
    key.verify_strict(message, &signature).map_err(|_| SignatureMismatch)
}
