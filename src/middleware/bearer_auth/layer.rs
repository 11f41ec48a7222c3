//! The layer: a configured value, shared by every service that it makes.

use std::fmt;
use std::sync::Arc;

use tower_layer::Layer;

use super::service::BearerAuthService;
#[cfg(feature = "test-util")]
use crate::access_token::AccessToken;
use crate::diagnostics::{Bounds, Explanation, IssuerStatus, NotReady};
use crate::middleware::shared::Shared;
#[cfg(feature = "test-util")]
use crate::rejection::Rejection;
use crate::sync::ShardedArc;

/// Makes a service an OAuth 2.0 resource server: only requests with a valid access token pass.
///
/// See the [crate's documentation](crate) for what is checked and how refusals are answered, and
/// [`BearerAuth::builder`] for the settings. A clone counts a reference and shares the keys and what is remembered
/// of tokens. When the last clone (and the last service made from one) is dropped, the background tasks
/// that keep the keys fresh end.
#[derive(Clone)]
#[must_use]
pub struct BearerAuth {
    protection: Arc<ShardedArc<Shared>>,
}

impl BearerAuth {
    pub(crate) fn new(protection: Shared) -> Self {
        Self { protection: Arc::new(ShardedArc::new(protection)) }
    }

    /// Waits until every issuer has keys, and those that introspect an endpoint, and fetches what is missing. It
    /// asks about no token: whether the issuer takes this API's credentials shows at the first one.
    ///
    /// For a readiness probe, or before a listener is opened. Nobody has to call it: without it, the
    /// first request of each issuer fetches its keys. Call it again after an error, or go on
    /// serving: issuers that were down recover by themselves.
    ///
    /// # Errors
    /// [`NotReady`], with the issuers whose first fetch failed, and why.
    ///
    /// # Runtime
    /// Needs a tokio runtime with its timers on; the tasks that keep keys fresh are spawned on it. Call
    /// it on the runtime that serves the requests: on one that is not driven any more, those tasks stand
    /// still.
    pub async fn ready(&self) -> Result<(), NotReady> {
        self.protection.authenticator.ready().await
    }

    /// What is known of the keys of each issuer and how its introspection goes, in the order of their names. Without
    /// I/O.
    #[must_use]
    pub fn status(&self) -> Vec<IssuerStatus> {
        self.protection.authenticator.status()
    }

    /// How many verified tokens are remembered; see [`TokenCache`](crate::TokenCache).
    #[must_use]
    pub fn cached_tokens(&self) -> usize {
        self.protection.authenticator.verified.len()
    }

    /// What this configuration guarantees, computed from it. `Display` prints it, a line each.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        self.protection.authenticator.bounds()
    }

    /// Runs every check on `token` without stopping at the first that fails, for a developer's
    /// terminal. `Display` prints a table. It fetches keys that are not held, and asks
    /// the issuer about the token where a request would, whatever is remembered.
    ///
    /// The list shows issuer, audience, dates, algorithm, type, key id and client of the token as
    /// presented, and nothing else of it. Never send it to a client: it says what would be accepted.
    pub async fn explain(&self, token: &str) -> Explanation {
        self.protection.authenticator.explain(token).await
    }
}

#[cfg(feature = "test-util")]
impl BearerAuth {
    /// Judges one token without a request; never waits for keys.
    pub(crate) fn access_token(&self, token: &str) -> Result<AccessToken, Rejection> {
        self.protection.authenticator.authenticate_token(token)
    }
}

impl<S> Layer<S> for BearerAuth {
    type Service = BearerAuthService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        BearerAuthService::new(inner, Arc::clone(&self.protection))
    }
}

impl fmt::Debug for BearerAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerAuth").field("answers", &self.protection.answers).finish_non_exhaustive()
    }
}
