//! The tokens of the benches, and the headers that carry them.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use serde_json::json;
use tower_bearer::Algorithm;
use tower_bearer::testing::{TestIssuer, TokenBuilder};

pub(crate) const API: &str = "https://api.example.com";

/// An authorization server that signs with this algorithm.
pub(crate) fn issuer(algorithm: Algorithm) -> TestIssuer {
    let issuer = TestIssuer::new();
    issuer.rotate_key_to(algorithm);
    issuer
}

/// A token with about 590 bytes of claims, like those of common authorization servers.
pub(crate) fn token(issuer: &TestIssuer) -> TokenBuilder {
    issuer
        .token(API)
        // Longer than every bench.
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
}

/// `Authorization` headers with distinct tokens of this issuer.
pub(crate) fn headers(issuer: &TestIssuer, count: usize) -> Vec<HeaderValue> {
    (0..count).map(|_| bearer(&token(issuer).sign())).collect()
}

/// The `Authorization` header with this token.
pub(crate) fn bearer(token: &str) -> HeaderValue {
    HeaderValue::try_from(format!("Bearer {token}")).expect("a header value")
}

/// The token with one bit of its signature flipped.
pub(crate) fn forge(token: &str) -> String {
    let (input, signature) = token.rsplit_once('.').expect("a JWS");
    let mut octets = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
    // In the second half: EdDSA verification can fail early if the first half is invalid.
    octets[40] ^= 1;
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(octets))
}
