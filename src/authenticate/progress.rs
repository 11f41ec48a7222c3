//! How far a request gets: to its end, to a token that must be verified, or to something it waits for.

use std::sync::Arc;
use std::time::Duration;

use super::issuers::TrustedIssuer;
use crate::access_token::AccessToken;
use crate::bearer::{BearerToken, Located, OwnedToken, Scheme};
use crate::introspection::PendingIntrospection;
use crate::jwks::{PendingKeys, VerifyError, WaitBudget};
use crate::rejection::{Rejection, RejectionKind};
use crate::time::now;

/// The end of a request: a token, none where that is allowed, or a rejection.
pub(crate) type Outcome = Result<Option<AccessToken>, Rejection>;

/// How far a request got without waiting.
pub(crate) enum Progress {
    Done(Outcome),
    /// The credential is not a cached token: go on with
    /// [`Authenticator::validate`](super::Authenticator::validate).
    Uncached(Located),
    /// Something is not cached: go on with [`Authenticator::resume`](super::Authenticator::resume). The token
    /// was presented under this scheme.
    Pending(Pending, Scheme),
    /// The token is valid, and its sender must prove that it may use it: go on with
    /// [`Authenticator::prove`](super::Authenticator::prove).
    Unproven(Unproven),
}

/// A valid token whose sender has proven nothing yet.
pub(crate) struct Unproven {
    pub(crate) token: AccessToken,
    pub(super) scheme: Scheme,
}

/// The end of a request that waited.
pub(crate) struct Resumed {
    pub(crate) outcome: Result<AccessToken, Rejection>,
    /// How long it waited for introspection.
    pub(crate) introspection_time: Duration,
    /// Whether it waited for introspection.
    pub(crate) is_introspected: bool,
}

/// What a request waits for.
pub(crate) enum Pending {
    /// Keys, to verify the token with.
    Keys { keys: PendingKeys, token: OwnedToken, budget: WaitBudget },
    /// An introspection response, which decides.
    Introspection(PendingResponse),
}

/// The introspection that decides about a request.
pub(crate) struct PendingResponse {
    pub(super) response: PendingIntrospection,
    pub(super) issuer: Arc<TrustedIssuer>,
    pub(super) token: OwnedToken,
}

/// Why a step was the last one for now.
pub(crate) enum Stop {
    Rejected(Rejection),
    Pending(Pending),
}

impl PendingResponse {
    /// Waits for the response.
    ///
    /// # Errors
    /// The token, if its issuer was removed or replaced meanwhile: the response decides nothing any more.
    pub(super) async fn resumed(self) -> Result<Resumed, OwnedToken> {
        let start = now();
        let token = self.response.await;
        if self.issuer.is_removed() {
            return Err(self.token);
        }
        if token.is_ok() {
            self.issuer.state.mark_used();
        }
        let rejected = |fault| Rejection::from(fault).with_issuer(self.issuer.identifier());
        let outcome = token.map_err(rejected);
        let introspection_time = now().saturating_duration_since(start);
        Ok(Resumed { outcome, introspection_time, is_introspected: true })
    }
}

impl Resumed {
    pub(super) fn without_introspection(outcome: Result<AccessToken, Rejection>) -> Self {
        Self { outcome, introspection_time: Duration::ZERO, is_introspected: false }
    }
}

impl Stop {
    /// The signature of `token` is not verified, or not yet.
    pub(super) fn unverified(error: VerifyError, token: BearerToken<'_>, budget: WaitBudget) -> Self {
        match error {
            VerifyError::Pending(keys) => Self::Pending(Pending::Keys { keys, token: token.into(), budget }),
            VerifyError::KeyUnknown => RejectionKind::KeyUnknown.into(),
            VerifyError::Malformed(fault) => fault.into(),
            VerifyError::Mismatch(mismatch) => mismatch.into(),
            VerifyError::Unavailable { retry_after, rate_limited: true, .. } => {
                Rejection::key_unconfirmed(retry_after).into()
            }
            VerifyError::Unavailable { retry_after, cause, .. } => {
                Rejection::keys_unavailable(retry_after, cause).into()
            }
        }
    }

    /// Names the issuer that the token was routed to.
    pub(super) fn at(self, issuer: &Arc<str>) -> Self {
        match self {
            Self::Rejected(rejection) => Self::Rejected(rejection.with_issuer(issuer)),
            Self::Pending(pending) => Self::Pending(pending),
        }
    }
}

impl<F> From<F> for Stop
where
    Rejection: From<F>,
{
    fn from(fault: F) -> Self {
        Self::Rejected(fault.into())
    }
}
