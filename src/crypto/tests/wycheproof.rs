//! The public test vectors of Wycheproof, read from the folder in the environment variable `JOSE_VECTORS`.
//!
//! Does not run if the variable is not set.
//!
//! A vector with the result `acceptable` may be accepted or rejected.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::*;

#[test]
fn raw_signatures_match_the_results_of_wycheproof() {
    let Some(folder) = folder() else { return };
    for (file, alg) in [
        ("ecdsa_secp256r1_sha256_p1363_test.json", "ES256"),
        ("ecdsa_secp384r1_sha384_p1363_test.json", "ES384"),
        ("ecdsa_secp521r1_sha512_p1363_test.json", "ES512"),
        ("ed25519_test.json", "Ed25519"),
        ("rsa_signature_2048_sha256_test.json", "RS256"),
        ("rsa_pss_2048_sha256_mgf1_32_test.json", "PS256"),
    ] {
        let groups = groups(&folder, file);
        for (backend, verify) in BACKENDS {
            let checked = groups.iter().map(|group| check_group(*verify, group, alg)).sum::<usize>();
            println!("{backend} {file}: {checked} signatures match");
            assert!(checked > 50);
        }
    }
}

#[test]
fn key_sets_match_the_results_of_wycheproof() {
    let Some(folder) = folder() else { return };
    let mut checked = 0;
    for group in groups(&folder, "json_web_key_test.json") {
        let Some(keys) = group["public"]["keys"].as_array() else { continue };
        for test in group["tests"].as_array().unwrap() {
            // Deliberately not checked: a modulus with the ROCA weakness.
            if test["comment"] == "rejectsKeyWithRocaVulnerability" {
                continue;
            }
            let jws = test["jws"].as_str().unwrap();
            let accepted = keys.iter().any(|key| accepts(key, jws));
            assert_eq!(
                accepted,
                AVAILABLE && test["result"] == "valid",
                "{} {}",
                test["tcId"],
                test["comment"]
            );
            checked += 1;
        }
    }
    println!("{checked} key sets match");
    assert!(checked > 8);
}

fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("JOSE_VECTORS");
    if folder.is_none() {
        println!("skipped: JOSE_VECTORS is not set");
    }
    Some(PathBuf::from(folder?).join("wycheproof"))
}

fn groups(folder: &Path, file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(folder.join(file)).unwrap();
    let mut document: Value = serde_json::from_str(&text).unwrap();
    serde_json::from_value(document["testGroups"].take()).unwrap()
}

/// Checks the vectors of a group and returns their number. Panics at the first mismatch.
fn check_group(verify: Verify, group: &Value, alg: &str) -> usize {
    let algorithm = Algorithm::parse(alg).unwrap();
    let key = key_of(group, algorithm);
    let tests = group["tests"].as_array().unwrap();
    for test in tests {
        let (message, signature) = (octets(&test["msg"]), octets(&test["sig"]));
        let accepted = verify(&key, algorithm, &message, &signature).unwrap();
        let result = &test["result"];
        let matches = result == "acceptable" || accepted == (result == "valid");
        assert!(
            matches,
            "{alg} {} {}: accepted {accepted}, but expected {result}",
            test["tcId"], test["comment"]
        );
    }
    tests.len()
}

fn key_of(group: &Value, algorithm: Algorithm) -> KeyMaterial {
    let public = &group["publicKey"];
    let ec = |crv: &str, len: usize| {
        let [x, y] = ["wx", "wy"].map(|name| b64(&fixed(&octets(&public[name]), len)));
        json!({"kty": "EC", "crv": crv, "x": x, "y": y})
    };
    let number = |name: &str| b64(&octets(&public[name]));
    let jwk = match algorithm {
        Algorithm::ES256 => ec("P-256", 32),
        Algorithm::ES384 => ec("P-384", 48),
        Algorithm::ES512 => ec("P-521", 66),
        Algorithm::Ed25519 => json!({"kty": "OKP", "crv": "Ed25519", "x": number("pk")}),
        _ => json!({"kty": "RSA", "n": number("modulus"), "e": number("publicExponent")}),
    };
    parse(&jwk).unwrap().material
}

fn accepts(key: &Value, jws: &str) -> bool {
    let Ok(key) = parse(key).and_then(|jwk| VerifyingKey::new(&jwk, AlgorithmSet::ALL)) else { return false };
    let (message, signature) = jws.rsplit_once('.').unwrap();
    let header = base64url::decode(message.split('.').next().unwrap()).unwrap();
    let header: Value = serde_json::from_slice(&header).unwrap();
    let Some(algorithm) = Algorithm::parse(header["alg"].as_str().unwrap()) else { return false };
    key.verify(algorithm, message.as_bytes(), &base64url::decode(signature).unwrap()).is_ok()
}

fn b64(octets: &[u8]) -> String {
    base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, octets)
}

fn octets(hex: &Value) -> Vec<u8> {
    let hex = hex.as_str().unwrap().as_bytes();
    let digits = hex.chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    digits.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

/// Pads or truncates a coordinate to `len` octets: the vectors contain it as a signed number of any length.
fn fixed(number: &[u8], len: usize) -> Vec<u8> {
    let padded = [&vec![0; len], number].concat();
    padded[number.len()..].to_vec()
}
