//! The binding of a token to its sender, with the parts of a proof that are the same for every request.

use std::sync::{Arc, OnceLock};

use super::AccessToken;
use super::confirmation::Confirmation;
use crate::crypto::{Algorithm, VerifyingKey, sha256};
use crate::encoding::base64url;

/// The assumed size of the key of a proof and its encoded header, in bytes: that of a 2048-bit RSA key.
const PROOF_KEY_BYTES: usize = 2048;

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

    /// The approximate memory that it holds, in bytes, with the key of a proof.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>().saturating_add(self.ath.len()).saturating_add(PROOF_KEY_BYTES)
    }
}

impl AccessToken {
    /// Returns the key or the certificate that the token is bound to (`cnf`, RFC 7800 section 3). The sender
    /// of the request has proven possession of it. `None` for a bearer token.
    ///
    /// ```
    /// use tower_bearer::AccessToken;
    ///
    /// /// Names the key of the client in an audit log.
    /// fn key_name(token: &AccessToken) -> Option<String> {
    ///     token.bound_to()?.jwk_thumbprint()
    /// }
    /// ```
    #[must_use]
    pub fn bound_to(&self) -> Option<&Confirmation> {
        self.sender().map(|sender| &sender.confirmation)
    }

    /// The binding of a sender-constrained token.
    pub(crate) fn sender(&self) -> Option<&Sender> {
        self.checked.sender.as_deref()
    }

    /// The same token, bound to this key or certificate. `text` is the token as received.
    pub(crate) fn bound(self, confirmation: Confirmation, text: &str) -> Self {
        let checked = &self.checked;
        let sender = Some(Arc::new(Sender::new(confirmation, text)));
        let (json, raw_token) = (self.claims_json().to_owned(), checked.raw_token.clone());
        let token = Self::with_sender(checked.grant.clone(), json, raw_token, sender);
        Self { covered_by: self.covered_by, ..token }
    }
}
