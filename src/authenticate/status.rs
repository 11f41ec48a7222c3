//! How the keys of each issuer are: for a readiness probe and for an operator's page.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

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
        let issuers = self.sorted();
        // All at once, then one after the other.
        issuers.iter().for_each(|issuer| issuer.keys.start());
        let mut missing = Vec::new();
        for issuer in issuers {
            if let Err(error) = issuer.keys.ready().await {
                missing.push((Arc::clone(&issuer.claims.issuer), error));
            }
        }
        if missing.is_empty() { Ok(()) } else { Err(NotReady { issuers: missing }) }
    }

    fn sorted(&self) -> Vec<&TrustedIssuer> {
        let mut issuers: Vec<&TrustedIssuer> = self.issuers.iter().collect();
        issuers.sort_unstable_by(|a, b| a.claims.issuer.cmp(&b.claims.issuer));
        issuers
    }
}
