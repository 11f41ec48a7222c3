//! From unverified to signed, with the keys of one issuer (RFC 7515 section 5.2).
//!
//! Checks: the issuer has a key of this id for this algorithm, and the signature is one of its.
//! Does not check: whether the issuer may use the algorithm, nor what the claims say.

use std::sync::Arc;
use std::time::Duration;

use super::key_set::{KeySet, KeySetId};
use super::keys::Keys;
use super::refresh::Want;
use super::remote::{Demanded, KeysAwaited, Patience};
use crate::crypto::SignatureMismatch;
use crate::jwt::compact::{Compact, CompactFault};
use crate::jwt::header::Header;
use crate::jwt::signature::Signed;
use crate::jwt::{UnverifiedClaims, signature};
use crate::transport::FetchError;

/// Claims that are signed with a key of the issuer.
pub(crate) struct SignedBy<'c> {
    pub(crate) signed: Signed<'c>,
    /// The set that the key is in.
    pub(crate) keys: KeySetId,
}

/// Why claims stay unverified.
pub(crate) enum Unverified {
    /// The signature is not base64url.
    Malformed(CompactFault),
    /// The issuer has no such key.
    KeyUnknown,
    /// No key of the issuer made the signature.
    Mismatch(SignatureMismatch),
    /// Await this, then verify again.
    Await(KeysAwaited),
    /// The keys are out of reach.
    Unavailable {
        /// When it is worth while to try again.
        retry_after: Duration,
        /// Why the last fetch failed, where one did.
        cause: Option<Arc<FetchError>>,
    },
}

impl Keys {
    /// Verifies the signature of `compact`, with the keys in hand.
    ///
    /// # Errors
    /// [`Unverified`]; it may be worth while to wait and try again, as far as `patience` goes.
    pub(crate) fn verify<'c>(
        &self,
        compact: &Compact<'_>,
        header: &Header<'_>,
        claims: &'c UnverifiedClaims<'c>,
        patience: &mut Patience,
    ) -> Result<SignedBy<'c>, Unverified> {
        let key_id = header.key_id.as_deref();
        let keys = self.select(header, patience)?;
        let candidates = keys.select(key_id, header.algorithm);
        let signature = compact.signature().map_err(Unverified::Malformed)?;
        let octets = (compact.signing_input(), &*signature);
        match signature::verify(claims, header.algorithm, octets, candidates) {
            Ok(signed) => Ok(SignedBy { signed, keys: keys.id() }),
            Err(mismatch) => {
                let refusal = Unverified::Mismatch(mismatch);
                Err(self.want(Want::Mismatch(key_id), Some(&keys), refusal, patience))
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
        patience: &mut Patience,
    ) -> Result<Arc<KeySet>, Unverified> {
        let key_id = header.key_id.as_deref();
        let keys = self.current();
        let want = match &keys {
            Some(keys) if keys.select(key_id, header.algorithm).next().is_some() => {
                return Ok(Arc::clone(keys));
            }
            Some(_) => key_id.map_or(Want::Mismatch(None), Want::Kid),
            None => Want::AnyKey,
        };
        Err(self.want(want, keys.as_ref(), Unverified::KeyUnknown, patience))
    }

    /// Asks for newer keys than those `seen`; `refusal` is the end when there are none.
    fn want(
        &self,
        want: Want<'_>,
        seen: Option<&Arc<KeySet>>,
        refusal: Unverified,
        patience: &mut Patience,
    ) -> Unverified {
        match self.demand(want, seen, patience) {
            Demanded::Wait(keys) => Unverified::Await(keys),
            Demanded::Refuse => refusal,
            Demanded::Unavailable { retry_after, cause } => Unverified::Unavailable { retry_after, cause },
        }
    }
}
