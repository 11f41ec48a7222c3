//! The last step of the request path: the sender of a request proves that it may use the token.

use std::future::Future;
use std::pin::Pin;

use http::HeaderValue;
use http::request::Parts;

use super::Authenticator;
use super::progress::Unproven;
use crate::access_token::AccessToken;
use crate::bearer::Scheme;
use crate::binding::dpop::{ProofFault, Recording, Verified};
use crate::binding::{BindingFault, SenderPolicy};
use crate::rejection::Rejection;
use crate::time::NumericDate;

/// How far the check of a proof got without waiting.
pub(crate) enum ProofProgress {
    Done(Result<Proven, Rejection>),
    /// The replay store decides.
    Pending(PendingProof),
}

/// The decision of the replay store.
pub(crate) type PendingProof = Pin<Box<dyn Future<Output = Result<Proven, Rejection>> + Send>>;

/// A token whose sender may use it.
pub(crate) struct Proven {
    pub(crate) token: AccessToken,
    /// The nonce for the next proof of the client, if it used one that expires soon (RFC 9449 section 8.2).
    pub(crate) fresh_nonce: Option<HeaderValue>,
}

impl Authenticator {
    /// Checks that the request with this `head` proves that its sender may use its valid token.
    pub(crate) fn prove(&self, head: &Parts, unproven: Unproven) -> ProofProgress {
        let Unproven { token, scheme } = unproven;
        let now = self.now();
        self.ignored_headers.report(head, &self.senders, token.sender());
        match self.senders.verify(head, scheme, token.sender(), now) {
            Ok(None) => ProofProgress::Done(Ok(Proven { token, fresh_nonce: None })),
            Ok(Some(verified)) => record(&self.senders, verified, token, now),
            Err(fault) => ProofProgress::Done(Err(rejected(fault, &token, scheme))),
        }
    }
}

/// Records the use of a DPoP proof. The request is accepted if it is the first.
fn record(senders: &SenderPolicy, verified: Verified, token: AccessToken, now: NumericDate) -> ProofProgress {
    let Verified { proof, fresh_nonce } = verified;
    let Some(dpop) = &senders.dpop else { return ProofProgress::Done(Ok(Proven { token, fresh_nonce })) };
    let decide = move |recorded: Result<(), _>| match recorded {
        Ok(()) => Ok(Proven { token, fresh_nonce }),
        Err(fault) => Err(rejected(ProofFault::from(fault).into(), &token, Scheme::Dpop)),
    };
    match dpop.replay().record(proof, now) {
        Recording::Done(recorded) => ProofProgress::Done(decide(recorded)),
        Recording::Pending(recording) => {
            ProofProgress::Pending(Box::pin(async move { decide(recording.await) }))
        }
    }
}

fn rejected(fault: BindingFault, token: &AccessToken, scheme: Scheme) -> Rejection {
    Rejection::from(fault).about(token).with_scheme(scheme)
}
