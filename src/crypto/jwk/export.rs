//! Writes a public key as a JWK (RFC 7517 section 4, RFC 7518 section 6, RFC 8037 section 2).

use serde_json::{Value, json};

use super::{Jwk, KeyIssuer, KeyMaterial};
use crate::crypto::algorithm::Algorithm;
use crate::encoding::base64url::encode;

impl Jwk {
    /// The JWK, without the members that decide nothing here.
    pub(crate) fn to_json(&self) -> Value {
        let (_, first, second) = self.material.fields();
        let (first, second) = (encode(first), encode(second));
        let mut jwk = match &self.material {
            KeyMaterial::Rsa { .. } => json!({"kty": "RSA", "n": first, "e": second}),
            KeyMaterial::Ec { curve, .. } => {
                json!({"kty": "EC", "crv": curve.name(), "x": first, "y": second})
            }
            KeyMaterial::Ed25519 { .. } => json!({"kty": "OKP", "crv": "Ed25519", "x": first}),
        };
        let optional = [
            ("kid", self.kid.as_deref()),
            ("alg", self.alg.map(Algorithm::as_str)),
            ("issuer", self.issuer.as_ref().map(KeyIssuer::as_str)),
        ];
        if let Value::Object(members) = &mut jwk {
            let present =
                optional.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.into())));
            members.extend(present);
        }
        jwk
    }
}
