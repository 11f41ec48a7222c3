//! The character sets of HTTP fields and of RFC 6750, and comma-separated lists.
//!
//! `token` is RFC 9110 section 5.6.2, `b64token` RFC 6750 section 2.1 (`token68` of RFC 9110
//! section 11.2), the quotable characters RFC 6750 section 3.

use http::{HeaderMap, HeaderName};
use memchr::memchr;

use crate::encoding::base64url;

/// Characters per chunk. A loop without a branch over a whole chunk compiles to vector instructions.
const CHUNK_BYTES: usize = 64;

/// Whether `text` is a `b64token`: one or more characters of its alphabet, then any number of `=`.
pub(crate) fn is_b64token(text: &[u8]) -> bool {
    let mut body = text;
    while let [before @ .., b'='] = body {
        body = before;
    }
    !body.is_empty() && (base64url::is_strict(body) || is_b64token_body(body))
}

/// Whether `text` is a `token`: one or more `tchar`.
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| is_tchar(*byte))
}

/// Whether `byte` is a `tchar`, a character of a `token`.
pub(crate) fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
}

/// Whether `byte` is a character of a `scope-token`: visible, and neither `"` nor `\`.
pub(crate) fn is_scope_char(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x5B | 0x5D..=0x7E)
}

/// Whether `byte` is a character of an `error_description`: a space, or a character of a `scope-token`.
pub(crate) fn is_description_char(byte: u8) -> bool {
    byte == b' ' || is_scope_char(byte)
}

/// The members of a comma-separated field over all its lines, trimmed (RFC 9110 section 5.6.1).
pub(crate) fn list_members(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = &[u8]> {
    let lines = headers.get_all(name).into_iter();
    lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii)
}

/// Splits `text` at the first `separator`. Without one, the second half is empty.
pub(crate) fn split_pair(text: &[u8], separator: u8) -> (&[u8], &[u8]) {
    let end = memchr(separator, text).unwrap_or(text.len());
    let (before, rest) = text.split_at_checked(end).unwrap_or_default();
    (before, rest.get(1..).unwrap_or_default())
}

/// Checks part by part, because the token may be a JWS: the alphabet includes base64url, whose decoder checks
/// many characters at once.
fn is_b64token_body(body: &[u8]) -> bool {
    let (header, rest) = split_pair(body, b'.');
    let (claims, signature) = split_pair(rest, b'.');
    let in_alphabet = |chunk: &[u8]| chunk.iter().fold(true, |all, byte| all & is_b64token_char(*byte));
    [header, claims, signature]
        .into_iter()
        .all(|part| base64url::is_strict(part) || part.chunks(CHUNK_BYTES).all(in_alphabet))
}

/// `ALPHA DIGIT - . _ ~ + /`, branch-free.
fn is_b64token_char(byte: u8) -> bool {
    let letter = (byte | 0x20).is_ascii_lowercase();
    let digit_or_dash_dot_slash = matches!(byte, b'-'..=b'9');
    letter | digit_or_dash_dot_slash | (byte == b'_') | (byte == b'~') | (byte == b'+')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(contains: fn(u8) -> bool) -> Vec<u8> {
        (0..=u8::MAX).filter(|byte| contains(*byte)).collect()
    }

    fn sorted(more: &[u8]) -> Vec<u8> {
        let mut all: Vec<u8> = (b'0'..=b'9').chain(b'a'..=b'z').chain(b'A'..=b'Z').collect();
        all.extend(more);
        all.sort_unstable();
        all
    }

    #[test]
    fn the_character_sets_are_those_of_the_rfcs() {
        assert_eq!(set(is_b64token_char), sorted(b"-._~+/"));
        assert_eq!(set(is_tchar), sorted(b"!#$%&'*+-.^_`|~"));
        let visible: Vec<u8> = (0x21..=0x7E).filter(|byte| !b"\"\\".contains(byte)).collect();
        assert_eq!(set(is_scope_char), visible);
        assert_eq!(set(is_description_char), [&b" "[..], &visible].concat());
    }

    #[test]
    fn a_b64token_has_a_body_and_padding_only_at_the_end() {
        for text in ["a", "a=", "a==", "-._~+/", "a.b.c", &"x".repeat(1000), &format!("{}=", "x".repeat(64))]
        {
            assert!(is_b64token(text.as_bytes()), "{text}");
        }
        for text in
            ["", "=", "==", "a=b", "=a", "a b", "a,", "%", "\u{e9}", "a\t", &format!("{} ", "x".repeat(70))]
        {
            assert!(!is_b64token(text.as_bytes()), "{text}");
        }
    }
}
