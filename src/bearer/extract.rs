//! Finds exactly one credential in the head of a request (RFC 6750 section 2, RFC 9110 section 11.6.2).
//!
//! Checks: at most one `Authorization` line; an accepted scheme, case-insensitive, and one or more spaces;
//! the size of the credential; that the request uses only one transmission method (RFC 6750 section 3.1).
//! Does not check: the token or its grammar. Never reads `Proxy-Authorization` (RFC 9110 section 11.7) or a
//! source that is not enabled.
//!
//! Why: a request with two tokens is rejected even if both are equal. The client may have meant either, and a
//! proxy in front of this API may have validated the other one.

use http::header::AUTHORIZATION;
use http::request::Parts;

use crate::bearer::credential::{Credential, CredentialsFault, only_one};
use crate::bearer::form::FormCredential;
use crate::bearer::grammar::is_tchar;
use crate::bearer::scheme::{Scheme, Schemes};
use crate::bearer::source::TokenSource;

/// Bounds the search for the end of the scheme. No registered scheme is nearly as long.
const MAX_SCHEME_BYTES: usize = 64;

/// The only credential of the request, or `None` if it has none.
///
/// Reads the `Authorization` header, each of `sources`, and what [`FormBodyToken`](crate::FormBodyToken)
/// found in the body.
///
/// # Errors
/// The first [`CredentialsFault`] in that order.
pub(crate) fn find<'a>(
    parts: &'a Parts,
    sources: &[TokenSource],
    schemes: Schemes,
    max_token_bytes: usize,
) -> Result<Option<Credential<'a>>, CredentialsFault> {
    let mut found = in_authorization(parts, schemes, max_token_bytes)?;
    for source in sources {
        found = either(found, source.find(parts, max_token_bytes)?)?;
    }
    either(found, in_form(parts, max_token_bytes)?)
}

/// The accepted scheme of the `Authorization` header, for the challenge to malformed credentials.
pub(crate) fn scheme(parts: &Parts, schemes: Schemes) -> Option<Scheme> {
    let value = parts.headers.get(AUTHORIZATION)?.as_bytes();
    schemes.iter().find(|scheme| after_scheme(value, *scheme).is_some())
}

fn in_authorization(
    parts: &Parts,
    schemes: Schemes,
    max_token_bytes: usize,
) -> Result<Option<Credential<'_>>, CredentialsFault> {
    match only_one(parts.headers.get_all(AUTHORIZATION).into_iter())? {
        Some(line) => parse_credentials(line.as_bytes(), schemes, max_token_bytes),
        None => Ok(None),
    }
}

fn in_form(parts: &Parts, max_token_bytes: usize) -> Result<Option<Credential<'_>>, CredentialsFault> {
    let Some(FormCredential(found)) = parts.extensions.get() else {
        return Ok(None);
    };
    let token = found.as_deref().map_err(|fault| *fault)?;
    Credential::new(token.as_bytes(), max_token_bytes).map(Some)
}

fn either<'a>(
    first: Option<Credential<'a>>,
    second: Option<Credential<'a>>,
) -> Result<Option<Credential<'a>>, CredentialsFault> {
    match (first, second) {
        (Some(_), Some(_)) => Err(CredentialsFault::SeveralCredentials),
        (found, None) | (None, found) => Ok(found),
    }
}

/// `None` for credentials of another scheme.
fn parse_credentials(
    value: &[u8],
    schemes: Schemes,
    max_token_bytes: usize,
) -> Result<Option<Credential<'_>>, CredentialsFault> {
    let found = schemes.iter().find_map(|scheme| Some((scheme, after_scheme(value, scheme)?)));
    let Some((scheme, rest)) = found else {
        return if has_scheme(value) { Ok(None) } else { Err(CredentialsFault::Malformed) };
    };
    let padded = rest.strip_prefix(b" ").ok_or(CredentialsFault::Malformed)?;
    // Further spaces count toward the limit: a line full of spaces is not read to its end either.
    if padded.len() > max_token_bytes {
        return Err(CredentialsFault::TokenTooLarge);
    }
    Ok(Some(Credential::new(skip_spaces(padded), max_token_bytes)?.in_authorization(scheme)))
}

/// The rest of the value after the scheme, if it is this one.
fn after_scheme(value: &[u8], scheme: Scheme) -> Option<&[u8]> {
    // The compiler knows the lengths, so it compares without a loop.
    match scheme {
        Scheme::Bearer => after_name(value, b"Bearer"),
        Scheme::Dpop => after_name(value, b"DPoP"),
    }
}

fn after_name<'v, const N: usize>(value: &'v [u8], name: &[u8; N]) -> Option<&'v [u8]> {
    let (scheme, rest) = value.split_first_chunk::<N>()?;
    let ends = !rest.first().is_some_and(|byte| is_tchar(*byte));
    // Most clients write the name like this, which is compared faster.
    (ends && (scheme == name || scheme.eq_ignore_ascii_case(name))).then_some(rest)
}

/// Whether `value` begins with a scheme, followed by a space or nothing.
fn has_scheme(value: &[u8]) -> bool {
    let len = value.iter().take(MAX_SCHEME_BYTES).take_while(|byte| is_tchar(**byte)).count();
    len > 0 && matches!(value.get(len), None | Some(b' '))
}

fn skip_spaces(mut text: &[u8]) -> &[u8] {
    while let [b' ', rest @ ..] = text {
        text = rest;
    }
    text
}

#[cfg(test)]
#[path = "extract_tests.rs"]
mod tests;
