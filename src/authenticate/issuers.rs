//! The trusted issuers, each with its own keys, algorithms and rules (RFC 8725 section 3.8).
//!
//! Why: keys are never pooled. A token is validated by the one issuer that it names. A key of another issuer,
//! even under the same `kid`, is not tried. An opaque token names no issuer: the configuration says which
//! issuer it may belong to, and no other issuer sees it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::access_token::AccessToken;
use crate::bearer::BearerToken;
use crate::introspection::Introspector;
use crate::jwks::Keys;
use crate::jwt::claims::{self, ClaimFault, ClaimsPolicy};
use crate::jwt::compact::{Compact, CompactFault};
use crate::jwt::header::HeaderPolicy;
use crate::jwt::{ConfiguredNames, Presented, UnverifiedClaims};
use crate::rejection::{Rejection, RejectionKind};

/// One issuer, as configured.
pub(crate) struct TrustedIssuer {
    pub(crate) header: HeaderPolicy,
    pub(crate) claims: ClaimsPolicy,
    /// The claims that its settings name.
    pub(crate) names: ConfiguredNames,
    /// `None` for an issuer whose tokens are all introspected.
    pub(crate) keys: Option<Keys>,
    pub(crate) introspection: Option<IssuerIntrospection>,
}

/// The introspection of one issuer's tokens.
pub(crate) struct IssuerIntrospection {
    pub(crate) introspector: Introspector,
    pub(crate) jwts: JwtIntrospection,
    pub(crate) opaque: OpaqueTokens,
}

/// Which JWTs are introspected, once they passed every other check.
#[derive(Clone)]
pub(crate) enum JwtIntrospection {
    None,
    All,
    /// Those for which this function returns `true`.
    When(Arc<dyn Fn(&AccessToken) -> bool + Send + Sync>),
}

/// Which opaque tokens belong to an issuer.
#[derive(Clone)]
pub(crate) enum OpaqueTokens {
    None,
    /// Those with this prefix.
    Prefix(Box<str>),
    /// Those for which this function returns `true`.
    When(Arc<dyn Fn(&str) -> bool + Send + Sync>),
    /// Those that no other issuer claims.
    Others,
}

/// All issuers, by identifier.
pub(crate) struct Issuers {
    by_identifier: BTreeMap<Arc<str>, Arc<TrustedIssuer>>,
    /// The issuers that opaque tokens may belong to.
    opaque: Vec<Arc<TrustedIssuer>>,
    names: ConfiguredNames,
    any_introspection: bool,
    any_without_keys: bool,
}

impl Issuers {
    /// The issuer that unverified claims name, if it is trusted.
    pub(crate) fn named_by(&self, claims: &UnverifiedClaims<'_>) -> Result<&Arc<TrustedIssuer>, ClaimFault> {
        let name = claims::required("iss", &claims.iss)?;
        self.get(name).ok_or(ClaimFault::IssuerMismatch)
    }

    /// The issuer with this identifier.
    pub(crate) fn get(&self, identifier: &str) -> Option<&Arc<TrustedIssuer>> {
        self.by_identifier.get(identifier)
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
                self.of_opaque(token.as_str()).ok_or_else(|| RejectionKind::TokenOpaque.into())
            }
            Ok(Presented::Jwt { header: Err(fault), .. }) => Err((*fault).into()),
            Ok(Presented::Jwt { header: Ok(_), .. }) => Err(RejectionKind::KeyUnknown.into()),
            Err(fault) => Err((*fault).into()),
        }
    }

    /// The issuer that `token` names, if that issuer has no keys.
    pub(crate) fn without_keys(&self, token: BearerToken<'_>) -> Option<&Arc<TrustedIssuer>> {
        if !self.any_without_keys {
            return None;
        }
        let claims_json = Compact::parse(token.octets()).ok()?.claims().ok()?;
        let issuer = self.named_by(&UnverifiedClaims::parse(&claims_json, &self.names)?).ok()?;
        issuer.keys.is_none().then_some(issuer)
    }

    /// The one issuer that an opaque token is shown to: by the longest prefix, else the only one whose rule
    /// claims it, else the default one.
    fn of_opaque(&self, token: &str) -> Option<&Arc<TrustedIssuer>> {
        let prefixed = self.opaque.iter().filter_map(|issuer| Some((issuer.prefix_of(token)?, issuer)));
        if let Some((_, issuer)) = prefixed.max_by_key(|(prefix, _)| prefix.len()) {
            return Some(issuer);
        }
        let mut claiming = self.opaque.iter().filter(|issuer| issuer.claims_opaque(token));
        match (claiming.next(), claiming.next()) {
            (Some(issuer), None) => Some(issuer),
            // Two rules claim it: one of the two issuers would see a token of the other.
            (Some(_), Some(_)) => None,
            (None, _) => self.opaque.iter().find(|issuer| issuer.is_default_for_opaque()),
        }
    }

    /// The claims that the settings of any issuer name. The issuer of a token is known only once its claims
    /// are parsed.
    pub(crate) fn names(&self) -> &ConfiguredNames {
        &self.names
    }

    /// Whether any issuer introspects tokens.
    pub(crate) fn any_introspection(&self) -> bool {
        self.any_introspection
    }

    /// Whether a rule of the user's decides which opaque tokens belong to an issuer.
    pub(crate) fn any_opaque_rule(&self) -> bool {
        self.opaque.iter().any(|issuer| matches!(issuer.opaque_tokens(), OpaqueTokens::When(_)))
    }

    /// The only issuer, if there is just one.
    pub(crate) fn only(&self) -> Option<&Arc<TrustedIssuer>> {
        let mut issuers = self.by_identifier.values();
        issuers.next().filter(|_| issuers.next().is_none())
    }

    /// All issuers, sorted by identifier.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &TrustedIssuer> {
        self.by_identifier.values().map(|issuer| &**issuer)
    }
}

impl TrustedIssuer {
    pub(crate) fn identifier(&self) -> &Arc<str> {
        &self.claims.issuer
    }

    pub(crate) fn introspector(&self) -> Option<&Introspector> {
        self.introspection.as_ref().map(|introspection| &introspection.introspector)
    }

    /// Whether this JWT is introspected as well.
    pub(crate) fn introspects(&self, jwt: &AccessToken) -> bool {
        match self.introspection.as_ref().map(|introspection| &introspection.jwts) {
            None | Some(JwtIntrospection::None) => false,
            Some(JwtIntrospection::All) => true,
            Some(JwtIntrospection::When(rule)) => rule(jwt),
        }
    }

    fn opaque_tokens(&self) -> &OpaqueTokens {
        self.introspection.as_ref().map_or(&OpaqueTokens::None, |introspection| &introspection.opaque)
    }

    fn prefix_of(&self, token: &str) -> Option<&str> {
        match self.opaque_tokens() {
            OpaqueTokens::Prefix(prefix) if token.starts_with(&**prefix) => Some(prefix),
            _ => None,
        }
    }

    fn claims_opaque(&self, token: &str) -> bool {
        matches!(self.opaque_tokens(), OpaqueTokens::When(rule) if rule(token))
    }

    fn is_default_for_opaque(&self) -> bool {
        matches!(self.opaque_tokens(), OpaqueTokens::Others)
    }
}

impl FromIterator<TrustedIssuer> for Issuers {
    fn from_iter<I: IntoIterator<Item = TrustedIssuer>>(issuers: I) -> Self {
        let by_identifier: BTreeMap<Arc<str>, Arc<TrustedIssuer>> =
            issuers.into_iter().map(|issuer| (Arc::clone(issuer.identifier()), Arc::new(issuer))).collect();
        let may_own_opaque =
            |issuer: &&Arc<TrustedIssuer>| !matches!(issuer.opaque_tokens(), OpaqueTokens::None);
        let mut names = ConfiguredNames::default();
        by_identifier.values().for_each(|issuer| names.add_all(&issuer.names));
        Self {
            names,
            opaque: by_identifier.values().filter(may_own_opaque).map(Arc::clone).collect(),
            any_introspection: by_identifier.values().any(|issuer| issuer.introspection.is_some()),
            any_without_keys: by_identifier.values().any(|issuer| issuer.keys.is_none()),
            by_identifier,
        }
    }
}
