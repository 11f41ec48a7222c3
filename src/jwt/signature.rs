//! The step from claims that anybody may have written to claims that the issuer wrote (RFC 7515 section 5.2).
//!
//! Checks: the signature over the octets received, by one of the keys given and the algorithm given.
//! Does not check: which keys those are: the caller selects among the issuer's own.

use super::claim_set::UnverifiedClaims;
use super::claims::TrustedClaims;
use crate::crypto::{Algorithm, SignatureMismatch, VerifyingKey};

/// Claims under a signature that held. Only [`verify`] makes one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signed<'c>(&'c UnverifiedClaims<'c>);

impl<'c> TrustedClaims<'c> for Signed<'c> {
    fn claims(&self) -> &'c UnverifiedClaims<'c> {
        self.0
    }
}

/// Verifies `signature` over `signing_input` with the first of `keys` that fits.
///
/// # Errors
/// [`SignatureMismatch`] when no key does.
pub(crate) fn verify<'c, 'k>(
    claims: &'c UnverifiedClaims<'c>,
    algorithm: Algorithm,
    (signing_input, signature): (&[u8], &[u8]),
    mut keys: impl Iterator<Item = &'k VerifyingKey>,
) -> Result<Signed<'c>, SignatureMismatch> {
    let held = keys.any(|key| key.verify(algorithm, signing_input, signature).is_ok());
    if held { Ok(Signed(claims)) } else { Err(SignatureMismatch) }
}
