//! The keys of one issuer, fetched or configured, and the verification of signatures with them
//! (RFC 7515 section 5.2).
//!
//! Checks: the issuer has a key with the token's `kid` for its algorithm, and one such key verifies the
//! signature.
//! Does not check: whether the issuer may use the algorithm, and the claims.

use std::sync::Arc;
use std::time::Duration;

use super::error::KeysError;
use super::key_set::{IssuerKeys, KeySet, KeySetId};
use super::refresh::KeyQuery;
use super::remote::{KeyLookup, KeysBounds, KeysStatus, PendingKeys, RemoteKeys, WaitBudget};
use crate::access_token::KeyId;
use crate::crypto::SignatureMismatch;
use crate::jwt::compact::{Compact, CompactFault};
use crate::jwt::header::Header;
use crate::jwt::signature::Signed;
use crate::jwt::{UnverifiedClaims, signature};
use crate::time::NumericDate;

/// The keys of one issuer. Clones share the keys.
#[derive(Clone)]
pub(crate) struct Keys {
    issuer: Arc<str>,
    origin: KeyOrigin,
}

#[derive(Clone)]
enum KeyOrigin {
    /// Configured keys, which never change.
    Static(Arc<KeySet>),
    /// Fetched keys, refreshed in the background. Other issuers may use the same source.
    Remote(RemoteKeys),
}

/// Claims with a verified signature.
pub(crate) struct SignedBy<'c> {
    pub(crate) signed: Signed<'c>,
    /// The version of the key set that contains the key.
    pub(crate) keys: KeySetId,
    /// The `kid` of the key, if it has one.
    pub(crate) key_id: Option<Arc<KeyId>>,
}

/// Why a signature is not verified.
pub(crate) enum VerifyError {
    /// The signature is not base64url.
    Malformed(CompactFault),
    /// The issuer has no such key.
    KeyUnknown,
    /// No candidate key verifies the signature.
    Mismatch(SignatureMismatch),
    /// A fetch is in flight or about to start. Await it, then verify again.
    Pending(PendingKeys),
    /// The keys are unavailable.
    Unavailable {
        /// When to try again.
        retry_after: Duration,
        /// Why the last fetch failed, if it did.
        cause: Option<Arc<KeysError>>,
        /// Keys are cached but not this one, and the rate limit allows no fetch now.
        rate_limited: bool,
    },
}

impl Keys {
    /// Configured keys, which never change.
    pub(crate) fn configured(issuer: &str, keys: KeySet) -> Self {
        Self { issuer: issuer.into(), origin: KeyOrigin::Static(Arc::new(keys)) }
    }

    /// Fetched keys, of which `issuer` uses its own.
    pub(crate) fn fetched(issuer: &str, keys: RemoteKeys) -> Self {
        Self { issuer: issuer.into(), origin: KeyOrigin::Remote(keys) }
    }

    fn remote(&self) -> Option<&RemoteKeys> {
        match &self.origin {
            KeyOrigin::Static(_) => None,
            KeyOrigin::Remote(keys) => Some(keys),
        }
    }

    /// Verifies the signature of `compact` with the cached keys.
    ///
    /// # Errors
    /// [`VerifyError`]. `wait_budget` limits how often it is [`VerifyError::Pending`].
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
            Ok(signed) => {
                self.mark_used();
                Ok(SignedBy { signed, keys: keys.id(), key_id: keys.key_id(key_id) })
            }
            Err(mismatch) => {
                let not_found = VerifyError::Mismatch(mismatch);
                Err(self.request_refresh(KeyQuery::Mismatch(key_id), Some(&keys), not_found, wait_budget))
            }
        }
    }

    /// The cached key set, if it has a key for this header.
    ///
    /// # Errors
    /// [`VerifyError`], but neither `Malformed` nor `Mismatch`.
    pub(crate) fn select(
        &self,
        header: &Header<'_>,
        wait_budget: &mut WaitBudget,
    ) -> Result<IssuerKeys, VerifyError> {
        let key_id = header.key_id.as_deref();
        let keys = self.current();
        let (query, seen) = match keys {
            Some(keys) if keys.select(key_id, header.algorithm).next().is_some() => return Ok(keys),
            Some(keys) => (key_id.map_or(KeyQuery::Mismatch(None), KeyQuery::Kid), Some(keys)),
            None => (KeyQuery::AnyKey, None),
        };
        Err(self.request_refresh(query, seen.as_ref(), VerifyError::KeyUnknown, wait_budget))
    }

    /// Requests keys that are newer than `seen`. Returns `not_found` if no fetch is going to help.
    fn request_refresh(
        &self,
        query: KeyQuery<'_>,
        seen: Option<&IssuerKeys>,
        not_found: VerifyError,
        wait_budget: &mut WaitBudget,
    ) -> VerifyError {
        let Some(keys) = self.remote() else { return not_found };
        match keys.lookup(query, seen.map(IssuerKeys::set), wait_budget) {
            KeyLookup::Pending(keys) => VerifyError::Pending(keys),
            KeyLookup::NotFound => not_found,
            KeyLookup::Unavailable { retry_after, cause } => {
                VerifyError::Unavailable { retry_after, cause, rate_limited: false }
            }
            KeyLookup::RateLimited { retry_after } => {
                VerifyError::Unavailable { retry_after, cause: None, rate_limited: true }
            }
        }
    }

    /// The usable keys, without waiting.
    pub(crate) fn current(&self) -> Option<IssuerKeys> {
        match &self.origin {
            KeyOrigin::Static(keys) => Some(keys.of(&self.issuer)),
            KeyOrigin::Remote(keys) => Some(keys.current()?.of(&self.issuer)),
        }
    }

    /// The usable keys as a JWK Set. `None` if they are configured, or none are usable.
    pub(crate) fn export(&self) -> Option<String> {
        self.remote()?.current()?.of(&self.issuer).to_json()
    }

    /// Whether the usable keys are this version of the key set. Counts as a use of the keys. `now` is the
    /// time of the wall clock.
    pub(crate) fn is_current_set(&self, id: KeySetId, now: NumericDate) -> bool {
        match &self.origin {
            KeyOrigin::Static(keys) => keys.id() == id,
            KeyOrigin::Remote(keys) => keys.is_current_set(id, now),
        }
    }

    /// Counts as a use of the keys, so that they stay refreshed.
    pub(crate) fn mark_used(&self) {
        if let Some(keys) = self.remote() {
            keys.mark_used();
        }
    }

    /// Waits until keys are usable or a fetch has failed.
    ///
    /// # Errors
    /// Why the fetch failed.
    pub(crate) async fn ready(&self) -> Result<(), Arc<KeysError>> {
        match self.remote() {
            None => Ok(()),
            Some(keys) => keys.ready().await,
        }
    }

    /// Records that the issuer is used from now on. False if the source of its keys is closed: then the
    /// issuer has to be built again.
    pub(crate) fn attach(&self) -> bool {
        self.remote().is_none_or(RemoteKeys::attach)
    }

    /// Records that the issuer was removed, once for each [`attach`](Self::attach). With the last issuer that
    /// uses the same source, its refresh task ends permanently, and requests that wait for keys look
    /// their issuer up again.
    pub(crate) fn detach(&self) {
        if let Some(keys) = self.remote() {
            keys.detach();
        }
    }

    /// The maximum time that [`ready`](Self::ready) takes.
    pub(crate) fn max_ready_time(&self) -> Duration {
        self.remote().map(RemoteKeys::max_ready_time).unwrap_or_default()
    }

    /// The status for operators.
    pub(crate) fn status(&self) -> KeysStatus {
        match &self.origin {
            KeyOrigin::Static(keys) => KeysStatus::of_static(&keys.of(&self.issuer)),
            KeyOrigin::Remote(keys) => keys.status(&self.issuer),
        }
    }

    /// The guaranteed bounds. `None` for configured keys, which never expire.
    pub(crate) fn bounds(&self) -> Option<KeysBounds> {
        self.remote().map(RemoteKeys::bounds)
    }
}
