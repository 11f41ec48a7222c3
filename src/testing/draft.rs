//! What a token will say: its header, its claims, and the key that it will be signed with.

use serde_json::{Map, Value, json};

use crate::crypto::SigningKey;
use crate::encoding::base64url;

/// How long a token lives, in seconds, unless a test says otherwise.
pub(super) const LIFETIME: u64 = 300;

/// A token before it is signed.
#[derive(Clone)]
pub(super) struct UnsignedToken {
    pub(super) header: Map<String, Value>,
    pub(super) claims: Map<String, Value>,
    pub(super) key_id: Option<String>,
}

impl UnsignedToken {
    /// Every claim that RFC 9068 section 2.2 requires, for a user. `number` makes the `jti` its own.
    pub(super) fn new(issuer: &str, audience: Value, now: u64, number: u64) -> Self {
        let claims = [
            ("iss", json!(issuer)),
            ("aud", audience),
            ("sub", json!("user")),
            ("client_id", json!("client")),
            ("iat", json!(now)),
            ("exp", json!(now.saturating_add(LIFETIME))),
            ("jti", json!(jti(now, number))),
        ];
        let claims = claims.map(|(name, value)| (name.to_owned(), value));
        Self { header: Map::new(), claims: Map::from_iter(claims), key_id: None }
    }

    pub(super) fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.claims.insert(name.to_owned(), value.into());
    }

    /// The same with other dates and another `jti`, as far as it has them: for as long as before,
    /// or for the usual time where that is unknown or past.
    pub(super) fn with_new_jti(&self, now: u64, number: u64) -> Self {
        let date = |name| self.claims.get(name).and_then(Value::as_u64);
        let lifetime = date("exp").zip(date("iat")).and_then(|(exp, iat)| exp.checked_sub(iat));
        let lifetime = lifetime.filter(|lifetime| *lifetime > 0).unwrap_or(LIFETIME);
        let mut with_new_jti = self.renamed(now, number);
        for (name, value) in [("iat", now), ("exp", now.saturating_add(lifetime))] {
            with_new_jti.replace(name, value);
        }
        with_new_jti
    }

    /// The same with another `jti`, if it has one.
    ///
    /// Why: with algorithms whose signatures are not random, the same claims would be the same token.
    pub(super) fn renamed(&self, now: u64, number: u64) -> Self {
        let mut renamed = self.clone();
        renamed.replace("jti", jti(now, number));
        renamed
    }

    /// All claims, as JSON.
    pub(super) fn claims_json(&self) -> String {
        Value::Object(self.claims.clone()).to_string()
    }

    fn replace(&mut self, name: &str, value: impl Into<Value>) {
        if self.claims.contains_key(name) {
            self.set(name, value);
        }
    }

    /// The header that it is signed under with this key.
    pub(super) fn full_header(&self, kid: &str, key: &SigningKey) -> Value {
        let mut header = header(key, kid, "at+jwt");
        header.extend(self.header.clone());
        header.retain(|name, value| !value.is_null() || !self.header.contains_key(name));
        Value::Object(header)
    }
}

fn jti(now: u64, number: u64) -> String {
    format!("token-{now}-{number}")
}

/// The header of a token that is signed with this key.
pub(super) fn header(key: &SigningKey, kid: &str, typ: &str) -> Map<String, Value> {
    let members = [("alg", key.algorithm().as_str()), ("typ", typ), ("kid", kid)];
    members.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}

/// A compact JWS (RFC 7515 section 7.1).
#[expect(clippy::expect_used, reason = "fails only without randomness, and this is a tool for tests")]
pub(super) fn compact(key: &SigningKey, header: &[u8], claims: &[u8]) -> String {
    let input = format!("{}.{}", base64url::encode(header), base64url::encode(claims));
    let signature = key.sign(input.as_bytes()).expect("the random number generator of the machine works");
    let signature = base64url::encode(&signature);
    format!("{input}.{signature}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renewing_replaces_the_dates_and_the_name_that_are_there() {
        let old = UnsignedToken::new("https://issuer.test", json!("api"), 1000, 0);
        let dates =
            |draft: &UnsignedToken| ["iat", "exp"].map(|name| draft.claims.get(name).and_then(Value::as_u64));
        assert_eq!(dates(&old.with_new_jti(5000, 1)), [Some(5000), Some(5300)]);
        for (name, exp, expected) in
            [("longer", json!(1900), 5900), ("past", json!(10), 5300), ("no date", json!("soon"), 5300)]
        {
            let mut old = old.clone();
            old.set("exp", exp);
            assert_eq!(dates(&old.with_new_jti(5000, 1)), [Some(5000), Some(expected)], "{name}");
        }
        let mut bare = old.clone();
        bare.claims.retain(|name, _| name == "sub");
        assert_eq!(bare.with_new_jti(5000, 1).claims, bare.claims);
        assert_ne!(old.with_new_jti(5000, 1).claims.get("jti"), old.with_new_jti(5000, 2).claims.get("jti"));
    }
}
