//! A key is used only with the algorithms that fit it, that its `alg` permits and that are allowed for the
//! issuer.

use serde_json::json;

use super::*;

fn set(names: &[&str]) -> AlgorithmSet {
    names.iter().map(|name| Algorithm::parse(name).unwrap()).collect()
}

fn with_alg(vectors: &Vectors, key: &str, alg: Option<&str>) -> Jwk {
    let mut jwk = vectors.keys[key].clone();
    if let Some(alg) = alg {
        jwk["alg"] = alg.into();
    }
    parse(&jwk).unwrap()
}

#[test]
fn a_key_has_the_algorithms_that_fit_it_and_are_allowed() {
    let vectors = Vectors::read();
    let all = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
    for (name, jwk, alg, allowed, expected) in [
        ("RSA without alg", "RSA", None, AlgorithmSet::ALL, set(&all)),
        ("RSA without alg, one allowed", "RSA", None, set(&["PS256", "ES256"]), set(&["PS256"])),
        ("RSA with alg", "RSA", Some("PS256"), AlgorithmSet::ALL, set(&["PS256"])),
        ("RSA with alg, not allowed", "RSA", Some("PS256"), set(&["RS256"]), AlgorithmSet::EMPTY),
        ("EC", "P-384", None, AlgorithmSet::ALL, set(&["ES384"])),
        ("EC, not allowed", "P-384", None, set(&["ES256", "EdDSA"]), AlgorithmSet::EMPTY),
        ("Ed25519 without alg", "Ed25519", None, AlgorithmSet::ALL, set(&["EdDSA", "Ed25519"])),
        ("alg EdDSA", "Ed25519", Some("EdDSA"), AlgorithmSet::ALL, set(&["EdDSA", "Ed25519"])),
        ("alg Ed25519", "Ed25519", Some("Ed25519"), AlgorithmSet::ALL, set(&["EdDSA", "Ed25519"])),
        ("only one of the two names allowed", "Ed25519", Some("EdDSA"), set(&["Ed25519"]), set(&["Ed25519"])),
        ("nothing allowed", "RSA", None, AlgorithmSet::EMPTY, AlgorithmSet::EMPTY),
    ] {
        let key = VerifyingKey::new(&with_alg(&vectors, jwk, alg), allowed);
        match key {
            Ok(key) if AVAILABLE => {
                let fitting = AlgorithmSet::ALL.iter().filter(|algorithm| key.fits(*algorithm));
                assert_eq!(fitting.collect::<AlgorithmSet>(), expected, "{name}");
            }
            Ok(_) => panic!("{name}: a key without a backend"),
            Err(fault) if expected.is_empty() => assert_eq!(fault, JwkFault::NotAllowed, "{name}"),
            Err(fault) => assert_eq!((fault, AVAILABLE), (JwkFault::MaterialInvalid, false), "{name}"),
        }
    }
}

#[cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]
#[test]
fn a_key_verifies_only_with_its_own_algorithms() {
    let vectors = Vectors::read();
    let message = vectors.message.as_bytes();
    for vector in &vectors.signatures {
        let (algorithm, signature) = (vector.algorithm(), vector.octets());
        let without_alg = VerifyingKey::new(&vectors.key(&vector.key), AlgorithmSet::ALL).unwrap();
        assert_eq!(without_alg.verify(algorithm, message, &signature), Ok(()), "{algorithm}");
        // A valid signature by an algorithm other than the `alg` of the JWK (RFC 8725 section 3.1).
        for other in vectors.key(&vector.key).material.algorithms().iter() {
            if other.fully_specified() == algorithm.fully_specified() {
                continue;
            }
            let jwk = with_alg(&vectors, &vector.key, Some(other.as_str()));
            let with_alg = VerifyingKey::new(&jwk, AlgorithmSet::ALL).unwrap();
            for claimed in [algorithm, other] {
                let result = with_alg.verify(claimed, message, &signature);
                assert_eq!(result, Err(SignatureMismatch), "{algorithm} with a key for {other}");
            }
        }
        let others = AlgorithmSet::ALL.iter().filter(|other| *other != algorithm).collect();
        if let Ok(not_allowed) = VerifyingKey::new(&vectors.key(&vector.key), others) {
            assert!(!not_allowed.fits(algorithm));
            assert_eq!(
                not_allowed.verify(algorithm, message, &signature),
                Err(SignatureMismatch),
                "{algorithm}"
            );
        }
    }
}

#[test]
fn a_point_that_is_not_on_its_curve_is_material_invalid() {
    let vectors = Vectors::read();
    let x = &vectors.keys["P-256"]["x"];
    let jwk = parse(&json!({"kty": "EC", "crv": "P-256", "x": x, "y": x})).unwrap();
    assert_eq!(VerifyingKey::new(&jwk, AlgorithmSet::ALL).err(), Some(JwkFault::MaterialInvalid));
}
