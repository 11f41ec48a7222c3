//! One JWK at a time: what makes it unfit, member by member.

use serde_json::json;

use super::*;

const B64: &base64::engine::GeneralPurpose = &base64::engine::general_purpose::URL_SAFE_NO_PAD;

fn encode(octets: &[u8]) -> String {
    base64::Engine::encode(B64, octets)
}

/// The vector key `key` with `member` set to `value`.
fn changed(key: &str, member: &str, value: Value) -> Result<Jwk, JwkFault> {
    let mut jwk = Vectors::read().keys[key].clone();
    jwk[member] = value;
    parse(&jwk)
}

fn rsa(n: &[u8], e: &[u8]) -> Result<Jwk, JwkFault> {
    parse(&json!({"kty": "RSA", "n": encode(n), "e": encode(e)}))
}

#[test]
fn what_is_no_json_object_is_no_key() {
    for (name, text, fault) in [
        ("empty", "", JwkFault::Unreadable),
        ("cut off", r#"{"kty":"EC""#, JwkFault::Unreadable),
        ("a member twice", r#"{"kty":"EC","kty":"EC"}"#, JwkFault::Unreadable),
        ("a member of a member twice", r#"{"kty":"EC","a":{"b":1,"b":1}}"#, JwkFault::Unreadable),
        ("null", "null", JwkFault::NotAnObject),
        ("a number", "5", JwkFault::NotAnObject),
        ("an array", "[]", JwkFault::NotAnObject),
        ("no members", "{}", JwkFault::MemberMissing),
    ] {
        assert_eq!(Jwk::parse(text.as_bytes()).err(), Some(fault), "{name}");
    }
}

#[test]
fn what_a_key_says_of_itself_must_allow_checking_signatures() {
    use JwkFault::*;
    for (name, key, member, value, fault) in [
        ("kty null", "RSA", "kty", json!(null), MemberIllTyped),
        ("kty of another case", "RSA", "kty", json!("rsa"), KeyTypeUnknown),
        ("kty of the future", "RSA", "kty", json!("AKP"), KeyTypeUnknown),
        ("kty of another key", "P-256", "kty", json!("RSA"), MemberMissing),
        ("kty oct", "RSA", "kty", json!("oct"), SymmetricKey),
        ("private RSA", "RSA", "d", json!("AQ"), PrivateKey),
        ("only a prime of RSA", "RSA", "p", json!("AQ"), PrivateKey),
        ("private EC", "P-256", "d", json!("AQ"), PrivateKey),
        ("private Ed25519", "Ed25519", "d", json!("AQ"), PrivateKey),
        ("private, but null", "P-256", "d", json!(null), PrivateKey),
        ("use enc", "RSA", "use", json!("enc"), UseNotSignature),
        ("use of another case", "RSA", "use", json!("SIG"), UseNotSignature),
        ("use null", "RSA", "use", json!(null), MemberIllTyped),
        ("use an array", "RSA", "use", json!(["sig"]), MemberIllTyped),
        ("key_ops empty", "RSA", "key_ops", json!([]), VerifyNotInOperations),
        ("key_ops sign", "RSA", "key_ops", json!(["sign"]), VerifyNotInOperations),
        ("key_ops twice", "RSA", "key_ops", json!(["verify", "verify"]), OperationTwice),
        ("key_ops null", "RSA", "key_ops", json!(null), MemberIllTyped),
        ("key_ops a text", "RSA", "key_ops", json!("verify"), MemberIllTyped),
        ("key_ops of numbers", "RSA", "key_ops", json!(["verify", 1]), MemberIllTyped),
        ("alg null", "RSA", "alg", json!(null), MemberIllTyped),
        ("alg a number", "RSA", "alg", json!(-7), MemberIllTyped),
        ("alg none", "RSA", "alg", json!("none"), AlgorithmUnknown),
        ("alg HS256", "RSA", "alg", json!("HS256"), AlgorithmUnknown),
        ("alg for encryption", "RSA", "alg", json!("RSA-OAEP"), AlgorithmUnknown),
        ("alg of another kty", "RSA", "alg", json!("ES256"), AlgorithmMismatch),
        ("alg of another curve", "P-256", "alg", json!("ES384"), AlgorithmMismatch),
        ("alg of a curve for RSA", "P-256", "alg", json!("RS256"), AlgorithmMismatch),
        ("alg of a curve for OKP", "Ed25519", "alg", json!("ES256"), AlgorithmMismatch),
        ("kid null", "RSA", "kid", json!(null), MemberIllTyped),
        ("kid a number", "RSA", "kid", json!(1), MemberIllTyped),
    ] {
        assert_eq!(changed(key, member, value).err(), Some(fault), "{name}");
    }
}

#[test]
fn the_numbers_of_a_key_must_be_there_and_well_spelled() {
    use JwkFault::*;
    for (name, key, member, value, fault) in [
        ("n null", "RSA", "n", json!(null), MemberIllTyped),
        ("e a number", "RSA", "e", json!(65537), MemberIllTyped),
        ("e padded", "RSA", "e", json!("AQ=="), NotBase64url),
        ("n empty", "RSA", "n", json!(""), ModulusTooSmall),
        ("e empty", "RSA", "e", json!(""), ExponentUnfit),
        ("crv null", "P-256", "crv", json!(null), MemberIllTyped),
        ("crv of another case", "P-256", "crv", json!("p-256"), CurveUnknown),
        ("crv of no algorithm here", "P-256", "crv", json!("secp256k1"), CurveUnknown),
        ("crv of another kty", "P-256", "crv", json!("Ed25519"), CurveUnknown),
        ("crv of another length", "P-256", "crv", json!("P-384"), CoordinateLength),
        ("x short", "P-256", "x", json!(encode(&[1; 31])), CoordinateLength),
        ("x long", "P-256", "x", json!(encode(&[0; 33])), CoordinateLength),
        ("y empty", "P-256", "y", json!(""), CoordinateLength),
        ("y in the standard alphabet", "P-256", "y", json!("+/+/"), NotBase64url),
        ("crv for agreement", "Ed25519", "crv", json!("X25519"), CurveUnknown),
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
fn rsa_is_measured_in_bits_whatever_stands_in_front() {
    let modulus = |octets: usize, first: u8, last: u8| {
        let mut n = vec![0xff; octets];
        (n[0], n[octets - 1]) = (first, last);
        n
    };
    for (name, n, fault) in [
        ("2047 bits", modulus(256, 0x7f, 1), Some(JwkFault::ModulusTooSmall)),
        ("1024 bits", modulus(128, 0xff, 1), Some(JwkFault::ModulusTooSmall)),
        (
            "2047 bits behind zeros",
            [&[0; 200], &modulus(256, 0x7f, 1)[..]].concat(),
            Some(JwkFault::ModulusTooSmall),
        ),
        ("zeros", vec![0; 256], Some(JwkFault::ModulusTooSmall)),
        ("8193 bits", modulus(1025, 0x01, 1), Some(JwkFault::ModulusTooLarge)),
        ("even", modulus(256, 0x80, 2), Some(JwkFault::ModulusEven)),
        ("2048 bits", modulus(256, 0x80, 1), None),
        ("2048 bits behind a zero", [&[0], &modulus(256, 0x80, 1)[..]].concat(), None),
        ("8192 bits", modulus(1024, 0xff, 1), None),
    ] {
        assert_eq!(rsa(&n, &[1, 0, 1]).err(), fault, "{name}");
    }
    let padded = rsa(&[&[0], &modulus(256, 0x80, 1)[..]].concat(), &[0, 1, 0, 1]).unwrap();
    let plain = rsa(&modulus(256, 0x80, 1), &[1, 0, 1]).unwrap();
    assert_eq!(padded.material, plain.material);
}

#[test]
fn an_rsa_exponent_is_odd_and_from_3_to_33_bits() {
    let n = [0xff; 256];
    for (name, e, fits) in [
        ("0", &[0][..], false),
        ("1", &[1], false),
        ("1 behind zeros", &[0, 0, 0, 1], false),
        ("2", &[2], false),
        ("65536", &[1, 0, 0], false),
        ("34 bits", &[2, 0, 0, 0, 1], false),
        ("8 octets", &[0xff; 8], false),
        ("longer than a word", &[0xff; 9], false),
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
fn an_ed25519_key_is_a_point_with_one_spelling_and_of_large_order() {
    let little_endian = |first: u8, middle: u8, last: u8| {
        let mut x = [middle; 32];
        (x[0], x[31]) = (first, last);
        x
    };
    for (name, x, fault) in [
        ("the neutral element", little_endian(1, 0, 0), JwkFault::SmallOrder),
        ("order 2", little_endian(0xec, 0xff, 0x7f), JwkFault::SmallOrder),
        ("order 4", little_endian(0, 0, 0), JwkFault::SmallOrder),
        ("order 4, the other sign", little_endian(0, 0, 0x80), JwkFault::SmallOrder),
        ("the neutral element with a sign", little_endian(1, 0, 0x80), JwkFault::MaterialInvalid),
        ("y = p", little_endian(0xed, 0xff, 0x7f), JwkFault::MaterialInvalid),
        ("y = p + 1", little_endian(0xee, 0xff, 0x7f), JwkFault::MaterialInvalid),
        ("y = p + 3, of large order", little_endian(0xf0, 0xff, 0x7f), JwkFault::MaterialInvalid),
        ("y = 2, no point", little_endian(2, 0, 0), JwkFault::MaterialInvalid),
    ] {
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": encode(&x)});
        assert_eq!(parse(&jwk).err(), Some(fault), "{name}");
    }
}

#[test]
fn a_good_key_is_read_with_what_it_says_of_itself() {
    let vectors = Vectors::read();
    for (name, key, extra) in [
        ("bare", "RSA", json!({})),
        ("unknown members", "P-256", json!({"x5c": ["AAAA"], "x5u": 7, "exp": 1, "nested": {"a": [null]}})),
        ("members of other kinds of key", "Ed25519", json!({"k": "AQ", "p": "AQ", "y": 1})),
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
