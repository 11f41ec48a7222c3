//! A key is used with what it says of itself and what the issuer is allowed, and with nothing else.

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
fn the_algorithms_of_a_key_are_those_that_fit_it_and_are_allowed() {
    let vectors = Vectors::read();
    let all = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
    for (name, key, alg, allowed, expected) in [
        ("RSA without alg", "RSA", None, AlgorithmSet::ALL, set(&all)),
        ("RSA without alg, some allowed", "RSA", None, set(&["PS256", "ES256"]), set(&["PS256"])),
        ("RSA with alg", "RSA", Some("PS256"), AlgorithmSet::ALL, set(&["PS256"])),
        ("RSA with alg, not allowed", "RSA", Some("PS256"), set(&["RS256"]), AlgorithmSet::EMPTY),
        ("EC", "P-384", None, AlgorithmSet::ALL, set(&["ES384"])),
        ("EC, not allowed", "P-384", None, set(&["ES256", "EdDSA"]), AlgorithmSet::EMPTY),
        ("either name", "Ed25519", None, AlgorithmSet::ALL, set(&["EdDSA", "Ed25519"])),
        ("old name in the JWK", "Ed25519", Some("EdDSA"), AlgorithmSet::ALL, set(&["EdDSA", "Ed25519"])),
        ("new name in the JWK", "Ed25519", Some("Ed25519"), AlgorithmSet::ALL, set(&["EdDSA", "Ed25519"])),
        ("names are allowed one by one", "Ed25519", Some("EdDSA"), set(&["Ed25519"]), set(&["Ed25519"])),
        ("nothing allowed", "RSA", None, AlgorithmSet::EMPTY, AlgorithmSet::EMPTY),
    ] {
        let made = VerifyingKey::new(&with_alg(&vectors, key, alg), allowed);
        match made {
            Ok(made) if AVAILABLE => {
                let fitting = AlgorithmSet::ALL.iter().filter(|algorithm| made.fits(*algorithm));
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
fn a_key_verifies_with_its_own_algorithms_only() {
    let vectors = Vectors::read();
    let message = vectors.message.as_bytes();
    for vector in &vectors.signatures {
        let (algorithm, signature) = (vector.algorithm(), vector.octets());
        let free = VerifyingKey::new(&vectors.key(&vector.key), AlgorithmSet::ALL).unwrap();
        assert_eq!(free.verify(algorithm, message, &signature), Ok(()), "{algorithm}");
        // A good signature by an algorithm that the JWK does not name (RFC 8725 section 3.1).
        for other in vectors.key(&vector.key).material.algorithms().iter() {
            if other.fully_specified() == algorithm.fully_specified() {
                continue;
            }
            let tied = with_alg(&vectors, &vector.key, Some(other.as_str()));
            let tied = VerifyingKey::new(&tied, AlgorithmSet::ALL).unwrap();
            for said in [algorithm, other] {
                let verdict = tied.verify(said, message, &signature);
                assert_eq!(verdict, Err(SignatureMismatch), "{algorithm} under a key for {other}");
            }
        }
        let others = AlgorithmSet::ALL.iter().filter(|other| *other != algorithm).collect();
        if let Ok(forbidden) = VerifyingKey::new(&vectors.key(&vector.key), others) {
            assert!(!forbidden.fits(algorithm));
            assert_eq!(
                forbidden.verify(algorithm, message, &signature),
                Err(SignatureMismatch),
                "{algorithm}"
            );
        }
    }
}

#[test]
fn a_point_off_its_curve_is_no_verifying_key() {
    let vectors = Vectors::read();
    let x = &vectors.keys["P-256"]["x"];
    let jwk = parse(&json!({"kty": "EC", "crv": "P-256", "x": x, "y": x})).unwrap();
    assert_eq!(VerifyingKey::new(&jwk, AlgorithmSet::ALL).err(), Some(JwkFault::MaterialInvalid));
}
