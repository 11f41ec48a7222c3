//! The signatures and keys that every backend accepts and rejects (RFC 7518 sections 3.3 to 3.5, RFC 8037
//! section 3.1).

use super::*;

#[test]
fn a_valid_signature_of_every_algorithm_is_accepted() {
    let vectors = Vectors::read();
    for (backend, verify) in BACKENDS {
        for vector in &vectors.signatures {
            let key = vectors.key(&vector.key).material;
            let accepted = verify(&key, vector.algorithm(), vectors.message.as_bytes(), &vector.octets());
            assert_eq!(accepted, Some(true), "{backend} {}", vector.alg);
        }
    }
    assert_eq!(vectors.signatures.len(), AlgorithmSet::ALL.iter().count());
}

#[test]
fn the_examples_of_the_rfcs_are_accepted() {
    for (backend, verify) in BACKENDS {
        for example in Vectors::read().rfc {
            let algorithm = Algorithm::parse(&example.alg).unwrap();
            let signature = base64url::decode(&example.signature).unwrap();
            let key = parse(&example.jwk).unwrap().material;
            let accepted = verify(&key, algorithm, example.message.as_bytes(), &signature);
            assert_eq!(accepted, Some(true), "{backend} {}", example.name);
        }
    }
}

#[test]
fn a_changed_message_or_signature_is_rejected() {
    let vectors = Vectors::read();
    let message = vectors.message.as_bytes();
    for (backend, verify) in BACKENDS {
        for vector in &vectors.signatures {
            let (key, algorithm, good) =
                (vectors.key(&vector.key).material, vector.algorithm(), vector.octets());
            let assert_rejected = |name: &str, message: &[u8], signature: &[u8]| {
                let accepted = verify(&key, algorithm, message, signature);
                assert_eq!(accepted, Some(false), "{backend} {algorithm} {name}");
            };
            assert_rejected("another message", b"header.Payload", &good);
            assert_rejected("no message", b"", &good);
            for place in [0, good.len() / 2, good.len() - 1] {
                let mut bad = good.clone();
                bad[place] ^= 1;
                assert_rejected("one bit flipped", message, &bad);
            }
            assert_rejected("no signature", message, b"");
            assert_rejected("first octet missing", message, &good[1..]);
            assert_rejected("last octet missing", message, &good[..good.len() - 1]);
            assert_rejected("an extra octet", message, &[&good[..], &[0]].concat());
            assert_rejected("a leading zero octet", message, &[&[0], &good[..]].concat());
            assert_rejected("only ones", message, &vec![0xff; good.len()]);
            assert_rejected("only zeros", message, &vec![0; good.len()]);
        }
    }
}

#[test]
fn forged_signatures_that_other_libraries_accepted_are_rejected() {
    let vectors = Vectors::read();
    for (backend, verify) in BACKENDS {
        for vector in &vectors.rejected {
            let key = vectors.key(&vector.key).material;
            let accepted = verify(&key, vector.algorithm(), vectors.message.as_bytes(), &vector.octets());
            assert_eq!(accepted, Some(false), "{backend} {} {}", vector.alg, vector.name);
        }
    }
}

#[test]
fn a_signature_of_another_algorithm_is_rejected() {
    let vectors = Vectors::read();
    for (backend, verify) in BACKENDS {
        for vector in &vectors.signatures {
            let key = vectors.key(&vector.key).material;
            for other in AlgorithmSet::ALL.iter() {
                let accepted = verify(&key, other, vectors.message.as_bytes(), &vector.octets());
                let same = other.fully_specified() == vector.algorithm().fully_specified();
                let expected = key.algorithms().contains(other).then_some(same);
                assert_eq!(accepted, expected, "{backend} {} as {other}", vector.alg);
            }
        }
    }
}

#[test]
fn a_point_that_is_not_on_its_curve_is_rejected() {
    let vectors = Vectors::read();
    for (backend, verify) in BACKENDS {
        for (name, algorithm) in
            [("P-256", Algorithm::ES256), ("P-384", Algorithm::ES384), ("P-521", Algorithm::ES512)]
        {
            let KeyMaterial::Ec { curve, x, y } = vectors.key(name).material else { panic!("{name}") };
            let (zero, ones) = (vec![0; x.len()].into_boxed_slice(), vec![0xff; x.len()].into_boxed_slice());
            for (case, x, y) in [
                ("x as y", &x, &x),
                ("x and y swapped", &y, &x),
                ("the origin", &zero, &zero),
                ("coordinates above the field prime", &ones, &ones),
                ("y above the field prime", &x, &ones),
            ] {
                let key = KeyMaterial::Ec { curve, x: x.clone(), y: y.clone() };
                assert_eq!(verify(&key, algorithm, b"", b""), None, "{backend} {name} {case}");
            }
        }
    }
}

#[test]
fn rsa_keys_of_3072_and_8192_bits_are_accepted() {
    for (backend, verify) in BACKENDS {
        for octets in [384, 1024] {
            let n: Box<[u8]> = vec![0xff; octets].into();
            let key = KeyMaterial::Rsa { n, e: vec![1, 0, 1].into() };
            assert_eq!(
                verify(&key, Algorithm::RS256, b"", &vec![1; octets]),
                Some(false),
                "{backend} {octets}"
            );
        }
    }
}
