//! The state of each issuer's keys and introspection, for a readiness probe or an operator's page.

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::Poll;

use crate::authenticate::{Authenticator, TrustedIssuer};
use crate::introspection::{IntrospectionStatus, Introspector};
use crate::jwks::{Keys, KeysStatus};

/// The state of one issuer's keys and introspection; see [`BearerAuth::status`](crate::BearerAuth::status).
#[derive(Clone, Debug)]
pub struct IssuerStatus {
    issuer: Arc<str>,
    keys: Option<KeysStatus>,
    introspection: Option<IntrospectionStatus>,
}

impl IssuerStatus {
    /// The identifier of the issuer, as configured.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The state of its keys. `None` for an issuer [without keys](crate::Issuer::without_keys).
    #[must_use]
    pub fn keys(&self) -> Option<&KeysStatus> {
        self.keys.as_ref()
    }

    /// The state of its introspection, if that is configured.
    #[must_use]
    pub fn introspection(&self) -> Option<&IntrospectionStatus> {
        self.introspection.as_ref()
    }
}

/// The issuers whose keys or introspection endpoint are unavailable, each with the reason.
#[derive(Clone, Debug)]
pub struct NotReady {
    issuers: Vec<(Arc<str>, Arc<dyn Error + Send + Sync>)>,
}

impl NotReady {
    /// The issuers and the error of each, sorted by issuer: a [`KeysError`](super::KeysError) or an
    /// [`IntrospectionError`](super::IntrospectionError).
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

impl Authenticator {
    pub(crate) fn status(&self) -> Vec<IssuerStatus> {
        let status = |issuer: &TrustedIssuer| IssuerStatus {
            issuer: Arc::clone(issuer.identifier()),
            keys: issuer.keys.as_ref().map(Keys::status),
            introspection: issuer.introspector().map(Introspector::status),
        };
        self.issuers.iter().map(status).collect()
    }

    pub(crate) async fn ready(&self) -> Result<(), NotReady> {
        let issuers = self.issuers.iter();
        let mut pending: Vec<_> = issuers.map(|issuer| (issuer, Box::pin(issuer.ready()))).collect();
        let mut missing = Vec::new();
        // All at once: waiting for one issuer after the other would miss the end of a fetch.
        poll_fn(|cx| {
            pending.retain_mut(|(issuer, ready)| match ready.as_mut().poll(cx) {
                Poll::Ready(result) => {
                    missing.extend(result.err().map(|error| (Arc::clone(issuer.identifier()), error)));
                    false
                }
                Poll::Pending => true,
            });
            if pending.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        missing.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        if missing.is_empty() { Ok(()) } else { Err(NotReady { issuers: missing }) }
    }
}

impl TrustedIssuer {
    async fn ready(&self) -> Result<(), Arc<dyn Error + Send + Sync>> {
        if let Some(keys) = &self.keys {
            keys.ready().await.map_err(|error| -> Arc<dyn Error + Send + Sync> { error })?;
        }
        match self.introspector() {
            Some(introspector) => {
                introspector.ready().await.map_err(|error| -> Arc<dyn Error + Send + Sync> { error })
            }
            None => Ok(()),
        }
    }
}
