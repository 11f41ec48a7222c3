//! What form a token has: a JWT, which this crate validates, or an opaque token, which only its issuer can
//! read.
//!
//! Why the classification is lenient: a token that any parser could read as a JWS counts as a JWT. Otherwise
//! a damaged JWT could reach the introspection endpoint of a server that parses less strictly and accepts it.

use std::str;

use memchr::memmem;

use super::compact::{Compact, CompactFault};
use super::header::{Header, HeaderFault};
use crate::encoding::{base64url, json};

/// The members that tell a JOSE header (RFC 7515 section 4.1.1) and that of a JWE (RFC 7516 section 4.1.2)
/// from any other octets.
const ALG: &[u8] = b"\"alg\"";
const ENC: &[u8] = b"\"enc\"";

/// A token by its form.
pub(crate) enum Presented<'t> {
    /// Three parts, the first of which decodes. Where the header is rejected, the fault says why.
    Jwt { compact: Compact<'t>, header: Result<Header<'t>, HeaderFault> },
    /// Anything that no reader takes for a JWS, a JWE included.
    Opaque,
}

impl<'t> Presented<'t> {
    /// Classifies `token` and parses its header, which is decoded into `header_json`.
    ///
    /// `may_be_opaque` says whether any issuer introspects tokens. If none does, an opaque token is rejected
    /// anyway, and the lenient second look is skipped: it would cost more than all other steps of a long
    /// token.
    ///
    /// # Errors
    /// [`CompactFault`] for a token that is no JWT, unless it is [`Opaque`](Self::Opaque).
    pub(crate) fn classify(
        token: &'t [u8],
        header_json: &'t mut Vec<u8>,
        may_be_opaque: bool,
    ) -> Result<Self, CompactFault> {
        let is_opaque = || may_be_opaque && str::from_utf8(token).is_ok_and(|text| !resembles_jws(text));
        let decoded = Compact::parse(token).and_then(|compact| Ok((compact, compact.header()?)));
        let compact = match decoded {
            Ok((compact, octets)) => {
                *header_json = octets;
                compact
            }
            Err(_) if is_opaque() => return Ok(Self::Opaque),
            Err(fault) => return Err(fault),
        };
        match Header::parse(header_json) {
            Err(HeaderFault::Malformed) if is_opaque() => Ok(Self::Opaque),
            header => Ok(Self::Jwt { compact, header }),
        }
    }
}

/// Whether a reader less strict than this crate could take `token` for a JWS, or it was one before it was
/// altered.
///
/// Its first part is a JOSE header. The only token with such a header that is no JWS is a JWE (RFC 7516
/// section 9): five parts, and `enc` in the header.
fn resembles_jws(token: &str) -> bool {
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
    fn a_token_that_a_lenient_reader_takes_for_a_jws_resembles_one() {
        let resembles = |part: &str| resembles_jws(&format!("{part}.e30.AA"));
        for part in
            ["e30", "e30=", "e31", "eyJhbGciOiJub25lIn0", "eyJhIjoiPz8_In0", "eyJhIjoiPz8/In0", "IHt9"]
        {
            assert!(resembles(part), "{part}");
        }
        // {"a":1,"a":2}, and an object followed by text.
        assert!(resembles("eyJhIjoxLCJhIjoyfQ") && resembles("e31hYmM"));
        // {"alg":"ES256","typ":"JWT"}, altered or cut short.
        let whole = "eyJhbGciOiJFUzI1NiIsInR5cCI6IkpXVCJ9";
        assert!((15..=36).filter(|end| end % 4 != 1).all(|end| resembles(&whole[..end])));
        for at in 8..whole.len() {
            for letter in ['A', 'b', '9', '+', '/', '-', '_', '~'] {
                let altered = format!("{}{letter}{}", &whole[..at], &whole[at + 1..]);
                assert!(resembles(&altered), "{altered}");
            }
        }
        for part in ["opaque", "V1StGXR8", "W10", "bnVsbA", "ImEi", "e", "ory_at", "{}", "a~b", "YWxn"] {
            assert!(!resembles(part), "{part}");
        }
    }

    #[test]
    fn only_a_jwe_has_a_jose_header_and_does_not_resemble_a_jws() {
        let header = "eyJhbGciOiJFUzI1NiJ9";
        assert!(resembles_jws(&format!(".{header}.e30.AA")) && resembles_jws(&format!("{header}a.e30.AA")));
        for rest in
            [".", ".e30", ".e30.", "..AA", ".e30.AA.", ".e30.AA..", ".e30.AA.AA.AA", ".e30.AA.AA.AA.AA"]
        {
            assert!(resembles_jws(&format!("{header}{rest}")), "{rest}");
        }
        // {"alg":"dir","enc":"A128GCM"}
        let encrypted = "eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0";
        assert!(!resembles_jws(&format!("{encrypted}..aaaa.bbbb.cccc")));
        assert!(resembles_jws(&format!("{encrypted}.aaaa.bbbb")));
        for opaque in ["", ".", "opaque", "a.b", "a.b.c.d.e", header, "..opaque.AA"] {
            assert!(!resembles_jws(opaque), "{opaque}");
        }
    }

    fn form(token: &str, may_be_opaque: bool) -> &'static str {
        match Presented::classify(token.as_bytes(), &mut Vec::new(), may_be_opaque) {
            Ok(Presented::Jwt { header: Ok(_), .. }) => "JWT",
            Ok(Presented::Jwt { header: Err(_), .. }) => "JWT with a rejected header",
            Ok(Presented::Opaque) => "opaque",
            Err(CompactFault::NotThreeParts) => "not three parts",
            Err(CompactFault::Undecodable) => "undecodable",
        }
    }

    #[test]
    fn a_token_is_a_jwt_or_opaque_and_never_both() {
        // {"alg":"ES256"}, {"alg":"none"} and {"alg":"dir","enc":"A128GCM"}
        let (es256, none) = ("eyJhbGciOiJFUzI1NiJ9", "eyJhbGciOiJub25lIn0");
        let jwe = "eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..aaaa.bbbb.cccc";
        for (token, introspected, rejected) in [
            (&*format!("{es256}.e30.AA"), "JWT", "JWT"),
            (&*format!("{none}.e30."), "JWT with a rejected header", "JWT with a rejected header"),
            ("e30.e30.AA", "JWT with a rejected header", "JWT with a rejected header"),
            (&*format!("{es256}=.e30.AA"), "undecodable", "undecodable"),
            (&*format!("{es256}.e30.AA.AA"), "not three parts", "not three parts"),
            ("W10.e30.AA", "opaque", "JWT with a rejected header"),
            ("a~b.e30.AA", "opaque", "undecodable"),
            ("V1StGXR8", "opaque", "not three parts"),
            (jwe, "opaque", "not three parts"),
        ] {
            assert_eq!(form(token, true), introspected, "{token}");
            assert_eq!(form(token, false), rejected, "{token}");
        }
    }
}
