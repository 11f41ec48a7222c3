//! Parses the claims of a token in one pass, before the signature is verified (RFC 7519 section 4).
//!
//! Checks: the claims are a JSON object without duplicate members, at any depth.
//! Does not check: any value. An ill-typed claim is recorded as such. The checks in `claims` reject it after
//! the signature is verified, if a check or the identity of the caller depends on it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::claim::{Claim, ClaimType, Presence};
use crate::access_token::Confirmation;
use crate::bearer::ScopeSet;
use crate::encoding::json::{MemberNames, Name, Unique};
use crate::encoding::json_pointer::JsonPointer;
use crate::time::NumericDate;

type Text<'a> = Claim<Cow<'a, str>>;

/// The claims that a resource server uses. Nothing has verified them yet.
#[derive(Debug, Default)]
pub(crate) struct UnverifiedClaims<'a> {
    /// The JSON text that they were parsed from.
    pub(crate) json: &'a str,
    names: &'a ConfiguredNames,
    pub(crate) iss: Text<'a>,
    pub(crate) sub: Text<'a>,
    pub(crate) aud: Claim<Vec<Cow<'a, str>>>,
    pub(crate) exp: Claim<NumericDate>,
    pub(crate) nbf: Claim<NumericDate>,
    pub(crate) iat: Claim<NumericDate>,
    pub(crate) jti: Text<'a>,
    pub(crate) acr: Text<'a>,
    pub(crate) sid: Text<'a>,
    pub(crate) auth_time: Claim<NumericDate>,
    pub(crate) scope: Claim<ScopeSet>,
    pub(crate) scp: Claim<ScopeSet>,
    pub(crate) client_id: Text<'a>,
    /// The client in tokens of OpenID Connect providers and Keycloak.
    pub(crate) azp: Text<'a>,
    pub(crate) cnf: Claim<Confirmation>,
    pub(crate) nonce: Presence,
    /// Only ID tokens have it (OpenID Connect Core section 3.1.3.6), and access tokens of Dex.
    pub(crate) at_hash: Presence,
    /// `c_hash` or `s_hash`, which only ID tokens have (OpenID Connect Core section 3.3.2.11).
    pub(crate) code_hash: Presence,
    /// `events` (RFC 8417) or `token_introspection` (RFC 9701), which only JWTs without access rights have.
    pub(crate) statement: Presence,
    /// The kind of token, in tokens of Cognito and Hydra.
    pub(crate) token_use: Text<'a>,
    /// The kind of token, in tokens of Keycloak.
    pub(crate) typ: Text<'a>,
    /// The claims in [`ConfiguredNames`], by their index there.
    configured: Vec<(usize, &'a RawValue)>,
}

/// The claims that every token is parsed for.
const BUILT_IN: [&str; 23] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "acr",
    "sid",
    "auth_time",
    "scope",
    "scp",
    "client_id",
    "azp",
    "cnf",
    "nonce",
    "at_hash",
    "c_hash",
    "s_hash",
    "events",
    "token_introspection",
    "token_use",
    "typ",
];

/// Whether every token is parsed for the claim `name`.
pub(crate) fn is_built_in(name: &str) -> bool {
    BUILT_IN.contains(&name)
}

/// The claim names in the configuration that are not built in.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConfiguredNames(Vec<Box<str>>);

impl<'n> FromIterator<&'n str> for ConfiguredNames {
    fn from_iter<I: IntoIterator<Item = &'n str>>(names: I) -> Self {
        let mut configured = Self::default();
        names.into_iter().for_each(|name| configured.add(name));
        configured
    }
}

impl Default for &ConfiguredNames {
    fn default() -> Self {
        ConfiguredNames::NONE
    }
}

impl ConfiguredNames {
    /// No names: only the built-in claims are retained.
    pub(crate) const NONE: &Self = &Self(Vec::new());

    /// Adds `name`, unless it is built in or already added.
    pub(crate) fn add(&mut self, name: &str) {
        if !is_built_in(name) && self.index_of(name).is_none() {
            self.0.push(name.into());
        }
    }

    /// The names, none of them twice.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|name| &**name)
    }

    fn index_of(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|configured| **configured == *name)
    }
}

impl<'a> UnverifiedClaims<'a> {
    /// Parses decoded claims, and retains the built-in ones and those with these names. `None` if they are
    /// not one JSON object without duplicate members.
    pub(crate) fn parse(json: &'a str, names: &'a ConfiguredNames) -> Option<Self> {
        Self::parse_with(json, names, Nulls::IllTyped)
    }

    /// Like [`parse`](Self::parse), for an introspection response: a member that is `null` counts as absent.
    pub(crate) fn parse_response(json: &'a str, names: &'a ConfiguredNames) -> Option<Self> {
        Self::parse_with(json, names, Nulls::Absent)
    }

    fn parse_with(json: &'a str, names: &'a ConfiguredNames, nulls: Nulls) -> Option<Self> {
        let mut claims = Self { json, names, ..Self::default() };
        let mut reader = serde_json::Deserializer::from_str(json);
        ClaimsSeed(&mut claims, nulls).deserialize(&mut reader).ok()?;
        reader.end().ok()?;
        Some(claims)
    }

    /// The claim `name` as a `T`. Finds only names that were configured.
    pub(crate) fn configured<T: ClaimType<'a>>(&self, name: &str) -> Claim<T> {
        match self.raw(name) {
            None => Claim::Absent,
            Some(raw) => serde_json::from_str(raw.get()).unwrap_or(Claim::IllTyped),
        }
    }

    /// Whether the token has the claim `name`, and whether it is well-typed.
    ///
    /// Every value of a configured claim is well-typed, but a `null` counts as absent. Claims that are only
    /// tested for presence, such as `nonce`, are present with any value.
    pub(crate) fn presence(&self, name: &str) -> Claim<()> {
        match name {
            "iss" => self.iss.presence(),
            "sub" => self.sub.presence(),
            "aud" => self.aud.presence(),
            "exp" => self.exp.presence(),
            "nbf" => self.nbf.presence(),
            "iat" => self.iat.presence(),
            "jti" => self.jti.presence(),
            "acr" => self.acr.presence(),
            "sid" => self.sid.presence(),
            "auth_time" => self.auth_time.presence(),
            "scope" => self.scope.presence(),
            "scp" => self.scp.presence(),
            "client_id" => self.client_id.presence(),
            "azp" => self.azp.presence(),
            "cnf" => self.cnf.presence(),
            "nonce" => self.nonce.presence(),
            "at_hash" => self.at_hash.presence(),
            "c_hash" | "s_hash" => self.code_hash.presence(),
            "events" | "token_introspection" => self.statement.presence(),
            "token_use" => self.token_use.presence(),
            "typ" => self.typ.presence(),
            _ => Presence(self.raw(name).is_some_and(|raw| raw.get() != "null")).presence(),
        }
    }

    /// The JSON text of the value that `pointer` names. Finds only members that were configured, or are built
    /// in.
    pub(crate) fn at(&self, pointer: &JsonPointer) -> Option<&'a RawValue> {
        if is_built_in(pointer.member()) {
            // Rare: their values are not retained as text, and a `null` may count as absent.
            if self.presence(pointer.member()).is_absent() {
                return None;
            }
            return pointer.find(serde_json::from_str(self.json).ok()?);
        }
        pointer.find_in_member(self.raw(pointer.member())?)
    }

    /// The JSON text of the claim `name`. Finds only names that were configured.
    pub(crate) fn raw(&self, name: &str) -> Option<&'a RawValue> {
        let index = self.names.index_of(name)?;
        self.configured.iter().find(|(at, _)| *at == index).map(|(_, raw)| *raw)
    }

    /// Deserializes the value of the claim `name`.
    fn read<A: MapAccess<'a>>(&mut self, name: &str, map: &mut A) -> Result<(), A::Error> {
        match name {
            "iss" => self.iss = map.next_value()?,
            "sub" => self.sub = map.next_value()?,
            "aud" => self.aud = map.next_value()?,
            "exp" => self.exp = date(map.next_value()?)?,
            "nbf" => self.nbf = date(map.next_value()?)?,
            "iat" => self.iat = date(map.next_value()?)?,
            "jti" => self.jti = map.next_value()?,
            "acr" => self.acr = map.next_value()?,
            "sid" => self.sid = map.next_value()?,
            "auth_time" => self.auth_time = date(map.next_value()?)?,
            "scope" => self.scope = map.next_value()?,
            "scp" => self.scp = map.next_value()?,
            "client_id" => self.client_id = map.next_value()?,
            "azp" => self.azp = map.next_value()?,
            "cnf" => self.cnf = map.next_value()?,
            "nonce" => self.nonce = map.next_value()?,
            "at_hash" => self.at_hash = map.next_value()?,
            "c_hash" | "s_hash" => self.code_hash = map.next_value()?,
            "events" | "token_introspection" => self.statement = map.next_value()?,
            "token_use" => self.token_use = map.next_value()?,
            "typ" => self.typ = map.next_value()?,
            _ => self.read_configured(self.names.index_of(name), map)?,
        }
        Ok(())
    }

    fn read_configured<A: MapAccess<'a>>(
        &mut self,
        index: Option<usize>,
        map: &mut A,
    ) -> Result<(), A::Error> {
        let Some(index) = index else { return map.next_value::<Unique>().map(drop) };
        let raw: &'a RawValue = map.next_value()?;
        serde_json::from_str::<Unique>(raw.get()).map_err(de::Error::custom)?;
        self.configured.push((index, raw));
        Ok(())
    }
}

/// Parses a `NumericDate` from its JSON text.
fn date<E: de::Error>(raw: &RawValue) -> Result<Claim<NumericDate>, E> {
    let text = raw.get();
    if !text.starts_with(|first: char| first.is_ascii_digit() || first == '-') {
        serde_json::from_str::<Unique>(text).map_err(E::custom)?;
        return Ok(Claim::IllTyped);
    }
    Ok(NumericDate::parse(text).map_or(Claim::IllTyped, Claim::Present))
}

/// The meaning of a top-level member that is `null`.
#[derive(Clone, Copy)]
enum Nulls {
    IllTyped,
    Absent,
}

/// Deserializes into existing claims, because moving the large struct would cost time.
struct ClaimsSeed<'c, 'de>(&'c mut UnverifiedClaims<'de>, Nulls);

impl<'de> DeserializeSeed<'de> for ClaimsSeed<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for ClaimsSeed<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JWT claims set")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut names = MemberNames::with_capacity(24);
        while let Some(name) = map.next_key::<Name<'de>>()? {
            match self.1 {
                Nulls::IllTyped => self.0.read(&name.0, &mut map)?,
                Nulls::Absent => {
                    let value: &'de RawValue = map.next_value()?;
                    if value.get() != "null" {
                        self.0.read(&name.0, &mut Value(value)).map_err(de::Error::custom)?;
                    }
                }
            }
            names.add(name)?;
        }
        Ok(())
    }
}

/// The value of one member, whose name is already known.
struct Value<'de>(&'de RawValue);

impl<'de> MapAccess<'de> for Value<'de> {
    type Error = serde_json::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, _: K) -> Result<Option<K::Value>, Self::Error> {
        Ok(None)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Self::Error> {
        seed.deserialize(&mut serde_json::Deserializer::from_str(self.0.get()))
    }
}

#[cfg(test)]
#[path = "claim_set_tests.rs"]
mod tests;
