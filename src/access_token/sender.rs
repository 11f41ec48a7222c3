//! The binding of a token to its sender, with the parts of a proof that are the same for every request.

use std::sync::OnceLock;

use super::confirmation::Confirmation;
use crate::crypto::{Algorithm, VerifyingKey, sha256};
use crate::encoding::base64url;

/// The binding of one token. All requests with the token share it.
pub(crate) struct Sender {
    pub(crate) confirmation: Confirmation,
    /// The `ath` of each proof for the token (RFC 9449 section 4.2).
    pub(crate) ath: Box<str>,
    /// The key of the first proof that was verified, so that later proofs need not parse it again.
    pub(crate) proof_key: OnceLock<ProofKey>,
}

/// The public key of a proof whose signature was verified.
pub(crate) struct ProofKey {
    /// The JOSE header of the proof, still encoded. A client writes the same one each time.
    pub(crate) header: Box<[u8]>,
    pub(crate) algorithm: Algorithm,
    pub(crate) key: VerifyingKey,
}

impl Sender {
    /// The binding of the token with this text.
    pub(crate) fn new(confirmation: Confirmation, token: &str) -> Self {
        let ath = base64url::encode(&sha256(&[token.as_bytes()])).into();
        Self { confirmation, ath, proof_key: OnceLock::new() }
    }
}
