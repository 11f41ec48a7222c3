//! Signs with the RustCrypto crates and ed25519-dalek.
//!
//! Checks: a key fits the type and curve of the algorithm, matches the public key beside it (if there is
//! one), and an RSA modulus has 2048 to 8192 bits.
//!
//! Why: RSA signing is blinded, PKCS#1 v1.5 and PSS alike, because the big-integer arithmetic is not
//! constant-time. A timing leak remains (RUSTSEC-2023-0071); `PrivateKey` documents it.

use std::ops::RangeInclusive;

use rsa::pkcs8::DecodePrivateKey;
use rsa::rand_core::{OsRng, RngCore};
use rsa::signature::{RandomizedSigner, SignatureEncoding, Signer};
use rsa::traits::PublicKeyParts;
use rsa::{RsaPrivateKey, pkcs1v15, pss};
use sha2::{Sha256, Sha384, Sha512};

use crate::crypto::algorithm::Algorithm;

/// The accepted sizes of an RSA modulus in bits, as in aws-lc-rs.
const MODULUS_BITS: RangeInclusive<usize> = 2048..=8192;

/// The private half of a key pair.
pub(in crate::crypto) enum SecretKey {
    Rs256(pkcs1v15::SigningKey<Sha256>),
    Rs384(pkcs1v15::SigningKey<Sha384>),
    Rs512(pkcs1v15::SigningKey<Sha512>),
    Ps256(pss::BlindedSigningKey<Sha256>),
    Ps384(pss::BlindedSigningKey<Sha384>),
    Ps512(pss::BlindedSigningKey<Sha512>),
    Es256(p256::ecdsa::SigningKey),
    Es384(p384::ecdsa::SigningKey),
    Es512(p521::ecdsa::SigningKey),
    Ed25519(ed25519_dalek::SigningKey),
}

impl SecretKey {
    /// Reads PKCS#8 in DER (RFC 5958). `None` if `der` is not a valid key for `algorithm`.
    pub(in crate::crypto) fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Option<Self> {
        match algorithm {
            Algorithm::ES256 => p256::ecdsa::SigningKey::from_pkcs8_der(der).ok().map(Self::Es256),
            Algorithm::ES384 => p384::ecdsa::SigningKey::from_pkcs8_der(der).ok().map(Self::Es384),
            Algorithm::ES512 => p521(der).map(Self::Es512),
            Algorithm::EdDSA | Algorithm::Ed25519 => {
                ed25519_dalek::SigningKey::from_pkcs8_der(der).ok().map(Self::Ed25519)
            }
            _ => Self::rsa(algorithm, rsa(der)?),
        }
    }

    /// The signature over `message`. `None` if the random number generator fails.
    pub(in crate::crypto) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Rs256(key) => sign::<pkcs1v15::Signature>(key, message),
            Self::Rs384(key) => sign::<pkcs1v15::Signature>(key, message),
            Self::Rs512(key) => sign::<pkcs1v15::Signature>(key, message),
            Self::Ps256(key) => sign::<pss::Signature>(key, message),
            Self::Ps384(key) => sign::<pss::Signature>(key, message),
            Self::Ps512(key) => sign::<pss::Signature>(key, message),
            Self::Es256(key) => sign::<p256::ecdsa::Signature>(key, message),
            Self::Es384(key) => sign::<p384::ecdsa::Signature>(key, message),
            Self::Es512(key) => sign::<p521::ecdsa::Signature>(key, message),
            Self::Ed25519(key) => Some(key.try_sign(message).ok()?.to_vec()),
        }
    }

    /// `None` if `algorithm` is not an RSA algorithm.
    pub(super) fn rsa(algorithm: Algorithm, key: RsaPrivateKey) -> Option<Self> {
        match algorithm {
            Algorithm::RS256 => Some(Self::Rs256(pkcs1v15::SigningKey::new(key))),
            Algorithm::RS384 => Some(Self::Rs384(pkcs1v15::SigningKey::new(key))),
            Algorithm::RS512 => Some(Self::Rs512(pkcs1v15::SigningKey::new(key))),
            // `new` makes the salt as long as the hash, which RFC 7518 section 3.5 requires.
            Algorithm::PS256 => Some(Self::Ps256(pss::BlindedSigningKey::new(key))),
            Algorithm::PS384 => Some(Self::Ps384(pss::BlindedSigningKey::new(key))),
            Algorithm::PS512 => Some(Self::Ps512(pss::BlindedSigningKey::new(key))),
            _ => None,
        }
    }
}

fn rsa(der: &[u8]) -> Option<RsaPrivateKey> {
    let key = RsaPrivateKey::from_pkcs8_der(der).ok()?;
    MODULUS_BITS.contains(&key.n().bits()).then_some(key)
}

/// `p521::ecdsa::SigningKey` does not implement `DecodePrivateKey`.
fn p521(der: &[u8]) -> Option<p521::ecdsa::SigningKey> {
    let secret = p521::SecretKey::from_pkcs8_der(der).ok()?;
    p521::ecdsa::SigningKey::from_bytes(&secret.to_bytes()).ok()
}

fn sign<S: SignatureEncoding>(key: &impl RandomizedSigner<S>, message: &[u8]) -> Option<Vec<u8>> {
    Some(key.try_sign_with_rng(&mut random()?, message).ok()?.to_vec())
}

/// The random number generator of the operating system, tested first: signing panics if it fails.
fn random() -> Option<OsRng> {
    OsRng.try_fill_bytes(&mut [0]).ok()?;
    Some(OsRng)
}
