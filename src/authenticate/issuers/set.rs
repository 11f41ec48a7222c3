//! All trusted issuers at one moment. A change makes a new set that shares most of its memory with the old
//! one, in logarithmic time.

use std::sync::Arc;

use rpds::HashTrieMapSync;

use super::TrustedIssuer;
use super::names::CountedNames;
use super::opaque::OpaqueOwners;
use crate::bearer::BearerToken;
use crate::jwt::claims::{self, ClaimFault};
use crate::jwt::compact::{Compact, CompactFault};
use crate::jwt::{ConfiguredNames, Presented, UnverifiedClaims};
use crate::rejection::{Rejection, RejectionKind};

/// All issuers, by identifier.
#[derive(Clone)]
pub(crate) struct Issuers {
    by_identifier: HashTrieMapSync<Arc<str>, Arc<TrustedIssuer>>,
    /// The issuer, if there is just one: most configurations have one, and a comparison is cheaper than a
    /// hash.
    only: Option<Arc<TrustedIssuer>>,
    opaque: OpaqueOwners,
    names: CountedNames,
    with_introspection: usize,
    without_keys: usize,
}

impl Issuers {
    /// Whether `token` is a JWT or opaque. Its decoded header goes to `header_json`.
    pub(crate) fn classify<'t>(
        &self,
        token: BearerToken<'t>,
        header_json: &'t mut Vec<u8>,
    ) -> Result<Presented<'t>, CompactFault> {
        Presented::classify(token.octets(), header_json, self.any_introspection())
    }

    /// The issuer that unverified claims name, if it is trusted.
    pub(crate) fn named_by(&self, claims: &UnverifiedClaims<'_>) -> Result<&Arc<TrustedIssuer>, ClaimFault> {
        let name = claims::required("iss", &claims.iss)?;
        self.get(name).ok_or(ClaimFault::IssuerMismatch)
    }

    /// The issuer with this identifier.
    pub(crate) fn get(&self, identifier: &str) -> Option<&Arc<TrustedIssuer>> {
        match &self.only {
            Some(only) => (**only.identifier() == *identifier).then_some(only),
            None => self.by_identifier.get(identifier),
        }
    }

    /// The only issuer that may introspect `token`, which no key can verify. If the token names an issuer
    /// without keys, it is that issuer. Otherwise it is the issuer that an opaque token belongs to.
    ///
    /// # Errors
    /// The fault of a JWT, or [`RejectionKind::TokenOpaque`] if the opaque token belongs to no issuer.
    pub(crate) fn introspecting(
        &self,
        token: BearerToken<'_>,
        presented: &Result<Presented<'_>, CompactFault>,
    ) -> Result<&Arc<TrustedIssuer>, Rejection> {
        if let Some(issuer) = self.without_keys(token) {
            return Ok(issuer);
        }
        match presented {
            Ok(Presented::Opaque) => {
                self.opaque.of(token.as_str()).ok_or_else(|| RejectionKind::TokenOpaque.into())
            }
            Ok(Presented::Jwt { header: Err(fault), .. }) => Err((*fault).into()),
            Ok(Presented::Jwt { header: Ok(_), .. }) => Err(RejectionKind::KeyUnknown.into()),
            Err(fault) => Err((*fault).into()),
        }
    }

    /// The issuer that `token` names, if that issuer has no keys.
    pub(crate) fn without_keys(&self, token: BearerToken<'_>) -> Option<&Arc<TrustedIssuer>> {
        if self.without_keys == 0 {
            return None;
        }
        let claims_json = Compact::parse(token.octets()).ok()?.claims().ok()?;
        let issuer = self.named_by(&UnverifiedClaims::parse(&claims_json, self.names())?).ok()?;
        issuer.keys.is_none().then_some(issuer)
    }

    /// The claims that the settings of any issuer name.
    pub(crate) fn names(&self) -> &ConfiguredNames {
        self.names.united()
    }

    /// Whether a rule of the user's decides which opaque tokens belong to an issuer.
    pub(crate) fn any_opaque_rule(&self) -> bool {
        self.opaque.any_rule()
    }

    /// The only issuer, if there is just one.
    pub(crate) fn only(&self) -> Option<&Arc<TrustedIssuer>> {
        self.only.as_ref()
    }

    /// All issuers, sorted by identifier.
    pub(crate) fn sorted(&self) -> Vec<Arc<TrustedIssuer>> {
        let mut issuers: Vec<Arc<TrustedIssuer>> = self.iter().map(Arc::clone).collect();
        issuers.sort_unstable_by(|a, b| a.identifier().cmp(b.identifier()));
        issuers
    }

    /// The identifiers of the issuers that an operator has configured or added, sorted. Not of those that a
    /// resolver has found.
    pub(crate) fn configured(&self) -> Vec<String> {
        let configured = self.iter().filter(|issuer| !issuer.is_resolved());
        let mut identifiers: Vec<String> = configured.map(|issuer| issuer.identifier().to_string()).collect();
        identifiers.sort_unstable();
        identifiers
    }

    /// The number of issuers.
    pub(crate) fn count(&self) -> usize {
        self.by_identifier.size()
    }

    /// Whether any issuer introspects tokens.
    pub(crate) fn any_introspection(&self) -> bool {
        self.with_introspection > 0
    }

    /// At most `max` issuers, sorted by identifier: arbitrary ones if there are more.
    pub(crate) fn some(&self, max: usize) -> Vec<&Arc<TrustedIssuer>> {
        let mut issuers: Vec<&Arc<TrustedIssuer>> = self.iter().take(max).collect();
        issuers.sort_unstable_by(|a, b| a.identifier().cmp(b.identifier()));
        issuers
    }

    /// All issuers, in no particular order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<TrustedIssuer>> {
        self.by_identifier.values()
    }

    /// The issuer that claims the same opaque tokens as `issuer`.
    pub(super) fn rival_of(&self, issuer: &TrustedIssuer) -> Option<&Arc<TrustedIssuer>> {
        self.opaque.rival_of(issuer)
    }

    /// Adds `issuer`. Returns the one with the same identifier, which it replaces.
    pub(super) fn insert(&mut self, issuer: &Arc<TrustedIssuer>) -> Option<Arc<TrustedIssuer>> {
        let replaced = self.remove(issuer.identifier());
        self.opaque.add(issuer);
        self.names.add(&issuer.names);
        self.with_introspection =
            self.with_introspection.saturating_add(usize::from(issuer.introspection.is_some()));
        self.without_keys = self.without_keys.saturating_add(usize::from(issuer.keys.is_none()));
        self.by_identifier.insert_mut(Arc::clone(issuer.identifier()), Arc::clone(issuer));
        self.find_only();
        replaced
    }

    /// Removes the issuer with this identifier and returns it.
    pub(super) fn remove(&mut self, identifier: &str) -> Option<Arc<TrustedIssuer>> {
        let issuer = Arc::clone(self.get(identifier)?);
        self.by_identifier.remove_mut(identifier);
        self.find_only();
        self.opaque.remove(&issuer);
        self.names.remove(&issuer.names);
        self.with_introspection =
            self.with_introspection.saturating_sub(usize::from(issuer.introspection.is_some()));
        self.without_keys = self.without_keys.saturating_sub(usize::from(issuer.keys.is_none()));
        Some(issuer)
    }

    fn find_only(&mut self) {
        let first = self.by_identifier.values().next();
        self.only = first.filter(|_| self.by_identifier.size() == 1).cloned();
    }
}

impl Default for Issuers {
    fn default() -> Self {
        Self {
            by_identifier: HashTrieMapSync::new_sync(),
            only: None,
            opaque: OpaqueOwners::default(),
            names: CountedNames::default(),
            with_introspection: 0,
            without_keys: 0,
        }
    }
}

impl FromIterator<TrustedIssuer> for Issuers {
    fn from_iter<I: IntoIterator<Item = TrustedIssuer>>(issuers: I) -> Self {
        let mut set = Self::default();
        issuers.into_iter().for_each(|issuer| drop(set.insert(&Arc::new(issuer))));
        set
    }
}
