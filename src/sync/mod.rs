//! State shared by threads: a bounded cache, limits, a circuit breaker and a sharded `Arc`.

mod adaptive_limit;
mod atomic_rate_limit;
mod breaker;
mod cache;
mod rate_limit;
mod sharded_arc;

pub(crate) use adaptive_limit::{AdaptiveLimit, CallEnd, EndedCall};
pub(crate) use atomic_rate_limit::AtomicRateLimit;
pub use breaker::CircuitState;
pub(crate) use breaker::{Breaker, Failure, Purpose};
pub(crate) use cache::{BoundedCache, CacheLimits, Entry};
pub(crate) use rate_limit::RateLimit;
pub(crate) use sharded_arc::{Shard, ShardedArc};
