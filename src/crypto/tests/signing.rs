//! One test suite for the private keys of every backend.

use super::private_keys::{self, der, pem_for};
use crate::crypto::{self, Algorithm, AlgorithmSet, Jwk, SignatureMismatch, SigningKey, VerifyingKey};

/// Signs with a key read from PKCS#8. `None` if the backend rejects the key.
type Sign = fn(Algorithm, &[u8], &[u8]) -> Option<Vec<u8>>;

/// Every backend of this build.
const BACKENDS: &[(&str, Sign)] = &[
    #[cfg(feature = "aws-lc-rs")]
    ("aws-lc-rs", |algorithm, der, message| {
        Some(crypto::aws_lc_rs::SecretKey::from_pkcs8(algorithm, der)?.sign(message).unwrap())
    }),
    #[cfg(feature = "rust-crypto")]
    ("rust-crypto", |algorithm, der, message| {
        Some(crypto::rust_crypto::SecretKey::from_pkcs8(algorithm, der)?.sign(message).unwrap())
    }),
];

fn public(key: &SigningKey) -> VerifyingKey {
    let jwk = Jwk::parse(key.public_jwk("a").to_string().as_bytes()).unwrap();
    assert_eq!((jwk.kid.as_deref(), jwk.alg), (Some("a"), Some(key.algorithm())));
    VerifyingKey::new(&jwk, AlgorithmSet::ALL).unwrap()
}

fn assert_rejected(name: &str, algorithm: Algorithm, der: &[u8]) {
    for (backend, sign) in BACKENDS {
        assert_eq!(sign(algorithm, der, b"message"), None, "{backend} {algorithm} {name}");
    }
}

#[test]
fn a_key_of_another_type_or_curve_is_rejected() {
    for algorithm in AlgorithmSet::ALL.iter() {
        for other in AlgorithmSet::ALL.iter().map(pem_for).filter(|pem| *pem != pem_for(algorithm)) {
            assert_rejected(other, algorithm, &der(other));
        }
        assert_rejected("id-RSASSA-PSS", algorithm, &der(private_keys::RSA_PSS_2048));
        assert_rejected("secp256k1", algorithm, &der(private_keys::SECP256K1));
        assert_rejected("the public key", algorithm, &der(private_keys::PUBLIC));
    }
}

#[test]
fn an_rsa_key_with_under_2048_bits_is_rejected() {
    for algorithm in [Algorithm::RS256, Algorithm::PS512] {
        assert_rejected("1024 bits", algorithm, &der(private_keys::RSA_1024));
    }
}

#[test]
fn anything_but_pkcs8_is_rejected() {
    for algorithm in AlgorithmSet::ALL.iter() {
        let valid = der(pem_for(algorithm));
        assert_rejected("empty", algorithm, b"");
        assert_rejected("text", algorithm, pem_for(algorithm).as_bytes());
        assert_rejected("truncated", algorithm, &valid[..valid.len() - 1]);
    }
    assert_rejected("PKCS#1", Algorithm::RS256, &der(private_keys::PKCS1));
    assert_rejected("SEC 1", Algorithm::ES256, &der(private_keys::SEC1));
    assert_rejected("encrypted", Algorithm::Ed25519, &der(private_keys::ENCRYPTED));
}

#[test]
fn a_key_with_the_public_key_of_another_is_rejected() {
    for algorithm in [Algorithm::ES256, Algorithm::ES384, Algorithm::ES512] {
        let mut der = der(pem_for(algorithm));
        *der.last_mut().unwrap() ^= 1;
        assert_rejected("another point", algorithm, &der);
    }
}

#[test]
fn the_public_key_verifies_signatures_of_every_algorithm() {
    for algorithm in AlgorithmSet::ALL.iter() {
        let key = SigningKey::generate(algorithm);
        let (public, signature) = (public(&key), key.sign(b"message").unwrap());
        assert_eq!(public.verify(algorithm, b"message", &signature), Ok(()), "{algorithm}");
        assert_eq!(public.verify(algorithm, b"Message", &signature), Err(SignatureMismatch), "{algorithm}");
    }
}

#[test]
fn a_key_made_by_openssl_signs_in_every_backend() {
    for algorithm in AlgorithmSet::ALL.iter() {
        let der = der(pem_for(algorithm));
        let public = public(&SigningKey::from_pkcs8(algorithm, &der).unwrap());
        for (backend, sign) in BACKENDS {
            let signature = sign(algorithm, &der, b"message").unwrap();
            assert_eq!(public.verify(algorithm, b"message", &signature), Ok(()), "{backend} {algorithm}");
        }
    }
}

#[test]
fn debug_and_the_public_jwk_show_no_private_key() {
    let key = SigningKey::generate(Algorithm::Ed25519);
    assert_eq!(format!("{key:?}"), "SigningKey { algorithm: Ed25519, .. }");
    assert!(key.public_jwk("a").get("d").is_none());
}
