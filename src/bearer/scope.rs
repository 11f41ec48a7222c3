//! The scopes of a token: a set of scope tokens (RFC 6749 section 3.3).
//!
//! Checks: each item is a `scope-token`. Other items are dropped: no route can require them. Case matters,
//! order does not.

use std::fmt;

use crate::bearer::grammar::is_scope_char;

/// The scopes that an access token grants.
///
/// Scopes are case-sensitive, and their order has no meaning (RFC 6749 section 3.3).
///
/// ```
/// use tower_bearer::AccessToken;
///
/// fn may_write(token: &AccessToken) -> bool {
///     token.scopes().contains("orders:write")
/// }
///
/// fn reads(token: &AccessToken) -> usize {
///     token.scopes().iter().filter(|scope| scope.ends_with(":read")).count()
/// }
/// ```
#[derive(Clone, Default)]
pub struct ScopeSet {
    /// Scope tokens separated by one space.
    text: String,
}

impl ScopeSet {
    /// Parses the form of RFC 6749: space-delimited scope tokens. Repeated, leading and trailing spaces are
    /// tolerated.
    pub(crate) fn from_space_delimited(text: &str) -> Self {
        // Nearly all values are in canonical form already.
        if is_scope(text) { Self { text: text.to_owned() } } else { Self::from_items(text.split(' ')) }
    }

    /// Takes the items of an array. An item that is no scope token grants nothing. In particular, an item
    /// with a space does not grant two scopes.
    pub(crate) fn from_items<'a>(items: impl Iterator<Item = &'a str> + Clone) -> Self {
        let valid = items.filter(|item| is_scope_token(item));
        let bytes = valid.clone().map(|item| item.len().saturating_add(1)).fold(0, usize::saturating_add);
        let mut text = String::with_capacity(bytes);
        for item in valid {
            push_item(&mut text, item);
        }
        Self { text }
    }

    /// The scopes that `other` grants as well.
    pub(crate) fn intersection(&self, other: &Self) -> Self {
        let common: Vec<&str> = self.iter().filter(|scope| other.contains(scope)).collect();
        Self::from_items(common.into_iter())
    }

    /// Whether `scope` is granted. Always `false` for a string that is no scope token.
    ///
    /// ```
    /// # #[cfg(all(feature = "test-util", any(feature = "aws-lc-rs", feature = "rust-crypto")))] {
    /// # let idp = tower_bearer::testing::TestIssuer::new();
    /// # let token = idp.token("https://api.example.com").scope("orders:read").access_token().unwrap();
    /// assert!(token.scopes().contains("orders:read"));
    /// assert!(!token.scopes().contains("ORDERS:READ")); // case matters
    /// assert!(!token.scopes().contains("orders:read orders:write")); // one scope, not a list
    /// # }
    /// ```
    #[must_use]
    pub fn contains(&self, scope: &str) -> bool {
        self.iter().any(|granted| granted == scope)
    }

    /// The scopes in the order of the token, duplicates included.
    ///
    /// ```
    /// use tower_bearer::AccessToken;
    ///
    /// /// The tenants that the client may see, from scopes such as `tenant:acme`.
    /// fn tenants(token: &AccessToken) -> Vec<&str> {
    ///     token.scopes().iter().filter_map(|scope| scope.strip_prefix("tenant:")).collect()
    /// }
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.text.split(' ').filter(|scope| !scope.is_empty())
    }

    /// Whether no scope is granted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The number of scopes that [`Self::iter`] yields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.iter().count()
    }
}

/// Space-delimited, as RFC 6749 section 3.3 writes it.
impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// Whether `text` is a `scope`: one or more `scope-token`s separated by one space.
fn is_scope(text: &str) -> bool {
    let mut in_token = false;
    for byte in text.bytes() {
        match byte {
            b' ' if in_token => in_token = false,
            byte if is_scope_char(byte) => in_token = true,
            _ => return false,
        }
    }
    in_token
}

/// Whether `text` is a `scope-token`: one or more of %x21, %x23-5B, %x5D-7E.
pub(crate) fn is_scope_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_scope_char)
}

/// Appends `item` to a space-delimited list.
pub(crate) fn push_item(list: &mut String, item: &str) {
    if !list.is_empty() {
        list.push(' ');
    }
    list.push_str(item);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_token_is_visible_ascii_without_quote_and_backslash() {
        for text in ["a", "!", "#", "[", "]", "~", "orders:write", "https://api.example/.default", "a,b"] {
            assert!(is_scope_token(text), "{text}");
        }
        for text in ["", " ", "a b", "\"", "\\", "a\t", "\u{7f}", "\u{e9}", "a\n", "\0"] {
            assert!(!is_scope_token(text), "{text:?}");
        }
    }

    #[test]
    fn only_spaces_separate_and_items_that_are_no_scope_token_are_dropped() {
        for (name, text, expected) in [
            ("empty", "", ""),
            ("spaces only", "  ", ""),
            ("one", "a", "a"),
            ("two", "b a", "b a"),
            ("two spaces in a row", "a  b", "a b"),
            ("spaces at the ends", " a b ", "a b"),
            ("tab is no separator", "a\tb c", "c"),
            ("comma is no separator", "a,b", "a,b"),
            ("quote", "a\"b c", "c"),
            ("not ASCII", "caf\u{e9} c", "c"),
            ("twice", "a a", "a a"),
        ] {
            let scopes = ScopeSet::from_space_delimited(text);
            assert_eq!(scopes.to_string(), expected, "{name}");
            assert_eq!(scopes.is_empty(), expected.is_empty(), "{name}");
            assert_eq!(scopes.len(), scopes.iter().count(), "{name}");
            assert!(scopes.text.capacity() <= text.len() + 1, "{name}: one allocation, of the right size");
        }
    }

    #[test]
    fn an_array_item_with_a_space_does_not_grant_two_scopes() {
        let scopes = ScopeSet::from_items(["a", "b c", "", "d\"", "e"].into_iter());
        assert_eq!(scopes.iter().collect::<Vec<_>>(), ["a", "e"]);
        assert_eq!(scopes.len(), 2);
        for absent in ["b", "c", "b c", "d\"", "", " ", "a e", "A", "a ", "ae"] {
            assert!(!scopes.contains(absent), "{absent:?}");
        }
        assert!(scopes.contains("a") && scopes.contains("e"));
        assert!(!ScopeSet::default().contains(""));
    }

    #[test]
    fn case_matters_and_order_does_not() {
        let scopes = ScopeSet::from_space_delimited("b A");
        assert!(scopes.contains("A") && scopes.contains("b") && !scopes.contains("a"));
        assert_eq!(format!("{scopes:?}"), r#"{"b", "A"}"#);
    }
}
