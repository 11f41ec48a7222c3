//! Scopes and checks that a route requires beyond a valid token (RFC 6750 section 3.1).
//!
//! Checks: the granted scopes, the roles, then the claims and the functions of the route, in the order they
//! were added.
//! Does not check: the token itself, which was validated before an [`AccessToken`] exists.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use http::request::Parts;

use crate::access_token::{AccessToken, ClaimValue};
use crate::bearer;

/// A rule about the scopes of a token: one scope, all of several rules, or any of several rules.
///
/// ```
/// use tower_bearer::{Require, Scopes};
///
/// // "orders:read", and one of "eu" and "us".
/// let rule = Scopes::all_of([Scopes::from("orders:read"), Scopes::any_of(["eu", "us"])]);
/// let layer = Require::scope(rule);
/// ```
///
/// A `&str` or `String` converts into a rule. Scopes are compared exactly, including their case (RFC 6749
/// section 3.3). A space-delimited text requires every scope in it. A text that is not a valid scope, such as
/// an empty one, matches no token.
///
/// ```
/// # #[cfg(feature = "axum")] {
/// use axum::{Router, routing::get};
/// use tower_bearer::{Require, Scopes};
///
/// # async fn orders() {}
/// let app: Router = Router::new()
///     .route("/orders", get(orders).layer(Require::scope("orders:read openid"))) // both
///     .route("/audit", get(orders).layer(Require::scope(Scopes::any_of(["audit", "admin"]))));
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Scopes(Rule);

#[derive(Clone, Debug)]
enum Rule {
    One(Box<str>),
    AllOf(Vec<Scopes>),
    AnyOf(Vec<Scopes>),
}

impl Scopes {
    /// Requires every one of `rules`. An empty list requires nothing.
    ///
    /// ```
    /// use tower_bearer::Scopes;
    ///
    /// let rule = Scopes::all_of(["orders:read", "orders:write"]);
    /// ```
    pub fn all_of<R: Into<Self>>(rules: impl IntoIterator<Item = R>) -> Self {
        Self(Rule::AllOf(rules.into_iter().map(Into::into).collect()))
    }

    /// Requires at least one of `rules`. An empty list matches no token.
    ///
    /// The challenge of a rejection names the first alternative only: put the scope that clients should
    /// request there.
    ///
    /// ```
    /// use tower_bearer::Scopes;
    ///
    /// let rule = Scopes::any_of(["orders:read", "orders:admin"]);
    /// ```
    pub fn any_of<R: Into<Self>>(rules: impl IntoIterator<Item = R>) -> Self {
        Self(Rule::AnyOf(rules.into_iter().map(Into::into).collect()))
    }

    /// Whether the scopes for which `is_granted` returns `true` meet the rule.
    pub(crate) fn is_met_by(&self, is_granted: &dyn Fn(&str) -> bool) -> bool {
        match &self.0 {
            Rule::One(scope) => is_granted(scope),
            Rule::AllOf(rules) => rules.iter().all(|rule| rule.is_met_by(is_granted)),
            Rule::AnyOf(rules) => rules.iter().any(|rule| rule.is_met_by(is_granted)),
        }
    }

    /// The scopes that a client should request, space-delimited: of alternatives, the first.
    pub(crate) fn needed(&self) -> String {
        let mut needed = Needed::default();
        self.append_needed(&mut needed);
        needed.list()
    }

    /// Appends the scopes that a client should request: of alternatives, the first.
    fn append_needed<'s>(&'s self, needed: &mut Needed<'s>) {
        match &self.0 {
            Rule::One(scope) => needed.add(scope),
            Rule::AllOf(rules) => rules.iter().for_each(|rule| rule.append_needed(needed)),
            Rule::AnyOf(rules) => rules.iter().take(1).for_each(|rule| rule.append_needed(needed)),
        }
    }
}

impl From<&str> for Scopes {
    fn from(text: &str) -> Self {
        let mut scopes = text.split(' ').filter(|scope| bearer::is_scope_token(scope));
        let is_valid = text.split(' ').all(|scope| scope.is_empty() || bearer::is_scope_token(scope));
        match (is_valid, scopes.next(), scopes.next()) {
            (true, Some(one), None) => Self(Rule::One(one.into())),
            (true, Some(_), Some(_)) => Self::all_of(text.split(' ').filter(|scope| !scope.is_empty())),
            _ => Self(Rule::AnyOf(Vec::new())),
        }
    }
}

impl From<String> for Scopes {
    fn from(text: String) -> Self {
        Self::from(&*text)
    }
}

/// Many servers and clients reject a response whose headers are larger than a few KiB.
const MAX_NEEDED_BYTES: usize = 1024;

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
        let mut needed = Needed::default();
        self.scopes.iter().for_each(|scopes| scopes.append_needed(&mut needed));
        needed.list()
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

/// Scopes for a challenge, each once, in the order they were added.
#[derive(Default)]
struct Needed<'s> {
    ordered: Vec<&'s str>,
    known: HashSet<&'s str>,
    bytes: usize,
}

impl<'s> Needed<'s> {
    fn add(&mut self, scope: &'s str) {
        if self.known.insert(scope) {
            self.ordered.push(scope);
            self.bytes = self.bytes.saturating_add(scope.len()).saturating_add(1);
        }
    }

    /// The scopes, space-delimited; none if the text would be too long for a header.
    fn list(&self) -> String {
        if self.bytes > MAX_NEEDED_BYTES { String::new() } else { self.ordered.join(" ") }
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
    use crate::bearer::ScopeSet;

    #[test]
    fn rule_accepts_only_the_scopes_that_meet_it() {
        let nested = Scopes::all_of([Scopes::from("r"), Scopes::any_of([Scopes::from("a"), "b c".into()])]);
        for (name, rule, granted, is_met) in [
            ("one", Scopes::from("a"), "b a", true),
            ("case", Scopes::from("a"), "A b", false),
            ("part of a scope", Scopes::from("a"), "ab a:b", false),
            ("two scopes in one text", Scopes::from("a b"), "b  a", true),
            ("one of two scopes", Scopes::from("a b"), "a", false),
            ("all of nothing", Scopes::all_of(Vec::<&str>::new()), "", true),
            ("any of nothing", Scopes::any_of(Vec::<&str>::new()), "a", false),
            ("empty text", Scopes::from(""), "a", false),
            ("only spaces", Scopes::from("  "), "a", false),
            ("invalid scope", Scopes::from("a\"b"), "a\"b a b", false),
            ("nested: first alternative", nested.clone(), "r a", true),
            ("nested: second alternative", nested.clone(), "r b c", true),
            ("nested: half of an alternative", nested.clone(), "r b", false),
            ("nested: outer scope missing", nested, "a b c", false),
        ] {
            let granted = ScopeSet::from_space_delimited(granted);
            assert_eq!(rule.is_met_by(&|scope| granted.contains(scope)), is_met, "{name}");
        }
    }

    #[test]
    fn needed_scopes_are_listed_once_with_the_first_alternative_only() {
        let mut requirement = Requirement::default();
        requirement.add_scopes("b a".into());
        requirement.add_scopes(Scopes::any_of(["read", "admin"]));
        requirement.add_scopes("a".into());
        assert_eq!(requirement.scopes_needed(), "b a read");
    }
}
