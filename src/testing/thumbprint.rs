//! The thumbprints that bind a token to its sender: of a public key (RFC 7638) and of a certificate (RFC 8705
//! section 3.1).
//!
//! Why: this file does not use the code that the layer checks proofs with, so a mistake in one of them makes
//! tests fail.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::crypto::sha256;
use crate::encoding::base64url;

/// The SHA-256 thumbprint of a public key, in base64url (RFC 7638 section 3).
pub(super) fn of_jwk(jwk: &Value) -> String {
    let required: &[&str] = match jwk.get("kty").and_then(Value::as_str) {
        Some("RSA") => &["e", "kty", "n"],
        Some("EC") => &["crv", "kty", "x", "y"],
        _ => &["crv", "kty", "x"],
    };
    // A `BTreeMap` is serialized in the lexicographic order of its keys.
    let members: BTreeMap<_, _> = required.iter().filter_map(|name| Some((*name, jwk.get(name)?))).collect();
    let text = serde_json::to_vec(&members).unwrap_or_default();
    base64url::encode(&sha256(&[&text]))
}

/// The SHA-256 thumbprint of a certificate in DER, in base64url.
pub(super) fn of_certificate(der: &[u8]) -> String {
    base64url::encode(&sha256(&[der]))
}

#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_thumbprint_of_a_key_is_that_of_the_rfcs() {
        // RFC 7638 section 3.1.
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_\
                 BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_F\
                 DW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4v\
                 MQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let rsa = json!({"kty": "RSA", "n": n, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"});
        // RFC 8037 appendix A.3.
        let ed25519 =
            json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
        // The key of the proofs in RFC 9449, and the `cnf` of its section 6.1.
        let ec = json!({
            "kty": "EC",
            "crv": "P-256",
            "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
            "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
        });
        for (jwk, expected) in [
            (rsa, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"),
            (ed25519, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"),
            (ec, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"),
        ] {
            assert_eq!(of_jwk(&jwk), expected, "{jwk}");
        }
    }
}
