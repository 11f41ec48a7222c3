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
//! An attacker with a valid token can sign proofs as fast as this API checks them. So once the memory is half
//! full, one client key holds at most a sixteenth of it. Only when many client keys fill the memory together
//! are further proofs rejected, and then for all.
//!
//! # Clock
//!
//! The wall clock may jump. A slice is dropped when the clock passes its end.
//!
//! - **Forward and back.** Proofs that expire before the end of a dropped slice may have been used, so they
//!   are rejected. This lasts until the clock has passed the newest dropped slice, at most the retention, because
//!   a slice exists only if a proof was recorded in it.
//! - **Back, after it was wrong.** The slices of the wrong time stay, because their proofs would be valid again
//!   when the clock gets there. If more than half of the memory is used, their proofs are dropped to make
//!   room, and all proofs of those slices are rejected instead. However wrong the clock was, it costs no room
//!   after that.

mod client_counts;
mod shard;

use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use foldhash::quality::RandomState;

use self::client_counts::ClientCounts;
use self::shard::Shard;
use super::ReplayFault;
use super::proof_use::ProofUse;
use crate::time::NumericDate;

/// The number of shards.
const SHARDS: usize = 256;

/// The number of slices that the retention is divided into. Each proof stays for up to one slice longer than
/// it has to.
const SLICES: u64 = 16;

/// Once the memory is half full, one client key holds at most this share of it.
const CLIENT_SHARE: usize = 16;

/// The proofs that were used in this process.
pub(crate) struct ReplayMemory {
    max_proofs: usize,
    /// The longest time from the use of a proof until it expires.
    retention_secs: u64,
    slice_secs: u64,
    /// The number of proofs in all shards.
    len: AtomicUsize,
    /// The time of the latest sweep, in slices since 1970.
    swept_at: AtomicU64,
    /// Keyed, so that clients cannot choose proofs that all fall into one shard.
    hasher: RandomState,
    shards: Box<[Mutex<Shard>; SHARDS]>,
    clients: Mutex<ClientCounts>,
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
            clients: Mutex::default(),
        }
    }

    /// The number of proofs per second that never fills the memory, whatever their age.
    pub(crate) fn sustained_rate(&self) -> usize {
        let secs = self.retention_secs.saturating_add(self.slice_secs);
        usize::try_from(secs).ok().and_then(|secs| self.max_proofs.checked_div(secs)).unwrap_or_default()
    }

    /// Records this use of a proof, unless the proof was used before.
    ///
    /// # Errors
    /// [`ReplayFault::Replayed`], also for a proof that may have been forgotten, and [`ReplayFault::Full`].
    pub(crate) fn record(&self, proof: &ProofUse, now: NumericDate) -> Result<(), ReplayFault> {
        let now = now.as_secs();
        self.sweep(now);
        let (key, end) = (u128::from_be_bytes(proof.key()), self.slice_end(proof.expires_at_secs()));
        let mut shard = lock(self.shard(key));
        let slice = shard.slice(end).filter(|_| end > now).ok_or(ReplayFault::Replayed)?;
        if slice.contains(&key) {
            return Err(ReplayFault::Replayed);
        }
        self.reserve(proof.client(), end, now)?;
        slice.insert(key);
        Ok(())
    }

    /// Takes room for one proof of this client, in the slice that ends at `end`.
    fn reserve(&self, client: u64, end: u64, now: u64) -> Result<(), ReplayFault> {
        let more = |len: usize| (len < self.max_proofs).then(|| len.saturating_add(1));
        let len = self.len.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        let mut clients = lock(&self.clients);
        let is_refused = match len {
            Ok(len) if len >= self.max_proofs / 2 => {
                let max_of_client = (self.max_proofs / CLIENT_SHARE).max(1);
                clients.max_of(client) >= max_of_client
            }
            Ok(_) => false,
            Err(_) => return Err(full(clients.next_end(now), now)),
        };
        if is_refused {
            self.len.fetch_sub(1, Ordering::Relaxed);
            return Err(full(clients.next_end_of(client, now), now));
        }
        clients.add(client, end);
        Ok(())
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
        for shard in self.shards.iter() {
            // The tables are freed after the lock was released.
            let dropped = lock(shard).sweep(now, latest);
            let proofs = dropped.iter().map(|table| table.len()).sum();
            self.len.fetch_sub(proofs, Ordering::Relaxed);
        }
        lock(&self.clients).sweep(now, latest);
    }

    /// The latest end of a slice that stays. Later ones are of a time when the clock was wrong. They stay as
    /// long as half of the memory is free.
    fn latest_end(&self, now: u64) -> u64 {
        if self.len.load(Ordering::Relaxed) <= self.max_proofs / 2 {
            return u64::MAX;
        }
        now.saturating_add(self.retention_secs).saturating_add(self.slice_secs)
    }

    /// The end of the slice for proofs that expire at `expires_at`: later than that.
    fn slice_end(&self, expires_at: u64) -> u64 {
        let slice = expires_at.checked_div(self.slice_secs).unwrap_or_default();
        slice.saturating_add(1).saturating_mul(self.slice_secs)
    }

    /// The tables of the shard use the low bits of a hash of their own.
    fn shard(&self, key: u128) -> &Mutex<Shard> {
        let [first, ..] = &*self.shards;
        let hash = usize::try_from(self.hasher.hash_one(key) >> u32::BITS).unwrap_or_default();
        self.shards.get(hash % SHARDS).unwrap_or(first)
    }
}

/// The memory is full until `end`.
fn full(end: u64, now: u64) -> ReplayFault {
    ReplayFault::Full { retry_after: Duration::from_secs(end.saturating_sub(now).max(1)) }
}

/// No panic can leave a value behind that is half changed, so a poisoned lock is as good as any.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
