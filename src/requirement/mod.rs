//! Scopes and checks that a route requires beyond a valid token (RFC 6750 section 3.1).
//!
//! Checks: the granted scopes, the roles, then the claims and the functions of the route, in the order they
//! were added.
//! Does not check: the token itself, which was validated before an [`AccessToken`] exists.

mod scopes;

use std::fmt;
use std::sync::Arc;

use http::request::Parts;

pub use scopes::Scopes;

use crate::access_token::{AccessToken, ClaimValue};

type RouteCheck = Arc<dyn Fn(&AccessToken, &Parts) -> bool + Send + Sync>;

type ClaimCheck = Arc<dyn Fn(ClaimValue<'_>) -> bool + Send + Sync>;

/// The scopes and the checks of one route.
#[derive(Clone, Default)]
pub(crate) struct Requirement {
    scopes: Vec<Scopes>,
    /// Of each list, the token must have one role.
    roles: Vec<AnyRole>,
    checks: Vec<Check>,
}

/// Roles of which a token must have one.
pub(crate) type AnyRole = Arc<[Box<str>]>;

#[derive(Clone)]
enum Check {
    Claim(RequiredClaim),
    /// A function of the token and the head of the request.
    Request(RouteCheck),
}

/// A claim, and the function that its value must meet.
#[derive(Clone)]
pub(crate) struct RequiredClaim {
    pub(crate) pointer: Arc<str>,
    check: ClaimCheck,
}

/// Why a valid token is not enough for a route.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum RequirementFault {
    /// A scope is missing.
    ScopeInsufficient,
    /// Something else is not met.
    Unmet(Unmet),
}

/// The part of a requirement that a token does not meet, beside scopes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Unmet {
    /// The token has none of these roles.
    Role(AnyRole),
    /// This claim is absent, or its function returned `false`.
    Claim(Arc<str>),
    /// A check of the request returned `false`.
    Check,
}

impl RequiredClaim {
    /// Whether the token has the claim, and the function accepts it.
    pub(crate) fn is_met_by(&self, claim: Option<ClaimValue<'_>>) -> bool {
        claim.is_some_and(|value| (self.check)(value))
    }
}

impl Requirement {
    pub(crate) fn add_scopes(&mut self, scopes: Scopes) {
        self.scopes.push(scopes);
    }

    /// Requires one of these roles. An empty list matches no token.
    pub(crate) fn add_roles(&mut self, any_of: impl IntoIterator<Item = Box<str>>) {
        self.roles.push(any_of.into_iter().collect());
    }

    /// Requires that the token has the claim at `pointer`, and that `check` accepts its value.
    pub(crate) fn add_claim(&mut self, pointer: &str, check: ClaimCheck) {
        self.checks.push(Check::Claim(RequiredClaim { pointer: pointer.into(), check }));
    }

    pub(crate) fn add_check(&mut self, check: RouteCheck) {
        self.checks.push(Check::Request(check));
    }

    /// Whether the scopes for which `is_granted` returns `true` are all that the route needs.
    pub(crate) fn is_met_by_scopes(&self, is_granted: &dyn Fn(&str) -> bool) -> bool {
        self.scopes.iter().all(|scopes| scopes.is_met_by(is_granted))
    }

    /// Of each list, the token must have one role.
    pub(crate) fn roles(&self) -> &[AnyRole] {
        &self.roles
    }

    /// The claims that the token must have.
    pub(crate) fn claims(&self) -> impl Iterator<Item = &RequiredClaim> {
        self.checks.iter().filter_map(|check| match check {
            Check::Claim(claim) => Some(claim),
            Check::Request(_) => None,
        })
    }

    /// Whether some of it can be checked only with a request.
    pub(crate) fn needs_request(&self) -> bool {
        self.checks.iter().any(|check| matches!(check, Check::Request(_)))
    }

    /// Checks the scopes and roles of `token`, then runs the checks on it and on the `head` of the request.
    ///
    /// # Errors
    /// The first [`RequirementFault`].
    pub(crate) fn check(&self, token: &AccessToken, head: &Parts) -> Result<(), RequirementFault> {
        if !self.is_met_by_scopes(&|scope| token.grants(scope)) {
            return Err(RequirementFault::ScopeInsufficient);
        }
        if let Some(missing) =
            self.roles.iter().find(|any_of| !any_of.iter().any(|role| token.has_role(role)))
        {
            return Err(RequirementFault::Unmet(Unmet::Role(Arc::clone(missing))));
        }
        let unmet = self.checks.iter().find_map(|check| check.unmet_by(token, head));
        unmet.map_or(Ok(()), |unmet| Err(RequirementFault::Unmet(unmet)))
    }

    /// The scopes that a client should request for this route, space-delimited, in the order they were added.
    pub(crate) fn scopes_needed(&self) -> String {
        scopes::needed_by(&self.scopes)
    }
}

impl Check {
    fn unmet_by(&self, token: &AccessToken, head: &Parts) -> Option<Unmet> {
        match self {
            Self::Claim(claim) if claim.is_met_by(token.claim(&claim.pointer)) => None,
            Self::Claim(claim) => Some(Unmet::Claim(Arc::clone(&claim.pointer))),
            Self::Request(check) if check(token, head) => None,
            Self::Request(_) => Some(Unmet::Check),
        }
    }
}

/// What the route requires, for a log.
impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role(any_of) => write!(f, "role {}", any_of.join(" or ")),
            Self::Claim(pointer) => write!(f, "claim {pointer}"),
            Self::Check => f.write_str("a check of the route"),
        }
    }
}

impl fmt::Debug for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requirement")
            .field("scopes", &self.scopes_needed())
            .field("roles", &self.roles)
            .field("checks", &self.checks.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needed_scopes_are_listed_once_with_the_first_alternative_only() {
        let mut requirement = Requirement::default();
        requirement.add_scopes("b a".into());
        requirement.add_scopes(Scopes::any_of(["read", "admin"]));
        requirement.add_scopes("a".into());
        assert_eq!(requirement.scopes_needed(), "b a read");
    }
}
