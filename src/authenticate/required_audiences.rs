//! The audiences that one view of a `BearerAuth` requires, beside those that its issuers accept.
//!
//! Checks: that `aud` contains each of them, for every request, cached tokens and later introspection
//! included.
//! Does not check: anything that the issuers' settings check.
//!
//! Why after all other checks: a view shares the caches with the `BearerAuth` that it was made from. What
//! they hold has passed the checks that both have in common, and this check is never part of it.

use std::sync::Arc;

use super::progress::{Resumed, Stop};
use crate::access_token::AccessToken;
use crate::jwt::claims::ClaimFault;
use crate::rejection::Rejection;

/// Every one of them must be in `aud`. Empty for a `BearerAuth` that is no view.
#[derive(Clone, Default)]
pub(crate) struct RequiredAudiences(Arc<[Box<str>]>);

impl RequiredAudiences {
    /// These audiences and `more`.
    pub(crate) fn and(&self, more: impl IntoIterator<Item = Box<str>>) -> Self {
        Self(self.0.iter().cloned().chain(more).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The audiences.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|audience| &**audience)
    }

    /// Checks the audiences that a token presents; none if it has no `aud`.
    ///
    /// # Errors
    /// [`ClaimFault::Missing`] without `aud`, or [`ClaimFault::AudienceMismatch`].
    pub(crate) fn check(&self, presented: &[&str]) -> Result<(), ClaimFault> {
        if self.iter().all(|audience| presented.contains(&audience)) {
            Ok(())
        } else if presented.is_empty() {
            Err(ClaimFault::Missing("aud".into()))
        } else {
            Err(ClaimFault::AudienceMismatch)
        }
    }

    /// Returns `token` if it is for these audiences.
    pub(super) fn admit(&self, token: AccessToken) -> Result<AccessToken, Rejection> {
        match self.check(&token.audiences().collect::<Vec<&str>>()) {
            Ok(()) => Ok(token),
            Err(fault) => Err(Rejection::from(fault).about(&token)),
        }
    }

    /// The result of a check that may have accepted a token.
    pub(super) fn admit_resolved(&self, resolved: Result<AccessToken, Stop>) -> Result<AccessToken, Stop> {
        if self.is_empty() { resolved } else { Ok(self.admit(resolved?)?) }
    }

    /// The end of a request that waited for introspection.
    pub(super) fn admit_resumed(&self, resumed: Resumed) -> Resumed {
        let outcome = resumed.outcome.and_then(|token| self.admit(token));
        Resumed { outcome, ..resumed }
    }
}
