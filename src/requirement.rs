//! What a route needs beyond a valid token: scopes and checks of its own (RFC 6750 section 3.1, RFC 9700 section 2.3).
//!
//! Checks: the scopes granted, then each check of the route, in the order they were added.
//! Does not check: the token itself, which an [`AccessToken`] vouches for.

use std::fmt;
use std::sync::Arc;

use http::request::Parts;

use crate::access_token::AccessToken;
use crate::bearer::{self, ScopeSet};

/// A rule about scopes: one, all of several, any of several, nested at will.
///
/// ```
/// use tower_bearer::{Require, Scopes};
///
/// // "orders:read", and one of "eu" and "us".
/// let rule = Scopes::all_of([Scopes::from("orders:read"), Scopes::any_of(["eu", "us"])]);
/// let layer = Require::scope(rule);
/// ```
///
/// A scope is compared letter by letter (RFC 6749 section 3.3). A text with spaces in it means all
/// the scopes that it lists. A text that is no scope at all (empty, or with a quote in it) is met by
/// no token.
#[derive(Clone, Debug)]
pub struct Scopes(Rule);

#[derive(Clone, Debug)]
enum Rule {
    One(Box<str>),
    AllOf(Vec<Scopes>),
    AnyOf(Vec<Scopes>),
}

impl Scopes {
    /// Every one of `rules`. An empty list asks for nothing.
    pub fn all_of<R: Into<Self>>(rules: impl IntoIterator<Item = R>) -> Self {
        Self(Rule::AllOf(rules.into_iter().map(Into::into).collect()))
    }

    /// At least one of `rules`, the one to be asked for first. An empty list is never met.
    pub fn any_of<R: Into<Self>>(rules: impl IntoIterator<Item = R>) -> Self {
        Self(Rule::AnyOf(rules.into_iter().map(Into::into).collect()))
    }

    pub(crate) fn met_by(&self, granted: &ScopeSet) -> bool {
        match &self.0 {
            Rule::One(scope) => granted.contains(scope),
            Rule::AllOf(rules) => rules.iter().all(|rule| rule.met_by(granted)),
            Rule::AnyOf(rules) => rules.iter().any(|rule| rule.met_by(granted)),
        }
    }

    /// The scopes that a client should ask for, space-delimited: of alternatives, the first.
    pub(crate) fn needed(&self) -> String {
        let mut list = Vec::new();
        self.add_needed(&mut list);
        list.join(" ")
    }

    fn add_needed<'s>(&'s self, list: &mut Vec<&'s str>) {
        match &self.0 {
            Rule::One(scope) if list.contains(&&**scope) => {}
            Rule::One(scope) => list.push(scope),
            Rule::AllOf(rules) => rules.iter().for_each(|rule| rule.add_needed(list)),
            Rule::AnyOf(rules) => rules.iter().take(1).for_each(|rule| rule.add_needed(list)),
        }
    }
}

impl From<&str> for Scopes {
    fn from(text: &str) -> Self {
        let mut scopes = text.split(' ').filter(|scope| bearer::is_scope_token(scope));
        let whole = text.split(' ').all(|scope| scope.is_empty() || bearer::is_scope_token(scope));
        match (whole, scopes.next(), scopes.next()) {
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

/// All that one route asks for.
#[derive(Clone, Default)]
pub(crate) struct Requirement {
    scopes: Vec<Scopes>,
    checks: Vec<RouteCheck>,
}

/// What a token lacks for a route.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RequirementFault {
    /// A scope.
    ScopeInsufficient,
    /// A check of the route said no.
    Unmet,
}

impl Requirement {
    pub(crate) fn add_scopes(&mut self, scopes: Scopes) {
        self.scopes.push(scopes);
    }

    pub(crate) fn add_check(&mut self, check: RouteCheck) {
        self.checks.push(check);
    }

    /// Whether `token` may call the route at which the request with that `head` arrived.
    ///
    /// # Errors
    /// The first [`RequirementFault`].
    pub(crate) fn check(&self, token: &AccessToken, head: &Parts) -> Result<(), RequirementFault> {
        if !self.scopes.iter().all(|scopes| scopes.met_by(token.scopes())) {
            return Err(RequirementFault::ScopeInsufficient);
        }
        let met = self.checks.iter().all(|check| check(token, head));
        met.then_some(()).ok_or(RequirementFault::Unmet)
    }

    /// Every scope that a token for this route needs, space-delimited, in the order written.
    pub(crate) fn scopes_needed(&self) -> String {
        let mut list = Vec::new();
        self.scopes.iter().for_each(|scopes| scopes.add_needed(&mut list));
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
    fn scopes_are_met_as_their_rule_says() {
        let nested = Scopes::all_of([Scopes::from("r"), Scopes::any_of([Scopes::from("a"), "b c".into()])]);
        for (name, rule, granted, met) in [
            ("one", Scopes::from("a"), "b a", true),
            ("case", Scopes::from("a"), "A b", false),
            ("part of a word", Scopes::from("a"), "ab a:b", false),
            ("two in one text", Scopes::from("a b"), "b  a", true),
            ("one of two", Scopes::from("a b"), "a", false),
            ("nothing asked", Scopes::all_of(Vec::<&str>::new()), "", true),
            ("no alternative", Scopes::any_of(Vec::<&str>::new()), "a", false),
            ("empty text", Scopes::from(""), "a", false),
            ("only spaces", Scopes::from("  "), "a", false),
            ("no scope-token", Scopes::from("a\"b"), "a\"b a b", false),
            ("nested first", nested.clone(), "r a", true),
            ("nested second", nested.clone(), "r b c", true),
            ("nested half", nested.clone(), "r b", false),
            ("nested outer", nested, "a b c", false),
        ] {
            assert_eq!(rule.met_by(&ScopeSet::from_space_delimited(granted)), met, "{name}");
        }
    }

    #[test]
    fn the_list_of_needed_scopes_has_all_of_them_once_and_of_alternatives_the_first() {
        let mut requirement = Requirement::default();
        requirement.add_scopes("b a".into());
        requirement.add_scopes(Scopes::any_of(["read", "admin"]));
        requirement.add_scopes("a".into());
        assert_eq!(requirement.scopes_needed(), "b a read");
    }
}
