//! Parses a JWK Set, and selects the candidate keys for a token (RFC 7517 section 5, RFC 7515 section 6).
//!
//! Checks: the document is a JSON object without duplicate members, `keys` is an array, and at least one key
//! in it can be used with an allowed algorithm. A key is selected only for tokens of its issuer.
//! Does not check: where the document came from, and how old it is.
//!
//! Why: each key is parsed separately. A key of an unsupported type or a malformed key is skipped and
//! reported, and the other keys stay usable (RFC 7517 section 5). The signature of a token with a `kid` is
//! verified only with keys of that `kid`. If no key of the set has a `kid`, the `kid` of the token is ignored
//! and all keys are candidates.
//!
//! Two documents with the same usable keys are the same version of the key set. Replicas of an authorization
//! server may order keys and members differently, and that must not void the cached tokens.
//!
//! Issuers may share a key set ([`KeySet`]). Each sees its own keys ([`IssuerKeys`]): those without an
//! `issuer` member, and those whose `issuer` it is.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::access_token::KeyId;
use crate::crypto::{self, Algorithm, Jwk, JwkFault, KeyAlgorithms, VerifyingKey};
use crate::encoding::json::{MemberNames, Name};

/// The maximum number of keys to try for one token. Bounds the cost of a token that many keys fit.
const MAX_CANDIDATES: usize = 16;

/// The usable keys of a document, of one issuer or more.
pub(crate) struct KeySet {
    id: KeySetId,
    /// In document order.
    keys: Vec<SetKey>,
    /// Indices into `keys`, by `kid`.
    by_kid: BTreeMap<Box<str>, Vec<usize>>,
    skipped: Vec<UnusableJwk>,
}

struct SetKey {
    key: VerifyingKey,
    jwk: Jwk,
    /// The `kid`, for the tokens that the key verifies.
    key_id: Option<Arc<KeyId>>,
}

/// The keys of one issuer in a key set.
pub(crate) struct IssuerKeys {
    set: Arc<KeySet>,
    issuer: Arc<str>,
}

/// Identifies a version of an issuer's key set by a digest of its usable keys. A refetched set with the same
/// keys, in any order, has the same id.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub(crate) struct KeySetId([u8; 16]);

impl KeySetId {
    fn of(mut keys: Vec<[u8; 32]>) -> Self {
        keys.sort_unstable();
        keys.dedup();
        let keys: Vec<&[u8]> = keys.iter().map(<[u8; 32]>::as_slice).collect();
        Self(crypto::sha256(&keys).first_chunk().copied().unwrap_or_default())
    }
}

/// A skipped key of the document.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct UnusableJwk {
    /// Its `kid`, if there is a readable one. Untrusted text: escape it before display.
    pub(crate) kid: Option<Box<str>>,
    /// Why it is unusable.
    pub(crate) fault: JwkFault,
}

/// Why a document is not a usable key set.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum KeySetFault {
    /// It is not a JSON object with an array `keys`, or a member of the object is duplicate.
    NotAKeySet,
    /// It has no key that can be used with an allowed algorithm.
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
    /// Parses a JWK Set and the keys in it for these algorithms.
    ///
    /// # Errors
    /// [`KeySetFault`]. Unusable keys are not an error if at least one key is usable.
    pub(crate) fn parse(document: &[u8], algorithms: impl Into<KeyAlgorithms>) -> Result<Self, KeySetFault> {
        let algorithms = algorithms.into();
        let text = std::str::from_utf8(document).map_err(|_| KeySetFault::NotAKeySet)?;
        let Document(entries) = serde_json::from_str(text).map_err(|_| KeySetFault::NotAKeySet)?;
        let mut set =
            Self { id: KeySetId::default(), keys: Vec::new(), by_kid: BTreeMap::new(), skipped: Vec::new() };
        let digests = entries.iter().filter_map(|entry| set.add(entry.get(), algorithms)).collect();
        set.id = KeySetId::of(digests);
        if set.keys.is_empty() { Err(KeySetFault::NoUsableKey) } else { Ok(set) }
    }

    /// The same, for an issuer that has a key in it.
    ///
    /// # Errors
    /// [`KeySetFault`], also if all keys belong to other issuers.
    pub(crate) fn parse_for(
        issuer: &str,
        document: &[u8],
        algorithms: impl Into<KeyAlgorithms>,
    ) -> Result<Self, KeySetFault> {
        let set = Self::parse(document, algorithms)?;
        if set.keys.iter().any(|key| key.is_of(issuer)) { Ok(set) } else { Err(KeySetFault::NoUsableKey) }
    }

    /// The id of this version of the key set.
    pub(crate) fn id(&self) -> KeySetId {
        self.id
    }

    /// The keys of one issuer.
    pub(crate) fn of(self: &Arc<Self>, issuer: &Arc<str>) -> IssuerKeys {
        IssuerKeys { set: Arc::clone(self), issuer: Arc::clone(issuer) }
    }

    /// The number of unusable keys.
    pub(crate) fn skipped(&self) -> usize {
        self.skipped.len()
    }

    /// The number of usable keys, at least one.
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Adds a key and returns its digest. An unusable key is skipped.
    fn add(&mut self, entry: &str, algorithms: KeyAlgorithms) -> Option<[u8; 32]> {
        match usable_key(entry, algorithms) {
            Ok((jwk, key)) => {
                let digest = jwk.digest();
                if let Some(kid) = &jwk.kid {
                    self.by_kid.entry(kid.clone()).or_default().push(self.keys.len());
                }
                let key_id = jwk.kid.clone().map(|kid| Arc::new(KeyId(kid)));
                self.keys.push(SetKey { key, jwk, key_id });
                Some(digest)
            }
            Err(fault) => {
                self.skipped.push(UnusableJwk { kid: readable_kid(entry), fault });
                None
            }
        }
    }

    fn indices(&self, kid: &str) -> &[usize] {
        self.by_kid.get(kid).map(Vec::as_slice).unwrap_or_default()
    }
}

impl SetKey {
    fn is_of(&self, issuer: &str) -> bool {
        self.jwk.issuer.as_ref().is_none_or(|named| named.is(issuer))
    }
}

impl IssuerKeys {
    /// The set that other issuers may have keys in as well.
    pub(crate) fn set(&self) -> &Arc<KeySet> {
        &self.set
    }

    /// The id of this version of the key set.
    pub(crate) fn id(&self) -> KeySetId {
        self.set.id
    }

    /// The candidate keys for a token with these header parameters, in document order.
    ///
    /// With a `kid`: the keys with that `kid` that fit `alg`. Without one, or if no key has a `kid`: every
    /// key that fits `alg`. At most 16 keys.
    pub(crate) fn select(&self, kid: Option<&str>, alg: Algorithm) -> impl Iterator<Item = &VerifyingKey> {
        let (named, all): (&[usize], &[SetKey]) = match kid {
            Some(kid) if self.any_has_kid() => (self.set.indices(kid), &[]),
            _ => (&[], &self.set.keys),
        };
        let named = named.iter().filter_map(|index| self.set.keys.get(*index));
        let candidates = named.chain(all).filter(move |key| key.is_of(&self.issuer) && key.key.fits(alg));
        candidates.map(|key| &key.key).take(MAX_CANDIDATES)
    }

    /// This `kid`, if [`select`](Self::select) selects keys by it.
    pub(crate) fn key_id(&self, kid: Option<&str>) -> Option<Arc<KeyId>> {
        let index = self.set.indices(kid?).first().filter(|_| self.any_has_kid())?;
        self.set.keys.get(*index)?.key_id.clone()
    }

    /// The distinct `kid`s of the keys, in no particular order.
    pub(crate) fn key_ids(&self) -> impl Iterator<Item = &str> {
        let mut seen = BTreeSet::new();
        self.own().filter_map(|key| key.jwk.kid.as_deref()).filter(move |kid| seen.insert(*kid))
    }

    /// The keys as a JWK Set. Parsing it gives the same keys. `None` if there are none.
    pub(crate) fn to_json(&self) -> Option<String> {
        let keys: Vec<Value> = self.own().map(|key| key.jwk.to_json()).collect();
        (!keys.is_empty()).then(|| json!({ "keys": keys }).to_string())
    }

    /// The unusable keys, and those of other issuers.
    pub(crate) fn skipped(&self) -> impl Iterator<Item = UnusableJwk> {
        let others = self.set.keys.iter().filter(|key| !key.is_of(&self.issuer));
        let others = others.map(|key| UnusableJwk { kid: key.jwk.kid.clone(), fault: JwkFault::OtherIssuer });
        self.set.skipped.iter().cloned().chain(others)
    }

    /// In the usual set, the first key has a `kid`.
    fn any_has_kid(&self) -> bool {
        !self.set.by_kid.is_empty() && self.own().any(|key| key.jwk.kid.is_some())
    }

    fn own(&self) -> impl Iterator<Item = &SetKey> {
        self.set.keys.iter().filter(|key| key.is_of(&self.issuer))
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys: Vec<&VerifyingKey> = self.keys.iter().map(|key| &key.key).collect();
        f.debug_struct("KeySet")
            .field("key_ids", &self.by_kid.keys())
            .field("keys", &keys)
            .field("skipped", &self.skipped)
            .finish()
    }
}

fn usable_key(entry: &str, algorithms: KeyAlgorithms) -> Result<(Jwk, VerifyingKey), JwkFault> {
    let jwk = Jwk::parse(entry.as_bytes())?.with_default_algorithm(algorithms.default);
    let key = VerifyingKey::new(&jwk, algorithms.allowed)?;
    Ok((jwk, key))
}

/// The `kid` of an unusable key, so that operators can find the key.
fn readable_kid(entry: &str) -> Option<Box<str>> {
    #[derive(Deserialize)]
    struct KeyId {
        kid: Option<Box<str>>,
    }
    serde_json::from_str::<KeyId>(entry).ok()?.kid
}

/// The JSON texts in `keys`. Other members are ignored (RFC 7517 section 5).
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
