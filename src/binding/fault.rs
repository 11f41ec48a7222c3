//! The faults of a sender.

use super::certificates::CertificateFault;
use super::dpop::ProofFault;

/// Why the sender of a request may not use its token.
#[derive(Clone, Debug)]
pub(crate) enum BindingFault {
    /// The token is bound to a key or a certificate, and the request cannot prove that it has it: the token
    /// was presented as a bearer token, or this method is not accepted.
    SenderNotProven,
    /// The token is not bound, and was presented under the scheme DPoP, or must be bound.
    TokenNotBound,
    /// The client certificate does not prove it.
    Certificate(CertificateFault),
    /// The DPoP proof does not prove it.
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
