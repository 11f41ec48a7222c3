//! A token before it is signed: its header, its claims and the key to sign it with.

use serde_json::{Map, Value, json};

use crate::crypto::SigningKey;
use crate::encoding::base64url;

/// The default lifetime of a token in seconds.
const LIFETIME: u64 = 300;

/// A token before it is signed.
#[derive(Clone)]
pub(crate) struct UnsignedToken {
    pub(crate) header: Map<String, Value>,
    pub(crate) claims: Map<String, Value>,
    pub(crate) key_id: Option<String>,
}

impl UnsignedToken {
    /// A token for a user, with every claim that RFC 9068 section 2.2 requires. `number` makes its `jti`
    /// unique.
    pub(crate) fn new(issuer: &str, audience: Value, now: u64, number: u64) -> Self {
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

    pub(crate) fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.claims.insert(name.to_owned(), value.into());
    }

    /// Adds a confirmation method to `cnf` (RFC 7800 section 3.1). Replaces a `cnf` that is not an object.
    pub(crate) fn bind(&mut self, method: &str, thumbprint: String) {
        let mut methods = match self.claims.remove("cnf") {
            Some(Value::Object(methods)) => methods,
            _ => Map::new(),
        };
        methods.insert(method.to_owned(), thumbprint.into());
        self.set("cnf", methods);
    }

    /// A copy with new values of `iat`, `exp` and `jti`, if the token has them.
    ///
    /// The lifetime stays the same. It is the default if `exp` and `iat` do not give a positive one.
    pub(crate) fn refreshed(&self, now: u64, number: u64) -> Self {
        let date = |name| self.claims.get(name).and_then(Value::as_u64);
        let lifetime = date("exp").zip(date("iat")).and_then(|(exp, iat)| exp.checked_sub(iat));
        let lifetime = lifetime.filter(|lifetime| *lifetime > 0).unwrap_or(LIFETIME);
        let mut token = self.with_new_jti(now, number);
        for (name, value) in [("iat", now), ("exp", now.saturating_add(lifetime))] {
            token.replace(name, value);
        }
        token
    }

    /// A copy with a new `jti`, if the token has one.
    ///
    /// Why: with a deterministic signature algorithm, the same claims would give the same token.
    pub(crate) fn with_new_jti(&self, now: u64, number: u64) -> Self {
        let mut token = self.clone();
        token.replace("jti", jti(now, number));
        token
    }

    /// The claims as JSON.
    pub(crate) fn claims_json(&self) -> String {
        Value::Object(self.claims.clone()).to_string()
    }

    fn replace(&mut self, name: &str, value: impl Into<Value>) {
        if self.claims.contains_key(name) {
            self.set(name, value);
        }
    }

    /// The header for this key, with the parameters that the test has set.
    pub(crate) fn full_header(&self, kid: &str, key: &SigningKey) -> Value {
        let mut header = header(key, kid, "at+jwt");
        header.extend(self.header.clone());
        header.retain(|name, value| !value.is_null() || !self.header.contains_key(name));
        Value::Object(header)
    }
}

fn jti(now: u64, number: u64) -> String {
    format!("token-{now}-{number}")
}

/// How a request must present a token with these claims (RFC 6749 section 7.1, RFC 9449 section 5).
pub(crate) fn token_type(claims: &Map<String, Value>) -> &'static str {
    if claims.get("cnf").is_some_and(|cnf| cnf.get("jkt").is_some()) { "DPoP" } else { "Bearer" }
}

/// The header of a JWS that this key signs.
pub(crate) fn header(key: &SigningKey, kid: &str, typ: &str) -> Map<String, Value> {
    let members = [("alg", key.algorithm().as_str()), ("typ", typ), ("kid", kid)];
    members.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect()
}

/// A compact JWS (RFC 7515 section 7.1).
#[expect(clippy::expect_used, reason = "for tests only; fails only without random numbers")]
pub(crate) fn compact(key: &SigningKey, header: &[u8], claims: &[u8]) -> String {
    let input = format!("{}.{}", base64url::encode(header), base64url::encode(claims));
    let signature =
        key.sign(input.as_bytes()).expect("the random number generator of the operating system works");
    let signature = base64url::encode(&signature);
    format!("{input}.{signature}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refreshing_replaces_dates_and_jti_only_if_the_token_has_them() {
        let old = UnsignedToken::new("https://issuer.test", json!("api"), 1000, 0);
        let dates =
            |token: &UnsignedToken| ["iat", "exp"].map(|name| token.claims.get(name).and_then(Value::as_u64));
        assert_eq!(dates(&old.refreshed(5000, 1)), [Some(5000), Some(5300)]);
        for (name, exp, expected) in [
            ("longer lifetime", json!(1900), 5900),
            ("exp before iat", json!(10), 5300),
            ("exp not a number", json!("soon"), 5300),
        ] {
            let mut old = old.clone();
            old.set("exp", exp);
            assert_eq!(dates(&old.refreshed(5000, 1)), [Some(5000), Some(expected)], "{name}");
        }
        let mut bare = old.clone();
        bare.claims.retain(|name, _| name == "sub");
        assert_eq!(bare.refreshed(5000, 1).claims, bare.claims);
        assert_ne!(old.refreshed(5000, 1).claims.get("jti"), old.refreshed(5000, 2).claims.get("jti"));
    }
}
