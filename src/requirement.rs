//! Scopes and checks that a route requires beyond a valid token (RFC 6750 section 3.1).
//!
//! Checks: the granted scopes, then each check of the route, in the order they were added.
//! Does not check: the token itself, which was validated before an [`AccessToken`] exists.

use std::fmt;
use std::sync::Arc;

use http::request::Parts;

use crate::access_token::AccessToken;
use crate::bearer::{self, ScopeSet};

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

    pub(crate) fn is_met_by(&self, granted: &ScopeSet) -> bool {
        match &self.0 {
            Rule::One(scope) => granted.contains(scope),
            Rule::AllOf(rules) => rules.iter().all(|rule| rule.is_met_by(granted)),
            Rule::AnyOf(rules) => rules.iter().any(|rule| rule.is_met_by(granted)),
        }
    }

    /// The scopes that a client should ask for, space-delimited: of alternatives, the first.
    pub(crate) fn needed(&self) -> String {
        let mut list = Vec::new();
        self.append_needed(&mut list);
        list.join(" ")
    }

    /// Appends the scopes that a client should request: of alternatives, the first.
    fn append_needed<'s>(&'s self, list: &mut Vec<&'s str>) {
        match &self.0 {
            Rule::One(scope) if list.contains(&&**scope) => {}
            Rule::One(scope) => list.push(scope),
            Rule::AllOf(rules) => rules.iter().for_each(|rule| rule.append_needed(list)),
            Rule::AnyOf(rules) => rules.iter().take(1).for_each(|rule| rule.append_needed(list)),
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

type RouteCheck = Arc<dyn Fn(&AccessToken, &Parts) -> bool + Send + Sync>;

/// The scopes and the checks of one route.
#[derive(Clone, Default)]
pub(crate) struct Requirement {
    scopes: Vec<Scopes>,
    checks: Vec<RouteCheck>,
}

/// Why a valid token is not enough for a route.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RequirementFault {
    /// A scope is missing.
    ScopeInsufficient,
    /// A check of the route returned `false`.
    Unmet,
}

impl Requirement {
    pub(crate) fn add_scopes(&mut self, scopes: Scopes) {
        self.scopes.push(scopes);
    }

    pub(crate) fn add_check(&mut self, check: RouteCheck) {
        self.checks.push(check);
    }

    /// Checks the scopes of `token`, then runs the checks on it and on the `head` of the request.
    ///
    /// # Errors
    /// The first [`RequirementFault`].
    pub(crate) fn check(&self, token: &AccessToken, head: &Parts) -> Result<(), RequirementFault> {
        if !self.scopes.iter().all(|scopes| scopes.is_met_by(token.scopes())) {
            return Err(RequirementFault::ScopeInsufficient);
        }
        let is_met = self.checks.iter().all(|check| check(token, head));
        is_met.then_some(()).ok_or(RequirementFault::Unmet)
    }

    /// The scopes that a client should request for this route, space-delimited, in the order they were added.
    pub(crate) fn scopes_needed(&self) -> String {
        let mut list = Vec::new();
        self.scopes.iter().for_each(|scopes| scopes.append_needed(&mut list));
        list.join(" ")
    }
}

impl fmt::Debug for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Requirement")
            .field("scopes", &self.scopes_needed())
            .field("checks", &self.checks.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(rule.is_met_by(&ScopeSet::from_space_delimited(granted)), is_met, "{name}");
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
