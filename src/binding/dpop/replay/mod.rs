//! Remembers the proofs that were used, so that none is accepted twice (RFC 9449 section 11.1).
