//! Signature verification: the step from unverified claims to claims that the issuer signed (RFC 7515 section
//! 5.2).
//!
//! Checks: the signature over the received bytes, with one of the given keys and the given algorithm.
//! Does not check: whose keys these are; the caller selects among the issuer's own.

use super::claim_set::UnverifiedClaims;
use super::claims::TrustedClaims;
use crate::crypto::{Algorithm, SignatureMismatch, VerifyingKey};

/// Claims whose signature is verified. Only [`verify`] creates one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signed<'c>(&'c UnverifiedClaims<'c>);

impl<'c> TrustedClaims<'c> for Signed<'c> {
    fn claims(&self) -> &'c UnverifiedClaims<'c> {
        self.0
    }
}

/// Verifies `signature` over `signing_input` with the first of `keys` that matches.
///
/// # Errors
/// [`SignatureMismatch`] if no key does.
pub(crate) fn verify<'c, 'k>(
    claims: &'c UnverifiedClaims<'c>,
    algorithm: Algorithm,
    (signing_input, signature): (&[u8], &[u8]),
    mut keys: impl Iterator<Item = &'k VerifyingKey>,
) -> Result<Signed<'c>, SignatureMismatch> {
    let is_verified = keys.any(|key| key.verify(algorithm, signing_input, signature).is_ok());
    if is_verified { Ok(Signed(claims)) } else { Err(SignatureMismatch) }
}
