//! Decides whether the sender of a request may use its token.
//!
//! Checks: a token that is bound to a key or a certificate is presented with a proof of it, to both if it is
//! bound to both (RFC 7800 section 3); a token under the scheme DPoP is bound to a key (RFC 9449 section 7.1).
//! Does not check: the token, which was validated before. A proof is never consumed by a request whose token
//! is invalid.

use http::request::Parts;

use super::fault::BindingFault;
use crate::access_token::{Confirmation, Sender};
use crate::bearer::{Scheme, Schemes};
use crate::time::NumericDate;

/// The proofs that a `BearerAuth` accepts.
#[derive(Clone, Default)]
pub(crate) struct SenderPolicy {}

impl SenderPolicy {
    /// The schemes under which a request may present its token.
    pub(crate) fn schemes(&self) -> Schemes {
        Schemes::Bearer
    }

    /// Checks that a request could prove to be the sender of a token with this `cnf`.
    ///
    /// # Errors
    /// [`BindingFault::SenderNotProven`] if no accepted proof could.
    pub(crate) fn check_provable(&self, bound_to: Option<&Confirmation>) -> Result<(), BindingFault> {
        if bound_to.is_none() { Ok(()) } else { Err(BindingFault::SenderNotProven) }
    }

    /// Whether [`check`](Self::check) has anything to check.
    pub(crate) fn applies_to(&self, scheme: Scheme, sender: Option<&Sender>) -> bool {
        sender.is_some() || scheme == Scheme::Dpop
    }

    /// Checks the proof in the `head` of a request with a valid token.
    ///
    /// # Errors
    /// [`BindingFault`].
    pub(crate) fn check(
        &self,
        _head: &Parts,
        _scheme: Scheme,
        sender: Option<&Sender>,
        _now: NumericDate,
    ) -> Result<(), BindingFault> {
        if sender.is_some() { Err(BindingFault::SenderNotProven) } else { Ok(()) }
    }
}
