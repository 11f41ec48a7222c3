//! Key pairs generated once for all tests, their public keys as JWKs, and tokens signed with them.

use std::collections::HashMap;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tower_bearer::Algorithm;
use tower_bearer::testing::{ManualClock, TestIssuer, TokenBuilder};

use super::protected::{API, ISSUER};

/// An issuer with one key for each algorithm that the tests need, and the key IDs.
static KEYS: LazyLock<(TestIssuer, HashMap<Algorithm, String>)> = LazyLock::new(|| {
    use Algorithm::{ES256, ES384, ES512, EdDSA, PS256, RS256};
    let issuer = TestIssuer::in_memory(ISSUER);
    let kids = [RS256, PS256, ES256, ES384, ES512, EdDSA].map(|alg| (alg, issuer.add_key(alg)));
    (issuer, HashMap::from(kids))
});

/// The clock that dates the tokens of [`token`]. It stands still.
pub(crate) fn clock() -> ManualClock {
    KEYS.0.clock()
}

/// A valid token, signed with the key for `algorithm`.
pub(crate) fn token(algorithm: Algorithm) -> TokenBuilder {
    KEYS.0.token(API).key_id(&KEYS.1[&algorithm])
}

/// The public key for `algorithm`, with `kid`, `alg` and `use`.
pub(crate) fn jwk(algorithm: Algorithm) -> Value {
    let set: Value = serde_json::from_str(&KEYS.0.jwks()).unwrap();
    let keys = set["keys"].as_array().unwrap();
    keys.iter().find(|key| key["kid"] == KEYS.1[&algorithm].as_str()).unwrap().clone()
}

/// Sets a member of `object`, or removes it if the value is `null`.
pub(crate) fn with(mut object: Value, name: &str, value: impl Into<Value>) -> Value {
    let members = object.as_object_mut().unwrap();
    match value.into() {
        Value::Null => members.remove(name),
        value => members.insert(name.to_owned(), value),
    };
    object
}

/// The JWK with this name from `tests/data/odd_keys.json`, and a token signed with it.
pub(crate) fn odd_key(name: &str) -> (Value, String) {
    static ODD: LazyLock<Value> =
        LazyLock::new(|| serde_json::from_str(include_str!("../../data/odd_keys.json")).unwrap());
    let keys = ODD["keys"].as_array().unwrap();
    let key = keys.iter().find(|key| key["name"] == name).unwrap();
    (key["jwk"].clone(), key["token"].as_str().unwrap().to_owned())
}

/// An HS256 token with valid claims, signed with this secret.
pub(crate) fn hmac_token(kid: &str, secret: &[u8]) -> String {
    use hmac::{Hmac, Mac};
    let unsigned = token(Algorithm::ES256).header("alg", "HS256").header("kid", kid).sign();
    let (input, _) = unsigned.rsplit_once('.').unwrap();
    let mac = Hmac::<sha2::Sha256>::new_from_slice(secret).unwrap();
    format!("{input}.{}", encode(mac.chain_update(input).finalize().into_bytes()))
}

/// A token with this header and these claims, and 64 arbitrary octets as its signature.
pub(crate) fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.{}.{}", encode(header.to_string()), encode(claims.to_string()), encode([7; 64]))
}

/// A token whose `kid` is not in the key set. It is cheap to make, as nothing is signed.
pub(crate) fn unknown_kid(issuer: &str, kid: &str) -> String {
    unsigned(
        &json!({"alg": "ES256", "kid": kid}),
        &json!({"iss": issuer, "aud": API, "exp": 9_999_999_999_u64}),
    )
}

/// Encodes as base64url without padding.
pub(crate) fn encode(octets: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(octets)
}

/// Decodes base64url without padding.
pub(crate) fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}
