//! The negative cache of a resolver: identifiers that it does not know, and those that it failed for.

use std::error::Error;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::time::Instant;

use crate::sync::Entry;

/// The result of a resolution without an issuer, for a while.
pub(super) struct Refused {
    pub(super) issuer: Arc<str>,
    pub(super) until: Instant,
    /// Why the resolver failed. `None` if it knows no such issuer.
    pub(super) failure: Option<Arc<ResolveError>>,
}

/// Why a resolver has not decided.
#[derive(Debug)]
pub(crate) struct ResolveError(pub(crate) Box<dyn Error + Send + Sync>);

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the issuer resolver failed")
    }
}

impl Error for ResolveError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.0)
    }
}

impl Entry for Refused {
    type Key = str;

    fn key(&self) -> &str {
        &self.issuer
    }

    fn hash(issuer: &str, hasher: &mut impl Hasher) {
        issuer.hash(hasher);
    }

    fn bytes(&self) -> usize {
        self.issuer.len()
    }
}
