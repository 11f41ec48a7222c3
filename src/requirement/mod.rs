//! The requirements of a route beyond a valid token (RFC 6750 section 3.1, RFC 9470, RFC 9396).
//!
//! Checks: that the token is bound to its sender, the authentication of the user, the granted scopes, the
//! roles, then the claims, authorization details and functions of the route, in the order they were added.
//! Does not check: the token itself, which was validated before an [`AccessToken`] exists.
//!
//! Why the authentication is checked first: the challenge for another authentication can name the missing
//! scopes, too (RFC 9470 section 3), but not the other way round. Roles and claims may differ in the token
//! that the client gets for it, so they are checked last.

mod detail;
mod scopes;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;

pub(crate) use detail::{DetailFault, RequiredDetail};
pub use scopes::Scopes;

use crate::access_token::{AccessToken, ClaimValue, StepUp};
use crate::time::NumericDate;

type RouteCheck = Arc<dyn Fn(&AccessToken, &Parts) -> bool + Send + Sync>;

type ClaimCheck = Arc<dyn Fn(ClaimValue<'_>) -> bool + Send + Sync>;

/// The scopes and the checks of one route.
#[derive(Clone, Default)]
pub(crate) struct Requirement {
    /// Whether the token must be bound to a key or a certificate.
    sender_bound: bool,
    step_up: Option<Arc<StepUp>>,
    /// A Conditional Access authentication context of Entra ID.
    auth_context: Option<Arc<str>>,
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
    Detail(RequiredDetail),
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
    /// The token is bound to no key and no certificate.
    NotSenderBound,
    /// The user was authenticated too weakly or too long ago.
    AuthenticationInsufficient { step_up: Arc<StepUp>, lacks_scopes: bool },
    /// The token lacks this authentication context.
    AuthContextMissing { context: Arc<str>, lacks_scopes: bool },
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
    /// No authorization detail of this type is accepted.
    Detail(Arc<str>, DetailFault),
    /// A check of the request returned `false`.
    Check,
}

impl RequiredClaim {
    /// Whether the token has the claim, and the function accepts it.
    pub(crate) fn is_met_by(&self, claim: Option<ClaimValue<'_>>) -> bool {
        claim.is_some_and(|value| (self.check)(value))
    }
}

impl RequirementFault {
    /// Whether the token lacks scopes, for this reason or in addition.
    pub(crate) fn lacks_scopes(&self) -> bool {
        match self {
            Self::AuthenticationInsufficient { lacks_scopes, .. }
            | Self::AuthContextMissing { lacks_scopes, .. } => *lacks_scopes,
            Self::ScopeInsufficient => true,
            Self::NotSenderBound | Self::Unmet(_) => false,
        }
    }
}

impl Requirement {
    /// Requires a token that is bound to a key or a certificate.
    pub(crate) fn require_sender_bound(&mut self) {
        self.sender_bound = true;
    }

    /// Whether the token must be bound to a key or a certificate.
    pub(crate) fn is_sender_bound(&self) -> bool {
        self.sender_bound
    }

    /// Requires an `acr` of this list, in place of an earlier list.
    pub(crate) fn set_acr_any(&mut self, values: impl IntoIterator<Item = String>) {
        let step_up = self.step_up.take().unwrap_or_default();
        self.step_up = Some(Arc::new(Arc::unwrap_or_clone(step_up).acr_any(values)));
    }

    /// Requires an `auth_time` no longer ago than this, in place of an earlier duration.
    pub(crate) fn set_max_authentication_age(&mut self, max_age: Duration) {
        let step_up = self.step_up.take().unwrap_or_default();
        self.step_up = Some(Arc::new(Arc::unwrap_or_clone(step_up).authenticated_within(max_age)));
    }

    /// Requires this authentication context, in place of an earlier one.
    pub(crate) fn set_auth_context(&mut self, context: Arc<str>) {
        self.auth_context = Some(context);
    }

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

    pub(crate) fn add_detail(&mut self, detail: RequiredDetail) {
        self.checks.push(Check::Detail(detail));
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
            Check::Detail(_) | Check::Request(_) => None,
        })
    }

    /// The required authentication of the user.
    pub(crate) fn step_up(&self) -> Option<&StepUp> {
        self.step_up.as_deref()
    }

    /// The authentication context that the token must have.
    pub(crate) fn auth_context(&self) -> Option<&str> {
        self.auth_context.as_deref()
    }

    /// The types of the authorization details that the token must have.
    pub(crate) fn detail_types(&self) -> impl Iterator<Item = &Arc<str>> {
        self.checks.iter().filter_map(|check| match check {
            Check::Detail(detail) => Some(&detail.kind),
            Check::Claim(_) | Check::Request(_) => None,
        })
    }

    /// Whether some of it can be checked only with a request.
    pub(crate) fn needs_request(&self) -> bool {
        self.checks.iter().any(|check| matches!(check, Check::Detail(_) | Check::Request(_)))
    }

    /// Checks the binding, authentication, scopes and roles of `token`, then runs the checks on it and on the
    /// `head` of the request. `now` is called only if the time matters.
    ///
    /// # Errors
    /// The first [`RequirementFault`].
    pub(crate) fn check(
        &self,
        token: &AccessToken,
        head: &Parts,
        now: impl FnOnce() -> NumericDate,
    ) -> Result<(), RequirementFault> {
        if self.sender_bound && token.bound_to().is_none() {
            return Err(RequirementFault::NotSenderBound);
        }
        let lacks_scopes = !self.is_met_by_scopes(&|scope| token.grants(scope));
        self.check_authentication(token, lacks_scopes, now)?;
        if lacks_scopes {
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

    fn check_authentication(
        &self,
        token: &AccessToken,
        lacks_scopes: bool,
        now: impl FnOnce() -> NumericDate,
    ) -> Result<(), RequirementFault> {
        if let Some(step_up) = self.step_up.as_ref().filter(|step_up| !token.meets(step_up, now)) {
            let step_up = Arc::clone(step_up);
            return Err(RequirementFault::AuthenticationInsufficient { step_up, lacks_scopes });
        }
        if let Some(context) = self.auth_context.as_ref().filter(|context| !token.has_auth_context(context)) {
            let context = Arc::clone(context);
            return Err(RequirementFault::AuthContextMissing { context, lacks_scopes });
        }
        Ok(())
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
            Self::Detail(detail) => {
                let fault = detail.check(token, head).err()?;
                Some(Unmet::Detail(Arc::clone(&detail.kind), fault))
            }
            Self::Request(check) if check(token, head) => None,
            Self::Request(_) => Some(Unmet::Check),
        }
    }
}

/// The part of the requirement, for a log.
impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Role(any_of) => write!(f, "role {}", any_of.join(" or ")),
            Self::Claim(pointer) => write!(f, "claim {pointer}"),
            Self::Detail(kind, fault) => write!(f, "authorization detail {kind}: {fault}"),
            Self::Check => f.write_str("a check of the route"),
        }
    }
}

impl fmt::Debug for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requirement")
            .field("sender_bound", &self.sender_bound)
            .field("step_up", &self.step_up)
            .field("auth_context", &self.auth_context)
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
