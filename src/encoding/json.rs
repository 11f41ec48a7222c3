//! JSON objects in which no member stands twice (RFC 7519 section 4, RFC 7515 section 4, RFC 7517 section 4).
//!
//! Checks: duplicate members are refused at every depth, after unescaping their names; nesting is
//! limited to 128 levels (by `serde_json`); nothing may follow the value.
//!
//! Why: the RFCs let a reader choose between refusing duplicates and taking the last one. Two
//! readers of one token that choose differently see two different tokens, so this one refuses.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

/// The most members that one object may have.
const MAX_MEMBERS: usize = 512;

/// Up to so many names are compared with each other.
const FEW: usize = 64;

/// Reads `text` as a `T`, after making sure that no object in it has a member twice.
///
/// Two passes: for documents that are read seldom. Tokens are read in one pass, with
/// [`MemberNames`] and [`Unique`].
///
/// # Errors
/// What `serde_json` says, without the offending text: it names a place, a type or a member.
pub(crate) fn parse<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<T, serde_json::Error> {
    let text = std::str::from_utf8(text).map_err(de::Error::custom)?;
    serde_json::from_str::<Unique>(text)?;
    serde_json::from_str(text)
}

/// Whether `text` begins with a JSON object, as a reader could take it that is not strict: members may stand
/// twice, and anything may follow.
pub(crate) fn begins_with_object(text: &[u8]) -> bool {
    let mut reader = serde_json::Deserializer::from_slice(text);
    text.trim_ascii_start().starts_with(b"{") && de::IgnoredAny::deserialize(&mut reader).is_ok()
}

/// The names that an object has shown so far.
#[derive(Debug, Default)]
pub(crate) struct MemberNames<'de> {
    /// While there are few of them.
    few: Vec<Name<'de>>,
    /// One bit per name in `few`; most new names find their bit free and need no comparing.
    seen: u64,
    /// All of them, once there are many: then comparing each with each would be an attacker's lever.
    many: HashSet<Name<'de>>,
}

impl<'de> MemberNames<'de> {
    /// For an object that is expected to have about `members` members.
    pub(crate) fn with_capacity(members: usize) -> Self {
        Self { few: Vec::with_capacity(members), ..Self::default() }
    }

    /// Takes the next name down.
    ///
    /// # Errors
    /// When the object has had it before, or has more members than any honest one.
    pub(crate) fn add<E: de::Error>(&mut self, name: Name<'de>) -> Result<(), E> {
        let is_new = if self.many.is_empty() && self.few.len() < FEW {
            self.add_to_few(name)
        } else {
            self.many.extend(self.few.drain(..));
            self.many.insert(name)
        };
        match is_new {
            false => Err(E::custom("a member stands twice")),
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

/// The name of a member, borrowed from the text unless it holds an escape.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Name<'de>(pub(crate) Cow<'de, str>);

impl Name<'_> {
    /// One of 64 bits, from the length and three letters: equality decides.
    fn bit(&self) -> u64 {
        let octets = self.0.as_bytes();
        let at = |place: usize| u32::from(octets.get(place).copied().unwrap_or_default());
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

/// Any JSON value, thrown away, once it is known to hold no member twice.
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
    fn a_member_that_stands_twice_is_refused_at_every_depth() {
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
    fn names_that_share_a_bit_are_told_apart() {
        let members: Vec<String> = (0..500).map(|n| format!("\"m{n}\":0")).collect();
        let text = format!("{{{}}}", members.join(","));
        assert!(parse::<serde_json::Value>(text.as_bytes()).is_ok());
        let twice = format!("{{{},\"m77\":1}}", members.join(","));
        assert!(parse::<serde_json::Value>(twice.as_bytes()).is_err());
    }

    #[test]
    fn deep_nesting_wide_objects_and_trailing_text_are_refused() {
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
