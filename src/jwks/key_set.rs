//! A JWK Set, read once and searched for every token (RFC 7517 section 5, RFC 7515 section 6).
//!
//! Checks: the document is a JSON object in which no member stands twice, `keys` is an array, and
//! at least one key in it can be used with an algorithm that is allowed.
//!
//! Does not check: where the document came from, and how old it is.
//!
//! Why: each key is read on its own, so that one odd key (of a new kind, or a broken one) never
//! takes the others with it (RFC 7517 section 5); it is skipped and noted. A token that names a key is
//! checked with the keys of that name only. Where no key of the set has a name, a name in the token
//! says nothing, and all keys are candidates, as they are for a token that names none.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::crypto::{self, Algorithm, AlgorithmSet, Jwk, JwkFault, VerifyingKey};
use crate::encoding::json::{MemberNames, Name};

/// The most keys that one token is tried with, so that it costs a bounded number of checks.
const MAX_CANDIDATES: usize = 16;

/// The usable keys of one issuer.
pub(crate) struct KeySet {
    id: KeySetId,
    /// In the order of the document.
    keys: Vec<VerifyingKey>,
    /// Places in `keys`, by `kid`.
    by_kid: BTreeMap<Box<str>, Vec<usize>>,
    skipped: Vec<UnusableJwk>,
}

/// Tells key sets of one issuer apart: by a digest of their documents, so that a set which was fetched again
/// and says the same is the same.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct KeySetId([u8; 16]);

impl KeySetId {
    fn of(document: &[u8]) -> Self {
        let digest = crypto::sha256(&[document]);
        Self(digest.first_chunk().copied().unwrap_or_default())
    }
}

/// A key of the document that cannot be used.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct UnusableJwk {
    /// Its `kid`, if it can be read. Another party wrote it: escape it where it is shown.
    pub(crate) kid: Option<Box<str>>,
    /// Why it was skipped.
    pub(crate) fault: JwkFault,
}

/// Why a document is no key set to verify with.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum KeySetFault {
    /// It is no JSON object with an array `keys`, or a member of the object stands twice.
    NotAKeySet,
    /// It has no key that can be used with an algorithm that is allowed.
    NoUsableKey,
}

impl fmt::Display for KeySetFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAKeySet => "the document is not a JSON object with an array `keys`",
            Self::NoUsableKey => "the key set has no usable key",
        })
    }
}

impl Error for KeySetFault {}

impl KeySet {
    /// Reads a JWK Set and parses the keys in it for the `allowed` algorithms.
    ///
    /// # Errors
    /// [`KeySetFault`]; odd keys are no error as long as a good one is left.
    pub(crate) fn parse(document: &[u8], allowed: AlgorithmSet) -> Result<Self, KeySetFault> {
        let text = std::str::from_utf8(document).map_err(|_| KeySetFault::NotAKeySet)?;
        let Document(entries) = serde_json::from_str(text).map_err(|_| KeySetFault::NotAKeySet)?;
        let mut set = Self {
            id: KeySetId::of(document),
            keys: Vec::new(),
            by_kid: BTreeMap::new(),
            skipped: Vec::new(),
        };
        for entry in entries {
            set.add(entry.get(), allowed);
        }
        if set.keys.is_empty() { Err(KeySetFault::NoUsableKey) } else { Ok(set) }
    }

    /// Which set it is.
    pub(crate) fn id(&self) -> KeySetId {
        self.id
    }

    /// The keys to try a token with, whose header says `kid` and `alg`, in the order of the document.
    ///
    /// With a `kid`: the keys of that `kid` that fit `alg` (several may have it). Without one, or
    /// where no key of the set has a `kid`: every key that fits `alg`. At most 16 in any case.
    pub(crate) fn select(&self, kid: Option<&str>, alg: Algorithm) -> impl Iterator<Item = &VerifyingKey> {
        let (named, every): (&[usize], &[VerifyingKey]) = match kid {
            Some(kid) if !self.by_kid.is_empty() => (self.places(kid), &[]),
            _ => (&[], &self.keys),
        };
        let named = named.iter().filter_map(|place| self.keys.get(*place));
        named.chain(every).filter(move |key| key.fits(alg)).take(MAX_CANDIDATES)
    }

    /// Each `kid` of a usable key once, in no particular order.
    pub(crate) fn key_ids(&self) -> impl Iterator<Item = &str> {
        self.by_kid.keys().map(Box::as_ref)
    }

    /// The keys that cannot be used, in the order of the document.
    pub(crate) fn skipped(&self) -> &[UnusableJwk] {
        &self.skipped
    }

    /// How many usable keys there are: one at least.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    fn add(&mut self, entry: &str, allowed: AlgorithmSet) {
        let parsed = Jwk::parse(entry.as_bytes());
        match parsed.and_then(|jwk| Ok((VerifyingKey::new(&jwk, allowed)?, jwk.kid))) {
            Ok((key, kid)) => {
                if let Some(kid) = kid {
                    self.by_kid.entry(kid).or_default().push(self.keys.len());
                }
                self.keys.push(key);
            }
            Err(fault) => self.skipped.push(UnusableJwk { kid: readable_kid(entry), fault }),
        }
    }

    fn places(&self, kid: &str) -> &[usize] {
        self.by_kid.get(kid).map(Vec::as_slice).unwrap_or_default()
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeySet")
            .field("key_ids", &self.by_kid.keys())
            .field("keys", &self.keys)
            .field("skipped", &self.skipped)
            .finish()
    }
}

/// The `kid` of a key that is otherwise unfit, for the operator to find it by.
fn readable_kid(entry: &str) -> Option<Box<str>> {
    #[derive(Deserialize)]
    struct KeyId {
        kid: Option<Box<str>>,
    }
    serde_json::from_str::<KeyId>(entry).ok()?.kid
}

/// The texts in `keys`. What else is in the document is ignored (RFC 7517 section 5).
struct Document<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Document<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(DocumentVisitor)
    }
}

struct DocumentVisitor;

impl<'de> Visitor<'de> for DocumentVisitor {
    type Value = Document<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JWK Set")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut names = MemberNames::default();
        let mut keys = None;
        while let Some(name) = members.next_key::<Name<'de>>()? {
            if name.0 == "keys" {
                keys = Some(members.next_value()?);
            } else {
                members.next_value::<&RawValue>()?;
            }
            names.add(name)?;
        }
        keys.map(Document).ok_or_else(|| serde::de::Error::missing_field("keys"))
    }
}

#[cfg(test)]
#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
#[path = "key_set_tests.rs"]
mod tests;
