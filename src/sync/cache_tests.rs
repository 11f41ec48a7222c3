//! Limits, floods, equal hashes and many threads.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;
use std::thread;

use super::*;

#[derive(Clone, Debug, Eq, PartialEq)]
struct Item {
    key: u64,
    bytes: usize,
    /// Distinguishes two entries with the same key.
    version: u64,
}

impl Entry for Item {
    type Key = u64;

    fn key(&self) -> &u64 {
        &self.key
    }

    fn hash(key: &u64, hasher: &mut impl Hasher) {
        hasher.write_u64(*key);
    }

    fn bytes(&self) -> usize {
        self.bytes
    }
}

fn item(key: u64, bytes: usize) -> Item {
    Item { key, bytes, version: 0 }
}

fn cache(entries: usize, bytes: usize) -> BoundedCache<Item> {
    BoundedCache::new(CacheLimits { entries, bytes })
}

fn holds<S: BuildHasher>(cache: &BoundedCache<Item, S>, key: u64) -> bool {
    cache.get(&key, |item| assert_eq!(item.key, key)).is_some()
}

#[test]
fn neither_entries_nor_bytes_exceed_their_limit() {
    for (name, entries, bytes, each) in [
        ("many small ones", 1_000, 1 << 20, 0),
        ("large ones", 1_000, 1 << 20, 10_000),
        ("one", 1, 1 << 10, 0),
        ("three", 3, 1 << 20, 0),
    ] {
        let cache = cache(entries, bytes);
        for key in 0..10_000 {
            cache.insert(item(key, each));
            assert!(cache.len() <= entries && cache.len() * each <= bytes, "{name}");
        }
        let held = (0..10_000).filter(|key| holds(&cache, *key)).count();
        assert_eq!(held, cache.len(), "{name}");
        assert!(held * 10 >= 9 * entries.min(bytes / each.max(1)), "{name}: {held}");
    }
}

#[test]
fn the_latest_entry_is_cached() {
    let cache = cache(100, 1 << 20);
    for key in 0..10_000 {
        cache.insert(item(key, 0));
        assert!(holds(&cache, key), "{key}");
    }
}

#[test]
fn entries_in_use_survive_a_flood() {
    let cache = cache(1_000, 1 << 20);
    (0..500).for_each(|key| cache.insert(item(key, 0)));
    let mut missed = 0;
    for flood in 1_000..101_000 {
        cache.insert(item(flood, 0));
        let key = flood % 500;
        if !holds(&cache, key) {
            missed += 1;
            cache.insert(item(key, 0));
        }
    }
    assert!(missed < 1_000, "{missed} of 100 000 look-ups missed");
}

fn allocated_pages(cache: &BoundedCache<Item>) -> usize {
    cache.sets.pages.iter().filter(|page| page.get().is_some()).count()
}

#[test]
fn a_page_of_slots_is_allocated_at_the_first_insert_into_it() {
    let cache = cache(10_000, 32 << 20);
    let all = cache.sets.pages.len();
    assert!(all * size_of::<OnceLock<Box<Page<Item>>>>() <= 4096, "the table of {all} pages");
    assert!(!holds(&cache, 1));
    cache.remove(&1);
    assert_eq!(allocated_pages(&cache), 0, "after a lookup");
    for key in 0..10 {
        cache.insert(item(key, 0));
        assert!(allocated_pages(&cache) <= usize::try_from(key).unwrap() + 1);
    }
    (0..20_000).for_each(|key| cache.insert(item(key, 0)));
    assert_eq!(allocated_pages(&cache), all);
}

#[test]
fn eviction_finds_the_entries_of_a_cache_that_is_nearly_empty() {
    let cache = cache(10_000, 32 << 20);
    for key in 0..1_000 {
        cache.insert(item(key, 10 << 20));
        assert!(holds(&cache, key) && cache.len() == usize::try_from(key).unwrap().min(2) + 1, "{key}");
    }
}

#[test]
fn an_entry_replaces_the_one_with_its_key() {
    let cache = cache(100, 1 << 20);
    for version in 0..1_000 {
        cache.insert(Item { version, ..item(7, 100) });
        assert_eq!(cache.get(&7, |item| item.version), Some(version));
        assert_eq!(cache.len(), 1);
    }
    cache.remove(&7);
    cache.remove(&8);
    assert!(!holds(&cache, 7) && cache.len() == 0);
}

#[test]
fn an_entry_larger_than_the_cache_is_not_inserted() {
    let cache = cache(100, 1 << 20);
    cache.insert(item(1, 10));
    cache.insert(item(2, 2 << 20));
    assert!(holds(&cache, 1) && !holds(&cache, 2));
    cache.insert(item(1, 2 << 20));
    assert!(!holds(&cache, 1), "the replaced entry is gone");
    assert_eq!(cache.len(), 0);
}

#[derive(Default)]
struct Same<const HASH: u64>;

impl<const HASH: u64> Hasher for Same<HASH> {
    fn write(&mut self, _: &[u8]) {}

    fn finish(&self) -> u64 {
        HASH
    }
}

#[test]
fn entries_with_equal_hashes_are_never_confused() {
    with_equal_hashes::<0>();
    with_equal_hashes::<42>();
    with_equal_hashes::<{ u64::MAX }>();
}

fn with_equal_hashes<const HASH: u64>() {
    let limits = CacheLimits { entries: 1_000, bytes: 1 << 20 };
    let cache = BoundedCache::with_hasher(limits, BuildHasherDefault::<Same<HASH>>::default());
    for key in 0..100 {
        cache.insert(item(key, 0));
        assert!(cache.get(&key, |item| assert_eq!(item.key, key)).is_some());
        assert!(!holds(&cache, key + 1_000));
    }
    let held = (0..100).filter(|key| holds(&cache, *key)).count();
    assert_eq!((held, cache.len()), (WAYS, WAYS));
}

#[test]
fn an_insert_skips_few_entries_even_if_all_are_used() {
    let cache = cache(1_000, 1 << 20);
    let mut inserted = 0;
    while cache.len() < 1_000 {
        cache.insert(item(inserted, 0));
        inserted += 1;
    }
    for _ in 0..MAX_USES {
        assert_eq!((0..inserted).filter(|key| holds(&cache, *key)).count(), 1_000);
    }
    let uses = || -> usize {
        let ways = (0..cache.sets.count).filter_map(|set| cache.sets.get(set)).flat_map(Set::ways);
        let slots = ways.filter_map(|way| way.slot.load_full());
        slots.map(|slot| usize::from(slot.uses.load(Ordering::Relaxed))).sum()
    };
    let before = uses();
    cache.insert(item(inserted, 0));
    let lost = before - uses();
    assert!((1..=MAX_SECOND_CHANCES + 2 * usize::from(MAX_USES)).contains(&lost), "{lost}");
}

/// Reads the cache when it is dropped, as a value of the user's may.
struct Dropped(u64, std::rc::Weak<BoundedCache<Self>>);

impl Entry for Dropped {
    type Key = u64;

    fn key(&self) -> &u64 {
        &self.0
    }

    fn hash(key: &u64, hasher: &mut impl Hasher) {
        hasher.write_u64(*key);
    }

    fn bytes(&self) -> usize {
        0
    }
}

impl Drop for Dropped {
    fn drop(&mut self) {
        let free = self.1.upgrade().is_none_or(|cache| cache.eviction.try_lock().is_ok());
        assert!(free, "the cache is locked while an entry is dropped");
    }
}

#[test]
fn a_removed_entry_is_dropped_after_the_lock_is_released() {
    let cache = std::rc::Rc::new(BoundedCache::new(CacheLimits { entries: 10, bytes: 1 << 20 }));
    for key in 0..100 {
        cache.insert(Dropped(key, std::rc::Rc::downgrade(&cache)));
        cache.insert(Dropped(key, std::rc::Rc::downgrade(&cache)));
    }
    (0..100).for_each(|key| cache.remove(&key));
    assert_eq!(cache.len(), 0);
}

#[test]
fn after_any_operations_a_key_finds_its_own_entry_and_the_totals_are_right() {
    let mut random = fastrand::Rng::with_seed(11);
    let limits = CacheLimits { entries: 50, bytes: 20_000 };
    let cache = BoundedCache::new(limits);
    let mut last: HashMap<u64, u64> = HashMap::new();
    for version in 0..200_000 {
        let key = random.u64(..100);
        match random.u8(..4) {
            0 => {
                cache.remove(&key);
                last.remove(&key);
            }
            1 => {
                cache.insert(Item { key, version, bytes: random.usize(..2_000) });
                last.insert(key, version);
            }
            _ => {
                let found = cache.get(&key, |item| (item.key, item.version));
                assert!(found.is_none_or(|found| Some(&found.1) == last.get(&key) && found.0 == key));
            }
        }
    }
    let (mut entries, mut bytes) = (0, 0);
    for key in 0..100 {
        if let Some(own) = cache.get(&key, |item| item.bytes) {
            entries += 1;
            bytes += own + size_of::<Slot<Item>>();
        }
    }
    let eviction = cache.lock();
    assert_eq!((entries, bytes), (eviction.entries, eviction.bytes));
}

#[test]
fn threads_read_only_what_was_written() {
    let cache = cache(64, 1 << 20);
    thread::scope(|scope| {
        for thread in 0..8_u64 {
            let cache = &cache;
            scope.spawn(move || {
                let mut random = fastrand::Rng::with_seed(thread);
                for version in 0..20_000 {
                    let key = random.u64(..128);
                    match random.u8(..8) {
                        0 => cache.insert(Item { key, version, bytes: usize::try_from(key).unwrap() }),
                        1 => cache.remove(&key),
                        _ => {
                            let bytes = cache.get(&key, |item| (item.key, item.bytes));
                            assert!(bytes.is_none_or(|found| found == (key, usize::try_from(key).unwrap())));
                        }
                    }
                }
            });
        }
    });
    let held = (0..128).filter(|key| holds(&cache, *key)).count();
    assert_eq!(held, cache.len());
    assert!(held <= 64);
}
