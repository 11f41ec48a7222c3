//! Parses `WWW-Authenticate` (RFC 9110 section 11.6.1).
//!
//! Checks: the grammar for recipients, and that no challenge has two parameters of one name (section 11.2).
//! Does not check: the meaning of parameters.
//!
//! Why over all lines at once: several lines stand for one list (RFC 9110 section 5.3), so a line may begin
//! with another parameter of the last challenge before it.

use std::str;

use http::HeaderValue;

use super::{Challenge, ChallengeError};
use crate::bearer::{is_b64token, is_tchar};

/// Parses the lines of one field.
pub(super) fn lines<'v>(
    values: impl IntoIterator<Item = &'v HeaderValue>,
) -> Result<Vec<Challenge>, ChallengeError> {
    let mut challenges = Vec::new();
    for value in values {
        let rest = str::from_utf8(value.as_bytes()).map_err(|_| ChallengeError::NotUtf8)?;
        let mut cursor = Cursor { rest };
        while cursor.skip_to_element() {
            cursor.parse_element(&mut challenges)?;
            cursor.end_element()?;
        }
    }
    Ok(challenges)
}

/// The unparsed rest of a line.
struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    /// Skips empty elements. Returns `false` at the end of the line.
    fn skip_to_element(&mut self) -> bool {
        self.take_while(|character| is_white_space(character) || character == ',');
        !self.rest.is_empty()
    }

    /// Parses a new challenge, or another parameter of the last one if `=` follows the name.
    fn parse_element(&mut self, challenges: &mut Vec<Challenge>) -> Result<(), ChallengeError> {
        let name = self.parse_token()?;
        if self.skip_equals() {
            let last = challenges.last_mut().ok_or(ChallengeError::ParamWithoutChallenge)?;
            return last.add(name, self.parse_value()?);
        }
        let mut challenge = Challenge::new(name);
        self.parse_first_part(&mut challenge)?;
        challenges.push(challenge);
        Ok(())
    }

    /// Parses the part between the scheme and the next comma: nothing, a `token68` or a parameter.
    fn parse_first_part(&mut self, challenge: &mut Challenge) -> Result<(), ChallengeError> {
        let spaces = self.take_while(is_white_space);
        if self.is_at_end_of_element() {
            return Ok(());
        }
        if spaces.is_empty() {
            return Err(ChallengeError::Malformed);
        }
        if let Some(token68) = self.parse_token68() {
            challenge.token68 = Some(token68.to_owned());
            return Ok(());
        }
        let name = self.parse_token()?;
        if !self.skip_equals() {
            return Err(ChallengeError::Malformed);
        }
        challenge.add(name, self.parse_value()?)
    }

    /// Checks that nothing but white space is left of the element.
    fn end_element(&mut self) -> Result<(), ChallengeError> {
        self.take_while(is_white_space);
        if self.is_at_end_of_element() { Ok(()) } else { Err(ChallengeError::Malformed) }
    }

    fn is_at_end_of_element(&self) -> bool {
        self.rest.is_empty() || self.rest.starts_with(',')
    }

    /// The text before the next comma, if it is a `token68`.
    fn parse_token68(&mut self) -> Option<&'a str> {
        let (element, _) = self.rest.split_once(',').unwrap_or((self.rest, ""));
        let token68 = element.trim_end_matches(is_white_space);
        let rest = self.rest.strip_prefix(token68).filter(|_| is_b64token(token68.as_bytes()))?;
        self.rest = rest;
        Some(token68)
    }

    fn parse_value(&mut self) -> Result<String, ChallengeError> {
        if self.skip('"') { self.parse_quoted() } else { self.parse_token().map(str::to_owned) }
    }

    /// The text before the closing quote, without escapes (RFC 9110 section 5.6.4).
    fn parse_quoted(&mut self) -> Result<String, ChallengeError> {
        let mut value = String::new();
        let mut characters = self.rest.chars();
        loop {
            match characters.next().ok_or(ChallengeError::QuoteUnclosed)? {
                '"' => break,
                '\\' => value.push(characters.next().ok_or(ChallengeError::QuoteUnclosed)?),
                character => value.push(character),
            }
        }
        self.rest = characters.as_str();
        Ok(value)
    }

    fn parse_token(&mut self) -> Result<&'a str, ChallengeError> {
        let token = self.take_while(|character| u8::try_from(character).is_ok_and(is_tchar));
        if token.is_empty() { Err(ChallengeError::Malformed) } else { Ok(token) }
    }

    /// Skips `=` and the white space around it, if it comes next.
    fn skip_equals(&mut self) -> bool {
        let Some(rest) = self.rest.trim_start_matches(is_white_space).strip_prefix('=') else { return false };
        self.rest = rest.trim_start_matches(is_white_space);
        true
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
