//! The compact serialization of a JWS: three parts separated by dots (RFC 7515 section 7.1).
//!
//! Checks: exactly three parts, each strict base64url; the claims are UTF-8.
//! Does not check: the content of the parts.

use memchr::memchr;
use serde::Serialize;

use crate::encoding::base64url;

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
    /// Splits `token` at its dots.
    ///
    /// # Errors
    /// [`CompactFault::NotThreeParts`]. A token with a million dots costs no more than one with three.
    pub(crate) fn parse(token: &'a (impl AsRef<[u8]> + ?Sized)) -> Result<Self, CompactFault> {
        Self::split(token.as_ref())
            .filter(|parts| !parts.header.is_empty() && !parts.claims.is_empty())
            .ok_or(CompactFault::NotThreeParts)
    }

    fn split(token: &'a [u8]) -> Option<Self> {
        let dot = |text: &[u8]| memchr(b'.', text);
        let (header, rest) = token.split_at_checked(dot(token)?)?;
        let rest = rest.strip_prefix(b".")?;
        let (claims, signature) = rest.split_at_checked(dot(rest)?)?;
        let signature = signature.strip_prefix(b".")?;
        let signing_input = token.get(..header.len().checked_add(claims.len())?.checked_add(1)?)?;
        dot(signature).is_none().then_some(Self { signing_input, header, claims, signature })
    }

    /// The JWS signing input, as received (RFC 7515 section 5.2).
    pub(crate) fn signing_input(&self) -> &'a [u8] {
        self.signing_input
    }

    /// The JOSE header, as received.
    pub(crate) fn encoded_header(&self) -> &'a [u8] {
        self.header
    }

    /// The octets of the JOSE header.
    ///
    /// # Errors
    /// [`CompactFault::Undecodable`], as for the other parts.
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

/// The JWS signing input of this header and these claims (RFC 7515 section 5.1). `None` if one of them is not
/// JSON.
pub(crate) fn signing_input(header: &impl Serialize, claims: &impl Serialize) -> Option<String> {
    let [header, claims] = [serde_json::to_vec(header).ok()?, serde_json::to_vec(claims).ok()?];
    Some(format!("{}.{}", base64url::encode(&header), base64url::encode(&claims)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_compact_jws_has_exactly_three_parts_with_a_header_and_claims() {
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
}
