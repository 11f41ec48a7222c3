//! Parses the confirmation claim (`cnf`, RFC 7800 section 3).
//!
//! Checks: an object with at least one member; `jkt` (RFC 9449 section 6.1) and `x5t#S256` (RFC 8705 section
//! 3.1) are thumbprints. Members that this crate does not know are ignored beside one that it knows.
//! Does not check: that the request proves possession of the key. See `binding`.

use std::borrow::Cow;

use serde::de::MapAccess;

use super::claim::{Claim, ClaimType};
use crate::access_token::{Confirmation, Thumbprint, thumbprint};
use crate::encoding::json::{MemberNames, Name, Unique};

impl<'de> ClaimType<'de> for Confirmation {
    /// A `cnf` without any member confirms nothing, so it is ill-typed.
    fn from_members<A: MapAccess<'de>>(mut members: A) -> Result<Option<Self>, A::Error> {
        let mut names = MemberNames::with_capacity(2);
        let (mut jkt, mut x5t_s256) = (Claim::Absent, Claim::Absent);
        let mut is_empty = true;
        while let Some(name) = members.next_key::<Name<'de>>()? {
            is_empty = false;
            match &*name.0 {
                "jkt" => jkt = thumbprint_claim(members.next_value()?),
                "x5t#S256" => x5t_s256 = thumbprint_claim(members.next_value()?),
                _ => drop(members.next_value::<Unique>()?),
            }
            names.add(name)?;
        }
        let confirmation = || Some(Self { jkt: jkt.optional()?, x5t_s256: x5t_s256.optional()? });
        Ok(if is_empty { None } else { confirmation() })
    }
}

fn thumbprint_claim(text: Claim<Cow<'_, str>>) -> Claim<Thumbprint> {
    match text {
        Claim::Absent => Claim::Absent,
        Claim::IllTyped => Claim::IllTyped,
        Claim::Present(text) => thumbprint(&text).map_or(Claim::IllTyped, Claim::Present),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 9449 section 6.1.
    const JKT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";
    /// The example of RFC 8705 appendix A. (That of section 3.1 is not canonical base64url.)
    const X5T: &str = "A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0";

    fn read(json: &str) -> Claim<Confirmation> {
        serde_json::from_str(json).unwrap()
    }

    fn present(jkt: Option<&str>, x5t_s256: Option<&str>) -> Claim<Confirmation> {
        let (jkt, x5t_s256) = (jkt.and_then(thumbprint), x5t_s256.and_then(thumbprint));
        Claim::Present(Confirmation { jkt, x5t_s256 })
    }

    #[test]
    fn a_confirmation_has_a_known_method_or_only_unknown_ones() {
        assert_eq!(read(&format!(r#"{{"jkt":"{JKT}"}}"#)), present(Some(JKT), None));
        assert_eq!(read(&format!(r#"{{"x5t#S256":"{X5T}"}}"#)), present(None, Some(X5T)));
        assert_eq!(read(&format!(r#"{{"jkt":"{JKT}","x5t#S256":"{X5T}"}}"#)), present(Some(JKT), Some(X5T)));
        assert_eq!(read(&format!(r#"{{"x":{{"y":[1]}},"jkt":"{JKT}"}}"#)), present(Some(JKT), None));
        for json in [r#"{"jwk":{}}"#, r#"{"kid":"a"}"#, r#"{"JKT":"a"}"#, r#"{"x5t":"a"}"#] {
            assert_eq!(read(json), present(None, None), "{json}");
        }
    }

    #[test]
    fn a_confirmation_that_confirms_nothing_is_ill_typed() {
        for json in ["1", "true", "null", "[]", "{}", "\"x\"", r#"["x"]"#] {
            assert_eq!(read(json), Claim::IllTyped, "{json}");
        }
    }

    #[test]
    fn a_known_method_that_is_no_thumbprint_is_ill_typed() {
        let (short, long) = (&JKT[..42], format!("{JKT}A"));
        for value in ["1", "null", "[]", "{}", "\"\"", "\"x\""] {
            for name in ["jkt", "x5t#S256"] {
                assert_eq!(read(&format!(r#"{{"{name}":{value}}}"#)), Claim::IllTyped, "{name} {value}");
            }
        }
        for text in [short, &long, &format!("{JKT}="), &JKT.replace('-', "+"), &format!(" {JKT}")] {
            assert_eq!(read(&format!(r#"{{"jkt":"{text}"}}"#)), Claim::IllTyped, "{text}");
            let both = format!(r#"{{"jkt":"{text}","x5t#S256":"{X5T}"}}"#);
            assert_eq!(read(&both), Claim::IllTyped, "{text} beside a good method");
        }
    }

    #[test]
    fn a_method_that_occurs_twice_makes_the_document_unreadable() {
        let json = format!(r#"{{"jkt":"{JKT}","jkt":"{JKT}"}}"#);
        assert!(serde_json::from_str::<Claim<Confirmation>>(&json).is_err());
        assert!(serde_json::from_str::<Claim<Confirmation>>(r#"{"x":{"y":1,"y":2}}"#).is_err());
    }
}
