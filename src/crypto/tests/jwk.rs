//! Which JWKs are rejected, member by member, and with which `JwkFault`.

use serde_json::json;

use super::*;

const B64: &base64::engine::GeneralPurpose = &base64::engine::general_purpose::URL_SAFE_NO_PAD;

fn encode(octets: &[u8]) -> String {
    base64::Engine::encode(B64, octets)
}

/// The key `key` of the test vectors with `member` set to `value`.
fn changed(key: &str, member: &str, value: Value) -> Result<Jwk, JwkFault> {
    let mut jwk = Vectors::read().keys[key].clone();
    jwk[member] = value;
    parse(&jwk)
}

fn rsa(n: &[u8], e: &[u8]) -> Result<Jwk, JwkFault> {
    parse(&json!({"kty": "RSA", "n": encode(n), "e": encode(e)}))
}

#[test]
fn a_text_that_is_not_a_json_object_is_rejected() {
    for (name, text, fault) in [
        ("empty", "", JwkFault::Unreadable),
        ("truncated", r#"{"kty":"EC""#, JwkFault::Unreadable),
        ("a duplicate member", r#"{"kty":"EC","kty":"EC"}"#, JwkFault::Unreadable),
        ("a duplicate nested member", r#"{"kty":"EC","a":{"b":1,"b":1}}"#, JwkFault::Unreadable),
        ("null", "null", JwkFault::NotAnObject),
        ("a number", "5", JwkFault::NotAnObject),
        ("an array", "[]", JwkFault::NotAnObject),
        ("no members", "{}", JwkFault::MemberMissing),
    ] {
        assert_eq!(Jwk::parse(text.as_bytes()).err(), Some(fault), "{name}");
    }
}

#[test]
fn kty_use_key_ops_alg_and_kid_must_permit_verification() {
    use JwkFault::*;
    for (name, key, member, value, fault) in [
        ("kty in lower case", "RSA", "kty", json!("rsa"), KeyTypeUnknown),
        ("kty AKP", "RSA", "kty", json!("AKP"), KeyTypeUnknown),
        ("kty of another key", "P-256", "kty", json!("RSA"), MemberMissing),
        ("kty oct", "RSA", "kty", json!("oct"), SymmetricKey),
        ("private RSA key", "RSA", "d", json!("AQ"), PrivateKey),
        ("one prime of RSA", "RSA", "p", json!("AQ"), PrivateKey),
        ("private EC key", "P-256", "d", json!("AQ"), PrivateKey),
        ("private Ed25519 key", "Ed25519", "d", json!("AQ"), PrivateKey),
        ("use enc", "RSA", "use", json!("enc"), UseNotSignature),
        ("use in upper case", "RSA", "use", json!("SIG"), UseNotSignature),
        ("use an array", "RSA", "use", json!(["sig"]), MemberIllTyped),
        ("key_ops sign", "RSA", "key_ops", json!(["sign"]), VerifyNotInOperations),
        ("key_ops with a duplicate", "RSA", "key_ops", json!(["verify", "verify"]), OperationTwice),
        ("key_ops a string", "RSA", "key_ops", json!("verify"), MemberIllTyped),
        ("key_ops with a number", "RSA", "key_ops", json!(["verify", 1]), MemberIllTyped),
        ("alg a number", "RSA", "alg", json!(-7), MemberIllTyped),
        ("alg none", "RSA", "alg", json!("none"), AlgorithmUnknown),
        ("alg HS256", "RSA", "alg", json!("HS256"), AlgorithmUnknown),
        ("alg for encryption", "RSA", "alg", json!("RSA-OAEP"), AlgorithmUnknown),
        ("alg of another kty", "RSA", "alg", json!("ES256"), AlgorithmMismatch),
        ("alg of another curve", "P-256", "alg", json!("ES384"), AlgorithmMismatch),
        ("alg of RSA for EC", "P-256", "alg", json!("RS256"), AlgorithmMismatch),
        ("alg of ECDSA for OKP", "Ed25519", "alg", json!("ES256"), AlgorithmMismatch),
        ("kid a number", "RSA", "kid", json!(1), MemberIllTyped),
        ("issuer a number", "RSA", "issuer", json!(1), MemberIllTyped),
        ("private key false", "P-256", "d", json!(false), PrivateKey),
        ("private key empty", "P-256", "d", json!(""), PrivateKey),
    ] {
        assert_eq!(changed(key, member, value).err(), Some(fault), "{name}");
    }
}

/// .NET servers published `"d": null`.
#[test]
fn null_members_and_an_empty_key_ops_count_as_absent() {
    for (name, key, member, value, fault) in [
        ("kty null", "RSA", "kty", json!(null), Some(JwkFault::MemberMissing)),
        ("n null", "RSA", "n", json!(null), Some(JwkFault::MemberMissing)),
        ("crv null", "P-256", "crv", json!(null), Some(JwkFault::MemberMissing)),
        ("private EC key null", "P-256", "d", json!(null), None),
        ("private RSA key null", "RSA", "d", json!(null), None),
        ("other primes null", "RSA", "oth", json!(null), None),
        ("use null", "RSA", "use", json!(null), None),
        ("key_ops null", "RSA", "key_ops", json!(null), None),
        ("key_ops empty", "RSA", "key_ops", json!([]), None),
        ("alg null", "RSA", "alg", json!(null), None),
        ("kid null", "RSA", "kid", json!(null), None),
        ("issuer null", "RSA", "issuer", json!(null), None),
    ] {
        let parsed = changed(key, member, value);
        assert_eq!(parsed.as_ref().err(), fault.as_ref(), "{name}");
        assert!(parsed.is_err() || parsed.is_ok_and(|jwk| jwk.kid.is_none() && jwk.alg.is_none()), "{name}");
    }
}

#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
#[test]
fn digest_of_a_key_depends_on_all_that_decides_which_tokens_it_verifies() {
    let vectors = Vectors::read();
    let digest = |jwk: &Value| parse(jwk).unwrap().digest();
    let with = |member: &str, value: Value| {
        let mut jwk = vectors.keys["RSA"].clone();
        jwk[member] = value;
        jwk
    };
    let plain = &vectors.keys["RSA"];
    for (name, same) in [
        ("another member", with("x5t", json!("abc"))),
        ("use", with("use", json!("sig"))),
        ("null", with("alg", json!(null))),
    ] {
        assert_eq!(digest(&same), digest(plain), "{name}");
    }
    let mut different = vec![
        digest(plain),
        digest(&with("kid", json!(""))),
        digest(&with("kid", json!("a"))),
        digest(&with("alg", json!("RS256"))),
        digest(&with("alg", json!("PS256"))),
        digest(&with("e", json!("Aw"))),
        digest(&vectors.keys["P-256"]),
        digest(&vectors.keys["P-384"]),
        digest(&vectors.keys["Ed25519"]),
    ];
    let count = different.len();
    different.sort_unstable();
    different.dedup();
    assert_eq!(different.len(), count);
}

#[test]
fn missing_and_malformed_key_material_is_rejected() {
    use JwkFault::*;
    for (name, key, member, value, fault) in [
        ("e a number", "RSA", "e", json!(65537), MemberIllTyped),
        ("e padded", "RSA", "e", json!("AQ=="), NotBase64url),
        ("n empty", "RSA", "n", json!(""), ModulusTooSmall),
        ("e empty", "RSA", "e", json!(""), ExponentUnfit),
        ("crv in lower case", "P-256", "crv", json!("p-256"), CurveUnknown),
        ("crv without a supported algorithm", "P-256", "crv", json!("secp256k1"), CurveUnknown),
        ("crv of another kty", "P-256", "crv", json!("Ed25519"), CurveUnknown),
        ("crv of another length", "P-256", "crv", json!("P-384"), CoordinateLength),
        ("x too short", "P-256", "x", json!(encode(&[1; 31])), CoordinateLength),
        ("x too long", "P-256", "x", json!(encode(&[0; 33])), CoordinateLength),
        ("y empty", "P-256", "y", json!(""), CoordinateLength),
        ("y in the standard alphabet", "P-256", "y", json!("+/+/"), NotBase64url),
        ("crv for key agreement", "Ed25519", "crv", json!("X25519"), CurveUnknown),
        ("crv Ed448", "Ed25519", "crv", json!("Ed448"), CurveUnknown),
        ("x of 31 octets", "Ed25519", "x", json!(encode(&[1; 31])), CoordinateLength),
        ("x of 33 octets", "Ed25519", "x", json!(encode(&[1; 33])), CoordinateLength),
    ] {
        assert_eq!(changed(key, member, value).err(), Some(fault), "{name}");
    }
    for (key, members) in
        [("RSA", &["n", "e"][..]), ("P-521", &["crv", "x", "y"]), ("Ed25519", &["crv", "x"])]
    {
        for member in members {
            let mut jwk = Vectors::read().keys[key].clone();
            jwk.as_object_mut().unwrap().remove(*member);
            assert_eq!(parse(&jwk).err(), Some(MemberMissing), "{key} {member}");
        }
    }
}

#[test]
fn the_rsa_modulus_size_ignores_leading_zeros() {
    let modulus = |octets: usize, first: u8, last: u8| {
        let mut n = vec![0xff; octets];
        (n[0], n[octets - 1]) = (first, last);
        n
    };
    for (name, n, fault) in [
        ("2047 bits", modulus(256, 0x7f, 1), Some(JwkFault::ModulusTooSmall)),
        ("1024 bits", modulus(128, 0xff, 1), Some(JwkFault::ModulusTooSmall)),
        (
            "2047 bits after zeros",
            [&[0; 200], &modulus(256, 0x7f, 1)[..]].concat(),
            Some(JwkFault::ModulusTooSmall),
        ),
        ("only zeros", vec![0; 256], Some(JwkFault::ModulusTooSmall)),
        ("8193 bits", modulus(1025, 0x01, 1), Some(JwkFault::ModulusTooLarge)),
        ("even", modulus(256, 0x80, 2), Some(JwkFault::ModulusEven)),
        ("2048 bits", modulus(256, 0x80, 1), None),
        ("2048 bits after a zero", [&[0], &modulus(256, 0x80, 1)[..]].concat(), None),
        ("8192 bits", modulus(1024, 0xff, 1), None),
    ] {
        assert_eq!(rsa(&n, &[1, 0, 1]).err(), fault, "{name}");
    }
    let padded = rsa(&[&[0], &modulus(256, 0x80, 1)[..]].concat(), &[0, 1, 0, 1]).unwrap();
    let plain = rsa(&modulus(256, 0x80, 1), &[1, 0, 1]).unwrap();
    assert_eq!(padded.material, plain.material);
}

#[test]
fn an_rsa_exponent_is_odd_at_least_3_and_at_most_33_bits_long() {
    let n = [0xff; 256];
    for (name, e, fits) in [
        ("0", &[0][..], false),
        ("1", &[1], false),
        ("1 after zeros", &[0, 0, 0, 1], false),
        ("2", &[2], false),
        ("65536", &[1, 0, 0], false),
        ("34 bits", &[2, 0, 0, 0, 1], false),
        ("8 octets", &[0xff; 8], false),
        ("9 octets", &[0xff; 9], false),
        ("as long as the modulus", &[0xff; 256], false),
        ("3", &[3], true),
        ("65537", &[1, 0, 1], true),
        ("33 bits", &[1, 0xff, 0xff, 0xff, 0xff], true),
    ] {
        let fault = (!fits).then_some(JwkFault::ExponentUnfit);
        assert_eq!(rsa(&n, e).err(), fault, "{name}");
    }
}

#[test]
fn an_ed25519_point_is_canonical_and_of_large_order() {
    let little_endian = |first: u8, middle: u8, last: u8| {
        let mut x = [middle; 32];
        (x[0], x[31]) = (first, last);
        x
    };
    for (name, x, fault) in [
        ("the neutral element", little_endian(1, 0, 0), JwkFault::SmallOrder),
        ("order 2", little_endian(0xec, 0xff, 0x7f), JwkFault::SmallOrder),
        ("order 4", little_endian(0, 0, 0), JwkFault::SmallOrder),
        ("order 4 with the sign bit", little_endian(0, 0, 0x80), JwkFault::SmallOrder),
        ("the neutral element with the sign bit", little_endian(1, 0, 0x80), JwkFault::MaterialInvalid),
        ("y = p", little_endian(0xed, 0xff, 0x7f), JwkFault::MaterialInvalid),
        ("y = p + 1", little_endian(0xee, 0xff, 0x7f), JwkFault::MaterialInvalid),
        ("y = p + 3, of large order", little_endian(0xf0, 0xff, 0x7f), JwkFault::MaterialInvalid),
        ("y = 2, not on the curve", little_endian(2, 0, 0), JwkFault::MaterialInvalid),
    ] {
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": encode(&x)});
        assert_eq!(parse(&jwk).err(), Some(fault), "{name}");
    }
}

#[test]
fn a_valid_key_parses_with_its_kid_and_alg() {
    let vectors = Vectors::read();
    for (name, key, extra) in [
        ("only required members", "RSA", json!({})),
        ("unknown members", "P-256", json!({"x5c": ["AAAA"], "x5u": 7, "exp": 1, "nested": {"a": [null]}})),
        ("members of other key types", "Ed25519", json!({"k": "AQ", "p": "AQ", "y": 1})),
        ("use", "P-384", json!({"use": "sig"})),
        ("key_ops", "P-521", json!({"key_ops": ["sign", "verify"]})),
    ] {
        let mut jwk = vectors.keys[key].clone();
        jwk.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        let read = parse(&jwk).unwrap();
        assert_eq!((read.kid, read.alg), (None, None), "{name}");
    }
    let jwk = changed("P-521", "kid", json!("\u{0}../../x'\u{1f511}")).unwrap();
    assert_eq!(jwk.kid.as_deref(), Some("\u{0}../../x'\u{1f511}"));
    assert_eq!(changed("Ed25519", "alg", json!("EdDSA")).unwrap().alg, Some(Algorithm::EdDSA));
    assert_eq!(changed("RSA", "alg", json!("PS512")).unwrap().alg, Some(Algorithm::PS512));
}
