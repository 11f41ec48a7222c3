//! SHA-256, HMAC and random numbers of every backend.

use super::*;

/// The name, `sha256` and `random` of a backend.
type Functions = (&'static str, fn(&[&[u8]]) -> [u8; 32], fn() -> Option<[u8; 16]>);

const BACKENDS: &[Functions] = &[
    #[cfg(feature = "aws-lc-rs")]
    ("aws-lc-rs", aws_lc_rs::sha256, aws_lc_rs::random),
    #[cfg(feature = "rust-crypto")]
    ("rust-crypto", rust_crypto::sha256, rust_crypto::random),
];

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[test]
fn sha256_matches_the_examples_of_nist() {
    for (backend, sha256, _) in BACKENDS {
        // The examples of NIST for SHA-256: the empty message, "abc", and a message of two blocks.
        for (parts, expected) in [
            (&[] as &[&str], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (&["abc"], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (&["", "a", "bc"], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                &["abcdbcdecdefdefgefghfghighijhijk", "ijkljklmklmnlmnomnopnopq"],
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
            ),
        ] {
            let octets: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
            assert_eq!(hex(&sha256(&octets)), expected, "{backend} {parts:?}");
        }
    }
}

#[test]
fn random_bits_differ_on_every_call() {
    for (backend, _, random) in BACKENDS {
        let seen: std::collections::HashSet<_> = (0..100).map(|_| random().unwrap()).collect();
        assert_eq!(seen.len(), 100, "{backend}");
    }
}

/// The name and `hmac` of a backend.
type Hmac = (&'static str, fn(HmacAlgorithm, &[u8], &[u8]) -> Option<Vec<u8>>);

const HMACS: &[Hmac] = &[
    #[cfg(feature = "aws-lc-rs")]
    ("aws-lc-rs", aws_lc_rs::hmac),
    #[cfg(feature = "rust-crypto")]
    ("rust-crypto", rust_crypto::hmac),
];

#[test]
fn hmac_matches_test_cases_2_and_6_of_rfc_4231() {
    let long_key = [0xaa; 131];
    let long = b"Test Using Larger Than Block-Size Key - Hash Key First";
    for (backend, hmac) in HMACS {
        for (algorithm, key, message, expected) in [
            (
                HmacAlgorithm::HS256,
                &b"Jefe"[..],
                &b"what do ya want for nothing?"[..],
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
            ),
            (
                HmacAlgorithm::HS384,
                b"Jefe",
                b"what do ya want for nothing?",
                "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e\
                 8e2240ca5e69e2c78b3239ecfab21649",
            ),
            (
                HmacAlgorithm::HS512,
                b"Jefe",
                b"what do ya want for nothing?",
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554\
                 9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
            ),
            (
                HmacAlgorithm::HS256,
                &long_key,
                long,
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
        ] {
            assert_eq!(hex(&hmac(algorithm, key, message).unwrap()), expected, "{backend} {algorithm}");
        }
    }
}
