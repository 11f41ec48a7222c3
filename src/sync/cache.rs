//! A map of bounded size that keeps what is used, for many threads.
//!
//! Checks: the number of entries and the bytes that they hold stay within their limits, at every moment; the
//! whole key at every hit.
//! Does not check: how old an entry is. Its user knows what makes it void, and looks at every hit.
//!
//! The hash of its key tells the set of eight places in one of which an entry stands. Whoever reads takes no lock
//! and writes nothing that others read. Whoever inserts takes one, and makes room by the clock algorithm: what is
//! used between two visits of the hand stays, so that a flood of new entries does not sweep the good ones out.
//!
//! Why not `moka` or `quick_cache`: a hit on a token of 1 234 bytes took 167 ns and 78 ns on one thread, and 568 ns
//! and 176 to 380 ns on each of two, where this takes 34 to 46 ns, and 31 ns on each of two where the caller counts
//! no reference; neither of them can be asked without counting one. And an issuer chooses its tokens, so that it may
//! choose such as have equal hashes where not all of a token is hashed: 9 000 of them made a look-up in
//! `quick_cache` 14 us and in `moka` 377 us long, where here there are eight places to look at, whatever happens.
//! (2 cores, release build; of this the prototype was timed.)

use std::fmt;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::mem;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use arc_swap::ArcSwapOption;

/// How many places a set has.
const WAYS: usize = 8;

/// How many of them are taken when the cache is full, on average: hardly any set overflows.
const TARGET_ENTRIES_PER_SET: usize = 4;

/// How often the hand passes an entry by that is used no more.
const MAX_USES: u8 = 3;

/// How many entries that were used the hand passes by at most: who inserts does not wait for longer.
const MAX_SECOND_CHANCES: usize = 64;

/// What an entry weighs, in bytes, for the number of sets: there are more places than this makes needed.
const ENTRY_BYTES: usize = 1024;

/// The most entries, however many are allowed: their places are made at once, and take 32 bytes for each.
const MAX_ENTRIES: usize = 1 << 20;

/// What can be kept, and found by its key.
pub(crate) trait Entry {
    /// Tells entries apart.
    type Key: ?Sized + Eq;

    /// What it is found by.
    fn key(&self) -> &Self::Key;

    /// Feeds `hasher` what tells most keys apart.
    fn hash(key: &Self::Key, hasher: &mut impl Hasher);

    /// How much memory it holds beside its own, in bytes.
    fn bytes(&self) -> usize;
}

/// How much may be kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct CacheLimits {
    pub(crate) entries: usize,
    pub(crate) bytes: usize,
}

/// The map. `S` makes the keyed hash.
pub(crate) struct BoundedCache<E, S = RandomState> {
    limits: CacheLimits,
    hasher: S,
    /// Made at the first insertion.
    sets: OnceLock<Box<[Set<E>]>>,
    eviction: Mutex<Eviction>,
}

/// Where the entries stand whose hashes tell the same set. The tags lie in one line of the processor's cache.
#[repr(align(64))]
struct Set<E> {
    /// The hash of what stands in each place, or 0. One that is out of date makes a look-up miss and no more.
    tags: [AtomicU64; WAYS],
    kept: [ArcSwapOption<Slot<E>>; WAYS],
}

/// One place of a set.
struct Place<'s, E> {
    tag: &'s AtomicU64,
    kept: &'s ArcSwapOption<Slot<E>>,
}

/// An entry in its place.
struct Slot<E> {
    entry: E,
    weight: usize,
    /// How often it was used of late: up to [`MAX_USES`], and one less each time the hand comes by.
    uses: AtomicU8,
}

/// What is kept, all in all. Whoever writes holds it.
#[derive(Default)]
struct Eviction {
    entries: usize,
    bytes: usize,
    /// The place where room is looked for next.
    hand: usize,
}

impl<E: Entry> BoundedCache<E> {
    pub(crate) fn new(limits: CacheLimits) -> Self {
        Self::with_hasher(limits, RandomState::new())
    }
}

impl<E: Entry, S: BuildHasher> BoundedCache<E, S> {
    /// With a hash of the caller's.
    pub(crate) fn with_hasher(limits: CacheLimits, hasher: S) -> Self {
        Self { limits, hasher, sets: OnceLock::new(), eviction: Mutex::default() }
    }

    /// What `read` makes of the entry with this key, if it is kept.
    pub(crate) fn get<T>(&self, key: &E::Key, read: impl FnOnce(&E) -> T) -> Option<T> {
        let sets = self.sets.get()?;
        let tag = self.tag(key);
        for place in set_of(sets, tag)?.places() {
            if place.tag.load(Ordering::Relaxed) != tag {
                continue;
            }
            let kept = place.kept.load();
            if let Some(kept) = kept.as_deref().filter(|kept| kept.entry.key() == key) {
                kept.mark_used();
                return Some(read(&kept.entry));
            }
        }
        None
    }

    /// Keeps `entry` in place of the one with its key, unless it alone is more than may be kept.
    pub(crate) fn insert(&self, entry: E) {
        let weight = size_of::<Slot<E>>().saturating_add(entry.bytes());
        let sets = self.sets.get_or_init(|| self.make_sets());
        let tag = self.tag(entry.key());
        let Some(set) = set_of(sets, tag) else { return };
        let mut eviction = self.lock();
        // Dropped when the lock is free again: what was kept may hold values of the user's.
        let mut removed = Vec::new();
        removed.extend(set.place_of(tag, entry.key()).and_then(|place| eviction.remove(&place)));
        if weight > self.limits.bytes {
            return drop(eviction);
        }
        while eviction.entries >= self.limits.entries
            || eviction.bytes.saturating_add(weight) > self.limits.bytes
        {
            removed.extend(eviction.make_room(sets));
        }
        let vacant = set.places().find(|place| place.tag.load(Ordering::Relaxed) == 0);
        if let Some(place) = vacant.or_else(|| set.victim(eviction.entries)) {
            removed.extend(eviction.remove(&place));
            eviction.fill(&place, tag, Slot { entry, weight, uses: AtomicU8::new(0) });
        }
        drop(eviction);
    }

    /// Keeps no entry with this key any more.
    pub(crate) fn remove(&self, key: &E::Key) {
        let tag = self.tag(key);
        let Some(set) = self.sets.get().and_then(|sets| set_of(sets, tag)) else { return };
        let mut eviction = self.lock();
        let removed = set.place_of(tag, key).and_then(|place| eviction.remove(&place));
        drop(eviction);
        drop(removed);
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.lock().entries
    }

    fn tag(&self, key: &E::Key) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        E::hash(key, &mut hasher);
        // 0 stands for no entry.
        hasher.finish() | 1
    }

    fn make_sets(&self) -> Box<[Set<E>]> {
        let entries = self.limits.entries.min(self.limits.bytes / ENTRY_BYTES).min(MAX_ENTRIES);
        (0..(entries / TARGET_ENTRIES_PER_SET).max(1)).map(|_| Set::default()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Eviction> {
        self.eviction.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The set of the entry with this tag. The lowest bit of a tag says nothing.
fn set_of<E>(sets: &[Set<E>], tag: u64) -> Option<&Set<E>> {
    // The upper half of the tag, as a part of 2^32, tells which part of the sets.
    let part = u128::from(tag >> 32).checked_mul(u128::try_from(sets.len()).ok()?)? >> 32;
    sets.get(usize::try_from(part).ok()?)
}

impl<E: Entry> Set<E> {
    fn place_of(&self, tag: u64, key: &E::Key) -> Option<Place<'_, E>> {
        let is_it = |kept: &Slot<E>| kept.entry.key() == key;
        self.places().find(|place| {
            place.tag.load(Ordering::Relaxed) == tag && place.kept.load().as_deref().is_some_and(is_it)
        })
    }
}

impl<E> Set<E> {
    fn places(&self) -> impl Iterator<Item = Place<'_, E>> {
        self.tags.iter().zip(&self.kept).map(|(tag, kept)| Place { tag, kept })
    }

    /// A place whose entry was not used of late; the one that `any` tells where all were.
    fn victim(&self, any: usize) -> Option<Place<'_, E>> {
        let unused = self.places().find(|place| !place.kept.load().as_deref().is_some_and(Slot::is_used));
        unused.or_else(|| self.places().nth(any % WAYS))
    }
}

impl<E> Slot<E> {
    fn is_used(&self) -> bool {
        self.uses.load(Ordering::Relaxed) > 0
    }

    fn mark_used(&self) {
        let uses = self.uses.load(Ordering::Relaxed);
        // Not written at every use: what many threads write in turn makes each wait for the others.
        if uses < MAX_USES {
            self.uses.store(uses.saturating_add(1), Ordering::Relaxed);
        }
    }

    /// Whether it may stay when the hand comes by.
    fn take_second_chance(&self) -> bool {
        let uses = self.uses.load(Ordering::Relaxed);
        self.uses.store(uses.saturating_sub(1), Ordering::Relaxed);
        uses > 0
    }
}

impl Eviction {
    /// Moves the hand to the next entry that is not used any more, and takes it out.
    fn make_room<E>(&mut self, sets: &[Set<E>]) -> Option<Arc<Slot<E>>> {
        let mut spared: usize = 0;
        loop {
            self.hand = self.hand.wrapping_add(1);
            let set = sets.get((self.hand / WAYS).checked_rem(sets.len())?)?;
            let place = set.places().nth(self.hand % WAYS)?;
            if place.tag.load(Ordering::Relaxed) == 0 {
                continue;
            }
            match &*place.kept.load() {
                None => continue,
                Some(kept) if spared < MAX_SECOND_CHANCES && kept.take_second_chance() => {
                    spared = spared.saturating_add(1);
                }
                Some(_) => return self.remove(&place),
            }
        }
    }

    fn remove<E>(&mut self, place: &Place<'_, E>) -> Option<Arc<Slot<E>>> {
        place.tag.store(0, Ordering::Relaxed);
        let kept = place.kept.swap(None)?;
        self.entries = self.entries.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(kept.weight);
        Some(kept)
    }

    fn fill<E>(&mut self, place: &Place<'_, E>, tag: u64, kept: Slot<E>) {
        self.entries = self.entries.saturating_add(1);
        self.bytes = self.bytes.saturating_add(kept.weight);
        place.kept.store(Some(Arc::new(kept)));
        place.tag.store(tag, Ordering::Relaxed);
    }
}

impl<E> Default for Set<E> {
    fn default() -> Self {
        Self { tags: Default::default(), kept: Default::default() }
    }
}

impl<E, S> Drop for BoundedCache<E, S> {
    /// Drops the entries only. Dropping an `ArcSwap`, even an empty one, scans the debts of all threads, and most
    /// slots are empty.
    fn drop(&mut self) {
        for Set { tags, kept } in self.sets.take().into_iter().flatten() {
            for (tag, kept) in tags.into_iter().zip(kept) {
                if tag.into_inner() == 0 {
                    // Holds no pointer, so this leaks nothing.
                    mem::forget(kept);
                }
            }
        }
    }
}

impl<E, S> fmt::Debug for BoundedCache<E, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundedCache").field("limits", &self.limits).finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "cache_tests.rs"]
mod tests;
