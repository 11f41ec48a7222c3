//! Parsing and key selection, with valid, partly usable and malformed key sets.

use super::*;
use crate::crypto::AlgorithmSet;

const ISSUER: &str = "https://login.example.com";
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
    KeySet::parse_for(ISSUER, json!({ "keys": keys }).to_string().as_bytes(), AlgorithmSet::ALL)
}

/// The keys of [`ISSUER`].
fn own(set: KeySet) -> IssuerKeys {
    Arc::new(set).of(&ISSUER.into())
}

fn selected(keys: &IssuerKeys, kid: Option<&str>, alg: Algorithm) -> usize {
    keys.select(kid, alg).inspect(|key| assert!(key.fits(alg))).count()
}

#[test]
fn document_without_an_array_of_keys_is_not_a_key_set() {
    let good = ec();
    for (name, document) in [
        ("empty", String::new()),
        ("HTML error page", "<html></html>".to_owned()),
        ("null", "null".to_owned()),
        ("array", format!("[{good}]")),
        ("single key", good.to_string()),
        ("no member `keys`", r#"{"jwks":[]}"#.to_owned()),
        ("`Keys` in another case", format!(r#"{{"Keys":[{good}]}}"#)),
        ("`keys` is null", r#"{"keys":null}"#.to_owned()),
        ("`keys` is an object", format!(r#"{{"keys":{good}}}"#)),
        ("`keys` is a string", r#"{"keys":"[]"}"#.to_owned()),
        ("duplicate `keys`", format!(r#"{{"keys":[{good}],"keys":[{good}]}}"#)),
        ("duplicate `keys`, once escaped", format!(r#"{{"keys":[{good}],"\u006beys":[]}}"#)),
        ("duplicate of another member", format!(r#"{{"a":1,"keys":[{good}],"a":2}}"#)),
        ("trailing text", format!(r#"{{"keys":[{good}]}} x"#)),
        ("truncated", format!(r#"{{"keys":[{good}"#)),
    ] {
        let fault = KeySet::parse(document.as_bytes(), AlgorithmSet::ALL).err();
        assert_eq!(fault, Some(KeySetFault::NotAKeySet), "{name}");
    }
    let not_utf8 = KeySet::parse(b"{\"keys\":[],\"a\":\"\xff\"}", AlgorithmSet::ALL);
    assert_eq!(not_utf8.err(), Some(KeySetFault::NotAKeySet));
}

#[test]
fn key_set_without_a_usable_key_is_rejected() {
    for (name, keys) in [
        ("empty", json!([])),
        ("symmetric key", json!([{"kty": "oct", "k": "AAAA", "alg": "HS256"}])),
        ("encryption key", json!([{"kty": "EC", "crv": "P-256", "x": P256_X, "y": P256_Y, "use": "enc"}])),
        ("point not on the curve", json!([{"kty": "EC", "crv": "P-256", "x": P256_X, "y": P256_X}])),
    ] {
        assert_eq!(parse(&keys).err(), Some(KeySetFault::NoUsableKey), "{name}");
    }
    let document = json!({"keys": [ec()]}).to_string();
    let allowed: AlgorithmSet = [Algorithm::RS256, Algorithm::EdDSA].into_iter().collect();
    assert_eq!(KeySet::parse(document.as_bytes(), allowed).err(), Some(KeySetFault::NoUsableKey));
}

#[test]
fn unusable_keys_are_skipped_and_reported() {
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let document = format!(
        r#"{{"keys":[null,5,[],{{"kty":"AKP","kid":"pq"}},{{"kty":"RSA","kid":7}},{{"kty":"EC","kty":"EC"}},
        {{"a":{deep}}},{{"a":"\ud800"}},{}],"extra":{{"a":1,"a":2}}}}"#,
        named(ec(), "good")
    );
    let set = own(KeySet::parse(document.as_bytes(), AlgorithmSet::ALL).unwrap());
    assert_eq!((set.set().len(), set.key_ids().collect::<Vec<_>>()), (1, vec!["good"]));
    assert_eq!(selected(&set, Some("good"), Algorithm::ES256), 1);
    let faults: Vec<_> = set.skipped().map(|skipped| (skipped.kid, skipped.fault)).collect();
    let expected = [
        (None, JwkFault::NotAnObject),
        (None, JwkFault::NotAnObject),
        (None, JwkFault::NotAnObject),
        (Some("pq".into()), JwkFault::KeyTypeUnknown),
        (None, JwkFault::MemberIllTyped),
        (None, JwkFault::Unreadable),
        (None, JwkFault::Unreadable),
        (None, JwkFault::Unreadable),
    ];
    assert_eq!(faults, expected);
}

#[test]
fn token_with_a_kid_selects_the_keys_with_that_kid_that_fit() {
    let keys = json!([named(ec(), "a"), named(ed25519(), "a"), named(ec(), "b"), named(ec(), "b"), ec()]);
    let set = own(parse(&keys).unwrap());
    for (name, kid, alg, count) in [
        ("first of two key types", Some("a"), Algorithm::ES256, 1),
        ("second of two key types", Some("a"), Algorithm::Ed25519, 1),
        ("neither key type", Some("a"), Algorithm::RS256, 0),
        ("two keys of one type", Some("b"), Algorithm::ES256, 2),
        ("unknown `kid` does not select a key without `kid`", Some("c"), Algorithm::ES256, 0),
        ("`kid` in another case", Some("A"), Algorithm::ES256, 0),
        ("empty `kid`", Some(""), Algorithm::ES256, 0),
        ("no `kid`", None, Algorithm::ES256, 4),
        ("no `kid`, other key type", None, Algorithm::EdDSA, 1),
    ] {
        assert_eq!(selected(&set, kid, alg), count, "{name}");
    }
}

#[test]
fn kid_is_ignored_if_no_key_has_one() {
    let set = own(parse(&json!([ec(), ed25519()])).unwrap());
    assert_eq!(selected(&set, Some("whatever"), Algorithm::ES256), 1);
    assert_eq!(selected(&set, None, Algorithm::EdDSA), 1);
    assert_eq!(set.key_ids().count(), 0);
}

#[test]
fn at_most_sixteen_keys_are_selected() {
    let mut keys = vec![ed25519(); 30];
    keys.extend(vec![named(ec(), "same"); 30]);
    let set = own(parse(&keys.into()).unwrap());
    assert_eq!(set.set().len(), 60);
    for kid in [None, Some("same")] {
        assert_eq!(selected(&set, kid, Algorithm::ES256), 16);
    }
}

#[test]
fn each_of_a_thousand_keys_is_selected_by_its_kid() {
    let keys: Vec<Value> = (0..1000).map(|n| named(ed25519(), &format!("key-{n}"))).collect();
    let set = own(parse(&keys.into()).unwrap());
    assert_eq!(set.set().len(), 1000);
    for n in 0..1000 {
        assert_eq!(selected(&set, Some(&format!("key-{n}")), Algorithm::EdDSA), 1);
    }
}

#[test]
fn identity_of_a_key_set_does_not_depend_on_the_order_of_keys_and_members() {
    let id = |document: &str| KeySet::parse(document.as_bytes(), AlgorithmSet::ALL).unwrap().id();
    let (a, b) = (named(ec(), "a"), named(ed25519(), "b"));
    let first = id(&json!({ "keys": [a, b] }).to_string());
    let text = |jwk: &Value| jwk.to_string();
    let members =
        format!(r#"{{"y":"{P256_Y}","kid":"a","x":"{P256_X}","crv":"P-256","kty":"EC","x5t":"z"}}"#);
    for (name, document) in [
        ("keys in another order", json!({ "keys": [b, a] }).to_string()),
        ("members in another order, and one more", format!(r#"{{"keys":[{members},{}]}}"#, text(&b))),
        ("white space", format!("{{ \"keys\" : [ {} ,\n {} ] }}", text(&a), text(&b))),
        ("another member of the set", format!(r#"{{"iat":7,"keys":[{},{}]}}"#, text(&a), text(&b))),
        ("a key twice", json!({ "keys": [a, b, a] }).to_string()),
        ("an unusable key", json!({ "keys": [a, {"kty": "AKP"}, b] }).to_string()),
    ] {
        assert_eq!(id(&document), first, "{name}");
    }
    for (name, keys) in [
        ("a key less", json!([a])),
        ("a key more", json!([a, b, ec()])),
        ("another kid", json!([a, named(ed25519(), "c")])),
        ("kids swapped", json!([named(ec(), "b"), named(ed25519(), "a")])),
        ("a kid of two keys", json!([a, named(ed25519(), "b"), named(ec(), "b")])),
    ] {
        assert_ne!(parse(&keys).unwrap().id(), first, "{name}");
    }
}

#[test]
fn key_that_names_another_issuer_is_skipped() {
    let owned = |issuer: &str| {
        let mut jwk = named(ec(), issuer);
        jwk["issuer"] = issuer.into();
        jwk
    };
    let set = own(
        parse(&json!([owned(ISSUER), owned("https://other.example"), named(ed25519(), "none")])).unwrap()
    );
    assert_eq!(set.key_ids().collect::<Vec<_>>(), [ISSUER, "none"]);
    let skipped = UnusableJwk { kid: Some("https://other.example".into()), fault: JwkFault::OtherIssuer };
    assert_eq!(set.skipped().collect::<Vec<_>>(), [skipped]);
    assert_eq!(selected(&set, Some("https://other.example"), Algorithm::ES256), 0);
    assert_eq!(selected(&set, None, Algorithm::ES256), 1, "its own only");
    let others = parse(&json!([owned("https://other.example")]));
    assert_eq!(others.err(), Some(KeySetFault::NoUsableKey));
}

#[test]
fn kid_is_ignored_if_only_keys_of_other_issuers_have_one() {
    let mut other = named(ec(), "other");
    other["issuer"] = "https://other.example".into();
    let set = own(parse(&json!([other, ec()])).unwrap());
    assert_eq!(selected(&set, Some("whatever"), Algorithm::ES256), 1);
}

#[test]
fn identity_of_a_key_set_depends_on_the_issuers_of_its_keys() {
    let id = |issuer: Option<&str>| {
        let mut jwk = ec();
        issuer.inspect(|issuer| jwk["issuer"] = (*issuer).into());
        parse(&json!([jwk, ed25519()])).unwrap().id()
    };
    let ids = [None, Some(""), Some(ISSUER), Some("https://other.example")].map(id);
    for (number, one) in ids.iter().enumerate() {
        assert_eq!(ids.iter().position(|other| other == one), Some(number));
    }
}

#[test]
fn exported_keys_are_the_same_keys() {
    let rsa = json!({"kty": "RSA", "n": "AQAB".repeat(86), "e": "AQAB", "kid": "r", "alg": "PS256"});
    let mut bound = named(ed25519(), "bound");
    bound["issuer"] = ISSUER.into();
    for keys in [json!([named(ec(), "a"), ed25519(), bound.clone()]), json!([rsa, bound])] {
        let set = parse(&keys).unwrap();
        let id = set.id();
        let exported = own(set).to_json().unwrap();
        let again = KeySet::parse(exported.as_bytes(), AlgorithmSet::ALL).unwrap();
        assert_eq!((again.id(), again.skipped()), (id, 0), "{exported}");
    }
}
