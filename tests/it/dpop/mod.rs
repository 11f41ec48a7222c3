//! Requests with DPoP proofs (RFC 9449), through the whole layer.

mod changed_proofs;
mod exposure;
mod http2;
mod introspected;
mod keys;
mod nonces;
mod replay;
mod responses;
mod schemes;
mod store;
mod urls;
mod window;

use std::future::Future;

use tower_bearer::dpop::{ProofUse, RecordFuture, Recorded, ReplayStore, ReplayStoreError};

/// A replay store that is an asynchronous function.
struct StoreFn<F>(F);

impl<F, R> ReplayStore for StoreFn<F>
where
    F: Fn(ProofUse) -> R + Send + Sync + 'static,
    R: Future<Output = Result<Recorded, ReplayStoreError>> + Send + 'static,
{
    fn record(&self, proof: ProofUse) -> RecordFuture {
        Box::pin((self.0)(proof))
    }
}
