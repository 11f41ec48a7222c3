//! A strict parser of `WWW-Authenticate` (RFC 9110 section 11.6.1).
//!
//! Checks: the grammar for senders. It rejects what RFC 9110 permits only recipients to tolerate: empty list
//! elements, white space around `=`, duplicate parameter names in one challenge (section 11.2) and non-ASCII
//! characters.
//!
//! Does not check: the meaning of parameters.

use std::error::Error;
use std::fmt;

use http::HeaderValue;

use crate::bearer::{is_b64token, is_tchar};

/// One challenge of a `WWW-Authenticate` field. [`parse_challenges`] returns them.
///
/// ```
/// use http::HeaderValue;
/// use tower_bearer::testing::{ChallengeSyntax, parse_challenges};
///
/// let value = HeaderValue::from_static(r#"Bearer realm="api", scope="orders:read orders:write""#);
/// let challenges = parse_challenges(&value)?;
/// let params: Vec<_> = challenges[0].params().collect();
/// assert_eq!(params, [("realm", "api"), ("scope", "orders:read orders:write")]);
/// # Ok::<(), ChallengeSyntax>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ParsedChallenge {
    scheme: String,
    token68: Option<String>,
    params: Vec<(String, String)>,
}

/// Why a field value is not a list of challenges.
///
/// ```
/// use http::HeaderValue;
/// use tower_bearer::testing::{ChallengeSyntax, parse_challenges};
///
/// let value = HeaderValue::from_static(r#"Bearer realm="api"#);
/// assert_eq!(parse_challenges(&value), Err(ChallengeSyntax::QuoteUnclosed));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ChallengeSyntax {
    /// The grammar does not permit a character at its position, or the text ends early.
    Malformed,
    /// The text contains non-ASCII characters.
    NotAscii,
    /// A challenge has two parameters of the same name, ignoring case.
    ParamTwice,
    /// A parameter precedes every scheme or follows a `token68`.
    ParamWithoutChallenge,
    /// A quoted-string has no closing quote.
    QuoteUnclosed,
}

/// Parses `value` as one or more challenges.
///
/// ```
/// use http::HeaderValue;
/// use tower_bearer::testing::parse_challenges;
///
/// let value = HeaderValue::from_static(r#"Bearer realm="api", error="invalid_token", Basic realm="api""#);
/// let challenges = parse_challenges(&value)?;
/// assert_eq!(challenges.len(), 2);
/// assert_eq!(challenges[0].scheme(), "Bearer");
/// assert_eq!(challenges[0].param("error"), Some("invalid_token"));
/// # Ok::<(), tower_bearer::testing::ChallengeSyntax>(())
/// ```
///
/// # Errors
/// The leftmost [`ChallengeSyntax`].
pub fn parse_challenges(value: &HeaderValue) -> Result<Vec<ParsedChallenge>, ChallengeSyntax> {
    let mut cursor = Cursor::new(value)?;
    let mut challenges = Vec::new();
    loop {
        cursor.parse_element(&mut challenges)?;
        if !cursor.skip_comma()? {
            return Ok(challenges);
        }
    }
}

impl ParsedChallenge {
    /// The scheme, in its original case.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The value of the parameter `name`, without quotes and escapes. The case of `name` does not matter.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params().find(|(its_name, _)| its_name.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// The names and values of all parameters, in the order of the field.
    pub fn params(&self) -> impl Iterator<Item = (&str, &str)> {
        self.params.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The `token68` of a challenge that has no parameters (RFC 9110 section 11.2).
    ///
    /// ```
    /// use http::HeaderValue;
    /// use tower_bearer::testing::parse_challenges;
    ///
    /// let challenges = parse_challenges(&HeaderValue::from_static("Negotiate YWJj==")).unwrap();
    /// assert_eq!(challenges[0].token68(), Some("YWJj=="));
    /// ```
    #[must_use]
    pub fn token68(&self) -> Option<&str> {
        self.token68.as_deref()
    }

    fn new(scheme: &str) -> Self {
        Self { scheme: scheme.to_owned(), token68: None, params: Vec::new() }
    }

    fn add(&mut self, name: &str, value: String) -> Result<(), ChallengeSyntax> {
        if self.token68.is_some() {
            return Err(ChallengeSyntax::ParamWithoutChallenge);
        }
        if self.param(name).is_some() {
            return Err(ChallengeSyntax::ParamTwice);
        }
        self.params.push((name.to_owned(), value));
        Ok(())
    }
}

impl fmt::Display for ChallengeSyntax {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "the text does not match the grammar of challenges",
            Self::NotAscii => "the text contains non-ASCII characters",
            Self::ParamTwice => "a challenge has a duplicate parameter",
            Self::ParamWithoutChallenge => "a parameter predicate to no challenge",
            Self::QuoteUnclosed => "a quoted-string has no closing quote",
        })
    }
}

impl Error for ChallengeSyntax {}

/// The unparsed rest of the text.
struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn new(value: &'a HeaderValue) -> Result<Self, ChallengeSyntax> {
        let text = std::str::from_utf8(value.as_bytes()).ok().filter(|text| text.is_ascii());
        text.map(|rest| Self { rest }).ok_or(ChallengeSyntax::NotAscii)
    }

    /// Parses a new challenge, or another parameter of the last one if `=` follows the name.
    fn parse_element(&mut self, challenges: &mut Vec<ParsedChallenge>) -> Result<(), ChallengeSyntax> {
        let name = self.parse_token()?;
        if self.skip('=') {
            let last = challenges.last_mut().ok_or(ChallengeSyntax::ParamWithoutChallenge)?;
            return last.add(name, self.parse_value()?);
        }
        let mut challenge = ParsedChallenge::new(name);
        self.parse_first_part(&mut challenge)?;
        challenges.push(challenge);
        Ok(())
    }

    /// Parses the part between the scheme and the next comma: nothing, a `token68` or a parameter.
    fn parse_first_part(&mut self, challenge: &mut ParsedChallenge) -> Result<(), ChallengeSyntax> {
        let spaces = self.take_while(|character| character == ' ');
        if self.rest.starts_with(',') || (self.rest.is_empty() && spaces.is_empty()) {
            return Ok(());
        }
        if spaces.is_empty() {
            return Err(ChallengeSyntax::Malformed);
        }
        if let Some(token68) = self.parse_token68() {
            challenge.token68 = Some(token68.to_owned());
            return Ok(());
        }
        let name = self.parse_token()?;
        if !self.skip('=') {
            return Err(ChallengeSyntax::Malformed);
        }
        challenge.add(name, self.parse_value()?)
    }

    /// Skips a comma and returns `true`, or returns `false` at the end of the text.
    fn skip_comma(&mut self) -> Result<bool, ChallengeSyntax> {
        if self.rest.is_empty() {
            return Ok(false);
        }
        self.take_while(is_white_space);
        if !self.skip(',') {
            return Err(ChallengeSyntax::Malformed);
        }
        self.take_while(is_white_space);
        Ok(true)
    }

    /// The text before the next comma, if it is a `token68`.
    fn parse_token68(&mut self) -> Option<&'a str> {
        let (element, _) = self.rest.split_once(',').unwrap_or((self.rest, ""));
        let token68 = element.trim_end_matches(is_white_space);
        let rest = self.rest.strip_prefix(token68).filter(|_| is_b64token(token68.as_bytes()))?;
        self.rest = rest;
        Some(token68)
    }

    fn parse_value(&mut self) -> Result<String, ChallengeSyntax> {
        if self.skip('"') { self.parse_quoted() } else { self.parse_token().map(str::to_owned) }
    }

    /// The text before the closing quote, without escapes (RFC 9110 section 5.6.4).
    fn parse_quoted(&mut self) -> Result<String, ChallengeSyntax> {
        let mut value = String::new();
        let mut characters = self.rest.chars();
        loop {
            match characters.next().ok_or(ChallengeSyntax::QuoteUnclosed)? {
                '"' => break,
                '\\' => value.push(characters.next().ok_or(ChallengeSyntax::QuoteUnclosed)?),
                character => value.push(character),
            }
        }
        self.rest = characters.as_str();
        Ok(value)
    }

    fn parse_token(&mut self) -> Result<&'a str, ChallengeSyntax> {
        let token = self.take_while(|character| u8::try_from(character).is_ok_and(is_tchar));
        if token.is_empty() { Err(ChallengeSyntax::Malformed) } else { Ok(token) }
    }

    fn take_while(&mut self, predicate: impl Fn(char) -> bool) -> &'a str {
        let rest = self.rest.trim_start_matches(predicate);
        let taken = self.rest.strip_suffix(rest).unwrap_or_default();
        self.rest = rest;
        taken
    }

    fn skip(&mut self, character: char) -> bool {
        let rest = self.rest.strip_prefix(character);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }
}

fn is_white_space(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

#[cfg(test)]
mod tests;
