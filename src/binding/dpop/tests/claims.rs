//! The claims of a proof, one by one, with a valid signature.

use super::*;
use Malformation::{Claim, Claims};

fn verify(claims: &Value) -> Result<Verified, ProofFault> {
    verify_text(&claims.to_string())
}

fn verify_text(claims: &str) -> Result<Verified, ProofFault> {
    let client = Client::new(Algorithm::ES256);
    let proof = client.sign(&client.header().to_string(), claims);
    verifier(&Dpop::at(BASE)).verify(&head(&proof), &client.sender(), at(NOW))
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

#[test]
fn required_claims_are_present_and_well_typed() {
    for name in ["htm", "htu", "ath", "jti", "iat"] {
        let mut absent = claims();
        absent.as_object_mut().unwrap().remove(name);
        assert_rejected(name, verify(&absent), &Claim(name).into());
        for value in [json!(null), json!(true), json!([]), json!({}), json!(["GET"])] {
            assert_rejected(name, verify(&with(name, value)), &Claim(name).into());
        }
        let wrong_type = if name == "iat" { json!(NOW.to_string()) } else { json!(1) };
        assert_rejected(name, verify(&with(name, wrong_type)), &Claim(name).into());
    }
}

#[test]
fn the_claims_are_one_json_object_without_duplicate_members() {
    let valid = claims().to_string();
    let open = &valid[..valid.len() - 1];
    assert_accepted("valid", verify_text(&valid));
    for claims in [
        format!(r#"{open},"htm":"GET"}}"#),
        format!(r#"{open},"htu":null}}"#),
        format!(r#"{open},"ath":{{}}}}"#),
        format!(r#"{open},"jti":"a"}}"#),
        format!(r#"{open},"iat":null}}"#),
        format!(r#"{open},"nonce":1,"nonce":1}}"#),
        format!(r#"{open},"\u0068tm":"GET"}}"#),
        format!(r#"{open},"a":{{"b":1,"b":2}}}}"#),
        format!(r#"{open},"a":1,"a":1}}"#),
        format!("{valid}{valid}"),
        format!("[{valid}]"),
        open.to_owned(),
        "null".to_owned(),
    ] {
        assert_rejected(&claims, verify_text(&claims), &Claims.into());
    }
}

#[test]
fn other_claims_are_ignored() {
    assert_accepted("sub", verify(&with("sub", json!({"a": [1, null]}))));
    assert_accepted("nonce of another server", verify(&with("nonce", json!("a"))));
    assert_accepted("ill-typed nonce", verify(&with("nonce", json!(1))));
}

#[test]
fn the_method_is_compared_with_its_case() {
    for htm in ["get", "POST", "HEAD", "GET ", ""] {
        assert_rejected(htm, verify(&with("htm", json!(htm))), &ProofFault::MethodMismatch);
    }
}

#[test]
fn the_hash_is_that_of_the_token() {
    let ath = claims()["ath"].as_str().unwrap().to_owned();
    for (name, value) in [
        ("empty", String::new()),
        ("another token", Sender::new(Confirmation::default(), "another").ath.into()),
        ("padding", format!("{ath}=")),
        ("another case", ath.to_lowercase()),
        ("cut", ath[1..].to_owned()),
    ] {
        assert_rejected(name, verify(&with("ath", json!(value))), &ProofFault::TokenMismatch);
    }
}

#[test]
fn the_identifier_has_1_to_256_characters() {
    for jti in ["a".to_owned(), "a".repeat(256), "\u{1f511}".repeat(256)] {
        assert_accepted(&jti, verify(&with("jti", json!(jti))));
    }
    for jti in [String::new(), "a".repeat(257), "\u{1f511}".repeat(257)] {
        assert_rejected(&jti, verify(&with("jti", json!(jti))), &Claim("jti").into());
    }
}

#[test]
fn a_proof_is_accepted_within_its_window() {
    let client = Client::new(Algorithm::ES256);
    let verifier = verifier(&Dpop::at(BASE).max_proof_age(Duration::from_secs(20)));
    let verify = |iat: Value| {
        let proof = client.proof(&with("iat", iat));
        verifier.verify(&head(&proof), &client.sender(), at(NOW))
    };
    // 20 s and the leeway of 30 s.
    for iat in [json!(NOW), json!(NOW - 49), json!(1_699_999_950.5), json!(NOW + 30)] {
        assert_accepted(&iat.to_string(), verify(iat));
    }
    for iat in [json!(NOW - 50), json!(NOW - 3600), json!(0)] {
        assert_rejected(&iat.to_string(), verify(iat), &ProofFault::Expired);
    }
    for iat in [json!(1_700_000_030.5), json!(NOW + 31), json!(NOW + 3600)] {
        assert_rejected(&iat.to_string(), verify(iat), &ProofFault::IssuedInFuture);
    }
    for iat in [json!(-1), json!(1e300), json!(NOW * 1000)] {
        assert_rejected(&iat.to_string(), verify(iat), &Claim("iat").into());
    }
}

#[test]
fn the_use_of_a_proof_is_recorded_until_the_proof_expires() {
    let client = Client::new(Algorithm::ES256);
    let (verifier, sender) = (verifier(&Dpop::at(BASE)), client.sender());
    for iat in [NOW - 60, NOW, NOW + 30] {
        let head = head(&client.proof(&with("iat", json!(iat))));
        let verified = verifier.verify(&head, &sender, at(NOW)).unwrap();
        let end = iat + 60 + 30;
        assert_eq!(verified.proof.expires_at(), at(end).to_system_time());
        assert_accepted("last second", verifier.verify(&head, &sender, at(end - 1)));
        assert_rejected("end", verifier.verify(&head, &sender, at(end)), &ProofFault::Expired);
    }
}

#[test]
fn the_identifier_counts_per_key() {
    let (one, other) = (Client::new(Algorithm::ES256), Client::new(Algorithm::Ed25519));
    let verifier = verifier(&Dpop::at(BASE));
    let key = |client: &Client, claims: &Value| {
        let verified = verifier.verify(&head(&client.proof(claims)), &client.sender(), at(NOW));
        verified.unwrap().proof.id()
    };
    assert_eq!(key(&one, &claims()), key(&one, &with("iat", json!(NOW - 1))));
    assert_ne!(key(&one, &claims()), key(&one, &with("jti", json!("another"))));
    assert_ne!(key(&one, &claims()), key(&other, &claims()));
}

#[test]
fn a_proof_needs_a_valid_nonce_if_nonces_are_required() {
    let client = Client::new(Algorithm::ES256);
    let dpop = Dpop::at(BASE).nonces(Nonces::required().secret([7; 32]));
    let (verifier, sender) = (verifier(&dpop), client.sender());
    let verify = |claims: &Value, now: u64| verifier.verify(&head(&client.proof(claims)), &sender, at(now));
    let Err(ProofFault::NonceRequired(nonce)) = verify(&claims(), NOW) else { panic!("no nonce") };
    let required = ProofFault::NonceRequired(nonce.clone());
    let nonce = nonce.to_str().unwrap();
    for value in
        [json!(""), json!("another"), json!(format!("{nonce}=")), json!(1), json!(null), json!([nonce])]
    {
        assert_rejected(&value.to_string(), verify(&with("nonce", value), NOW), &required);
    }
    let valid = with("nonce", json!(nonce));
    assert!(verify(&valid, NOW).unwrap().fresh_nonce.is_none());

    let later = verify(&valid, NOW + 60).unwrap();
    let fresh = later.fresh_nonce.unwrap();
    assert_ne!(fresh, nonce);
    let Err(ProofFault::NonceRequired(newest)) = verify(&valid, NOW + 180) else { panic!("expired nonce") };
    assert_ne!(newest, nonce);
}

#[test]
fn a_valid_nonce_makes_up_for_a_wrong_clock() {
    let client = Client::new(Algorithm::ES256);
    let dpop = Dpop::at(BASE).nonces(Nonces::required());
    let (verifier, sender) = (verifier(&dpop), client.sender());
    let verify = |claims: &Value| verifier.verify(&head(&client.proof(claims)), &sender, at(NOW));
    let Err(ProofFault::NonceRequired(nonce)) = verify(&claims()) else { panic!("no nonce") };
    let with_iat = |iat: Value| {
        let mut claims = with("iat", iat);
        claims["nonce"] = nonce.to_str().unwrap().into();
        claims
    };
    for iat in [json!(0), json!(-5), json!(NOW + 86_400), json!(1e300), json!(1.5)] {
        let verified = verify(&with_iat(iat)).unwrap();
        assert!(verified.proof.expires_at() <= at(NOW + 180).to_system_time());
    }
    for iat in [json!("0"), json!(null), json!([0])] {
        assert_rejected(&iat.to_string(), verify(&with_iat(iat)), &Claim("iat").into());
    }
    let other_method = {
        let mut claims = with_iat(json!(0));
        claims["htm"] = "POST".into();
        claims
    };
    assert_rejected("htm", verify(&other_method), &ProofFault::MethodMismatch);
}
