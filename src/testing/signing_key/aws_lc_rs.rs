//! Signing with aws-lc-rs.

use std::ops::Range;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair};
use aws_lc_rs::signature::{RsaEncoding, RsaKeyPair};

use super::PublicKey;
use crate::crypto::Algorithm;

/// Why signing with a key of one's own making cannot fail.
const RNG: &str = "the random number generator of the machine works";

/// Where the modulus stands in the DER of a public key of 2048 bits (RFC 8017 appendix A.1.1): behind
/// the head of the SEQUENCE (4 octets), that of the INTEGER (4 octets) and its zero octet.
const MODULUS: Range<usize> = 9..265;

/// The secret half of a key pair.
pub(super) enum SecretKey {
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
    Ec(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

#[expect(
    clippy::expect_used,
    reason = "fails only without randomness or memory, and this is a tool for tests"
)]
impl SecretKey {
    pub(super) fn generate(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::RS256 => Self::rsa(&signature::RSA_PKCS1_SHA256),
            Algorithm::RS384 => Self::rsa(&signature::RSA_PKCS1_SHA384),
            Algorithm::RS512 => Self::rsa(&signature::RSA_PKCS1_SHA512),
            Algorithm::PS256 => Self::rsa(&signature::RSA_PSS_SHA256),
            Algorithm::PS384 => Self::rsa(&signature::RSA_PSS_SHA384),
            Algorithm::PS512 => Self::rsa(&signature::RSA_PSS_SHA512),
            Algorithm::ES256 => Self::ec(&signature::ECDSA_P256_SHA256_FIXED_SIGNING),
            Algorithm::ES384 => Self::ec(&signature::ECDSA_P384_SHA384_FIXED_SIGNING),
            Algorithm::ES512 => Self::ec(&signature::ECDSA_P521_SHA512_FIXED_SIGNING),
            Algorithm::EdDSA | Algorithm::Ed25519 => Self::Ed25519(Ed25519KeyPair::generate().expect(RNG)),
        }
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Rsa(key, encoding) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(*encoding, &random, message, &mut signature).expect(RNG);
                signature
            }
            Self::Ec(key) => key.sign(&random, message).expect(RNG).as_ref().to_vec(),
            Self::Ed25519(key) => key.sign(message).as_ref().to_vec(),
        }
    }

    pub(super) fn public_key(&self) -> PublicKey {
        match self {
            Self::Rsa(key, _) => public_rsa(key.public_key().as_ref()),
            Self::Ec(key) => PublicKey::Ec { point: key.public_key().as_ref().to_vec() },
            Self::Ed25519(key) => PublicKey::Ed25519 { x: key.public_key().as_ref().to_vec() },
        }
    }

    fn rsa(encoding: &'static dyn RsaEncoding) -> Self {
        Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).expect(RNG), encoding)
    }

    fn ec(algorithm: &'static EcdsaSigningAlgorithm) -> Self {
        Self::Ec(EcdsaKeyPair::generate(algorithm).expect(RNG))
    }
}

/// The exponent of a generated key is always 65537.
fn public_rsa(der: &[u8]) -> PublicKey {
    PublicKey::Rsa { n: der.get(MODULUS).unwrap_or_default().to_vec(), e: vec![1, 0, 1] }
}
