//! The issuers that opaque tokens may belong to.
//!
//! Why by prefix: the cost of a lookup depends on the number of different prefix lengths, not on the number
//! of issuers.

use std::sync::Arc;

use rpds::{HashTrieMapSync, RedBlackTreeMapSync};

use super::{OpaqueTokens, TrustedIssuer};

/// The issuers that opaque tokens may belong to, by their rules.
#[derive(Clone)]
pub(super) struct OpaqueOwners {
    by_prefix: HashTrieMapSync<Box<str>, Arc<TrustedIssuer>>,
    /// The lengths of the prefixes, and how many prefixes have each.
    prefix_lengths: RedBlackTreeMapSync<usize, usize>,
    /// The issuers with a function of the user's, by identifier.
    by_rule: HashTrieMapSync<Arc<str>, Arc<TrustedIssuer>>,
    default: Option<Arc<TrustedIssuer>>,
}

impl OpaqueOwners {
    /// The one issuer that an opaque token is shown to: by the longest prefix, else the only one whose rule
    /// claims it, else the default one.
    pub(super) fn of(&self, token: &str) -> Option<&Arc<TrustedIssuer>> {
        let prefixes = self.prefix_lengths.keys().rev().filter_map(|length| token.get(..*length));
        if let Some(issuer) = prefixes.filter_map(|prefix| self.by_prefix.get(prefix)).next() {
            return Some(issuer);
        }
        let mut claiming = self.by_rule.values().filter(|issuer| issuer.claims_opaque(token));
        match (claiming.next(), claiming.next()) {
            (Some(issuer), None) => Some(issuer),
            // Two rules claim it: one of the two issuers would see a token of the other.
            (Some(_), Some(_)) => None,
            (None, _) => self.default.as_ref(),
        }
    }

    /// Whether a rule of the user's decides which opaque tokens belong to an issuer.
    pub(super) fn any_rule(&self) -> bool {
        !self.by_rule.is_empty()
    }

    /// The issuer that claims the same opaque tokens as `issuer`, as far as that can be known before a token
    /// arrives.
    pub(super) fn rival_of(&self, issuer: &TrustedIssuer) -> Option<&Arc<TrustedIssuer>> {
        let rival = match issuer.opaque_tokens() {
            OpaqueTokens::Prefix(prefix) => self.by_prefix.get(prefix),
            OpaqueTokens::Others => self.default.as_ref(),
            OpaqueTokens::None | OpaqueTokens::When(_) => None,
        };
        rival.filter(|rival| rival.identifier() != issuer.identifier())
    }

    pub(super) fn add(&mut self, issuer: &Arc<TrustedIssuer>) {
        match issuer.opaque_tokens() {
            OpaqueTokens::None => {}
            OpaqueTokens::Prefix(prefix) => {
                let others = self.prefix_lengths.get(&prefix.len()).copied().unwrap_or_default();
                self.prefix_lengths.insert_mut(prefix.len(), others.saturating_add(1));
                self.by_prefix.insert_mut(prefix.clone(), Arc::clone(issuer));
            }
            OpaqueTokens::When(_) => {
                self.by_rule.insert_mut(Arc::clone(issuer.identifier()), Arc::clone(issuer));
            }
            OpaqueTokens::Others => self.default = Some(Arc::clone(issuer)),
        }
    }

    /// Removes an issuer that was added.
    pub(super) fn remove(&mut self, issuer: &TrustedIssuer) {
        match issuer.opaque_tokens() {
            OpaqueTokens::None => {}
            OpaqueTokens::Prefix(prefix) => {
                self.by_prefix.remove_mut(prefix);
                match self.prefix_lengths.get(&prefix.len()).copied() {
                    Some(count) if count > 1 => {
                        self.prefix_lengths.insert_mut(prefix.len(), count.saturating_sub(1));
                    }
                    _ => drop(self.prefix_lengths.remove_mut(&prefix.len())),
                }
            }
            OpaqueTokens::When(_) => drop(self.by_rule.remove_mut(issuer.identifier())),
            OpaqueTokens::Others => self.default = None,
        }
    }
}

impl Default for OpaqueOwners {
    fn default() -> Self {
        Self {
            by_prefix: HashTrieMapSync::new_sync(),
            prefix_lengths: RedBlackTreeMapSync::new_sync(),
            by_rule: HashTrieMapSync::new_sync(),
            default: None,
        }
    }
}

impl TrustedIssuer {
    fn claims_opaque(&self, token: &str) -> bool {
        matches!(self.opaque_tokens(), OpaqueTokens::When(rule) if rule(token))
    }
}
