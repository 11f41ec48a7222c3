//! Rejections of requests whose sender may not use the token (RFC 9449 section 7.1, RFC 8705 section 3).

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use super::{Cause, Rejection, RejectionKind};
use crate::binding::BindingFault;
use crate::binding::certificates::CertificateFault;
use crate::binding::dpop::ProofFault;

/// How long a client should wait after the replay store has failed.
const STORE_RETRY_AFTER: Duration = Duration::from_secs(1);

impl From<BindingFault> for Rejection {
    fn from(fault: BindingFault) -> Self {
        match fault {
            BindingFault::SenderNotProven => RejectionKind::SenderNotProven.into(),
            BindingFault::TokenNotBound => RejectionKind::TokenNotBound.into(),
            BindingFault::Certificate(fault) => fault.into(),
            BindingFault::Proof(fault) => fault.into(),
        }
    }
}

impl From<CertificateFault> for Rejection {
    fn from(fault: CertificateFault) -> Self {
        let kind = match fault {
            CertificateFault::Missing => RejectionKind::CertificateMissing,
            CertificateFault::Mismatch => RejectionKind::CertificateMismatch,
            CertificateFault::HeaderMalformed(_) => RejectionKind::CertificateHeaderMalformed,
            CertificateFault::PeerAddressUnknown => RejectionKind::PeerAddressUnknown,
        };
        match fault {
            CertificateFault::HeaderMalformed(_) => caused(kind, fault),
            _ => kind.into(),
        }
    }
}

impl From<ProofFault> for Rejection {
    fn from(fault: ProofFault) -> Self {
        use RejectionKind as K;
        let kind = match fault {
            ProofFault::Missing => K::ProofMissing,
            ProofFault::Malformed(_) => return caused(K::ProofMalformed, fault),
            ProofFault::AlgorithmNotAllowed => K::ProofAlgorithmNotAllowed,
            ProofFault::KeyMismatch => K::ProofKeyMismatch,
            ProofFault::SignatureMismatch => K::ProofSignatureMismatch,
            ProofFault::MethodMismatch => K::ProofMethodMismatch,
            ProofFault::UrlMismatch => K::ProofUrlMismatch,
            ProofFault::TokenMismatch => K::ProofTokenMismatch,
            ProofFault::Expired => K::ProofExpired,
            ProofFault::IssuedInFuture => K::ProofIssuedInFuture,
            ProofFault::Replayed => K::ProofReplayed,
            ProofFault::NonceRequired(nonce) => {
                let mut rejection = Self::from(K::ProofNonceRequired);
                rejection.details_mut().fresh_nonce = Some(nonce);
                return rejection;
            }
            ProofFault::TooMany { retry_after } => {
                return Self::unavailable::<ProofFault>(K::ProofsTooMany, retry_after, None);
            }
            ProofFault::StoreUnavailable(error) => {
                return Self::unavailable(K::ReplayStoreUnavailable, STORE_RETRY_AFTER, Some(error));
            }
        };
        kind.into()
    }
}

fn caused(kind: RejectionKind, cause: impl Error + Send + Sync + 'static) -> Rejection {
    let mut rejection = Rejection::from(kind);
    rejection.details_mut().cause = Some(Cause::Error(Arc::new(cause)));
    rejection
}
