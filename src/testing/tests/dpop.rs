//! The keys and proofs of DPoP clients.

use std::time::Duration;

use serde_json::{Map, json};

use super::*;
use crate::crypto::{Algorithm, AlgorithmSet, Jwk, VerifyingKey};
use crate::jwt::compact::Compact;
use crate::testing::{DpopKey, ProofBuilder};

const URL: &str = "https://api.example.com/me";

fn members(octets: &[u8]) -> Map<String, Value> {
    serde_json::from_slice(octets).unwrap()
}

/// The header and the claims of a proof.
fn parts(proof: &str) -> (Map<String, Value>, Map<String, Value>) {
    let proof = Compact::parse(proof).unwrap();
    (members(&proof.header().unwrap()), members(proof.claims().unwrap().as_bytes()))
}

fn claims(proof: &ProofBuilder) -> Map<String, Value> {
    parts(&proof.sign()).1
}

/// Whether the key in the header of a proof has signed it.
fn is_verified(proof: &str) -> bool {
    let (header, _) = parts(proof);
    let jwk = Jwk::parse(header["jwk"].to_string().as_bytes()).unwrap();
    let algorithm = Algorithm::parse(header["alg"].as_str().unwrap()).unwrap();
    let proof = Compact::parse(proof).unwrap();
    let key = VerifyingKey::new(&jwk, AlgorithmSet::ALL).unwrap();
    key.verify(algorithm, proof.signing_input(), &proof.signature().unwrap()).is_ok()
}

#[test]
fn a_proof_has_the_required_parts_and_the_signature_of_its_key_with_every_algorithm() {
    let idp = TestIssuer::new();
    for algorithm in AlgorithmSet::ALL.iter() {
        let key = DpopKey::with_algorithm(algorithm).clock(idp.clock());
        let proof = key.proof("GET", URL).sign();
        assert!(is_verified(&proof), "{algorithm}");
        let (header, mut claims) = parts(&proof);
        let expected = json!({"typ": "dpop+jwt", "alg": algorithm.as_str(), "jwk": key.jwk()});
        assert_eq!(Value::Object(header), expected, "{algorithm}");
        assert!(claims.remove("jti").is_some_and(|jti| jti.is_string()));
        let expected = json!({"htm": "GET", "htu": URL, "iat": idp.state.now()});
        assert_eq!(Value::Object(claims), expected, "{algorithm}");
    }
}

#[test]
fn the_jwk_of_a_key_has_the_required_members_only() {
    for (algorithm, expected) in [
        (Algorithm::ES256, &["crv", "kty", "x", "y"][..]),
        (Algorithm::Ed25519, &["crv", "kty", "x"]),
        (Algorithm::RS256, &["e", "kty", "n"]),
    ] {
        let jwk = DpopKey::with_algorithm(algorithm).jwk();
        let mut names: Vec<_> = jwk.as_object().unwrap().keys().collect();
        names.sort();
        assert_eq!(names, expected);
    }
}

#[test]
fn the_url_of_a_proof_has_no_query_and_no_fragment() {
    let key = DpopKey::new();
    for suffix in ["", "?a=b", "#c", "?a=b#c", "#c?a=b", "?"] {
        assert_eq!(claims(&key.proof("GET", &format!("{URL}{suffix}")))["htu"], URL, "{suffix}");
    }
}

#[test]
fn each_proof_of_a_key_and_its_clones_has_its_own_jti_and_each_signature_of_a_proof_the_same() {
    let key = DpopKey::new();
    let (one, two, three) =
        (key.proof("GET", URL), key.clone().proof("GET", URL), key.clock(TestIssuer::new().clock()));
    let jti = |proof: &ProofBuilder| claims(proof)["jti"].clone();
    let all = [jti(&one), jti(&two), jti(&three.proof("GET", URL))];
    assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2], "{all:?}");
    assert_eq!(jti(&one), all[0]);
}

#[test]
fn the_time_of_a_proof_is_that_of_the_clock_of_its_issuer() {
    let idp = TestIssuer::new();
    let key = idp.dpop_key();
    let iat = |proof: ProofBuilder| claims(&proof)["iat"].as_u64().unwrap();
    let before = iat(key.proof("GET", URL));
    idp.clock().advance(Duration::from_secs(1000));
    assert_eq!(iat(key.proof("GET", URL)), before + 1000);
    assert_eq!(iat(key.proof("GET", URL).issued_ago(Duration::from_millis(60_900))), before + 940);
    assert_eq!(iat(key.proof("GET", URL).issued_ahead(Duration::from_secs(60))), before + 1060);
}

#[test]
fn a_proof_can_be_changed_in_every_part() {
    let proof = DpopKey::new().proof("GET", URL);
    // The example of RFC 9449 section 7.1.
    let token = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
    assert_eq!(claims(&proof.clone().token(token))["ath"], "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
    assert_eq!(claims(&proof.clone().nonce("n"))["nonce"], "n");
    assert_eq!(claims(&proof.clone().claim("jti", 1))["jti"], 1);
    assert!(!claims(&proof.clone().token(token).without("ath")).contains_key("ath"));
    assert_eq!(parts(&proof.clone().header("typ", "JWT").sign()).0["typ"], "JWT");
    assert!(!parts(&proof.clone().header("jwk", Value::Null).sign()).0.contains_key("jwk"));
    let [first, last] = [proof.sign_header("{"), proof.sign_claims("}")];
    assert_eq!(Compact::parse(&first).unwrap().header().unwrap(), b"{");
    assert_eq!(Compact::parse(&last).unwrap().claims().unwrap(), "}");
}

#[test]
fn a_proof_that_another_key_signs_keeps_its_header_and_does_not_verify() {
    let (key, other) = (DpopKey::new(), DpopKey::new());
    let forged = key.proof("GET", URL).signed_by(&other).sign();
    assert_eq!(parts(&forged).0["jwk"], key.jwk());
    assert!(!is_verified(&forged));
}

#[test]
fn a_request_has_the_method_the_url_the_token_and_the_proof() {
    let proof = DpopKey::new().proof(http::Method::PUT, "https://api.example.com/me?a=b").claim("htm", "GET");
    let without_token = proof.request().body(()).unwrap();
    assert!(!without_token.headers().contains_key(AUTHORIZATION));
    let request = proof.token("abc").request().body(()).unwrap();
    assert_eq!(
        (request.method(), request.uri().to_string().as_str()),
        (&http::Method::PUT, "https://api.example.com/me?a=b")
    );
    assert_eq!(request.headers()[AUTHORIZATION], "DPoP abc");
    let sent = request.headers()["dpop"].to_str().unwrap();
    assert!(is_verified(sent));
    assert_eq!(parts(sent).1["htm"], "GET");
}

#[test]
fn debug_of_keys_and_proofs_shows_no_private_key_no_token_and_no_url() {
    let key = DpopKey::new();
    let thumbprint = key.thumbprint();
    let shown = format!(r#"DpopKey {{ algorithm: ES256, thumbprint: "{thumbprint}", .. }}"#);
    assert_eq!(format!("{key:?}"), shown);
    let proof = key.proof("GET", URL).token("abc");
    assert_eq!(format!("{proof:?}"), format!(r#"ProofBuilder {{ signer: {shown}, method: "GET", .. }}"#));
}
