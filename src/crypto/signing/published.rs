//! The public half of a key pair, as an issuer of a test publishes it (RFC 7517 section 4).

use serde_json::{Value, json};

use super::SigningKey;
use crate::encoding::base64url;

/// The public half of a key pair, in octets.
#[cfg_attr(
    not(any(feature = "aws-lc-rs", feature = "rust-crypto")),
    expect(dead_code, reason = "made by a backend")
)]
pub(super) enum PublicKey {
    /// Modulus and exponent, big-endian, without leading zero octets.
    Rsa { n: Vec<u8>, e: Vec<u8> },
    /// The uncompressed point (SEC 1 section 2.3.3).
    Ec { point: Vec<u8> },
    /// The compressed point.
    Ed25519 { x: Vec<u8> },
}

impl SigningKey {
    /// The public half, with `kid`, `alg` and `use`.
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
