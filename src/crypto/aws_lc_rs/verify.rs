//! Verifies signatures with aws-lc-rs.
//!
//! Checks: an ECDSA signature has 64, 96 or 132 octets, the salt of a PSS signature is as long as the hash,
//! and a point is on its curve.

use aws_lc_rs::signature::{self, EcdsaVerificationAlgorithm, ParsedPublicKey};
use aws_lc_rs::signature::{RsaParameters, RsaPublicKeyComponents};

use crate::crypto::algorithm::Algorithm;
use crate::crypto::jwk::{KeyMaterial, sec1_point};
use crate::crypto::signature_mismatch::SignatureMismatch;

/// A public key for one algorithm.
pub(in crate::crypto) struct BackendKey(ParsedPublicKey);

impl BackendKey {
    /// Parses `material` for `algorithm`. `None` if they do not fit or the numbers make no valid key.
    pub(in crate::crypto) fn parse(material: &KeyMaterial, algorithm: Algorithm) -> Option<Self> {
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

    /// Verifies the signature of this key over `message`.
    pub(in crate::crypto) fn verify(
        &self,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), SignatureMismatch> {
        self.0.verify_sig(message, signature).map_err(|_| SignatureMismatch)
    }
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
