//! Generates key pairs with the RustCrypto crates and ed25519-dalek, for tests and the test issuer.

use rsa::RsaPrivateKey;
use rsa::rand_core::{OsRng, RngCore};
use rsa::traits::PublicKeyParts;

use super::sign::SecretKey;
use crate::crypto::algorithm::Algorithm;
use crate::crypto::public_key::PublicKey;

/// The size of a generated RSA modulus in bits.
const RSA_BITS: usize = 2048;

impl SecretKey {
    #[expect(clippy::expect_used, reason = "for tests only; fails only without random numbers")]
    pub(in crate::crypto) fn generate(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::ES256 => Self::Es256(p256::ecdsa::SigningKey::random(&mut OsRng)),
            Algorithm::ES384 => Self::Es384(p384::ecdsa::SigningKey::random(&mut OsRng)),
            Algorithm::ES512 => Self::Es512(p521::ecdsa::SigningKey::random(&mut OsRng)),
            Algorithm::EdDSA | Algorithm::Ed25519 => Self::Ed25519(ed25519()),
            _ => {
                let key = RsaPrivateKey::new(&mut OsRng, RSA_BITS);
                let key = key.expect("a 2048-bit modulus can be generated");
                Self::rsa(algorithm, key).expect("all other algorithms are RSA algorithms")
            }
        }
    }

    pub(in crate::crypto) fn public_key(&self) -> PublicKey {
        match self {
            Self::Rs256(key) => public_rsa(key.as_ref()),
            Self::Rs384(key) => public_rsa(key.as_ref()),
            Self::Rs512(key) => public_rsa(key.as_ref()),
            Self::Ps256(key) => public_rsa(key.as_ref()),
            Self::Ps384(key) => public_rsa(key.as_ref()),
            Self::Ps512(key) => public_rsa(key.as_ref()),
            Self::Es256(key) => public_ec(key.verifying_key().to_encoded_point(false)),
            Self::Es384(key) => public_ec(key.verifying_key().to_encoded_point(false)),
            Self::Es512(key) => public_ec(p521::ecdsa::VerifyingKey::from(key).to_encoded_point(false)),
            Self::Ed25519(key) => PublicKey::Ed25519 { x: key.verifying_key().to_bytes().to_vec() },
        }
    }
}

fn ed25519() -> ed25519_dalek::SigningKey {
    let mut seed = [0; ed25519_dalek::SECRET_KEY_LENGTH];
    OsRng.fill_bytes(&mut seed);
    ed25519_dalek::SigningKey::from_bytes(&seed)
}

fn public_rsa(key: &RsaPrivateKey) -> PublicKey {
    PublicKey::Rsa { n: key.n().to_bytes_be(), e: key.e().to_bytes_be() }
}

fn public_ec(point: impl AsRef<[u8]>) -> PublicKey {
    PublicKey::Ec { point: point.as_ref().to_vec() }
}
