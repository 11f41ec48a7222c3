//! Decides whether the sender of a request may use its token.
//!
//! Checks: a token that is bound to a key or a certificate is presented with a proof of it, and with both if
//! it is bound to both (RFC 7800 section 3); a token under the scheme DPoP is bound to a key (RFC 9449
//! section 7.1). Does not check: the token, which was validated before. A request whose token is invalid uses
//! up no proof.

use std::sync::Arc;

use http::HeaderMap;
use http::request::Parts;

use super::certificates::CertificateReader;
use super::dpop::{Verified, Verifier};
use super::fault::BindingFault;
use crate::access_token::{Confirmation, Sender};
use crate::bearer::{DPOP, Scheme, Schemes, hide_lines};
use crate::time::NumericDate;

/// The proofs that a `BearerAuth` accepts.
#[derive(Clone, Default)]
pub(crate) struct SenderPolicy {
    pub(crate) dpop: Option<Arc<Verifier>>,
    pub(crate) certificates: Option<Arc<CertificateReader>>,
    /// Whether a token must be bound to a key or a certificate.
    pub(crate) requires_binding: bool,
}

impl SenderPolicy {
    /// The schemes under which a request may present its token.
    pub(crate) fn schemes(&self) -> Schemes {
        match &self.dpop {
            None => Schemes::Bearer,
            Some(dpop) if dpop.is_required() || self.is_dpop_the_only_proof() => Schemes::Dpop,
            Some(_) => Schemes::BearerAndDpop,
        }
    }

    /// The algorithms that a DPoP proof may be signed with, space-delimited. `None` without DPoP.
    pub(crate) fn dpop_algs(&self) -> Option<&str> {
        self.dpop.as_deref().map(Verifier::algs)
    }

    /// The number of proofs in the replay memory. `None` without DPoP, or with a replay store of the user's.
    #[cfg(feature = "metrics")]
    pub(crate) fn replay_proofs(&self) -> Option<usize> {
        Some(self.dpop.as_ref()?.replay().memory()?.len())
    }

    /// Whether every token must be bound to a key.
    pub(crate) fn requires_key(&self) -> bool {
        self.schemes() == Schemes::Dpop
    }

    /// Whether a bearer token cannot be accepted, because it must be bound and no certificate counts.
    fn is_dpop_the_only_proof(&self) -> bool {
        self.requires_binding && self.certificates.is_none()
    }

    /// Checks that a request could prove to be the sender of a token with this `cnf`.
    ///
    /// # Errors
    /// [`BindingFault::SenderNotProven`] if no accepted proof could.
    pub(crate) fn check_provable(&self, bound_to: Option<&Confirmation>) -> Result<(), BindingFault> {
        let is_provable = bound_to.is_none_or(|bound_to| {
            (bound_to.jkt.is_some() || bound_to.x5t_s256.is_some())
                && (bound_to.jkt.is_none() || self.dpop.is_some())
                && (bound_to.x5t_s256.is_none() || self.certificates.is_some())
        });
        if is_provable { Ok(()) } else { Err(BindingFault::SenderNotProven) }
    }

    /// Checks that a token with this `cnf` may come under this scheme, whatever its proof. A token outside of
    /// the `Authorization` header, such as one in a form body, counts as a bearer token.
    ///
    /// # Errors
    /// [`BindingFault::TokenNotBound`] and [`BindingFault::SenderNotProven`].
    pub(super) fn check_binding(
        &self,
        scheme: Scheme,
        bound_to: Option<&Confirmation>,
    ) -> Result<(), BindingFault> {
        let Some(bound_to) = bound_to else {
            let is_bearer = scheme == Scheme::Bearer && !self.requires_binding;
            return if is_bearer { Ok(()) } else { Err(BindingFault::TokenNotBound) };
        };
        self.check_provable(Some(bound_to))?;
        match (scheme, bound_to.jkt) {
            (Scheme::Bearer, Some(_)) => Err(BindingFault::SenderNotProven),
            (Scheme::Dpop, None) => Err(BindingFault::TokenNotBound),
            (Scheme::Bearer, None) if self.requires_key() => Err(BindingFault::TokenNotBound),
            _ => Ok(()),
        }
    }

    /// Marks the DPoP proof as sensitive, so that `Debug` does not show it, or removes it.
    pub(crate) fn hide_proofs(&self, headers: &mut HeaderMap, remove: bool) {
        if self.dpop.is_none() {
            return;
        }
        if remove {
            headers.remove(DPOP);
        } else {
            hide_lines(headers, &DPOP);
        }
    }

    /// Whether a proof or a certificate can be in a header.
    pub(crate) fn reads_headers(&self) -> bool {
        self.dpop.is_some() || self.certificates.is_some()
    }

    /// Hides the DPoP proof as [`hide_proofs`](Self::hide_proofs) does. Removes the header in which a proxy
    /// sends the certificate, so that the inner service cannot take one of another sender for it.
    // Inlined, it would make the path of bearer requests longer.
    #[inline(never)]
    pub(crate) fn hide_headers(&self, headers: &mut HeaderMap, remove_proofs: bool) {
        self.hide_proofs(headers, remove_proofs);
        if let Some(certificates) = &self.certificates {
            certificates.remove_headers(headers);
        }
    }

    /// Whether [`verify`](Self::verify) has anything to check.
    pub(crate) fn applies_to(&self, scheme: Scheme, sender: Option<&Sender>) -> bool {
        sender.is_some() || scheme == Scheme::Dpop || self.requires_binding
    }

    /// Verifies the proof in the `head` of a request with a valid token. A DPoP proof is accepted once its
    /// use is recorded.
    ///
    /// # Errors
    /// [`BindingFault`].
    pub(crate) fn verify(
        &self,
        head: &Parts,
        scheme: Scheme,
        sender: Option<&Sender>,
        now: NumericDate,
    ) -> Result<Option<Verified>, BindingFault> {
        self.check_binding(scheme, sender.map(|sender| &sender.confirmation))?;
        let Some(sender) = sender else { return Ok(None) };
        let bound_to = &sender.confirmation;
        if let Some((certificates, expected)) = self.certificates.as_ref().zip(bound_to.x5t_s256.as_ref()) {
            certificates.check(head, expected)?;
        }
        match (&self.dpop, scheme) {
            (Some(dpop), Scheme::Dpop) => Ok(Some(dpop.verify(head, sender, now)?)),
            _ => Ok(None),
        }
    }
}
