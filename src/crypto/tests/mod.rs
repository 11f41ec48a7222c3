//! One test suite for every backend of the build, with test vectors of our own, of the RFCs and of
//! Wycheproof.

mod backends;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod digest;
mod jwk;
mod key;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
pub(crate) mod private_keys;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod signing;
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod thumbprint;
mod wycheproof;

use serde::Deserialize;
use serde_json::Value;

use super::jwk::KeyMaterial;
use super::*;
use crate::encoding::base64url;

/// Whether a backend accepts the signature, or `None` if it rejects the key.
type Verify = fn(&KeyMaterial, Algorithm, &[u8], &[u8]) -> Option<bool>;

/// Every backend of this build.
const BACKENDS: &[(&str, Verify)] = &[
    #[cfg(feature = "aws-lc-rs")]
    ("aws-lc-rs", |material, algorithm, message, signature| {
        let key = aws_lc_rs::BackendKey::parse(material, algorithm)?;
        Some(key.verify(message, signature).is_ok())
    }),
    #[cfg(feature = "rust-crypto")]
    ("rust-crypto", |material, algorithm, message, signature| {
        let key = rust_crypto::BackendKey::parse(material, algorithm)?;
        Some(key.verify(message, signature).is_ok())
    }),
];

/// `vectors.json`, made by OpenSSL.
#[derive(Deserialize)]
struct Vectors {
    message: String,
    keys: Value,
    signatures: Vec<Signature>,
    rejected: Vec<Signature>,
    rfc: Vec<RfcExample>,
}

#[derive(Deserialize)]
struct Signature {
    #[serde(default)]
    name: String,
    alg: String,
    key: String,
    signature: String,
}

/// RFC 7515 appendix A, RFC 7520 section 4, RFC 8037 appendix A.4.
#[derive(Deserialize)]
struct RfcExample {
    name: String,
    alg: String,
    jwk: Value,
    message: String,
    signature: String,
}

impl Vectors {
    fn read() -> Self {
        serde_json::from_str(include_str!("vectors.json")).unwrap()
    }

    fn key(&self, name: &str) -> Jwk {
        parse(&self.keys[name]).unwrap()
    }
}

impl Signature {
    fn algorithm(&self) -> Algorithm {
        Algorithm::parse(&self.alg).unwrap()
    }

    fn octets(&self) -> Vec<u8> {
        base64url::decode(&self.signature).unwrap()
    }
}

fn parse(jwk: &Value) -> Result<Jwk, JwkFault> {
    Jwk::parse(jwk.to_string().as_bytes())
}
