//! The value that a claim must have: a string, an integer, a boolean, or one of several.
//!
//! Checks: type and value.
//! Does not check: whether the token has the claim.

use std::borrow::Cow;
use std::fmt;
use std::mem;

use serde_json::value::RawValue;

use crate::encoding::uuid;
use crate::jwt::claim::Claim;

/// A value that [`Issuer::require_claim_value`](crate::Issuer::require_claim_value) requires: a string, an
/// integer, a boolean, or a list of these, of which the claim must have one.
///
/// It is created by `From`. A list of items with different types is a list of `RequiredValue`.
///
/// ```
/// use tower_bearer::Issuer;
/// use tower_bearer::builder::RequiredValue;
///
/// let issuer = Issuer::discover("https://login.example.com")
///     .require_claim_value("tenant", "acme")
///     .require_claim_value("email_verified", true)
///     .require_claim_value("/org/id", ["acme", "acme-labs"])
///     .require_claim_value("level", [RequiredValue::from(3), "high".into()]);
/// ```
///
/// The claim must have the same JSON type and the same value. The number `1` equals neither `1.0` nor `"1"`,
/// and an array equals none of its items. A string is compared byte for byte, except that the digits of a
/// UUID match in any case (RFC 9562 section 4).
#[derive(Clone, Eq, PartialEq)]
pub struct RequiredValue(Vec<Scalar<'static>>);

/// A value of a type that can be required.
#[derive(Clone, Eq, PartialEq)]
enum Scalar<'v> {
    Text(Cow<'v, str>),
    Integer(i64),
    Boolean(bool),
}

/// A claim compared with a required value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Comparison {
    Equal,
    OtherType,
    OtherValue,
}

impl RequiredValue {
    /// Whether it is an empty list, which no claim matches.
    pub(crate) fn is_empty_list(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of the values is an empty string.
    pub(crate) fn has_empty_text(&self) -> bool {
        self.0.iter().any(|value| matches!(value, Scalar::Text(text) if text.is_empty()))
    }

    /// Whether a claim can match both.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.0.iter().any(|value| other.0.iter().any(|other| value.is_same(other)))
    }

    /// The values for people: `acme`, or `2 or 3`. Quotes a string that looks like a value of another type.
    pub(crate) fn shown(&self) -> String {
        self.0.iter().map(Scalar::shown).collect::<Vec<String>>().join(" or ")
    }

    /// Compares the JSON text of a claim.
    pub(super) fn compare(&self, claim: &RawValue) -> Comparison {
        let Some(found) = Scalar::read(claim) else { return Comparison::OtherType };
        if self.0.iter().any(|value| value.is_same(&found)) {
            return Comparison::Equal;
        }
        let has_same_type = |value: &Scalar<'_>| mem::discriminant(value) == mem::discriminant(&found);
        if self.0.iter().any(has_same_type) { Comparison::OtherValue } else { Comparison::OtherType }
    }
}

impl<'v> Scalar<'v> {
    /// Parses JSON text. `None` for `null`, an array, an object, and a number that is no `i64`.
    fn read(json: &'v RawValue) -> Option<Self> {
        match serde_json::from_str(json.get()) {
            Ok(Claim::Present(text)) => Some(Self::Text(text)),
            Ok(Claim::Absent | Claim::IllTyped) | Err(_) => Self::unquoted(json.get()),
        }
    }

    /// Parses the text of an integer or of a boolean. Numbers are parsed from text, because a feature of
    /// `serde_json` changes how they deserialize.
    fn unquoted(text: &str) -> Option<Self> {
        text.parse().map(Self::Integer).or_else(|_| text.parse().map(Self::Boolean)).ok()
    }

    fn is_same(&self, other: &Scalar<'_>) -> bool {
        match (self, other) {
            (Self::Text(one), Scalar::Text(other)) => uuid::is_same(one, other),
            (Self::Integer(one), Scalar::Integer(other)) => one == other,
            (Self::Boolean(one), Scalar::Boolean(other)) => one == other,
            _ => false,
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Text(text) if Self::unquoted(text).is_none() => text.to_string(),
            value => format!("{value:?}"),
        }
    }
}

impl From<&str> for RequiredValue {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl From<&String> for RequiredValue {
    fn from(text: &String) -> Self {
        Self::from(text.to_owned())
    }
}

impl From<String> for RequiredValue {
    fn from(text: String) -> Self {
        Self(vec![Scalar::Text(text.into())])
    }
}

impl From<i64> for RequiredValue {
    fn from(number: i64) -> Self {
        Self(vec![Scalar::Integer(number)])
    }
}

impl From<bool> for RequiredValue {
    fn from(flag: bool) -> Self {
        Self(vec![Scalar::Boolean(flag)])
    }
}

/// One of these values. A list inside the list adds its values.
impl<T: Into<Self>, const N: usize> From<[T; N]> for RequiredValue {
    fn from(values: [T; N]) -> Self {
        values.into_iter().collect()
    }
}

/// One of these values. A list inside the list adds its values.
impl<T: Into<Self>> From<Vec<T>> for RequiredValue {
    fn from(values: Vec<T>) -> Self {
        values.into_iter().collect()
    }
}

/// One of these values. A list inside the list adds its values.
impl<T: Into<Self>> FromIterator<T> for RequiredValue {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Self(values.into_iter().flat_map(|value| value.into().0).collect())
    }
}

/// Prints the value, or the list of several.
impl fmt::Debug for RequiredValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            [value] => value.fmt(f),
            values => values.fmt(f),
        }
    }
}

impl fmt::Debug for Scalar<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => text.fmt(f),
            Self::Integer(number) => number.fmt(f),
            Self::Boolean(flag) => flag.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Comparison::{Equal, OtherType, OtherValue};
    use super::*;

    #[test]
    fn a_claim_must_have_the_type_and_the_value() {
        let text = || RequiredValue::from("1");
        let mixed = || RequiredValue::from([RequiredValue::from("a"), 2.into()]);
        for (required, claim, expected) in [
            (text(), r#""1""#, Equal),
            (text(), r#""\u0031""#, Equal),
            (text(), r#""1 ""#, OtherValue),
            (text(), "1", OtherType),
            (text(), r#"["1"]"#, OtherType),
            (text(), "null", OtherType),
            (1.into(), "1", Equal),
            (1.into(), "2", OtherValue),
            (1.into(), "-1", OtherValue),
            (1.into(), "1.0", OtherType),
            (1.into(), "1e0", OtherType),
            (1.into(), r#""1""#, OtherType),
            (1.into(), "[1]", OtherType),
            (1.into(), "true", OtherType),
            (1.into(), "18446744073709551617", OtherType),
            (i64::MIN.into(), "-9223372036854775808", Equal),
            (true.into(), "true", Equal),
            (true.into(), "false", OtherValue),
            (true.into(), r#""true""#, OtherType),
            (true.into(), "1", OtherType),
            (true.into(), "[true]", OtherType),
            (true.into(), r#"{"a":true}"#, OtherType),
            (mixed(), r#""a""#, Equal),
            (mixed(), "2", Equal),
            (mixed(), "3", OtherValue),
            (mixed(), r#""2""#, OtherValue),
            (mixed(), "true", OtherType),
            (mixed(), r#"["a",2]"#, OtherType),
            (RequiredValue::from(Vec::<bool>::new()), "true", OtherType),
        ] {
            let claim: Box<RawValue> = serde_json::from_str(claim).unwrap();
            assert_eq!(required.compare(&claim), expected, "{required:?}: {claim}");
        }
    }

    #[test]
    fn a_value_is_printed_so_that_its_type_shows() {
        for (value, shown, debug) in [
            (RequiredValue::from("acme"), "acme", r#""acme""#),
            (RequiredValue::from("true"), r#""true""#, r#""true""#),
            (RequiredValue::from(true), "true", "true"),
            (RequiredValue::from("7".to_owned()), r#""7""#, r#""7""#),
            (RequiredValue::from([2, 3]), "2 or 3", "[2, 3]"),
            (vec!["a", "b"].into(), "a or b", r#"["a", "b"]"#),
        ] {
            assert_eq!((value.shown(), format!("{value:?}")), (shown.to_owned(), debug.to_owned()));
        }
    }
}
