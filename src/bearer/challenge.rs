//! Writes `WWW-Authenticate`: one challenge of one scheme (RFC 9110 section 11.6.1, RFC 6750 section 3, RFC
//! 9449 section 7.1, RFC 9470 section 3).
//!
//! Checks: only characters of the sets in RFC 6750 section 3 are written, whatever the arguments hold. So no
//! argument can add a parameter, a challenge or a header line.
//! Does not check: that the challenge has a parameter; the caller gives it a realm.

use http::HeaderValue;

use crate::bearer::grammar::is_description_char;
use crate::bearer::scheme::Scheme;
use crate::bearer::scope::{is_scope_token, push_item};

/// One challenge, with each parameter at most once.
#[derive(Clone, Debug)]
pub(crate) struct ChallengeWriter<'a> {
    scheme: &'static str,
    realm: Option<&'a str>,
    error: Option<ErrorCode>,
    error_description: Option<&'static str>,
    scope: Option<&'a str>,
    resource_metadata: Option<&'a str>,
    acr_values: Option<&'a str>,
    max_age: Option<u64>,
    authorization_uri: Option<&'a str>,
    claims: Option<&'a str>,
    algs: Option<&'a str>,
}

/// The `error` of a challenge (RFC 6750 section 3.1, unless noted).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ErrorCode {
    /// The request is malformed (400).
    InvalidRequest,
    /// The token is expired, revoked, malformed or invalid in another way (401).
    InvalidToken,
    /// The token is valid but grants too little (403).
    InsufficientScope,
    /// The user was authenticated too weakly or too long ago (401; RFC 9470 section 3).
    InsufficientUserAuthentication,
    /// The token lacks claims that Entra ID issues on request (401; not registered).
    InsufficientClaims,
    /// The DPoP proof is missing or invalid (401; RFC 9449 section 7.1).
    InvalidDpopProof,
    /// The DPoP proof lacks a nonce that is valid now (401; RFC 9449 section 9).
    UseDpopNonce,
}

impl ErrorCode {
    /// The error code as text.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::InsufficientUserAuthentication => "insufficient_user_authentication",
            Self::InsufficientClaims => "insufficient_claims",
            Self::InvalidDpopProof => "invalid_dpop_proof",
            Self::UseDpopNonce => "use_dpop_nonce",
        }
    }
}

impl<'a> ChallengeWriter<'a> {
    /// A challenge of `scheme`, without parameters.
    pub(crate) fn new(scheme: Scheme) -> Self {
        Self {
            scheme: scheme.as_str(),
            realm: None,
            error: None,
            error_description: None,
            scope: None,
            resource_metadata: None,
            acr_values: None,
            max_age: None,
            authorization_uri: None,
            claims: None,
            algs: None,
        }
    }

    /// Sets the protection space (RFC 9110 section 11.5).
    pub(crate) fn realm(self, realm: &'a str) -> Self {
        Self { realm: Some(realm), ..self }
    }

    /// Sets the error code. Not for a request without credentials (RFC 6750 section 3.1).
    pub(crate) fn error(self, error: ErrorCode) -> Self {
        Self { error: Some(error), ..self }
    }

    /// Sets the description for a developer.
    pub(crate) fn error_description(self, sentence: &'static str) -> Self {
        Self { error_description: Some(sentence), ..self }
    }

    /// Sets the required scopes, space-delimited. An item that is no scope token is omitted as a whole:
    /// without its invalid characters it would be another scope.
    pub(crate) fn scope(self, scope: &'a str) -> Self {
        Self { scope: Some(scope), ..self }
    }

    /// Sets the URL of the metadata of the protected resource (RFC 9728 section 5.1).
    pub(crate) fn resource_metadata(self, url: &'a str) -> Self {
        Self { resource_metadata: Some(url), ..self }
    }

    /// Sets the accepted authentication context classes, space-delimited, in order of preference (RFC 9470
    /// section 3). An item with characters that the list cannot hold is omitted as a whole, like a scope.
    pub(crate) fn acr_values(self, acr_values: &'a str) -> Self {
        Self { acr_values: Some(acr_values), ..self }
    }

    /// Sets the maximum time since the authentication of the user, in seconds (RFC 9470 section 3).
    pub(crate) fn max_age(self, secs: Option<u64>) -> Self {
        Self { max_age: secs, ..self }
    }

    /// Sets the authorization endpoint, which clients of Entra ID expect beside `claims`.
    pub(crate) fn authorization_uri(self, uri: Option<&'a str>) -> Self {
        Self { authorization_uri: uri, ..self }
    }

    /// Sets the claims that the client must request, in base64, for clients of Entra ID.
    pub(crate) fn claims(self, claims: Option<&'a str>) -> Self {
        Self { claims, ..self }
    }

    /// Sets the algorithms that a DPoP proof may be signed with, space-delimited (RFC 9449 section 7.1).
    pub(crate) fn algs(self, algs: Option<&'a str>) -> Self {
        Self { algs, ..self }
    }

    /// The field value.
    pub(crate) fn header_value(&self) -> HeaderValue {
        // The text is printable ASCII by construction. If it were not, the scheme alone would do.
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
            writer.param("error_description", |text| text.extend(sentence.chars().filter(is_in_description)));
        }
        for (name, list) in [("scope", self.scope), ("acr_values", self.acr_values)] {
            let list = list.map(scope_tokens).unwrap_or_default();
            if !list.is_empty() {
                writer.param(name, |text| text.push_str(&list));
            }
        }
        if let Some(secs) = self.max_age {
            writer.param("max_age", |text| text.push_str(&secs.to_string()));
        }
        for (name, value) in [("authorization_uri", self.authorization_uri), ("claims", self.claims)] {
            if let Some(value) = value {
                writer.param(name, |text| push_escaped(text, value));
            }
        }
        if let Some(algs) = self.algs {
            writer.param("algs", |text| push_escaped(text, algs));
        }
        if let Some(url) = self.resource_metadata {
            writer.param("resource_metadata", |text| push_escaped(text, url));
        }
        writer.text
    }
}

/// Whether `realm` is printable ASCII and not empty.
pub(crate) fn realm_is_valid(realm: &str) -> bool {
    !realm.is_empty() && realm.chars().all(is_printable)
}

/// The text so far, and the separator before the next parameter.
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

    /// Writes a quoted-string: RFC 9110 section 11.5 requires it for `realm`, and clients expect it for all
    /// parameters.
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

fn is_in_description(character: &char) -> bool {
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
        let plain = ChallengeWriter::new(Scheme::Bearer).realm("example");
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
                "step-up",
                plain
                    .clone()
                    .error(ErrorCode::InsufficientUserAuthentication)
                    .acr_values("b a")
                    .max_age(Some(5)),
                r#"Bearer realm="example", error="insufficient_user_authentication", acr_values="b a", max_age="5""#,
            ),
            (
                "claims",
                plain
                    .clone()
                    .error(ErrorCode::InsufficientClaims)
                    .claims(Some("e30="))
                    .authorization_uri(Some("https://a")),
                r#"Bearer realm="example", error="insufficient_claims", authorization_uri="https://a", claims="e30=""#,
            ),
            (
                "another scheme",
                ChallengeWriter::new(Scheme::Dpop).error(ErrorCode::UseDpopNonce).algs(Some("ES256 PS256")),
                r#"DPoP error="use_dpop_nonce", algs="ES256 PS256""#,
            ),
            (
                "metadata",
                plain.clone().resource_metadata("https://a.example/b").scope("a"),
                r#"Bearer realm="example", scope="a", resource_metadata="https://a.example/b""#,
            ),
            ("set twice", plain.realm("other"), r#"Bearer realm="other""#),
            ("no parameter", ChallengeWriter::new(Scheme::Bearer), "Bearer"),
        ] {
            assert_eq!(challenge.header_value(), expected, "{name}");
        }
    }

    #[test]
    fn characters_outside_the_sets_are_not_written() {
        let challenge = ChallengeWriter::new(Scheme::Bearer)
            .realm("a\"b\\c\r\nX: \u{e9}\0\u{7f}")
            .error_description("a\"b\\c\r\nX: \u{e9}\t\u{7f} d")
            .scope("a\"b c\\ d\r\n \u{e9} e")
            .acr_values("a\"b 1\r\n2 2")
            .claims(Some("a\"b\r\n"));
        assert_eq!(
            challenge.header_value(),
            r#"Bearer realm="a\"b\\cX: ", error_description="abcX:  d", scope="e", acr_values="2", claims="a\"b""#
        );
        let no_scope_left = ChallengeWriter::new(Scheme::Bearer).realm("r").scope("\" \\");
        assert_eq!(no_scope_left.header_value(), r#"Bearer realm="r""#);
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
