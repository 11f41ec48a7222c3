//! Finds exactly one credential in the head of a request (RFC 6750 section 2, RFC 9110 section 11.6.2).
//!
//! Checks: one `Authorization` line at most; scheme `Bearer` in any letter case, one or more
//! spaces; the size of what stands behind them; that no second transmission
//! method is used beside the first (RFC 6750 section 3.1).
//! Does not check: the token itself, nor yet its grammar. `Proxy-Authorization` is never looked at (RFC 9110 section
//! 11.7), nor is any source that was not enabled.
//!
//! Why: a request with two tokens is refused even when both are equal. The caller may have meant
//! either, and a proxy in front of us may have judged the other one.

use http::header::AUTHORIZATION;
use http::request::Parts;

use crate::bearer::credential::{Credential, CredentialsFault, only_one};
use crate::bearer::form::FormCredential;
use crate::bearer::grammar::is_tchar;
use crate::bearer::source::TokenSource;

/// No registered scheme comes near it; it bounds the search for the end of the name.
const MAX_SCHEME_BYTES: usize = 64;

/// The one credential that `parts` presents, or `None` when it presents none to us.
///
/// Looks at the `Authorization` header, at each of `sources`, and at what
/// [`FormBodyToken`](crate::FormBodyToken) found in the body.
///
/// # Errors
/// The first [`CredentialsFault`] in that order.
pub(crate) fn find<'a>(
    parts: &'a Parts,
    sources: &[TokenSource],
    max_token_bytes: usize,
) -> Result<Option<Credential<'a>>, CredentialsFault> {
    let mut found = in_authorization(parts, max_token_bytes)?;
    for source in sources {
        found = either(found, source.find(parts, max_token_bytes)?)?;
    }
    either(found, in_form(parts, max_token_bytes)?)
}

fn in_authorization(
    parts: &Parts,
    max_token_bytes: usize,
) -> Result<Option<Credential<'_>>, CredentialsFault> {
    match only_one(parts.headers.get_all(AUTHORIZATION).into_iter())? {
        Some(line) => parse_credentials(line.as_bytes(), max_token_bytes),
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
    only_one(first.into_iter().chain(second))
}

/// `None` for credentials of another scheme.
fn parse_credentials(
    value: &[u8],
    max_token_bytes: usize,
) -> Result<Option<Credential<'_>>, CredentialsFault> {
    let Some(behind) = behind_bearer(value) else {
        return if has_scheme(value) { Ok(None) } else { Err(CredentialsFault::Malformed) };
    };
    let padded = behind.strip_prefix(b" ").ok_or(CredentialsFault::Malformed)?;
    // Further spaces count, so that a line full of them is not read to its end either.
    if padded.len() > max_token_bytes {
        return Err(CredentialsFault::TokenTooLarge);
    }
    Credential::new(skip_spaces(padded), max_token_bytes).map(Some)
}

/// What stands behind the name of the scheme, where that is `Bearer`.
fn behind_bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, behind) = value.split_at_checked(b"Bearer".len())?;
    let ends = !behind.first().is_some_and(|byte| is_tchar(*byte));
    (ends && scheme.eq_ignore_ascii_case(b"Bearer")).then_some(behind)
}

/// Whether it begins with the name of a scheme, and nothing or a space behind it.
fn has_scheme(value: &[u8]) -> bool {
    let len = value.iter().take(MAX_SCHEME_BYTES).take_while(|byte| is_tchar(**byte)).count();
    len > 0 && matches!(value.get(len), None | Some(b' '))
}

fn skip_spaces(mut text: &[u8]) -> &[u8] {
    while let [b' ', behind @ ..] = text {
        text = behind;
    }
    text
}

#[cfg(test)]
#[path = "extract_tests.rs"]
mod tests;
