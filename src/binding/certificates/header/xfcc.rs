//! The header `x-forwarded-client-cert` of Envoy (XFCC).
//!
//! Its value is a list of elements, one per proxy, separated by commas. An element has pairs `Key=value`,
//! separated by semicolons. A value with one of these characters is quoted.
//!
//! Checks: exactly one element; `Hash` or `Cert`, which name the same certificate; none of the keys that can
//! appear once is repeated. `By`, `URI` and `DNS` can be repeated.
//!
//! Why one element only: a proxy that appends its element leaves those of the client in place.
//! Why the repetition matters: Envoy does not quote `URI` and `DNS`, which come from the certificate. A name
//! such as `a;Hash=...` would otherwise replace the hash.

use super::{Reason, hex, pem};
use crate::access_token::Thumbprint;
use crate::crypto::sha256;

/// The keys that appear once in an element. Their case does not matter.
const SINGLE_KEYS: [&str; 4] = ["hash", "cert", "chain", "subject"];

/// A pair of an element.
struct Pair<'a> {
    key: &'a [u8],
    /// Without its quotation marks, still escaped.
    value: &'a [u8],
    /// The rest of the header, from the character after the value.
    after: &'a [u8],
}

/// The thumbprint of the certificate that the only element of `value` names.
pub(super) fn thumbprint(value: &[u8]) -> Result<Thumbprint, Reason> {
    let [hash, cert, ..] = single_values(value)?;
    let hash = hash.map(parse_hash).transpose()?;
    let cert = cert.map(pem::decode).transpose()?.map(|der| sha256(&[&der]));
    match (hash, cert) {
        (Some(hash), Some(cert)) if hash != cert => Err("its Hash and its Cert differ"),
        (Some(thumbprint), _) | (None, Some(thumbprint)) => Ok(thumbprint),
        (None, None) => Err("it has neither Hash nor Cert"),
    }
}

/// The values of [`SINGLE_KEYS`] in the only element.
fn single_values(element: &[u8]) -> Result<[Option<&[u8]>; SINGLE_KEYS.len()], Reason> {
    let (mut values, mut rest) = ([None; SINGLE_KEYS.len()], element);
    loop {
        let Pair { key, value, after } = split_pair(rest)?;
        let slots = SINGLE_KEYS.iter().zip(&mut values);
        let slot = slots.into_iter().find(|(name, _)| key.eq_ignore_ascii_case(name.as_bytes()));
        if slot.is_some_and(|(_, slot)| slot.replace(value).is_some()) {
            return Err("a key appears twice");
        }
        rest = match after.split_first() {
            None => return Ok(values),
            Some((b';', next)) => next,
            Some((b',', _)) => return Err("it has several elements"),
            Some(_) => return Err("a quotation mark is in the wrong place"),
        };
    }
}

/// Splits off the first `Key=value`.
fn split_pair(text: &[u8]) -> Result<Pair<'_>, Reason> {
    let equals = text.iter().position(|octet| *octet == b'=').unwrap_or(text.len());
    let (key, value) = text.split_at_checked(equals).unwrap_or_default();
    if key.is_empty() || !key.iter().all(u8::is_ascii_alphanumeric) {
        return Err("a key is malformed");
    }
    let value = value.strip_prefix(b"=").ok_or("a key has no value")?;
    let (value, after) = match value.strip_prefix(b"\"") {
        Some(quoted) => split_quoted(quoted).ok_or("a quotation mark is missing")?,
        None => {
            let end = value.iter().position(|octet| matches!(octet, b';' | b',' | b'"'));
            value.split_at_checked(end.unwrap_or(value.len())).unwrap_or_default()
        }
    };
    Ok(Pair { key, value, after })
}

/// Splits at the closing quotation mark. A backslash escapes the next octet.
fn split_quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut is_escaped = false;
    let end = text.iter().position(|octet| {
        let is_end = *octet == b'"' && !is_escaped;
        is_escaped = *octet == b'\\' && !is_escaped;
        is_end
    })?;
    let (value, after) = text.split_at_checked(end)?;
    Some((value, after.strip_prefix(b"\"")?))
}

/// Parses a SHA-256 digest in hexadecimal.
fn parse_hash(text: &[u8]) -> Result<Thumbprint, Reason> {
    let pairs = text.chunks(2).map(|pair| match pair {
        [high, low] => hex::octet(*high, *low),
        _ => None,
    });
    let octets: Option<Vec<u8>> = pairs.collect();
    let thumbprint = octets.and_then(|octets| octets.try_into().ok());
    thumbprint.ok_or("its Hash is not a SHA-256 digest in hexadecimal")
}
