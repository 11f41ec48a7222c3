//! Keys that the caller gives the test issuer.

use super::*;
use crate::crypto::{Algorithm, PrivateKey};

/// The example key of RFC 8410 section 10.3.
const PEM: &str = "-----BEGIN PRIVATE KEY-----\n\
    MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
    -----END PRIVATE KEY-----\n";

fn key_ids(idp: &TestIssuer) -> Vec<String> {
    let jwks: Value = serde_json::from_str(&idp.jwks()).unwrap();
    let keys = jwks["keys"].as_array().unwrap();
    keys.iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_key_of_the_caller_signs_and_the_others_stay_published() {
    let (idp, key) = (TestIssuer::new(), PrivateKey::from_pkcs8_pem(Algorithm::EdDSA, PEM).unwrap());
    let kid = idp.sign_with(&key);
    assert_eq!(idp.key_id(), kid);
    assert_eq!(key_ids(&idp), ["key-1", &kid]);
    assert!(idp.token(API).access_token().is_ok());
    assert!(idp.token(API).key_id("key-1").access_token().is_ok());
}

#[test]
fn the_key_of_the_caller_replaces_one_with_the_same_kid() {
    let (idp, key) = (TestIssuer::new(), PrivateKey::from_pkcs8_pem(Algorithm::EdDSA, PEM).unwrap());
    for _ in 0..2 {
        assert_eq!(idp.sign_with(&key.clone().key_id("key-1")), "key-1");
        assert_eq!(key_ids(&idp), ["key-1"]);
        assert!(idp.jwks().contains("Ed25519"), "{}", idp.jwks());
        assert!(idp.token(API).access_token().is_ok());
    }
}
