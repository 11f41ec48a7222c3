//! The function and the limits of a resolver, and the results of its lookups.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle as Runtime;

use super::refused::ResolveError;
use crate::authenticate::issuers::TrustedIssuer;
use crate::jwks::PendingKeys;

/// The result of a resolution: an issuer, or `None` if there is none with this identifier.
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

/// The result of a lookup.
pub(crate) enum Resolution {
    /// There is no such issuer.
    Unknown,
    /// It is not known whether there is one.
    Unavailable { retry_after: Duration, cause: Option<Arc<ResolveError>> },
    /// Await this, then look the issuer up in the registry again.
    Pending(PendingKeys),
}
