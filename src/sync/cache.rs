//! An 8-way set-associative cache, bounded by entries and bytes.
//!
//! Lookups are lock-free. Inserts take one mutex and evict with CLOCK (second chance), so a flood of one-off
//! entries cannot flush the entries in use.
//!
//! Checks: the limits hold at every moment; the whole key is compared on every hit.
//! Does not check: the age of an entry. Its user knows what invalidates it, and checks every hit.
//!
//! Why not `moka` or `quick_cache`: see the guide page "Design choices" for figures. Both clone the value on
//! a hit, which contends when threads share a token. And a lookup here compares at most eight keys. That
//! matters because only a part of the token is hashed: an issuer can choose thousands of tokens with equal
//! hashes.
//!
//! Why `foldhash` is enough: keys that collide cost nothing but evictions in one set, so the hash need not be
//! as strong as SipHash, which takes four times as many instructions.

use std::array;
use std::fmt;
use std::hash::{BuildHasher, Hasher};
use std::mem;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use arc_swap::ArcSwapOption;
use foldhash::quality::RandomState;

/// The number of slots per set.
const WAYS: usize = 8;

/// The number of sets that are allocated together: 2 KB of slots.
const SETS_PER_PAGE: usize = 16;

/// The average number of used slots per set when the cache is full: hardly any set overflows.
const TARGET_ENTRIES_PER_SET: usize = 4;

/// The number of visits of the clock hand that an entry survives after its last use.
const MAX_USES: u8 = 3;

/// The maximum number of used entries that the clock hand skips, which bounds the time of an insert.
const MAX_SECOND_CHANCES: usize = 64;

/// The assumed size of an entry in bytes, for the number of sets.
const ENTRY_BYTES: usize = 1024;

/// The maximum number of entries, whatever the limits say. The table of pages takes a quarter of a byte per
/// entry from the start, and the slots of a full cache 32 bytes per entry.
const MAX_ENTRIES: usize = 1 << 20;

/// A value that can be cached.
pub(crate) trait Entry {
    /// Identifies an entry.
    type Key: ?Sized + Eq;

    fn key(&self) -> &Self::Key;

    /// Feeds `hasher` with the part of the key that distinguishes most keys.
    fn hash(key: &Self::Key, hasher: &mut impl Hasher);

    /// The heap memory that the value holds, in bytes.
    fn bytes(&self) -> usize;
}

/// The limits of a cache.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct CacheLimits {
    pub(crate) entries: usize,
    pub(crate) bytes: usize,
}

/// The cache. `S` builds the hasher, with a random seed.
pub(crate) struct BoundedCache<E, S = RandomState> {
    limits: CacheLimits,
    hasher: S,
    sets: Sets<E>,
    eviction: Mutex<Eviction>,
}

/// The sets, in pages. A page is allocated at the first insert into one of its sets and stays until the cache
/// is dropped, so that lookups need no lock.
struct Sets<E> {
    /// The number of sets. Those at the end of the last page are not used.
    count: usize,
    pages: Box<[OnceLock<Box<Page<E>>>]>,
}

type Page<E> = [Set<E>; SETS_PER_PAGE];

/// The slots of the entries whose hashes select this set. The tags share one cache line of the processor.
#[repr(align(64))]
struct Set<E> {
    /// The hash of the entry in each slot, or 0. A stale tag makes a lookup miss, nothing else.
    tags: [AtomicU64; WAYS],
    slots: [ArcSwapOption<Slot<E>>; WAYS],
}

/// One way of a set.
struct Way<'s, E> {
    tag: &'s AtomicU64,
    slot: &'s ArcSwapOption<Slot<E>>,
}

/// An entry in its slot.
struct Slot<E> {
    entry: E,
    weight: usize,
    /// Recent uses, up to [`MAX_USES`]. Each visit of the clock hand takes one away.
    uses: AtomicU8,
}

/// The state of eviction. Every writer locks it.
#[derive(Default)]
struct Eviction {
    entries: usize,
    bytes: usize,
    /// The entries that were removed to make room.
    evictions: u64,
    /// The slot that was examined last.
    clock_hand: usize,
}

impl<E: Entry> BoundedCache<E> {
    pub(crate) fn new(limits: CacheLimits) -> Self {
        Self::with_hasher(limits, RandomState::default())
    }
}

impl<E: Entry, S: BuildHasher> BoundedCache<E, S> {
    pub(crate) fn with_hasher(limits: CacheLimits, hasher: S) -> Self {
        let entries = limits.entries.min(limits.bytes / ENTRY_BYTES).min(MAX_ENTRIES);
        let sets = Sets::new((entries / TARGET_ENTRIES_PER_SET).max(1));
        Self { limits, hasher, sets, eviction: Mutex::default() }
    }

    /// Calls `read` with the entry of this key, if it is cached.
    pub(crate) fn get<T>(&self, key: &E::Key, read: impl FnOnce(&E) -> T) -> Option<T> {
        let tag = self.tag(key);
        for way in self.sets.of(tag)?.ways() {
            if way.tag.load(Ordering::Relaxed) != tag {
                continue;
            }
            let slot = way.slot.load();
            if let Some(slot) = slot.as_deref().filter(|slot| slot.entry.key() == key) {
                slot.mark_used();
                return Some(read(&slot.entry));
            }
        }
        None
    }

    /// Inserts `entry`, or replaces the one with its key, unless it exceeds the limits alone.
    pub(crate) fn insert(&self, entry: E) {
        let weight = size_of::<Slot<E>>().saturating_add(entry.bytes());
        let tag = self.tag(entry.key());
        let Some(set) = self.sets.allocated(tag) else { return };
        let mut eviction = self.lock();
        // Dropped after the lock is released: an entry may hold values of the user's, with their own `Drop`.
        let mut removed = Vec::new();
        removed.extend(set.way_of(tag, entry.key()).and_then(|way| eviction.remove(&way)));
        if weight > self.limits.bytes {
            return drop(eviction);
        }
        while eviction.entries >= self.limits.entries
            || eviction.bytes.saturating_add(weight) > self.limits.bytes
        {
            let evicted = eviction.evict(&self.sets);
            eviction.count(evicted.is_some());
            removed.extend(evicted);
        }
        let vacant = set.ways().find(|way| way.tag.load(Ordering::Relaxed) == 0);
        if let Some(way) = vacant.or_else(|| set.victim(eviction.entries)) {
            let evicted = eviction.remove(&way);
            eviction.count(evicted.is_some());
            removed.extend(evicted);
            eviction.fill(&way, tag, Slot { entry, weight, uses: AtomicU8::new(0) });
        }
        drop(eviction);
    }

    /// Removes the entry with this key.
    pub(crate) fn remove(&self, key: &E::Key) {
        let tag = self.tag(key);
        let Some(set) = self.sets.of(tag) else { return };
        let mut eviction = self.lock();
        let removed = set.way_of(tag, key).and_then(|way| eviction.remove(&way));
        drop(eviction);
        drop(removed);
    }

    /// The number of entries.
    pub(crate) fn len(&self) -> usize {
        self.lock().entries
    }

    /// The number of entries that were removed to make room, since the cache was created.
    #[cfg(feature = "metrics")]
    pub(crate) fn evictions(&self) -> u64 {
        self.lock().evictions
    }

    fn tag(&self, key: &E::Key) -> u64 {
        let mut hasher = self.hasher.build_hasher();
        E::hash(key, &mut hasher);
        // 0 means no entry.
        hasher.finish() | 1
    }

    fn lock(&self) -> MutexGuard<'_, Eviction> {
        self.eviction.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<E> Sets<E> {
    fn new(count: usize) -> Self {
        Self { count, pages: (0..count.div_ceil(SETS_PER_PAGE)).map(|_| OnceLock::new()).collect() }
    }

    /// The set that this tag selects, if its page is allocated.
    fn of(&self, tag: u64) -> Option<&Set<E>> {
        self.get(self.index(tag)?)
    }

    /// The set that this tag selects. Allocates its page.
    fn allocated(&self, tag: u64) -> Option<&Set<E>> {
        let index = self.index(tag)?;
        let page = self.pages.get(index / SETS_PER_PAGE)?;
        page.get_or_init(|| Box::new(array::from_fn(|_| Set::default()))).get(index % SETS_PER_PAGE)
    }

    fn get(&self, index: usize) -> Option<&Set<E>> {
        self.pages.get(index / SETS_PER_PAGE)?.get()?.get(index % SETS_PER_PAGE)
    }

    /// The lowest bit of a tag carries no information.
    fn index(&self, tag: u64) -> Option<usize> {
        // The upper half of the tag, as a fraction of 2^32, selects the same fraction of the sets.
        let index = u128::from(tag >> 32).checked_mul(u128::try_from(self.count).ok()?)? >> 32;
        usize::try_from(index).ok()
    }
}

impl<E: Entry> Set<E> {
    fn way_of(&self, tag: u64, key: &E::Key) -> Option<Way<'_, E>> {
        let has_key = |slot: &Slot<E>| slot.entry.key() == key;
        self.ways().find(|way| {
            way.tag.load(Ordering::Relaxed) == tag && way.slot.load().as_deref().is_some_and(has_key)
        })
    }
}

impl<E> Set<E> {
    fn ways(&self) -> impl Iterator<Item = Way<'_, E>> {
        self.tags.iter().zip(&self.slots).map(|(tag, slot)| Way { tag, slot })
    }

    /// The way of an entry that was not used recently. If all were, the way that `seed` selects.
    fn victim(&self, seed: usize) -> Option<Way<'_, E>> {
        let unused = self.ways().find(|way| !way.slot.load().as_deref().is_some_and(Slot::is_used));
        unused.or_else(|| self.ways().nth(seed % WAYS))
    }
}

impl<E> Slot<E> {
    fn is_used(&self) -> bool {
        self.uses.load(Ordering::Relaxed) > 0
    }

    fn mark_used(&self) {
        let uses = self.uses.load(Ordering::Relaxed);
        // Not written on every use: threads that write one location in turn wait for each other.
        if uses < MAX_USES {
            self.uses.store(uses.saturating_add(1), Ordering::Relaxed);
        }
    }

    /// Whether the entry survives this visit of the clock hand.
    fn take_second_chance(&self) -> bool {
        let uses = self.uses.load(Ordering::Relaxed);
        self.uses.store(uses.saturating_sub(1), Ordering::Relaxed);
        uses > 0
    }
}

impl Eviction {
    fn count(&mut self, is_evicted: bool) {
        self.evictions = self.evictions.saturating_add(u64::from(is_evicted));
    }

    /// Advances the clock hand to the next entry that was not used recently, and evicts it.
    fn evict<E>(&mut self, sets: &Sets<E>) -> Option<Arc<Slot<E>>> {
        let mut second_chances: usize = 0;
        loop {
            self.clock_hand = self.clock_hand.saturating_add(1);
            if self.clock_hand / WAYS >= sets.count {
                self.clock_hand = 0;
            }
            let Some(set) = sets.get(self.clock_hand / WAYS) else {
                // Its page is not allocated: skip the whole page.
                self.clock_hand |= WAYS.saturating_mul(SETS_PER_PAGE).saturating_sub(1);
                continue;
            };
            let way = set.ways().nth(self.clock_hand % WAYS)?;
            if way.tag.load(Ordering::Relaxed) == 0 {
                continue;
            }
            match &*way.slot.load() {
                None => continue,
                Some(slot) if second_chances < MAX_SECOND_CHANCES && slot.take_second_chance() => {
                    second_chances = second_chances.saturating_add(1);
                }
                Some(_) => return self.remove(&way),
            }
        }
    }

    fn remove<E>(&mut self, way: &Way<'_, E>) -> Option<Arc<Slot<E>>> {
        way.tag.store(0, Ordering::Relaxed);
        let slot = way.slot.swap(None)?;
        self.entries = self.entries.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(slot.weight);
        Some(slot)
    }

    fn fill<E>(&mut self, way: &Way<'_, E>, tag: u64, slot: Slot<E>) {
        self.entries = self.entries.saturating_add(1);
        self.bytes = self.bytes.saturating_add(slot.weight);
        way.slot.store(Some(Arc::new(slot)));
        way.tag.store(tag, Ordering::Relaxed);
    }
}

impl<E> Default for Set<E> {
    fn default() -> Self {
        Self { tags: Default::default(), slots: Default::default() }
    }
}

impl<E, S> Drop for BoundedCache<E, S> {
    /// Drops the entries only. Dropping an `ArcSwap`, even an empty one, scans the debts of all threads, and
    /// most slots are empty.
    fn drop(&mut self) {
        let pages = self.sets.pages.iter_mut().filter_map(OnceLock::take);
        for Set { tags, slots } in pages.flat_map(|page| *page) {
            for (tag, slot) in tags.into_iter().zip(slots) {
                if tag.into_inner() == 0 {
                    // Holds no pointer, so this leaks nothing.
                    mem::forget(slot);
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
