//! Nonces for proofs (RFC 9449 section 9).
