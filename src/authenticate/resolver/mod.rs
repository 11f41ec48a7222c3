//! Finds issuers that are not configured, by a function of the user's, from the `iss` of a token.
//!
//! Checks: the `iss` matches the pattern, before anything else happens. Limits: concurrent calls, calls per
//! minute, resolved issuers, and a negative cache.
//! Does not check: the token. Its `iss` is untrusted, and is trusted only if the function says so.
//!
//! Why a set and a used flag, not a cache: cached tokens must see an eviction without a lookup, and their use
//! must count without a write per request.

mod calls;
mod pattern;
mod refused;
mod resolution;
mod shared;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::pattern::IssuerPattern;
pub(crate) use self::refused::ResolveError;
pub(crate) use self::resolution::{Resolution, Resolve, ResolverPolicy};
use self::shared::Shared;
use super::issuers::IssuerRegistry;
use crate::jwks::{PendingKeys, WaitBudget};
use crate::time::now;

/// Finds issuers that are not configured.
pub(crate) struct Resolver {
    shared: Arc<Shared>,
}

impl Resolver {
    pub(crate) fn new(
        pattern: IssuerPattern,
        resolve: Resolve,
        policy: ResolverPolicy,
        registry: Arc<IssuerRegistry>,
    ) -> Self {
        Self { shared: Arc::new(Shared::new(pattern, resolve, policy, registry)) }
    }

    /// The text of its pattern.
    pub(in crate::authenticate) fn pattern(&self) -> &Arc<str> {
        &self.shared.pattern.text
    }

    /// Looks for the issuer that a token names and the registry does not have. May call the function.
    pub(super) fn lookup(&self, issuer: &str, budget: &mut WaitBudget) -> Resolution {
        let Some(tenant) = self.shared.pattern.tenant_of(issuer) else { return Resolution::Unknown };
        let now = now();
        if let Some(refused) = self.shared.refused(issuer, now) {
            return refused;
        }
        let is_over = budget.left(now, self.shared.policy.max_wait).is_zero();
        let deadline = if is_over { None } else { budget.take() };
        let ended = deadline.and_then(|_| self.shared.ended(issuer, tenant, now));
        match deadline.zip(ended) {
            Some((deadline, ended)) => {
                let check = self.shared.restart_if_stalled(issuer, tenant);
                Resolution::Pending(PendingKeys::new(ended, 1, deadline, check))
            }
            None => Resolution::Unavailable { retry_after: Duration::from_secs(1), cause: None },
        }
    }
}
