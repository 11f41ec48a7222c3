//! Writes `WWW-Authenticate`: one challenge of one scheme (RFC 9110 section 11.6.1, RFC 6750 section 3).
//!
//! Checks: that nothing outside the character sets of RFC 6750 section 3 is written, whatever the
//! texts hold, so that none of them can add a parameter, a challenge or a header line.
//! Does not check: that there is a parameter at all; whoever builds a challenge gives it a realm.

use http::HeaderValue;

use crate::bearer::grammar::is_description_char;
use crate::bearer::scope::{is_scope_token, push_item};

/// One challenge. Each parameter stands in it once at most.
#[derive(Clone, Debug)]
pub(crate) struct Challenge<'a> {
    scheme: &'static str,
    realm: Option<&'a str>,
    error: Option<ErrorCode>,
    error_description: Option<&'static str>,
    scope: Option<&'a str>,
}

/// The `error` of a challenge: the codes of RFC 6750 section 3.1, and no others.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ErrorCode {
    /// The request is malformed (400).
    InvalidRequest,
    /// The token is expired, revoked, malformed or invalid in another way (401).
    InvalidToken,
    /// The token is good and grants too little (403).
    InsufficientScope,
}

impl ErrorCode {
    /// The code as it is registered.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
        }
    }
}

impl<'a> Challenge<'a> {
    /// A challenge of `scheme`, which must be a registered name, without parameters.
    pub(crate) fn new(scheme: &'static str) -> Self {
        Self { scheme, realm: None, error: None, error_description: None, scope: None }
    }

    /// Names the protection space (RFC 9110 section 11.5).
    pub(crate) fn realm(self, realm: &'a str) -> Self {
        Self { realm: Some(realm), ..self }
    }

    /// Says why the request was refused. Not for a request without credentials (RFC 6750 section 3.1).
    pub(crate) fn error(self, error: ErrorCode) -> Self {
        Self { error: Some(error), ..self }
    }

    /// Says it in a sentence, for a developer.
    pub(crate) fn error_description(self, sentence: &'static str) -> Self {
        Self { error_description: Some(sentence), ..self }
    }

    /// Says which scopes are needed, with spaces between them. What is no scope token is left out
    /// whole: with a character missing it would be another scope.
    pub(crate) fn scope(self, scope: &'a str) -> Self {
        Self { scope: Some(scope), ..self }
    }

    /// The value of the field.
    pub(crate) fn header_value(&self) -> HeaderValue {
        // The text is printable ASCII by construction; the scheme alone is the answer if not.
        HeaderValue::try_from(self.text()).unwrap_or_else(|_| HeaderValue::from_static(self.scheme))
    }

    fn text(&self) -> String {
        let mut writer = Writer::new(self.scheme);
        if let Some(realm) = self.realm {
            writer.param("realm", |text| push_escaped(text, realm));
        }
        if let Some(error) = self.error {
            writer.param("error", |text| text.push_str(error.as_str()));
        }
        if let Some(sentence) = self.error_description {
            writer.param("error_description", |text| text.extend(sentence.chars().filter(is_describing)));
        }
        let scope = self.scope.map(scope_tokens).unwrap_or_default();
        if !scope.is_empty() {
            writer.param("scope", |text| text.push_str(&scope));
        }
        writer.text
    }
}

/// Whether `realm` can be shown as it is: printable ASCII, and not empty.
pub(crate) fn realm_is_valid(realm: &str) -> bool {
    !realm.is_empty() && realm.chars().all(is_printable)
}

/// The text so far, and what comes before the next parameter.
struct Writer {
    text: String,
    separator: &'static str,
}

impl Writer {
    fn new(scheme: &str) -> Self {
        let mut text = String::with_capacity(128);
        text.push_str(scheme);
        Self { text, separator: " " }
    }

    /// Always as a quoted-string: RFC 9110 section 11.5 wants that for `realm`, and clients expect
    /// it for all.
    fn param(&mut self, name: &str, push_value: impl FnOnce(&mut String)) {
        self.text.push_str(self.separator);
        self.text.push_str(name);
        self.text.push_str("=\"");
        push_value(&mut self.text);
        self.text.push('"');
        self.separator = ", ";
    }
}

/// RFC 9110 section 5.6.4.
fn push_escaped(text: &mut String, value: &str) {
    for character in value.chars().filter(|character| is_printable(*character)) {
        if matches!(character, '"' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
}

fn scope_tokens(scope: &str) -> String {
    let mut list = String::with_capacity(scope.len());
    for item in scope.split(' ').filter(|item| is_scope_token(item)) {
        push_item(&mut list, item);
    }
    list
}

fn is_describing(character: &char) -> bool {
    u8::try_from(*character).is_ok_and(is_description_char)
}

fn is_printable(character: char) -> bool {
    matches!(character, ' '..='~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_read_as_in_rfc_6750_section_3() {
        let plain = Challenge::new("Bearer").realm("example");
        for (name, challenge, expected) in [
            ("no credentials", plain.clone(), r#"Bearer realm="example""#),
            (
                "expired",
                plain.clone().error(ErrorCode::InvalidToken).error_description("The access token expired"),
                r#"Bearer realm="example", error="invalid_token", error_description="The access token expired""#,
            ),
            (
                "scope",
                plain.clone().scope("a  b").error(ErrorCode::InsufficientScope),
                r#"Bearer realm="example", error="insufficient_scope", scope="a b""#,
            ),
            (
                "another scheme",
                Challenge::new("DPoP").error(ErrorCode::InvalidRequest),
                r#"DPoP error="invalid_request""#,
            ),
            ("set twice", plain.realm("other"), r#"Bearer realm="other""#),
            ("no parameter", Challenge::new("Bearer"), "Bearer"),
        ] {
            assert_eq!(challenge.header_value(), expected, "{name}");
        }
    }

    #[test]
    fn nothing_outside_the_character_sets_is_written() {
        let challenge = Challenge::new("Bearer")
            .realm("a\"b\\c\r\nX: \u{e9}\0\u{7f}")
            .error_description("a\"b\\c\r\nX: \u{e9}\t\u{7f} d")
            .scope("a\"b c\\ d\r\n \u{e9} e");
        assert_eq!(
            challenge.header_value(),
            r#"Bearer realm="a\"b\\cX: ", error_description="abcX:  d", scope="e""#
        );
        let nothing_left = Challenge::new("Bearer").realm("r").scope("\" \\");
        assert_eq!(nothing_left.header_value(), r#"Bearer realm="r""#);
    }

    #[test]
    fn a_realm_is_printable_ascii_and_not_empty() {
        for realm in ["example", "a b", "a\"b\\c", "~", " "] {
            assert!(realm_is_valid(realm), "{realm}");
        }
        for realm in ["", "\n", "a\tb", "\u{7f}", "\u{e9}", "a\0"] {
            assert!(!realm_is_valid(realm), "{realm:?}");
        }
    }
}
