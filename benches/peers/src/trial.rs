//! What all contestants are tried with: one issuer, its tokens, and the raw check of their signatures.

use std::hint::black_box;
use std::io;
use std::time::Duration;

use aws_lc_rs::signature::{self, ParsedPublicKey, RsaPublicKeyComponents, VerificationAlgorithm};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use serde_json::{Value, json};
use tower_bearer::Algorithm;
use tower_bearer::testing::TestIssuer;

/// The audience that every contestant checks.
pub(crate) const API: &str = "https://api.example.com";

/// One algorithm: an authorization server on a loopback port that signs with it.
pub(crate) struct Trial {
    pub(crate) issuer: TestIssuer,
    pub(crate) algorithm: Algorithm,
    key: ParsedPublicKey,
}

/// One token, as it is sent and as the raw check wants it.
pub(crate) struct Token {
    pub(crate) authorization: HeaderValue,
    /// The same with another signature.
    pub(crate) forged: HeaderValue,
    signed: String,
    signature: Vec<u8>,
}

impl Trial {
    pub(crate) async fn start(algorithm: Algorithm) -> io::Result<Self> {
        let issuer = TestIssuer::start().await?;
        issuer.rotate_key_to(algorithm);
        let key = parsed_key(&issuer, algorithm);
        Ok(Self { issuer, algorithm, key })
    }

    /// Tokens that nobody has seen before: each has a `jti` of its own.
    pub(crate) fn tokens(&self, number: usize) -> Vec<Token> {
        (0..number).map(|_| Token::of(&token(&self.issuer))).collect()
    }

    /// The signature check alone, with a key that was parsed once.
    pub(crate) fn verify(&self, token: &Token) {
        assert!(self.key.verify_sig(black_box(token.signed.as_bytes()), &token.signature).is_ok());
    }
}

impl Token {
    fn of(jwt: &str) -> Self {
        let (signed, signature) = jwt.rsplit_once('.').expect("a JWS");
        let signature = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
        let mut forged = signature.clone();
        // In the second half: with another first half, some checks of EdDSA end early.
        forged[40] ^= 1;
        let forged = format!("{signed}.{}", URL_SAFE_NO_PAD.encode(forged));
        let (authorization, forged) = (bearer(jwt), bearer(&forged));
        Self { authorization, forged, signed: signed.to_owned(), signature }
    }
}

pub(crate) fn bearer(token: &str) -> HeaderValue {
    let value = HeaderValue::try_from(format!("Bearer {token}")).expect("a header value");
    // The first copy allocates, the others do not.
    drop(value.clone());
    value
}

/// About 590 bytes of claims, as a common server writes them.
fn token(issuer: &TestIssuer) -> String {
    issuer
        .token(API)
        .lifetime(Duration::from_secs(3600))
        .subject("f1b7c0e2-5a7d-4d0e-9a55-3c1b7d6a8e21")
        .scope("openid profile email orders:read orders:write")
        .claim("azp", "orders-frontend")
        .claim("sid", "8d6fb5a0-0c0e-4a52-93b0-2c55b8a3a1c4")
        .claim("acr", "1")
        .claim("email_verified", true)
        .claim("name", "Ada Lovelace")
        .claim("preferred_username", "ada")
        .claim("email", "ada@example.com")
        .claim(
            "realm_access",
            json!({ "roles": ["offline_access", "uma_authorization", "default-roles-acme"] }),
        )
        .sign()
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
