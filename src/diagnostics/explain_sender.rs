//! Explains whether the sender of a token may use it, and what is expected of senders.

use http::request::Parts;

use super::explanation::{CheckResult, Explanation};
use crate::access_token::Confirmation;
use crate::authenticate::Authenticator;
use crate::bearer::{BearerToken, Scheme};
use crate::binding::SenderCheck;
use crate::binding::dpop::Verifier;
use crate::encoding::shown::listed;
use crate::rejection::RejectionKind;

impl Authenticator {
    /// Adds a finding for the binding of the token and, with a request, for each check of its proof.
    pub(super) fn explain_sender(
        &self,
        token: BearerToken<'_>,
        bound_to: Option<&Confirmation>,
        request: Option<(&Parts, Scheme)>,
        explanation: &mut Explanation,
    ) {
        let checks: Vec<SenderCheck> = match request {
            Some((head, scheme)) => self.senders.explain(head, scheme, token.as_str(), bound_to, self.now()),
            None => self.senders.explain_binding(bound_to).into_iter().collect(),
        };
        for SenderCheck { name, expected, presented, result } in checks {
            let result = result.map_or(CheckResult::NotRun, CheckResult::of);
            explanation.add(name, &expected, &presented, result);
        }
    }

    /// The proof that the configuration expects of the sender of a request.
    pub(super) fn expected_of_sender(&self, kind: RejectionKind) -> Option<String> {
        let of_proof = |expected: fn(&Verifier) -> String| self.senders.dpop.as_deref().map(expected);
        match kind {
            RejectionKind::SenderNotProven | RejectionKind::TokenNotBound => Some(self.senders.accepted()),
            RejectionKind::ProofAlgorithmNotAllowed => of_proof(|dpop| dpop.algs().to_owned()),
            RejectionKind::ProofUrlMismatch => of_proof(|dpop| listed(dpop.bases())),
            RejectionKind::ProofExpired | RejectionKind::ProofIssuedInFuture => {
                of_proof(|dpop| format!("iat {}", dpop.window()))
            }
            RejectionKind::CertificateMissing
            | RejectionKind::CertificateMismatch
            | RejectionKind::CertificateHeaderMalformed => {
                self.senders.certificates.as_deref().map(|certificates| certificates.sources())
            }
            _ => None,
        }
    }
}
