//! Reads `WWW-Authenticate` strictly, for tests of what was written (RFC 9110 section 11.6.1).
//!
//! Checks: the grammar for senders. Whatever RFC 9110 lets only a recipient tolerate is refused:
//! empty list elements, white space around `=`, a parameter name twice in one challenge (section
//! 11.2), characters outside ASCII.
//! Does not check: what a parameter means.

use std::error::Error;
use std::fmt;

use http::HeaderValue;

use crate::bearer::{is_b64token, is_tchar};

/// One challenge of a `WWW-Authenticate` field.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ParsedChallenge {
    scheme: String,
    token68: Option<String>,
    params: Vec<(String, String)>,
}

/// Why a field value is no list of challenges.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ChallengeSyntax {
    /// A character stands where the grammar has no place for it, or the text ends too soon.
    Malformed,
    /// There are characters outside ASCII.
    NotAscii,
    /// A challenge has a parameter twice, in whatever case.
    ParamTwice,
    /// A parameter stands before any scheme, or beside a `token68`.
    ParamWithoutChallenge,
    /// A quoted-string has no end.
    QuoteUnclosed,
}

/// Reads `value` as one or more challenges.
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
/// The first [`ChallengeSyntax`], from the left.
pub fn parse_challenges(value: &HeaderValue) -> Result<Vec<ParsedChallenge>, ChallengeSyntax> {
    let mut cursor = Cursor::over(value)?;
    let mut challenges = Vec::new();
    loop {
        cursor.read_element(&mut challenges)?;
        if !cursor.read_comma()? {
            return Ok(challenges);
        }
    }
}

impl ParsedChallenge {
    /// The scheme, in the case it was written in.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The value of the parameter `name`, in any case, without quotes and escapes.
    #[must_use]
    pub fn param(&self, name: &str) -> Option<&str> {
        self.params().find(|(its_name, _)| its_name.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// All parameters, names and values, in the order of the field.
    pub fn params(&self) -> impl Iterator<Item = (&str, &str)> {
        self.params.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The `token68` that stands in place of parameters.
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
            Self::Malformed => "the text does not follow the grammar of challenges",
            Self::NotAscii => "there are characters outside ASCII",
            Self::ParamTwice => "a challenge has a parameter twice",
            Self::ParamWithoutChallenge => "a parameter belongs to no challenge",
            Self::QuoteUnclosed => "a quoted-string has no end",
        })
    }
}

impl Error for ChallengeSyntax {}

/// What is left to read.
struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn over(value: &'a HeaderValue) -> Result<Self, ChallengeSyntax> {
        let text = std::str::from_utf8(value.as_bytes()).ok().filter(|text| text.is_ascii());
        text.map(|rest| Self { rest }).ok_or(ChallengeSyntax::NotAscii)
    }

    /// A new challenge, or one more parameter of the last: `name=` tells which.
    fn read_element(&mut self, challenges: &mut Vec<ParsedChallenge>) -> Result<(), ChallengeSyntax> {
        let name = self.read_token()?;
        if self.skip('=') {
            let last = challenges.last_mut().ok_or(ChallengeSyntax::ParamWithoutChallenge)?;
            return last.add(name, self.read_value()?);
        }
        let mut challenge = ParsedChallenge::new(name);
        self.read_first_of(&mut challenge)?;
        challenges.push(challenge);
        Ok(())
    }

    /// What follows the scheme up to the next comma: nothing, a `token68` or a parameter.
    fn read_first_of(&mut self, challenge: &mut ParsedChallenge) -> Result<(), ChallengeSyntax> {
        let spaces = self.read_while(|character| character == ' ');
        if self.rest.starts_with(',') || (self.rest.is_empty() && spaces.is_empty()) {
            return Ok(());
        }
        if spaces.is_empty() {
            return Err(ChallengeSyntax::Malformed);
        }
        if let Some(token68) = self.read_token68() {
            challenge.token68 = Some(token68.to_owned());
            return Ok(());
        }
        let name = self.read_token()?;
        if !self.skip('=') {
            return Err(ChallengeSyntax::Malformed);
        }
        challenge.add(name, self.read_value()?)
    }

    /// Whether a comma stands here, and so another element behind it; `false` at the end.
    fn read_comma(&mut self) -> Result<bool, ChallengeSyntax> {
        if self.rest.is_empty() {
            return Ok(false);
        }
        self.read_while(is_white_space);
        if !self.skip(',') {
            return Err(ChallengeSyntax::Malformed);
        }
        self.read_while(is_white_space);
        Ok(true)
    }

    /// All that stands before the next comma, where that is a `token68`.
    fn read_token68(&mut self) -> Option<&'a str> {
        let (element, _) = self.rest.split_once(',').unwrap_or((self.rest, ""));
        let token68 = element.trim_end_matches(is_white_space);
        let rest = self.rest.strip_prefix(token68).filter(|_| is_b64token(token68.as_bytes()))?;
        self.rest = rest;
        Some(token68)
    }

    fn read_value(&mut self) -> Result<String, ChallengeSyntax> {
        if self.skip('"') { self.read_quoted() } else { self.read_token().map(str::to_owned) }
    }

    /// What stands up to the closing quote, without escapes (RFC 9110 section 5.6.4).
    fn read_quoted(&mut self) -> Result<String, ChallengeSyntax> {
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

    fn read_token(&mut self) -> Result<&'a str, ChallengeSyntax> {
        let token = self.read_while(|character| u8::try_from(character).is_ok_and(is_tchar));
        if token.is_empty() { Err(ChallengeSyntax::Malformed) } else { Ok(token) }
    }

    fn read_while(&mut self, belongs: impl Fn(char) -> bool) -> &'a str {
        let behind = self.rest.trim_start_matches(belongs);
        let read = self.rest.strip_suffix(behind).unwrap_or_default();
        self.rest = behind;
        read
    }

    fn skip(&mut self, character: char) -> bool {
        let behind = self.rest.strip_prefix(character);
        self.rest = behind.unwrap_or(self.rest);
        behind.is_some()
    }
}

fn is_white_space(character: char) -> bool {
    matches!(character, ' ' | '\t')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bearer::{Challenge, ErrorCode, realm_is_valid};

    fn parse(text: &str) -> Result<Vec<ParsedChallenge>, ChallengeSyntax> {
        parse_challenges(&HeaderValue::from_bytes(text.as_bytes()).unwrap())
    }

    /// `scheme[token68]{name=value}...` for each challenge.
    fn shown(challenges: &[ParsedChallenge]) -> String {
        let show = |challenge: &ParsedChallenge| {
            let token68 = challenge.token68().map(|text| format!("[{text}]")).unwrap_or_default();
            let params: String =
                challenge.params().map(|(name, value)| format!("{{{name}={value}}}")).collect();
            format!("{}{token68}{params}", challenge.scheme())
        };
        challenges.iter().map(show).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn well_formed_challenges_are_read() {
        for (text, expected) in [
            ("Bearer", "Bearer"),
            ("Bearer realm=\"a\"", "Bearer{realm=a}"),
            ("Bearer realm=a", "Bearer{realm=a}"),
            ("Bearer   realm=\"\"", "Bearer{realm=}"),
            ("Bearer a=b,c=\"d\" , e=f\t,\tg=h", "Bearer{a=b}{c=d}{e=f}{g=h}"),
            ("Bearer a=\"x, Basic realm=\\\"y\\\\\"", "Bearer{a=x, Basic realm=\"y\\}"),
            ("Bearer a=\"x\ty\"", "Bearer{a=x\ty}"),
            ("Negotiate", "Negotiate"),
            ("Negotiate, Basic realm=x, Bearer a=b, c=d", "Negotiate Basic{realm=x} Bearer{a=b}{c=d}"),
            ("Negotiate ,NTLM", "Negotiate NTLM"),
            ("Negotiate YWJj==, Bearer a=b", "Negotiate[YWJj==] Bearer{a=b}"),
            ("Negotiate a=", "Negotiate[a=]"),
            ("Bearer a=b, DPoP algs=\"ES256 EdDSA\", error=c", "Bearer{a=b} DPoP{algs=ES256 EdDSA}{error=c}"),
        ] {
            assert_eq!(parse(text).as_deref().map(shown), Ok(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn what_breaks_the_grammar_is_refused() {
        use ChallengeSyntax::{Malformed, NotAscii, ParamTwice, ParamWithoutChallenge, QuoteUnclosed};
        for (text, fault) in [
            ("", Malformed),
            (" Bearer a=b", Malformed),
            ("Bearer ", Malformed),
            ("Bearer a=b ", Malformed),
            ("Bearer\ta=b", Malformed),
            ("Bearer a=b c=d", Malformed),
            ("Bearer a =b", Malformed),
            ("Bearer a= b", Malformed),
            ("Bearer a=\"b\"c", Malformed),
            ("Bearer a=b,", Malformed),
            ("Bearer a=b,,c=d", Malformed),
            (", Bearer a=b", Malformed),
            ("Bearer a=b, c=", Malformed),
            ("Bearer \"a\"", Malformed),
            ("\"Bearer\" a=b", Malformed),
            ("Bearer abc def", Malformed),
            ("Bearer a=@", Malformed),
            ("Bearer a=\"b", QuoteUnclosed),
            ("Bearer a=\"b\\\"", QuoteUnclosed),
            ("Bearer a=\"b\\", QuoteUnclosed),
            ("Bearer a=b, A=c", ParamTwice),
            ("a=b", ParamWithoutChallenge),
            ("Negotiate abc, a=b", ParamWithoutChallenge),
            ("Bearer a=\"\u{e9}\"", NotAscii),
        ] {
            assert_eq!(parse(text), Err(fault), "{text}");
        }
        let not_utf8 = HeaderValue::from_bytes(b"Bearer a=\"\xff\"").unwrap();
        assert_eq!(parse_challenges(&not_utf8), Err(NotAscii));
    }

    #[test]
    fn names_of_parameters_have_no_case() {
        let challenges = parse("bearer ReaLM=\"X\"").unwrap();
        assert_eq!(challenges[0].scheme(), "bearer");
        assert_eq!(challenges[0].param("realm"), Some("X"));
        assert_eq!(challenges[0].param("scope"), None);
    }

    #[test]
    fn what_is_written_is_read_back_whatever_the_realm_holds() {
        for realm in [
            "api",
            "\"",
            "\\",
            "\\\"",
            "a\\",
            "\", error=\"x",
            "x\", Basic realm=\"y",
            ",",
            " = , ",
            "https://api.example.com/a?b=c",
        ] {
            assert_reads_back(realm, "a:b https://c/.default");
        }
    }

    #[test]
    fn what_is_written_is_read_back_for_ten_thousand_random_texts() {
        let mut random = fastrand::Rng::with_seed(6750);
        for _ in 0..10_000 {
            let [realm, scope] = [(); 2].map(|()| hostile(&mut random));
            assert_reads_back(&realm, &scope);
        }
    }

    fn hostile(random: &mut fastrand::Rng) -> String {
        let alphabet: Vec<char> = "\"\\,= \r\n\t\0\u{7f}\u{e9}\u{1f600}abB1;".chars().collect();
        (0..random.usize(..12)).map(|_| alphabet[random.usize(..alphabet.len())]).collect()
    }

    fn assert_reads_back(realm: &str, scope: &str) {
        let challenge = Challenge::new("Bearer")
            .realm(realm)
            .error(ErrorCode::InsufficientScope)
            .error_description("The access token has not the scope that is needed")
            .scope(scope);
        let read = parse_challenges(&challenge.header_value()).unwrap();
        assert_eq!(read.len(), 1, "{realm:?} {scope:?}");
        let printable: String =
            realm.chars().filter(|c| realm_is_valid(c.encode_utf8(&mut [0; 4]))).collect();
        assert_eq!(read[0].param("realm"), Some(printable.as_str()));
        assert_eq!(read[0].param("error"), Some("insufficient_scope"));
        let tokens: Vec<&str> = scope.split(' ').filter(|item| crate::bearer::is_scope_token(item)).collect();
        assert_eq!(read[0].param("scope").unwrap_or_default(), tokens.join(" "));
        assert_eq!(read[0].params().count(), if tokens.is_empty() { 3 } else { 4 });
    }
}
