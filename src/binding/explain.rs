//! Runs every check of the sender of a request to its end, for an explanation.
//!
//! Checks: the same as `sender_policy.rs`, by the same functions and in the same order.
//! Does not check: the token. Uses up no proof.

use http::request::Parts;

use super::sender_check::SenderCheck;
use super::sender_policy::SenderPolicy;
use crate::access_token::{Confirmation, Sender};
use crate::bearer::Scheme;
use crate::time::NumericDate;

impl SenderPolicy {
    /// The check of a token with this `cnf` without a request. `None` for a bearer token where these are
    /// accepted.
    pub(crate) fn explain_binding(&self, bound_to: Option<&Confirmation>) -> Option<SenderCheck> {
        let is_dpop = bound_to.is_some_and(|bound_to| bound_to.jkt.is_some());
        let result = self.check_binding(if is_dpop { Scheme::Dpop } else { Scheme::Bearer }, bound_to);
        if bound_to.is_none() && result.is_ok() {
            return None;
        }
        let needs_request = if result.is_ok() { "; its proof is checked only with a request" } else { "" };
        let expected = format!("{}{needs_request}", self.accepted());
        let presented = bound_to.map_or_else(|| "not bound".to_owned(), ToString::to_string);
        Some(SenderCheck::new("sender", expected, presented, &result))
    }

    /// The checks of the request with this head, which presents the token with this text and `cnf` under this
    /// scheme.
    pub(crate) fn explain(
        &self,
        head: &Parts,
        scheme: Scheme,
        token: &str,
        bound_to: Option<&Confirmation>,
        now: NumericDate,
    ) -> Vec<SenderCheck> {
        let result = self.check_binding(scheme, bound_to);
        let presented =
            bound_to.map_or_else(|| "not bound".to_owned(), |bound_to| format!("bound to {bound_to}"));
        let presented = format!("scheme {}, {presented}", scheme.as_str());
        let mut checks = vec![SenderCheck::new("sender", self.accepted(), presented, &result)];
        let Some(bound_to) = bound_to else { return checks };
        if let Some((certificates, expected)) = self.certificates.as_ref().zip(bound_to.x5t_s256.as_ref()) {
            checks.extend(certificates.explain(head, expected));
        }
        if let (Some(dpop), Some(_)) = (&self.dpop, bound_to.jkt) {
            checks.extend(dpop.explain(head, &Sender::new(bound_to.clone(), token), now));
        }
        checks
    }

    /// The tokens that are accepted, by scheme and binding.
    pub(crate) fn accepted(&self) -> String {
        let bearer = (!self.requires_binding).then_some("a bearer token");
        let key = self.dpop.as_ref().map(|_| "scheme DPoP and a token with jkt");
        let certificate = self.certificates.as_ref().filter(|_| !self.requires_key());
        let certificate = certificate.map(|_| "a token with x5t#S256");
        bearer.into_iter().chain(key).chain(certificate).collect::<Vec<&str>>().join(", or ")
    }
}
