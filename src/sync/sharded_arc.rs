//! A sharded `Arc`: reference counts do not contend across threads.
//!
//! Why: threads that update one reference count in turn wait for each other, about 100 ns per update for two
//! busy threads. Here each thread updates the count of its own shard, which it shares with few other threads
//! or none.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The number of shards.
const SHARDS: usize = 8;

static NEXT_THREAD: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Threads are numbered in the order of their first use.
    static THREAD: usize = NEXT_THREAD.fetch_add(1, Ordering::Relaxed);
}

/// A value with several reference counts.
pub(crate) struct ShardedArc<T> {
    shards: [Arc<Shard<T>>; SHARDS],
}

/// One reference count, next to the pointer to the value. Aligned to 128 bytes, because processors fetch
/// cache lines of 64 bytes in pairs.
#[repr(align(128))]
pub(crate) struct Shard<T> {
    value: Arc<T>,
}

impl<T> ShardedArc<T> {
    pub(crate) fn new(value: T) -> Self {
        let value = Arc::new(value);
        Self { shards: std::array::from_fn(|_| Arc::new(Shard { value: Arc::clone(&value) })) }
    }

    /// The shard of the current thread. Clone it to hold a reference.
    pub(crate) fn shard(&self) -> &Arc<Shard<T>> {
        let [first, ..] = &self.shards;
        THREAD.with(|thread| self.shards.get(thread % SHARDS)).unwrap_or(first)
    }
}

impl<T> Deref for ShardedArc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        let [first, ..] = &self.shards;
        &first.value
    }
}

impl<T> Deref for Shard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}
