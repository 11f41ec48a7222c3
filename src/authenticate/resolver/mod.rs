//! Finds issuers that are not configured, by a function of the user's, from the `iss` of a token.
//!
//! Checks: the `iss` matches the pattern, before anything else happens. Limits: concurrent calls, calls per
//! minute, resolved issuers, and a negative cache.
//! Does not check: the token. Its `iss` is untrusted, and is trusted only if the function says so.
//!
//! Why a set and a used flag, not a cache: cached tokens must see an eviction without a lookup, and their use
//! must count without a write per request.

mod pattern;
mod refused;
mod shared;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle as Runtime;

pub(crate) use self::pattern::IssuerPattern;
pub(crate) use self::refused::ResolveError;
use self::shared::Shared;
use super::issuers::{IssuerRegistry, TrustedIssuer};
use crate::jwks::{PendingKeys, WaitBudget};
use crate::time::now;

/// What a resolution ends with: an issuer, or `None` if there is none with this identifier.
pub(crate) type Resolved = Result<Option<TrustedIssuer>, ResolveError>;

/// The function of the user's: from an identifier and its tenant to an issuer.
pub(crate) type Resolve =
    Arc<dyn Fn(Arc<str>, &str) -> Pin<Box<dyn Future<Output = Resolved> + Send>> + Send + Sync>;

/// The limits of a resolver.
#[derive(Clone, Debug)]
pub(crate) struct ResolverPolicy {
    /// The maximum number of resolved issuers.
    pub(crate) max_issuers: usize,
    /// How long an issuer stays after its last use, at least.
    pub(crate) idle_timeout: Duration,
    /// The TTL of the negative cache.
    pub(crate) negative_ttl: Duration,
    /// The time limit of one call of the function.
    pub(crate) timeout: Duration,
    /// The maximum time that one request waits.
    pub(crate) max_wait: Duration,
    /// The runtime of the calls. Default: that of the request.
    pub(crate) runtime: Option<Runtime>,
}

/// Finds issuers that are not configured.
pub(crate) struct Resolver {
    pattern: IssuerPattern,
    shared: Arc<Shared>,
}

/// The result of a lookup.
pub(crate) enum Resolution {
    /// There is no such issuer.
    Unknown,
    /// It is not known whether there is one.
    Unavailable { retry_after: Duration, cause: Option<Arc<ResolveError>> },
    /// Await this, then look the issuer up in the registry again.
    Pending(PendingKeys),
}

impl Resolver {
    pub(crate) fn new(
        pattern: IssuerPattern,
        resolve: Resolve,
        policy: ResolverPolicy,
        registry: Arc<IssuerRegistry>,
    ) -> Self {
        Self { pattern, shared: Arc::new(Shared::new(resolve, policy, registry)) }
    }

    /// Looks for the issuer that a token names and the registry does not have. May call the function.
    pub(super) fn lookup(&self, issuer: &str, budget: &mut WaitBudget) -> Resolution {
        let Some(tenant) = self.pattern.tenant_of(issuer) else { return Resolution::Unknown };
        let now = now();
        if let Some(refused) = self.shared.refused(issuer, now) {
            return refused;
        }
        let is_over = budget.left(now, self.shared.policy.max_wait).is_zero();
        let deadline = if is_over { None } else { budget.take() };
        let ended = deadline.and_then(|_| self.shared.ended(issuer, tenant, now));
        match deadline.zip(ended) {
            Some((deadline, ended)) => Resolution::Pending(PendingKeys::new(ended, 1, deadline, || {})),
            None => Resolution::Unavailable { retry_after: Duration::from_secs(1), cause: None },
        }
    }
}
