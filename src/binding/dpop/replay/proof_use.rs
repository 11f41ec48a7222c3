//! The use of a proof, as a replay store records it.

use std::time::SystemTime;

use crate::crypto::sha256;
use crate::time::NumericDate;

/// The use of one DPoP proof, for a [`ReplayStore`](super::ReplayStore) to record.
///
/// The proof has passed all other checks.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ProofUse {
    id: [u8; 16],
    client_key: u64,
    expires_at: NumericDate,
}

impl ProofUse {
    /// The use of the proof with this `jti`, signed with the key that has the thumbprint `jkt`. From
    /// `expires_at` on, the proof fails another check. That moment is the same for each use of the proof.
    ///
    /// Why not the bytes of the proof: ECDSA signatures are malleable, so one proof has several spellings.
    /// Why not the `jti` alone: a client could use up the `jti` values of another client.
    pub(crate) fn new(jkt: &[u8; 32], jti: &str, expires_at: NumericDate) -> Self {
        let id = first(&sha256(&[jkt, &[0], jti.as_bytes()]));
        Self { id, client_key: u64::from_be_bytes(first(jkt)), expires_at }
    }

    /// Identifies the proof: the first 128 bits of SHA-256 over the thumbprint of the client's key, a zero
    /// octet and the `jti`.
    ///
    /// It is not secret, and its length does not depend on what the client sends.
    #[must_use]
    pub fn id(&self) -> [u8; 16] {
        self.id
    }

    /// When the proof expires, by the clock of this instance. Keep the [`id`](Self::id) until then.
    #[must_use]
    pub fn expires_at(&self) -> SystemTime {
        self.expires_at.to_system_time()
    }

    /// Identifies the client's key: the start of its thumbprint.
    pub(super) fn client_key(&self) -> u64 {
        self.client_key
    }

    /// The end of its lifetime, in whole seconds: a fraction counts as one.
    pub(super) fn expires_at_secs(&self) -> u64 {
        let secs = self.expires_at.as_secs();
        let has_fraction = NumericDate::from_secs(secs).is_some_and(|whole| self.expires_at > whole);
        secs.saturating_add(u64::from(has_fraction))
    }
}

/// The first octets of a digest.
fn first<const N: usize>(digest: &[u8; 32]) -> [u8; N] {
    std::array::from_fn(|octet| digest.get(octet).copied().unwrap_or_default())
}
