//! Key sets as issuers publish them, and as they should not.

use serde_json::{Value, json};

use super::*;

const P256_X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
const P256_Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
const ED25519_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

fn ec() -> Value {
    json!({"kty": "EC", "crv": "P-256", "x": P256_X, "y": P256_Y})
}

fn ed25519() -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": ED25519_X})
}

fn named(mut jwk: Value, kid: &str) -> Value {
    jwk["kid"] = kid.into();
    jwk
}

fn parse(keys: &Value) -> Result<KeySet, KeySetFault> {
    KeySet::parse(json!({ "keys": keys }).to_string().as_bytes(), AlgorithmSet::ALL)
}

fn selected(set: &KeySet, kid: Option<&str>, alg: Algorithm) -> usize {
    set.select(kid, alg).inspect(|key| assert!(key.fits(alg))).count()
}

#[test]
fn what_is_no_object_with_an_array_of_keys_is_no_key_set() {
    let good = ec();
    for (name, document) in [
        ("empty", String::new()),
        ("an error page", "<html></html>".to_owned()),
        ("null", "null".to_owned()),
        ("an array", format!("[{good}]")),
        ("a single key", good.to_string()),
        ("no keys", r#"{"jwks":[]}"#.to_owned()),
        ("keys of another case", format!(r#"{{"Keys":[{good}]}}"#)),
        ("keys null", r#"{"keys":null}"#.to_owned()),
        ("keys an object", format!(r#"{{"keys":{good}}}"#)),
        ("keys a text", r#"{"keys":"[]"}"#.to_owned()),
        ("keys twice", format!(r#"{{"keys":[{good}],"keys":[{good}]}}"#)),
        ("keys twice, once escaped", format!(r#"{{"keys":[{good}],"\u006beys":[]}}"#)),
        ("another member twice", format!(r#"{{"a":1,"keys":[{good}],"a":2}}"#)),
        ("text after it", format!(r#"{{"keys":[{good}]}} x"#)),
        ("cut off", format!(r#"{{"keys":[{good}"#)),
    ] {
        let verdict = KeySet::parse(document.as_bytes(), AlgorithmSet::ALL).err();
        assert_eq!(verdict, Some(KeySetFault::NotAKeySet), "{name}");
    }
    let not_utf8 = KeySet::parse(b"{\"keys\":[],\"a\":\"\xff\"}", AlgorithmSet::ALL);
    assert_eq!(not_utf8.err(), Some(KeySetFault::NotAKeySet));
}

#[test]
fn a_set_without_a_usable_key_is_refused() {
    for (name, keys) in [
        ("empty", json!([])),
        ("a secret", json!([{"kty": "oct", "k": "AAAA", "alg": "HS256"}])),
        ("for encryption", json!([{"kty": "EC", "crv": "P-256", "x": P256_X, "y": P256_Y, "use": "enc"}])),
        ("off the curve", json!([{"kty": "EC", "crv": "P-256", "x": P256_X, "y": P256_X}])),
    ] {
        assert_eq!(parse(&keys).err(), Some(KeySetFault::NoUsableKey), "{name}");
    }
    let document = json!({"keys": [ec()]}).to_string();
    let allowed = [Algorithm::RS256, Algorithm::EdDSA].into_iter().collect();
    assert_eq!(KeySet::parse(document.as_bytes(), allowed).err(), Some(KeySetFault::NoUsableKey));
}

#[test]
fn odd_keys_are_skipped_and_noted_and_spoil_nothing() {
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let document = format!(
        r#"{{"keys":[null,5,[],{{"kty":"AKP","kid":"pq"}},{{"kty":"RSA","kid":7}},{{"kty":"EC","kty":"EC"}},
        {{"a":{deep}}},{{"a":"\ud800"}},{}],"extra":{{"a":1,"a":2}}}}"#,
        named(ec(), "good")
    );
    let set = KeySet::parse(document.as_bytes(), AlgorithmSet::ALL).unwrap();
    assert_eq!((set.len(), set.key_ids().collect::<Vec<_>>()), (1, vec!["good"]));
    assert_eq!(selected(&set, Some("good"), Algorithm::ES256), 1);
    let faults: Vec<_> =
        set.skipped().iter().map(|skipped| (skipped.kid.as_deref(), skipped.fault)).collect();
    let expected = [
        (None, JwkFault::NotAnObject),
        (None, JwkFault::NotAnObject),
        (None, JwkFault::NotAnObject),
        (Some("pq"), JwkFault::KeyTypeUnknown),
        (None, JwkFault::MemberIllTyped),
        (None, JwkFault::Unreadable),
        (None, JwkFault::Unreadable),
        (None, JwkFault::Unreadable),
    ];
    assert_eq!(faults, expected);
}

#[test]
fn a_token_that_names_a_key_gets_the_keys_of_that_name_that_fit() {
    let keys = json!([named(ec(), "a"), named(ed25519(), "a"), named(ec(), "b"), named(ec(), "b"), ec()]);
    let set = parse(&keys).unwrap();
    for (name, kid, alg, count) in [
        ("one of two kinds", Some("a"), Algorithm::ES256, 1),
        ("the other kind", Some("a"), Algorithm::Ed25519, 1),
        ("neither kind", Some("a"), Algorithm::RS256, 0),
        ("two of a kind", Some("b"), Algorithm::ES256, 2),
        ("an unknown name does not fall back on a key without one", Some("c"), Algorithm::ES256, 0),
        ("another case", Some("A"), Algorithm::ES256, 0),
        ("the empty name", Some(""), Algorithm::ES256, 0),
        ("no name", None, Algorithm::ES256, 4),
        ("no name, another kind", None, Algorithm::EdDSA, 1),
    ] {
        assert_eq!(selected(&set, kid, alg), count, "{name}");
    }
}

#[test]
fn where_no_key_has_a_name_the_name_in_the_token_says_nothing() {
    let set = parse(&json!([ec(), ed25519()])).unwrap();
    assert_eq!(selected(&set, Some("whatever"), Algorithm::ES256), 1);
    assert_eq!(selected(&set, None, Algorithm::EdDSA), 1);
    assert_eq!(set.key_ids().count(), 0);
}

#[test]
fn one_token_is_tried_with_sixteen_keys_at_most() {
    let mut keys = vec![ed25519(); 30];
    keys.extend(vec![named(ec(), "same"); 30]);
    let set = parse(&keys.into()).unwrap();
    assert_eq!(set.len(), 60);
    for kid in [None, Some("same")] {
        assert_eq!(selected(&set, kid, Algorithm::ES256), 16);
    }
}

#[test]
fn each_of_a_thousand_keys_is_found_by_its_name() {
    let keys: Vec<Value> = (0..1000).map(|n| named(ed25519(), &format!("key-{n}"))).collect();
    let set = parse(&keys.into()).unwrap();
    assert_eq!(set.len(), 1000);
    for n in 0..1000 {
        assert_eq!(selected(&set, Some(&format!("key-{n}")), Algorithm::EdDSA), 1);
    }
}
