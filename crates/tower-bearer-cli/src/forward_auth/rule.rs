//! One rule: which requests it is for, and what they need.

use http::Method;
use serde::Deserialize;
use tower_bearer::Require;

use super::host_pattern::HostPattern;
use super::path::{PathPattern, RequestPath};
use crate::host::Host;

/// A table `[[rules]]` of the configuration.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleTable {
    path: String,
    methods: Option<Vec<String>>,
    host: Option<String>,
    #[serde(default)]
    access: AccessName,
    #[serde(default)]
    scopes: Vec<String>,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default)]
    still_active: bool,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
enum AccessName {
    Public,
    #[default]
    Token,
    Deny,
}

#[derive(Debug)]
pub(crate) struct Rule {
    pub(crate) access: Access,
    /// `None` for every method.
    methods: Option<Vec<Method>>,
    host: Option<HostPattern>,
    path: PathPattern,
}

/// The requirement of a rule.
#[derive(Debug)]
pub(crate) enum Access {
    Public,
    Token(Require),
    Deny,
}

impl RuleTable {
    /// Checks the rule. Problems are added to `problems`, each after `position`.
    pub(crate) fn parse(self, position: &str, problems: &mut Vec<String>) -> Option<Rule> {
        let known = problems.len();
        let mut problem = |text: String| problems.push(format!("{position}.{text}"));
        let path = PathPattern::parse(&self.path)
            .map_err(|error| problem(format!("path {:?} {error}", self.path)))
            .ok();
        let host = self.host.as_deref().map(|text| {
            let host = HostPattern::parse(text);
            if host.is_none() {
                problem(format!(
                    "host {text:?} is invalid; hint: write a name without port, or *.example.com"
                ));
            }
            host
        });
        let methods = self.methods.as_ref().map(|names| parse_methods(names, &mut problem));
        self.check_access(&mut problem);
        if problems.len() > known {
            return None;
        }
        Some(Rule { access: self.access(), methods, host: host.flatten(), path: path? })
    }

    fn check_access(&self, problem: &mut impl FnMut(String)) {
        let needs = !self.scopes.is_empty() || !self.roles.is_empty() || self.still_active;
        if needs && self.access != AccessName::Token {
            problem("access is not \"token\", so scopes, roles and still_active have no effect".to_owned());
        }
        for scope in self.scopes.iter().filter(|scope| !is_scope(scope)) {
            problem(format!("scopes has {scope:?}, which is no scope; hint: write one scope per item"));
        }
        if self.roles.iter().any(String::is_empty) {
            problem("roles has an empty item".to_owned());
        }
    }

    fn access(self) -> Access {
        match self.access {
            AccessName::Public => return Access::Public,
            AccessName::Deny => return Access::Deny,
            AccessName::Token => {}
        }
        let require = if self.roles.is_empty() { Require::token() } else { Require::any_role(self.roles) };
        let require = self.scopes.into_iter().fold(require, Require::and_scope);
        Access::Token(if self.still_active { require.still_active() } else { require })
    }
}

impl Rule {
    pub(crate) fn matches(&self, method: &Method, host: Option<&Host>, path: &RequestPath) -> bool {
        self.methods.as_ref().is_none_or(|methods| {
            methods.contains(method) || (*method == Method::HEAD && methods.contains(&Method::GET))
        }) && self.host.as_ref().is_none_or(|pattern| host.is_some_and(|host| pattern.matches(host)))
            && self.path.matches(path)
    }

    pub(crate) fn has_host(&self) -> bool {
        self.host.is_some()
    }

    /// Whether it matches every request, so that later rules have no effect.
    pub(crate) fn matches_all(&self) -> bool {
        self.methods.is_none() && self.host.is_none() && self.path.matches_all()
    }
}

fn parse_methods(names: &[String], problem: &mut impl FnMut(String)) -> Vec<Method> {
    if names.is_empty() {
        problem(
            "methods is empty, so the rule matches nothing; hint: leave it out for every method".to_owned(),
        );
    }
    let mut methods = Vec::new();
    for name in names {
        match name.parse() {
            // Methods are case-sensitive (RFC 9110 section 9.1), and a proxy sends them as they are.
            Ok(method) if name.bytes().all(|byte| !byte.is_ascii_lowercase()) => methods.push(method),
            _ => problem(format!("methods has {name:?}, which is no method; hint: write GET")),
        }
    }
    methods
}

/// RFC 6749 section 3.3.
fn is_scope(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\')
}
