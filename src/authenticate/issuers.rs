//! The issuers that are trusted, each with its own keys, algorithms and rules (RFC 8725 section 3.8).
//!
//! Why: keys are never pooled. A token is judged by the one issuer that it names; a key of
//! another issuer, even under the same `kid`, is not looked at. An opaque token names nobody: the
//! configuration says whose it may be, and it is shown to nobody else.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::access_token::AccessToken;
use crate::introspection::Introspector;
use crate::jwks::Keys;
use crate::jwt::UnverifiedClaims;
use crate::jwt::claims::{self, ClaimFault, ClaimsPolicy};
use crate::jwt::header::HeaderPolicy;

/// One issuer, as configured.
pub(crate) struct TrustedIssuer {
    pub(crate) header: HeaderPolicy,
    pub(crate) claims: ClaimsPolicy,
    /// `None` where every token of its is judged by introspection.
    pub(crate) keys: Option<Keys>,
    pub(crate) introspection: Option<IssuerIntrospection>,
}

/// The part of an issuer that is asked about tokens.
pub(crate) struct IssuerIntrospection {
    pub(crate) introspector: Introspector,
    pub(crate) jwts: JwtIntrospection,
    pub(crate) opaque: OpaqueTokens,
}

/// Which JWTs an issuer is asked about that passed every check by themselves.
#[derive(Clone)]
pub(crate) enum JwtIntrospection {
    None,
    All,
    /// Those for which this says so.
    When(Arc<dyn Fn(&AccessToken) -> bool + Send + Sync>),
}

/// Which opaque tokens an issuer is asked about.
#[derive(Clone)]
pub(crate) enum OpaqueTokens {
    None,
    /// Those that begin with this.
    Prefix(Box<str>),
    /// Those for which this says so.
    When(Arc<dyn Fn(&str) -> bool + Send + Sync>),
    /// Those that no other issuer takes.
    Others,
}

/// All issuers, by their identifiers.
pub(crate) struct Issuers {
    by_identifier: BTreeMap<Arc<str>, Arc<TrustedIssuer>>,
    /// Those that take opaque tokens.
    opaque: Vec<Arc<TrustedIssuer>>,
    introspect: bool,
    without_keys: bool,
}

impl Issuers {
    /// The issuer that unverified claims name. A name that is not configured goes no further.
    pub(crate) fn named_by(&self, claims: &UnverifiedClaims<'_>) -> Result<&Arc<TrustedIssuer>, ClaimFault> {
        let name = claims::required("iss", &claims.iss)?;
        self.named(name).ok_or(ClaimFault::IssuerMismatch)
    }

    /// The issuer with this identifier.
    pub(crate) fn named(&self, identifier: &str) -> Option<&Arc<TrustedIssuer>> {
        self.by_identifier.get(identifier)
    }

    /// The one issuer that an opaque token may be shown to: by the longest prefix, else the only one whose
    /// rule says so, else the one that takes all others.
    pub(crate) fn of_opaque(&self, token: &str) -> Option<&Arc<TrustedIssuer>> {
        let prefixed = self.opaque.iter().filter_map(|issuer| Some((issuer.prefix_of(token)?, issuer)));
        if let Some((_, issuer)) = prefixed.max_by_key(|(prefix, _)| prefix.len()) {
            return Some(issuer);
        }
        let mut chosen = self.opaque.iter().filter(|issuer| issuer.chooses(token));
        match (chosen.next(), chosen.next()) {
            (Some(issuer), None) => Some(issuer),
            // Both say that it is theirs: one of them would be shown what it must not see.
            (Some(_), Some(_)) => None,
            (None, _) => self.opaque.iter().find(|issuer| issuer.takes_others()),
        }
    }

    /// Whether any issuer is asked about tokens.
    pub(crate) fn introspect(&self) -> bool {
        self.introspect
    }

    /// Whether a rule of the user's says which opaque tokens are whose.
    pub(crate) fn have_rules_for_opaque(&self) -> bool {
        self.opaque.iter().any(|issuer| matches!(issuer.opaque_tokens(), OpaqueTokens::When(_)))
    }

    /// Whether some issuer has no keys.
    pub(crate) fn are_some_without_keys(&self) -> bool {
        self.without_keys
    }

    /// The only issuer, where there is but one.
    pub(crate) fn only(&self) -> Option<&Arc<TrustedIssuer>> {
        let mut issuers = self.by_identifier.values();
        issuers.next().filter(|_| issuers.next().is_none())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &TrustedIssuer> {
        self.by_identifier.values().map(|issuer| &**issuer)
    }
}

impl TrustedIssuer {
    pub(crate) fn identifier(&self) -> &Arc<str> {
        &self.claims.issuer
    }

    /// Whether the issuer is asked about this JWT, too.
    pub(crate) fn introspects(&self, jwt: &AccessToken) -> bool {
        match self.introspection.as_ref().map(|introspected| &introspected.jwts) {
            None | Some(JwtIntrospection::None) => false,
            Some(JwtIntrospection::All) => true,
            Some(JwtIntrospection::When(rule)) => rule(jwt),
        }
    }

    fn opaque_tokens(&self) -> &OpaqueTokens {
        self.introspection.as_ref().map_or(&OpaqueTokens::None, |introspected| &introspected.opaque)
    }

    fn prefix_of(&self, token: &str) -> Option<&str> {
        match self.opaque_tokens() {
            OpaqueTokens::Prefix(prefix) if token.starts_with(&**prefix) => Some(prefix),
            _ => None,
        }
    }

    fn chooses(&self, token: &str) -> bool {
        matches!(self.opaque_tokens(), OpaqueTokens::When(rule) if rule(token))
    }

    fn takes_others(&self) -> bool {
        matches!(self.opaque_tokens(), OpaqueTokens::Others)
    }
}

impl FromIterator<TrustedIssuer> for Issuers {
    fn from_iter<I: IntoIterator<Item = TrustedIssuer>>(issuers: I) -> Self {
        let by_identifier: BTreeMap<Arc<str>, Arc<TrustedIssuer>> =
            issuers.into_iter().map(|issuer| (Arc::clone(issuer.identifier()), Arc::new(issuer))).collect();
        let takes_opaque =
            |issuer: &&Arc<TrustedIssuer>| !matches!(issuer.opaque_tokens(), OpaqueTokens::None);
        Self {
            opaque: by_identifier.values().filter(takes_opaque).map(Arc::clone).collect(),
            introspect: by_identifier.values().any(|issuer| issuer.introspection.is_some()),
            without_keys: by_identifier.values().any(|issuer| issuer.keys.is_none()),
            by_identifier,
        }
    }
}
