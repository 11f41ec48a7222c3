//! Signing with aws-lc-rs.
//!
//! Checks, of a key that is read: it is of the kind and curve of the algorithm, its public half (where
//! it stands beside it) belongs to it, RSA has 2048 to 8192 bits.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair};
use aws_lc_rs::signature::{RsaEncoding, RsaKeyPair};

use crate::crypto::Algorithm;

/// The secret half of a key pair.
pub(super) enum SecretKey {
    Rsa(RsaKeyPair, &'static dyn RsaEncoding),
    Ec(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl SecretKey {
    /// The key in `der` (PKCS#8, RFC 5958) for `algorithm`; `None` when they do not fit or the key is none.
    pub(super) fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Option<Self> {
        match scheme(algorithm) {
            Scheme::Rsa(encoding) => Some(Self::Rsa(RsaKeyPair::from_pkcs8(der).ok()?, encoding)),
            Scheme::Ec(curve) => EcdsaKeyPair::from_pkcs8(curve, der).ok().map(Self::Ec),
            Scheme::Ed25519 => Ed25519KeyPair::from_pkcs8(der).ok().map(Self::Ed25519),
        }
    }

    /// The signature over `message`; `None` without memory or randomness.
    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
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

/// How the backend calls what an algorithm needs.
enum Scheme {
    Rsa(&'static dyn RsaEncoding),
    Ec(&'static EcdsaSigningAlgorithm),
    Ed25519,
}

fn scheme(algorithm: Algorithm) -> Scheme {
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

/// What only tests ask of a key.
#[cfg(any(test, feature = "test-util"))]
mod generated {
    use std::ops::Range;

    use aws_lc_rs::rsa::KeySize;
    use aws_lc_rs::signature::{EcdsaKeyPair, Ed25519KeyPair, KeyPair, RsaKeyPair};

    use super::{Scheme, SecretKey, scheme};
    use crate::crypto::Algorithm;
    use crate::crypto::signing::published::PublicKey;

    /// Why making a key cannot fail.
    const RNG: &str = "the random number generator of the machine works";

    /// Where the modulus stands in the DER of a public key of 2048 bits (RFC 8017 appendix A.1.1): behind
    /// the head of the SEQUENCE (4 octets), that of the INTEGER (4 octets) and its zero octet.
    const MODULUS: Range<usize> = 9..265;

    impl SecretKey {
        #[expect(
            clippy::expect_used,
            reason = "fails only without randomness or memory, and this is a tool for tests"
        )]
        pub(in crate::crypto::signing) fn generate(algorithm: Algorithm) -> Self {
            match scheme(algorithm) {
                Scheme::Rsa(encoding) => {
                    Self::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).expect(RNG), encoding)
                }
                Scheme::Ec(curve) => Self::Ec(EcdsaKeyPair::generate(curve).expect(RNG)),
                Scheme::Ed25519 => Self::Ed25519(Ed25519KeyPair::generate().expect(RNG)),
            }
        }

        pub(in crate::crypto::signing) fn public_key(&self) -> PublicKey {
            match self {
                Self::Rsa(key, _) => public_rsa(key.public_key().as_ref()),
                Self::Ec(key) => PublicKey::Ec { point: key.public_key().as_ref().to_vec() },
                Self::Ed25519(key) => PublicKey::Ed25519 { x: key.public_key().as_ref().to_vec() },
            }
        }
    }

    /// For a key of 2048 bits with the exponent 65537, as every generated one is.
    fn public_rsa(der: &[u8]) -> PublicKey {
        PublicKey::Rsa { n: der.get(MODULUS).unwrap_or_default().to_vec(), e: vec![1, 0, 1] }
    }
}
