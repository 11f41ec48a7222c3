//! Generates key pairs with aws-lc-rs, for tests and the test issuer.

use std::ops::Range;

use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};

use super::sign::{Scheme, SecretKey, scheme};
use crate::crypto::algorithm::Algorithm;
use crate::crypto::public_key::PublicKey;

/// The invariant behind each `expect`.
const RNG: &str = "the random number generator of the operating system works";

/// The offset of the modulus in the DER of a 2048-bit public key (RFC 8017 appendix A.1.1).
///
/// It follows the header of the SEQUENCE (4 octets), the header of the INTEGER (4 octets) and a zero octet.
const MODULUS: Range<usize> = 9..265;

impl SecretKey {
    #[expect(clippy::expect_used, reason = "for tests only; fails only without random numbers or memory")]
    pub(in crate::crypto) fn generate(algorithm: Algorithm) -> Self {
        match scheme(algorithm) {
            Scheme::Rsa(encoding) => Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).expect(RNG), encoding),
            Scheme::Ec(curve) => Self::Ec(EcdsaKeyPair::generate(curve).expect(RNG)),
            Scheme::Ed25519 => Self::Ed25519(Ed25519KeyPair::generate().expect(RNG)),
        }
    }

    pub(in crate::crypto) fn public_key(&self) -> PublicKey {
        match self {
            Self::Rsa(key, _) => public_rsa(key.public_key().as_ref()),
            Self::Ec(key) => PublicKey::Ec { point: key.public_key().as_ref().to_vec() },
            Self::Ed25519(key) => PublicKey::Ed25519 { x: key.public_key().as_ref().to_vec() },
        }
    }
}

/// Every generated RSA key has 2048 bits and the exponent 65537.
fn public_rsa(der: &[u8]) -> PublicKey {
    PublicKey::Rsa { n: der.get(MODULUS).unwrap_or_default().to_vec(), e: vec![1, 0, 1] }
}
