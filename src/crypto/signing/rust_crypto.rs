//! Signing with the RustCrypto crates and ed25519-dalek.
//!
//! Checks, of a key that is read: it is of the kind and curve of the algorithm, its public half (where
//! it stands beside it) belongs to it, RSA has 2048 to 8192 bits.
//!
//! Why: RSA is blinded, PSS as well, since the arithmetic below it does not run in constant time.

use std::ops::RangeInclusive;

use rsa::pkcs8::DecodePrivateKey;
use rsa::rand_core::{OsRng, RngCore};
use rsa::signature::{RandomizedSigner, SignatureEncoding, Signer};
use rsa::traits::PublicKeyParts;
use rsa::{RsaPrivateKey, pkcs1v15, pss};
use sha2::{Sha256, Sha384, Sha512};

use crate::crypto::Algorithm;

/// The sizes of a modulus, in bits, as for the other backend.
const MODULUS_BITS: RangeInclusive<usize> = 2048..=8192;

/// The secret half of a key pair.
pub(super) enum SecretKey {
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
    /// The key in `der` (PKCS#8, RFC 5958) for `algorithm`; `None` when they do not fit or the key is none.
    pub(super) fn from_pkcs8(algorithm: Algorithm, der: &[u8]) -> Option<Self> {
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

    /// The signature over `message`; `None` without randomness.
    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
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

    /// `None` for an algorithm that is not one of RSA.
    fn rsa(algorithm: Algorithm, key: RsaPrivateKey) -> Option<Self> {
        match algorithm {
            Algorithm::RS256 => Some(Self::Rs256(pkcs1v15::SigningKey::new(key))),
            Algorithm::RS384 => Some(Self::Rs384(pkcs1v15::SigningKey::new(key))),
            Algorithm::RS512 => Some(Self::Rs512(pkcs1v15::SigningKey::new(key))),
            // `new` takes the length of the hash for that of the salt (RFC 7518 section 3.5).
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

/// The signing key of this curve has no reader of its own.
fn p521(der: &[u8]) -> Option<p521::ecdsa::SigningKey> {
    let secret = p521::SecretKey::from_pkcs8_der(der).ok()?;
    p521::ecdsa::SigningKey::from_bytes(&secret.to_bytes()).ok()
}

fn sign<S: SignatureEncoding>(key: &impl RandomizedSigner<S>, message: &[u8]) -> Option<Vec<u8>> {
    Some(key.try_sign_with_rng(&mut random()?, message).ok()?.to_vec())
}

/// The generator of the machine, asked once first: where there is none, signing would panic.
fn random() -> Option<OsRng> {
    OsRng.try_fill_bytes(&mut [0]).ok()?;
    Some(OsRng)
}

/// What only tests ask of a key.
#[cfg(any(test, feature = "test-util"))]
mod generated {
    use rsa::RsaPrivateKey;
    use rsa::rand_core::{OsRng, RngCore};
    use rsa::traits::PublicKeyParts;

    use super::SecretKey;
    use crate::crypto::Algorithm;
    use crate::crypto::signing::published::PublicKey;

    /// The size of the modulus, in bits.
    const RSA_BITS: usize = 2048;

    impl SecretKey {
        #[expect(clippy::expect_used, reason = "fails only without randomness, and this is a tool for tests")]
        pub(in crate::crypto::signing) fn generate(algorithm: Algorithm) -> Self {
            match algorithm {
                Algorithm::ES256 => Self::Es256(p256::ecdsa::SigningKey::random(&mut OsRng)),
                Algorithm::ES384 => Self::Es384(p384::ecdsa::SigningKey::random(&mut OsRng)),
                Algorithm::ES512 => Self::Es512(p521::ecdsa::SigningKey::random(&mut OsRng)),
                Algorithm::EdDSA | Algorithm::Ed25519 => Self::Ed25519(ed25519()),
                _ => {
                    let key = RsaPrivateKey::new(&mut OsRng, RSA_BITS);
                    let key = key.expect("a modulus of 2048 bits can be found");
                    Self::rsa(algorithm, key).expect("all other algorithms are of RSA")
                }
            }
        }

        pub(in crate::crypto::signing) fn public_key(&self) -> PublicKey {
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
}
