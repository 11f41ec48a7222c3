//! How the keys of each issuer are: for a readiness probe and for an operator's page.

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::Poll;

use super::{Authenticator, TrustedIssuer};
use crate::jwks::KeysStatus;
use crate::transport::FetchError;

/// One issuer and its keys.
#[derive(Clone, Debug)]
pub struct IssuerStatus {
    issuer: Arc<str>,
    keys: KeysStatus,
}

impl IssuerStatus {
    /// The issuer, as configured.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// Its keys.
    #[must_use]
    pub fn keys(&self) -> &KeysStatus {
        &self.keys
    }
}

/// The issuers whose keys could not be had, each with the reason.
#[derive(Clone, Debug)]
pub struct NotReady {
    issuers: Vec<(Arc<str>, Arc<FetchError>)>,
}

impl NotReady {
    /// The issuers and why their keys could not be had, in the order of their names.
    pub fn issuers(&self) -> impl Iterator<Item = (&str, &FetchError)> {
        self.issuers.iter().map(|(issuer, error)| (&**issuer, &**error))
    }
}

impl fmt::Display for NotReady {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no keys from")?;
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
            issuer: Arc::clone(&issuer.claims.issuer),
            keys: issuer.keys.status(),
        };
        self.sorted().into_iter().map(status).collect()
    }

    pub(crate) async fn ready(&self) -> Result<(), NotReady> {
        let issuers = self.sorted().into_iter();
        let mut waiting: Vec<_> = issuers.map(|issuer| (issuer, Box::pin(issuer.keys.ready()))).collect();
        let mut missing = Vec::new();
        // All at once: whoever waited for one before the next would miss the end of that one's fetch.
        poll_fn(|cx| {
            waiting.retain_mut(|(issuer, ready)| match ready.as_mut().poll(cx) {
                Poll::Ready(ended) => {
                    missing.extend(ended.err().map(|error| (Arc::clone(&issuer.claims.issuer), error)));
                    false
                }
                Poll::Pending => true,
            });
            if waiting.is_empty() { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
        missing.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        if missing.is_empty() { Ok(()) } else { Err(NotReady { issuers: missing }) }
    }

    fn sorted(&self) -> Vec<&TrustedIssuer> {
        let mut issuers: Vec<&TrustedIssuer> = self.issuers.iter().collect();
        issuers.sort_unstable_by(|a, b| a.claims.issuer.cmp(&b.claims.issuer));
        issuers
    }
}
