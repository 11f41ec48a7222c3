//! Signs with aws-lc-rs.
//!
//! Checks: a key fits the type and curve of the algorithm, matches the public key beside it (if there is
//! one), and an RSA modulus has 2048 to 8192 bits.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair};
use aws_lc_rs::signature::{RsaEncoding, RsaKeyPair};

use crate::crypto::algorithm::Algorithm;

/// The private half of a key pair.
pub(in crate::crypto) enum SecretKey {
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
    Ec(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SecretKey {
    /// Reads PKCS#8 in DER (RFC 5958). `None` if `der` is not a valid key for `algorithm`.
    pub(in crate::crypto) fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Option<Self> {
        match scheme(algorithm) {
            Scheme::Rsa(encoding) => Some(Self::Rsa(RsaKeyPair::from_pkcs8(der).ok()?, encoding)),
            Scheme::Ec(curve) => EcdsaKeyPair::from_pkcs8(curve, der).ok().map(Self::Ec),
            Scheme::Ed25519 => Ed25519KeyPair::from_pkcs8(der).ok().map(Self::Ed25519),
        }
    }

    /// The signature over `message`. `None` if memory runs out or the random number generator fails.
    pub(in crate::crypto) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(key, encoding) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(*encoding, &random, message, &mut signature).ok()?;
                Some(signature)
            }
            Self::Ec(key) => Some(key.sign(&random, message).ok()?.as_ref().to_vec()),
            Self::Ed25519(key) => Some(key.try_sign(message).ok()?.as_ref().to_vec()),
        }
    }
}

/// The parameters of an algorithm in the types of this backend.
pub(super) enum Scheme {
    Rsa(&'static dyn RsaEncoding),
    Ec(&'static EcdsaSigningAlgorithm),
    Ed25519,
}

pub(super) fn scheme(algorithm: Algorithm) -> Scheme {
    match algorithm {
        Algorithm::RS256 => Scheme::Rsa(&signature::RSA_PKCS1_SHA256),
        Algorithm::RS384 => Scheme::Rsa(&signature::RSA_PKCS1_SHA384),
        Algorithm::RS512 => Scheme::Rsa(&signature::RSA_PKCS1_SHA512),
        Algorithm::PS256 => Scheme::Rsa(&signature::RSA_PSS_SHA256),
        Algorithm::PS384 => Scheme::Rsa(&signature::RSA_PSS_SHA384),
        Algorithm::PS512 => Scheme::Rsa(&signature::RSA_PSS_SHA512),
        Algorithm::ES256 => Scheme::Ec(&signature::ECDSA_P256_SHA256_FIXED_SIGNING),
        Algorithm::ES384 => Scheme::Ec(&signature::ECDSA_P384_SHA384_FIXED_SIGNING),
        Algorithm::ES512 => Scheme::Ec(&signature::ECDSA_P521_SHA512_FIXED_SIGNING),
        Algorithm::EdDSA | Algorithm::Ed25519 => Scheme::Ed25519,
    }
}
