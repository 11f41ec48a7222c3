//! The header line, the JOSE header and the signature.

use super::*;
use Malformation::{CriticalExtension, Key, KeyMissing, NotCompactJws, Repeated, TooLong, TypeMismatch};

/// Rejects a valid proof in which one member of the header is changed.
fn assert_header_rejected(name: &str, change: impl FnOnce(&mut Value), expected: &ProofFault) {
    let client = Client::new(Algorithm::ES256);
    let mut header = client.header();
    change(&mut header);
    let proof = client.sign(&header.to_string(), &claims().to_string());
    let result = verifier(&Dpop::at(BASE)).verify(&head(&proof), &client.sender(), at(NOW));
    assert_rejected(name, result, expected);
}

#[test]
fn a_request_has_exactly_one_proof_in_one_header_line() {
    let client = Client::new(Algorithm::ES256);
    let (verifier, sender) = (verifier(&Dpop::at(BASE)), client.sender());
    let proof = client.proof(&claims());
    assert_accepted("one", verifier.verify(&head(&proof), &sender, at(NOW)));

    let mut none = head(&proof);
    none.headers.clear();
    assert_rejected("none", verifier.verify(&none, &sender, at(NOW)), &ProofFault::Missing);
    for second in [&*proof, "x", ""] {
        let mut two = head(&proof);
        two.headers.append("dpop", HeaderValue::from_str(second).unwrap());
        assert_rejected(second, verifier.verify(&two, &sender, at(NOW)), &Repeated.into());
    }
    let parts: Vec<&str> = proof.split('.').collect();
    for (name, text) in [
        ("empty", String::new()),
        ("a list", format!("{proof}, {proof}")),
        ("a list with an empty member", format!("{proof},")),
        ("a parameter", format!("{proof};a=b")),
        ("two parts", format!("{}.{}", parts[0], parts[1])),
        ("a JWE", format!("{proof}.AA.AA")),
        ("white space", format!("{}. {}.{}", parts[0], parts[1], parts[2])),
        ("padding", format!("{proof}==")),
        ("JSON", json!({"payload": parts[1], "protected": parts[0], "signature": parts[2]}).to_string()),
        ("quotes", format!("\"{proof}\"")),
    ] {
        assert_rejected(name, verifier.verify(&head(&text), &sender, at(NOW)), &NotCompactJws.into());
    }
    let mut not_ascii = head(&proof);
    let octets = [proof.as_bytes(), b"\xff"].concat();
    not_ascii.headers.insert("dpop", HeaderValue::from_bytes(&octets).unwrap());
    assert_rejected("not ASCII", verifier.verify(&not_ascii, &sender, at(NOW)), &NotCompactJws.into());
}

#[test]
fn a_proof_has_at_most_4096_bytes() {
    let client = Client::new(Algorithm::ES256);
    let (verifier, sender) = (verifier(&Dpop::at(BASE)), client.sender());
    let padded = |padding: usize| {
        let mut claims = claims();
        claims["padding"] = "a".repeat(padding).into();
        client.proof(&claims)
    };
    let room = (4096 - padded(0).len()) / 4 * 3;
    let longest = (room - 4..room + 4).map(padded).rfind(|proof| proof.len() <= 4096).unwrap();
    assert!(longest.len() >= 4095);
    assert_accepted("4096 bytes", verifier.verify(&head(&longest), &sender, at(NOW)));
    let longer = padded(room + 4);
    assert_rejected("more", verifier.verify(&head(&longer), &sender, at(NOW)), &TooLong.into());
}

#[test]
fn the_type_is_dpop_jwt() {
    for typ in [json!("JWT"), json!("at+jwt"), json!("dpop"), json!("dpop+jwt "), json!("text/dpop+jwt")] {
        let name = typ.to_string();
        assert_header_rejected(&name, |header| header["typ"] = typ, &TypeMismatch.into());
    }
    for typ in [json!(null), json!(1), json!(["dpop+jwt"])] {
        let name = typ.to_string();
        assert_header_rejected(&name, |header| header["typ"] = typ, &Malformation::Header.into());
    }
    let remove = |header: &mut Value| drop(header.as_object_mut().unwrap().remove("typ"));
    assert_header_rejected("absent", remove, &TypeMismatch.into());

    let client = Client::new(Algorithm::ES256);
    for typ in ["DPoP+JWT", "application/dpop+jwt"] {
        let mut header = client.header();
        header["typ"] = typ.into();
        let proof = client.sign(&header.to_string(), &claims().to_string());
        let result = verifier(&Dpop::at(BASE)).verify(&head(&proof), &client.sender(), at(NOW));
        assert_accepted(typ, result);
    }
}

#[test]
fn the_algorithm_is_asymmetric_known_and_fits_the_key() {
    for alg in ["none", "None", "HS256", "ES256K", "es256", ""] {
        assert_header_rejected(alg, |header| header["alg"] = alg.into(), &ProofFault::AlgorithmNotAllowed);
    }
    for alg in [json!(null), json!(7), json!(["ES256"])] {
        let name = alg.to_string();
        assert_header_rejected(&name, |header| header["alg"] = alg, &Malformation::Header.into());
    }
    let remove = |header: &mut Value| drop(header.as_object_mut().unwrap().remove("alg"));
    assert_header_rejected("absent", remove, &Malformation::Header.into());
    for alg in ["ES384", "RS256", "EdDSA"] {
        let expected = Key(JwkFault::AlgorithmMismatch).into();
        assert_header_rejected(alg, |header| header["alg"] = alg.into(), &expected);
    }
}

#[test]
fn only_allowed_algorithms_are_accepted() {
    let (es256, ed25519) = (Client::new(Algorithm::ES256), Client::new(Algorithm::Ed25519));
    let verifier = verifier(&Dpop::at(BASE).algorithms([Algorithm::ES256, Algorithm::PS256]));
    assert_eq!(verifier.algs(), "PS256 ES256");
    let verify =
        |client: &Client| verifier.verify(&head(&client.proof(&claims())), &client.sender(), at(NOW));
    assert_accepted("ES256", verify(&es256));
    assert_rejected("Ed25519", verify(&ed25519), &ProofFault::AlgorithmNotAllowed);
}

#[test]
fn a_proof_of_every_algorithm_is_accepted() {
    use Algorithm::*;
    for algorithm in [RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512, EdDSA, Ed25519] {
        let client = Client::new(algorithm);
        let (verifier, sender) = (verifier(&Dpop::at(BASE)), client.sender());
        for _ in 0..2 {
            let result = verifier.verify(&head(&client.proof(&claims())), &sender, at(NOW));
            assert_accepted(algorithm.as_str(), result);
        }
    }
}

#[test]
fn critical_extensions_are_rejected() {
    for (name, value) in [("crit", json!(["exp"])), ("crit", json!([])), ("b64", json!(false))] {
        assert_header_rejected(name, |header| header[name] = value, &CriticalExtension.into());
    }
}

#[test]
fn a_header_with_duplicate_members_is_rejected() {
    let client = Client::new(Algorithm::ES256);
    let (verifier, sender) = (verifier(&Dpop::at(BASE)), client.sender());
    let jwk = client.jwk.to_string();
    for header in [
        format!(r#"{{"typ":"dpop+jwt","alg":"ES256","jwk":{jwk},"jwk":{jwk}}}"#),
        format!(r#"{{"typ":"dpop+jwt","alg":"ES256","jwk":{jwk},"\u006awk":{jwk}}}"#),
        format!(r#"{{"typ":"dpop+jwt","alg":"none","alg":"ES256","jwk":{jwk}}}"#),
        format!(r#"{{"typ":"dpop+jwt","alg":"ES256","jwk":{},"kty":"EC"}}}}"#, &jwk[..jwk.len() - 1]),
        format!(r#"["dpop+jwt","ES256",{jwk}]"#),
        String::new(),
    ] {
        let proof = client.sign(&header, &claims().to_string());
        let expected = if header.is_empty() { NotCompactJws } else { Malformation::Header };
        assert_rejected(&header, verifier.verify(&head(&proof), &sender, at(NOW)), &expected.into());
    }
}

#[test]
fn the_key_is_a_public_key_of_the_header() {
    let jwk_with = |name: &'static str, value: Value| move |header: &mut Value| header["jwk"][name] = value;
    let remove = |header: &mut Value| drop(header.as_object_mut().unwrap().remove("jwk"));
    assert_header_rejected("absent", remove, &KeyMissing.into());
    assert_header_rejected("null", |header| header["jwk"] = Value::Null, &KeyMissing.into());
    for jwk in [json!("key"), json!([]), json!(1)] {
        let expected = Key(JwkFault::NotAnObject).into();
        assert_header_rejected("no object", |header| header["jwk"] = jwk, &expected);
    }
    let symmetric = json!({"kty": "oct", "k": "AAAA"});
    let expected = Key(JwkFault::SymmetricKey).into();
    assert_header_rejected("oct", |header| header["jwk"] = symmetric, &expected);
    for (name, value, fault) in [
        ("d", json!("AA"), JwkFault::PrivateKey),
        ("use", json!("enc"), JwkFault::UseNotSignature),
        ("key_ops", json!(["sign"]), JwkFault::VerifyNotInOperations),
        ("alg", json!("ES384"), JwkFault::AlgorithmMismatch),
        ("alg", json!("HS256"), JwkFault::AlgorithmUnknown),
        ("crv", json!("P-384"), JwkFault::CoordinateLength),
        ("crv", json!("secp256k1"), JwkFault::CurveUnknown),
        ("kty", json!("AKP"), JwkFault::KeyTypeUnknown),
        ("x", json!(1), JwkFault::MemberIllTyped),
        ("x", json!("AA=="), JwkFault::NotBase64url),
    ] {
        assert_header_rejected(name, jwk_with(name, value), &Key(fault).into());
    }
    let other = SigningKey::generate(Algorithm::ES256);
    let other = Client::with(other).jwk;
    assert_header_rejected("another key", |header| header["jwk"] = other, &ProofFault::KeyMismatch);
}

#[test]
fn a_key_off_its_curve_is_rejected() {
    let client = Client::new(Algorithm::ES256);
    let mut jwk = client.jwk.clone();
    jwk["x"] = jwk["y"].clone();
    let header = json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk});
    let proof = client.sign(&header.to_string(), &claims().to_string());
    let result = verifier(&Dpop::at(BASE)).verify(&head(&proof), &bound_to(&jwk), at(NOW));
    assert_rejected("off the curve", result, &Key(JwkFault::MaterialInvalid).into());
}

#[test]
fn a_token_without_a_key_matches_no_proof() {
    let client = Client::new(Algorithm::ES256);
    let result =
        verifier(&Dpop::at(BASE)).verify(&head(&client.proof(&claims())), &sender_with(None), at(NOW));
    assert_rejected("unbound", result, &ProofFault::KeyMismatch);
}

#[test]
fn the_signature_is_that_of_the_key_in_the_header() {
    let (client, other) = (Client::new(Algorithm::ES256), SigningKey::generate(Algorithm::ES256));
    let (verifier, sender) = (verifier(&Dpop::at(BASE)), client.sender());
    let forged = Client { key: other, jwk: client.jwk.clone() }.proof(&claims());
    let proof = client.proof(&claims());
    let unsigned = format!("{}.", proof.rsplit_once('.').unwrap().0);
    for round in ["uncached key", "cached key"] {
        for text in [&forged, &unsigned] {
            let result = verifier.verify(&head(text), &sender, at(NOW));
            assert_rejected(round, result, &ProofFault::SignatureMismatch);
            assert_eq!(sender.proof_key.get().is_some(), round == "cached key");
        }
        assert_accepted(round, verifier.verify(&head(&proof), &sender, at(NOW)));
    }
}

#[test]
fn the_key_of_one_header_verifies_no_proof_with_another_header() {
    let client = Client::new(Algorithm::ES256);
    let (verifier, sender) = (verifier(&Dpop::at(BASE)), client.sender());
    assert_accepted("first", verifier.verify(&head(&client.proof(&claims())), &sender, at(NOW)));

    let mut header = client.header();
    header["kid"] = "a".into();
    let proof = client.sign(&header.to_string(), &claims().to_string());
    assert_accepted("the same key", verifier.verify(&head(&proof), &sender, at(NOW)));
    header["typ"] = "JWT".into();
    let proof = client.sign(&header.to_string(), &claims().to_string());
    assert_rejected("typ", verifier.verify(&head(&proof), &sender, at(NOW)), &TypeMismatch.into());
}

#[test]
fn a_long_header_is_accepted_and_not_cached() {
    let client = Client::new(Algorithm::ES256);
    let (verifier, sender) = (verifier(&Dpop::at(BASE)), client.sender());
    let mut header = client.header();
    header["kid"] = "a".repeat(1200).into();
    let proof = client.sign(&header.to_string(), &claims().to_string());
    assert_accepted("long header", verifier.verify(&head(&proof), &sender, at(NOW)));
    assert!(sender.proof_key.get().is_none());
}

#[test]
fn a_cached_key_is_not_used_where_its_algorithm_is_not_allowed() {
    let client = Client::new(Algorithm::ES256);
    let (sender, head) = (client.sender(), head(&client.proof(&claims())));
    assert_accepted("all", verifier(&Dpop::at(BASE)).verify(&head, &sender, at(NOW)));
    let strict = verifier(&Dpop::at(BASE).algorithms([Algorithm::Ed25519]));
    assert_rejected("Ed25519", strict.verify(&head, &sender, at(NOW)), &ProofFault::AlgorithmNotAllowed);
}

#[test]
fn a_proof_with_any_character_altered_is_rejected() {
    let client = Client::new(Algorithm::ES256);
    let verifier = verifier(&Dpop::at(BASE));
    let (fresh, used) = (client.sender(), client.sender());
    let proof = client.proof(&claims());
    assert_accepted("unaltered", verifier.verify(&head(&proof), &used, at(NOW)));
    let mut random = fastrand::Rng::with_seed(9449);
    for at_byte in 0..proof.len() {
        for _ in 0..4 {
            let mut octets = proof.clone().into_bytes();
            octets[at_byte] = random.u8(0x21..0x7f);
            let altered = String::from_utf8(octets).unwrap();
            if altered == proof {
                continue;
            }
            for sender in [&fresh, &used] {
                let result = verifier.verify(&head(&altered), sender, at(NOW));
                assert!(result.is_err(), "byte {at_byte}: {altered}");
            }
        }
    }
}
