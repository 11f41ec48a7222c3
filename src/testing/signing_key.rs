//! Keys that sign, for the issuer of a test.
//!
//! The backend is the one that checks signatures: aws-lc-rs where both are on.

#[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod absent;
#[cfg(feature = "aws-lc-rs")]
mod aws_lc_rs;
#[cfg(feature = "rust-crypto")]
#[cfg_attr(feature = "aws-lc-rs", allow(dead_code, reason = "with both backends on, aws-lc-rs is used"))]
mod rust_crypto;

use std::fmt;

use serde_json::{Value, json};

use crate::crypto::Algorithm;
use crate::encoding::base64url;

#[cfg(not(any(feature = "aws-lc-rs", feature = "rust-crypto")))]
use self::absent::SecretKey;
#[cfg(feature = "aws-lc-rs")]
use self::aws_lc_rs::SecretKey;
#[cfg(all(feature = "rust-crypto", not(feature = "aws-lc-rs")))]
use self::rust_crypto::SecretKey;

/// A fresh key pair for one algorithm.
pub(crate) struct SigningKey {
    algorithm: Algorithm,
    secret: SecretKey,
}

/// The public half of a key pair, in octets.
#[cfg_attr(
    not(any(feature = "aws-lc-rs", feature = "rust-crypto")),
    expect(dead_code, reason = "made by a backend")
)]
enum PublicKey {
    /// Modulus and exponent, big-endian, without leading zero octets.
    Rsa { n: Vec<u8>, e: Vec<u8> },
    /// The uncompressed point (SEC 1 section 2.3.3).
    Ec { point: Vec<u8> },
    /// The compressed point.
    Ed25519 { x: Vec<u8> },
}

impl SigningKey {
    /// Makes a key pair. An RSA one has 2048 bits and takes about as long as a hundred others.
    pub(crate) fn generate(algorithm: Algorithm) -> Self {
        Self { algorithm, secret: SecretKey::generate(algorithm) }
    }

    /// What it signs with.
    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The signature over `message`, in the form that JOSE gives it (RFC 7518 section 3).
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.secret.sign(message)
    }

    /// The public half as an issuer publishes it, with `kid`, `alg` and `use` (RFC 7517 section 4).
    pub(crate) fn public_jwk(&self, kid: &str) -> Value {
        let mut jwk = members(&self.secret.public_key());
        if let Value::Object(members) = &mut jwk {
            members.insert("kid".to_owned(), kid.into());
            members.insert("alg".to_owned(), self.algorithm.as_str().into());
            members.insert("use".to_owned(), "sig".into());
        }
        jwk
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

fn members(key: &PublicKey) -> Value {
    match key {
        PublicKey::Rsa { n, e } => {
            json!({"kty": "RSA", "n": base64url::encode(n), "e": base64url::encode(e)})
        }
        PublicKey::Ec { point } => {
            let (x, y) = coordinates(point);
            json!({"kty": "EC", "crv": curve(x), "x": base64url::encode(x), "y": base64url::encode(y)})
        }
        PublicKey::Ed25519 { x } => json!({"kty": "OKP", "crv": "Ed25519", "x": base64url::encode(x)}),
    }
}

fn coordinates(point: &[u8]) -> (&[u8], &[u8]) {
    let coordinates = point.get(1..).unwrap_or_default();
    coordinates.split_at(coordinates.len() / 2)
}

/// The curve, by the length of a coordinate (RFC 7518 section 6.2.1.2).
fn curve(coordinate: &[u8]) -> &'static str {
    match coordinate.len() {
        32 => "P-256",
        48 => "P-384",
        _ => "P-521",
    }
}

#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod tests {
    use super::*;
    use crate::crypto::{AlgorithmSet, Jwk, SignatureMismatch, VerifyingKey};

    #[test]
    fn what_a_key_of_any_algorithm_signs_its_public_half_verifies() {
        for algorithm in AlgorithmSet::ALL.iter() {
            let key = SigningKey::generate(algorithm);
            let signature = key.sign(b"message");
            let jwk = Jwk::parse(key.public_jwk("a").to_string().as_bytes()).unwrap();
            assert_eq!((jwk.kid.as_deref(), jwk.alg), (Some("a"), Some(algorithm)));
            let public = VerifyingKey::new(&jwk, AlgorithmSet::ALL).unwrap();
            assert_eq!(public.verify(algorithm, b"message", &signature), Ok(()), "{algorithm}");
            assert_eq!(
                public.verify(algorithm, b"Message", &signature),
                Err(SignatureMismatch),
                "{algorithm}"
            );
        }
    }

    #[test]
    fn the_secret_half_shows_nowhere() {
        let key = SigningKey::generate(Algorithm::Ed25519);
        assert_eq!(format!("{key:?}"), "SigningKey { algorithm: Ed25519, .. }");
        assert!(key.public_jwk("a").get("d").is_none());
    }
}
