//! A shared value whose references threads count apart.
//!
//! Why: a count that many threads write in turn makes each wait for the others, some 100 ns at a time for two
//! threads that do little else. Here each thread has a count that it shares with few others or none.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many counts there are.
const SHARDS: usize = 8;

static NEXT_THREAD: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// Threads are numbered as they come.
    static THREAD: usize = NEXT_THREAD.fetch_add(1, Ordering::Relaxed);
}

/// The value, and the counts.
pub(crate) struct ShardedArc<T> {
    shards: [Arc<Shard<T>>; SHARDS],
}

/// One count; what `Arc` counts stands before it. Processors fetch lines of 64 bytes in pairs.
#[repr(align(128))]
pub(crate) struct Shard<T> {
    value: Arc<T>,
}

impl<T> ShardedArc<T> {
    pub(crate) fn new(value: T) -> Self {
        let value = Arc::new(value);
        Self { shards: std::array::from_fn(|_| Arc::new(Shard { value: Arc::clone(&value) })) }
    }

    /// The reference for this thread to count.
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
