//! Signing with the RustCrypto crates and ed25519-dalek.

use rand::RngCore;
use rand::rngs::OsRng;
use rsa::signature::{RandomizedSigner, SignatureEncoding, Signer};
use rsa::traits::PublicKeyParts;
use rsa::{RsaPrivateKey, pkcs1v15, pss};
use sha2::{Sha256, Sha384, Sha512};

use super::PublicKey;
use crate::crypto::Algorithm;

/// The size of the modulus, in bits.
const RSA_BITS: usize = 2048;

/// The secret half of a key pair.
pub(super) enum SecretKey {
    Rs256(pkcs1v15::SigningKey<Sha256>),
    Rs384(pkcs1v15::SigningKey<Sha384>),
    Rs512(pkcs1v15::SigningKey<Sha512>),
    Ps256(pss::SigningKey<Sha256>),
    Ps384(pss::SigningKey<Sha384>),
    Ps512(pss::SigningKey<Sha512>),
    Es256(p256::ecdsa::SigningKey),
    Es384(p384::ecdsa::SigningKey),
    Es512(p521::ecdsa::SigningKey),
    Ed25519(ed25519_dalek::SigningKey),
}

impl SecretKey {
    pub(super) fn generate(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::RS256 => Self::Rs256(pkcs1v15::SigningKey::new(rsa())),
            Algorithm::RS384 => Self::Rs384(pkcs1v15::SigningKey::new(rsa())),
            Algorithm::RS512 => Self::Rs512(pkcs1v15::SigningKey::new(rsa())),
            Algorithm::PS256 => Self::Ps256(pss::SigningKey::new(rsa())),
            Algorithm::PS384 => Self::Ps384(pss::SigningKey::new(rsa())),
            Algorithm::PS512 => Self::Ps512(pss::SigningKey::new(rsa())),
            Algorithm::ES256 => Self::Es256(p256::ecdsa::SigningKey::random(&mut OsRng)),
            Algorithm::ES384 => Self::Es384(p384::ecdsa::SigningKey::random(&mut OsRng)),
            Algorithm::ES512 => Self::Es512(p521::ecdsa::SigningKey::random(&mut OsRng)),
            Algorithm::EdDSA | Algorithm::Ed25519 => Self::Ed25519(ed25519()),
        }
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Rs256(key) => key.sign(message).to_vec(),
            Self::Rs384(key) => key.sign(message).to_vec(),
            Self::Rs512(key) => key.sign(message).to_vec(),
            Self::Ps256(key) => key.sign_with_rng(&mut OsRng, message).to_vec(),
            Self::Ps384(key) => key.sign_with_rng(&mut OsRng, message).to_vec(),
            Self::Ps512(key) => key.sign_with_rng(&mut OsRng, message).to_vec(),
            Self::Es256(key) => Signer::<p256::ecdsa::Signature>::sign(key, message).to_vec(),
            Self::Es384(key) => Signer::<p384::ecdsa::Signature>::sign(key, message).to_vec(),
            Self::Es512(key) => key.sign_with_rng(&mut OsRng, message).to_vec(),
            Self::Ed25519(key) => key.sign(message).to_vec(),
        }
    }

    pub(super) fn public_key(&self) -> PublicKey {
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

#[expect(clippy::expect_used, reason = "fails only without randomness, and this is a tool for tests")]
fn rsa() -> RsaPrivateKey {
    RsaPrivateKey::new(&mut OsRng, RSA_BITS).expect("a modulus of 2048 bits can be found")
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
