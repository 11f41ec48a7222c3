//! State shared by threads: a bounded cache, a rate limiter, a circuit breaker and a sharded `Arc`.

mod breaker;
mod cache;
mod rate_limit;
mod sharded_arc;

pub use breaker::CircuitState;
pub(crate) use breaker::{Breaker, Purpose};
pub(crate) use cache::{BoundedCache, CacheLimits, Entry};
pub(crate) use rate_limit::RateLimit;
pub(crate) use sharded_arc::{Shard, ShardedArc};
