//! JSON objects without duplicate members (RFC 7519 section 4, RFC 7515 section 4, RFC 7517 section 4).
//!
//! Checks: duplicate members are rejected at every depth, after unescaping their names; nesting is limited to
//! 128 levels (by `serde_json`); nothing may follow the value.
//!
//! Why: the RFCs let a parser choose between rejecting duplicates and using the last one. Two parsers that
//! choose differently see two different tokens, so this one rejects.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// The maximum number of members per object.
const MAX_MEMBERS: usize = 512;

/// Up to this number, names are compared pairwise.
const MAX_PAIRWISE: usize = 64;

/// Parses `text` as a `T`, and rejects duplicate members.
///
/// Needs two passes: for documents that are parsed rarely. Tokens are parsed in one pass, with
/// [`MemberNames`] and [`Unique`].
///
/// # Errors
/// The error of `serde_json`, without the offending text: it names a position, a type or a member.
pub(crate) fn parse<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, serde_json::Error> {
    let text = std::str::from_utf8(text).map_err(de::Error::custom)?;
    serde_json::from_str::<Unique>(text)?;
    serde_json::from_str(text)
}

/// Whether `text` begins with a JSON object for a lenient reader: with duplicate members, and followed by
/// anything.
pub(crate) fn begins_with_object(text: &[u8]) -> bool {
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    text.trim_ascii_start().starts_with(b"{") && de::IgnoredAny::deserialize(&mut deserializer).is_ok()
}

/// The member names of an object so far.
#[derive(Debug, Default)]
pub(crate) struct MemberNames<'de> {
    /// The names, while there are few.
    few: Vec<Name<'de>>,
    /// One bit per name in `few`. Most new names find their bit unset and need no comparison.
    seen: u64,
    /// The names, once there are many: pairwise comparison would then let an attacker waste time.
    many: HashSet<Name<'de>>,
}

impl<'de> MemberNames<'de> {
    /// For an object with about `members` members.
    pub(crate) fn with_capacity(members: usize) -> Self {
        Self { few: Vec::with_capacity(members), ..Self::default() }
    }

    /// Adds the next name.
    ///
    /// # Errors
    /// If the object has this member already, or too many members.
    pub(crate) fn add<E: de::Error>(&mut self, name: Name<'de>) -> Result<(), E> {
        let is_new = if self.many.is_empty() && self.few.len() < MAX_PAIRWISE {
            self.add_to_few(name)
        } else {
            self.many.extend(self.few.drain(..));
            self.many.insert(name)
        };
        match is_new {
            false => Err(E::custom("duplicate member")),
            true if self.many.len() > MAX_MEMBERS => Err(E::custom("too many members")),
            true => Ok(()),
        }
    }

    fn add_to_few(&mut self, name: Name<'de>) -> bool {
        let bit = name.bit();
        let is_new = self.seen & bit == 0 || !self.few.contains(&name);
        self.seen |= bit;
        self.few.push(name);
        is_new
    }
}

/// The name of a member, borrowed from the text unless it has an escape.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Name<'de>(pub(crate) Cow<'de, str>);

impl Name<'_> {
    /// One of 64 bits, from the length and three characters. Names with the same bit are compared.
    fn bit(&self) -> u64 {
        let octets = self.0.as_bytes();
        let at = |index: usize| u32::from(octets.get(index).copied().unwrap_or_default());
        let last = octets.len().saturating_sub(1);
        let length = u32::try_from(octets.len()).unwrap_or(u32::MAX);
        let letters = at(0) ^ (at(last / 2) << 8) ^ (at(last) << 16) ^ (length << 24);
        1 << (letters.wrapping_mul(0x9E37_79B1) >> 26)
    }
}

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(NameVisitor)
    }
}

struct NameVisitor;

impl<'de> Visitor<'de> for NameVisitor {
    type Value = Name<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a member name")
    }

    fn visit_borrowed_str<E: de::Error>(self, name: &'de str) -> Result<Self::Value, E> {
        Ok(Name(Cow::Borrowed(name)))
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(Name(Cow::Owned(name.to_owned())))
    }
}

/// Any JSON value, discarded once it is known to have no duplicate members.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unique;

impl<'de> Deserialize<'de> for Unique {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self)
    }
}

impl<'de> DeserializeSeed<'de> for Unique {
    type Value = Self;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_str<E>(self, _: &str) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<Self>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self, A::Error> {
        let mut names = MemberNames::default();
        while let Some(name) = members.next_key::<Name<'de>>()? {
            names.add(name)?;
            members.next_value::<Self>()?;
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn duplicate_members_are_rejected_at_every_depth() {
        for (name, text) in [
            ("top", r#"{"a":1,"a":2}"#),
            ("escaped", r#"{"a":1,"\u0061":2}"#),
            ("nested", r#"{"x":{"a":1,"a":1}}"#),
            ("in an array", r#"{"x":[1,{"a":1,"b":2,"a":1}]}"#),
        ] {
            assert!(parse::<serde_json::Value>(text.as_bytes()).is_err(), "{name}");
        }
        let text = br#"{"a":{"b":1},"b":{"a":null,"c":[1.5,-1,true,"x"]}}"#;
        assert!(parse::<serde_json::Value>(text).is_ok());
    }

    #[test]
    fn names_that_share_a_bit_are_distinguished() {
        let members: Vec<String> = (0..500).map(|n| format!("\"m{n}\":0")).collect();
        let text = format!("{{{}}}", members.join(","));
        assert!(parse::<serde_json::Value>(text.as_bytes()).is_ok());
        let twice = format!("{{{},\"m77\":1}}", members.join(","));
        assert!(parse::<serde_json::Value>(twice.as_bytes()).is_err());
    }

    #[test]
    fn deep_nesting_wide_objects_and_trailing_text_are_rejected() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert!(parse::<serde_json::Value>(deep.as_bytes()).is_err());
        let members: Vec<String> = (0..513).map(|n| format!("\"m{n}\":0")).collect();
        assert!(parse::<serde_json::Value>(format!("{{{}}}", members.join(",")).as_bytes()).is_err());
        for text in ["{}x", "{} {}", "\u{feff}{}", r#"{"a":"\ud800"}"#, ""] {
            assert!(parse::<serde_json::Value>(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse::<serde_json::Value>(b"{\"a\":\"\xff\"}").is_err());
    }
}
