//! The claims of a token, read in one pass before anything is known about them (RFC 7519 section 4).
//!
//! Checks: a JSON object without duplicate members, at any depth.
//! Does not check: any value. A claim of the wrong type is noted as such and refused later, once
//! the signature shows that it was the issuer who wrote it.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::typed::{Claim, ClaimType, Presence};
use crate::bearer::ScopeSet;
use crate::encoding::json::{MemberNames, Name, Unique};
use crate::time::NumericDate;

type Text<'a> = Claim<Cow<'a, str>>;

/// The claims that a resource server looks at, as the token spells them.
#[derive(Debug, Default)]
pub(crate) struct UnverifiedClaims<'a> {
    /// What they were read from.
    pub(crate) json: &'a str,
    pub(crate) iss: Text<'a>,
    pub(crate) sub: Text<'a>,
    pub(crate) aud: Claim<Vec<Cow<'a, str>>>,
    pub(crate) exp: Claim<NumericDate>,
    pub(crate) nbf: Claim<NumericDate>,
    pub(crate) iat: Claim<NumericDate>,
    pub(crate) jti: Text<'a>,
    pub(crate) acr: Text<'a>,
    pub(crate) auth_time: Claim<NumericDate>,
    pub(crate) scope: Claim<ScopeSet>,
    pub(crate) scp: Claim<ScopeSet>,
    pub(crate) client_id: Text<'a>,
    /// `azp` of OpenID Connect and Keycloak.
    pub(crate) azp: Text<'a>,
    /// `cid` of Okta.
    pub(crate) cid: Text<'a>,
    /// `appid` of Entra ID, version 1.
    pub(crate) appid: Text<'a>,
    pub(crate) cnf: Presence,
    pub(crate) nonce: Presence,
    /// `at_hash`, `c_hash` or `s_hash`: an ID token (OpenID Connect Core section 3.3.2.11).
    pub(crate) token_hash: Presence,
    /// `events` (RFC 8417) or `token_introspection` (RFC 9701): a JWT that grants nothing.
    pub(crate) statement: Presence,
    /// Which kind of token it is, as Cognito and Hydra say it.
    pub(crate) token_use: Text<'a>,
    /// The same, as Keycloak says it.
    pub(crate) typ: Text<'a>,
    /// The claims of other names that the configuration speaks of.
    configured: Vec<(usize, &'a RawValue)>,
}

/// The claims that are read without being configured.
const KNOWN: [&str; 24] = [
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "acr",
    "auth_time",
    "scope",
    "scp",
    "client_id",
    "azp",
    "cid",
    "appid",
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

/// The claims that the configuration names beside those which this crate knows by itself.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConfiguredNames(Vec<Box<str>>);

impl ConfiguredNames {
    /// Remembers `name`, once, unless it is known anyway.
    pub(crate) fn add(&mut self, name: &str) {
        if !KNOWN.contains(&name) && self.index_of(name).is_none() {
            self.0.push(name.into());
        }
    }

    fn index_of(&self, name: &str) -> Option<usize> {
        self.0.iter().position(|known| **known == *name)
    }
}

impl<'a> UnverifiedClaims<'a> {
    /// Reads decoded claims; `None` when they are not one JSON object without duplicates.
    pub(crate) fn parse(json: &'a str, names: &ConfiguredNames) -> Option<Self> {
        let mut claims = Self { json, ..Self::default() };
        let mut reader = serde_json::Deserializer::from_str(json);
        ClaimsSeed { claims: &mut claims, names }.deserialize(&mut reader).ok()?;
        reader.end().ok()?;
        Some(claims)
    }

    /// The claim of that name as a `T`; for names that the configuration chose.
    pub(crate) fn configured<T: ClaimType<'a>>(&self, name: &str, names: &ConfiguredNames) -> Claim<T> {
        match self.raw(name, names) {
            None => Claim::Absent,
            Some(raw) => serde_json::from_str(raw.get()).unwrap_or(Claim::IllTyped),
        }
    }

    /// Whether the token has a claim of that name which is not `null`.
    pub(crate) fn has(&self, name: &str, names: &ConfiguredNames) -> bool {
        match name {
            "iss" => self.iss.value().is_some(),
            "sub" => self.sub.value().is_some(),
            "aud" => self.aud.value().is_some(),
            "exp" => self.exp.value().is_some(),
            "nbf" => self.nbf.value().is_some(),
            "iat" => self.iat.value().is_some(),
            "jti" => self.jti.value().is_some(),
            "acr" => self.acr.value().is_some(),
            "auth_time" => self.auth_time.value().is_some(),
            "scope" => self.scope.value().is_some(),
            "scp" => self.scp.value().is_some(),
            "client_id" => self.client_id.value().is_some(),
            "azp" => self.azp.value().is_some(),
            "cid" => self.cid.value().is_some(),
            "appid" => self.appid.value().is_some(),
            "cnf" => self.cnf.0,
            "nonce" => self.nonce.0,
            "at_hash" | "c_hash" | "s_hash" => self.token_hash.0,
            "events" | "token_introspection" => self.statement.0,
            "token_use" => self.token_use.value().is_some(),
            "typ" => self.typ.value().is_some(),
            _ => self.raw(name, names).is_some_and(|raw| raw.get() != "null"),
        }
    }

    /// The claim of that name as its JSON text; for names that the configuration chose.
    pub(crate) fn raw(&self, name: &str, names: &ConfiguredNames) -> Option<&'a RawValue> {
        let index = names.index_of(name)?;
        self.configured.iter().find(|(at, _)| *at == index).map(|(_, raw)| *raw)
    }

    /// Reads the value of the claim `name`.
    fn read<A: MapAccess<'a>>(
        &mut self,
        name: &str,
        map: &mut A,
        names: &ConfiguredNames,
    ) -> Result<(), A::Error> {
        match name {
            "iss" => self.iss = map.next_value()?,
            "sub" => self.sub = map.next_value()?,
            "aud" => self.aud = map.next_value()?,
            "exp" => self.exp = date(map.next_value()?)?,
            "nbf" => self.nbf = date(map.next_value()?)?,
            "iat" => self.iat = date(map.next_value()?)?,
            "jti" => self.jti = map.next_value()?,
            "acr" => self.acr = map.next_value()?,
            "auth_time" => self.auth_time = date(map.next_value()?)?,
            "scope" => self.scope = map.next_value()?,
            "scp" => self.scp = map.next_value()?,
            "client_id" => self.client_id = map.next_value()?,
            "azp" => self.azp = map.next_value()?,
            "cid" => self.cid = map.next_value()?,
            "appid" => self.appid = map.next_value()?,
            "cnf" => self.cnf = map.next_value()?,
            "nonce" => self.nonce = map.next_value()?,
            "at_hash" | "c_hash" | "s_hash" => self.token_hash = map.next_value()?,
            "events" | "token_introspection" => self.statement = map.next_value()?,
            "token_use" => self.token_use = map.next_value()?,
            "typ" => self.typ = map.next_value()?,
            _ => self.read_configured(names.index_of(name), map)?,
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

/// A date, from its text: how `serde_json` hands numbers on depends on its feature `arbitrary_precision`,
/// which any crate of a build may turn on.
fn date<E: de::Error>(raw: &RawValue) -> Result<Claim<NumericDate>, E> {
    let text = raw.get();
    if !text.starts_with(|first: char| first.is_ascii_digit() || first == '-') {
        serde_json::from_str::<Unique>(text).map_err(E::custom)?;
        return Ok(Claim::IllTyped);
    }
    let date = match text.parse() {
        Ok(secs) => NumericDate::from_secs(secs),
        Err(_) => text.parse().ok().and_then(NumericDate::from_secs_f64),
    };
    Ok(date.map_or(Claim::IllTyped, Claim::Present))
}

/// Reads into claims in their place: they are large to move about.
struct ClaimsSeed<'c, 'de> {
    claims: &'c mut UnverifiedClaims<'de>,
    names: &'c ConfiguredNames,
}

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
            self.claims.read(&name.0, &mut map, self.names)?;
            names.add(name)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_object_without_duplicates_is_a_claims_set() {
        let names = ConfiguredNames::default();
        for json in [
            "",
            "null",
            "1",
            "[]",
            r#""{}""#,
            "{}x",
            "{}{}",
            r#"{"aud":"a","aud":"b"}"#,
            r#"{"x":1,"x":1}"#,
            r#"{"x":{"y":[{"z":1,"z":2}]}}"#,
            r#"{"sub":"\ud800"}"#,
        ] {
            assert!(UnverifiedClaims::parse(json, &names).is_none(), "{json}");
        }
        assert!(UnverifiedClaims::parse(" {} ", &names).is_some());
    }

    #[test]
    fn every_known_claim_is_read_and_found() {
        let names = ConfiguredNames::default();
        for name in KNOWN {
            let found = ["1", r#""a""#].iter().any(|value| {
                let json = format!(r#"{{"{name}":{value}}}"#);
                UnverifiedClaims::parse(&json, &names).unwrap().has(name, &names)
            });
            assert!(found, "{name}");
        }
    }

    #[test]
    fn a_date_is_a_number_from_1970_to_9999_however_numbers_are_handed_on() {
        let names = ConfiguredNames::default();
        let exp = |json: &str| UnverifiedClaims::parse(&format!(r#"{{"exp":{json}}}"#), &names).unwrap().exp;
        for json in ["0", "-0.0", "1700000000", "1700000000.5", "1e10", "17e8", "1.7E9"] {
            assert!(exp(json).value().is_some(), "{json}");
        }
        for json in [
            r#""1""#,
            "-1",
            "-0.5",
            "1e19",
            "1e400",
            "18446744073709551616",
            "true",
            "null",
            "[]",
            "{}",
            "[1]",
        ] {
            assert_eq!(exp(json), Claim::IllTyped, "{json}");
        }
        assert!(UnverifiedClaims::parse(r#"{"exp":{"a":1,"a":1}}"#, &names).is_none());
    }

    #[test]
    fn a_configured_claim_is_read_by_its_name_and_type() {
        let mut names = ConfiguredNames::default();
        names.add("tenant");
        names.add("roles");
        let claims = UnverifiedClaims::parse(r#"{"roles":["a","b"],"tenant":null}"#, &names).unwrap();
        assert!(claims.configured::<ScopeSet>("roles", &names).value().unwrap().contains("b"));
        assert_eq!(claims.configured::<Cow<'_, str>>("tenant", &names), Claim::IllTyped);
        assert_eq!(claims.configured::<Cow<'_, str>>("other", &names), Claim::Absent);
        assert!(claims.has("roles", &names) && !claims.has("tenant", &names) && !claims.has("sub", &names));
        assert!(UnverifiedClaims::parse(r#"{"roles":{"a":1,"a":2}}"#, &names).is_none());
    }
}
