//! Deserializes one member of a JSON object as absent, ill-typed or present.
//!
//! Checks: the JSON type of the member, and that no object inside it has a duplicate member.
//! Does not check: the value.
//!
//! Why: an ill-typed claim must never count as an absent one (CVE-2026-25537). An ill-typed claim also must
//! not fail the deserialization of the claims around it.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::bearer::ScopeSet;
use crate::encoding::json::Unique;

/// One member of a JSON object.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) enum Claim<T> {
    /// The object has no such member.
    #[default]
    Absent,
    /// The value is not a `T`. A JSON `null` is ill-typed, too.
    IllTyped,
    /// The value.
    Present(T),
}

impl<T> Claim<T> {
    /// Converts to an `Option`: `Some(None)` for an absent member, `None` for an ill-typed one.
    pub(crate) fn optional(self) -> Option<Option<T>> {
        match self {
            Self::Absent => Some(None),
            Self::IllTyped => None,
            Self::Present(value) => Some(Some(value)),
        }
    }

    /// The same without the value.
    pub(crate) fn presence(&self) -> Claim<()> {
        match self {
            Self::Absent => Claim::Absent,
            Self::IllTyped => Claim::IllTyped,
            Self::Present(_) => Claim::Present(()),
        }
    }

    /// Whether the object has no such member.
    pub(crate) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// The value, if it is present and well-typed.
    pub(crate) fn value(&self) -> Option<&T> {
        match self {
            Self::Present(value) => Some(value),
            Self::Absent | Self::IllTyped => None,
        }
    }
}

/// Whether the object has a member, whatever its value.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Presence(pub(crate) bool);

impl Presence {
    /// The same as a claim, whose type does not matter.
    pub(crate) fn presence(self) -> Claim<()> {
        if self.0 { Claim::Present(()) } else { Claim::Absent }
    }
}

impl<'de> Deserialize<'de> for Presence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Unique::deserialize(deserializer).map(|Unique| Self(true))
    }
}

/// A type that [`Claim`] deserializes from a JSON string, an array of strings or an object.
pub(crate) trait ClaimType<'de>: Sized {
    /// Converts a JSON string. The default makes strings ill-typed.
    fn from_text(_: Cow<'de, str>) -> Option<Self> {
        None
    }
    /// Converts a JSON array of strings. The default makes arrays ill-typed.
    fn from_texts(_: Vec<Cow<'de, str>>) -> Option<Self> {
        None
    }
    /// Converts a JSON object. The default makes objects ill-typed.
    ///
    /// # Errors
    /// If an object has a duplicate member.
    fn from_members<A: MapAccess<'de>>(members: A) -> Result<Option<Self>, A::Error> {
        Unique.visit_map(members).map(|Unique| None)
    }
}

impl<'de> ClaimType<'de> for Cow<'de, str> {
    fn from_text(text: Self) -> Option<Self> {
        Some(text)
    }
}

/// One string or an array of strings (RFC 7519 section 4.1.3).
impl<'de> ClaimType<'de> for Vec<Cow<'de, str>> {
    fn from_text(text: Cow<'de, str>) -> Option<Self> {
        Some(vec![text])
    }

    fn from_texts(texts: Self) -> Option<Self> {
        Some(texts)
    }
}

/// A space-delimited string (RFC 8693 section 4.2), or an array, which Okta and others send.
impl<'de> ClaimType<'de> for ScopeSet {
    fn from_text(text: Cow<'de, str>) -> Option<Self> {
        Some(Self::from_space_delimited(&text))
    }

    fn from_texts(texts: Vec<Cow<'de, str>>) -> Option<Self> {
        Some(Self::from_items(texts.iter().map(|text| &**text)))
    }
}

impl<'de, T: ClaimType<'de>> Deserialize<'de> for Claim<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ClaimVisitor(PhantomData))
    }
}

struct ClaimVisitor<T>(PhantomData<T>);

impl<'de, T: ClaimType<'de>> ClaimVisitor<T> {
    fn claim<E>(value: Option<T>) -> Result<Claim<T>, E> {
        Ok(value.map_or(Claim::IllTyped, Claim::Present))
    }
}

impl<'de, T: ClaimType<'de>> Visitor<'de> for ClaimVisitor<T> {
    type Value = Claim<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
        Self::claim(T::from_text(Cow::Borrowed(text)))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
        Self::claim(T::from_text(Cow::Owned(text.to_owned())))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(Claim::IllTyped)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(Claim::IllTyped)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(Claim::IllTyped)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(Claim::IllTyped)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Claim::IllTyped)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut texts = Some(Vec::new());
        while let Some(item) = items.next_element::<Claim<Cow<'de, str>>>()? {
            match (&mut texts, item) {
                (Some(list), Claim::Present(text)) => list.push(text),
                _ => texts = None,
            }
        }
        Self::claim(texts.and_then(T::from_texts))
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Self::Value, A::Error> {
        Self::claim(T::from_members(members)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read<'a, T: ClaimType<'a>>(json: &'a str) -> Claim<T> {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn value_of_the_wrong_type_is_ill_typed_and_not_absent() {
        for json in ["1", "1.5", "-1", "true", "null", "[]", "{}", r#"["a"]"#] {
            assert_eq!(read::<Cow<'_, str>>(json), Claim::IllTyped, "text {json}");
        }
        for json in ["1", "true", "null", "{}", r#"["a",1]"#, r#"[["a"]]"#, r#"{"a":1}"#, r#"[null,"a"]"#] {
            assert_eq!(read::<Vec<Cow<'_, str>>>(json), Claim::IllTyped, "strings {json}");
        }
    }
}
