//! Standard base64 with padding, in its canonical form only (RFC 4648 section 4), alone and as a byte
//! sequence of a structured field (RFC 9651 section 3.3.5).
//!
//! Checks: the alphabet; the padding; no white space; no bits set after the last octet.

use base64_simd::STANDARD;

use super::Reason;

/// Decodes `text`.
pub(super) fn decode(text: &[u8]) -> Result<Vec<u8>, Reason> {
    STANDARD.decode_to_vec(text).map_err(|_| "it is not canonical base64")
}

/// Decodes `:base64:`. Parameters are not accepted: `Client-Cert` has none (RFC 9440 section 2.2).
pub(super) fn decode_byte_sequence(text: &[u8]) -> Result<Vec<u8>, Reason> {
    let inner = text.strip_prefix(b":").and_then(|text| text.strip_suffix(b":"));
    decode(inner.ok_or("it is not base64 between two colons")?)
}
