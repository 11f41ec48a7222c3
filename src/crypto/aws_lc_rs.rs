//! The default backend: aws-lc-rs.
//!
//! Checks: what the algorithm asks for, among it the length of an ECDSA signature (64, 96 or 132
//! octets), the salt of a PSS signature (as long as the hash) and that a point is on its curve.

use aws_lc_rs::digest::{self, SHA256};
use aws_lc_rs::rand;
use aws_lc_rs::signature::{self, EcdsaVerificationAlgorithm, ParsedPublicKey};
use aws_lc_rs::signature::{RsaParameters, RsaPublicKeyComponents};

use super::jwk::sec1_point;
use super::{Algorithm, KeyMaterial, SignatureMismatch};

/// A key for one algorithm.
pub(super) struct BackendKey(ParsedPublicKey);

impl BackendKey {
    /// The key of `material` for `algorithm`; `None` when they do not fit or the key is none.
    pub(super) fn parse(material: &KeyMaterial, algorithm: Algorithm) -> Option<Self> {
        if !material.algorithms().contains(algorithm) {
            return None;
        }
        let key = match material {
            KeyMaterial::Rsa { n, e } => {
                RsaPublicKeyComponents { n, e }.to_parsed_public_key(rsa(algorithm)?)
            }
            KeyMaterial::Ec { x, y, .. } => ParsedPublicKey::new(ecdsa(algorithm)?, sec1_point(x, y)),
            KeyMaterial::Ed25519 { x } => ParsedPublicKey::new(&signature::ED25519, x),
        };
        key.ok().map(Self)
    }

    /// Verifies that `signature` is this key's over `message`.
    pub(super) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), SignatureMismatch> {
        self.0.verify_sig(message, signature).map_err(|_| SignatureMismatch)
    }
}

/// The SHA-256 digest of these octets, one piece behind the other.
#[expect(clippy::expect_used, reason = "the digest is as long as its name says")]
pub(super) fn sha256(pieces: &[&[u8]]) -> [u8; 32] {
    let mut digest = digest::Context::new(&SHA256);
    pieces.iter().for_each(|piece| digest.update(piece));
    digest.finish().as_ref().try_into().expect("SHA-256 has 256 bits")
}

/// 128 bits that nobody can guess.
pub(super) fn random() -> Option<[u8; 16]> {
    let mut bits = [0; 16];
    rand::fill(&mut bits).ok()?;
    Some(bits)
}

fn rsa(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    match algorithm {
        Algorithm::RS256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RS384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RS512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::PS256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
        Algorithm::PS384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
        Algorithm::PS512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
        _ => None,
    }
}

fn ecdsa(algorithm: Algorithm) -> Option<&'static EcdsaVerificationAlgorithm> {
    match algorithm {
        Algorithm::ES256 => Some(&signature::ECDSA_P256_SHA256_FIXED),
        Algorithm::ES384 => Some(&signature::ECDSA_P384_SHA384_FIXED),
        Algorithm::ES512 => Some(&signature::ECDSA_P521_SHA512_FIXED),
        _ => None,
    }
}
