//! A credential as the request presents it: untrusted bytes of a limited size.
//!
//! Checks: the size, then the grammar of `b64token` (RFC 6750 section 2.1).
//! Does not check: the content of the token.
//!
//! Why two steps: a cached token is found by its bytes, whose grammar was checked when it was inserted.

use std::borrow::Cow;
use std::fmt;
use std::str;

use crate::bearer::grammar::is_b64token;
use crate::bearer::scheme::Scheme;

/// What a request presents as a token. Only its size is checked.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct Credential<'a> {
    octets: Cow<'a, [u8]>,
    /// The scheme, if it is in the `Authorization` header.
    scheme: Option<Scheme>,
}

/// A token that a request presents. Only its size and its grammar, `b64token`, are checked.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) struct BearerToken<'a>(&'a [u8]);

/// Why the credentials of a request are rejected.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CredentialsFault {
    /// They violate the grammar.
    Malformed,
    /// The request has more than one token, or repeats a field that may appear once.
    SeveralCredentials,
    /// The token exceeds the size limit.
    TokenTooLarge,
    /// The form that may hold a token exceeds the size limit.
    BodyTooLarge,
}

impl<'a> Credential<'a> {
    /// A credential from a header field, or from a form or query after percent-decoding.
    ///
    /// # Errors
    /// [`CredentialsFault::TokenTooLarge`] above `max_bytes` bytes, without reading them.
    pub(crate) fn new(octets: impl Into<Cow<'a, [u8]>>, max_bytes: usize) -> Result<Self, CredentialsFault> {
        let octets = octets.into();
        if octets.len() > max_bytes {
            return Err(CredentialsFault::TokenTooLarge);
        }
        Ok(Self { octets, scheme: None })
    }

    /// The credential is the end of the `Authorization` header, after this scheme.
    pub(super) fn in_authorization(self, scheme: Scheme) -> Self {
        Self { scheme: Some(scheme), ..self }
    }

    /// The scheme before the credential in the `Authorization` header. `None` if it is elsewhere.
    pub(crate) fn authorization_scheme(&self) -> Option<Scheme> {
        self.scheme
    }

    /// The scheme under which the token is presented.
    pub(crate) fn scheme(&self) -> Scheme {
        self.scheme.unwrap_or(Scheme::Bearer)
    }

    /// The bytes, to look up in the token cache.
    pub(crate) fn octets(&self) -> &[u8] {
        &self.octets
    }
}

impl<'a> BearerToken<'a> {
    /// Parses a token.
    ///
    /// # Errors
    /// [`CredentialsFault::Malformed`] if it is no `b64token`.
    pub(crate) fn parse(octets: &'a [u8]) -> Result<Self, CredentialsFault> {
        is_b64token(octets).then_some(Self(octets)).ok_or(CredentialsFault::Malformed)
    }

    /// A token whose grammar was checked before.
    pub(super) fn from_checked(text: &'a str) -> Self {
        Self(text.as_bytes())
    }

    pub(crate) fn octets(self) -> &'a [u8] {
        self.0
    }

    /// The token as text. Costs another pass over it.
    pub(crate) fn as_str(self) -> &'a str {
        // Its alphabet is ASCII.
        str::from_utf8(self.0).unwrap_or_default()
    }
}

/// A bearer token works like a password: anyone who reads it in a log can use it (RFC 6750 section 5.2).
impl fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(redacted)")
    }
}

impl fmt::Debug for BearerToken<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BearerToken(redacted)")
    }
}

/// The only one of `candidates`, or `None` if there is none.
///
/// # Errors
/// [`CredentialsFault::SeveralCredentials`] for a second one, equal or not: a reader that uses the first and
/// one that uses the last would see two different requests.
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
        BearerToken::parse(credential.octets()).map(|token| token.as_str().to_owned())
    }

    #[test]
    fn the_size_is_checked_before_the_characters() {
        assert_eq!(read(b"a b c", 4), Err(CredentialsFault::TokenTooLarge));
        assert_eq!(read(b"a b c", 5), Err(CredentialsFault::Malformed));
        assert_eq!(read(b"a.b.c", 5).as_deref(), Ok("a.b.c"));
        assert_eq!(read(b"a.b.c", 4), Err(CredentialsFault::TokenTooLarge));
    }

    #[test]
    fn debug_does_not_show_the_token() {
        let credential = Credential::new(&b"secret.token"[..], 100).unwrap();
        assert_eq!(format!("{credential:?}"), "Credential(redacted)");
        assert_eq!(
            format!("{:?}", BearerToken::parse(credential.octets()).unwrap()),
            "BearerToken(redacted)"
        );
    }
}
