//! A map of bounded size that keeps what is used, for many threads.
//!
//! Checks: the number of entries and the bytes that they hold stay within their limits, at every moment.
//! Does not check: how old an entry is. Its user knows what makes it void, and looks at every hit.
//!
//! Why `quick_cache` and not `moka`: a hit took 20 ns against 135 ns (32-byte keys, one thread, aws-lc-rs
//! SHA-256 of a token 60 ns beside it), an insertion holds to the limit at once and not after some
//! housekeeping, and it brings two crates rather than ten. It keeps what was asked for more than once
//! before what came by once, so that a flood of new entries does not sweep the good ones out.

use std::fmt;
use std::hash::Hash;

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{DefaultHashBuilder, OptionsBuilder, Weighter};

/// The least room that one part of the cache has.
const SHARD_BYTES_MIN: usize = 2 * 1024 * 1024;

/// The most parts, each with a lock of its own.
const SHARDS_MAX: usize = 64;

/// The map. A value is cloned when it is handed out: it should count a reference.
pub(crate) struct BoundedCache<K, V: Weigh>(Cache<K, V, ByWeight>);

/// How much memory a value holds.
pub(crate) trait Weigh: Clone {
    /// Bytes, beside those of the value itself.
    fn bytes(&self) -> usize;
}

/// How much may be kept.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct CacheLimits {
    pub(crate) entries: usize,
    pub(crate) bytes: usize,
}

impl<K: Eq + Hash, V: Weigh> BoundedCache<K, V> {
    pub(crate) fn new(limits: CacheLimits) -> Self {
        let bytes = u64::try_from(limits.bytes).unwrap_or(u64::MAX);
        let entries = u64::try_from(limits.entries).unwrap_or(u64::MAX).saturating_add(1);
        // One measure for both limits: an entry weighs so much that one more than allowed would not fit.
        let share = bytes.checked_div(entries).unwrap_or(bytes).saturating_add(1);
        let options = OptionsBuilder::new()
            .estimated_items_capacity(limits.entries)
            .weight_capacity(bytes)
            .shards(Self::shards(limits))
            .build();
        let cache = options.map_or_else(
            |_| Cache::with_weighter(limits.entries, bytes, ByWeight { share }),
            |options| {
                Cache::with_options(
                    options,
                    ByWeight { share },
                    DefaultHashBuilder::default(),
                    DefaultLifecycle::default(),
                )
            },
        );
        Self(cache)
    }

    /// Few enough that each has room for a large entry: one that is larger than its part is not kept.
    fn shards(limits: CacheLimits) -> usize {
        (limits.bytes / SHARD_BYTES_MIN).clamp(1, SHARDS_MAX)
    }

    pub(crate) fn get(&self, key: &K) -> Option<V> {
        self.0.get(key)
    }

    pub(crate) fn insert(&self, key: K, value: V) {
        self.0.insert(key, value);
    }

    pub(crate) fn remove(&self, key: &K) {
        self.0.remove(key);
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

impl<K, V: Weigh> fmt::Debug for BoundedCache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundedCache").finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct ByWeight {
    share: u64,
}

impl<K, V: Weigh> Weighter<K, V> for ByWeight {
    fn weight(&self, _: &K, value: &V) -> u64 {
        let own = size_of::<K>().saturating_add(size_of::<V>());
        let bytes = own.saturating_add(value.bytes());
        u64::try_from(bytes).unwrap_or(u64::MAX).max(self.share)
    }
}

#[cfg(test)]
#[allow(clippy::arithmetic_side_effects, reason = "a test that overflows fails")]
mod tests {
    use super::*;

    #[derive(Clone)]
    struct Sized(usize);

    impl Weigh for Sized {
        fn bytes(&self) -> usize {
            self.0
        }
    }

    fn cache(entries: usize, bytes: usize) -> BoundedCache<u64, Sized> {
        BoundedCache::new(CacheLimits { entries, bytes })
    }

    #[test]
    fn neither_the_entries_nor_their_bytes_go_over_their_limit() {
        for (name, entries, bytes, each) in [
            ("many small ones", 1_000, 1 << 20, 0),
            ("large ones", 1_000, 1 << 20, 10_000),
            ("one", 1, 1 << 10, 0),
        ] {
            let cache = cache(entries, bytes);
            for key in 0..10_000 {
                cache.insert(key, Sized(each));
                assert!(cache.len() <= entries && cache.len() * each <= bytes, "{name}");
            }
            assert!(cache.len() * 2 >= entries.min(bytes / each.max(1)), "{name}: {}", cache.len());
        }
    }

    #[test]
    fn what_is_used_survives_a_flood() {
        let cache = cache(1_000, 1 << 20);
        (0..500).for_each(|key| cache.insert(key, Sized(0)));
        for flood in 1_000..100_000 {
            cache.insert(flood, Sized(0));
            assert!(cache.get(&(flood % 500)).is_some() || flood > 1_500, "{flood}");
        }
        let kept = (0..500).filter(|key| cache.get(key).is_some()).count();
        assert!(kept >= 490, "{kept}");
    }

    #[test]
    fn what_is_larger_than_the_cache_is_not_kept_and_does_no_harm() {
        let cache = cache(100, 1 << 20);
        cache.insert(1, Sized(10));
        cache.insert(2, Sized(2 << 20));
        assert!(cache.get(&1).is_some() && cache.get(&2).is_none());
        cache.remove(&1);
        assert_eq!(cache.len(), 0);
    }
}
