//! The keys of clients, and the thumbprints that tokens name them by (RFC 7638, RFC 9449 section 6).

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tower_bearer::Algorithm;
use tower_bearer::RejectionKind::{
    ProofAlgorithmNotAllowed, ProofKeyMismatch, ProofMalformed, ProofSignatureMismatch,
};
use tower_bearer::testing::DpopKey;

use crate::support::dpop::{DpopApi, request_of};
use crate::support::keys::encode;
use crate::support::protected::{ACCEPTED, Outcome, anonymous};

/// The modulus in RFC 7638 section 3.1.
const MODULUS: &str = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJE\
    CPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2Q\
    vzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6\
    WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";

#[tokio::test(start_paused = true)]
async fn keys_of_every_kind_sign_proofs() {
    use Algorithm::{ES256, ES384, ES512, Ed25519, EdDSA, PS256, RS256};
    let api = DpopApi::new();
    for algorithm in [ES256, ES384, ES512, EdDSA, Ed25519, RS256, PS256] {
        let client = api.called_with(DpopKey::with_algorithm(algorithm).clock(api.idp.clock()));
        let token = client.token();
        for _ in 0..2 {
            assert_eq!(client.outcome_of(&client.proof(&token)).await, ACCEPTED, "{algorithm}");
        }
        let forged = client.proof(&token).signed_by(&api.key);
        assert_eq!(client.outcome_of(&forged).await, Err(ProofSignatureMismatch), "{algorithm}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_algorithm_that_is_not_allowed_is_rejected_and_not_in_algs() {
    let api = DpopApi::with(|dpop| dpop.algorithms([Algorithm::ES384, Algorithm::PS256]));
    let allowed = api.called_with(DpopKey::with_algorithm(Algorithm::ES384).clock(api.idp.clock()));
    let token = allowed.token();
    assert_eq!(allowed.outcome_of(&allowed.proof(&token)).await, ACCEPTED);
    let response = api.get(&api.token()).await;
    assert_eq!(response.rejection().unwrap().kind(), ProofAlgorithmNotAllowed);
    assert_eq!(response.challenges()[1].param("algs"), Some("PS256 ES384"));
    let default = DpopApi::new();
    let response = default.api.send(anonymous("GET")).await;
    let algs = "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519";
    assert_eq!(response.challenges()[1].param("algs"), Some(algs));
}

/// The outcome of a proof with the public key of somebody else, for a token that is bound to it.
async fn outcome_with(jwk: Value, algorithm: &str, jkt: &str) -> Outcome {
    let api = DpopApi::new();
    let token = api.unsigned_token().claim("cnf", json!({"jkt": jkt})).sign();
    let proof = api.proof(&token).header("jwk", jwk).header("alg", algorithm);
    api.outcome(request_of(&proof)).await
}

/// The signature is checked only if the token is bound to the key.
#[tokio::test(start_paused = true)]
async fn the_thumbprints_of_the_rfcs_are_those_of_their_keys() {
    let rsa = json!({"kty": "RSA", "n": MODULUS, "e": "AQAB"});
    let ed25519 = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    let p256 = json!({
        "kty": "EC", "crv": "P-256",
        "x": "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
        "y": "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
    });
    let other = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for (name, jwk, algorithm, jkt) in [
        ("RFC 7638 section 3.1", rsa, "RS256", "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"),
        ("RFC 8037 appendix A.3", ed25519, "Ed25519", "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"),
        ("RFC 9449 section 6.1", p256, "ES256", "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"),
    ] {
        let bound = outcome_with(jwk.clone(), algorithm, jkt).await;
        assert_eq!(bound, Err(ProofSignatureMismatch), "{name}");
        let unbound = outcome_with(jwk.clone(), algorithm, other).await;
        assert_eq!(unbound, Err(ProofKeyMismatch), "{name}");
        // Optional members are not part of a thumbprint.
        let mut more = jwk;
        more["kid"] = json!("1");
        more["use"] = json!("sig");
        assert_eq!(outcome_with(more, algorithm, jkt).await, Err(ProofSignatureMismatch), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_no_issuer_may_publish_signs_no_proof() {
    let api = DpopApi::new();
    let jkt = api.key.thumbprint();
    for (name, jwk, algorithm) in [
        ("RSA with 1024 bits", json!({"kty": "RSA", "n": encode([0xff; 128]), "e": "AQAB"}), "RS256"),
        ("RSA with 16 Kibit", json!({"kty": "RSA", "n": encode([0xff; 2048]), "e": "AQAB"}), "RS256"),
        ("RSA with an even exponent", json!({"kty": "RSA", "n": MODULUS, "e": "Ag"}), "RS256"),
        ("an unknown curve", json!({"kty": "EC", "crv": "secp256k1", "x": "AQ", "y": "AQ"}), "ES256"),
        ("an unknown type", json!({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AQ"}), "ES256"),
        ("no type", json!({"crv": "P-256"}), "ES256"),
    ] {
        let outcome = outcome_with(jwk, algorithm, &jkt).await;
        assert_eq!(outcome, Err(ProofMalformed), "{name}");
    }
    let mut off_curve = api.key.jwk();
    off_curve["y"] = json!(encode([1; 32]));
    // The text has the members of a thumbprint in their order.
    let jkt = encode(Sha256::digest(off_curve.to_string()));
    let outcome = outcome_with(off_curve, "ES256", &jkt).await;
    assert_eq!(outcome, Err(ProofMalformed), "a point that is not on the curve");
}
