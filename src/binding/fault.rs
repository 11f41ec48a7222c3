//! The faults of a sender.

use super::certificates::CertificateFault;
use super::dpop::ProofFault;

/// Why the sender of a request may not use its token.
#[derive(Clone, Debug)]
pub(crate) enum BindingFault {
    /// The token is bound to a key or a certificate, and the request proves no possession of it: the token
    /// was presented as a bearer token, or this kind of proof is not accepted.
    SenderNotProven,
    /// The token is not bound, and was presented under the scheme DPoP, or must be bound.
    TokenNotBound,
    /// The check of the client certificate failed.
    Certificate(CertificateFault),
    /// The check of the DPoP proof failed.
    Proof(ProofFault),
}

impl From<CertificateFault> for BindingFault {
    fn from(fault: CertificateFault) -> Self {
        Self::Certificate(fault)
    }
}

impl From<ProofFault> for BindingFault {
    fn from(fault: ProofFault) -> Self {
        Self::Proof(fault)
    }
}
