//! One suite for the keys of every backend of the build.

use super::SigningKey;
use crate::crypto::tests::private_keys::{self, der, pem_for};
use crate::crypto::{Algorithm, AlgorithmSet, Jwk, SignatureMismatch, VerifyingKey};

/// What a key read from PKCS#8 signs; `None` when the backend does not take the key.
type Signer = fn(Algorithm, &[u8], &[u8]) -> Option<Vec<u8>>;

/// Every backend of this build.
const BACKENDS: &[(&str, Signer)] = &[
    #[cfg(feature = "aws-lc-rs")]
    ("aws-lc-rs", |algorithm, der, message| {
        Some(super::aws_lc_rs::SecretKey::from_pkcs8(algorithm, der)?.sign(message).unwrap())
    }),
    #[cfg(feature = "rust-crypto")]
    ("rust-crypto", |algorithm, der, message| {
        Some(super::rust_crypto::SecretKey::from_pkcs8(algorithm, der)?.sign(message).unwrap())
    }),
];

fn public(key: &SigningKey) -> VerifyingKey {
    let jwk = Jwk::parse(key.public_jwk("a").to_string().as_bytes()).unwrap();
    assert_eq!((jwk.kid.as_deref(), jwk.alg), (Some("a"), Some(key.algorithm())));
    VerifyingKey::new(&jwk, AlgorithmSet::ALL).unwrap()
}

fn assert_refused(name: &str, algorithm: Algorithm, der: &[u8]) {
    for (backend, sign) in BACKENDS {
        assert_eq!(sign(algorithm, der, b"message"), None, "{backend} {algorithm} {name}");
    }
}

#[test]
fn a_key_of_another_kind_or_curve_is_none_for_the_algorithm() {
    for algorithm in AlgorithmSet::ALL.iter() {
        for other in AlgorithmSet::ALL.iter().map(pem_for).filter(|pem| *pem != pem_for(algorithm)) {
            assert_refused(other, algorithm, &der(other));
        }
        assert_refused("id-RSASSA-PSS", algorithm, &der(private_keys::RSA_PSS_2048));
        assert_refused("secp256k1", algorithm, &der(private_keys::SECP256K1));
        assert_refused("the public half", algorithm, &der(private_keys::PUBLIC));
    }
}

#[test]
fn rsa_of_less_than_2048_bits_is_refused() {
    for algorithm in [Algorithm::RS256, Algorithm::PS512] {
        assert_refused("1024 bits", algorithm, &der(private_keys::RSA_1024));
    }
}

#[test]
fn what_is_no_pkcs8_is_refused() {
    for algorithm in AlgorithmSet::ALL.iter() {
        let good = der(pem_for(algorithm));
        assert_refused("empty", algorithm, b"");
        assert_refused("text", algorithm, pem_for(algorithm).as_bytes());
        assert_refused("cut short", algorithm, &good[..good.len() - 1]);
    }
    assert_refused("PKCS#1", Algorithm::RS256, &der(private_keys::PKCS1));
    assert_refused("SEC 1", Algorithm::ES256, &der(private_keys::SEC1));
    assert_refused("encrypted", Algorithm::Ed25519, &der(private_keys::ENCRYPTED));
}

#[test]
fn a_public_half_that_belongs_to_another_key_is_refused() {
    for algorithm in [Algorithm::ES256, Algorithm::ES384, Algorithm::ES512] {
        let mut der = der(pem_for(algorithm));
        *der.last_mut().unwrap() ^= 1;
        assert_refused("another point", algorithm, &der);
    }
}

#[test]
fn what_a_key_of_any_algorithm_signs_its_public_half_verifies() {
    for algorithm in AlgorithmSet::ALL.iter() {
        let key = SigningKey::generate(algorithm);
        let (public, signature) = (public(&key), key.sign(b"message").unwrap());
        assert_eq!(public.verify(algorithm, b"message", &signature), Ok(()), "{algorithm}");
        assert_eq!(public.verify(algorithm, b"Message", &signature), Err(SignatureMismatch), "{algorithm}");
    }
}

#[test]
fn a_key_written_by_openssl_signs_in_every_backend() {
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
fn the_secret_half_shows_nowhere() {
    let key = SigningKey::generate(Algorithm::Ed25519);
    assert_eq!(format!("{key:?}"), "SigningKey { algorithm: Ed25519, .. }");
    assert!(key.public_jwk("a").get("d").is_none());
}
