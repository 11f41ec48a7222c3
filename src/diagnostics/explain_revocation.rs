//! Explains whether a token is revoked.
//!
//! Does not check: introspection, which has a finding of its own.

use super::explanation::{CheckResult, Explanation};
use crate::authenticate::Authenticator;
use crate::jwt::UnverifiedClaims;
use crate::jwt::claims::{self, ClaimsPolicy};
use crate::rejection::RejectionKind;
use crate::revocation::RevocableClaims;

impl Authenticator {
    /// Adds a finding if the configuration has `Revocations`.
    pub(super) fn explain_revocation(
        &self,
        claims: &UnverifiedClaims<'_>,
        policy: &ClaimsPolicy,
        explanation: &mut Explanation,
    ) {
        let Some(revocations) = &self.revocations else { return };
        let client = claims::client(claims, policy).ok();
        let is_revoked = revocations.hit_claims(RevocableClaims {
            issuer: &policy.issuer,
            token_id: claims.jti.value().map(|jti| &**jti),
            session_id: claims.sid.value().map(|sid| &**sid),
            subject: claims.sub.value().map(|sub| &**sub),
            client_id: client.as_deref(),
            issued_at: claims.iat.value().copied(),
        });
        let result =
            if is_revoked { CheckResult::Failed(RejectionKind::TokenRevoked) } else { CheckResult::Passed };
        explanation.add("revocation", "none of this token", "", result);
    }
}
