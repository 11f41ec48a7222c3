//! The checks that make a JWT an access token for this API (RFC 7519, RFC 8725, RFC 9068).

use std::time::Duration;

use serde_json::{Value, json};
use tower_bearer::RejectionKind::{
    AlgorithmNotAllowed, AudienceMismatch, ClaimIllTyped, ClaimMissing, CriticalHeaderUnsupported,
    IdTokenPresented, IssuerUnknown, SenderNotProven, SignatureMismatch, TokenExpired, TokenIssuedInFuture,
    TokenMalformed, TokenNotYetValid, TokenOpaque, TypeMismatch,
};
use tower_bearer::testing::TestIssuer;
use tower_bearer::{Algorithm, BearerAuth, ConfigError, Issuer, RejectionKind};

use crate::support::app::{App, NOW, at, base, claims_json, header_json, issuer, parts};
use crate::support::keys::{decode, encode};
use crate::support::protected::{ACCEPTED, API, ApiResponse, ISSUER};

/// Asserts that the request was rejected as `kind` because of this claim.
#[track_caller]
fn assert_claim_rejected(response: &ApiResponse, kind: RejectionKind, claim: &str, name: &str) {
    response.assert_rejected(kind, name);
    assert_eq!(response.rejection().unwrap().claim(), Some(claim), "{name}");
}

#[tokio::test(start_paused = true)]
async fn malformed_json_is_rejected() {
    let app = App::new();
    let utf16 =
        |json: &str, octets: fn(u16) -> [u8; 2]| json.encode_utf16().flat_map(octets).collect::<Vec<_>>();
    for (part, object) in [("claims", claims_json(&[], "")), ("header", header_json(&[], ""))] {
        let sign = |json: &[u8]| match part {
            "claims" => app.signed_claims(json),
            _ => app.signed_header(json),
        };
        let open = object.strip_suffix('}').unwrap();
        for (name, json) in [
            ("array", b"[]".to_vec()),
            ("array of the object", format!("[{object}]").into_bytes()),
            ("string", br#""x""#.to_vec()),
            ("string of the object", json!(object).to_string().into_bytes()),
            ("number", b"1".to_vec()),
            ("null", b"null".to_vec()),
            ("true", b"true".to_vec()),
            ("white space only", b"  ".to_vec()),
            ("trailing character", format!("{object}x").into_bytes()),
            ("trailing brace", format!("{object}}}").into_bytes()),
            ("two objects", format!("{object} {object}").into_bytes()),
            ("trailing comma", format!("{open},}}").into_bytes()),
            ("single quotes", object.replace('"', "'").into_bytes()),
            ("comment", format!("{object}/**/").into_bytes()),
            ("truncated", open.to_owned().into_bytes()),
            ("byte order mark", format!("\u{feff}{object}").into_bytes()),
            ("UTF-16 little-endian", utf16(&object, u16::to_le_bytes)),
            ("UTF-16 big-endian", utf16(&object, u16::to_be_bytes)),
            ("octet FF", [open.as_bytes(), b",\"x\":\"\xff\"}"].concat()),
            ("octets C3 28", [open.as_bytes(), b",\"x\":\"\xc3\x28\"}"].concat()),
            ("overlong UTF-8", [open.as_bytes(), b",\"x\":\"\xc0\xaf\"}"].concat()),
            ("lone surrogate", format!(r#"{open},"x":"\ud800"}}"#).into_bytes()),
            ("lone surrogate in a name", format!(r#"{open},"\udc00":1}}"#).into_bytes()),
            ("unknown escape", format!(r#"{open},"x":"\q"}}"#).into_bytes()),
            ("control character", format!("{open},\"x\":\"a\nb\"}}").into_bytes()),
            ("trailing NUL", format!("{object}\0").into_bytes()),
            ("leading NUL", format!("\0{object}").into_bytes()),
            ("NaN", format!(r#"{open},"x":NaN}}"#).into_bytes()),
            ("leading zero", format!(r#"{open},"x":01}}"#).into_bytes()),
        ] {
            let name = &format!("{part}: {name}");
            app.present(&sign(&json)).await.assert_rejected(TokenMalformed, name);
        }
        app.present(&sign(b"")).await.assert_rejected(TokenOpaque, &format!("{part}: empty"));
        let spaced = format!(" \t\r\n{object} \t\r\n");
        app.present(&sign(spaced.as_bytes())).await.assert_accepted(&format!("{part}: white space around"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeated_member_is_rejected() {
    let app = App::new();
    for (name, left_out, more) in [
        ("alg, the right one first", "alg", r#""alg":"ES256","alg":"none""#),
        ("alg, the right one last", "alg", r#""alg":"none","alg":"ES256""#),
        ("alg, the same value", "alg", r#""alg":"ES256","alg":"ES256""#),
        ("alg, one escaped", "alg", r#""alg":"ES256","\u0061lg":"ES256""#),
        ("kid", "kid", r#""kid":"key-1","kid":"key-1""#),
        ("typ", "typ", r#""typ":"at+jwt","typ":"at+jwt""#),
        ("crit", "", r#""crit":["x"],"crit":["x"]"#),
        ("b64", "", r#""b64":true,"b64":true"#),
        ("jwk", "", r#""jwk":{},"jwk":{}"#),
        ("an unknown member", "", r#""x":1,"x":1"#),
        ("nested", "", r#""x":{"y":1,"y":1}"#),
        ("in an array", "", r#""x":[{"y":1,"y":1}]"#),
    ] {
        let token = app.signed_header(header_json(&[left_out], more));
        app.present(&token).await.assert_rejected(TokenMalformed, &format!("header: {name}"));
    }
    for (name, left_out, more) in [
        ("aud, ours first", "aud", format!(r#""aud":"{API}","aud":"other""#)),
        ("aud, ours last", "aud", format!(r#""aud":"other","aud":"{API}""#)),
        ("exp, one escaped", "exp", format!(r#""exp":{0},"\u0065xp":{0}"#, NOW + 300)),
        ("an unknown member", "", r#""x":1,"x":1"#.to_owned()),
        ("nested", "", r#""x":{"y":1,"y":1}"#.to_owned()),
        ("nested, one escaped", "", r#""x":{"y":1,"\u0079":1}"#.to_owned()),
        ("in an array", "", r#""x":[1,{"y":1,"y":1}]"#.to_owned()),
        ("in a claim that is an array", "scope", r#""scope":[{"y":1,"y":1}]"#.to_owned()),
        ("in a claim that is an object", "sub", r#""sub":{"y":1,"y":1}"#.to_owned()),
        ("in cnf", "", r#""cnf":{"y":1,"y":1}"#.to_owned()),
    ] {
        let token = app.signed_claims(claims_json(&[left_out], &more));
        app.present(&token).await.assert_rejected(TokenMalformed, name);
    }
    let known = [
        "iss",
        "sub",
        "aud",
        "exp",
        "nbf",
        "iat",
        "jti",
        "acr",
        "auth_time",
        "scope",
        "scp",
        "client_id",
        "azp",
        "cid",
        "appid",
        "cnf",
        "nonce",
        "at_hash",
        "c_hash",
        "s_hash",
        "events",
        "token_introspection",
    ];
    for claim in known {
        let base: Value = serde_json::from_str(&claims_json(&[], "")).unwrap();
        let value = base.get(claim).cloned().unwrap_or_else(|| json!(NOW));
        let twice = format!(r#""{claim}":{value},"{claim}":{value}"#);
        let token = app.signed_claims(claims_json(&[claim], &twice));
        app.present(&token).await.assert_rejected(TokenMalformed, &format!("{claim} repeated"));
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_members_are_ignored() {
    let app = App::new();
    for (name, left_out, more) in [
        ("nested", "", r#""x":{"y":[1]}"#),
        ("x5t", "", r#""x5t":"abc","x5t#S256":"abc""#),
        ("cty", "", r#""cty":"json""#),
        ("members of another case", "", r#""ALG":"none","Crit":["x"],"KID":1"#),
        ("no kid", "kid", r#""x":1"#),
    ] {
        let token = app.signed_header(header_json(&[left_out], more));
        app.present(&token).await.assert_accepted(&format!("header: {name}"));
    }
    let hundred: Vec<String> = (0..100).map(|n| format!(r#""member{n}":{n}"#)).collect();
    for (name, more) in [
        ("nested", r#""x":{"y":[1,{"z":null}]},"w":{"y":[]}"#),
        ("arrays", r#""x":[[],[[1]],{}]"#),
        ("null", r#""x":null"#),
        ("a hundred members", &hundred.join(",")),
        ("not ASCII", "\"näme\":\"v\u{1f600}\u{fc}\",\"\u{2170}ss\":\"x\""),
        ("large and small numbers", r#""x":[1e300,-1,0.1,18446744073709551615,-9223372036854775808]"#),
    ] {
        let token = app.signed_claims(claims_json(&[], more));
        assert_eq!(app.present(&token).await.assert_accepted(name).subject(), Some("alice"), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_issuer_must_match_exactly() {
    let app = App::new();
    for iss in [
        "https://login.example.com/",
        "https://LOGIN.example.com",
        "HTTPS://login.example.com",
        "http://login.example.com",
        "https://login.example.com:443",
        "https://login.example.co",
        "https://login.example.comm",
        " https://login.example.com",
        "https://login.example.com ",
        "https://login.example.com\0",
        "",
        "https://evil.example",
        "https://evil.example/?https://login.example.com",
        "https://login.example.com.evil.example",
        "https://login.example.com@evil.example",
        "https://l%6Fgin.example.com",
        "https://login.example.com#",
    ] {
        let token = app.token().claim("iss", iss).sign();
        app.present(&token).await.assert_rejected(IssuerUnknown, &format!("{iss:?}"));
    }
    for iss in
        [json!([ISSUER]), json!([ISSUER, "x"]), json!({"x": ISSUER}), json!(1), json!(true), Value::Null]
    {
        let name = iss.to_string();
        let response = app.present(&app.token().claim("iss", iss).sign()).await;
        assert_claim_rejected(&response, ClaimIllTyped, "iss", &name);
    }
    let response = app.present(&app.token().without("iss").sign()).await;
    assert_claim_rejected(&response, ClaimMissing, "iss", "absent");
    for (name, iss) in [
        ("escaped slashes", r"https:\/\/login.example.com"),
        ("escaped letters", r"\u0068ttps://login.ex\u0061mple.com"),
    ] {
        let token = app.signed_claims(claims_json(&["iss"], &format!(r#""iss":"{iss}""#)));
        assert_eq!(app.present(&token).await.assert_accepted(name).issuer(), ISSUER, "{name}");
    }

    let idp = issuer("https://xn--bcher-kva.example");
    let trusted = idp.issuer();
    let punycode = App::of(idp, trusted, |builder| builder);
    punycode.present(&punycode.token().sign()).await.assert_accepted("punycode");
    let unicode = punycode.token().claim("iss", "https://b\u{fc}cher.example").sign();
    punycode.present(&unicode).await.assert_rejected(IssuerUnknown, "Unicode for punycode");

    let idp = issuer(ISSUER);
    let trusted = Issuer::with_static_jwks(format!("{ISSUER}/"), idp.jwks());
    let slashed = App::of(idp, trusted, |builder| builder);
    let token = slashed.token().claim("iss", format!("{ISSUER}/")).sign();
    slashed.present(&token).await.assert_accepted("configured with a trailing slash");
    slashed
        .present(&slashed.token().sign())
        .await
        .assert_rejected(IssuerUnknown, "without the trailing slash");
}

#[tokio::test(start_paused = true)]
async fn the_audience_must_name_this_api() {
    let app = App::new();
    let a = API;
    for (aud, expected) in [
        (json!(a), ACCEPTED),
        (json!([a]), ACCEPTED),
        (json!(["x", a]), ACCEPTED),
        (json!([a, "x"]), ACCEPTED),
        (json!([a, a]), ACCEPTED),
        (json!("https://other.example.com"), Err(AudienceMismatch)),
        (json!(format!("{a}/")), Err(AudienceMismatch)),
        (json!(a.to_uppercase()), Err(AudienceMismatch)),
        (json!("https://api.example.co"), Err(AudienceMismatch)),
        (json!(format!("{a}m")), Err(AudienceMismatch)),
        (json!(format!("x {a}")), Err(AudienceMismatch)),
        (json!(format!("{a},x")), Err(AudienceMismatch)),
        (json!(format!(" {a}")), Err(AudienceMismatch)),
        (json!(""), Err(AudienceMismatch)),
        (json!("*"), Err(AudienceMismatch)),
        (json!([]), Err(AudienceMismatch)),
        (json!(["x", "y"]), Err(AudienceMismatch)),
        (json!([format!("{a} x")]), Err(AudienceMismatch)),
        (json!([""]), Err(AudienceMismatch)),
        (json!({a: 1}), Err(ClaimIllTyped)),
        (json!([[a]]), Err(ClaimIllTyped)),
        (json!([a, 1]), Err(ClaimIllTyped)),
        (json!([1, a]), Err(ClaimIllTyped)),
        (json!([a, null]), Err(ClaimIllTyped)),
        (json!([a, {}]), Err(ClaimIllTyped)),
        (json!(1), Err(ClaimIllTyped)),
        (json!(true), Err(ClaimIllTyped)),
        (Value::Null, Err(ClaimIllTyped)),
    ] {
        let name = aud.to_string();
        let response = app.present(&app.token().claim("aud", aud).sign()).await;
        response.assert_outcome(expected, &name);
    }
    let response = app.present(&app.token().without("aud").sign()).await;
    assert_claim_rejected(&response, ClaimMissing, "aud", "absent");

    // The same letter as one code point and as two.
    let composed = "https://api.example.com/caf\u{e9}";
    let idp = issuer(ISSUER);
    let trusted = idp.issuer().audience(composed);
    let app = App::of(idp, trusted, |builder| builder);
    let present = async |aud: &str| app.present(&app.token().claim("aud", aud).sign()).await;
    present(composed).await.assert_accepted("composed");
    present("https://api.example.com/cafe\u{301}").await.assert_rejected(AudienceMismatch, "decomposed");
    present(API)
        .await
        .assert_rejected(AudienceMismatch, "the audience of the builder, which the issuer replaces");

    let two = App::with(|builder| builder.add_audience("orders"));
    for aud in [API, "orders"] {
        two.present(&two.token().claim("aud", aud).sign()).await.assert_accepted(aud);
    }
}

#[tokio::test(start_paused = true)]
async fn member_names_and_values_are_compared_after_unescaping() {
    let app = App::new();
    for (name, left_out, more, expected) in [
        ("alg", "alg", r#""\u0061lg":"ES256""#, ACCEPTED),
        ("value of alg", "alg", r#""alg":"ES\u003256""#, ACCEPTED),
        ("value of kid", "kid", r#""kid":"\u006bey-1""#, ACCEPTED),
        ("value of typ", "typ", r#""typ":"at\u002bjwt""#, ACCEPTED),
        ("alg none", "alg", r#""\u0061lg":"none""#, Err(AlgorithmNotAllowed)),
        ("crit", "", r#""cri\u0074":["x"]"#, Err(CriticalHeaderUnsupported)),
        ("typ of another kind", "typ", r#""\u0074yp":"logout+jwt""#, Err(TypeMismatch)),
        ("alg in another case", "alg", r#""ALG":"ES256""#, Err(TokenMalformed)),
    ] {
        let token = app.signed_header(header_json(&[left_out], more));
        app.present(&token).await.assert_outcome(expected, &format!("header: {name}"));
    }
    for (name, left_out, more, expected) in [
        ("aud", "aud", format!(r#""\u0061ud":"{API}""#), ACCEPTED),
        ("value of aud", "aud", r#""aud":"https:\/\/api.example.c\u006fm""#.to_owned(), ACCEPTED),
        ("other audience", "aud", r#""a\u0075d":"other""#.to_owned(), Err(AudienceMismatch)),
        ("upper case", "aud", format!(r#""AUD":"{API}""#), Err(ClaimMissing)),
        ("a compatibility character", "iss", format!("\"\u{2170}ss\":\"{ISSUER}\""), Err(ClaimMissing)),
        ("dotless i", "iss", format!("\"\u{131}ss\":\"{ISSUER}\""), Err(ClaimMissing)),
        ("long s", "iss", format!("\"i\u{17f}s\":\"{ISSUER}\""), Err(ClaimMissing)),
        ("NUL after the name", "exp", format!(r#""exp\u0000":{}"#, NOW + 300), Err(ClaimMissing)),
        ("cnf", "", r#""c\u006ef":{}"#.to_owned(), Err(ClaimIllTyped)),
    ] {
        let token = app.signed_claims(claims_json(&[left_out], &more));
        app.present(&token).await.assert_outcome(expected, name);
    }
}

#[tokio::test(start_paused = true)]
async fn an_ill_typed_date_is_rejected() {
    let app = App::new();
    for claim in ["exp", "nbf", "iat"] {
        for date in [
            r#""never""#,
            r#""99999999999""#,
            r#""""#,
            "true",
            "false",
            "null",
            "[]",
            "{}",
            "[9999999999]",
            r#"{"$date":1}"#,
            "-1",
            "-0.5",
            "-1e10",
            "1e19",
            "1e300",
            "9223372036854775808",
            "18446744073709551615",
            "18446744073709551616",
            "-9223372036854775809",
            "253402300800",
            "253402300800.0",
        ] {
            let token = app.signed_claims(claims_json(&[claim], &format!(r#""{claim}":{date}"#)));
            assert_claim_rejected(
                &app.present(&token).await,
                ClaimIllTyped,
                claim,
                &format!("{claim} {date}"),
            );
        }
        let token = app.signed_claims(claims_json(&[claim], &format!(r#""{claim}":1e400"#)));
        app.present(&token).await.assert_rejected(ClaimIllTyped, &format!("{claim} 1e400"));
    }
    for (claim, date) in [
        ("exp", "1e10".to_owned()),
        ("exp", "10000000000".to_owned()),
        ("exp", format!("{}.5", NOW + 300)),
        ("exp", "253402300799".to_owned()),
        ("nbf", "0".to_owned()),
        ("nbf", "-0.0".to_owned()),
        ("nbf", format!("{}.5", NOW - 1)),
        ("iat", "0".to_owned()),
        ("iat", "0.25".to_owned()),
        ("iat", "1.8e9".to_owned()),
        ("iat", format!("{NOW}.25")),
        ("auth_time", "1".to_owned()),
    ] {
        let token = app.signed_claims(claims_json(&[claim], &format!(r#""{claim}":{date}"#)));
        app.present(&token).await.assert_accepted(&format!("{claim} {date}"));
    }
}

#[tokio::test(start_paused = true)]
async fn an_expired_token_is_rejected() {
    let app = App::new();
    let exact = App::with(|builder| builder.leeway(Duration::ZERO));
    let longest = App::with(|builder| builder.leeway(Duration::from_secs(300)));
    for (name, app, exp, expected) in [
        ("in a second", &app, json!(NOW + 1), ACCEPTED),
        ("now", &app, json!(NOW), ACCEPTED),
        ("29 s ago", &app, json!(NOW - 29), ACCEPTED),
        ("29.5 s ago", &app, json!((NOW - 30) as f64 + 0.5), ACCEPTED),
        ("30 s ago", &app, json!(NOW - 30), Err(TokenExpired)),
        ("31 s ago", &app, json!(NOW - 31), Err(TokenExpired)),
        ("300 s ago", &app, json!(NOW - 300), Err(TokenExpired)),
        ("in 1970", &app, json!(0), Err(TokenExpired)),
        ("no leeway: in a second", &exact, json!(NOW + 1), ACCEPTED),
        ("no leeway: in a tenth of a second", &exact, json!(NOW as f64 + 0.1), ACCEPTED),
        ("no leeway: now", &exact, json!(NOW), Err(TokenExpired)),
        ("no leeway: a second ago", &exact, json!(NOW - 1), Err(TokenExpired)),
        ("maximum leeway: 299 s ago", &longest, json!(NOW - 299), ACCEPTED),
        ("maximum leeway: 300 s ago", &longest, json!(NOW - 300), Err(TokenExpired)),
    ] {
        app.present(&app.token().claim("exp", exp).sign()).await.assert_outcome(expected, name);
    }
    let response = app.present(&app.token().without("exp").sign()).await;
    assert_claim_rejected(&response, ClaimMissing, "exp", "absent");

    let token = app.token().sign();
    for (name, later, expected) in [
        ("not cached yet", 0, ACCEPTED),
        ("within the leeway", 329, ACCEPTED),
        ("past the leeway", 1, Err(TokenExpired)),
        ("long past the leeway", 1_000_000, Err(TokenExpired)),
    ] {
        app.idp.clock().advance(Duration::from_secs(later));
        app.present(&token).await.assert_outcome(expected, name);
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_from_the_future_is_rejected() {
    let app = App::new();
    let exact = App::with(|builder| builder.leeway(Duration::ZERO));
    for (claim, kind) in [("nbf", TokenNotYetValid), ("iat", TokenIssuedInFuture)] {
        for (name, app, date, expected) in [
            ("now", &app, NOW, ACCEPTED),
            ("in 30 s", &app, NOW + 30, ACCEPTED),
            ("in 31 s", &app, NOW + 31, Err(kind)),
            ("in an hour", &app, NOW + 3600, Err(kind)),
            ("in the far future", &app, NOW * 100, Err(kind)),
            ("no leeway: now", &exact, NOW, ACCEPTED),
            ("no leeway: in a second", &exact, NOW + 1, Err(kind)),
        ] {
            let token = app.token().claim("exp", 200_000_000_000_u64).claim(claim, date).sign();
            app.present(&token).await.assert_outcome(expected, &format!("{claim} {name}"));
        }
        app.present(&app.token().without(claim).sign()).await.assert_accepted(&format!("{claim} absent"));
    }
}

#[tokio::test(start_paused = true)]
async fn dates_are_compared_with_the_configured_clock() {
    let app = App::new();
    app.idp.clock().set(at(1_000_000_000));
    let of_2001 = app.token().sign();
    app.present(&of_2001).await.assert_accepted("a token of 2001 in 2001");
    app.idp.clock().set(at(NOW));
    app.present(&of_2001).await.assert_rejected(TokenExpired, "a token of 2001 today");

    let token = app.token().sign();
    app.present(&token).await.assert_accepted("today");
    app.idp.clock().set(at(0) - Duration::from_secs(5));
    app.present(&token).await.assert_rejected(TokenIssuedInFuture, "before 1970");
    app.idp.clock().set(at(0));
    app.present(&token).await.assert_rejected(TokenIssuedInFuture, "in 1970");
    app.idp.clock().set(at(NOW - 31));
    app.present(&token).await.assert_rejected(TokenIssuedInFuture, "the clock was set back");
    app.idp.clock().set(at(NOW - 30));
    app.present(&token).await.assert_accepted("the clock was set back within the leeway");
    app.idp.clock().set(at(253_402_300_799));
    app.present(&token).await.assert_rejected(TokenExpired, "at the end of the year 9999");
}

#[tokio::test(start_paused = true)]
async fn only_the_types_of_access_tokens_are_accepted() {
    let app = App::new();
    for typ in [
        "at+jwt",
        "AT+JWT",
        "at+JWT",
        "application/at+jwt",
        "Application/AT+JWT",
        "JWT",
        "jwt",
        "application/jwt",
    ] {
        app.present(&app.token().header("typ", typ).sign()).await.assert_accepted(typ);
    }
    app.present(&app.token().header("typ", Value::Null).sign()).await.assert_accepted("absent");
    for typ in [
        "logout+jwt",
        "dpop+jwt",
        "secevent+jwt",
        "token-introspection+jwt",
        "statuslist+jwt",
        "oauth-authz-req+jwt",
        "application/logout+jwt",
        "JWE",
        "JOSE",
        "id_token",
        "at-jwt",
        "xat+jwt",
        "at+jwtx",
        "at+jw",
        "jwtx",
        "text/at+jwt",
        "application/application/at+jwt",
        "application/",
        "/at+jwt",
        " at+jwt",
        "at+jwt ",
        "at+jwt; x=1",
        "at+jwt\0",
        "",
        "\u{131}wt",
        "at+\u{237}wt",
    ] {
        let token = app.token().header("typ", typ).sign();
        app.present(&token).await.assert_rejected(TypeMismatch, &format!("{typ:?}"));
    }
    for typ in ["1", "null", "true", r#"["at+jwt"]"#, r#"{"at+jwt":1}"#] {
        let token = app.signed_header(header_json(&["typ"], &format!(r#""typ":{typ}"#)));
        app.present(&token).await.assert_rejected(TokenMalformed, typ);
    }
    let wider = App::with_issuer(|issuer| issuer.dangerous_accept_type("application/Special+JWT"));
    for (typ, expected) in
        [("special+jwt", ACCEPTED), ("at+jwt", ACCEPTED), ("logout+jwt", Err(TypeMismatch))]
    {
        wider.present(&wider.token().header("typ", typ).sign()).await.assert_outcome(expected, typ);
    }
}

#[tokio::test(start_paused = true)]
async fn strict_rfc9068_requires_the_type_and_claims_of_the_profile() {
    let app = App::with_issuer(Issuer::strict_rfc9068);
    app.present(&app.token().sign()).await.assert_accepted("all required claims");
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt"] {
        app.present(&app.token().header("typ", typ).sign()).await.assert_accepted(typ);
    }
    for typ in [Value::Null, json!("JWT"), json!("application/jwt"), json!("at-jwt"), json!("xat+jwt")] {
        let name = typ.to_string();
        app.present(&app.token().header("typ", typ).sign()).await.assert_rejected(TypeMismatch, &name);
    }
    for claim in ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"] {
        let response = app.present(&app.token().without(claim).sign()).await;
        assert_claim_rejected(&response, ClaimMissing, claim, &format!("{claim} absent"));
        let date = ["exp", "iat"].contains(&claim);
        let other = if date { json!("1800000000") } else { json!(1) };
        for value in [Value::Null, other, json!([1]), json!({}), json!(true)] {
            let name = format!("{claim} {value}");
            let response = app.present(&app.token().claim(claim, value).sign()).await;
            assert_claim_rejected(&response, ClaimIllTyped, claim, &name);
        }
    }
    let id_token = app.token().header("typ", "JWT").claim("nonce", "n").claim("at_hash", "h").sign();
    app.present(&id_token).await.assert_rejected(TypeMismatch, "an ID token");
}

#[tokio::test(start_paused = true)]
async fn an_ill_typed_claim_that_decides_nothing_is_absent() {
    let app = App::new();
    let values = [json!(1), json!(true), Value::Null, json!([]), json!(["x"]), json!({}), json!({"x": 1})];
    for claim in ["jti", "sid", "acr", "auth_time", "azp", "cid", "appid"] {
        for value in values.iter().filter(|value| claim != "auth_time" || !value.is_number()) {
            let name = format!("{claim} {value}");
            let response = app.present(&app.token().claim(claim, value.clone()).sign()).await;
            let token = response.assert_accepted(&name);
            let read = match claim {
                "jti" => token.token_id().is_none(),
                "sid" => token.session_id().is_none(),
                "acr" => token.acr().is_none(),
                "auth_time" => token.auth_time().is_none(),
                _ => token.client_id() == Some("app"),
            };
            assert!(read, "{name}");
        }
        app.present(&app.token().without(claim).sign()).await.assert_accepted(&format!("{claim} absent"));
    }
    // As ADFS writes it.
    let iso_date = app.token().claim("auth_time", "2026-11-26T18:55:03.123Z").sign();
    assert_eq!(app.present(&iso_date).await.assert_accepted("an ISO date").auth_time(), None);
    let required = App::with_issuer(|issuer| issuer.require_claim("jti").require_claim("auth_time"));
    for (claim, value) in [("jti", json!(5)), ("auth_time", json!("2026-11-26")), ("jti", Value::Null)] {
        let token = required.token().claim("auth_time", NOW).claim(claim, value);
        let response = required.present(&token.sign()).await;
        assert_claim_rejected(&response, ClaimIllTyped, claim, "a required claim");
    }
}

#[tokio::test(start_paused = true)]
async fn the_client_is_the_first_client_claim_that_the_token_has() {
    let default = App::new();
    let okta = App::with_issuer(|issuer| issuer.client_claims(["cid"]));
    let caller = App::with_issuer(|issuer| issuer.client_claims(["sub"]));
    let both = App::with_issuer(|issuer| issuer.client_claims(["appid", "client_id"]));
    for (name, app, claims, expected) in [
        ("client_id", &default, json!({"client_id": "a", "azp": "b", "cid": "c", "appid": "d"}), Some("a")),
        ("azp", &default, json!({"azp": "b", "cid": "c", "appid": "d"}), Some("b")),
        ("private names", &default, json!({"cid": "c", "appid": "d"}), None),
        ("ill-typed azp", &default, json!({"azp": 5}), None),
        ("cid by setting", &okta, json!({"client_id": "a", "azp": "b", "cid": "c"}), Some("c")),
        ("no cid", &okta, json!({"client_id": "a", "azp": "b"}), None),
        ("sub by setting", &caller, json!({"azp": "b"}), Some("alice")),
        ("first of two", &both, json!({"client_id": "a", "appid": "d"}), Some("d")),
        ("second of two", &both, json!({"client_id": "a"}), Some("a")),
        ("ill-typed first does not fall back", &both, json!({"appid": 5, "client_id": "a"}), None),
    ] {
        let token = claims
            .as_object()
            .unwrap()
            .iter()
            .fold(app.token().without("client_id"), |token, (claim, value)| {
                token.claim(claim, value.clone())
            });
        let response = app.present(&token.sign()).await;
        assert_eq!(response.assert_accepted(name).client_id(), expected, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_ill_typed_client_claim_is_rejected_where_clients_are_restricted() {
    let default = App::with_issuer(|issuer| issuer.allowed_clients(["app"]));
    let okta = App::with_issuer(|issuer| issuer.client_claims(["cid", "azp"]).allowed_clients(["app"]));
    for (name, app, claims, expected) in [
        ("ill-typed azp", &default, json!({"azp": ["app"]}), Err((ClaimIllTyped, "azp"))),
        (
            "ill-typed client_id",
            &default,
            json!({"client_id": 5, "azp": "app"}),
            Err((ClaimIllTyped, "client_id")),
        ),
        (
            "null client_id",
            &default,
            json!({"client_id": null, "azp": "app"}),
            Err((ClaimIllTyped, "client_id")),
        ),
        ("ill-typed azp behind client_id", &default, json!({"client_id": "app", "azp": 5}), Ok(())),
        ("private name", &default, json!({"cid": "app"}), Err((ClaimMissing, "client_id"))),
        ("ill-typed cid", &okta, json!({"cid": 5, "azp": "app"}), Err((ClaimIllTyped, "cid"))),
        ("null cid", &okta, json!({"cid": null, "azp": "app"}), Err((ClaimIllTyped, "cid"))),
        ("no client", &okta, json!({"client_id": "app"}), Err((ClaimMissing, "cid"))),
        ("cid", &okta, json!({"cid": "app"}), Ok(())),
    ] {
        let token = claims
            .as_object()
            .unwrap()
            .iter()
            .fold(app.token().without("client_id"), |token, (claim, value)| {
                token.claim(claim, value.clone())
            });
        let response = app.present(&token.sign()).await;
        match expected {
            Ok(()) => drop(response.assert_accepted(name).clone()),
            Err((kind, claim)) => assert_claim_rejected(&response, kind, claim, name),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_ill_typed_claim_that_identifies_or_grants_is_rejected() {
    let app = App::new();
    for claim in ["sub", "client_id"] {
        for value in [json!(1), json!(true), Value::Null, json!([]), json!(["x"]), json!({}), json!({"x": 1})]
        {
            let name = format!("{claim} {value}");
            let response = app.present(&app.token().claim(claim, value).sign()).await;
            assert_claim_rejected(&response, ClaimIllTyped, claim, &name);
        }
        app.present(&app.token().claim(claim, "x").sign()).await.assert_accepted(claim);
        app.present(&app.token().without(claim).sign()).await.assert_accepted(&format!("{claim} absent"));
    }
    for claim in ["scope", "scp"] {
        for value in [
            json!(5),
            json!(true),
            Value::Null,
            json!({"a": 1}),
            json!([1]),
            json!(["a", null]),
            json!([["a"]]),
        ] {
            let name = format!("{claim} {value}");
            let response = app.present(&app.token().claim(claim, value).sign()).await;
            assert_claim_rejected(&response, ClaimIllTyped, claim, &name);
        }
    }
    let chosen = App::with_issuer(|issuer| issuer.scope_claims(["roles"]).require_claim("tenant"));
    let token = || chosen.token().claim("tenant", "t");
    for (name, token, expected) in [
        ("an array", token().claim("roles", vec!["a"]), Ok(())),
        ("a number", token().claim("roles", 1), Err((ClaimIllTyped, "roles"))),
        ("required claim absent", token().without("tenant"), Err((ClaimMissing, "tenant"))),
        ("required claim is null", token().claim("tenant", Value::Null), Err((ClaimMissing, "tenant"))),
    ] {
        let response = chosen.present(&token.sign()).await;
        match expected {
            Ok(()) => drop(response.assert_accepted(name).clone()),
            Err((kind, claim)) => assert_claim_rejected(&response, kind, claim, name),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn other_kinds_of_jwt_are_rejected() {
    let app = App::new();
    let bare = || app.token().without("scope").without("client_id");
    for hash in ["at_hash", "c_hash", "s_hash"] {
        for value in [json!("x"), Value::Null, json!(1)] {
            let name = format!("{hash} {value}");
            let token = app.token().header("typ", "JWT").claim(hash, value).sign();
            app.present(&token).await.assert_rejected(IdTokenPresented, &name);
        }
    }
    for (name, token, expected) in [
        ("nonce only", bare().claim("nonce", "n"), Err(IdTokenPresented)),
        ("nonce is null", bare().claim("nonce", Value::Null), Err(IdTokenPresented)),
        ("nonce and azp", bare().claim("nonce", "n").claim("azp", "app"), Err(IdTokenPresented)),
        ("nonce and scope", bare().claim("nonce", "n").scope("a"), ACCEPTED),
        ("nonce and scp", bare().claim("nonce", "n").claim("scp", vec!["a"]), ACCEPTED),
        ("nonce and client_id", bare().claim("nonce", "n").claim("client_id", "app"), ACCEPTED),
        (
            "nonce, and scope is null",
            bare().claim("nonce", "n").claim("scope", Value::Null),
            Err(ClaimIllTyped),
        ),
        (
            "ID token",
            bare().header("typ", "JWT").claim("aud", "app").claim("azp", "app"),
            Err(AudienceMismatch),
        ),
    ] {
        app.present(&token.sign()).await.assert_outcome(expected, name);
    }
    let events = json!({"http://schemas.openid.net/event/backchannel-logout": {}});
    let logout = || bare().claim("aud", "app").claim("events", events.clone()).claim("sid", "s");
    let introspection = json!({"active": true, "iss": ISSUER, "aud": API, "scope": "a b"});
    let cases = [
        ("logout token", logout().header("typ", "logout+jwt")),
        ("logout token without its type", logout().header("typ", "JWT")),
        ("logout token for this API without its type", logout().header("typ", "JWT").claim("aud", API)),
        ("security event", bare().header("typ", "secevent+jwt").claim("events", events.clone())),
        (
            "security event without a type",
            app.token().header("typ", Value::Null).claim("events", events.clone()),
        ),
        (
            "introspection response",
            bare()
                .header("typ", "token-introspection+jwt")
                .claim("token_introspection", introspection.clone()),
        ),
        (
            "introspection response without its type",
            app.token().header("typ", "JWT").claim("token_introspection", introspection),
        ),
        ("status list", app.token().header("typ", "statuslist+jwt").claim("status_list", json!({"bits": 1}))),
        (
            "DPoP proof",
            app.token()
                .header("typ", "dpop+jwt")
                .header("jwk", json!({}))
                .claim("htm", "GET")
                .claim("htu", API),
        ),
        ("request object", app.token().header("typ", "oauth-authz-req+jwt").claim("response_type", "code")),
    ];
    for (name, token) in cases {
        app.present(&token.sign()).await.assert_rejected(TypeMismatch, name);
    }
    let assertion = bare().claim("iss", "app").claim("sub", "app").claim("aud", ISSUER).header("typ", "JWT");
    app.present(&assertion.sign()).await.assert_rejected(IssuerUnknown, "client assertion");
}

#[tokio::test(start_paused = true)]
async fn a_sender_constrained_token_is_rejected_as_bearer_token() {
    let app = App::new();
    let (jkt, x5t) = (
        json!("0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"),
        json!("A4DtL2JmUMhAsvJj5tKyn64SqzmuXbMrJa0n761y5v0"),
    );
    for cnf in [
        json!({"jkt": jkt}),
        json!({"x5t#S256": x5t}),
        json!({"jkt": jkt, "x5t#S256": x5t, "other": 1}),
        json!({"jwk": {}}),
        json!({"unknown": 1}),
    ] {
        let (name, token) = (cnf.to_string(), app.token().claim("cnf", cnf).sign());
        for response in [app.present(&token).await, app.present(&token).await] {
            response.assert_rejected(SenderNotProven, &name);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_confirmation_that_confirms_nothing_is_ill_typed() {
    let app = App::new();
    for cnf in [
        json!({"jkt": "x"}),
        json!({"x5t#S256": 1}),
        json!({}),
        json!("x"),
        json!([]),
        json!(1),
        json!(false),
        Value::Null,
    ] {
        let name = cnf.to_string();
        let response = app.present(&app.token().claim("cnf", cnf).sign()).await;
        response.assert_rejected(ClaimIllTyped, &name);
        assert_eq!(response.rejection().unwrap().claim(), Some("cnf"), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_signature_is_verified_before_the_claims_are_checked() {
    let app = App::new();
    for (name, token, kind) in [
        ("expired", app.token().expired(), TokenExpired),
        ("other audience", app.token().claim("aud", "other"), AudienceMismatch),
        ("no exp", app.token().without("exp"), ClaimMissing),
        ("no aud", app.token().without("aud"), ClaimMissing),
        ("ill-typed", app.token().claim("exp", "never"), ClaimIllTyped),
        ("not yet", app.token().claim("nbf", NOW + 3600), TokenNotYetValid),
        ("ID token", app.token().claim("at_hash", "x"), IdTokenPresented),
        ("sender-constrained", app.token().claim("cnf", json!({"x": 1})), SenderNotProven),
    ] {
        let signed = token.sign();
        let [header, payload, _] = parts(&signed);
        let bad = format!("{header}.{payload}.{}", encode([7; 64]));
        for response in [app.present(&bad).await, app.present(&bad).await] {
            response.assert_rejected(SignatureMismatch, name);
            assert_eq!(response.rejection().unwrap().claim(), None, "{name}");
        }
        app.present(&signed).await.assert_rejected(kind, &format!("{name}, valid signature"));
    }
    let both = app.token().expired().claim("aud", "other").sign();
    for _ in 0..10 {
        app.present(&both).await.assert_rejected(AudienceMismatch, "two failing checks");
    }
}

#[tokio::test(start_paused = true)]
async fn cached_tokens_are_compared_as_a_whole() {
    let app = App::new();
    let (alice, bob) = (app.token().sign(), app.token().subject("bob").claim("jti", "2").sign());
    for _ in 0..100 {
        for (name, token) in [("alice", &alice), ("bob", &bob)] {
            assert_eq!(app.present(token).await.assert_accepted(name).subject(), Some(name));
        }
    }
    let ([header, payload, signature], [_, other_payload, other_signature]) = (parts(&alice), parts(&bob));
    for (name, token) in [
        ("another signature", format!("{header}.{payload}.{other_signature}")),
        ("another payload", format!("{header}.{other_payload}.{signature}")),
    ] {
        app.present(&token).await.assert_rejected(SignatureMismatch, name);
    }
    app.present(&alice).await.assert_accepted("the unaltered token");

    let trusted = app.idp.issuer().audience("https://other.example.com");
    let other = App::of(app.idp.clone(), trusted, |builder| builder);
    other.present(&alice).await.assert_rejected(AudienceMismatch, "a layer for another API");
    app.present(&alice).await.assert_accepted("the layer for this API");
}

#[tokio::test(start_paused = true)]
async fn an_insecure_configuration_does_not_build() {
    let idp = issuer(ISSUER);
    let builder = |audience: &str| BearerAuth::builder(audience).http_client(idp.http_client());
    let problems = |built: Result<BearerAuth, ConfigError>| {
        built.err().unwrap().problems().iter().map(|problem| format!("{problem:?}")).collect::<Vec<String>>()
    };
    let no_algorithm = || idp.issuer().algorithms(Vec::<Algorithm>::new());
    let no_algorithm_problem = format!("NoAlgorithm {{ issuer: {ISSUER:?} }}");
    let leeway_problem = "LeewayTooLong { leeway: 301s }".to_owned();
    let too_long = Duration::from_secs(301);
    for (name, built, expected) in [
        ("no issuer", builder(API).build(), vec!["NoIssuer".to_owned()]),
        ("an empty audience", builder("").issuer(idp.issuer()).build(), vec!["AudienceEmpty".to_owned()]),
        (
            "an empty audience of the issuer",
            builder(API).issuer(idp.issuer().audience("")).build(),
            vec!["AudienceEmpty".to_owned()],
        ),
        ("no algorithm", builder(API).issuer(no_algorithm()).build(), vec![no_algorithm_problem.clone()]),
        (
            "leeway of 301 s",
            builder(API).issuer(idp.issuer()).leeway(too_long).build(),
            vec![leeway_problem.clone()],
        ),
        (
            "no allowed clients",
            builder(API).issuer(idp.issuer().allowed_clients(Vec::<String>::new())).build(),
            vec![format!("NoClient {{ issuer: {ISSUER:?} }}")],
        ),
        (
            "the same issuer twice",
            builder(API).issuer(idp.issuer()).add_issuer(idp.issuer().audience("x")).build(),
            vec![format!("IssuerRepeated {{ issuer: {ISSUER:?} }}")],
        ),
        (
            "two problems",
            builder(API).issuer(no_algorithm()).leeway(too_long).build(),
            vec![leeway_problem, no_algorithm_problem],
        ),
    ] {
        assert_eq!(problems(built), expected, "{name}");
    }
    let error = builder("").leeway(too_long).build().err().unwrap().to_string();
    for problem in ["no issuer", "301s"] {
        assert!(error.contains(problem), "{problem} is not in {error}");
    }
    let longest = builder(API).issuer(idp.issuer()).leeway(Duration::from_secs(300));
    assert!(longest.build().is_ok(), "leeway of 300 s");

    let minimal = App::new();
    let foreign: TestIssuer = issuer("https://evil.example");
    let response = minimal.present(&base(&foreign).sign()).await;
    response.assert_rejected(IssuerUnknown, "an unknown issuer");
    let response = minimal.present(&minimal.token().without("aud").sign()).await;
    assert_claim_rejected(&response, ClaimMissing, "aud", "no audience");
    let claims = decode(parts(&minimal.token().sign())[1]);
    let unsigned = format!("{}.{}.", encode(r#"{"alg":"none"}"#), encode(claims));
    minimal.present(&unsigned).await.assert_rejected(AlgorithmNotAllowed, "unsigned");
}

#[tokio::test(start_paused = true)]
async fn a_jwt_whose_claims_name_another_token_type_is_rejected() {
    let app = App::with(|builder| builder.add_audience("client"));
    let token = |claims: Value| app.token().header("typ", Value::Null).sign_claims(claims.to_string());
    let cognito = json!({
        "iss": ISSUER, "aud": "client", "sub": "u", "exp": NOW + 3600, "iat": NOW, "auth_time": NOW,
        "event_id": "e", "token_use": "id", "cognito:username": "u", "email": "a@b",
        "email_verified": true,
    });
    app.present(&token(cognito)).await.assert_rejected(IdTokenPresented, "an ID token of Cognito");
    let keycloak = json!({
        "iss": ISSUER, "aud": "client", "sub": "u", "exp": NOW + 300, "iat": NOW, "auth_time": NOW,
        "jti": "j", "typ": "ID", "azp": "client", "sid": "s", "acr": "1",
    });
    app.present(&token(keycloak)).await.assert_rejected(IdTokenPresented, "an ID token of Keycloak");
    for (claim, value, expected) in [
        ("typ", "Refresh", Err(TypeMismatch)),
        ("typ", "Offline", Err(TypeMismatch)),
        ("token_use", "refresh_token", Err(TypeMismatch)),
        ("typ", "Bearer", ACCEPTED),
        ("token_use", "access", ACCEPTED),
        ("token_use", "access_token", ACCEPTED),
    ] {
        let response = app.present(&app.token().claim(claim, value).sign()).await;
        response.assert_outcome(expected, &format!("{claim} {value}"));
    }
}

#[tokio::test(start_paused = true)]
async fn add_audience_of_an_issuer_keeps_the_audience_of_the_builder() {
    let app = App::with_issuer(|issuer| issuer.add_audience("second"));
    for audience in ["second", API] {
        app.present(&app.token().claim("aud", audience).sign()).await.assert_accepted(audience);
    }
}

#[tokio::test(start_paused = true)]
async fn require_claim_accepts_a_claim_of_id_tokens() {
    let app = App::with_issuer(|issuer| issuer.require_claim("nonce"));
    app.present(&app.token().claim("nonce", "n").sign()).await.assert_accepted("nonce");
}
