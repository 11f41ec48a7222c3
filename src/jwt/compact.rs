//! The compact serialization of a JWS: three parts with dots between them (RFC 7515 section 7.1).
//!
//! Checks: exactly three parts, each strict base64url; the claims are UTF-8.
//! Does not check: anything inside the parts.

use memchr::{memchr, memmem};

use crate::encoding::{base64url, json};

/// What every JOSE header has in it (RFC 7515 section 4.1.1), and next to no other octets.
const ALG: &[u8] = b"\"alg\"";
const ENC: &[u8] = b"\"enc\"";

/// A token in three parts, still encoded.
#[derive(Clone, Copy)]
pub(crate) struct Compact<'a> {
    signing_input: &'a [u8],
    header: &'a [u8],
    claims: &'a [u8],
    signature: &'a [u8],
}

/// Why a token is not a compact JWS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum CompactFault {
    /// It does not have three parts: an opaque token, or a JWE.
    NotThreeParts,
    /// A part is not base64url, or the claims are not UTF-8.
    Undecodable,
}

impl<'a> Compact<'a> {
    /// Cuts `token` at its dots.
    ///
    /// # Errors
    /// [`CompactFault::NotThreeParts`]. A token of a million dots costs no more than three.
    pub(crate) fn parse(token: &'a (impl AsRef<[u8]> + ?Sized)) -> Result<Self, CompactFault> {
        Self::cut(token.as_ref())
            .filter(|parts| !parts.header.is_empty() && !parts.claims.is_empty())
            .ok_or(CompactFault::NotThreeParts)
    }

    fn cut(token: &'a [u8]) -> Option<Self> {
        let dot = |text: &[u8]| memchr(b'.', text);
        let (header, behind) = token.split_at_checked(dot(token)?)?;
        let behind = behind.strip_prefix(b".")?;
        let (claims, signature) = behind.split_at_checked(dot(behind)?)?;
        let signature = signature.strip_prefix(b".")?;
        let signing_input = token.get(..header.len().checked_add(claims.len())?.checked_add(1)?)?;
        dot(signature).is_none().then_some(Self { signing_input, header, claims, signature })
    }

    /// What the signature covers, as it was received (RFC 7515 section 5.2).
    pub(crate) fn signing_input(&self) -> &'a [u8] {
        self.signing_input
    }

    /// The octets of the JOSE header.
    ///
    /// # Errors
    /// [`CompactFault::Undecodable`]; so do the other parts.
    pub(crate) fn header(&self) -> Result<Vec<u8>, CompactFault> {
        base64url::decode(self.header).ok_or(CompactFault::Undecodable)
    }

    /// The text of the claims.
    pub(crate) fn claims(&self) -> Result<String, CompactFault> {
        let octets = base64url::decode(self.claims).ok_or(CompactFault::Undecodable)?;
        String::from_utf8(octets).map_err(|_| CompactFault::Undecodable)
    }

    /// The octets of the signature.
    pub(crate) fn signature(&self) -> Result<Vec<u8>, CompactFault> {
        base64url::decode(self.signature).ok_or(CompactFault::Undecodable)
    }
}

/// Whether `token` may be taken for a JWS by somebody less strict than this crate, or was one before it was
/// altered: then it is a JWT, however malformed, and no opaque token.
///
/// Its first part is a JOSE header. What has one and is no JWS is a JWE (RFC 7516 section 9): five parts, and
/// `enc` in the header.
pub(crate) fn resembles_jws(token: &str) -> bool {
    // Some readers skip empty parts.
    let Some((first, others)) = token.trim_start_matches('.').split_once('.') else { return false };
    let Some(header) = base64url::decode_leniently(first) else { return false };
    let is_jose = json::begins_with_object(&header) || memmem::find(&header, ALG).is_some();
    let is_jwe = others.matches('.').count() == 3 && memmem::find(&header, ENC).is_some();
    is_jose && !is_jwe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_three_filled_parts_are_a_compact_jws() {
        for token in ["", ".", "..", "a", "a.b", "a.b.c.d", "a.b.c.d.e", ".b.c", "a..c", "...."] {
            assert_eq!(Compact::parse(token).err(), Some(CompactFault::NotThreeParts), "{token}");
        }
        assert!(Compact::parse(&".".repeat(1 << 20)).is_err());
        let parts = Compact::parse("e30.e30.").unwrap();
        assert_eq!(parts.signing_input(), b"e30.e30");
        assert_eq!(parts.signature().unwrap(), b"");
    }

    #[test]
    fn parts_that_are_not_strict_base64url_are_undecodable() {
        for part in ["e30=", "e3 0", "e30\n", "e", "e31", "e+/0"] {
            let token = format!("{part}.{part}.{part}");
            let parts = Compact::parse(&token).unwrap();
            assert_eq!(parts.header().err(), Some(CompactFault::Undecodable), "{part}");
            assert_eq!(parts.claims().err(), Some(CompactFault::Undecodable), "{part}");
            assert_eq!(parts.signature().err(), Some(CompactFault::Undecodable), "{part}");
        }
        // 0xff is no UTF-8.
        assert_eq!(Compact::parse("e30._w.AA").unwrap().claims().err(), Some(CompactFault::Undecodable));
    }

    #[test]
    fn whatever_a_lenient_reader_takes_for_a_header_is_one() {
        let header = |part: &str| resembles_jws(&format!("{part}.e30.AA"));
        for part in
            ["e30", "e30=", "e31", "eyJhbGciOiJub25lIn0", "eyJhIjoiPz8_In0", "eyJhIjoiPz8/In0", "IHt9"]
        {
            assert!(header(part), "{part}");
        }
        // {"a":1,"a":2}, and an object with text behind it.
        assert!(header("eyJhIjoxLCJhIjoyfQ") && header("e31hYmM"));
        // {"alg":"ES256","typ":"JWT"}, altered or cut short.
        let whole = "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9";
        assert!((15..=36).filter(|end| end % 4 != 1).all(|end| header(&whole[..end])));
        for at in 8..whole.len() {
            for letter in ['A', 'b', '9', '+', '/', '-', '_', '~'] {
                let altered = format!("{}{letter}{}", &whole[..at], &whole[at + 1..]);
                assert!(header(&altered), "{altered}");
            }
        }
        for part in ["opaque", "V1StGXR8", "W10", "bnVsbA", "ImEi", "e", "ory_at", "{}", "a~b", "YWxn"] {
            assert!(!header(part), "{part}");
        }
    }

    #[test]
    fn only_an_encrypted_token_has_a_jose_header_and_is_no_jws() {
        let header = "eyJhbGciOiJFUzI1NiJ9";
        assert!(resembles_jws(&format!(".{header}.e30.AA")) && resembles_jws(&format!("{header}a.e30.AA")));
        for behind in
            [".", ".e30", ".e30.", "..AA", ".e30.AA.", ".e30.AA..", ".e30.AA.AA.AA", ".e30.AA.AA.AA.AA"]
        {
            assert!(resembles_jws(&format!("{header}{behind}")), "{behind}");
        }
        // {"alg":"dir","enc":"A128GCM"}
        let encrypted = "eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0";
        assert!(!resembles_jws(&format!("{encrypted}..aaaa.bbbb.cccc")));
        assert!(resembles_jws(&format!("{encrypted}.aaaa.bbbb")));
        for opaque in ["", ".", "opaque", "a.b", "a.b.c.d.e", header, "..opaque.AA"] {
            assert!(!resembles_jws(opaque), "{opaque}");
        }
    }
}
