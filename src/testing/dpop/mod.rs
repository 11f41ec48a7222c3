//! The client's side of DPoP: its key pair and its proofs (RFC 9449 section 4).

mod key;
mod proof;

pub use key::DpopKey;
pub use proof::ProofBuilder;
