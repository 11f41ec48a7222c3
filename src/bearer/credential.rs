//! A credential as it stood in the request, before anything in it is believed, or why there is none.
//!
//! Checks: the size, then the grammar of `b64token` (RFC 6750 section 2.1).
//! Does not check: anything that the token says.

use std::borrow::Cow;
use std::fmt;

use crate::bearer::grammar::is_b64token;

/// The access token that a request presented; a well-formed `b64token`, and no more is known of it.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct BearerToken<'a>(Cow<'a, str>);

/// Why the credentials of a request cannot be read.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CredentialsFault {
    /// They do not follow the grammar.
    Malformed,
    /// There is more than one token, or a field that may stand once stands twice.
    SeveralCredentials,
    /// The token is longer than the limit.
    TokenTooLarge,
    /// The form that may hold a token is longer than the limit.
    BodyTooLarge,
}

impl<'a> BearerToken<'a> {
    /// Reads a token that stands in a header field.
    ///
    /// # Errors
    /// [`CredentialsFault::TokenTooLarge`] over `bytes_max` bytes, found without reading them;
    /// [`CredentialsFault::Malformed`] when it is no `b64token`.
    pub(crate) fn parse(text: &'a [u8], bytes_max: usize) -> Result<Self, CredentialsFault> {
        if text.len() > bytes_max {
            return Err(CredentialsFault::TokenTooLarge);
        }
        let text = std::str::from_utf8(text).map_err(|_| CredentialsFault::Malformed)?;
        Self::parse_decoded(Cow::Borrowed(text), bytes_max)
    }

    /// Reads a token that was percent-encoded.
    ///
    /// # Errors
    /// As [`Self::parse`]; the limit is one of the decoded token.
    pub(crate) fn parse_decoded(text: Cow<'a, str>, bytes_max: usize) -> Result<Self, CredentialsFault> {
        if text.len() > bytes_max {
            return Err(CredentialsFault::TokenTooLarge);
        }
        is_b64token(text.as_bytes()).then_some(Self(text)).ok_or(CredentialsFault::Malformed)
    }

    /// The token, for the steps that verify it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The token, cut loose from the request.
    pub(crate) fn into_owned(self) -> String {
        self.0.into_owned()
    }
}

/// A bearer token is a password: whoever reads it in a log can use it (RFC 6750 section 5.2).
impl fmt::Debug for BearerToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken(redacted)")
    }
}

/// The only one of `candidates`, or `None` when there are none.
///
/// # Errors
/// [`CredentialsFault::SeveralCredentials`] for a second one, equal or not: whoever takes the first
/// and whoever takes the last would see two requests.
pub(crate) fn only_one<T>(mut candidates: impl Iterator<Item = T>) -> Result<Option<T>, CredentialsFault> {
    let first = candidates.next();
    if first.is_some() && candidates.next().is_some() {
        return Err(CredentialsFault::SeveralCredentials);
    }
    Ok(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_judged_before_the_characters() {
        assert_eq!(BearerToken::parse(b"a b c", 4), Err(CredentialsFault::TokenTooLarge));
        assert_eq!(BearerToken::parse(b"a b c", 5), Err(CredentialsFault::Malformed));
        assert!(BearerToken::parse(b"a.b.c", 5).is_ok());
        assert_eq!(
            BearerToken::parse_decoded(Cow::Borrowed("a.b.c"), 4),
            Err(CredentialsFault::TokenTooLarge)
        );
    }

    #[test]
    fn debug_does_not_show_the_token() {
        let token = BearerToken::parse(b"secret.token", 100).unwrap();
        assert_eq!(format!("{token:?}"), "BearerToken(redacted)");
    }
}
