//! From unverified to signed, with the keys of one issuer (RFC 7515 section 5.2).
//!
//! Checks: the issuer has a key of this id for this algorithm, and the signature is one of its.
//! Does not check: whether the issuer may use the algorithm, nor what the claims say.

use std::sync::Arc;
use std::time::Duration;

use super::error::KeysError;
use super::key_set::{KeySet, KeySetId};
use super::keys::Keys;
use super::refresh::KeyQuery;
use super::remote::{KeyLookup, PendingKeys, WaitBudget};
use crate::crypto::SignatureMismatch;
use crate::jwt::compact::{Compact, CompactFault};
use crate::jwt::header::Header;
use crate::jwt::signature::Signed;
use crate::jwt::{UnverifiedClaims, signature};

/// Claims that are signed with a key of the issuer.
pub(crate) struct SignedBy<'c> {
    pub(crate) signed: Signed<'c>,
    /// The set that the key is in.
    pub(crate) keys: KeySetId,
}

/// Why claims stay unverified.
pub(crate) enum VerifyError {
    /// The signature is not base64url.
    Malformed(CompactFault),
    /// The issuer has no such key.
    KeyUnknown,
    /// No key of the issuer made the signature.
    Mismatch(SignatureMismatch),
    /// Await this, then verify again.
    Await(PendingKeys),
    /// The keys are out of reach.
    Unavailable {
        /// When it is worth while to try again.
        retry_after: Duration,
        /// Why the last fetch failed, where one did.
        cause: Option<Arc<KeysError>>,
    },
}

impl Keys {
    /// Verifies the signature of `compact`, with the keys in hand.
    ///
    /// # Errors
    /// [`VerifyError`]; it may be worth while to wait and try again, as far as `wait_budget` goes.
    pub(crate) fn verify<'c>(
        &self,
        compact: &Compact<'_>,
        header: &Header<'_>,
        claims: &'c UnverifiedClaims<'c>,
        wait_budget: &mut WaitBudget,
    ) -> Result<SignedBy<'c>, VerifyError> {
        let key_id = header.key_id.as_deref();
        let keys = self.select(header, wait_budget)?;
        let candidates = keys.select(key_id, header.algorithm);
        let signature = compact.signature().map_err(VerifyError::Malformed)?;
        let octets = (compact.signing_input(), &*signature);
        match signature::verify(claims, header.algorithm, octets, candidates) {
            Ok(signed) => Ok(SignedBy { signed, keys: keys.id() }),
            Err(mismatch) => {
                let refusal = VerifyError::Mismatch(mismatch);
                Err(self.want(KeyQuery::Mismatch(key_id), Some(&keys), refusal, wait_budget))
            }
        }
    }

    /// The key set, if it has a key for this header.
    ///
    /// # Errors
    /// As [`verify`](Self::verify).
    pub(crate) fn select(
        &self,
        header: &Header<'_>,
        wait_budget: &mut WaitBudget,
    ) -> Result<Arc<KeySet>, VerifyError> {
        let key_id = header.key_id.as_deref();
        let keys = self.current();
        let want = match &keys {
            Some(keys) if keys.select(key_id, header.algorithm).next().is_some() => {
                return Ok(Arc::clone(keys));
            }
            Some(_) => key_id.map_or(KeyQuery::Mismatch(None), KeyQuery::Kid),
            None => KeyQuery::AnyKey,
        };
        Err(self.want(want, keys.as_ref(), VerifyError::KeyUnknown, wait_budget))
    }

    /// Asks for newer keys than those `seen`; `refusal` is the end when there are none.
    fn want(
        &self,
        want: KeyQuery<'_>,
        seen: Option<&Arc<KeySet>>,
        refusal: VerifyError,
        wait_budget: &mut WaitBudget,
    ) -> VerifyError {
        match self.demand(want, seen, wait_budget) {
            KeyLookup::Wait(keys) => VerifyError::Await(keys),
            KeyLookup::Refuse => refusal,
            KeyLookup::Unavailable { retry_after, cause } => VerifyError::Unavailable { retry_after, cause },
        }
    }
}
