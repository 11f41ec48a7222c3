//! The authorization server, its tokens, and a proof: text files that `renew-fixtures` writes.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub const API: &str = "https://api.example.com";
pub const ISSUER: &str = "https://login.example.com";

/// The path and the method of requests with [`PROOF`].
pub const PATH: &str = "/orders";
pub const METHOD: &str = "GET";

/// The time of the clock, in seconds since 1970: 2026-01-01.
pub const NOW: u64 = 1_767_225_600;

/// The key set of the authorization server.
pub const JWKS: &str = include_str!("../fixtures/jwks.json");

/// A token that is not bound.
pub const BEARER: &str = include_str!("../fixtures/bearer.jwt");

/// A token that is bound to the key of [`PROOF`].
pub const KEY_BOUND: &str = include_str!("../fixtures/key-bound.jwt");

/// A token that is bound to [`CERTIFICATE`].
pub const CERTIFICATE_BOUND: &str = include_str!("../fixtures/certificate-bound.jwt");

/// The only proof for [`KEY_BOUND`] that was ever signed. Ed25519 has no second spelling of a signature.
pub const PROOF: &str = include_str!("../fixtures/proof.jwt");

/// The certificate of RFC 8705 appendix A, in base64.
pub const CERTIFICATE: &str = include_str!("../fixtures/certificate.b64");

/// The SHA-256 digest of [`CERTIFICATE`], in hexadecimal.
pub const CERTIFICATE_HASH: &str = include_str!("../fixtures/certificate.sha256");

pub fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW)
}
