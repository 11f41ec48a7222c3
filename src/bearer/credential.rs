//! A credential as it stood in the request, before anything in it is believed, or why there is none.
//!
//! Checks: the size, then the grammar of `b64token` (RFC 6750 section 2.1).
//! Does not check: anything that the token says.
//!
//! Why two steps: a token that was verified before is recognised by its octets, and these have been read then.

use std::borrow::Cow;
use std::fmt;
use std::str;

use crate::bearer::grammar::is_b64token;

/// What a request presented for a token: of a size that is looked at, and no more is known of it.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct Credential<'a>(Cow<'a, [u8]>);

/// The access token that a request presented; a well-formed `b64token`, and no more is known of it.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) struct BearerToken<'a>(&'a [u8]);

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

impl<'a> Credential<'a> {
    /// Takes what stands in a header field, or in a form or a query once it was percent-decoded.
    ///
    /// # Errors
    /// [`CredentialsFault::TokenTooLarge`] over `max_bytes` bytes, found without reading them.
    pub(crate) fn new(octets: impl Into<Cow<'a, [u8]>>, max_bytes: usize) -> Result<Self, CredentialsFault> {
        let octets = octets.into();
        if octets.len() <= max_bytes { Ok(Self(octets)) } else { Err(CredentialsFault::TokenTooLarge) }
    }

    /// The octets, to recognise a token by that was read before.
    pub(crate) fn octets(&self) -> &[u8] {
        &self.0
    }

    /// Reads the token.
    ///
    /// # Errors
    /// [`CredentialsFault::Malformed`] when it is no `b64token`.
    pub(crate) fn token(&self) -> Result<BearerToken<'_>, CredentialsFault> {
        BearerToken::parse(&self.0)
    }
}

impl<'a> BearerToken<'a> {
    /// Reads a token.
    ///
    /// # Errors
    /// [`CredentialsFault::Malformed`] when it is no `b64token`.
    pub(crate) fn parse(octets: &'a [u8]) -> Result<Self, CredentialsFault> {
        is_b64token(octets).then_some(Self(octets)).ok_or(CredentialsFault::Malformed)
    }

    /// The token, for the issuer that is asked about it.
    pub(crate) fn as_str(self) -> &'a str {
        // Its alphabet is ASCII.
        str::from_utf8(self.0).unwrap_or_default()
    }
}

/// A bearer token is a password: whoever reads it in a log can use it (RFC 6750 section 5.2).
impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(redacted)")
    }
}

/// As that of [`Credential`].
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

    fn read(text: &[u8], max_bytes: usize) -> Result<String, CredentialsFault> {
        let credential = Credential::new(text, max_bytes)?;
        credential.token().map(|token| token.as_str().to_owned())
    }

    #[test]
    fn the_size_is_judged_before_the_characters() {
        assert_eq!(read(b"a b c", 4), Err(CredentialsFault::TokenTooLarge));
        assert_eq!(read(b"a b c", 5), Err(CredentialsFault::Malformed));
        assert_eq!(read(b"a.b.c", 5).as_deref(), Ok("a.b.c"));
        assert_eq!(read(b"a.b.c", 4), Err(CredentialsFault::TokenTooLarge));
    }

    #[test]
    fn debug_does_not_show_the_token() {
        let credential = Credential::new(&b"secret.token"[..], 100).unwrap();
        assert_eq!(format!("{credential:?}"), "Credential(redacted)");
        assert_eq!(format!("{:?}", credential.token().unwrap()), "BearerToken(redacted)");
    }
}
