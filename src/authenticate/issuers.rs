//! The issuers that are trusted, each with its own keys, algorithms and rules (RFC 8725 section 3.8).
//!
//! Why: keys are never pooled. A token is judged by the one issuer that it names; a key of
//! another issuer, even under the same `kid`, is not looked at.

use std::collections::HashMap;
use std::sync::Arc;

use crate::jwks::Keys;
use crate::jwt::UnverifiedClaims;
use crate::jwt::claims::{self, ClaimFault, ClaimsPolicy};
use crate::jwt::header::HeaderPolicy;

/// One issuer, as configured.
pub(crate) struct TrustedIssuer {
    pub(crate) header: HeaderPolicy,
    pub(crate) claims: ClaimsPolicy,
    pub(crate) keys: Keys,
}

/// All issuers, by their identifiers.
pub(crate) struct Issuers(HashMap<Arc<str>, TrustedIssuer>);

impl Issuers {
    /// The issuer that unverified claims name. A name that is not configured goes no further.
    pub(crate) fn named_by(&self, claims: &UnverifiedClaims<'_>) -> Result<&TrustedIssuer, ClaimFault> {
        let name = claims::required("iss", &claims.iss)?;
        self.0.get(&**name).ok_or(ClaimFault::IssuerMismatch)
    }

    /// The only issuer, where there is but one.
    pub(crate) fn only(&self) -> Option<&TrustedIssuer> {
        let mut issuers = self.iter();
        issuers.next().filter(|_| issuers.next().is_none())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &TrustedIssuer> {
        self.0.values()
    }
}

impl FromIterator<TrustedIssuer> for Issuers {
    fn from_iter<I: IntoIterator<Item = TrustedIssuer>>(issuers: I) -> Self {
        Self(issuers.into_iter().map(|issuer| (Arc::clone(&issuer.claims.issuer), issuer)).collect())
    }
}
