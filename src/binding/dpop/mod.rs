//! Demonstrating Proof of Possession: access tokens that only the holder of a private key can use (RFC 9449).

mod nonce;
mod replay;

pub use nonce::Nonces;
pub(crate) use nonce::{AcceptedNonce, NonceIssuer};
pub use replay::{ProofUse, RecordFuture, Recorded, ReplayStore, ReplayStoreError};
pub(crate) use replay::{Recording, Replay, ReplayFault, ReplayMemory};
