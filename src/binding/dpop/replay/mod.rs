//! The replay check: no proof is accepted twice (RFC 9449 section 11.1).
//!
//! It is the last check of a proof, so a rejected request uses no proof up. The uses are recorded in the
//! memory of the process, or in a store that several instances share.
//!
//! Checks: this proof was not used before.
//! Does not check: whether the proof is too old. The caller passes the moment from which on it is.

mod memory;
mod proof_use;
mod store;
mod store_error;
#[cfg(all(test, any(feature = "aws-lc-rs", feature = "rust-crypto")))]
mod tests;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use memory::ReplayMemory;
pub use proof_use::ProofUse;
pub use store::{RecordFuture, Recorded, ReplayStore};
pub use store_error::ReplayStoreError;

use crate::time::NumericDate;

/// How long a request waits for a store.
const STORE_TIMEOUT: Duration = Duration::from_secs(1);

/// The longest time of `Retry-After`.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(5 * 60);

/// Where the uses of proofs are recorded.
#[derive(Clone)]
pub(crate) enum Replay {
    /// In this process: never waits.
    Memory(Arc<ReplayMemory>),
    Store(Arc<dyn ReplayStore>),
}

/// A use that is being recorded.
pub(crate) enum Recording {
    Done(Result<(), ReplayFault>),
    Pending(Pin<Box<dyn Future<Output = Result<(), ReplayFault>> + Send>>),
}

/// Why the use of a proof is rejected.
#[derive(Clone, Debug)]
pub(crate) enum ReplayFault {
    /// The proof was used before.
    Replayed,
    /// There is no room for another proof until `retry_after` has passed: whole seconds, at least one.
    Full { retry_after: Duration },
    /// The store of the user failed.
    Unavailable(Arc<ReplayStoreError>),
}

impl Replay {
    /// Records this use of a proof at `now`, unless the proof was used before.
    pub(crate) fn record(&self, proof: ProofUse, now: NumericDate) -> Recording {
        match self {
            Self::Memory(memory) => Recording::Done(memory.record(&proof, now)),
            Self::Store(store) => Recording::Pending(Box::pin(record_in_store(Arc::clone(store), proof))),
        }
    }

    /// The memory of this process, unless the user has set a store.
    pub(crate) fn memory(&self) -> Option<&ReplayMemory> {
        match self {
            Self::Memory(memory) => Some(memory),
            Self::Store(_) => None,
        }
    }
}

async fn record_in_store(store: Arc<dyn ReplayStore>, proof: ProofUse) -> Result<(), ReplayFault> {
    let recorded = tokio::time::timeout(STORE_TIMEOUT, store.record(proof)).await;
    match recorded.unwrap_or_else(|_| Err(ReplayStoreError::timed_out())) {
        Ok(Recorded::First) => Ok(()),
        Ok(Recorded::Replayed) => Err(ReplayFault::Replayed),
        Err(error) => Err(error.into()),
    }
}

impl From<ReplayStoreError> for ReplayFault {
    fn from(error: ReplayStoreError) -> Self {
        match error.retry_after() {
            Some(retry_after) => Self::Full { retry_after: whole_secs(retry_after) },
            None => Self::Unavailable(Arc::new(error)),
        }
    }
}

/// Rounds up to whole seconds, from 1 s to 5 min.
fn whole_secs(duration: Duration) -> Duration {
    let secs = duration.as_secs().saturating_add(u64::from(duration.subsec_nanos() > 0));
    Duration::from_secs(secs.max(1)).min(MAX_RETRY_AFTER)
}
