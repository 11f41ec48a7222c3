//! The digest and the randomness of every backend.

use super::*;

/// The names of the backends, what digests in them and what is random.
type Octets = (&'static str, fn(&[&[u8]]) -> [u8; 32], fn() -> Option<[u8; 16]>);

const OCTETS: &[Octets] = &[
    #[cfg(feature = "aws-lc-rs")]
    ("aws-lc-rs", aws_lc_rs::sha256, aws_lc_rs::random),
    #[cfg(feature = "rust-crypto")]
    ("rust-crypto", rust_crypto::sha256, rust_crypto::random),
];

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

#[test]
fn the_digests_are_those_of_fips_180() {
    for (backend, sha256, _) in OCTETS {
        // The examples that NIST publishes for SHA-256: "abc", and one of two blocks.
        for (pieces, expected) in [
            (&[] as &[&str], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            (&["abc"], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (&["", "a", "bc"], "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (
                &["abcdbcdecdefdefgefghfghighijhijk", "ijkljklmklmnlmnomnopnopq"],
                "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
            ),
        ] {
            let octets: Vec<&[u8]> = pieces.iter().map(|piece| piece.as_bytes()).collect();
            assert_eq!(hex(&sha256(&octets)), expected, "{backend} {pieces:?}");
        }
    }
}

#[test]
fn random_bits_are_others_each_time() {
    for (backend, _, random) in OCTETS {
        let seen: std::collections::HashSet<_> = (0..100).map(|_| random().unwrap()).collect();
        assert_eq!(seen.len(), 100, "{backend}");
    }
}
