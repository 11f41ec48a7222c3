//! The JOSE header of an access token (RFC 7515 section 4, RFC 8725 section 3).
//!
//! Checks: a JSON object without duplicate members; `alg` known; `kid` and `typ` strings;
//! no `crit` and no `b64` (RFC 7797), since no extension is understood here.
//! Does not check: whether the issuer may use this `alg` and this `typ` (see
//! [`HeaderPolicy`]), and does not follow `jku`, `x5u`, `jwk` and `x5c`, which anybody can write.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::claim::{Claim, Presence};
use crate::crypto::{Algorithm, AlgorithmSet};
use crate::encoding::json::{MemberNames, Name};

/// The members of a header that a resource server looks at.
#[derive(Debug)]
pub(crate) struct Header<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) key_id: Option<Cow<'a, str>>,
    pub(crate) typ: Option<Cow<'a, str>>,
}

/// What one issuer's headers may say.
#[derive(Clone, Debug)]
pub(crate) struct HeaderPolicy {
    pub(crate) algorithms: AlgorithmSet,
    /// Media types without `application/`, in lower case.
    pub(crate) types: Vec<Box<str>>,
    /// Whether a header without `typ` will do.
    pub(crate) untyped: bool,
}

/// Why a header is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum HeaderFault {
    /// Not a JSON object, a member twice, or a member of the wrong type.
    Malformed,
    /// `alg` is unknown here, or not one that this issuer may use.
    AlgorithmNotAllowed,
    /// `crit` or `b64`: an extension that must be understood and is not.
    CriticalExtension,
    /// `typ` names another kind of token.
    TypeMismatch,
}

impl<'a> Header<'a> {
    /// Reads a decoded header.
    ///
    /// # Errors
    /// Every [`HeaderFault`] but [`HeaderFault::TypeMismatch`].
    pub(crate) fn parse(json: &'a [u8]) -> Result<Self, HeaderFault> {
        let json = std::str::from_utf8(json).map_err(|_| HeaderFault::Malformed)?;
        let members: Members<'a> = serde_json::from_str(json).map_err(|_| HeaderFault::Malformed)?;
        if members.crit.0 || members.b64.0 {
            return Err(HeaderFault::CriticalExtension);
        }
        let Claim::Present(name) = members.alg else { return Err(HeaderFault::Malformed) };
        Ok(Self {
            algorithm: Algorithm::parse(&name).ok_or(HeaderFault::AlgorithmNotAllowed)?,
            key_id: members.kid.optional().ok_or(HeaderFault::Malformed)?,
            typ: members.typ.optional().ok_or(HeaderFault::Malformed)?,
        })
    }
}

impl HeaderPolicy {
    /// Checks the algorithm and the type.
    ///
    /// # Errors
    /// [`HeaderFault::AlgorithmNotAllowed`], [`HeaderFault::TypeMismatch`].
    pub(crate) fn check(&self, header: &Header<'_>) -> Result<(), HeaderFault> {
        self.check_algorithm(header)?;
        self.check_type(header)
    }

    /// Whether this issuer's tokens may be signed with that algorithm (RFC 8725 section 3.1).
    ///
    /// # Errors
    /// [`HeaderFault::AlgorithmNotAllowed`].
    pub(crate) fn check_algorithm(&self, header: &Header<'_>) -> Result<(), HeaderFault> {
        let allowed = self.algorithms.contains(header.algorithm);
        allowed.then_some(()).ok_or(HeaderFault::AlgorithmNotAllowed)
    }

    /// Whether the token says that it is an access token (RFC 9068 section 4, RFC 8725 section 3.11).
    ///
    /// # Errors
    /// [`HeaderFault::TypeMismatch`].
    pub(crate) fn check_type(&self, header: &Header<'_>) -> Result<(), HeaderFault> {
        let fits = match header.typ.as_deref() {
            None => self.untyped,
            Some(typ) => {
                let subtype = media_subtype(typ);
                self.types.iter().any(|allowed| subtype.eq_ignore_ascii_case(allowed))
            }
        };
        fits.then_some(()).ok_or(HeaderFault::TypeMismatch)
    }
}

/// `typ` without the `application/` that may be left out (RFC 7515 section 4.1.9).
pub(crate) fn media_subtype(typ: &str) -> &str {
    const PREFIX: &str = "application/";
    match typ.split_at_checked(PREFIX.len()) {
        Some((prefix, subtype)) if prefix.eq_ignore_ascii_case(PREFIX) => subtype,
        _ => typ,
    }
}

#[derive(Default)]
struct Members<'a> {
    alg: Claim<Cow<'a, str>>,
    kid: Claim<Cow<'a, str>>,
    typ: Claim<Cow<'a, str>>,
    crit: Presence,
    b64: Presence,
}

impl<'de> Deserialize<'de> for Members<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor)
    }
}

struct MembersVisitor;

impl<'de> Visitor<'de> for MembersVisitor {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JOSE header")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut names = MemberNames::with_capacity(4);
        let mut members = Members::default();
        while let Some(name) = map.next_key::<Name<'de>>()? {
            match &*name.0 {
                "alg" => members.alg = map.next_value()?,
                "kid" => members.kid = map.next_value()?,
                "typ" => members.typ = map.next_value()?,
                "crit" => members.crit = map.next_value()?,
                "b64" => members.b64 = map.next_value()?,
                _ => drop(map.next_value::<Presence>()?),
            }
            names.add(name)?;
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(json: &str) -> Option<HeaderFault> {
        Header::parse(json.as_bytes()).err()
    }

    #[test]
    fn members_of_the_wrong_type_or_twice_make_a_header_malformed() {
        for json in [
            "{}",
            r#"{"alg":1}"#,
            r#"{"alg":null}"#,
            r#"{"alg":["RS256"]}"#,
            r#"{"alg":"RS256","kid":1}"#,
            r#"{"alg":"RS256","kid":null}"#,
            r#"{"alg":"RS256","kid":{}}"#,
            r#"{"alg":"RS256","typ":false}"#,
            r#"{"alg":"RS256","alg":"none"}"#,
            r#"{"alg":"none","alg":"RS256"}"#,
            r#"{"alg":"RS256","\u0061lg":"RS256"}"#,
            r#"{"alg":"RS256","x":{"y":1,"y":2}}"#,
            r#"{"alg":"RS256"}x"#,
            r#"["alg","RS256"]"#,
            r#""RS256""#,
            "null",
            "",
        ] {
            assert_eq!(fault(json), Some(HeaderFault::Malformed), "{json}");
        }
        assert_eq!(Header::parse(b"{\"alg\":\"\xff\"}").err(), Some(HeaderFault::Malformed));
    }

    #[test]
    fn algorithms_are_known_by_their_exact_name() {
        for alg in ["none", "None", "NONE", "", "rs256", "HS256", "HS512", "ES256K", "ESP256", "RSA-OAEP"] {
            let json = format!(r#"{{"alg":"{alg}"}}"#);
            assert_eq!(fault(&json), Some(HeaderFault::AlgorithmNotAllowed), "{alg}");
        }
    }

    #[test]
    fn every_form_of_crit_and_b64_is_refused() {
        for member in [
            r#""crit":["x"],"x":1"#,
            r#""crit":["x"]"#,
            r#""crit":[]"#,
            r#""crit":"exp""#,
            r#""crit":["alg"]"#,
            r#""crit":["b64","b64"]"#,
            r#""crit":[1]"#,
            r#""crit":null"#,
            r#""b64":false"#,
            r#""b64":false,"crit":["b64"]"#,
        ] {
            let json = format!(r#"{{"alg":"RS256",{member}}}"#);
            assert_eq!(fault(&json), Some(HeaderFault::CriticalExtension), "{member}");
        }
    }

    #[test]
    fn unknown_members_are_ignored_and_escaped_names_are_read() {
        let json = br#"{"\u0061lg":"RS256","kid":"\u0061","typ":"JWT","jku":"https://x","x":[{}]}"#;
        let header = Header::parse(json).unwrap();
        assert_eq!(header.algorithm, Algorithm::RS256);
        assert_eq!(header.key_id.as_deref(), Some("a"));
    }

    #[test]
    fn media_types_are_compared_without_case_and_without_their_prefix() {
        let policy =
            HeaderPolicy { algorithms: AlgorithmSet::ALL, types: vec!["at+jwt".into()], untyped: false };
        let check = |typ: Option<&str>| {
            let header = Header { algorithm: Algorithm::RS256, key_id: None, typ: typ.map(Cow::Borrowed) };
            policy.check_type(&header)
        };
        for typ in ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+JWT"] {
            assert_eq!(check(Some(typ)), Ok(()), "{typ}");
        }
        for typ in ["JWT", "at-jwt", "xat+jwt", "logout+jwt", "text/at+jwt", "application/", "", "at+jwt "] {
            assert_eq!(check(Some(typ)), Err(HeaderFault::TypeMismatch), "{typ}");
        }
        assert_eq!(check(None), Err(HeaderFault::TypeMismatch));
    }
}
