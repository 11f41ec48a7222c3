//! JSON Pointers (RFC 6901) that name a member of an object, or a value inside a member.
//!
//! Checks: the syntax. A pointer to the whole document is not accepted: no setting can use it.
//! Does not check: whether a document has the value.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::json::Name;

/// A JSON Pointer with at least one reference token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct JsonPointer {
    /// As configured.
    text: Box<str>,
    /// The name of the member of the outermost object.
    member: Box<str>,
    /// The reference tokens after that, unescaped.
    inner: Vec<Box<str>>,
}

impl JsonPointer {
    /// Parses a pointer that begins with `/` (RFC 6901 section 3), or takes any other text as the name of a
    /// member. `None` if the text is empty or has a `~` without `0` or `1`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let Some(pointer) = text.strip_prefix('/') else {
            let member = (!text.is_empty()).then(|| text.into())?;
            return Some(Self { text: text.into(), member, inner: Vec::new() });
        };
        let mut tokens = pointer.split('/').map(unescape);
        let member = tokens.next()??;
        let inner = tokens.collect::<Option<_>>()?;
        Some(Self { text: text.into(), member, inner })
    }

    /// The text that it was parsed from.
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// The name of the member of the outermost object that holds the value.
    pub(crate) fn member(&self) -> &str {
        &self.member
    }

    /// Whether the value is the member itself.
    pub(crate) fn is_member(&self) -> bool {
        self.inner.is_empty()
    }

    /// Whether both name the same value, in whatever form.
    pub(crate) fn is_same_value(&self, other: &Self) -> bool {
        (&self.member, &self.inner) == (&other.member, &other.inner)
    }

    /// The value in `document`, which has no duplicate members.
    pub(crate) fn find<'a>(&self, document: &'a RawValue) -> Option<&'a RawValue> {
        self.find_in_member(child(document, &self.member)?)
    }

    /// The value in `member`, which is the value of [`Self::member`].
    pub(crate) fn find_in_member<'a>(&self, member: &'a RawValue) -> Option<&'a RawValue> {
        self.inner.iter().try_fold(member, |value, token| child(value, token))
    }

    /// The value in a parsed `document`.
    pub(crate) fn find_parsed<'a>(&self, document: &'a serde_json::Value) -> Option<&'a serde_json::Value> {
        let member = document.as_object()?.get(&*self.member)?;
        self.inner.iter().try_fold(member, |value, token| match value {
            serde_json::Value::Object(members) => members.get(&**token),
            serde_json::Value::Array(items) => items.get(index(token)?),
            _ => None,
        })
    }
}

/// Replaces `~1` by `/`, then `~0` by `~` (RFC 6901 section 4).
fn unescape(token: &str) -> Option<Box<str>> {
    let is_valid = token.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
    is_valid.then(|| token.replace("~1", "/").replace("~0", "~").into())
}

/// An index into an array: `0`, or digits without a leading zero.
fn index(token: &str) -> Option<usize> {
    let is_index = token == "0" || (!token.starts_with('0') && token.bytes().all(|b| b.is_ascii_digit()));
    is_index.then(|| token.parse().ok())?
}

fn child<'a>(value: &'a RawValue, token: &str) -> Option<&'a RawValue> {
    let mut reader = serde_json::Deserializer::from_str(value.get());
    Child(token).deserialize(&mut reader).ok()?
}

/// Finds the member or the item that a token names.
struct Child<'t>(&'t str);

impl<'de> DeserializeSeed<'de> for Child<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Child<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or an array")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = members.next_key::<Name<'de>>()? {
            if name.0 == self.0 {
                found = Some(members.next_value()?);
            } else {
                members.next_value::<IgnoredAny>()?;
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let (index, mut next, mut found) = (index(self.0), 0_usize, None);
        while let Some(item) = items.next_element::<&'de RawValue>()? {
            if index == Some(next) {
                found = Some(item);
            }
            next = next.saturating_add(1);
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The document of RFC 6901 section 5, with an object in an array.
    const DOCUMENT: &str = r#"{"foo":["bar","baz",{"x":1}],"":0,"a/b":1,"c%d":2,"e^f":3,"g|h":4,"i\\j":5,
        "k\"l":6," ":7,"m~n":8,"realm_access":{"roles":["a"]},"\u0061z":9}"#;

    #[test]
    fn pointer_finds_the_value_that_it_names_parsed_or_not() {
        let raw: &RawValue = serde_json::from_str(DOCUMENT).unwrap();
        let parsed: Value = serde_json::from_str(DOCUMENT).unwrap();
        for (pointer, expected) in [
            ("/foo", Some(json!(["bar", "baz", {"x": 1}]))),
            ("/foo/0", Some(json!("bar"))),
            ("/foo/2/x", Some(json!(1))),
            ("/", Some(json!(0))),
            ("/a~1b", Some(json!(1))),
            ("/c%d", Some(json!(2))),
            ("/i\\j", Some(json!(5))),
            ("/k\"l", Some(json!(6))),
            ("/ ", Some(json!(7))),
            ("/m~0n", Some(json!(8))),
            ("/realm_access/roles", Some(json!(["a"]))),
            ("/az", Some(json!(9))),
            ("foo", Some(json!(["bar", "baz", {"x": 1}]))),
            ("a/b", Some(json!(1))),
            ("m~n", Some(json!(8))),
            ("realm_access/roles", None),
            ("/foo/3", None),
            ("/foo/00", None),
            ("/foo/01", None),
            ("/foo/-", None),
            ("/foo/+1", None),
            ("/foo/", None),
            ("/foo/99999999999999999999", None),
            ("/foo/0/0", None),
            ("/Foo", None),
            ("/realm_access.roles", None),
            ("/m~01n", None),
        ] {
            let parsed_pointer = JsonPointer::parse(pointer).unwrap();
            let found = parsed_pointer.find(raw).map(|value| serde_json::from_str(value.get()).unwrap());
            assert_eq!(found, expected, "{pointer}");
            assert_eq!(parsed_pointer.find_parsed(&parsed).cloned(), expected, "{pointer}, parsed");
            assert_eq!(parsed_pointer.as_str(), pointer);
        }
    }

    #[test]
    fn malformed_pointers_do_not_parse() {
        for text in ["", "/~", "/a~", "/a~2", "/a/~/b", "/~~0"] {
            assert_eq!(JsonPointer::parse(text), None, "{text:?}");
        }
        assert_eq!(JsonPointer::parse("/a~1b/c").unwrap().member(), "a/b");
        assert!(JsonPointer::parse("/a").unwrap().is_member());
        assert!(!JsonPointer::parse("/a/b").unwrap().is_member());
    }
}
