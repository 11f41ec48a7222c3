//! The in-process replay store: bounded, in time slices that are dropped whole.
//!
//! Proofs are sharded by a keyed hash, and each shard has one small hash table per time slice. A use locks
//! one shard for one lookup and one insert. Tables are small, so none is rehashed for long under a lock.
//!
//! Checks: of all concurrent uses of a proof exactly one is the first; a proof is not forgotten before it
//! expires; there are at most `max_proofs`; one client does not take the memory from all others.
//!
//! # Full memory
//!
//! A client with a valid token can sign proofs as fast as this API verifies them. So once the memory is half
//! full, one client key holds at most a sixteenth of it. Other clients are rejected only when many keys have
//! filled the memory together. The number of proofs per key may be overestimated by up to 1/896 of the
//! memory, so a client that holds less than 55/896 of it (6.1 %) is never rejected for its share.
//!
//! # Clock
//!
//! A slice is dropped when the wall clock passes its end. That clock may jump, so a dropped slice can come a
//! second time. Nobody knows then which of its proofs were used, so all of them are rejected:
//!
//! - **The clock jumps forward and back.** Proofs that were used before the jump are rejected, and so are new
//!   ones that expire in the same slices. New proofs expire later every second, so this ends within the
//!   retention.
//! - **The clock is set back because it was wrong.** The slices of the wrong time stay until the clock gets
//!   there, because their proofs will be valid again. Once more than half of the memory is used, they are
//!   dropped to make room. Proofs are rejected while the clock repeats the time in which it was wrong, and
//!   only then: a clock that was wrong for ten minutes, by a century, costs ten minutes in a hundred years.

mod client_counts;
mod forgotten;
mod shard;
#[cfg(all(test, any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod tests;
mod timeline;

use std::collections::HashSet;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::quality::RandomState;

use self::shard::Shard;
use self::timeline::Timeline;
use super::ReplayFault;
use super::proof_use::ProofUse;
use crate::time::NumericDate;

/// The number of shards: one byte of a hash selects one.
const SHARDS: usize = 256;

/// The number of slices that the retention is divided into. Each proof stays for up to one slice longer than
/// it has to.
const SLICES: u64 = 16;

/// Once the memory is half full, one client key holds at most this share of it.
const CLIENT_SHARE: usize = 16;

/// The proofs that were used in this process.
///
/// A thread that holds two locks took that of a shard first.
pub(crate) struct ReplayMemory {
    max_proofs: usize,
    /// The longest time from the use of a proof until it expires, rounded up.
    retention_secs: u64,
    slice_secs: u64,
    /// The number of proofs in all shards.
    len: AtomicUsize,
    /// The time of the latest sweep, in slices since 1970.
    swept_at: AtomicU64,
    /// Keyed, so that clients cannot choose proofs that all fall into one shard.
    hasher: RandomState,
    shards: Box<[Mutex<Shard>; SHARDS]>,
    timeline: Mutex<Timeline>,
}

impl ReplayMemory {
    /// The default of `max_proofs`.
    pub(crate) const DEFAULT_MAX_PROOFS: usize = 262_144;

    /// A memory of `max_proofs`, each of which expires at most `retention` after its first use.
    pub(crate) fn new(max_proofs: usize, retention: Duration) -> Self {
        let retention_secs = retention.as_secs().saturating_add(1);
        Self {
            max_proofs,
            retention_secs,
            slice_secs: retention_secs.div_ceil(SLICES),
            len: AtomicUsize::new(0),
            swept_at: AtomicU64::new(0),
            hasher: RandomState::default(),
            shards: Box::new(std::array::from_fn(|_| Mutex::default())),
            timeline: Mutex::default(),
        }
    }

    /// The number of proofs in the memory.
    #[cfg(feature = "metrics")]
    pub(crate) fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// The number of proofs per second that never fills the memory, whatever their age.
    pub(crate) fn sustained_rate(&self) -> u32 {
        let secs = self.retention_secs.saturating_add(self.slice_secs);
        let rate = usize::try_from(secs).ok().and_then(|secs| self.max_proofs.checked_div(secs));
        u32::try_from(rate.unwrap_or_default()).unwrap_or(u32::MAX)
    }

    /// Records this use of a proof, unless the proof was used before.
    ///
    /// # Errors
    /// [`ReplayFault::Full`], or [`ReplayFault::Replayed`], also if the memory may have forgotten the proof.
    pub(crate) fn record(&self, proof: &ProofUse, now: NumericDate) -> Result<(), ReplayFault> {
        let now = now.as_secs();
        self.sweep(now);
        let (key, end) = self.place(proof);
        let mut shard = lock(self.shard(key));
        if end <= now || shard.contains(key, end) {
            return Err(ReplayFault::Replayed);
        }
        self.reserve(proof.client_key(), end, now)?;
        shard.insert(key, end);
        Ok(())
    }

    /// Whether [`record`](Self::record) would reject the proof as replayed. Records nothing.
    pub(crate) fn is_replayed(&self, proof: &ProofUse, now: NumericDate) -> bool {
        let (key, end) = self.place(proof);
        let is_known = end <= now.as_secs() || lock(self.shard(key)).contains(key, end);
        is_known || lock(&self.timeline).is_forgotten(end)
    }

    /// The key of the proof, and the end of its slice.
    fn place(&self, proof: &ProofUse) -> (u128, u64) {
        (u128::from_be_bytes(proof.id()), self.slice_end(proof))
    }

    /// Takes room for one proof of this client, in the slice that ends at `end`.
    fn reserve(&self, client: u64, end: u64, now: u64) -> Result<(), ReplayFault> {
        let mut timeline = lock(&self.timeline);
        if timeline.is_forgotten(end) {
            return Err(ReplayFault::Replayed);
        }
        let len = self.len.load(Ordering::Relaxed);
        if len >= self.max_proofs {
            return Err(self.full(timeline.next_end(), now));
        }
        let max_of_client = (self.max_proofs / CLIENT_SHARE).max(1);
        if len >= self.max_proofs / 2 && timeline.max_of(client) >= max_of_client {
            return Err(self.full(timeline.next_end_of(client), now));
        }
        self.len.fetch_add(1, Ordering::Relaxed);
        timeline.add(client, end);
        Ok(())
    }

    /// There is no room until `end`, when a slice is dropped.
    fn full(&self, end: Option<u64>, now: u64) -> ReplayFault {
        let wait = end.unwrap_or_default().saturating_sub(now);
        ReplayFault::Full { retry_after: Duration::from_secs(wait.clamp(1, self.retention_secs)) }
    }

    /// Drops the slices that the clock has passed, once per slice.
    fn sweep(&self, now: u64) {
        let time = now.checked_div(self.slice_secs).unwrap_or_default();
        let is_swept = |swept_at| swept_at == time;
        if is_swept(self.swept_at.load(Ordering::Relaxed))
            || is_swept(self.swept_at.swap(time, Ordering::Relaxed))
        {
            return;
        }
        let latest = self.latest_end(now);
        let has_passed = |end| end <= now || end > latest;
        // The timeline first: a thread whose clock is behind must find the slice forgotten, not empty. And no
        // other slice, because such a thread may have started one since.
        let ends = lock(&self.timeline).drop_slices(has_passed, self.retention_secs);
        for shard in self.shards.iter().filter(|_| !ends.is_empty()) {
            let tables = lock(shard).take(&ends);
            let proofs = tables.iter().map(HashSet::len).sum();
            self.len.fetch_sub(proofs, Ordering::Relaxed);
        }
    }

    /// The latest end of a slice that stays. Later slices are of a time in which the clock was wrong. They
    /// stay as long as half of the memory is free.
    fn latest_end(&self, now: u64) -> u64 {
        if self.len.load(Ordering::Relaxed) <= self.max_proofs / 2 {
            return u64::MAX;
        }
        now.saturating_add(self.retention_secs).saturating_add(self.slice_secs.saturating_mul(2))
    }

    /// The end of the slice of this proof: later than the proof expires.
    fn slice_end(&self, proof: &ProofUse) -> u64 {
        let slice = proof.expires_at_secs().checked_div(self.slice_secs).unwrap_or_default();
        slice.saturating_add(1).saturating_mul(self.slice_secs)
    }

    fn shard(&self, key: u128) -> &Mutex<Shard> {
        let [first, ..] = &*self.shards;
        let [index, ..] = self.hasher.hash_one(key).to_be_bytes();
        self.shards.get(usize::from(index)).unwrap_or(first)
    }
}

/// No panic leaves a value behind that is half changed, so a poisoned lock is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
