//! The setting of the builder for revoked tokens.

use std::sync::{Arc, Weak};

use super::BearerAuthBuilder;
use crate::authenticate::IssuerRegistry;
use crate::revocation::{Revocations, TokenLifetimes};
use crate::settings::ConfigProblem;

impl BearerAuthBuilder {
    /// Rejects the tokens that are revoked in this store, with 401 `token_revoked`. Default: none.
    ///
    /// Every request is checked, those with a cached token or a cached introspection response included, and
    /// views as well. Share one store between all `BearerAuth`s that accept tokens of the same issuers.
    ///
    /// ```
    /// use tower_bearer::BearerAuth;
    /// use tower_bearer::revocation::Revocations;
    ///
    /// let revocations = Revocations::new();
    /// let builder = BearerAuth::builder("https://api.example.com").revocations(revocations.clone());
    /// ```
    pub fn revocations(mut self, revocations: Revocations) -> Self {
        self.revocations = Some(revocations);
        self
    }

    pub(super) fn check_revocations(&self, problems: &mut Vec<ConfigProblem>) {
        let settings = self.revocations.iter().flat_map(Revocations::zero_settings);
        problems.extend(settings.map(|setting| ConfigProblem::Zero { setting }));
    }

    /// Tells the store how long tokens of these issuers live.
    pub(super) fn bind_revocations(&self, issuers: &Arc<IssuerRegistry>) {
        if let Some(revocations) = &self.revocations {
            let issuers: Weak<IssuerRegistry> = Arc::downgrade(issuers);
            let issuers: Weak<dyn TokenLifetimes> = issuers;
            revocations.add_user(issuers, self.resolver.is_some());
        }
    }
}
