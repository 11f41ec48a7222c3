//! The thumbprint of a public key (RFC 7638, RFC 8037 section 2).
//!
//! Why from the parsed key: leading zeros, other members and their order do not change the thumbprint.

use super::{Jwk, KeyMaterial};
use crate::crypto::backend::sha256;
use crate::encoding::base64url::encode;

impl Jwk {
    /// The SHA-256 thumbprint (RFC 7638 section 3).
    pub(crate) fn thumbprint(&self) -> [u8; 32] {
        let (_, first, second) = self.material.fields();
        let (first, second) = (encode(first), encode(second));
        let canonical = match &self.material {
            KeyMaterial::Rsa { .. } => format!(r#"{{"e":"{second}","kty":"RSA","n":"{first}"}}"#),
            KeyMaterial::Ec { curve, .. } => {
                let name = curve.name();
                format!(r#"{{"crv":"{name}","kty":"EC","x":"{first}","y":"{second}"}}"#)
            }
            KeyMaterial::Ed25519 { .. } => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{first}"}}"#),
        };
        sha256(&[canonical.as_bytes()])
    }
}
