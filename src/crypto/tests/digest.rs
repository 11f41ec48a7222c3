//! SHA-256 and random numbers of every backend.

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
