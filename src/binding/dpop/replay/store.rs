//! The trait that every replay store implements.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::proof_use::ProofUse;
use super::store_error::ReplayStoreError;

/// The future that [`ReplayStore::record`] returns.
///
/// ```
/// use tower_bearer::dpop::{RecordFuture, ReplayStoreError};
///
/// let unavailable: RecordFuture = Box::pin(async { Err(ReplayStoreError::new("connection refused")) });
/// ```
pub type RecordFuture = Pin<Box<dyn Future<Output = Result<Recorded, ReplayStoreError>> + Send>>;

/// The decision of a [`ReplayStore`] about the use of a proof.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Recorded {
    /// This is the first use of the proof. The store has recorded it.
    First,
    /// The proof was used before. The request is rejected: 401 `proof_replayed`.
    Replayed,
}

/// Records which DPoP proofs were used, so that no proof is accepted twice (RFC 9449 section 11.1).
///
/// The default store is in the memory of the process and knows the proofs of that process. With several
/// instances behind a load balancer, a proof that one of them accepted can be replayed at another one.
/// Implement this trait for a store that all instances share, and pass it to `Dpop::replay_store`.
///
/// An implementation must:
///
/// - **Be atomic.** Set the key if it is absent, in one step, such as `SET key 1 NX PXAT expires_at` of
///   Redis. Of all concurrent calls with one [`ProofUse::id`], on all instances, exactly one returns
///   [`Recorded::First`].
/// - **Keep each key until [`ProofUse::expires_at`]**, and never forget it earlier: no eviction, no replica
///   that lags behind, no fallback to an empty store. If the clocks of the instances differ, keep each key
///   longer by that difference.
/// - **Return an error if it cannot record**: [`ReplayStoreError::new`] if the store is unavailable,
///   [`ReplayStoreError::full`] if it has no room. The request is then rejected with 503: never accepted,
///   and never rejected with 401, which would blame the client.
/// - **Be fast.** Each request with a DPoP proof waits for it. After 1 s the future is dropped, and the
///   request is rejected with 503. Limit each call to 100 ms, and stop calling a store that fails (circuit
///   breaker).
///
/// A future that is dropped, for example because the client has disconnected, may have recorded the proof or
/// not. Clients sign a new proof for each request.
///
/// An `Arc<dyn ReplayStore>` is a `ReplayStore`, too.
///
/// ```
/// use std::collections::HashMap;
/// use std::sync::Mutex;
/// use std::time::SystemTime;
/// use tower_bearer::dpop::{ProofUse, RecordFuture, Recorded, ReplayStore};
///
/// /// One memory for several layers of a process. Without a limit, so for illustration only.
/// #[derive(Default)]
/// struct Shared {
///     proofs: Mutex<HashMap<[u8; 16], SystemTime>>,
/// }
///
/// impl ReplayStore for Shared {
///     fn record(&self, proof: ProofUse) -> RecordFuture {
///         let mut proofs = self.proofs.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
///         proofs.retain(|_, expires_at| *expires_at > SystemTime::now());
///         let recorded = match proofs.insert(proof.id(), proof.expires_at()) {
///             None => Recorded::First,
///             Some(_) => Recorded::Replayed,
///         };
///         Box::pin(async move { Ok(recorded) })
///     }
/// }
/// ```
pub trait ReplayStore: Send + Sync + 'static {
    /// Records this use of a proof, unless the proof was used before.
    ///
    /// # Errors
    /// The future resolves to a [`ReplayStoreError`] if the store cannot tell, or cannot record the use.
    fn record(&self, proof: ProofUse) -> RecordFuture;
}

/// A shared store, `Arc<dyn ReplayStore>` included.
impl<S: ReplayStore + ?Sized> ReplayStore for Arc<S> {
    fn record(&self, proof: ProofUse) -> RecordFuture {
        (**self).record(proof)
    }
}
