//! A proof that differs from an accepted one in anything is rejected. The seeds are fixed.

use serde_json::json;
use sha2::{Digest, Sha256};
use tower_bearer::RejectionKind;
use tower_bearer::testing::ProofBuilder;

use crate::support::dpop::{DpopApi, URL, request};
use crate::support::keys::encode;
use crate::support::protected::{ACCEPTED, Outcome};

/// The characters of base64url, the separator, and some that a lax decoder may skip.
const CHARACTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ ~\t";

/// Only `jti` and `iat` may differ between two proofs for one request.
const FIXED: [&str; 3] = ["htm", "htu", "ath"];

#[tokio::test(start_paused = true)]
async fn a_proof_with_any_other_byte_is_rejected() {
    let api = DpopApi::new();
    let token = api.token();
    let mut random = fastrand::Rng::with_seed(9449);
    for number in 0..250 {
        let good = api.proof(&token).sign();
        let changed = changed(&good, CHARACTERS, &mut random);
        assert_rejected(api.outcome(request(&token, &changed)).await, &changed);
        if number % 50 == 0 {
            let outcome = api.outcome(request(&token, &good)).await;
            assert_eq!(outcome, ACCEPTED, "the changed proof has used nothing up");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_proof_without_or_with_additional_bytes_is_rejected() {
    let api = DpopApi::new();
    let token = api.token();
    let good = api.proof(&token).sign();
    let mut random = fastrand::Rng::with_seed(7515);
    for _ in 0..60 {
        let place = random.usize(0..good.len());
        let character = char::from(CHARACTERS[random.usize(0..CHARACTERS.len())]);
        let (start, end) = good.split_at(place);
        for changed in [format!("{start}{}", &end[1..]), format!("{start}{character}{end}"), start.to_owned()]
        {
            // The parser of HTTP has removed white space around a value.
            if changed.trim() != good {
                assert_rejected(api.outcome(request(&token, &changed)).await, &changed);
            }
        }
    }
    assert_eq!(api.outcome(request(&token, &good)).await, ACCEPTED);
}

/// The client signs each of them, so nothing is wrong but the claim.
#[tokio::test(start_paused = true)]
async fn a_proof_with_any_other_value_of_a_claim_is_rejected() {
    let api = DpopApi::new();
    let token = api.token();
    let mut random = fastrand::Rng::with_seed(3986);
    let ath = encode(Sha256::digest(&token));
    for name in FIXED {
        let good = match name {
            "htm" => "GET",
            "htu" => URL,
            _ => &ath,
        };
        let proof = || api.proof(&token);
        assert_eq!(api.outcome_of(&proof().claim(name, good)).await, ACCEPTED, "{name}");
        for _ in 0..50 {
            let value = changed(good, b"abcdefghijklmnopqrstuvwxyz0123456789", &mut random);
            assert_rejected(api.outcome_of(&proof().claim(name, &*value)).await, &value);
        }
        for value in [json!(null), json!(0), json!(false), json!([good]), json!({"": good}), json!("")] {
            let outcome = api.outcome_of(&proof().claim(name, value.clone())).await;
            assert_rejected(outcome, &value.to_string());
        }
        assert_rejected(api.outcome_of(&proof().without(name)).await, name);
    }
    let hex: String = Sha256::digest(&token).iter().map(|octet| format!("{octet:02x}")).collect();
    for value in [format!("{ath}="), format!("{ath}A"), ath[..42].to_owned(), hex] {
        assert_rejected(api.outcome_of(&api.proof(&token).claim("ath", &*value)).await, &value);
    }
}

/// RFC 9449 section 4.2.
#[tokio::test(start_paused = true)]
async fn a_proof_with_another_header_is_rejected() {
    let api = DpopApi::new();
    let token = api.token();
    let mut private = api.key.jwk();
    private["d"] = json!("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI");
    let secret = json!({"kty": "oct", "k": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"});
    type Change = Box<dyn Fn(ProofBuilder) -> ProofBuilder>;
    let set = |name: &'static str, value: serde_json::Value| -> Change {
        Box::new(move |proof| proof.header(name, value.clone()))
    };
    for (name, change) in [
        ("no typ", set("typ", json!(null))),
        ("typ of a JWT", set("typ", json!("JWT"))),
        ("typ of an access token", set("typ", json!("at+jwt"))),
        ("typ is no string", set("typ", json!(["dpop+jwt"]))),
        ("no alg", set("alg", json!(null))),
        ("alg none", set("alg", json!("none"))),
        ("alg HS256", set("alg", json!("HS256"))),
        ("alg of another key", set("alg", json!("RS256"))),
        ("alg in lower case", set("alg", json!("es256"))),
        ("no jwk", set("jwk", json!(null))),
        ("a private jwk", set("jwk", private)),
        ("a symmetric jwk", set("jwk", secret)),
        ("another jwk", set("jwk", api.idp.dpop_key().jwk())),
        ("jwk is text", set("jwk", json!(api.key.jwk().to_string()))),
        ("crit", set("crit", json!(["exp"]))),
        ("an empty crit", set("crit", json!([]))),
        ("b64", set("b64", json!(true))),
    ] {
        assert_rejected(api.outcome_of(&change(api.proof(&token))).await, name);
    }
    for (name, value) in [("kid", "other"), ("jku", "https://evil.example"), ("x5u", "https://evil.example")]
    {
        let proof = api.proof(&token).header(name, value);
        assert_eq!(api.outcome_of(&proof).await, ACCEPTED, "{name} is ignored");
    }
    for typ in ["DPOP+JWT", "application/dpop+jwt"] {
        assert_eq!(api.outcome_of(&api.proof(&token).header("typ", typ)).await, ACCEPTED, "{typ}");
    }
}

/// The text with another character at a random place.
fn changed(text: &str, characters: &[u8], random: &mut fastrand::Rng) -> String {
    let mut octets = text.as_bytes().to_vec();
    let place = random.usize(0..octets.len());
    let old = octets[place];
    while octets[place] == old {
        octets[place] = characters[random.usize(0..characters.len())];
    }
    String::from_utf8(octets).unwrap()
}

/// Asserts that the proof was rejected, for the proof.
#[track_caller]
fn assert_rejected(outcome: Outcome, name: &str) {
    let is_of_proof = |kind: RejectionKind| kind.as_str().starts_with("proof_");
    assert!(outcome.is_err_and(is_of_proof), "{name}: {outcome:?}");
}
