//! Fetches the keys and finds the introspection endpoints of issuers ahead of the first request.
//!
//! Checks: the authorization server accepts the credentials for introspection; see
//! `introspection/credentials_check.rs`.
//!
//! Why: the fetches run concurrently, because one issuer that hangs must not delay the others. At most 32 run
//! at a time: thousands at once would exhaust sockets and bandwidth, and then all would time out.

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::Poll;

use crate::authenticate::{Authenticator, IssuerIntrospection, JwtIntrospection, TrustedIssuer};

/// The maximum number of issuers that are fetched at the same time.
const MAX_CONCURRENT: usize = 32;

/// An issuer that is not ready, and the reason.
type Unavailable = (Arc<str>, Arc<dyn Error + Send + Sync>);

/// The issuers whose keys or introspection endpoint are unavailable, each with the reason.
#[derive(Clone, Debug)]
pub struct NotReady {
    issuers: Vec<Unavailable>,
}

impl NotReady {
    /// The issuers and the error of each, sorted by issuer: a [`KeysError`](super::KeysError), an
    /// [`IntrospectionError`](super::IntrospectionError), or for an issuer that is not configured another
    /// error.
    pub fn issuers(&self) -> impl Iterator<Item = (&str, &(dyn Error + Send + Sync + 'static))> {
        self.issuers.iter().map(|(issuer, error)| (&**issuer, &**error))
    }
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("keys or introspection endpoint unavailable:")?;
        let mut separator = " ";
        for (issuer, error) in self.issuers() {
            write!(f, "{separator}{issuer} ({error})")?;
            separator = ", ";
        }
        Ok(())
    }
}

impl Error for NotReady {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.issuers.first().map(|(_, error)| -> &(dyn Error + 'static) { &**error })
    }
}

/// The error of an issuer that is not configured.
#[derive(Debug)]
struct NotConfigured;

impl fmt::Display for NotConfigured {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no such issuer is configured")
    }
}

impl Error for NotConfigured {}

impl Authenticator {
    /// Waits until every issuer is ready or has failed.
    ///
    /// # Errors
    /// [`NotReady`] if all have failed, and there is one.
    pub(crate) async fn ready(&self) -> Result<(), NotReady> {
        let all = self.issuers.load().sorted();
        let issuers = unavailable(&all).await;
        if issuers.is_empty() || issuers.len() < all.len() { Ok(()) } else { Err(NotReady { issuers }) }
    }

    /// Waits until every issuer is ready or has failed.
    ///
    /// # Errors
    /// [`NotReady`] if one has failed.
    pub(crate) async fn ready_all(&self) -> Result<(), NotReady> {
        let all = self.issuers.load().sorted();
        let issuers = unavailable(&all).await;
        if issuers.is_empty() { Ok(()) } else { Err(NotReady { issuers }) }
    }

    /// Waits until one issuer is ready or has failed.
    ///
    /// # Errors
    /// [`NotReady`] if it has failed or is not configured.
    pub(crate) async fn ready_for(&self, identifier: &str) -> Result<(), NotReady> {
        let not_ready = |error| NotReady { issuers: vec![(identifier.into(), error)] };
        let issuer = self.issuers.load().get(identifier).cloned();
        match issuer {
            Some(issuer) => issuer.ready().await.map_err(not_ready),
            None => Err(not_ready(Arc::new(NotConfigured))),
        }
    }
}

/// The issuers that have failed, sorted by identifier.
async fn unavailable(issuers: &[Arc<TrustedIssuer>]) -> Vec<Unavailable> {
    let mut waiting = issuers.iter();
    let mut pending = Vec::new();
    let mut unavailable = Vec::new();
    poll_fn(|cx| {
        loop {
            let free = MAX_CONCURRENT.saturating_sub(pending.len());
            let next = waiting.by_ref().take(free);
            pending.extend(next.map(|issuer| (issuer, Box::pin(issuer.ready()))));
            let before = pending.len();
            pending.retain_mut(|(issuer, ready)| match ready.as_mut().poll(cx) {
                Poll::Ready(result) => {
                    // One that was removed meanwhile is nobody's problem.
                    let error = result.err().filter(|_| !issuer.is_removed());
                    let failed = error.map(|error| (Arc::clone(issuer.identifier()), error));
                    unavailable.extend(failed);
                    false
                }
                Poll::Pending => true,
            });
            if pending.len() == before {
                return if before == 0 { Poll::Ready(()) } else { Poll::Pending };
            }
        }
    })
    .await;
    unavailable.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
    unavailable
}

impl TrustedIssuer {
    async fn ready(&self) -> Result<(), Arc<dyn Error + Send + Sync>> {
        if let Some(keys) = &self.keys {
            keys.ready().await.map_err(|error| -> Arc<dyn Error + Send + Sync> { error })?;
        }
        match &self.introspection {
            Some(IssuerIntrospection { introspector, jwts, .. }) => {
                let introspects_jwts = !matches!(jwts, JwtIntrospection::None);
                let ready = introspector.ready(introspects_jwts).await;
                ready.map_err(|error| -> Arc<dyn Error + Send + Sync> { error })
            }
            None => Ok(()),
        }
    }
}
