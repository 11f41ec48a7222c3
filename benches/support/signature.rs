//! The baseline of uncached tokens and of DPoP proofs: a signature check by aws-lc-rs with a parsed key, and
//! nothing else.

use std::cell::Cell;
use std::hint::black_box;

use aws_lc_rs::signature::{self, ParsedPublicKey, RsaPublicKeyComponents};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use tower_bearer::Algorithm;
use tower_bearer::testing::{DpopKey, TestIssuer};

/// A closure that verifies the signature of this token with the issuer's current signing key.
pub(crate) fn signature_check(issuer: &TestIssuer, token: &str, algorithm: Algorithm) -> impl Fn() + use<> {
    let jwks: Value = serde_json::from_str(&issuer.jwks()).expect("JSON");
    let keys = jwks["keys"].as_array().expect("keys");
    let jwk = keys.iter().find(|key| key["kid"] == issuer.key_id()).expect("the signing key");
    let (key, token) = (parse_key(jwk, algorithm), SignedText::split(token));
    move || token.verify(&key)
}

/// A closure that verifies the signatures of these DPoP proofs in turn.
pub(crate) fn proof_checks(key: &DpopKey, algorithm: Algorithm, proofs: &[String]) -> impl Fn() + use<> {
    let (key, next) = (parse_key(&key.jwk(), algorithm), Cell::new(0));
    let proofs: Vec<_> = proofs.iter().map(|proof| SignedText::split(proof)).collect();
    move || {
        proofs[next.get() % proofs.len()].verify(&key);
        next.set(next.get() + 1);
    }
}

/// The signing input of a JWS, and its signature.
struct SignedText {
    input: String,
    signature: Vec<u8>,
}

impl SignedText {
    fn split(jws: &str) -> Self {
        let (input, signature) = jws.rsplit_once('.').expect("a JWS");
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
        Self { input: input.to_owned(), signature }
    }

    fn verify(&self, key: &ParsedPublicKey) {
        assert!(key.verify_sig(black_box(self.input.as_bytes()), &self.signature).is_ok());
    }
}

fn parse_key(jwk: &Value, algorithm: Algorithm) -> ParsedPublicKey {
    let octets = |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().expect(name)).expect("base64url");
    let point = || [vec![4], octets("x"), octets("y")].concat();
    let rsa = || RsaPublicKeyComponents { n: octets("n"), e: octets("e") };
    let key = match algorithm {
        Algorithm::RS256 => rsa().to_parsed_public_key(&signature::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::PS256 => rsa().to_parsed_public_key(&signature::RSA_PSS_2048_8192_SHA256),
        Algorithm::ES256 => ParsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, point()),
        Algorithm::ES384 => ParsedPublicKey::new(&signature::ECDSA_P384_SHA384_FIXED, point()),
        Algorithm::EdDSA | Algorithm::Ed25519 => ParsedPublicKey::new(&signature::ED25519, octets("x")),
        other => panic!("{other} is not measured"),
    };
    key.expect("a key")
}
