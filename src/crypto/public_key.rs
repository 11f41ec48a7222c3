//! The public half of a generated key pair, as a JWK (RFC 7517 section 4). For tests and the test issuer.

use serde_json::{Value, json};

use super::algorithm::Algorithm;
use crate::encoding::base64url;

/// The public half of a key pair, in octets.
#[cfg_attr(
    not(any(feature = "aws-lc-rs", feature = "rust-crypto")),
    expect(dead_code, reason = "only a backend constructs it")
)]
pub(super) enum PublicKey {
    /// Modulus and exponent, big-endian, without leading zero octets.
    Rsa { n: Vec<u8>, e: Vec<u8> },
    /// The uncompressed point (SEC 1 section 2.3.3).
    Ec { point: Vec<u8> },
    /// The compressed point (RFC 8032 section 5.1.2).
    Ed25519 { x: Vec<u8> },
}

impl PublicKey {
    /// The JWK with `kid`, `alg` and `use`.
    pub(super) fn to_jwk(&self, kid: &str, algorithm: Algorithm) -> Value {
        let mut jwk = self.members();
        if let Value::Object(members) = &mut jwk {
            members.insert("kid".to_owned(), kid.into());
            members.insert("alg".to_owned(), algorithm.as_str().into());
            members.insert("use".to_owned(), "sig".into());
        }
        jwk
    }

    fn members(&self) -> Value {
        match self {
            Self::Rsa { n, e } => {
                json!({"kty": "RSA", "n": base64url::encode(n), "e": base64url::encode(e)})
            }
            Self::Ec { point } => {
                let (x, y) = coordinates(point);
                json!({"kty": "EC", "crv": curve(x), "x": base64url::encode(x), "y": base64url::encode(y)})
            }
            Self::Ed25519 { x } => json!({"kty": "OKP", "crv": "Ed25519", "x": base64url::encode(x)}),
        }
    }
}

fn coordinates(point: &[u8]) -> (&[u8], &[u8]) {
    let coordinates = point.get(1..).unwrap_or_default();
    coordinates.split_at(coordinates.len() / 2)
}

/// The curve whose coordinates have this length (RFC 7518 section 6.2.1.2).
fn curve(coordinate: &[u8]) -> &'static str {
    match coordinate.len() {
        32 => "P-256",
        48 => "P-384",
        _ => "P-521",
    }
}
