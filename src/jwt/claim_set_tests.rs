//! Parsing of claims: duplicates, types, dates and configured names.

use super::*;

#[test]
fn claims_are_one_json_object_without_duplicate_members() {
    let names = ConfiguredNames::default();
    for json in [
        "",
        "null",
        "1",
        "[]",
        r#""{}""#,
        "{}x",
        "{}{}",
        r#"{"aud":"a","aud":"b"}"#,
        r#"{"x":1,"x":1}"#,
        r#"{"x":{"y":[{"z":1,"z":2}]}}"#,
        r#"{"sub":"\ud800"}"#,
    ] {
        assert!(UnverifiedClaims::parse(json, &names).is_none(), "{json}");
    }
    assert!(UnverifiedClaims::parse(" {} ", &names).is_some());
}

#[test]
fn every_built_in_claim_is_parsed() {
    let names = ConfiguredNames::default();
    for name in BUILT_IN {
        let found = ["1", r#""a""#].iter().any(|value| {
            let json = format!(r#"{{"{name}":{value}}}"#);
            !UnverifiedClaims::parse(&json, &names).unwrap().presence(name).is_absent()
        });
        assert!(found, "{name}");
    }
}

#[test]
fn date_is_a_json_number_from_1970_to_9999() {
    let names = ConfiguredNames::default();
    let exp = |json: &str| UnverifiedClaims::parse(&format!(r#"{{"exp":{json}}}"#), &names).unwrap().exp;
    for json in ["0", "-0.0", "1700000000", "1700000000.5", "1e10", "17e8", "1.7E9"] {
        assert!(exp(json).value().is_some(), "{json}");
    }
    for json in
        [r#""1""#, "-1", "-0.5", "1e19", "1e400", "18446744073709551616", "true", "null", "[]", "{}", "[1]"]
    {
        assert_eq!(exp(json), Claim::IllTyped, "{json}");
    }
    assert!(UnverifiedClaims::parse(r#"{"exp":{"a":1,"a":1}}"#, &names).is_none());
}

#[test]
fn configured_claim_is_parsed_as_the_requested_type() {
    let mut names = ConfiguredNames::default();
    names.add("tenant");
    names.add("roles");
    let claims = UnverifiedClaims::parse(r#"{"roles":["a","b"],"tenant":null}"#, &names).unwrap();
    assert!(claims.configured::<ScopeSet>("roles").value().unwrap().contains("b"));
    assert_eq!(claims.configured::<Cow<'_, str>>("tenant"), Claim::IllTyped);
    assert_eq!(claims.configured::<Cow<'_, str>>("other"), Claim::Absent);
    let presence = ["roles", "tenant", "sub"].map(|name| claims.presence(name));
    assert_eq!(presence, [Claim::Present(()), Claim::Absent, Claim::Absent]);
    assert!(UnverifiedClaims::parse(r#"{"roles":{"a":1,"a":2}}"#, &names).is_none());
}

#[test]
fn a_null_member_of_a_response_is_absent_and_a_null_claim_of_a_jwt_is_ill_typed() {
    let mut names = ConfiguredNames::default();
    names.add("tenant");
    for name in BUILT_IN.into_iter().chain(["tenant"]) {
        let json = format!(r#"{{"{name}":null}}"#);
        let response = UnverifiedClaims::parse_response(&json, &names).unwrap();
        assert_eq!(response.presence(name), Claim::Absent, "{name}");
        assert!(response.raw(name).is_none(), "{name}");
        assert!(response.at(&JsonPointer::parse(name).unwrap()).is_none(), "{name}");
    }
    for name in ["iss", "sub", "aud", "exp", "scope", "client_id", "jti", "cnf"] {
        let json = format!(r#"{{"{name}":null}}"#);
        let claims = UnverifiedClaims::parse(&json, &names).unwrap();
        assert_eq!(claims.presence(name), Claim::IllTyped, "{name}");
    }
    assert_eq!(UnverifiedClaims::parse(r#"{"nonce":null}"#, &names).unwrap().nonce, Presence(true));
}

#[test]
fn a_response_is_parsed_like_a_jwt_apart_from_null() {
    let mut names = ConfiguredNames::default();
    names.add("tenant");
    let json = r#"{"aud":["a","b"],"exp":1.5,"scope":"x y","tenant":{"id":7},"sub":"al\u0069ce","nbf":"1"}"#;
    let [jwt, response] =
        [UnverifiedClaims::parse(json, &names), UnverifiedClaims::parse_response(json, &names)]
            .map(Option::unwrap);
    assert_eq!((&jwt.aud, &jwt.sub), (&response.aud, &response.sub));
    assert_eq!((&jwt.exp, &jwt.nbf), (&response.exp, &response.nbf));
    assert_eq!(response.raw("tenant").unwrap().get(), r#"{"id":7}"#);
    assert!(response.scope.value().unwrap().contains("y"));
    let malformed =
        [r#"{"sub":"a","sub":null}"#, r#"{"x":{"y":1,"y":1}}"#, r#"{"sub":null"#, "[]", "null", "{}x"];
    for json in malformed {
        assert!(UnverifiedClaims::parse_response(json, &names).is_none(), "{json}");
    }
}
