//! What every backend takes and refuses (RFC 7518 sections 3.3 to 3.5, RFC 8037 section 3.1).

use super::*;

#[test]
fn a_good_signature_of_every_algorithm_is_taken() {
    let vectors = Vectors::read();
    for (backend, judge) in BACKENDS {
        for vector in &vectors.signatures {
            let key = vectors.key(&vector.key).material;
            let verdict = judge(&key, vector.algorithm(), vectors.message.as_bytes(), &vector.octets());
            assert_eq!(verdict, Some(true), "{backend} {}", vector.alg);
        }
    }
    assert_eq!(vectors.signatures.len(), AlgorithmSet::ALL.iter().count());
}

#[test]
fn the_examples_of_the_rfcs_are_taken() {
    for (backend, judge) in BACKENDS {
        for example in Vectors::read().rfc {
            let algorithm = Algorithm::parse(&example.alg).unwrap();
            let signature = base64url::decode(&example.signature).unwrap();
            let key = parse(&example.jwk).unwrap().material;
            let verdict = judge(&key, algorithm, example.message.as_bytes(), &signature);
            assert_eq!(verdict, Some(true), "{backend} {}", example.name);
        }
    }
}

#[test]
fn a_changed_message_or_signature_is_refused() {
    let vectors = Vectors::read();
    let message = vectors.message.as_bytes();
    for (backend, judge) in BACKENDS {
        for vector in &vectors.signatures {
            let (key, algorithm, good) =
                (vectors.key(&vector.key).material, vector.algorithm(), vector.octets());
            let refused = |name: &str, message: &[u8], signature: &[u8]| {
                let verdict = judge(&key, algorithm, message, signature);
                assert_eq!(verdict, Some(false), "{backend} {algorithm} {name}");
            };
            refused("another message", b"header.Payload", &good);
            refused("no message", b"", &good);
            for place in [0, good.len() / 2, good.len() - 1] {
                let mut bad = good.clone();
                bad[place] ^= 1;
                refused("a bit flipped", message, &bad);
            }
            refused("no signature", message, b"");
            refused("an octet short", message, &good[1..]);
            refused("an octet short at the end", message, &good[..good.len() - 1]);
            refused("an octet more", message, &[&good[..], &[0]].concat());
            refused("a leading zero octet", message, &[&[0], &good[..]].concat());
            refused("all ones", message, &vec![0xff; good.len()]);
            refused("all zero", message, &vec![0; good.len()]);
        }
    }
}

#[test]
fn signatures_that_other_libraries_were_caught_taking_are_refused() {
    let vectors = Vectors::read();
    for (backend, judge) in BACKENDS {
        for vector in &vectors.refused {
            let key = vectors.key(&vector.key).material;
            let verdict = judge(&key, vector.algorithm(), vectors.message.as_bytes(), &vector.octets());
            assert_eq!(verdict, Some(false), "{backend} {} {}", vector.alg, vector.name);
        }
    }
}

#[test]
fn a_signature_of_another_algorithm_is_refused() {
    let vectors = Vectors::read();
    for (backend, judge) in BACKENDS {
        for vector in &vectors.signatures {
            let key = vectors.key(&vector.key).material;
            for other in AlgorithmSet::ALL.iter() {
                let verdict = judge(&key, other, vectors.message.as_bytes(), &vector.octets());
                let same = other.fully_specified() == vector.algorithm().fully_specified();
                let expected = key.algorithms().contains(other).then_some(same);
                assert_eq!(verdict, expected, "{backend} {} as {other}", vector.alg);
            }
        }
    }
}

#[test]
fn a_point_off_its_curve_is_no_key() {
    let vectors = Vectors::read();
    for (backend, judge) in BACKENDS {
        for (name, algorithm) in
            [("P-256", Algorithm::ES256), ("P-384", Algorithm::ES384), ("P-521", Algorithm::ES512)]
        {
            let KeyMaterial::Ec { curve, x, y } = vectors.key(name).material else { panic!("{name}") };
            let (zero, ones) = (vec![0; x.len()].into_boxed_slice(), vec![0xff; x.len()].into_boxed_slice());
            for (case, x, y) in [
                ("x twice", &x, &x),
                ("y before x", &y, &x),
                ("the origin", &zero, &zero),
                ("over the field", &ones, &ones),
                ("y over the field", &x, &ones),
            ] {
                let off = KeyMaterial::Ec { curve, x: x.clone(), y: y.clone() };
                assert_eq!(judge(&off, algorithm, b"", b""), None, "{backend} {name} {case}");
            }
        }
    }
}

#[test]
fn rsa_keys_of_3072_and_8192_bits_are_taken() {
    for (backend, judge) in BACKENDS {
        for octets in [384, 1024] {
            let n: Box<[u8]> = vec![0xff; octets].into();
            let key = KeyMaterial::Rsa { n, e: vec![1, 0, 1].into() };
            assert_eq!(
                judge(&key, Algorithm::RS256, b"", &vec![1; octets]),
                Some(false),
                "{backend} {octets}"
            );
        }
    }
}
