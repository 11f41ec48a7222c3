//! Shared by all candidates: one authorization server, its tokens, and the signature check alone.

use std::hint::black_box;
use std::io;

use aws_lc_rs::signature::{self, ParsedPublicKey, RsaPublicKeyComponents, VerificationAlgorithm};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use serde_json::Value;
use tower_bearer::Algorithm;
use tower_bearer::testing::TestIssuer;

pub(crate) use self::token::API;

/// The tokens of the other benches.
#[path = "../../support/token.rs"]
#[allow(dead_code, reason = "the benches use all of it")]
mod token;

/// An authorization server on a loopback port that signs with one algorithm.
pub(crate) struct Fixture {
    pub(crate) issuer: TestIssuer,
    pub(crate) algorithm: Algorithm,
    key: ParsedPublicKey,
}

/// One token: its headers, and its parts for the signature check.
pub(crate) struct Token {
    pub(crate) authorization: HeaderValue,
    /// The same token with an invalid signature.
    pub(crate) forged: HeaderValue,
    signed: String,
    signature: Vec<u8>,
}

impl Fixture {
    pub(crate) async fn start(algorithm: Algorithm) -> io::Result<Self> {
        let issuer = TestIssuer::start().await?;
        issuer.rotate_key_to(algorithm);
        let key = parsed_key(&issuer, algorithm);
        Ok(Self { issuer, algorithm, key })
    }

    /// New tokens, each with its own `jti`.
    pub(crate) fn tokens(&self, number: usize) -> Vec<Token> {
        (0..number).map(|_| Token::of(&token::token(&self.issuer).sign())).collect()
    }

    /// Runs the signature check alone, with a parsed key.
    pub(crate) fn verify(&self, token: &Token) {
        assert!(self.key.verify_sig(black_box(token.signed.as_bytes()), &token.signature).is_ok());
    }
}

impl Token {
    fn of(jwt: &str) -> Self {
        let (signed, signature) = jwt.rsplit_once('.').expect("a JWS");
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
        let (authorization, forged) = (bearer(jwt), bearer(&token::forge(jwt)));
        Self { authorization, forged, signed: signed.to_owned(), signature }
    }
}

pub(crate) fn bearer(token: &str) -> HeaderValue {
    let value = token::bearer(token);
    // The first clone allocates; later ones do not.
    drop(value.clone());
    value
}

fn parsed_key(issuer: &TestIssuer, algorithm: Algorithm) -> ParsedPublicKey {
    let jwks: Value = serde_json::from_str(&issuer.jwks()).expect("JSON");
    let keys = jwks["keys"].as_array().expect("keys");
    let jwk = keys.iter().find(|key| key["kid"] == issuer.key_id()).expect("the signing key");
    let octets =
        |name: &str| URL_SAFE_NO_PAD.decode(jwk[name].as_str().unwrap_or_default()).expect("base64url");
    let parse =
        |of: &'static dyn VerificationAlgorithm, key: Vec<u8>| ParsedPublicKey::new(of, key).expect("a key");
    match algorithm {
        Algorithm::RS256 => RsaPublicKeyComponents { n: octets("n"), e: octets("e") }
            .to_parsed_public_key(&signature::RSA_PKCS1_2048_8192_SHA256)
            .expect("a key"),
        Algorithm::ES256 => {
            parse(&signature::ECDSA_P256_SHA256_FIXED, [vec![4], octets("x"), octets("y")].concat())
        }
        _ => parse(&signature::ED25519, octets("x")),
    }
}
