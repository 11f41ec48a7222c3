//! Step 9 of the request path: the sender of a request proves that it may use the token.

use std::future::Future;
use std::pin::Pin;

use http::HeaderValue;
use http::request::Parts;

use super::Authenticator;
use super::progress::Unproven;
use crate::access_token::AccessToken;
use crate::rejection::Rejection;

/// How far the check of a proof got without waiting.
pub(crate) enum Proof {
    Done(Result<Proven, Rejection>),
    /// The store of used proofs decides.
    Pending(PendingProof),
}

/// The decision of the store of used proofs.
pub(crate) type PendingProof = Pin<Box<dyn Future<Output = Result<Proven, Rejection>> + Send>>;

/// A token whose sender may use it.
pub(crate) struct Proven {
    pub(crate) token: AccessToken,
    /// The nonce for the next proof of the client, if it used one that expires soon (RFC 9449 section 8.2).
    pub(crate) fresh_nonce: Option<HeaderValue>,
}

impl Authenticator {
    /// Checks that the request with this `head` proves that its sender may use its valid token.
    pub(crate) fn prove(&self, head: &Parts, unproven: Unproven) -> Proof {
        let Unproven { token, scheme } = unproven;
        let checked = self.senders.check(head, scheme, token.sender(), self.now());
        Proof::Done(match checked {
            Ok(()) => Ok(Proven { token, fresh_nonce: None }),
            Err(fault) => Err(Rejection::from(fault).about(&token).with_scheme(scheme)),
        })
    }
}
