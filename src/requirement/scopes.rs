//! Rules about the scopes of a token (RFC 6749 section 3.3).

use std::collections::HashSet;
use std::slice;

use crate::bearer;

/// Many servers and clients reject a response whose headers are larger than a few KiB.
const MAX_NEEDED_BYTES: usize = 1024;

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
        needed_by(slice::from_ref(self))
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

/// The scopes that a client should request to meet all `rules`, space-delimited, in their order.
pub(super) fn needed_by(rules: &[Scopes]) -> String {
    let mut needed = Needed::default();
    rules.iter().for_each(|rule| rule.append_needed(&mut needed));
    needed.list()
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
}
